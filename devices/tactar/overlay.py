"""What is drawn in the headset, as numbers ready for the wire. Pure.

The app colours an arrow by its length alone: from yellow (inner pads and force) or green (outer
pads) at 0 to red or blue at 0.2 m. So that colours tell the force band, lengths are scaled: the
middle of the band makes `RAMP_MIDDLE_M`, the middle of the ramp. An arrow whose colour lies
between both ends is in the band, a pale one below it, a saturated one at twice its middle or more.
For the force arrow this is exact. Of a pad it is the most pressed marker that reaches the middle,
when the pad carries the middle of the band on a contact of usual size (`GEL_M_PER_N`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.leader import Side
from devices.pose import Pose, matrix_from_quat, quat_rotate
from devices.stream import FloatArray
from devices.tactar.calibration import Calibration
from devices.tactar.frames import (
    anchor_from_tool,
    position_to_unity,
    tool_to_unity,
    turned,
)

RAMP_MIDDLE_M: Final = 0.1
"""Half of the 0.2 m at which the app's colours end (notes, section 1.5)."""

USUAL_FORCE_N: Final = 5.0
"""Taken for the middle of the band in scenes that have none."""

GEL_M_PER_N: Final = 2.5e-4
"""How far the most pressed marker gives way for each newton on its pad [m/N]: a layer of 4 mm and
120 kPa under a contact of nine taxels."""

FORCE_MIN_N: Final = 0.3
"""Below this a force is noise and its arrow is hidden."""

FORCE_MAX_M: Final = 0.4
"""The force arrow is no longer than this; its colour has ended long before."""

ANCHORS: Final[Mapping[str, str]] = {
    "left_inner": "left_gripper_camera_1",
    "left_outer": "left_gripper_camera_2",
    "right_inner": "right_gripper_camera_1",
    "right_outer": "right_gripper_camera_2",
}
"""Which anchor of the app carries the arrows of a pad."""

Band = tuple[float, float]


def band_middle(band: Band | None) -> float:
    """The force [N] whose arrow is half-way up the colours."""
    return USUAL_FORCE_N if band is None else (band[0] + band[1]) / 2.0


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow: start and end [m], shape (3,); `visible` is False for one to be hidden."""

    start: FloatArray
    end: FloatArray
    visible: bool = True


def pad_arrows(
    device_id: str,
    rest: FloatArray,
    deformation: npt.NDArray[np.floating],
    T_tool_pad: Pose,
    band: Band | None,
) -> npt.NDArray[np.float32]:
    """The deformation field of a pad, in place on the finger.

    Motion along the gel drags an arrow along it; pressing lifts it off the gel, as the window
    draws it, since an arrow into the finger could not be seen.

    Args:
        device_id: Anchor of the app.
        rest: Markers at rest, pad frame [m], shape (n, 2).
        deformation: Motion of the markers, pad frame [m], shape (n, 3): dx, dy, depth >= 0.
        T_tool_pad: Where the pad is on the gripper.
        band: Force band [N], for the scale.

    Returns:
        Start and end of each arrow in the anchor's frame [m], shape (n, 6).

    Raises:
        ConfigError: For a field of another number of markers, or one that is not finite.
    """
    field = np.asarray(deformation, dtype=np.float64)
    if field.shape != (len(rest), 3):
        raise ConfigError(
            f"A deformation of shape {field.shape} for {device_id}", allowed=[(len(rest), 3)]
        )
    if not np.isfinite(field).all():
        raise ConfigError(f"The deformation for {device_id} is not finite")
    gain = RAMP_MIDDLE_M / (GEL_M_PER_N * band_middle(band))
    starts = np.concatenate([rest, np.zeros((len(rest), 1))], axis=1)
    points = np.concatenate([starts, starts + gain * field])
    in_tool = points @ matrix_from_quat(T_tool_pad.quat).T + T_tool_pad.position
    there = anchor_from_tool(device_id, in_tool)
    n = len(rest)
    return np.concatenate([there[:n], there[n:]], axis=1).astype(np.float32)


def hidden_arrows(n: int) -> npt.NDArray[np.float32]:
    """As many arrows of no length: the app keeps what it was once sent. Shape (n, 6)."""
    return np.zeros((n, 6), dtype=np.float32)


def force_arrow(T_headset_tool: Pose, wrench: FloatArray, band: Band | None) -> Arrow:
    """The force at a tool in the app's calibrated frame, Unity's axes.

    Args:
        T_headset_tool: The tool in the app's frame, told in axes like the world's.
        wrench: Force and torque on the tool [N, N m], shape (6,), in the tool's frame.
        band: Force band [N], for the scale.
    """
    start = position_to_unity(T_headset_tool.position)
    force = np.asarray(wrench, dtype=np.float64)[:3]
    size = float(np.linalg.norm(force))
    if not np.isfinite(size) or size < FORCE_MIN_N:
        return Arrow(start, start, visible=False)
    length = min(FORCE_MAX_M, RAMP_MIDDLE_M * size / band_middle(band))
    along = quat_rotate(T_headset_tool.quat, force) * (length / size)
    return Arrow(start, start + position_to_unity(along))


def tool_in_headset(T_world_tool: Pose, calibration: Calibration | None) -> Pose:
    """The tool in the app's calibrated frame, told in axes like the world's. Without a
    calibration both frames are taken for one, as the app's user guide has it."""
    if calibration is None:
        return T_world_tool
    return calibration.T_world_headset.inverse() @ T_world_tool


