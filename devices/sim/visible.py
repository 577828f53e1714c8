"""Which triangles of a robot can be seen at all: most of a CAD model is inside."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.stream import FloatArray

_DIRECTIONS = 14
_APART = 8.0  # [m] between bodies, so that each is judged alone
_LIFT = 4e-4  # [m] start of a ray above its triangle
_GRAZING = 0.12  # cosine below which a ray says nothing


class VisibleFaces:
    """Judges triangles of a model's visual meshes by rays to the outside.

    A triangle is seen if from its middle some ray leaves the body that it belongs to. Bodies are
    judged apart from each other, because joints may uncover what another body hides.

    Args:
        model: A compiled model whose robot's looks are in geom group 2.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        mujoco.mj_forward(model, self._data)
        self._data.geom_xpos[:, 0] += _APART * model.geom_bodyid
        self._group = np.array([0, 0, 1, 0, 0, 0], dtype=np.uint8)
        self._directions = _sphere(_DIRECTIONS)

    def of_mesh(
        self, mesh: int, vertices: FloatArray, faces: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.bool_]:
        """Which faces of a mesh are seen, shape (m,).

        Args:
            mesh: Id of the mesh.
            vertices, faces: The mesh, or a simplified one, in the compiled mesh's frame.
        """
        model, data = self._model, self._data
        geom = int(np.flatnonzero(model.geom_dataid == mesh)[0])
        rotation, position = data.geom_xmat[geom].reshape(3, 3), data.geom_xpos[geom]
        corners = (vertices @ rotation.T + position)[faces]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
        start = corners.mean(axis=1) + _LIFT * normal
        facing = normal @ self._directions.T > _GRAZING
        seen = np.zeros(len(faces), dtype=bool)
        for face in range(len(faces)):
            rays = self._directions[facing[face]]
            hit = np.full(len(rays), -1, dtype=np.int32)
            far = np.zeros(len(rays))
            mujoco.mj_multiRay(
                model,
                data,
                start[face],
                rays.ravel(),
                self._group,
                1,
                -1,
                hit,
                far,
                None,
                len(rays),
                _APART / 2,
            )
            seen[face] = bool((hit < 0).any())
        return seen


def _sphere(count: int) -> FloatArray:
    """Directions spread evenly over the sphere (Fibonacci lattice), shape (count, 3)."""
    index = np.arange(count) + 0.5
    polar = np.arccos(1 - 2 * index / count)
    around = np.pi * (1 + np.sqrt(5)) * index
    return np.stack(
        [np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=1
    )
