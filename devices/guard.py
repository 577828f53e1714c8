"""The last stop before every robot, simulated or real, whoever commands it.

A pure step: state and request in, state and command out. Three promises hold for any sequence of
requests whatsoever:

1.  What is sent is finite, within the joint range, and changes by no more than the speed and
    acceleration limits allow.
2.  Every command leaves a stop: braking at full acceleration from it ends inside the joint range,
    the workspace and the collision margin, or no worse than where the arm was already heading.
3.  An arm that holds stands exactly still.

An arm absent from a request is an arm nobody asks for: it brakes and holds. That absence is also
what "the clutch was released" means here: after an e-stop, stale input or nonsense, an arm is
followed again only when it has been absent once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from devices.clock import NS_PER_S
from devices.errors import ConfigError, DeviceError
from devices.follower import ArmCommand, ArmLimits, RobotCommand
from devices.leader import SIDES, Side
from devices.pose import Pose, quat_rotate
from devices.stream import FloatArray

InterventionKind = Literal[
    "range",
    "speed",
    "acceleration",
    "workspace",
    "force",
    "collision",
    "stale",
    "nonsense",
    "clutch",
    "estop",
]


@dataclass(frozen=True, slots=True)
class Intervention:
    """One thing that the guard did not let through.

    Attributes:
        kind: Which limit.
        side: Which arm; None for both.
        text: A sentence for the user.
        begins: True on the first tick of its kind and side, so that it is told once.
    """

    kind: InterventionKind
    side: Side | None
    text: str
    begins: bool = True


@dataclass(frozen=True, slots=True)
class Measured:
    """What sensors say to the guard.

    Attributes:
        wrench: Per side, force and torque on the tool [N, N m], shape (6,), in the tool frame. A
            side without a force sensor is absent, and its force is not limited.
    """

    wrench: Mapping[Side, FloatArray] = field(default_factory=dict)


class BodyModel(Protocol):
    """Geometry of the robot as the guard asks for it."""

    def tools(self, q: Mapping[Side, FloatArray]) -> Mapping[Side, Pose]:
        """`T_world_tool` per side at the joint angles [rad]."""
        ...

    def clearance(self, q: Mapping[Side, FloatArray]) -> tuple[float, str]:
        """Least distance between watched bodies [m], and which they are."""
        ...


@dataclass(frozen=True, slots=True)
class ArmState:
    """What the guard remembers of one arm.

    Attributes:
        q, qd: Sent last [rad], [rad/s], shape (n_joints,), read-only.
        gap: Sent last [m].
        asked: Joint angles asked for at the last tick [rad]; None while nobody asked.
        fresh: Why the arm must be released before it is followed again; "" when it need not.
    """

    q: FloatArray
    qd: FloatArray
    gap: float
    asked: FloatArray | None = None
    fresh: str = ""


@dataclass(frozen=True, slots=True)
class GuardState:
    """All that the guard remembers. `estop` is the reason while it is latched, else ""."""

    t_ns: int
    arms: Mapping[Side, ArmState]
    estop: str = ""
    active: frozenset[tuple[InterventionKind, Side | None]] = frozenset()

    def still(self) -> bool:
        """Whether every arm stands."""
        return all(not arm.qd.any() for arm in self.arms.values())


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Bounds that are not the robot's.

    Attributes:
        stale_ns: Age after which a request no longer moves anything [ns].
        margin: Distance kept between watched bodies [m]; smaller than the mapping's, which slows
            down before the guard has to stop.
        lag: Distance between request and command at which a speed or acceleration limit is worth
            telling [rad].
    """

    stale_ns: int = 150_000_000
    margin: float = 0.003
    lag: float = 0.05


