"""Unity's calibrated frame ↔ the robot's world, and the anchors of the finger pads. Pure.

Unity is left-handed: x right, y up, z forward. The world is right-handed: x forward, y left, z up.
One mirror stands between them, so a rotation's axis changes its sign besides its coordinates:
about Unity's x it is one about +y of the world, about y about -z, about z about -x.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from devices.errors import WireError
from devices.pose import (
    Pose,
    normalized,
    quat_from_matrix,
    quat_multiply,
    quat_rotate,
)
from devices.stream import FloatArray
from devices.tactar.documents import DEVICE_IDS
from devices.tactar.extrinsics import Extrinsics


# ----------------------------------------------------------------------------------- positions
def position_to_world(unity: npt.ArrayLike) -> FloatArray:
    """A point or a displacement [m], shape (..., 3): (z, -x, y) of Unity."""
    u = np.asarray(unity, dtype=np.float64)
    return np.stack([u[..., 2], -u[..., 0], u[..., 1]], axis=-1)


def position_to_unity(world: npt.ArrayLike) -> FloatArray:
    """A point or a displacement [m], shape (..., 3): (-y, z, x) of the world."""
    w = np.asarray(world, dtype=np.float64)
    return np.stack([-w[..., 1], w[..., 2], w[..., 0]], axis=-1)


# ----------------------------------------------------------------------------------- rotations
def rotation_to_world(unity_wxyz: npt.ArrayLike) -> FloatArray:
    """The same turn, told in world axes: a change of basis. Unit quaternion, shape (4,)."""
    w, x, y, z = np.asarray(unity_wxyz, dtype=np.float64)
    return normalized(np.array([w, -z, x, -y]))


def rotation_to_unity(world_wxyz: npt.ArrayLike) -> FloatArray:
    """Inverse of `rotation_to_world`."""
    w, x, y, z = np.asarray(world_wxyz, dtype=np.float64)
    return normalized(np.array([w, y, -z, -x]))


def hand_to_world(position: npt.ArrayLike, quat_wxyz: npt.ArrayLike) -> Pose:
    """A controller's pose in world axes: what the mapping follows. A hand that does not turn in
    Unity (the unit quaternion) does not turn in the world."""
    return Pose(position_to_world(position), rotation_to_world(quat_wxyz))


def hand_to_unity(hand: Pose) -> tuple[FloatArray, FloatArray]:
    """Inverse of `hand_to_world`: position (3,) and quaternion wxyz (4,)."""
    return position_to_unity(hand.position), rotation_to_unity(hand.quat)


def hand_to_robot(
    position: npt.ArrayLike, quat_wxyz: npt.ArrayLike, T_base_world: Extrinsics | None = None
) -> Pose:
    """A controller as the reference system maps it into the axes of a robot's base.

    Only differences mean anything: the base's translation is left out, and the rotation is one of
    another frame on its right side. `R_now R_start^-1` is the hand's turn in the base's axes, and
    the same that `hand_to_world` gives (turned into the base).
    """
    w, x, y, z = normalized(np.asarray(quat_wxyz, dtype=np.float64))
    rotation = quat_multiply(_F, np.array([w, -x, y, -z]))
    place = position_to_world(position)
    if T_base_world is not None:
        rotation = quat_multiply(T_base_world.quat, rotation)
        place = T_base_world.displacement(place)
    return Pose(place, rotation)


# --------------------------------------------------------------------------------------- tools
def tool_to_unity(T_base_tool: Pose, T_world_base: Extrinsics | None = None) -> FloatArray:
    """Pose of a tool as the app wants it: (x, y, z, qw, qx, qy, qz), shape (7,).

    Unity's frame of the tool is the robot's with y mirrored.
    """
    place, rotation = T_base_tool.position, T_base_tool.quat
    if T_world_base is not None:
        place = T_world_base.point(place)
        rotation = quat_multiply(T_world_base.quat, rotation)
    w, x, y, z = quat_multiply(_F_INVERSE, rotation)
    quat = normalized(np.array([w, -x, y, -z]))
    return np.concatenate([position_to_unity(place), quat])


def tool_from_unity(unity: npt.ArrayLike) -> Pose:
    """`T_world_tool` of a pose (7,) that `tool_to_unity` wrote."""
    pose = np.asarray(unity, dtype=np.float64)
    w, x, y, z = pose[3:7]
    return Pose(position_to_world(pose[:3]), quat_multiply(_F, np.array([w, -x, y, -z])))


# ------------------------------------------------------------------------------------- anchors
def tool_from_anchor(device_id: str, points: npt.ArrayLike) -> FloatArray:
    """Points (..., 3) [m] of an anchor, told in the tool's frame."""
    return np.asarray(points, dtype=np.float64) @ _anchor(device_id).T


def anchor_from_tool(device_id: str, points: npt.ArrayLike) -> FloatArray:
    """Points (..., 3) [m] of the tool's frame, told in that of an anchor."""
    return np.asarray(points, dtype=np.float64) @ _anchor(device_id)


def _anchor(device_id: str) -> FloatArray:
    if device_id not in DEVICE_IDS:
        raise WireError(f"The headset has no anchor {device_id!r}", allowed=DEVICE_IDS)
    return _ANCHOR_1 if device_id.endswith("1") else _ANCHOR_2


# ------------------------------------------------------------------------------- yaw and trim
def yaw_quat(theta: float) -> FloatArray:
    """Turn about Unity's y (up) by `theta` [rad]: forward (z) goes towards right (x)."""
    return np.array([math.cos(theta / 2), 0.0, math.sin(theta / 2), 0.0])


def turned(theta: float, vector: npt.ArrayLike) -> FloatArray:
    """`vector` (3,) turned about Unity's y by `theta` [rad]."""
    x, y, z = np.asarray(vector, dtype=np.float64)
    c, s = math.cos(theta), math.sin(theta)
    return np.array([c * x + s * z, y, c * z - s * x])


def trimmed(delta: npt.ArrayLike, trim: float) -> FloatArray:
    """A displacement (3,) as posted, with the app's fault undone. Unity frame.

    The app turns positions by its calibration's yaw theta where it should turn them back. `trim`
    [rad] is 2 theta, which is what pushing straight forward shows (`trim_of_push`).
    """
    return turned(-trim, delta)


def heading(vector: npt.ArrayLike) -> float:
    """Direction of the horizontal part of `vector` (3,) [rad]: 0 forward, pi/2 right."""
    x, _, z = np.asarray(vector, dtype=np.float64)
    return math.atan2(x, z)


def trim_of_push(delta: npt.ArrayLike, quat_wxyz: npt.ArrayLike) -> float:
    """2 theta [rad, -pi ... pi] from a push along the own heading, both as posted."""
    quat = normalized(np.asarray(quat_wxyz, dtype=np.float64))
    forward = quat_rotate(quat, np.array([0.0, 0.0, 1.0]))
    difference = heading(delta) - heading(forward)
    return math.remainder(difference, 2.0 * math.pi)


def _constant(rows: object) -> FloatArray:
    array = np.array(rows, dtype=np.float64)
    array.flags.writeable = False
    return array


# Notes, section 1.4: from Unity's axes with y mirrored to the world's.
_F_MATRIX = _constant([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
_F = _constant(quat_from_matrix(_F_MATRIX))
_F_INVERSE = _constant(quat_from_matrix(_F_MATRIX.T))
# Columns: the anchor's axes in the tool's frame.
_ANCHOR_1 = _constant([[-1, 0, 0], [0, 0, -1], [0, 1, 0]])
_ANCHOR_2 = _constant([[1, 0, 0], [0, 0, 1], [0, 1, 0]])
