"""One simulated scene, built once, for many rollouts on a clock that is stepped.

The way is that of the station: observation → driver → clutch mapping → inverse kinematics → guard →
simulated robot, at 250 Hz of simulated time. What differs is that nobody waits for real time.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import mujoco
import numpy as np

from app.runtime.hands import command_specs, publish_commands
from devices import plugins
from devices.clock import FakeClock
from devices.errors import ConfigError
from devices.guard import Measured
from devices.leader import LeaderInput, Observation, Side
from devices.leaders.scripted import ScriptedLeader
from devices.mapping.chain import CONTROL_HZ, DriveChain
from devices.sim.build import build_for
from devices.sim.scene import Scene
from devices.sim.scenes.perturbation import BEGUN
from devices.sim.world import World
from devices.stream import FloatArray, Sample, StreamSpec

CONTACT_N = 0.5
"""A wrist that feels more than this has made contact [N]."""

BEFORE_S = 1.0
"""A perturbation "before contact" strikes this long after the start [s]."""

AFTER_S = 2.0
"""A perturbation "after contact" strikes this long after the first touch [s]."""

HELD_S = 0.06
"""A force that lasts so long is one that presses, no blow [s]."""

_STEPS = round(1000 / CONTROL_HZ)


class Driver(Protocol):
    """Who drives a rollout: a script, or a policy.

    Attributes:
        name: What it is called in results.
        finished: Whether it has nothing more to do.
    """

    name: str

    @property
    def finished(self) -> bool: ...

    @property
    def hears(self) -> frozenset[str] | None:
        """The streams that `hear` makes use of. None: the driver looks at whole observations."""
        ...

    def start(self, seed: int) -> None:
        """Before a rollout. `seed` makes what the driver draws repeatable."""
        ...

    def hear(self, samples: Sequence[Sample]) -> None:
        """What the station's streams have told since the last tick."""
        ...

    def read(self, observation: Observation) -> LeaderInput | None:
        """As `devices.leader.Leader.read`."""
        ...


class Sink(Protocol):
    """Where the samples of a rollout go."""

    def publish(self, stream: str, t_ns: int, data: FloatArray) -> None: ...
    def event(self, kind: str, text: str, t_ns: int) -> None: ...


class ScriptedDriver:
    """A scripted operator (`teledeck.operators`).

    Args:
        scene: Whose operator.
        touch: Whether it reacts to what it feels.
        wander: Whether its hands are pushed now and then; seeded by the rollout.
    """

    def __init__(self, scene: str, touch: bool = True, wander: bool = False) -> None:
        self.name = "scripted" if touch else "scripted-blind"
        self._leader = ScriptedLeader(scene, touch=touch, wander=wander)

    hears = None

    @property
    def finished(self) -> bool:
        return self._leader.finished

    def start(self, seed: int) -> None:
        self._leader.connect(seed)

    @property
    def pushed(self) -> dict[Side, FloatArray]:
        """As `ScriptedLeader.pushed`."""
        return self._leader.pushed

    def hear(self, samples: Sequence[Sample]) -> None:
        """Scripts look at observations only."""

    def read(self, observation: Observation) -> LeaderInput | None:
        return self._leader.read(observation)


