"""The whole way from a hand to a command: clutch, inverse kinematics, guard.

One class for the station, the benchmarks and the tests, stepped at a fixed rate by whoever owns
the clock. It never touches a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from devices.clock import NS_PER_S, Clock
from devices.errors import ConfigError
from devices.follower import ArmCommand, RobotCommand
from devices.guard import Guard, GuardSettings, GuardState, Intervention, Measured
from devices.leader import LeaderInput, Side
from devices.mapping.clutch import ClutchMapping, ClutchState, Driving, Trust
from devices.mapping.ik import ArmIk, IkSettings
from devices.mapping.kinematics import Kinematics, RobotModel
from devices.pose import Pose
from devices.stream import FloatArray

ChainPhase = Literal["holding", "driving", "homing", "estop"]

CONTROL_HZ = 250.0
_WORKSPACE_MARGIN = 0.005  # [m] kept inside the guard's box, so that the tool slides along it
_JITTER_TICKS = 2.5  # how far the loop may run from its even rate before the clock counts
_AHEAD_TICKS = 0.5  # how far the guard's time may be ahead of the clock
_HOME_REACHED = 2e-3  # [rad]
_HOME_PATIENCE_S = 1.0  # without progress


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick did.

    Attributes:
        t_ns: Time of the tick [ns, monotonic].
        phase: What the robot is doing.
        requested: Per driven side, `T_world_tool` the operator asks for.
        q_requested: Per side that is asked to move, joint targets before the guard [rad].
        gap_requested: Per side that is asked to move, pad gap before the guard [m].
        command: What left the guard, always all arms.
        tools_sent: Per side, `T_world_tool` of the command.
        interventions: What the guard did not let through.
        hold: Per side, why it holds; "" while it follows.
        blocked: Per driven side, why it cannot get where it is asked ("out of reach"), or "".
        position_error, rotation_error: Per driven side, from the request to `q_requested`
            [m], [rad].
        home: "" outside homing, "under way", "done" once, or why homing ended short of home.
        map_ns, guard_ns: Time spent [ns].
    """

    t_ns: int
    phase: ChainPhase
    requested: Mapping[Side, Pose]
    q_requested: Mapping[Side, FloatArray]
    gap_requested: Mapping[Side, float]
    command: RobotCommand
    tools_sent: Mapping[Side, Pose]
    interventions: tuple[Intervention, ...]
    hold: Mapping[Side, str]
    blocked: Mapping[Side, str]
    position_error: Mapping[Side, float]
    rotation_error: Mapping[Side, float]
    home: str
    map_ns: int
    guard_ns: int


@dataclass(slots=True)
class _Homing:
    speed: float
    gap: float | None
    best: float = np.inf
    patience_s: float = _HOME_PATIENCE_S