class Guard:
    """Limits of one robot.

    Args:
        limits: Per side.
        dt: Length of a tick [s]. Ticks that come later than that move no farther.
        body: Geometry for workspace, force and collision; without one these are not checked.
        settings: Bounds that are not the robot's.

    Raises:
        ConfigError: For limits that are not finite, empty or not positive.
    """

    def __init__(
        self,
        limits: Mapping[Side, ArmLimits],
        dt: float,
        body: BodyModel | None = None,
        settings: GuardSettings | None = None,
    ) -> None:
        for side, limit in limits.items():
            _check(side, limit)
        self.limits = dict(limits)
        self.dt = dt
        self.body = body
        self.settings = settings or GuardSettings()

    @property
    def stop_time_s(self) -> float:
        """Longest time from any motion to standstill [s], one tick for noticing included."""
        slowest = max(float(np.max(x.qd_max / x.qdd_max)) for x in self.limits.values())
        return slowest + 2 * self.dt

    def start(
        self, q: Mapping[Side, FloatArray], gap: Mapping[Side, float], now_ns: int
    ) -> GuardState:
        """State of a robot that stands at the measured `q` [rad] and `gap` [m].

        Raises:
            DeviceError: When a measured joint is not a number or more than 0.1 rad outside its
                range; closer ones are moved to the end of the range.
        """
        arms: dict[Side, ArmState] = {}
        for side, limit in self.limits.items():
            here = np.asarray(q[side], dtype=np.float64)
            inside = np.clip(here, limit.q_min, limit.q_max)
            if not np.isfinite(here).all() or float(np.max(np.abs(here - inside))) > 0.1:
                raise DeviceError(
                    f"The {side} arm reports the joint angles {np.round(here, 3).tolist()} rad, "
                    "which are outside its range",
                    allowed=[
                        f"{low:.2f} ... {high:.2f}"
                        for low, high in zip(limit.q_min, limit.q_max, strict=True)
                    ],
                    next_step="Move the arm into its range by hand and start again",
                )
            width = float(np.clip(gap[side], limit.gripper_min, limit.gripper_max))
            arms[side] = ArmState(_frozen(inside), _frozen(np.zeros_like(inside)), width)
        return GuardState(now_ns, arms)

    def engage_estop(self, state: GuardState, why: str) -> GuardState:
        """Latch the e-stop: the next step brakes, and nothing moves until it is cleared."""
        return replace(state, estop=state.estop or why or "e-stop")

    def clear_estop(self, state: GuardState) -> GuardState:
        """Unlatch; every arm needs a fresh clutch before it is followed."""
        if not state.estop:
            return state
        arms = {
            side: replace(arm, fresh=arm.fresh or "the e-stop was cleared")
            for side, arm in state.arms.items()
        }
        return replace(state, estop="", arms=arms)

    def step(
        self,
        state: GuardState,
        request: RobotCommand | None,
        measured: Measured,
        now_ns: int,
    ) -> tuple[GuardState, RobotCommand, tuple[Intervention, ...]]:
        """One tick.

        Args:
            state: As returned last.
            request: What is asked for; None, or an absent side, asks for nothing. Its `t_ns` is
                when the operator's hand was measured.
            measured: What sensors say.
            now_ns: Time of the tick [ns, monotonic].

        Returns:
            The new state, the command to send (always both arms), and what was not let through.
        """
        found: list[Intervention] = []
        dt = min(max(0, now_ns - state.t_ns) / NS_PER_S, self.dt)
        wanted = {side: self._wanted(state, side, request, now_ns, found) for side in self.limits}
        if dt <= 0.0:
            idle = {
                side: replace(state.arms[side], fresh=fresh)
                for side, (_, _, fresh) in wanted.items()
            }
            return self._finish(replace(state, arms=idle), now_ns, found)
        arms: dict[Side, ArmState] = {}
        for side, (ask, gap, fresh) in wanted.items():
            arm = state.arms[side]
            if arm.fresh != fresh:
                arm = replace(arm, fresh=fresh)
            arms[side] = (
                self._brake(side, arm, dt)
                if ask is None
                else self._follow(side, arm, ask, gap, dt, found)
            )
        if self.body is not None:
            arms = self._veto(self.body, state, arms, measured, dt, found)
        state = GuardState(state.t_ns, arms, state.estop, state.active)
        return self._finish(state, now_ns, found)

    # ------------------------------------------------------------------ whom to believe
    def _wanted(
        self,
        state: GuardState,
        side: Side,
        request: RobotCommand | None,
        now_ns: int,
        found: list[Intervention],
    ) -> tuple[FloatArray | None, float, str]:
        """Joint angles and gap to follow, or None to hold; and why the arm needs a release."""
        arm, limit = state.arms[side], self.limits[side]
        asked = request.arm(side) if request is not None else None
        if state.estop:
            if not any(item.kind == "estop" for item in found):
                found.append(Intervention("estop", None, f"Stopped: {state.estop}."))
            return None, arm.gap, "the robot was stopped"
        if request is None or asked is None:
            return None, arm.gap, ""
        age = now_ns - request.t_ns
        if abs(age) > self.settings.stale_ns:
            found.append(
                Intervention(
                    "stale",
                    side,
                    f"The {side} arm holds: its last request is {age / 1e6:.0f} ms old.",
                )
            )
            return None, arm.gap, "the input was stale"
        if asked.q.shape != limit.q_min.shape:
            text = f"asked for {asked.q.size} joint angles, it has {limit.q_min.size}"
        elif not np.isfinite(asked.q).all() or not np.isfinite(asked.gripper):
            text = "the request is not a number"
        elif arm.fresh:
            found.append(
                Intervention(
                    "clutch",
                    side,
                    f"The {side} arm holds because {arm.fresh}: release the clutch and press it "
                    "again.",
                )
            )
            return None, arm.gap, arm.fresh
        else:
            return asked.q, asked.gripper, ""
        found.append(Intervention("nonsense", side, f"The {side} arm holds: {text}."))
        return None, arm.gap, "the request was not usable"

    # ------------------------------------------------------------------ motion of one arm
    def _follow(
        self,
        side: Side,
        arm: ArmState,
        ask: FloatArray,
        gap: float,
        dt: float,
        found: list[Intervention],
    ) -> ArmState:
        limit = self.limits[side]
        goal = _within(ask, limit.q_min, limit.q_max)
        if (np.abs(ask - goal) > 1e-6).any():
            joint = int(np.argmax(np.abs(ask - goal))) + 1
            found.append(
                Intervention("range", side, f"Joint {joint} of the {side} arm is at its end.")
            )
        # The request's own speed is followed without lag; a jump has no speed. What is then left
        # is closed as fast as braking before the request allows.
        pace = (goal - (arm.q if arm.asked is None else arm.asked)) / dt
        pace = np.where(np.abs(pace) <= limit.qd_max, pace, 0.0)
        rest = goal - arm.q - pace * dt
        wish = pace + np.sign(rest) * _speed_to_stop_within(np.abs(rest), limit.qdd_max, dt)
        after = self._move(side, arm, wish, dt)
        lag = np.abs(goal - after.q)
        if (lag > self.settings.lag).any():
            joint = int(np.argmax(lag))
            fast = abs(after.qd[joint]) >= limit.qd_max[joint] * (1 - 1e-9)
            found.append(
                Intervention(
                    "speed" if fast else "acceleration",
                    side,
                    f"The {side} arm follows more slowly than asked: joint {joint + 1} is at its "
                    f"{'speed' if fast else 'acceleration'} limit.",
                )
            )
        reach = limit.gripper_speed * dt
        width = min(max(float(gap), limit.gripper_min), limit.gripper_max)
        width = arm.gap + min(max(width - arm.gap, -reach), reach)
        width = float(min(max(width, limit.gripper_min), limit.gripper_max))
        return ArmState(after.q, after.qd, width, _frozen(goal), after.fresh)

    def _brake(self, side: Side, arm: ArmState, dt: float) -> ArmState:
        if not arm.qd.any():
            return arm if arm.asked is None else replace(arm, asked=None)
        return replace(self._move(side, arm, np.zeros_like(arm.qd), dt), asked=None)

    def _move(self, side: Side, arm: ArmState, wish: FloatArray, dt: float) -> ArmState:
        """One tick at the speed nearest to `wish` [rad/s] that keeps every limit of the arm."""
        limit = self.limits[side]
        change = limit.qdd_max * dt
        speed = _within(wish, arm.qd - change, arm.qd + change)
        speed = _within(speed, -limit.qd_max, limit.qd_max)
        up = _speed_to_stop_within(np.maximum(limit.q_max - arm.q, 0.0), limit.qdd_max, dt)
        down = _speed_to_stop_within(np.maximum(arm.q - limit.q_min, 0.0), limit.qdd_max, dt)
        speed = _within(speed, -down, up)
        q = _within(arm.q + speed * dt, limit.q_min, limit.q_max)
        return ArmState(_frozen(q), _frozen(speed), arm.gap, arm.asked, arm.fresh)

    def _stop(self, side: Side, arm: ArmState) -> FloatArray:
        """Where the arm stands after braking at full acceleration [rad]."""
        limit = self.limits[side]
        change = limit.qdd_max * self.dt
        speed = np.abs(arm.qd)
        ticks = np.floor(speed / change)
        way = (speed * ticks - change * ticks * (ticks + 1) / 2) * self.dt
        return _within(arm.q + np.sign(arm.qd) * way, limit.q_min, limit.q_max)

    # ------------------------------------------------------------------ what geometry forbids
    def _veto(
        self,
        body: BodyModel,
        state: GuardState,
        arms: dict[Side, ArmState],
        measured: Measured,
        dt: float,
        found: list[Intervention],
    ) -> dict[Side, ArmState]:
        """Brake the arms whose stop would be outside, unless braking would end worse still."""
        moving = [side for side in arms if arms[side].qd.any()]
        if not moving:
            return arms
        braked: dict[Side, ArmState] = {}
        rests: dict[Side, FloatArray] = {}

        def brake() -> None:
            """What braking now would do instead; worked out only where it is asked for."""
            for side in arms:
                arm = replace(state.arms[side], fresh=arms[side].fresh)
                braked[side] = self._brake(side, arm, dt)
                rests[side] = self._stop(side, braked[side])

        stops = {side: self._stop(side, arm) for side, arm in arms.items()}
        tools = body.tools(stops)
        for side in moving:
            limit = self.limits[side]
            text, kind = "", "workspace"
            position = tools[side].position
            outside = _outside(position, limit)
            force = _force(measured, side)
            pressed = math.sqrt(force.dot(force)) if force is not None else 0.0
            if outside > 1e-9 or pressed > limit.tool_force_max:
                if not rests:
                    brake()
                rest = body.tools(rests)[side]
                if outside > _outside(rest.position, limit) + 1e-9:
                    text = f"The {side} tool stays inside its workspace."
                elif force is not None and pressed > limit.tool_force_max:
                    push = quat_rotate(rest.quat, force)
                    if float((position - rest.position) @ push) < -1e-9 * pressed:
                        kind = "force"
                        text = (
                            f"The {side} tool is pressed with {pressed:.0f} N, more than "
                            f"{limit.tool_force_max:.0f} N: it only moves away."
                        )
            if text:
                found.append(Intervention("force" if kind == "force" else "workspace", side, text))
                arms[side] = replace(braked[side], gap=arms[side].gap, asked=arms[side].asked)
                stops[side] = self._stop(side, arms[side])
        distance, which = body.clearance(stops)
        if distance < self.settings.margin:
            if not rests:
                brake()
            if distance < body.clearance(rests)[0] - 1e-9:
                found.append(Intervention("collision", None, f"Too close: {which}."))
                for side in moving:
                    arms[side] = replace(braked[side], gap=arms[side].gap, asked=arms[side].asked)
        return arms

    def _finish(
        self, state: GuardState, now_ns: int, found: list[Intervention]
    ) -> tuple[GuardState, RobotCommand, tuple[Intervention, ...]]:
        told = tuple(
            Intervention(
                item.kind, item.side, item.text, begins=(item.kind, item.side) not in state.active
            )
            for item in found
        )
        commands = {side: ArmCommand(arm.q, arm.gap) for side, arm in state.arms.items()}
        command = RobotCommand(now_ns, commands.get("left"), commands.get("right"))
        active = frozenset((item.kind, item.side) for item in found)
        state = GuardState(max(now_ns, state.t_ns), state.arms, state.estop, active)
        return state, command, told


