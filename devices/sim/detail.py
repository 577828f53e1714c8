"""Detail levels: how finely robots are drawn. Nothing that physics reads changes with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import mujoco
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.pose import matrix_from_quat
from devices.sim.visible import VisibleFaces
from devices.stream import FloatArray

Detail = Literal["full", "reduced", "minimal"]
DETAILS: tuple[Detail, ...] = get_args(Detail)

# Faces that a visual mesh keeps: at most `most`, of which a mesh of n faces gets about k sqrt(n).
_BUDGET: dict[Detail, tuple[float, int]] = {"reduced": (13.0, 4200), "minimal": (3.5, 400)}
_METHOD = "visible faces only, 4"  # part of the cache's key: change it with the code below
_FEWEST = 24  # below this nothing is gained
_CREASE = np.cos(np.deg2rad(52.0))  # edges sharper than this stay sharp in the shading


@dataclass(frozen=True, slots=True)
class Quality:
    """Rendering options that go with a detail level.

    Attributes:
        samples: Multisampling of off-screen buffers.
        shadows: Whether the key light casts shadows.
        shadow_size: Side of the shadow map [px].
    """

    samples: int
    shadows: bool
    shadow_size: int


QUALITY: dict[Detail, Quality] = {
    "full": Quality(samples=4, shadows=True, shadow_size=4096),
    "reduced": Quality(samples=0, shadows=False, shadow_size=1024),
    "minimal": Quality(samples=0, shadows=False, shadow_size=1024),
}


@dataclass(frozen=True, slots=True)
class _Mesh:
    vertices: npt.NDArray[np.float32]  # (n, 3) [m], in the frame of the mesh file
    normals: npt.NDArray[np.float32]  # (n, 3)
    faces: npt.NDArray[np.int32]  # (m, 3)


def check_detail(detail: str) -> None:
    """Raises ConfigError for an unknown level."""
    if detail not in DETAILS:
        raise ConfigError(f"Unknown detail level '{detail}'", allowed=DETAILS)


def simplify(spec: mujoco.MjSpec, detail: Detail, cache: Path) -> None:
    """Coarsen the purely visual meshes of a spec for a detail level.

    Bodies, joints, geoms and their order stay as they are; only triangles of geoms that collide
    with nothing get fewer. Simplified meshes are kept in `cache`, named by what they came from.

    Raises:
        ConfigError: For an unknown level.
    """
    check_detail(detail)
    quality = QUALITY[detail]
    spec.visual.quality.offsamples = quality.samples
    spec.visual.quality.shadowsize = quality.shadow_size
    if detail == "full":
        return
    meshes = [mesh for mesh in spec.meshes if mesh.file and mesh.name in _visual_only(spec)]
    keys = {mesh.name: _key(spec, mesh, detail) for mesh in meshes}
    missing = [m for m in meshes if not (cache / f"{keys[m.name]}.npz").is_file()]
    if missing:
        model = spec.copy().compile()
        cache.mkdir(parents=True, exist_ok=True)
        judge = VisibleFaces(model)
        for mesh in missing:
            _store(cache / f"{keys[mesh.name]}.npz", _coarse(model, judge, mesh.name, detail))
    for mesh in meshes:
        with np.load(cache / f"{keys[mesh.name]}.npz", allow_pickle=False) as stored:
            mesh.file = ""
            mesh.scale = [1.0, 1.0, 1.0]
            mesh.uservert = stored["vertices"].ravel()
            mesh.usernormal = stored["normals"].ravel()
            mesh.userface = stored["faces"].ravel()


def _visual_only(spec: mujoco.MjSpec) -> set[str]:
    """Names of meshes that only geoms without collision use."""
    used: dict[str, bool] = {}
    for geom in spec.geoms:
        if geom.meshname:
            visual = geom.contype == 0 and geom.conaffinity == 0
            used[geom.meshname] = used.get(geom.meshname, True) and visual
    return {name for name, visual in used.items() if visual}


def _key(spec: mujoco.MjSpec, mesh: mujoco.MjsMesh, detail: Detail) -> str:
    path = Path(mesh.file)
    if not path.is_absolute():
        path = Path(spec.modelfiledir) / spec.compiler.meshdir / path
    told = hashlib.sha256(path.read_bytes())
    rules = (np.array(mesh.scale).tolist(), detail, _BUDGET[detail], _CREASE, _METHOD)
    told.update(repr(rules).encode())
    return told.hexdigest()[:32]


def _coarse(model: mujoco.MjModel, judge: VisibleFaces, name: str, detail: Detail) -> _Mesh:
    """A mesh of a compiled model with fewer faces, in the frame of its file."""
    mesh = model.mesh(name).id
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count].astype(np.float64)
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    faces = model.mesh_face[first : first + count].astype(np.int32)
    vertices, faces = _welded(vertices, faces)
    factor, most = _BUDGET[detail]
    target = int(min(most, max(_FEWEST, factor * np.sqrt(len(faces)))))
    # What nobody can see is dropped first, so that the outside gets all the triangles.
    vertices, faces = _fewer(vertices, faces, 3 * target)
    seen = judge.of_mesh(mesh, vertices, faces)
    if seen.sum() >= _FEWEST:
        vertices, faces = _welded(vertices, faces[seen])
    vertices, faces = _fewer(vertices, faces, target)
    rotation = matrix_from_quat(model.mesh_quat[mesh])
    return _creased(vertices @ rotation.T + model.mesh_pos[mesh], faces)


def _fewer(
    vertices: FloatArray, faces: npt.NDArray[np.int32], target: int
) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """Quadric simplification to about `target` faces (fast-simplification)."""
    import fast_simplification

    if len(faces) <= target:
        return vertices, faces
    fewer_vertices, fewer_faces = fast_simplification.simplify(
        vertices.astype(np.float32), faces, target_count=target
    )
    return np.asarray(fewer_vertices, dtype=np.float64), np.asarray(fewer_faces, dtype=np.int32)


def _welded(
    vertices: FloatArray, faces: npt.NDArray[np.int32]
) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """One vertex a place (to a micrometre), no faces without area."""
    _, first, index = np.unique(
        np.round(vertices * 1e6).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    faces = index.reshape(-1)[faces].astype(np.int32)
    a, b, c = faces.T
    return vertices[first], faces[(a != b) & (b != c) & (a != c)]


def _creased(vertices: FloatArray, faces: npt.NDArray[np.int32]) -> _Mesh:
    """Vertices with normals; a vertex on a sharp edge comes once a smooth side."""
    corners = vertices[faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(area, axis=1, keepdims=True)
    keep = length[:, 0] > 1e-14
    faces, area, length = faces[keep], area[keep], length[keep]
    flat = area / length
    # Pair every corner with every corner at the same vertex.
    at = faces.ravel()
    order = np.argsort(at, kind="stable")
    count = np.bincount(at, minlength=len(vertices))
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    partners = count[at]
    mine = np.repeat(np.arange(len(at)), partners)
    step = np.arange(len(mine)) - np.repeat(np.cumsum(partners) - partners, partners)
    other = order[first[at[mine]] + step]
    smooth = np.einsum("ij,ij->i", flat[mine // 3], flat[other // 3]) > _CREASE
    mine, other = mine[smooth], other[smooth]
    normals = np.stack(
        [np.bincount(mine, weights=area[other // 3, k], minlength=len(at)) for k in range(3)],
        axis=1,
    )
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    told = np.column_stack([at, np.round(normals * 200).astype(np.int64)])
    _, keep_corner, index = np.unique(told, axis=0, return_index=True, return_inverse=True)
    return _Mesh(
        vertices[at[keep_corner]].astype(np.float32),
        normals[keep_corner].astype(np.float32),
        index.reshape(faces.shape).astype(np.int32),
    )


def _store(path: Path, mesh: _Mesh) -> None:
    """Write beside and rename, so that two processes may do it at once."""
    import os
    import tempfile

    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        np.savez(file, vertices=mesh.vertices, normals=mesh.normals, faces=mesh.faces)
    os.replace(temporary, path)
