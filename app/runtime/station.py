"""The station: reads the leader, maps, guards, sends, steps the simulation, tells everybody.

One tick of the control loop is one call of `Station.tick`; `app.runtime.station_process` calls it
from a real clock, tests from a fake one. Nothing in here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from app.runtime.bell import BellRope
from app.runtime.bus import Inputs
from app.runtime.hands import command_specs, leader_input, publish_commands
from app.runtime.leaders import Leaders
from app.runtime.lean import Lean
from app.runtime.loop_meter import LoopMeter, input_delay_spec, loop_spec
from app.runtime.lull import Lull
from app.runtime.outlet import Outlet
from app.runtime.policies import Policies
from app.runtime.policy_drive import drive_spec
from app.runtime.requests import (
    ClearEStop,
    EStop,
    GoHome,
    Ok,
    Perturb,
    Ping,
    PolicyDrop,
    PolicyHold,
    PolicyLoad,
    PolicyUse,
    PolicyWatch,
    Refused,
    Reply,
    Request,
    ResetScene,
    SetDriving,
    SetInstruction,
    Shutdown,
    UseLeader,
)
from app.runtime.rundir import RunDir
from app.runtime.station_file import StationFile
from app.runtime.statuses import ArmStatus, Event, PolicyStatus, StationStatus
from devices.clock import NS_PER_S, Clock
from devices.errors import ConfigError, TeledeckError
from devices.guard import Measured
from devices.leader import SIDES, LeaderInput, Observation, Side
from devices.mapping.chain import DriveChain, Tick
from devices.mapping.clutch import Driving
from devices.sim.world import World

HOLD_AFTER_NS: Final = NS_PER_S // 2
# One that starves or hangs must not end the run; whether it lives is asked the kernel.
STOP_AFTER_NS: Final = 10 * NS_PER_S
_LATE_NS: Final = 500_000  # after a stall the robot is served first, which tells touch too
FIRST_NS: Final = 120 * NS_PER_S  # for the first window to come, on a machine that is busy
_SLIP_TOLD_NS: Final = 20_000_000
_MAX_CATCH_UP_STEPS: Final = 40


class Station:
    """The control loop and all it owns.

    Args:
        config: The station file.
        world: The simulated robot in its scene.
        chain: Mapping, IK and guard.
        leaders: The input devices.
        run: The run folder; the station makes its rings there.
        clock: Time.
        tell: Where events go.
        policies: The policies that may drive; None where there are none.

    Attributes:
        stopping: Why the process shall end; "" while it shall not.
    """

    def __init__(
        self,
        config: StationFile,
        world: World,
        chain: DriveChain,
        leaders: Leaders,
        run: RunDir,
        clock: Clock,
        tell: Callable[[Event], None],
        policies: Policies | None = None,
    ) -> None:
        self._config = config
        self._world = world
        self._chain = chain
        self._run = run
        self._leaders = leaders
        self._clock = clock
        self._tell = tell
        self._policies = policies
        self._outlet = Outlet(
            run,
            (
                *world.specs,
                *command_specs(config.control_hz),
                *(() if policies is None else (drive_spec(config.control_hz),)),
                loop_spec(config.control_hz),
                input_delay_spec(config.control_hz),
            ),
        )
        self._touch_bell = BellRope(run, "touch")
        self._meter = LoopMeter(config.control_hz)
        self._lean = Lean(round(NS_PER_S / config.control_hz))
        self._lull = Lull(round(NS_PER_S / config.control_hz), world.touch_every_ns)
        self._quarter_ns = round(NS_PER_S / config.control_hz / 4)
        self._due_ns = self._beat_ns = self._look_ns = clock.now_ns()
        self._started_ns = self._due_ns - round(NS_PER_S / config.control_hz)
        self._posted = False  # the headset has said something that no tick has looked at
        self._aside_ns = self._slipped_ns = 0  # of what was done between two ticks
        self._deserted = False
        self._asked_ns = -STOP_AFTER_NS  # when somebody last asked for motion
        self._leader_fault = ""
        self._last: Tick | None = None
        self._answered: tuple[str, int, int] | None = None
        self._seed = config.seed
        self.stopping = ""
        self._driving = Driving(config.driving.translation_scale, config.driving.rotation_scale)
        chain.driving = self._driving
        self._reset(config.seed)
        leaders.use(config.leader)

    def close(self) -> None:
        """Let go of the devices and remove the rings. Idempotent."""
        if self._policies is not None:
            self._policies.close()
        self._leaders.close()
        self._outlet.close()
        self._touch_bell.close()

    # ---------------------------------------------------------------------------- what is due
    @property
    def tick_ns(self) -> int:
        """When to call `tick` next [ns, monotonic]: as the rate wants it, but for a post of the
        headset at once, if the last tick began a quarter of a period ago."""
        if not self._posted:
            return self._due_ns
        return min(self._due_ns, self._started_ns + self._quarter_ns)

    @property
    def due_ns(self) -> int:
        """When `tick` or `follow` is due next [ns, monotonic]."""
        return min(self.tick_ns, self._world.touch_due_ns)

    @property
    def follows_first(self) -> bool:
        """Whether `follow` is due, and neither does a post wait for a tick nor is one late: then it
        goes before `tick`."""
        now_ns = self._clock.now_ns()
        late = now_ns > self._due_ns + _LATE_NS
        return not self._posted and not late and now_ns >= self._world.touch_due_ns

    def follow(self) -> None:
        """Let the world come up to now between two ticks, so that what is felt is told at once."""
        now_ns = self._clock.now_ns()
        self._advance(now_ns)
        self._aside_ns += self._clock.now_ns() - now_ns

    def _advance(self, now_ns: int) -> int:
        """Physics, and its samples to the rings. Returns when the physics was done [ns]."""
        self._slipped_ns += self._world.advance_to(now_ns, _MAX_CATCH_UP_STEPS, self._tell_touch)
        stepped_ns = self._clock.now_ns()
        self._outlet.publish_all(self._world.collect())
        return stepped_ns

    def _tell_touch(self) -> None:
        """What has just been felt, and all before it, at once: neither what the scene makes of it
        nor further steps are waited for."""
        self._outlet.publish_all(self._world.collect())
        self._touch_bell.pull()

    # ------------------------------------------------------------------------------ one tick
    def tick(self) -> None:
        """One turn of the control loop. Call it at `tick_ns`; how late it came is recorded."""
        start_ns = self._clock.now_ns()
        lateness_ns = max(0, start_ns - self._due_ns)
        period_ns = self._lean.period_ns(start_ns)
        if not self._lean.leans:
            period_ns = self._lull.period_ns(self._due_ns, self._world.touch_due_ns)
        self._due_ns = self._next_due(start_ns, period_ns)
        self._started_ns, self._posted = start_ns, False
        self._watch_heartbeat(start_ns)
        if self._policies is not None and self._policies.step():
            self._hand_to_policy()
        # Only a script looks at the robot and its scene; a person does so with eyes.
        look = self._world.observation if self._leaders.scripted else self._world.felt
        observation = look(start_ns)
        reading = self._who_drives(observation, self._read(observation))
        read_ns = self._clock.now_ns()
        tick = self._chain.tick(reading, Measured(observation.wrench))
        mapped_ns = self._clock.now_ns()
        self._world.command(tick.command)
        sent_ns = self._clock.now_ns()
        stepped_ns = self._advance(sent_ns)
        publish_commands(self._outlet, reading, tick)
        self._tell_delay(start_ns, reading, sent_ns)
        row = None if self._policies is None else self._policies.row(start_ns)
        if row is not None:
            self._outlet.publish("policy/drive", start_ns, row)
        self._last = tick
        if tick.requested:
            self._asked_ns = start_ns
        self._tell_interventions(start_ns, tick)
        slipped_ns, self._slipped_ns = self._slipped_ns, 0
        if slipped_ns > _SLIP_TOLD_NS:
            text = f"The simulation fell behind by {slipped_ns / 1e6:.0f} ms"
            self._tell(Event(start_ns, "gap", text, {"slipped_ms": slipped_ns / 1e6}))
        end_ns = self._clock.now_ns()
        aside_ns, self._aside_ns = self._aside_ns, 0
        row = np.array(
            [
                read_ns - start_ns,
                tick.map_ns,
                tick.guard_ns,
                sent_ns - mapped_ns,
                stepped_ns - sent_ns + aside_ns,
                end_ns - stepped_ns,
                lateness_ns,
                end_ns - start_ns + aside_ns,
            ]
        )
        row = row / 1e6
        self._outlet.publish("station/loop", start_ns, row)
        self._meter.add(start_ns, row)

    def _next_due(self, start_ns: int, period_ns: int) -> int:
        """When the tick after the one that begins at `start_ns` is due [ns, monotonic]."""
        early_ns = self._due_ns - start_ns
        if early_ns > period_ns // 4:
            return start_ns + period_ns  # far from its time: the rate begins anew here
        return max(self._due_ns + period_ns, start_ns - 2 * period_ns)

    def _read(self, observation: Observation) -> LeaderInput | None:
        """The leader's newest reading; a device that fails holds the robot and says so once.

        While nobody watches there is none: the last one grows stale, the mapping lets go, and
        whoever drives has to take hold anew.
        """
        if self._deserted:
            return None
        try:
            reading = self._leaders.current.read(observation)
        except TeledeckError as error:
            if self._leader_fault != str(error):
                self._leader_fault = str(error)
                self._tell(Event(observation.t_ns, "fault", str(error)))
            return None
        self._leader_fault = ""
        for edge in self._leaders.edges():
            if edge.pressed:
                self._tell(
                    Event(observation.t_ns, "leader", f"Pad {edge.name}", {"pad": edge.name})
                )
        return reading

    def _tell_delay(self, now_ns: int, reading: LeaderInput | None, sent_ns: int) -> None:
        """How old a reading was when the first command that knew it was sent."""
        if reading is None:
            return
        which = (reading.device, reading.seq, reading.t_ns)
        if which != self._answered:
            self._answered = which
            delay_ms = (sent_ns - reading.t_ns) / 1e6
            self._outlet.publish("station/input_delay", now_ns, [delay_ms])

    # ------------------------------------------------------------------------- human and policy
    def _who_drives(
        self, observation: Observation, human: LeaderInput | None
    ) -> LeaderInput | None:
        """The reading that drives: the policy's while one does, unless a person has just pressed a
        clutch; then theirs, at this very tick."""
        policies = self._policies
        if policies is None or self._deserted:
            return human
        pressed = self._leaders.takers(observation, human)
        if not policies.driving:
            return human
        if not pressed or self._chain.phase in ("homing", "estop"):
            return policies.read(observation)
        who, reading = next(iter(pressed.items()))
        policies.taken(reading.device or who)
        self._leaders.take(who)
        self._chain.hand_over()
        self._chain.driving = self._driving
        return reading

    def _hand_to_policy(self) -> None:
        """From this tick on a policy drives: its hand is the tool, whatever a person's scale is."""
        if self._leaders.scripted:
            self._leaders.use("window")
        self._leaders.watch()
        self._chain.hand_over()
        self._chain.driving = Driving()

    def _hold_policy(self, why: str) -> None:
        if self._policies is not None and self._policies.mode == "driving":
            self._policies.hold(True, why)

    def _release_policy(self) -> None:
        """A person or a script is to drive; a clutch that is held must be pressed afresh."""
        if self._policies is not None and self._policies.name:
            self._policies.use("")
        self._chain.driving = self._driving

    def _ask_policies(self, request: Request) -> Reply:
        if self._policies is None:
            return Refused("This station has no policies.")
        match request:
            case PolicyLoad(path=path):
                return self._policies.load(path)
            case PolicyWatch(path=path, use=use):
                return self._policies.watch(path, use)
            case PolicyUse(slot="", seed=_):
                self._release_policy()
                return Ok("No policy drives.")
            case PolicyUse(slot=slot, seed=seed):
                return self._policies.use(slot, seed)
            case PolicyHold(on=on):
                return self._policies.hold(on)
            case PolicyDrop(slot=slot):
                reply = self._policies.drop(slot)
                if not self._policies.driving:
                    self._chain.driving = self._driving
                return reply
            case SetInstruction(text=text):
                return self._policies.instruct(text)
        return Refused(f"The station has no {type(request).__name__}.")

    def _watch_heartbeat(self, now_ns: int) -> None:
        silent_ns = now_ns - self._beat_ns
        if silent_ns > STOP_AFTER_NS and now_ns >= self._look_ns:
            # A window that starves or hangs lives all the same: the robot holds until it is back.
            self._look_ns = now_ns + NS_PER_S
            lives = self._run.attended()
            if lives is False or (lives is None and silent_ns > FIRST_NS):
                self.stopping = self.stopping or "The window is gone; the station stops"
        if silent_ns > HOLD_AFTER_NS and not self._deserted:
            self._deserted = True
            if now_ns - self._asked_ns < STOP_AFTER_NS:  # else it rests: no news to anybody
                self._tell(Event(now_ns, "fault", "The window does not answer; the robot holds"))
            self._hold_policy("the window does not answer")

    def _tell_interventions(self, now_ns: int, tick: Tick) -> None:
        for one in tick.interventions:
            if one.begins:
                self._tell(Event(now_ns, "guard", one.text, {"kind": one.kind, "side": one.side}))

    # --------------------------------------------------------------------------- what it hears
    def feed(self, inputs: Inputs) -> None:
        """Take in what window and headset sent since the last tick."""
        if inputs.heartbeat is not None:
            self._beat_ns = self._clock.now_ns()
            self._deserted = False
        if inputs.drive is not None:
            reading = leader_input(inputs.drive)
            if reading is not None:
                self._leaders.window.feed(reading)
        if inputs.headset is not None:
            reading = leader_input(inputs.headset)
            if reading is not None:
                self._leaders.headset.feed(reading)
                self._lean.heard(reading.t_ns, max(self._due_ns, self._clock.now_ns()))
                self._posted = True

    def handle(self, request: Request) -> Reply:
        """Answer one request at once. Raises TeledeckError for what cannot be done."""
        match request:
            case Ping():
                return Ok()
            case Shutdown():
                self.stopping = "The station was asked to stop"
                return Ok("The station stops.")
            case EStop(why=why):
                self._hold_policy("the robot was stopped")
                self._chain.estop(why)
                text = f"Emergency stop: {why}"
                self._tell(Event(self._clock.now_ns(), "fault", text, {"estop": True}))
                return Ok("Stopped.")
            case ClearEStop():
                self._chain.clear_estop()
                self._tell(Event(self._clock.now_ns(), "note", "The emergency stop was cleared"))
                return Ok("Cleared; press a clutch to drive.")
            case GoHome():
                self._hold_policy("the arms go home")
                self._chain.home()
                return Ok("Going home.")
            case ResetScene(seed=seed):
                return self._reset(self._seed + 1 if seed is None else seed)
            case UseLeader(name=name, episode=episode):
                return self._use_leader(name, episode)
            case SetDriving(translation_scale=translation, rotation_scale=rotation, axes=axes):
                self._driving = Driving(translation, rotation, axes)
                if self._policies is None or not self._policies.driving:
                    self._chain.driving = self._driving
                return Ok()
            case (
                PolicyLoad()
                | PolicyWatch()
                | PolicyUse()
                | PolicyHold()
                | PolicyDrop()
                | SetInstruction()
            ):
                return self._ask_policies(request)
            case Perturb(name=name):
                self._world.perturb(name)
                self._tell(
                    Event(self._clock.now_ns(), "scene", f"Perturbed: {name}", {"name": name})
                )
                return Ok(name)
        return Refused(f"The station has no {type(request).__name__}.")

    def _reset(self, seed: int) -> Reply:
        if seed < 0:
            raise ConfigError(f"The seed {seed} is negative", allowed=["0 and above"])
        self._seed = seed
        self._world.reset(seed)
        robot = self._world.robot
        self._chain.start(robot.home, dict.fromkeys(robot.home, robot.home_gap))
        self._leaders.restart()
        if self._policies is not None:
            self._policies.begin_anew(seed, "the scene was reset")
        text = f"Scene '{self._config.scene}' was reset, seed {seed}"
        self._tell(Event(self._clock.now_ns(), "scene", text, {"seed": float(seed)}))
        return Ok(f"Seed {seed}.")

    def _use_leader(self, name: str, episode: str) -> Reply:
        self._leaders.use(name, episode)
        self._release_policy()
        self._tell(Event(self._clock.now_ns(), "leader", f"{name} drives", {"leader": name}))
        return Ok(f"{name} drives.")

    # ----------------------------------------------------------------------------- what it says
    def policy_statuses(self) -> tuple[PolicyStatus, ...]:
        """How the policies stand, at 10 Hz; nothing in between."""
        return () if self._policies is None else self._policies.statuses()

    def status(self) -> StationStatus:
        """How things stand, for the screen."""
        last = self._last
        world, scene = self._world, self._world.scene
        watching, drives = ("", False) if self._policies is None else self._policies.watching
        return StationStatus(
            t_ns=self._clock.now_ns(),
            phase="stopped" if self.stopping else self._chain.phase,
            why=self.stopping or self._chain.state.estop or self._leader_fault,
            robot=self._config.robot,
            scene=self._config.scene,
            instruction=(self._policies and self._policies.instruction) or scene.instruction,
            seed=self._seed,
            leader=self._driver,
            leaders=self._leaders.states(),
            arms=() if last is None else tuple(_arm_status(last, side) for side in SIDES),
            progress=scene.progress(world.model, world.data),
            success=scene.success(world.model, world.data),
            realtime_factor=world.realtime_factor,
            loop=self._meter.budget(),
            perturbations=tuple(scene.perturbations),
            force_band=scene.force_band,
            watching=watching,
            watched_drives=drives,
        )

    @property
    def _driver(self) -> str:
        """Name of the device that drives."""
        if self._policies is not None and self._policies.driving:
            return self._policies.name
        return self._leaders.name


def _arm_status(tick: Tick, side: Side) -> ArmStatus:
    """What the screen says of one arm after a tick."""
    told = [one.text for one in tick.interventions if one.side in (side, None)]
    if tick.blocked.get(side):
        told.append(tick.blocked[side])
    return ArmStatus(
        side=side, clutched=side in tick.requested, hold=tick.hold[side], guard=tuple(told)
    )
