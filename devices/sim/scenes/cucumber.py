"""A cucumber: its shape, its skin, and the cells in which it can be peeled.

Frame: origin on the crest at mid length, y along the cucumber, z up. The cucumber arches upwards,
so its hull is its shape where a blade can reach it.
"""

from __future__ import annotations

from functools import lru_cache

import mujoco
import numpy as np
import numpy.typing as npt

from devices.pose import quat_from_rotvec, quat_multiply
from devices.sim.scenes import looks

FloatArray = npt.NDArray[np.float64]

LANES = 3  # side by side: left of the crest, crest, right
CELLS = 48  # along the cucumber
CELL = 0.0034  # [m] length of a cell
FLESH = (0.83, 0.90, 0.63)
PULP = (0.93, 0.95, 0.80)
PEEL = (0.24, 0.45, 0.15)
CURL = 22  # pieces of the rolled-up strip

_HALF = 0.098  # [m] half length
_RADIUS = 0.0225  # [m] at mid length
_SAG = 0.009  # [m] by which the middle line falls towards the ends
_LANE_ANGLE = np.radians(26.0)  # between the middles of lanes, round the section
_RINGS, _SECTORS = 40, 28
_PIECE = 0.0034  # [m] length of a piece of the curl


def _radius(y: npt.ArrayLike) -> FloatArray:
    """Radius of the section at y [m]: nearly constant, rounded at the ends."""
    u = np.clip(np.abs(np.asarray(y)) / _HALF, 0.0, 1.0)
    return np.asarray(_RADIUS * (1.0 - 0.10 * u**2) * np.sqrt(np.maximum(1.0 - u**10, 0.0)))


def _middle_z(y: npt.ArrayLike) -> FloatArray:
    """Height of the middle line at y [m]."""
    return np.asarray(-_RADIUS - _SAG * (np.asarray(y) / _HALF) ** 2)


def underside() -> float:
    """Lowest height of the cucumber between its rests [m]."""
    return float(_middle_z(0.055) - _radius(0.055))


def crest() -> FloatArray:
    """The line along the top where cells lie, shape (CELLS, 3) [m]."""
    y = (np.arange(CELLS) - (CELLS - 1) / 2) * CELL
    return np.column_stack([np.zeros(CELLS), y, _middle_z(y) + _radius(y)]).astype(np.float64)


def cell_at(point: FloatArray) -> tuple[int, int] | None:
    """Lane and cell under a point (3,) [m] of the surface, or None beyond the cells."""
    cell = round(point[1] / CELL + (CELLS - 1) / 2)
    angle = np.arctan2(point[0], point[2] - float(_middle_z(point[1])))
    lane = round(float(angle / _LANE_ANGLE)) + LANES // 2
    if not (0 <= cell < CELLS and 0 <= lane < LANES):
        return None
    return lane, cell


