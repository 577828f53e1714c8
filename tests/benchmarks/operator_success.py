"""How often a scripted operator completes a scene, through mapping and guard, without rings.

    python -m tests.benchmarks.operator_success --scene wipe -n 50 [--blind] [--perturb NAME]
    python -m tests.benchmarks.operator_success --table docs/results/operators/*.json

Runs as fast as the machine can on a fake clock. Prints the success rate with its 95 % Wilson
interval and the seeds that failed; the same as JSON goes to `--json FILE`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.rollout.arena import Arena, Outcome, ScriptedDriver
from policies.evaluation.statistics import wilson


def summary(trials: list[Outcome]) -> dict[str, Any]:
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
    arena = Arena(options.scene)
    driver = ScriptedDriver(options.scene, touch=not options.blind)
    kind = "blind" if options.blind else "touch"
    trials: list[Outcome] = []
    for seed in range(options.first, options.first + options.n):
        trial = arena.run(driver, seed, perturb=options.perturb)
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