class Told:
    """What a tick tells: samples of the world, and of the commands to it.

    Args:
        samples: Of the world.
        heard: The streams of commands that somebody hears, None for all.
    """

    def __init__(self, samples: list[Sample], heard: frozenset[str] | None) -> None:
        self.samples = samples
        self._heard = heard

    def publish(self, stream: str, t_ns: int, data: FloatArray) -> None:
        """As `app.runtime.hands.Publishes`."""
        if self._heard is None or stream in self._heard:
            self.samples.append(Sample(stream, 0, t_ns, data))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rollout.

    Attributes:
        seed: Of the scene's reset.
        success: Whether the task was done at the end.
        progress: 0 ... 1 at the end.
        best: Largest progress on the way.
        sim_s, wall_s: How long it took [s].
        peak_n: Largest force at a wrist [N]. A hard tool that knocks against something hard makes a
            blow of a few milliseconds, over before any guard could answer.
        held_n: Largest force at a wrist that lasted for `HELD_S` [N].
        contact_s: When a wrist first touched something [s], None for never.
        finished: Whether the driver came to its end in time.
        perturbed_s: When the perturbation struck [s], None for never.
        interventions: Ticks at which the guard did not let something through, by kind.
    """

    seed: int
    success: bool
    progress: float
    best: float
    sim_s: float
    wall_s: float
    peak_n: float
    held_n: float
    contact_s: float | None
    finished: bool
    perturbed_s: float | None
    interventions: dict[str, int] = field(default_factory=dict)


def perturbation(scene: Scene, name: str | None) -> str | None:
    """The scene's own name of a perturbation; "after-contact" means "moved_after_contact".

    Raises:
        ConfigError: For a name that the scene does not know.
    """
    if name is None or name in ("", "none"):
        return None
    plain = name.replace("-", "_")
    for known in scene.perturbations:
        if plain in (known, known.removeprefix("moved_")):
            return known
    raise ConfigError(
        f"Scene '{scene.name}' has no perturbation '{name}'", allowed=scene.perturbations
    )


class Arena:
    """A scene and a robot in it.

    Args:
        scene: A `teledeck.scenes` plug-in.
        robot: A `teledeck.robots` plug-in.
    """

    def __init__(self, scene: str, robot: str = "openarm_v2") -> None:
        self.robot = plugins.load("robots", robot)()
        self.scene: Scene = plugins.load("scenes", scene)()
        self.model = build_for(self.robot, self.scene, "minimal")
        self.clock = FakeClock()
        self.world = World(self.robot, self.scene, seed=0, clock=self.clock, model=self.model)
        self.chain = DriveChain(self.robot, self.clock)

    @property
    def specs(self) -> tuple[StreamSpec, ...]:
        """All streams that a sink gets."""
        return (*self.world.specs, *command_specs(CONTROL_HZ))

    def compiled(self) -> bytes:
        """The scene's model as MuJoCo stores it, to draw rollouts again later."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.mjb"
            mujoco.mj_saveModel(self.model, str(path), None)
            return path.read_bytes()

    def run(
        self,
        driver: Driver,
        seed: int,
        *,
        perturb: str | None = None,
        limit_s: float = 60.0,
        hold_s: float = np.inf,
        sink: Sink | None = None,
    ) -> Outcome:
        """One rollout from a seeded reset until the driver has finished.

        Args:
            driver: Who drives.
            seed: Of the scene's reset, and of the driver.
            perturb: Name of a perturbation, or None. One "before contact" strikes 1 s after the
                start, every other one 2 s after the first touch.
            limit_s: Longest rollout [s].
            hold_s: End when the task has been done for so long [s]; for drivers without an end.
            sink: Gets every sample, if any.
        """
        world, clock, chain = self.world, self.clock, self.chain
        perturb = perturbation(self.scene, perturb)
        whole = driver.hears is None
        world.listen(None if sink is not None or driver.hears is None else driver.hears)
        world.reset(seed)
        chain.start(self.robot.home, world.observation(clock.now_ns()).gripper)
        chain.hand_over()  # another driver of the same name may have counted its readings further
        driver.start(seed)
        began, ticks, peak, best, done_s = time.perf_counter(), 0, 0.0, 0.0, 0.0
        held, lately = 0.0, deque[float](maxlen=round(HELD_S * CONTROL_HZ))
        contact_s: float | None = None
        perturbed_s: float | None = None
        interventions: dict[str, int] = {}
        while not driver.finished and ticks < limit_s * CONTROL_HZ and done_s < hold_s:
            now_s = ticks / CONTROL_HZ
            now_ns = clock.now_ns()
            observation = world.observation(now_ns) if whole else world.felt(now_ns)
            force = max(float(np.linalg.norm(w[:3])) for w in observation.wrench.values())
            peak = max(peak, force)
            best = max(best, self.scene.progress(world.model, world.data))
            lately.append(force)
            if len(lately) == lately.maxlen:
                held = max(held, min(lately))
            if contact_s is None and force > CONTACT_N:
                contact_s = now_s
            if perturb is not None and perturbed_s is None and now_s >= _due(perturb, contact_s):
                world.perturb(perturb)
                perturbed_s = now_s
                if sink is not None:
                    sink.event("scene", f"Perturbed: {perturb}", clock.now_ns())
            reading = driver.read(observation)
            tick = chain.tick(reading, Measured(observation.wrench))
            for one in tick.interventions:
                interventions[one.kind] = interventions.get(one.kind, 0) + 1
            world.command(tick.command)
            world.step(_STEPS)
            told = Told(world.collect(), driver.hears if sink is None else None)
            publish_commands(told, reading, tick)
            if sink is not None:
                for sample in told.samples:
                    sink.publish(sample.stream, sample.t_ns, sample.data)
                if isinstance(driver, ScriptedDriver):
                    for side, far in driver.pushed.items():
                        sink.publish(f"leader/{side}_push", tick.t_ns, far)
            driver.hear(told.samples)
            done = self.scene.success(world.model, world.data)
            done_s = done_s + 1 / CONTROL_HZ if done else 0.0
            clock.advance_s(1 / CONTROL_HZ)
            ticks += 1
        progress = self.scene.progress(world.model, world.data)
        return Outcome(
            seed=seed,
            success=self.scene.success(world.model, world.data),
            progress=round(progress, 4),
            best=round(max(best, progress), 4),
            sim_s=round(ticks / CONTROL_HZ, 3),
            wall_s=round(time.perf_counter() - began, 3),
            peak_n=round(peak, 2),
            held_n=round(held, 2),
            contact_s=contact_s,
            finished=driver.finished,
            perturbed_s=perturbed_s,
            interventions=interventions,
        )


def _due(perturb: str, contact_s: float | None) -> float:
    """When a perturbation strikes [s]."""
    if perturb == BEGUN:
        return 0.0
    if "before" in perturb:
        return BEFORE_S
    return np.inf if contact_s is None else contact_s + AFTER_S
