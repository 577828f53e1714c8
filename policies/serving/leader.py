"""A policy as an input device: what it wants, told as a hand in the world frame.

The hand takes hold where the tool was last *sent*, so that taking hold moves nothing, and is then
led to where the policy wants it, no faster than a careful hand would go until they have met. From
there on it is the policy's wish itself, kept on a short lead before the tool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from devices.clock import NS_PER_S
from devices.follower import ArmLimits
from devices.leader import HandInput, LeaderInput, Observation, Side
from devices.pose import (
    Pose,
    quat_conjugate,
    quat_from_matrix,
    quat_from_rotvec,
    quat_multiply,
    rotvec_from_quat,
)
from devices.stream import FloatArray
from policies.contract import ActionSpace
from policies.serving.follow import Followed


@dataclass(frozen=True, slots=True)
class Reins:
    """How closely a policy is followed.

    Attributes:
        match_m_s, match_rad_s: Fastest while hand and wish have not met yet [m/s], [rad/s].
        m_s, rad_s: Fastest afterwards; the guard's limits of the joints come on top.
        lead_m, lead_rad: How far the hand may be ahead of the tool. Smaller than the leash of the
            mapping, which would slip and leave the tool off the wish for good.
        met_m, met_rad: As near as this, they have met.
        beyond_m: A wish this far outside the workspace is nonsense; a nearer one is cut to it.
    """

    match_m_s: float = 0.25
    match_rad_s: float = 1.0
    m_s: float = 1.0
    rad_s: float = 3.0
    lead_m: float = 0.1
    lead_rad: float = 0.5
    met_m: float = 0.003
    met_rad: float = 0.03
    beyond_m: float = 0.1


class Source(Protocol):
    """Where the wishes come from: the rings of a worker, or a policy in the same process."""

    def at(self, now_ns: int) -> Followed:
        """The action for this instant, or why there is none. Never waits."""
        ...


@dataclass(slots=True)
class _Hold:
    """One side: its hand, None while it holds; whether hand and wish have met; why it holds."""

    hand: Pose | None = None
    quat: FloatArray | None = None
    met: bool = False
    why: str = "the policy has not begun"
    grip: float | None = None


@dataclass(slots=True)
class PolicyLeader:
    """Drives like a hand would, through the same contract. A side without a usable wish holds; the
    other goes on.

    Attributes:
        name: Of the device, as episodes and screens show it.
        space: What the rows mean.
        source: Where they come from.
        limits: Of the arms, by side.
        sent: `T_world_tool` per side as last sent.
        reins: How closely it is followed.
        holding: True holds both sides until it is False again.
        queue: Rows that were still to come at the last reading.
    """

    name: str
    space: ActionSpace
    source: Source
    limits: Mapping[Side, ArmLimits]
    sent: Callable[[], Mapping[Side, Pose]]
    reins: Reins = field(default_factory=Reins)
    holding: bool = False
    queue: int = 0
    _sides: dict[Side, _Hold] = field(default_factory=dict)
    _seq: int = -1
    _last_ns: int | None = None

    def __post_init__(self) -> None:
        self.connect()

    @property
    def holds(self) -> dict[Side, str]:
        """Per driven side, why it holds; "" while it follows."""
        return {side: state.why for side, state in self._sides.items()}

    def connect(self) -> None:
        """Begin anew: every side has to take hold afresh."""
        self._sides = {side: _Hold() for side in self.space.sides}
        self._last_ns = None

    def read(self, observation: Observation) -> LeaderInput:
        """The policy's hands for the observation's instant."""
        now_ns = observation.t_ns
        step_s = 0.0 if self._last_ns is None else (now_ns - self._last_ns) / NS_PER_S
        self._last_ns = now_ns
        followed = self.source.at(now_ns)
        self.queue = followed.queue
        tools = self.sent()
        hands: dict[Side, HandInput] = {}
        for side, state in self._sides.items():
            why = "held by the operator" if self.holding else followed.hold
            wish: tuple[Pose, float] | None = None
            if not why and followed.row is not None:
                wish, why = self._wish(side, followed.row, state, tools[side])
            hands[side] = self._hand(state, wish, why, tools[side], min(max(step_s, 0.0), 0.05))
        self._seq += 1
        return LeaderInput(self.name, self._seq, now_ns, hands.get("left"), hands.get("right"))

    def close(self) -> None:
        """Nothing to release: the rings belong to the source."""

    def _hand(
        self, state: _Hold, wish: tuple[Pose, float] | None, why: str, tool: Pose, step_s: float
    ) -> HandInput:
        state.why = why
        if wish is None:
            state.hand, state.met = None, False
            return HandInput(False, tool)
        target, grip = wish
        if state.hand is None:
            # Hand and tool are one at this tick, so that the clutch takes an offset of nothing.
            state.hand, state.met = tool, False
            return HandInput(True, tool)
        reins = self.reins
        speed, turn = (
            (reins.m_s, reins.rad_s) if state.met else (reins.match_m_s, reins.match_rad_s)
        )
        hand = _towards(state.hand, target, speed * step_s, turn * step_s)
        state.met = state.met or _near(hand, target, reins.met_m, reins.met_rad)
        state.hand = _towards(tool, hand, reins.lead_m, reins.lead_rad)
        return HandInput(True, state.hand, grip)

    def _wish(
        self, side: Side, row: FloatArray, state: _Hold, tool: Pose
    ) -> tuple[tuple[Pose, float] | None, str]:
        """What a row wants of a side, or why it is no wish."""
        numbers = row[self.space.side_columns(side)]
        if not np.isfinite(numbers).all():
            return None, "the policy could not answer (its numbers are not finite)"
        limit = self.limits[side]
        position, gap = numbers[:3], float(numbers[-1])
        outside = np.maximum(limit.workspace_min - position, position - limit.workspace_max)
        beyond = float(np.linalg.norm(np.maximum(outside, 0.0)))
        if beyond > self.reins.beyond_m:
            return None, f"the policy answered out of range: {beyond:.2f} m outside the workspace"
        width = limit.gripper_max - limit.gripper_min
        if not limit.gripper_min - width <= gap <= limit.gripper_max + width:
            return None, f"the policy answered out of range: a gap of {gap:.3f} m"
        if self.space.rotation:
            quat = _quat_of_columns(numbers[3:9])
            if quat is None:
                return None, "the policy answered a rotation that is none"
        else:
            if state.hand is None or state.quat is None:
                state.quat = tool.quat
            quat = state.quat
        grip = float(np.clip((limit.gripper_max - gap) / width, 0.0, 1.0))
        return (Pose(position, quat), grip), ""


def _quat_of_columns(columns: FloatArray) -> FloatArray | None:
    """Rotation of the first two columns of a matrix (6,), made square and of length one (Zhou et
    al. 2019, Gram-Schmidt); None where they are too short or alike."""
    first, second = columns[:3], columns[3:]
    length = float(np.linalg.norm(first))
    if length < 0.1:
        return None
    x = first / length
    y = second - float(x @ second) * x
    length = float(np.linalg.norm(y))
    if length < 0.1:
        return None
    y = y / length
    return quat_from_matrix(np.stack([x, y, np.cross(x, y)], axis=1))


def _turn(start: Pose, goal: Pose) -> FloatArray:
    return rotvec_from_quat(quat_multiply(goal.quat, quat_conjugate(start.quat)))


def _near(a: Pose, b: Pose, metres: float, radians: float) -> bool:
    near = float(np.linalg.norm(a.position - b.position)) <= metres
    return near and float(np.linalg.norm(_turn(a, b))) <= radians


def _towards(start: Pose, goal: Pose, metres: float, radians: float) -> Pose:
    """From `start` towards `goal`, at most so far."""
    way, turn = goal.position - start.position, _turn(start, goal)
    length, angle = float(np.linalg.norm(way)), float(np.linalg.norm(turn))
    if length <= metres and angle <= radians:
        return goal
    near, turned = min(1.0, metres / max(length, 1e-12)), min(1.0, radians / max(angle, 1e-12))
    return Pose(
        start.position + near * way,
        quat_multiply(quat_from_rotvec(turned * turn), start.quat),
    )
