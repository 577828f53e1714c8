"""OpenArm v2, both arms on the pedestal, with tactile pads on all four fingers.

The description of the robot for simulation, IK, guard and view: no physics state lives here.

Joints of one arm, from the shoulder: `joint1` ... `joint7`; the arms' angles mirror each other with
the signs `MIRROR`. A gripper has two jaws that turn about their own pivots; one motor turns the
inner jaw and a linkage turns the outer one by the same angle.

Frames (all as MuJoCo sites):
    `S_tool`    origin between the two pads, at the middle of the gel; z out of the gripper
                (approach), y in the closing direction, x = y cross z. The inner pad is at -y on the
                left arm and at +y on the right one: inner is the side of the other arm.
    `P_pad`     origin at the middle of the gel face; z out of the gel, y towards the tip of the
                finger (rows of taxels count up along y), x = y cross z (columns count up along x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from devices.follower import ArmLimits
from devices.leader import SIDES, Side
from devices.stream import FloatArray
from devices.touch import PadGeometry

if TYPE_CHECKING:
    from collections.abc import Mapping

# Signs that carry joint angles of the left arm to the mirror-image pose of the right arm.
MIRROR = (-1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0)

_PEDESTAL_TOP = 0.698  # [m] height of the shoulders' mount; openarm_mujoco v2, pedestal

# The gripper base's frame of the package has its approach along -z and its jaws along y.
_JAW_PIVOT_Y = 0.018  # [m] pivot of a jaw from the middle plane of the gripper
_JAW_PIVOT_Z = 0.068  # [m] pivot of a jaw along the approach, from the gripper base
_JAW_X = -0.00143  # [m] middle of the jaw across, in the gripper base
_JAW_RANGE = math.pi / 4  # [rad] 0: the bare jaws would meet; pi/4: wide open

# How the pads are mounted: parallel to each other at this opening, which suits most grasps.
_PARALLEL_ANGLE = 0.197  # [rad]
_PARALLEL_GAP = 0.024  # [m]
_PAD_REACH = 0.097  # [m] from the pivot to the middle of the pad along the approach, when parallel
_TIP_RADIUS = 0.003  # [m] rounding of the gel's edge at the finger tip

_PAD = PadGeometry(rows=7, columns=9, height=0.018, width=0.024)
_GEL_DEPTH = 0.004  # [m]


@dataclass(frozen=True, slots=True)
class _Jaw:
    """One finger: `sign` is +1 for the jaw on the +y side of the gripper base."""

    pad: str
    side: Side
    body: str
    joint: str
    sign: float


def _jaws() -> tuple[_Jaw, ...]:
    jaws = []
    for side in SIDES:
        for index, (which, mirror) in enumerate((("inner", -1.0), ("outer", 1.0)), start=1):
            sign = mirror if side == "left" else -mirror
            jaws.append(
                _Jaw(
                    pad=f"{side}_{which}",
                    side=side,
                    body=f"openarm_{side}_ee_{which}_finger",
                    joint=f"openarm_{side}_finger_joint{index}",
                    sign=sign,
                )
            )
    return tuple(jaws)


class OpenArmV2:
    """The bimanual OpenArm v2 from the package `openarm-mujoco`, dressed for touch.

    Attributes:
        name, title: The word in station files and the words on a screen.
        sides: Arms, in the order used everywhere.
        joint_names: Per side, the seven MuJoCo joint names, shoulder first.
        finger_joint: Per side, the driven jaw's joint.
        finger_joints: Per side, the joints of both jaws; they turn together.
        actuators: Per side, names of the seven arm actuators and the gripper's, in that order.
        home: Per side, joint angles of the ready pose [rad], shape (7,).
        home_gap: Pad gap of the ready pose [m].
        limits: Per side, what the guard allows.
        tool_site: Per side, the name of the tool site.
        tool_body: Per side, the body that the tool is fixed to; contact on it and below it counts
            for the wrench.
        pad_names: `left_inner`, `left_outer`, `right_inner`, `right_outer`.
        pads: Per pad, its geometry.
        pad_side: Per pad, its arm.
    """

    name = "openarm_v2"
    title = "OpenArm v2 (simulated)"

    def __init__(self) -> None:
        self._jaws = _jaws()
        self.sides: tuple[Side, ...] = SIDES
        self.joint_names: Mapping[Side, tuple[str, ...]] = {
            side: tuple(f"openarm_{side}_joint{i}" for i in range(1, 8)) for side in SIDES
        }
        self.finger_joint: Mapping[Side, str] = {
            side: f"openarm_{side}_finger_joint1" for side in SIDES
        }
        self.finger_joints: Mapping[Side, tuple[str, ...]] = {
            side: (f"openarm_{side}_finger_joint1", f"openarm_{side}_finger_joint2")
            for side in SIDES
        }
        self.actuators: Mapping[Side, tuple[str, ...]] = {
            side: (*(f"{side}_joint{i}_ctrl" for i in range(1, 8)), f"{side}_finger1_ctrl")
            for side in SIDES
        }
        self.tool_site: Mapping[Side, str] = {side: f"{side}_tool" for side in SIDES}
        self.tool_body: Mapping[Side, str] = {
            side: f"openarm_{side}_ee_base_link" for side in SIDES
        }
        self.pad_names: tuple[str, ...] = tuple(jaw.pad for jaw in self._jaws)
        self.pads: Mapping[str, PadGeometry] = dict.fromkeys(self.pad_names, _PAD)
        self.pad_side: Mapping[str, Side] = {jaw.pad: jaw.side for jaw in self._jaws}
        self.gap_min = self.finger_to_gap(self._closed_angle())
        self.gap_max = 0.10
        self.home_gap = 0.06
        left = np.array([0.162, -0.321, -0.004, 1.925, -0.342, -0.348, 0.113])
        self.home: Mapping[Side, FloatArray] = {
            "left": _frozen(left),
            "right": _frozen(left * np.array(MIRROR)),
        }
        self.limits: Mapping[Side, ArmLimits] = {side: self._limits(side) for side in SIDES}

    # ------------------------------------------------------------------ gripper
    def finger_to_gap(self, angle: float) -> float:
        """Distance between the middles of the two gel faces [m] at an opening angle [rad] >= 0."""
        turn = angle - _PARALLEL_ANGLE
        half = (
            _JAW_PIVOT_Y
            + (_PARALLEL_GAP / 2 - _JAW_PIVOT_Y) * math.cos(turn)
            + _PAD_REACH * math.sin(turn)
        )
        return 2.0 * half

    def gap_to_finger(self, gap: float) -> float:
        """Opening angle [rad] of a pad gap [m]; the inverse of `finger_to_gap`.

        Gaps outside the jaws' travel give the angle at the end of the travel.
        """
        low = self.finger_to_gap(0.0)
        high = self.finger_to_gap(_JAW_RANGE)
        half = min(max(gap, low), high) / 2
        # half - pivot = a cos(t) + L sin(t) = r sin(t + phase)
        a, reach = _PARALLEL_GAP / 2 - _JAW_PIVOT_Y, _PAD_REACH
        r, phase = math.hypot(a, reach), math.atan2(a, reach)
        return math.asin((half - _JAW_PIVOT_Y) / r) - phase + _PARALLEL_ANGLE

    def finger_sign(self, side: Side) -> float:
        """Sign of the driven jaw's joint angle: opening is positive on the left arm only."""
        return 1.0 if side == "left" else -1.0

    def _closed_angle(self) -> float:
        """Opening angle [rad] at which the gels' edges at the finger tips meet."""
        edge = _PAD_REACH + _PAD.height / 2
        a = _PARALLEL_GAP / 2 - _JAW_PIVOT_Y
        r, phase = math.hypot(a, edge), math.atan2(a, edge)
        return math.asin(-_JAW_PIVOT_Y / r) - phase + _PARALLEL_ANGLE

    def _limits(self, side: Side) -> ArmLimits:
        """Joint ranges are the package's; speeds and accelerations are what the Damiao motors
        DM8009, DM4340 and DM4310 of the arm reach with margin, chosen calm for teleoperation."""
        low = np.array([-3.4907, -3.3161, -1.5708, 0.0, -1.5708, -0.7854, -1.5708])
        high = np.array([1.3963, 0.17453, 1.5708, 2.4435, 1.5708, 0.7854, 1.5708])
        if side == "right":
            sign = np.array(MIRROR)
            low, high = np.minimum(low * sign, high * sign), np.maximum(low * sign, high * sign)
        reach = np.array([0.02, -0.10, 0.405])
        far = np.array([0.70, 0.60, 1.10])
        if side == "right":
            reach[1], far[1] = -0.60, 0.10
        return ArmLimits(
            q_min=_frozen(low),
            q_max=_frozen(high),
            qd_max=_frozen(np.array([2.5, 2.5, 3.0, 3.0, 5.0, 5.0, 5.0])),
            qdd_max=_frozen(np.array([25.0, 25.0, 30.0, 30.0, 60.0, 60.0, 60.0])),
            gripper_min=self.gap_min,
            gripper_max=self.gap_max,
            gripper_speed=0.25,
            workspace_min=_frozen(reach),
            workspace_max=_frozen(far),
            tool_force_max=60.0,
        )

    # --------------------------------------------------------------------- spec
    def spec(self) -> mujoco.MjSpec:
        """A fresh, editable model of the robot: arms, pedestal, tools, pads, wrist cameras.

        Raises:
            DeviceError: When the package `openarm-mujoco` is not installed.
        """
        from devices.robots.openarm_spec import dress

        return dress(self)

    def mounted(self) -> tuple[_Jaw, ...]:
        """The four fingers, for the builder of the spec."""
        return self._jaws


def _frozen(values: FloatArray) -> FloatArray:
    values = np.array(values, dtype=np.float64)
    values.flags.writeable = False
    return values