class DriveChain:
    """Clutch → inverse kinematics → guard, for one robot.

    Args:
        robot: What the robot is.
        clock: Where time comes from.
        rate_hz: Rate at which `tick` will be called [Hz].
        trust, ik, guard: Settings of the three parts.
    """

    def __init__(
        self,
        robot: RobotModel,
        clock: Clock,
        *,
        rate_hz: float = CONTROL_HZ,
        trust: Trust | None = None,
        ik: IkSettings | None = None,
        guard: GuardSettings | None = None,
    ) -> None:
        self.robot = robot
        self.clock = clock
        self.dt = 1.0 / rate_hz
        self.kinematics = Kinematics(robot)
        self.ik = ArmIk(self.kinematics, self.dt, ik)
        self.guard = Guard(robot.limits, self.dt, _Body(self.kinematics), guard)
        self.driving = Driving()
        self._mapping = ClutchMapping(trust)
        self._clutch = ClutchState()
        self._state: GuardState | None = None
        self._tools: dict[Side, Pose] = {}
        self._homing: _Homing | None = None
        gap = {side: limit.gripper_max for side, limit in robot.limits.items()}
        self.start(robot.home, gap)

    # ------------------------------------------------------------------ what the station says
    def start(self, q: Mapping[Side, FloatArray], gap: Mapping[Side, float]) -> None:
        """Begin anew with the arms standing at `q` [rad] and `gap` [m], as measured. A latched
        e-stop stays latched; a held clutch must be pressed afresh.

        Raises:
            DeviceError: When a joint is far outside its range or not a number.
        """
        estop = self._state.estop if self._state else ""
        state = self.guard.start(q, gap, self.clock.now_ns())
        self._state = self.guard.engage_estop(state, estop) if estop else state
        self._clutch = self._mapping.release(self._clutch, "the robot was moved to a new start")
        self._homing = None
        self._tools = self.kinematics.tools(self._q_sent())

    def estop(self, why: str) -> None:
        """Latch the e-stop; the next tick brakes."""
        self._state = self.guard.engage_estop(self.state, why)
        self._homing = None

    def clear_estop(self) -> None:
        """Unlatch; a held clutch must be pressed afresh."""
        self._state = self.guard.clear_estop(self.state)
        self._clutch = self._mapping.release(self._clutch, "the e-stop was cleared")

    def hand_over(self) -> None:
        """Whoever the next reading is from takes hold with it, though its clutch may be held
        already and another hand's still is: for a takeover, which must not wait for a release.
        What the guard wants to see released it wants still."""
        self._clutch = ClutchState()

    @property
    def tools_sent(self) -> Mapping[Side, Pose]:
        """`T_world_tool` per side as last sent; where a clutch that takes hold takes hold."""
        return self._tools

    def home(self, speed: float = 0.4, gap: float | None = None) -> None:
        """Begin the guarded motion to the home pose. It goes on until `tick` says "done" or why
        not; `stop_homing` ends it. A held clutch must be pressed afresh afterwards.

        Args:
            speed: Share of the joint speed limits, 0 ... 1.
            gap: Pad gap to go to [m]; None leaves the grippers as they are.

        Raises:
            ConfigError: While the e-stop is latched, or for a speed outside its range.
        """
        if self.state.estop:
            raise ConfigError(
                f"The robot cannot go home: it was stopped ({self.state.estop})",
                next_step="Clear the e-stop first",
            )
        if not 0.0 < speed <= 1.0:
            raise ConfigError(f"The homing speed is {speed}", allowed=["0 < speed <= 1"])
        self._homing = _Homing(speed, gap)

    def stop_homing(self) -> None:
        """End homing where the arms are."""
        self._homing = None

    @property
    def state(self) -> GuardState:
        """What the guard remembers."""
        assert self._state is not None
        return self._state

    @property
    def phase(self) -> ChainPhase:
        if self.state.estop:
            return "estop"
        if self._homing is not None:
            return "homing"
        driven = any(self._clutch.sides[side].grasp for side in self.kinematics.sides)
        return "driving" if driven else "holding"

    # ------------------------------------------------------------------ one tick
    def tick(self, reading: LeaderInput | None, measured: Measured | None = None) -> Tick:
        """Map, guard, and say what to send.

        Args:
            reading: Newest reading of the input device; the same one may come again, None keeps
                the last.
            measured: What sensors say; None for a robot without force sensors.
        """
        begin_ns = self.clock.now_ns()
        sides = self.kinematics.sides
        barred = f"stopped: {self.state.estop}" if self.state.estop else ""
        barred = barred or ("going home" if self._homing is not None else "")
        self._clutch, requests = self._mapping.step(
            self._clutch, reading, self._tools, self.driving, begin_ns, barred
        )
        requested: dict[Side, Pose] = {}
        blocked: dict[Side, str] = {}
        position_error: Mapping[Side, float] = {}
        rotation_error: Mapping[Side, float] = {}
        q_requested: dict[Side, FloatArray] = {}
        gap_requested: dict[Side, float] = {}
        hold = {side: requests[side].hold for side in sides}
        home, asked_ns = "", self._clutch.t_ns or begin_ns
        if self._homing is not None:
            home = self._go_home(self._homing, q_requested, gap_requested)
            asked_ns = begin_ns
        elif not self.state.estop:
            requested = {s: r.target for s, r in requests.items() if r.target is not None}
            targets = {side: self._inside(side, pose) for side, pose in requested.items()}
            answer = self.ik.solve(self._q_sent(), targets)
            position_error, rotation_error = answer.position_error, answer.rotation_error
            for side in requested:
                q_requested[side] = answer.q[side]
                gap_requested[side] = self._gap(side, requests[side].grip)
                shift = requested[side].position - targets[side].position
                edge = "at the edge of the workspace" if shift.any() else ""
                blocked[side] = answer.blocked[side] or edge
        commands = {s: ArmCommand(q_requested[s], gap_requested[s]) for s in q_requested}
        request = (
            RobotCommand(asked_ns, commands.get("left"), commands.get("right"))
            if commands
            else None
        )
        mapped_ns = self.clock.now_ns()
        self._state, command, interventions = self.guard.step(
            self.state, request, measured or Measured(), self._paced(begin_ns)
        )
        for side in requested:
            hold[side] = self.state.arms[side].fresh
        self._tools = self.kinematics.tools(self._q_sent())
        phase = self.phase
        if home not in ("", "under way"):
            self._homing = None
        return Tick(
            t_ns=begin_ns,
            phase=phase,
            requested=requested,
            q_requested=q_requested,
            gap_requested=gap_requested,
            command=command,
            tools_sent=dict(self._tools),
            interventions=interventions,
            hold=hold,
            blocked=blocked,
            position_error=position_error,
            rotation_error=rotation_error,
            home=home,
            map_ns=mapped_ns - begin_ns,
            guard_ns=self.clock.now_ns() - mapped_ns,
        )

    # ------------------------------------------------------------------ parts of a tick
    def _paced(self, now_ns: int) -> int:
        """Time of this tick for the guard [ns]: even steps while the loop keeps its rate on the
        whole, so that a tick that comes late does not shake the arm; the clock where it does not.
        Never far ahead of the clock: where ticks come more often, each counts what has passed.
        """
        period_ns = round(self.dt * NS_PER_S)
        even_ns = self.state.t_ns + period_ns
        if now_ns - even_ns > _JITTER_TICKS * period_ns:
            return now_ns
        return min(even_ns, now_ns + round(_AHEAD_TICKS * period_ns))

    def _q_sent(self) -> FloatArray:
        return self.kinematics.stack({side: arm.q for side, arm in self.state.arms.items()})

    def _gap(self, side: Side, grip: float | None) -> float:
        limit = self.robot.limits[side]
        if grip is None:
            return self.state.arms[side].gap
        return limit.gripper_max - grip * (limit.gripper_max - limit.gripper_min)

    def _inside(self, side: Side, pose: Pose) -> Pose:
        limit = self.robot.limits[side]
        low = limit.workspace_min + _WORKSPACE_MARGIN
        high = limit.workspace_max - _WORKSPACE_MARGIN
        return Pose(np.minimum(np.maximum(pose.position, low), high), pose.quat)

    def _go_home(
        self,
        homing: _Homing,
        q_requested: dict[Side, FloatArray],
        gap_requested: dict[Side, float],
    ) -> str:
        """Ask for the next tick on the way home; says how far homing is, as in `Tick.home`."""
        here, goal = self._q_sent(), self.kinematics.stack(self.robot.home)
        left = float(np.max(np.abs(goal - here)))
        if left < homing.best - 1e-4:
            homing.best, homing.patience_s = left, _HOME_PATIENCE_S
        else:
            homing.patience_s -= self.dt
        if left < _HOME_REACHED and self.state.still():
            return "done"
        if homing.patience_s <= 0.0 and left >= _HOME_REACHED:
            distance, which = self.kinematics.clearance(here)
            why = f"{which} are {distance * 1e3:.0f} mm apart" if which else "something holds them"
            return f"The arms stopped short of home: {why}"
        towards = self.ik.towards_posture(here, goal, homing.speed, self.kinematics.sides)
        for side, q in self.kinematics.split(towards).items():
            q_requested[side] = q
            gap_requested[side] = self.state.arms[side].gap if homing.gap is None else homing.gap
        return "under way"


class _Body:
    """The light model as the guard asks for it."""

    def __init__(self, kinematics: Kinematics) -> None:
        self._kinematics = kinematics

    def tools(self, q: Mapping[Side, FloatArray]) -> Mapping[Side, Pose]:
        return self._kinematics.tools(self._kinematics.stack(q))

    def clearance(self, q: Mapping[Side, FloatArray]) -> tuple[float, str]:
        return self._kinematics.clearance(self._kinematics.stack(q))
