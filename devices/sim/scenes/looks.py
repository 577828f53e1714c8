"""Short words for the visible parts of a scene that nothing touches: paint, boxes, rods, plates."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

GROUP = 2  # the group of visual geoms, as in the robot's package

# For geoms that `dress` moves: MuJoCo's compiler notes which geoms share a frame with their body,
# and never looks at the pose of those again.
MOVABLE: dict[str, list[float]] = {"pos": [0.001, 0.0, -0.005], "quat": [0.8, 0.6, 0.0, 0.0]}


def paint(
    spec: mujoco.MjSpec,
    name: str,
    rgb: tuple[float, float, float],
    *,
    specular: float = 0.35,
    shininess: float = 0.45,
    alpha: float = 1.0,
) -> str:
    """Add a material and return its name."""
    spec.add_material(name=name, rgba=[*rgb, alpha], specular=specular, shininess=shininess)
    return name


def box(
    body: mujoco.MjsBody, half: Sequence[float], at: Sequence[float], material: str
) -> mujoco.MjsGeom:
    """A box of half size [m] at a place of the body."""
    return _decor(body, mujoco.mjtGeom.mjGEOM_BOX, half, material, pos=at)


def cylinder(
    body: mujoco.MjsBody, radius: float, half: float, at: Sequence[float], material: str
) -> mujoco.MjsGeom:
    """An upright cylinder, `half` its half height [m]."""
    return _decor(body, mujoco.mjtGeom.mjGEOM_CYLINDER, (radius, half, 0), material, pos=at)


def rod(
    body: mujoco.MjsBody,
    start: Sequence[float],
    end: Sequence[float],
    radius: float,
    material: str,
    *,
    rounded: bool = False,
) -> mujoco.MjsGeom:
    """A cylinder (or capsule) between two points of the body."""
    shape = mujoco.mjtGeom.mjGEOM_CAPSULE if rounded else mujoco.mjtGeom.mjGEOM_CYLINDER
    return _decor(body, shape, (radius, 0, 0), material, fromto=np.array([*start, *end]))


def _decor(
    body: mujoco.MjsBody,
    shape: mujoco.mjtGeom,
    size: Sequence[float],
    material: str,
    **where: object,
) -> mujoco.MjsGeom:
    return body.add_geom(
        type=shape,
        size=list(size),
        material=material,
        contype=0,
        conaffinity=0,
        group=GROUP,
        mass=0,
        **where,
    )


def plate(spec: mujoco.MjSpec, name: str, half: tuple[float, float, float], corner: float) -> str:
    """Add the mesh of a plate with rounded corners, and return its name.

    Args:
        half: Half size [m].
        corner: Radius of the corners [m]; the upper edge is chamfered by a tenth of it.
    """
    turn = np.linspace(0, np.pi / 2, 6)
    outline = []
    for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        middle = np.array([sx * (half[0] - corner), sy * (half[1] - corner)])
        angle = turn + quarter * np.pi / 2
        outline.append(middle + corner * np.column_stack([np.cos(angle), np.sin(angle)]))
    rim = np.vstack(outline)
    chamfer = 0.1 * corner
    inner = rim * (1 - chamfer / np.array(half[:2]))
    layers = [(rim, -half[2]), (rim, half[2] - chamfer), (inner, half[2])]
    points = np.vstack([np.column_stack([xy, np.full(len(xy), z)]) for xy, z in layers])
    spec.add_mesh(name=name, uservert=points.ravel())
    return name


def mesh(body: mujoco.MjsBody, name: str, at: Sequence[float], material: str) -> mujoco.MjsGeom:
    """A mesh at a place of the body."""
    return _decor(body, mujoco.mjtGeom.mjGEOM_MESH, (0, 0, 0), material, pos=at, meshname=name)
