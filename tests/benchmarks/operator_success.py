"""How often a scripted operator completes a scene, through mapping and guard, without rings.

    python -m tests.benchmarks.operator_success --scene wipe -n 50 [--blind] [--perturb NAME]
    python -m tests.benchmarks.operator_success --table docs/results/operators/*.json

Runs as fast as the machine can on a fake clock. Prints the success rate with its 95 % Wilson
interval and the seeds that failed; the same as JSON goes to `--json FILE`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from devices import plugins
from devices.clock import FakeClock
from devices.guard import Measured
from devices.leaders.scripted import ScriptedLeader
from devices.mapping.chain import CONTROL_HZ, DriveChain
from devices.sim.build import build_for
from devices.sim.scene import Scene
from devices.sim.world import World

_CONTACT_N = 0.5  # a wrist that feels more than this has made contact


@dataclass(frozen=True, slots=True)
class Trial:
    """One seeded episode.

    Attributes:
        success: Whether the task was done when the operator had finished.
        progress: 0 ... 1 at the end.
        sim_s, wall_s: How long it took [s].
        peak_n: Largest force at a wrist [N].
        finished: Whether the operator came to its end in time.
        perturbed_s: When the perturbation struck [s], None for never.
        interventions: Ticks at which the guard did not let something through, by kind.
    """

    seed: int
    success: bool
    progress: float
    sim_s: float
    wall_s: float
    peak_n: float
    finished: bool
    perturbed_s: float | None
    interventions: dict[str, int]


class Bench:
    """One scene, built once, for many episodes."""

    def __init__(self, scene_name: str, robot_name: str = "openarm_v2") -> None:
        self.robot = plugins.load("robots", robot_name)()
        self.scene: Scene = plugins.load("scenes", scene_name)()
        self.model = build_for(self.robot, self.scene, "minimal")
        self.clock = FakeClock()
        self.world = World(self.robot, self.scene, seed=0, clock=self.clock, model=self.model)
        self.chain = DriveChain(self.robot, self.clock)
        self._leaders = {t: ScriptedLeader(scene_name, touch=t) for t in (True, False)}

    def run(
        self, seed: int, *, touch: bool = True, perturb: str | None = None, limit_s: float = 60.0
    ) -> Trial:
        """One episode from a seeded reset until the operator has finished.

        Args:
            seed: Of the scene's reset.
            touch: Whether the operator reacts to what it feels.
            perturb: Name of a perturbation, or None. One "before contact" strikes 1 s after the
                start, one "after contact" 2 s after the first touch.
            limit_s: Longest episode [s].
        """
        world, clock, chain = self.world, self.clock, self.chain
        if perturb is not None and perturb not in self.scene.perturbations:
            world.perturb(perturb)  # raises, listing the known ones
        world.reset(seed)
        first = world.observation(clock.now_ns())
        chain.start(self.robot.home, first.gripper)
        leader = self._leaders[touch]
        leader.connect()
        began, ticks, peak = time.perf_counter(), 0, 0.0
        contact_s: float | None = None
        perturbed_s: float | None = None
        interventions: dict[str, int] = {}
        while not leader.finished and ticks < limit_s * CONTROL_HZ:
            now_s = ticks / CONTROL_HZ
            observation = world.observation(clock.now_ns())
            force = max(float(np.linalg.norm(w[:3])) for w in observation.wrench.values())
            peak = max(peak, force)
            if contact_s is None and force > _CONTACT_N:
                contact_s = now_s
            if perturb is not None and perturbed_s is None:
                due = 1.0 if "before" in perturb else (contact_s or np.inf) + 2.0
                if now_s >= due:
                    world.perturb(perturb)
                    perturbed_s = now_s
            tick = chain.tick(leader.read(observation), Measured(observation.wrench))
            for intervention in tick.interventions:
                interventions[intervention.kind] = interventions.get(intervention.kind, 0) + 1
            world.command(tick.command)
            world.step(round(1000 / CONTROL_HZ))
            world.collect()
            clock.advance_s(1 / CONTROL_HZ)
            ticks += 1
        return Trial(
            seed=seed,
            success=self.scene.success(world.model, world.data),
            progress=round(self.scene.progress(world.model, world.data), 4),
            sim_s=round(ticks / CONTROL_HZ, 3),
            wall_s=round(time.perf_counter() - began, 3),
            peak_n=round(peak, 2),
            finished=leader.finished,
            perturbed_s=perturbed_s,
            interventions=interventions,
        )


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a rate (Wilson 1927)."""
    rate = successes / trials
    middle = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def summary(trials: list[Trial]) -> dict[str, Any]:
    """The numbers of many episodes."""
    wins = sum(trial.success for trial in trials)
    low, high = wilson(wins, len(trials))
    return {
        "trials": len(trials),
        "successes": wins,
        "rate": wins / len(trials),
        "wilson_95": [round(low, 3), round(high, 3)],
        "mean_progress": round(float(np.mean([t.progress for t in trials])), 3),
        "median_sim_s": float(np.median([t.sim_s for t in trials])),
        "median_wall_s": float(np.median([t.wall_s for t in trials])),
        "median_peak_n": float(np.median([t.peak_n for t in trials])),
        "failed_seeds": [t.seed for t in trials if not t.success],
    }


def table(paths: list[Path]) -> str:
    """Many runs as one Markdown table."""
    rows = [
        "| scene | operator | disturbed | success | 95 % | progress | simulated | wall | peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for path in sorted(paths):
        run = json.loads(path.read_text())
        low, high = run["wilson_95"]
        rows.append(
            f"| {run['scene']} | {run['operator']} | {run['perturb'] or 'no'} "
            f"| {run['successes']}/{run['trials']} | {low:.2f} ... {high:.2f} "
            f"| {run['mean_progress']:.2f} | {run['median_sim_s']:.1f} s "
            f"| {run['median_wall_s']:.1f} s | {run['median_peak_n']:.0f} N |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scene")
    parser.add_argument("--table", type=Path, nargs="+", help="JSON files to show as a table")
    parser.add_argument("-n", type=int, default=50, help="episodes, seeds first ... first + n - 1")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--blind", action="store_true", help="an operator that ignores touch")
    parser.add_argument("--perturb", help="a perturbation of the scene")
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    if options.table:
        print(table(options.table))
        return
    if not options.scene:
        parser.error("--scene or --table is needed")
    bench = Bench(options.scene)
    kind = "blind" if options.blind else "touch"
    trials: list[Trial] = []
    for seed in range(options.first, options.first + options.n):
        trial = bench.run(seed, touch=not options.blind, perturb=options.perturb)
        trials.append(trial)
        if not trial.success:
            print(f"  failed: {trial}", flush=True)
        if options.json:
            told = {"scene": options.scene, "operator": kind, "perturb": options.perturb}
            _write(options.json, {**told, **summary(trials), "episodes": list(map(asdict, trials))})
    numbers = summary(trials)
    low, high = numbers["wilson_95"]
    print(
        f"{options.scene} {kind} {options.perturb or 'undisturbed'}: "
        f"{numbers['successes']}/{numbers['trials']} = {numbers['rate']:.0%} "
        f"(95 % {low:.0%} ... {high:.0%}), progress {numbers['mean_progress']:.2f}, "
        f"{numbers['median_sim_s']:.1f} s simulated, {numbers['median_wall_s']:.1f} s wall, "
        f"peak {numbers['median_peak_n']:.0f} N"
    )


def _write(path: Path, told: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
