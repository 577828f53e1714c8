"""From hand motion to a requested tool pose: clutch, scale, and the choice of axes.

The mapping follows *changes* of the hand since the clutch was pressed, so pressing it never moves
the robot. Whenever trust is lost (no news, nobody holding the device, a hand that jumps) the side
holds, and only a fresh press of the clutch takes hold again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from devices.errors import ConfigError
from devices.leader import SIDES, HandInput, LeaderInput, Side
from devices.pose import (
    Pose,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    rotvec_from_quat,
)
from devices.stream import FloatArray

Axes = tuple[bool, bool, bool, bool, bool, bool]

MOTIONS: dict[str, Axes] = {
    "6dof": (True, True, True, True, True, True),
    "translation": (True, True, True, False, False, False),
    "translation+pitch": (True, True, True, False, True, False),
}
Motion = Literal["6dof", "translation", "translation+pitch"]


@dataclass(frozen=True, slots=True)
class Driving:
    """How hand motion becomes tool motion.

    Attributes:
        translation_scale: Metres of tool per metre of hand, 0 < scale <= 10.
        rotation_scale: Radians of tool per radian of hand, 0 < scale <= 10.
        axes: Which of x, y, z and the turns about x, y, z (world axes) are followed.
    """

    translation_scale: float = 1.0
    rotation_scale: float = 1.0
    axes: Axes = MOTIONS["6dof"]

    def __post_init__(self) -> None:
        for name in ("translation_scale", "rotation_scale"):
            value = getattr(self, name)
            if not (np.isfinite(value) and 0.0 < value <= 10.0):
                raise ConfigError(
                    f"The driving setting {name} is {value}", allowed=["0 < scale <= 10"]
                )
        if len(self.axes) != 6:
            raise ConfigError(
                f"The driving axes are {self.axes}", allowed=["6 flags: x y z, turns about x y z"]
            )

    @classmethod
    def of(
        cls, motion: Motion, translation_scale: float = 1.0, rotation_scale: float = 1.0
    ) -> Driving:
        """The named choice of axes. Raises ConfigError for an unknown name."""
        if motion not in MOTIONS:
            raise ConfigError(f"Unknown motion '{motion}'", allowed=MOTIONS)
        return cls(translation_scale, rotation_scale, MOTIONS[motion])


@dataclass(frozen=True, slots=True)
class Trust:
    """When a reading is believed.

    Attributes:
        stale_ns: Age after which a reading no longer drives [ns].
        jump_m, jump_rad: Change between two readings that no hand makes: tracking was lost.
        leash_m, leash_rad: How far the request may run ahead of the tool. Beyond that the clutch
            slips, so that an arm that was held up never has a long way to catch up, and answers
            at once when the hand turns back.
    """

    stale_ns: int = 150_000_000
    jump_m: float = 0.3
    jump_rad: float = 1.5
    leash_m: float = 0.2
    leash_rad: float = 1.0


@dataclass(frozen=True, slots=True)
class Grasp:
    """A held clutch: where hand and tool were when it took hold, and the scale since then."""

    hand: Pose
    tool: Pose
    driving: Driving


@dataclass(frozen=True, slots=True)
class SideRequest:
    """What one side asks for.

    Attributes:
        target: `T_world_tool` requested, None while the side holds.
        grip: 0 open ... 1 closed, None to leave the gripper as it is.
        hold: Why the side holds, as words for the user; "" while it follows.
    """

    target: Pose | None
    grip: float | None
    hold: str


@dataclass(frozen=True, slots=True)
class _SideState:
    """`fresh` is set while the clutch must be released before it can take hold again."""

    grasp: Grasp | None = None
    target: Pose | None = None
    hand: Pose | None = None
    fresh: str = ""


@dataclass(frozen=True, slots=True)
class ClutchState:
    """All that the mapping remembers between ticks."""

    device: str = ""
    seq: int = -1
    t_ns: int | None = None
    reading: LeaderInput | None = None
    sides: Mapping[Side, _SideState] = field(
        default_factory=lambda: {side: _SideState() for side in SIDES}
    )


class ClutchMapping:
    """Pure step from readings to requests; the state is a frozen value.

    Args:
        trust: When a reading is believed.
    """

    def __init__(self, trust: Trust | None = None) -> None:
        self.trust = trust or Trust()

    def step(
        self,
        state: ClutchState,
        reading: LeaderInput | None,
        tools: Mapping[Side, Pose],
        driving: Driving,
        now_ns: int,
        hold: str = "",
    ) -> tuple[ClutchState, dict[Side, SideRequest]]:
        """One tick.

        Args:
            state: As returned last, or `ClutchState()`.
            reading: Newest reading of the device; None keeps the last one. The same or an older
                one may be handed in again and changes nothing.
            tools: `T_world_tool` as last *sent*, the reference of a clutch that takes hold.
            driving: Scales and axes; a change while the clutch is held takes a new reference.
            now_ns: Time of the tick [ns, monotonic].
            hold: Why nobody may drive now (an e-stop, homing), as words; "" when they may.
        """
        state, news = self._accept(state, reading, now_ns)
        current = state.reading
        reason = hold or self._distrust(current, now_ns)
        sides: dict[Side, _SideState] = {}
        requests: dict[Side, SideRequest] = {}
        for side in tools:
            old = state.sides[side]
            hand = current.hand(side) if current else None
            new, why = self._side(old, hand, reason, tools[side], driving, news)
            sides[side] = new
            grip = None if why or hand is None else _grip(hand)
            requests[side] = SideRequest(None if why else new.target, grip, why)
        return replace(state, sides={**state.sides, **sides}), requests

    def release(self, state: ClutchState, why: str) -> ClutchState:
        """Let go of both sides. A clutch that is held must be pressed afresh; `why` is told
        until then."""
        reading = state.reading
        return replace(
            state,
            sides={
                side: _let_go(old, reading.hand(side) if reading else None, why)
                for side, old in state.sides.items()
            },
        )

    def _accept(
        self, state: ClutchState, reading: LeaderInput | None, now_ns: int
    ) -> tuple[ClutchState, bool]:
        """Take the reading if it is newer than the last; the flag tells whether it was."""
        if reading is None:
            return state, False
        if reading.device == state.device and reading.seq <= state.seq:
            # A device that was plugged in again counts from 0: believed once the old one is stale.
            reborn = (
                state.t_ns is not None
                and now_ns - state.t_ns > self.trust.stale_ns
                and abs(now_ns - reading.t_ns) <= self.trust.stale_ns
            )
            if not reborn:
                return state, False
            state = self.release(state, f"{reading.device} came back")
        elif reading.device != state.device and any(s.grasp for s in state.sides.values()):
            state = self.release(state, f"{reading.device} took over from {state.device}")
        return (
            replace(
                state,
                device=reading.device,
                seq=reading.seq,
                t_ns=reading.t_ns,
                reading=reading,
            ),
            True,
        )

    def _distrust(self, reading: LeaderInput | None, now_ns: int) -> str:
        if reading is None:
            return "no input yet"
        if abs(now_ns - reading.t_ns) > self.trust.stale_ns:
            return f"no news from {reading.device} for {(now_ns - reading.t_ns) / 1e9:.1f} s"
        if not reading.deadman:
            return reading.barred or f"nobody holds {reading.device}"
        return ""

    def _side(
        self,
        old: _SideState,
        hand: HandInput | None,
        reason: str,
        tool: Pose,
        driving: Driving,
        news: bool,
    ) -> tuple[_SideState, str]:
        """New state of a side, and why it holds ("" while it follows)."""
        if reason:
            return _let_go(old, hand, reason), reason
        if hand is None:
            return _SideState(), "parked"
        if not np.isfinite(hand.pose.position).all() or not np.isfinite(hand.pose.quat).all():
            lost = _let_go(old, hand, "the hand's pose is not a number")
            return lost, lost.fresh
        if not hand.clutch:
            return _SideState(), "clutch released"
        if old.fresh:
            return old, f"{old.fresh}: release the clutch and press it again"
        if old.grasp is None or old.target is None or old.hand is None:
            return _SideState(Grasp(hand.pose, tool, driving), tool, hand.pose), ""
        if not news and driving == old.grasp.driving:
            return old, ""
        if self._jumped(old.hand, hand.pose):
            lost = _let_go(old, hand, "the hand jumped")
            return lost, f"{lost.fresh}: release the clutch and press it again"
        followed = _follow(old.grasp, old.target, old.hand, hand.pose, driving)
        return self._leashed(followed, tool), ""

    def _leashed(self, state: _SideState, tool: Pose) -> _SideState:
        """The state with its target no farther from the tool than the leash."""
        assert state.grasp is not None and state.target is not None and state.hand is not None
        lead = state.target.position - tool.position
        rotvec, angle = _turn(tool, state.target)
        near = min(1.0, self.trust.leash_m / max(math.sqrt(lead.dot(lead)), 1e-9))
        turned = min(1.0, self.trust.leash_rad / max(angle, 1e-9))
        if near == 1.0 and turned == 1.0:
            return state
        target = Pose(
            tool.position + near * lead,
            quat_multiply(quat_from_rotvec(turned * rotvec), tool.quat),
        )
        return _SideState(Grasp(state.hand, target, state.grasp.driving), target, state.hand)

    def _jumped(self, before: Pose, now: Pose) -> bool:
        moved = now.position - before.position
        distance = math.sqrt(moved.dot(moved))
        return distance > self.trust.jump_m or _turn(before, now)[1] > self.trust.jump_rad


def _let_go(old: _SideState, hand: HandInput | None, why: str) -> _SideState:
    """A side that no longer follows; one whose clutch is held must see it released first."""
    held = old.grasp is not None or bool(old.fresh) or (hand is not None and hand.clutch)
    return _SideState(fresh=old.fresh or why) if held else _SideState()


def _follow(grasp: Grasp, target: Pose, before: Pose, hand: Pose, driving: Driving) -> _SideState:
    """Target for `hand`, where `target` answered `before`."""
    _, angle = _turn(grasp.hand, before)
    # Scaled rotation vectors are continuous only below a half turn, and a new scale must not
    # move the tool: both take the last answered pair as the new reference.
    if driving != grasp.driving or angle > 0.8 * np.pi:
        grasp = Grasp(before, target, driving)
    rotvec, _ = _turn(grasp.hand, hand)
    mask = np.array(driving.axes, dtype=np.float64)
    shift = driving.translation_scale * mask[:3] * (hand.position - grasp.hand.position)
    turn = quat_from_rotvec(driving.rotation_scale * mask[3:] * rotvec)
    moved = Pose(grasp.tool.position + shift, quat_multiply(turn, grasp.tool.quat))
    return _SideState(grasp, moved, hand)


def _turn(before: Pose, now: Pose) -> tuple[FloatArray, float]:
    """Rotation vector from `before` to `now` in world axes [rad], and its angle."""
    rotvec = rotvec_from_quat(quat_multiply(now.quat, quat_conjugate(before.quat)))
    return rotvec, math.sqrt(rotvec.dot(rotvec))


def _grip(hand: HandInput) -> float | None:
    """Grip clipped to 0 ... 1; None stays None, and what is not a number is not followed."""
    if hand.grip is None or not np.isfinite(hand.grip):
        return None
    return min(max(float(hand.grip), 0.0), 1.0)
