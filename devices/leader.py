"""The one input contract: a mouse, a pad, a headset, a leader arm, a script, a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from devices.pose import Pose

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True, slots=True)
class HandInput:
    """What one hand asks for.

    Attributes:
        clutch: True while the hand holds the robot. A rising edge takes the present poses of hand
            and tool as reference; only motion *since then* is followed, so a clutch never jumps.
        pose: `T_input_hand`. The input frame has the axes of the world frame (x away from the
            robot's base, y left, z up); its origin is free, since only changes count. [m, wxyz]
        grip: 0 open ... 1 closed, or None to leave the gripper as it is. Followed only while the
            clutch is held.
    """

    clutch: bool
    pose: Pose
    grip: float | None = None


@dataclass(frozen=True, slots=True)
class LeaderInput:
    """One reading of an input device. A side that is None parks: the robot holds that arm.

    Attributes:
        device: Name of the device ("mouse", "gamepad", "scripted:wipe", "replay").
        seq: Number of the reading, counting from 0; older ones are ignored.
        t_ns: When the hand was measured [ns, monotonic].
        deadman: False when the device knows that nobody holds it, or may not drive: everything
            holds.
        barred: Where it may not drive: why, and the way out, as words; "" where nobody holds it.
    """

    device: str
    seq: int
    t_ns: int
    left: HandInput | None = None
    right: HandInput | None = None
    deadman: bool = True
    barred: str = ""

    def hand(self, side: Side) -> HandInput | None:
        return self.left if side == "left" else self.right


@dataclass(frozen=True, slots=True)
class Observation:
    """What a leader inside the station may look at. Arrays are read-only.

    Attributes:
        t_ns: Time of the observation [ns, monotonic].
        tool: `T_world_tool` per side, as measured.
        gripper: Pad gap per side [m].
        tactile: Per pad ("left_inner", ...): (7, 9, 3) [N]: normal, shear rows, shear columns.
        wrench: Per side, force and torque on the tool [N, N m], shape (6,), in the tool frame.
        scene: What a simulated scene tells about its objects (poses as (7,) arrays, ...).
        progress: 0 ... 1.
    """

    t_ns: int
    tool: Mapping[Side, Pose]
    gripper: Mapping[Side, float]
    tactile: Mapping[str, npt.NDArray[np.float64]]
    wrench: Mapping[Side, npt.NDArray[np.float64]]
    scene: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    progress: float = 0.0


class Leader(Protocol):
    """An input device as the control loop sees it. The loop owns all threads and timing but
    `connect` may start what the device itself needs; `close` ends it."""

    name: str

    def connect(self) -> None:
        """Open the device. Raises DeviceError with what to install or plug in."""
        ...

    def read(self, observation: Observation) -> LeaderInput | None:
        """The newest reading, or None when there has never been one. Never blocks."""
        ...

    def close(self) -> None:
        """Release the device. Idempotent, callable in any state."""
        ...