def _speed_to_stop_within(way: FloatArray, acceleration: FloatArray, dt: float) -> FloatArray:
    """Largest speed v [rad/s] with v dt + v^2 / (2 a) <= way [rad], elementwise."""
    brake = acceleration * dt
    return np.sqrt(brake**2 + 2.0 * acceleration * way) - brake


def _outside(position: FloatArray, limit: ArmLimits) -> float:
    """How far a point [m] lies outside the workspace box [m]; 0 inside."""
    over = np.maximum(limit.workspace_min - position, position - limit.workspace_max)
    over = np.maximum(over, 0.0)
    return math.sqrt(over.dot(over))


def _force(measured: Measured, side: Side) -> FloatArray | None:
    """Force on the tool [N], shape (3,), in the tool frame; None without a usable sensor."""
    wrench = measured.wrench.get(side)
    if wrench is None or not np.isfinite(wrench[:3]).all():
        return None
    return np.asarray(wrench[:3], dtype=np.float64)


def _within(array: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """As `np.clip`, which takes three times as long for a few numbers."""
    return np.minimum(np.maximum(array, low), high)


def _frozen(array: FloatArray) -> FloatArray:
    array = np.array(array, dtype=np.float64)
    array.setflags(write=False)
    return array


def _check(side: Side, limit: ArmLimits) -> None:
    if side not in SIDES:
        raise ConfigError(f"The guard has limits for '{side}'", allowed=SIDES)
    vectors = np.stack([limit.q_min, limit.q_max, limit.qd_max, limit.qdd_max])
    positive = min(float(limit.qd_max.min()), float(limit.qdd_max.min()), limit.gripper_speed)
    if (
        not np.isfinite(vectors).all()
        or positive <= 0.0
        or np.any(limit.q_min >= limit.q_max)
        or limit.gripper_min > limit.gripper_max
        or np.any(limit.workspace_min >= limit.workspace_max)
        or not limit.tool_force_max > 0.0
    ):
        raise ConfigError(
            f"The limits of the {side} arm are not usable: {limit}",
            allowed=["finite numbers, minimum below maximum, speeds above 0"],
        )
