"""What is asked of a robot, and what a robot says it can do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.leader import Side
from devices.stream import FloatArray


@dataclass(frozen=True, slots=True)
class ArmCommand:
    """Position targets of one arm.

    Attributes:
        q: Joint angles [rad], shape (n_joints,), read-only.
        gripper: Gap between the pads [m].
    """

    q: FloatArray
    gripper: float

    def __post_init__(self) -> None:
        q = np.array(self.q, dtype=np.float64)
        q.flags.writeable = False
        object.__setattr__(self, "q", q)


@dataclass(frozen=True, slots=True)
class ArmLimits:
    """What the guard allows one arm. Shapes (n_joints,) unless said otherwise.

    Attributes:
        q_min, q_max: Joint range [rad].
        qd_max: Joint speed [rad/s].
        qdd_max: Joint acceleration [rad/s^2].
        gripper_min, gripper_max: Pad gap [m].
        gripper_speed: [m/s].
        workspace_min, workspace_max: Box the tool must stay in [m], shape (3,), world frame.
        tool_force_max: Contact force at the wrist above which motion *into* the contact stops [N].
    """

    q_min: FloatArray
    q_max: FloatArray
    qd_max: FloatArray
    qdd_max: FloatArray
    gripper_min: float
    gripper_max: float
    gripper_speed: float
    workspace_min: FloatArray
    workspace_max: FloatArray
    tool_force_max: float


@dataclass(frozen=True, slots=True)
class RobotCommand:
    """Targets of the whole robot at one tick. Sides that are absent keep their last target."""

    t_ns: int
    left: ArmCommand | None = None
    right: ArmCommand | None = None

    def arm(self, side: Side) -> ArmCommand | None:
        return self.left if side == "left" else self.right