def grow(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    """Add the cucumber to a body: geom `cucumber_skin`, and hidden `flesh_<lane>_<cell>`."""
    _skin_material(spec)
    _skin_mesh(spec)
    body.add_geom(
        name="cucumber_skin",
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname="cucumber",
        material="cucumber_skin",
        friction=[0.2, 0.005, 0.0001],
        mass=0,
    )
    stem = looks.paint(spec, "cucumber_stem", (0.42, 0.47, 0.22), specular=0.1)
    end = float(_middle_z(_HALF))
    looks.rod(
        body,
        (0, _HALF - 0.003, end),
        (0.003, _HALF + 0.011, end + 0.003),
        0.0035,
        stem,
        rounded=True,
    )
    _cells(spec, body)
    _curl_pieces(spec, body)


def _skin_mesh(spec: mujoco.MjSpec) -> None:
    """A closed tube with caps; u runs round the section, v along the length."""
    s = np.sin(np.linspace(-np.pi / 2, np.pi / 2, _RINGS))  # rings gather at the ends
    y = _HALF * s
    angle = np.linspace(0, 2 * np.pi, _SECTORS + 1)
    radius, z = np.maximum(_radius(y), 5e-4), _middle_z(y)
    points = np.stack(
        [
            radius[:, None] * np.sin(angle),
            np.broadcast_to(y[:, None], (_RINGS, _SECTORS + 1)),
            z[:, None] + radius[:, None] * np.cos(angle),
        ],
        axis=-1,
    ).reshape(-1, 3)
    u = np.broadcast_to(angle / (2 * np.pi), (_RINGS, _SECTORS + 1))
    v = np.broadcast_to(((s + 1) / 2)[:, None], (_RINGS, _SECTORS + 1))
    width = _SECTORS + 1
    faces = []
    for i in range(_RINGS - 1):
        for j in range(_SECTORS):
            a, b = i * width + j, (i + 1) * width + j
            faces += [(a, a + 1, b), (a + 1, b + 1, b)]
    for j in range(1, _SECTORS - 1):
        last = (_RINGS - 1) * width
        faces += [(0, j + 1, j), (last, last + j, last + j + 1)]
    spec.add_mesh(
        name="cucumber",
        uservert=points.ravel(),
        userface=np.array(faces).ravel(),
        usertexcoord=np.stack([u, v], axis=-1).ravel(),
    )


def _skin_material(spec: mujoco.MjSpec) -> None:
    picture = _skin_picture()
    texture = spec.add_texture(
        name="cucumber_skin",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        width=picture.shape[1],
        height=picture.shape[0],
        nchannel=3,
    )
    texture.data = picture.tobytes()
    material = spec.add_material(name="cucumber_skin", specular=0.45, shininess=0.55)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture.name


@lru_cache(maxsize=1)
def _skin_picture() -> npt.NDArray[np.uint8]:
    """Dark green with pale streaks from the tip and little warts; v along rows, u along columns."""
    rows, columns = 384, 256
    rng = np.random.default_rng(5)
    v = np.linspace(0, 1, rows)[:, None]
    u = np.linspace(0, 1, columns, endpoint=False)[None, :]
    wander = 0.012 * np.sin(9 * v + 3) + 0.008 * np.sin(23 * v)
    streak = np.zeros((rows, columns))
    for middle in np.linspace(0, 1, 11, endpoint=False) + rng.normal(0, 0.012, 11):
        away = (u - middle - wander + 0.5) % 1.0 - 0.5
        streak += np.exp(-((away / 0.012) ** 2))
    fade = 0.25 + 0.75 * np.clip(1.0 - v / 0.55, 0, 1)
    color = np.array([34.0, 74.0, 26.0]) + (streak * fade)[..., None] * [52.0, 58.0, 26.0]
    color += rng.normal(0, 2.5, (rows, columns, 1))
    for _ in range(170):
        row, column = rng.uniform(8, rows - 8), rng.uniform(0, columns)
        dy = np.arange(rows)[:, None] - row
        dx = (np.arange(columns)[None, :] - column + columns / 2) % columns - columns / 2
        wart = np.exp(-((dx / 1.9) ** 2 + (dy / 1.5) ** 2))[..., None]
        color += wart * np.array([40.0, 48.0, 26.0])
    ends = np.clip((np.abs(v - 0.5) - 0.46) / 0.04, 0, 1)[..., None]
    color += ends * np.array([46.0, 40.0, 22.0])
    return np.asarray(np.clip(color, 0, 255), dtype=np.uint8)


def curl(cells: int, cell: int, lane: int, heading: float) -> tuple[FloatArray, FloatArray]:
    """The strip that stands off the blade, rolled up: places and rotations of its pieces.

    Args:
        cells: Length of the strip so far; the curl grows with it up to its last piece.
        cell, lane: Where the blade is.
        heading: +1 when the strip is cut towards +y, else -1.

    Returns:
        Positions (CURL, 3) [m] and quaternions (CURL, 4) in the cucumber's frame, and for pieces
        that are not there yet a place inside the flesh.
    """
    turn = (lane - LANES // 2) * _LANE_ANGLE
    _, y, top = crest()[cell]
    radius = _radius(y)
    middle = top - float(radius)
    foot = np.array([radius * np.sin(turn), y, middle + radius * np.cos(turn)])
    shown = min(CURL, cells)
    positions = np.tile([0.0, y, middle], (CURL, 1))
    quats = np.tile([1.0, 0.0, 0.0, 0.0], (CURL, 1))
    at, angle = np.array([0.0, 0.0]), 0.55
    for piece in range(shown):
        step = _PIECE * np.array([np.cos(angle), np.sin(angle)])
        middle_of_piece = at + step / 2
        at = at + step
        forward, up = middle_of_piece
        positions[piece] = foot + np.array([0.0, heading * forward, up])
        quats[piece] = quat_from_rotvec(np.array([heading * angle, 0.0, 0.0]))
        angle += 0.20 + 0.022 * piece
    return positions, quats


def _curl_pieces(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    for piece in range(CURL):
        body.add_geom(
            name=f"curl_{piece}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.0046, _PIECE * 0.56, 0.00045],
            **looks.MOVABLE,
            rgba=[0, 0, 0, 0],
            contype=0,
            conaffinity=0,
            group=looks.GROUP,
            mass=0,
        )


def _cells(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    """One shallow arc of flesh a cell, a hair above the skin."""
    rise, depth = 0.0004, 0.0012
    arc = np.linspace(-0.46, 0.46, 6) * _LANE_ANGLE
    rim = np.array([[np.sin(a), np.cos(a)] for a in arc])
    ends = (-CELL * 0.56, CELL * 0.56)
    points = [
        (x, y, z - _RADIUS)
        for y in ends
        for radius in (_RADIUS + rise, _RADIUS - depth)
        for x, z in rim * radius
    ]
    spec.add_mesh(name="flesh", uservert=np.array(points).ravel())
    line = crest()
    slope = np.gradient(line[:, 2], line[:, 1])
    for lane in range(LANES):
        turn = (lane - LANES // 2) * _LANE_ANGLE
        for cell, (_, y, top) in enumerate(line):
            radius = float(_radius(y))
            middle = top - radius
            pitch = np.arctan(slope[cell])
            body.add_geom(
                name=f"flesh_{lane}_{cell}",
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname="flesh",
                pos=[radius * np.sin(turn), y, middle + radius * np.cos(turn)],
                rgba=[0, 0, 0, 0],
                contype=0,
                conaffinity=0,
                group=looks.GROUP,
                mass=0,
                quat=_about(turn, pitch),
            )


def _about(turn: float, pitch: float) -> FloatArray:
    """Turn about y (round the section) after a pitch about x (along the slope)."""
    return quat_multiply(
        quat_from_rotvec(np.array([0.0, turn, 0.0])), quat_from_rotvec(np.array([pitch, 0.0, 0.0]))
    )