def tool_pose(T_headset_tool: Pose) -> FloatArray:
    """The pose that the app draws its white spheres at: (7,), Unity."""
    return tool_to_unity(T_headset_tool)


# ---------------------------------------------------------------------------------------- panels
@dataclass(frozen=True, slots=True)
class Place:
    """Where the picture of a camera hangs, in Unity's axes of the world (x to the robot's right,
    y up, z the way the robot looks).

    Attributes:
        camera: Name of the camera: its stream is `<camera>/rgb`.
        position: Middle of the panel [m], shape (3,).
        rotation: Euler angles as Unity has them [deg]; 180 about y faces somebody who stands
            before the robot.
        width: Of the panel [m]; its height follows from the picture.
    """

    camera: str
    position: tuple[float, float, float]
    rotation: tuple[float, float, float] = (0.0, 180.0, 0.0)
    width: float = 0.2


# Places after the published set-up (notes, section 1.5).
_WRISTS = (
    Place("wrist_left", (-0.2, 0.4, 0.5)),
    Place("wrist_right", (0.2, 0.4, 0.5)),
)
PRESETS: Final[Mapping[str, tuple[Place, ...]]] = {
    "off": (),
    "front": (Place("front", (0.0, 0.4, 0.5), width=0.3),),
    "wrists": _WRISTS,
    "all": (Place("front", (0.0, 0.65, 0.5), width=0.3), *_WRISTS),
}


def preset(name: str) -> tuple[Place, ...]:
    """The panels of a preset. Raises ConfigError for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"Unknown panels '{name}'", allowed=PRESETS)
    return PRESETS[name]


def panel_pose(
    place: Place, calibration: Calibration | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Position [m] and Euler angles [deg] of a panel in the app's calibrated frame."""
    yaw = 0.0 if calibration is None else calibration.yaw_rad
    # The world's yaw counts to the left, Unity's to the right, and this is the way back.
    position = turned(yaw, np.array(place.position))
    x, y, z = place.rotation
    return tuple(position.tolist()), (x, (y + float(np.rad2deg(yaw))) % 360.0, z)


def gripper_state(gap: float, force: float) -> tuple[float, float]:
    """Width [m] and force [N] as the app wants them; NaN becomes 0, which it ignores."""
    return (gap if np.isfinite(gap) else 0.0, force if np.isfinite(force) else 0.0)


SIDE_OF: Final[Mapping[str, Side]] = {
    "left_inner": "left",
    "left_outer": "left",
    "right_inner": "right",
    "right_outer": "right",
}
