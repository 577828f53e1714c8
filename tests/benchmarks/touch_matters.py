"""Does touch matter? Trains policies with and without it, and lets them try the same starts.

    python -m tests.benchmarks.touch_matters --scene peel --seeds 0 1 2 -n 34 --out DIR

Demonstrations, trainings and rollouts that are in DIR already are not made again: the same command
goes on where it was stopped. It ends with tables (DIR/table.md, DIR/results.json). What every
part cost is in DIR/costs.jsonl, as processor time: a wall clock on a shared machine tells nothing.

    python -m tests.benchmarks.touch_matters --table docs/results/touch-matters/*-fourth*.jsonl

makes the tables of docs/results/touch-matters.md from the trials that lie beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.evaluate import BOOK, FIRST_SEED, evaluate
from app.rollout.arena import perturbation
from app.rollout.room import Batch, Room
from datasets.dataset import Dataset
from datasets.library import Library
from devices import plugins
from policies.checkpoint import digest
from policies.evaluation.statistics import compare, wilson
from policies.evaluation.trials import Trial, TrialBook
from policies.serving.opening import Opened, open_policy
from policies.templates import FROM_THE_THING, PLANNING, REACTIVE
from policies.training_run import RunFolder

SCENES = ("wipe", "peel", "lift")
PERTURBS = ("", "before-contact", "after-contact")
DEMONSTRATIONS: dict[str, tuple[tuple[str, int, int, bool], ...]] = {
    "wipe": (
        ("", 1, 25, True),
        ("after-contact", 51, 20, True),
        ("begun", 301, 40, True),
        ("before-contact", 41, 6, True),
        ("", 101, 12, False),
        ("after-contact", 151, 12, False),
    ),
    "peel": (
        ("", 1, 30, True),
        ("after-contact", 51, 25, True),
        ("before-contact", 41, 8, True),
        ("", 101, 15, False),
        ("after-contact", 151, 15, False),
        ("before-contact", 141, 7, False),
    ),
    "lift": (
        ("", 1, 40, False),
        ("after-contact", 51, 30, False),
        ("before-contact", 41, 15, False),
    ),
}
"""By scene: perturbation, first seed, takes, whether the hand is pushed now and then (where the
operator comes back by itself). Rollouts start from other seeds (`FIRST_SEED` on)."""

BLIND = (("", 1, 40, False), ("after-contact", 51, 20, False))
"""What a demonstrator without touch shows: nobody comes back who does not feel that he is off."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One policy as it is trained.

    Attributes:
        name: In tables and folders.
        policy: Of `teledeck.policies`.
        needs: What it sees.
        steps: Updates.
        settings: Of `teledeck train --set`.
        blind: Trained on takes of an operator that ignores touch.
        slow_of: The variant whose checkpoint it is, tried without its fast path; "" for one that is
            trained. What drives then are the chunks: touch as it was when each was made.
    """

    name: str
    policy: str
    needs: str
    steps: int
    settings: tuple[str, ...] = ()
    blind: bool = False
    slow_of: str = ""


_DP = (3000, PLANNING)  # as in the paper, half the work
_RDP = (12_000, REACTIVE)
VARIANTS = (
    Variant("rdp", "rdp", "glance-sent-reactive", *_RDP),
    Variant("dp", "diffusion", "glance-sent", *_DP),
    Variant("dp-touch", "diffusion", "glance-sent-touch", *_DP),
    Variant("dp-long", "diffusion", "glance-sent", 8000, _DP[1]),
    Variant("dp-touch-long", "diffusion", "glance-sent-touch", 8000, _DP[1]),
    Variant("dp-relative", "diffusion", "glance-sent", 3000, (*_DP[1], "relative=true")),
    Variant(
        "dp-touch-relative", "diffusion", "glance-sent-touch", 3000, (*_DP[1], "relative=true")
    ),
    Variant("dp-standard", "diffusion", "glance-sent", 3000, (*_DP[1], "scale=standard")),
    Variant(
        "dp-touch-standard", "diffusion", "glance-sent-touch", 3000, (*_DP[1], "scale=standard")
    ),
    Variant("rdp-slow", "rdp", "glance-sent-reactive", *_RDP, slow_of="rdp"),
    Variant("rdp-numb", "rdp", "glance-sent-reactive", _RDP[0], (*_RDP[1], "feels=false")),
    Variant("dp-measured", "diffusion", "glance", *_DP),
    Variant("rdp-blind", "rdp", "glance-sent-reactive", *_RDP, blind=True),
)
"""All see what an eye would, and where the tools were sent. What else tells RDP from Diffusion
Policy, one by one: "dp-long" and "dp-touch-long" train for as much processor time as "rdp";
"dp-relative" and "dp-touch-relative" tell actions from the newest tool pose, as RDP does;
"dp-standard" and "dp-touch-standard" scale them by deviation, as RDP does here; "rdp-slow" plans
and does not react; "rdp-numb" is told no touch at all. "dp-measured" sees where the tools are: our
arms give way where they press, so that is a force sensor (docs/results/touch-matters.md)."""

SETTINGS: dict[str, tuple[str, ...]] = {
    "wipe": FROM_THE_THING,
    "peel": FROM_THE_THING,
    "lift": (),
}
"""By scene, what else is set. Lifting is told in the world, or from the tools: there the hands
themselves carry the thing off."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    known = [variant.name for variant in VARIANTS]
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--policies", nargs="+", choices=known, default=known[:3])
    parser.add_argument("--perturb", nargs="+", choices=PERTURBS, default=list(PERTURBS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of trainings")
    parser.add_argument("-n", type=int, default=34, help="rollouts in a cell, for each seed")
    parser.add_argument("--limit-s", type=float, default=20.0, help="longest rollout")
    parser.add_argument("--latency-ms", type=float, default=60.0, help="simulated inference time")
    parser.add_argument("--shorten", type=float, default=1.0, help="share of the updates to make")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--demos", type=Path, help="folder of datasets by scene; default OUT/demos")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path)
    what.add_argument("--table", type=Path, nargs="+", metavar="BOOK", help="of these, no more")
    options = parser.parse_args()
    if options.table:
        print("\n".join(table([trial for book in options.table for trial in TrialBook(book)])[0]))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    chosen = [variant for variant in VARIANTS if variant.name in options.policies]
    for scene in options.scene:
        for variant in chosen:
            demos = demonstrations(options, scene, variant.blind)
            for seed in options.seeds:
                train(options, scene, variant, seed, demos)
        whole = [variant for variant in chosen if not variant.slow_of]
        for perturb, seed in itertools.product(options.perturb, options.seeds):
            if whole:
                roll_out(options, scene, perturb, [run_of(options, scene, v, seed) for v in whole])
            for variant in chosen:
                if variant.slow_of:
                    roll_out_slow(options, scene, perturb, variant, seed)
    lines, rows = table(TrialBook(options.out / BOOK))
    (options.out / "table.md").write_text("\n".join(lines) + "\n")
    (options.out / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(lines))


def demonstrations(options: argparse.Namespace, scene: str, blind: bool) -> Path:
    """Where the takes of a scene are; makes those that are missing."""
    root: Path = options.demos or options.out / "demos"
    folder = root / (f"{scene}-blind" if blind else scene)
    for perturb, first, count, wander in BLIND if blind else DEMONSTRATIONS[scene]:
        done = folder / f".made-{first}"
        if done.exists() or (options.demos is not None and folder.exists()):
            continue
        teledeck(
            *("collect", "--headless", "--fast", "--scene", scene, "--dataset", str(folder)),
            *("--seed", str(first), "-n", str(count)),
            *(("--perturb", perturb) if perturb else ()),
            *(("--wander",) if wander else ()),
            *(("--operator", "scripted-blind") if blind else ()),
            cost=(options.out, f"demonstrations {folder.name} {perturb or 'undisturbed'}", count),
        )
        done.touch()
    cut(folder)
    return folder


def cut(folder: Path) -> None:
    """Trim takes to 0.3 s after the moment that gained the last: what an operator does when all is
    done, taking its hands away, must not be what a policy does that believes so."""
    library = Library(Dataset.open(folder))
    for card in library.cards():
        if card.state.trim_ns is not None:
            continue
        with library.open(card.uid) as episode:
            told = episode["scene/progress"]
            gained = told.values[:, 0]
            last_ns = int(told.t_ns[np.argmax(gained >= gained.max() - 1e-6)]) + 300_000_000
            first_ns, end_ns = episode.span_ns
        library.trim(card.uid, (first_ns, min(end_ns, last_ns)))


def run_of(options: argparse.Namespace, scene: str, variant: Variant, seed: int) -> Path:
    """The folder of one training."""
    return Path(options.out) / "runs" / scene / f"{variant.slow_of or variant.name}_{seed}"


def train(
    options: argparse.Namespace, scene: str, variant: Variant, seed: int, demos: Path
) -> None:
    """Train what is not trained; goes on with what was begun."""
    run = run_of(options, scene, variant, seed)
    if (run / "status.json").exists() and RunFolder(run).status().phase == "done":
        return
    steps = max(1, round(variant.steps * options.shorten))
    settings = (*variant.settings, *SETTINGS[scene])
    settings = (*settings, "plan.judge_every=1000", "plan.log_every=500")
    if variant.blind:
        # What such a person does is not a success more often than not; all of it is shown.
        settings = (*settings, "plan.verdict=null")
    teledeck(
        *("train", "--dataset", str(demos), "--policy", variant.policy, "--needs", variant.needs),
        *("--steps", str(steps), "--seed", str(seed), "--hold-out", "0.05", "--out", str(run)),
        *(part for setting in settings for part in ("--set", setting)),
        cost=(options.out, f"training {scene} {run.name}", steps),
    )


def roll_out(options: argparse.Namespace, scene: str, perturb: str, runs: Sequence[Path]) -> None:
    """Rollouts of a cell that are missing, the same starts for all."""
    batch = _batch(options, scene, perturb, runs)
    before = len(TrialBook(options.out / BOOK))
    with charged(options.out, f"rollouts {scene} {perturb or 'undisturbed'}") as cost:
        evaluate(batch, workers=options.workers, say=lambda line: print(line, flush=True))
        cost["count"] = len(TrialBook(options.out / BOOK)) - before


def roll_out_slow(
    options: argparse.Namespace, scene: str, perturb: str, variant: Variant, seed: int
) -> None:
    """The same with a policy that may plan and not react."""
    batch = _batch(options, scene, perturb, [run_of(options, scene, variant, seed)])
    (path,) = batch.policies
    name = (f"{variant.policy} {variant.name}_{seed}", digest(Path(path))[:16])
    struck = perturbation(plugins.load("scenes", scene)(), perturb) or ""
    book = TrialBook(options.out / BOOK)

    def slow(place: str) -> Opened:
        opened = open_policy(place)
        object.__setattr__(opened.policy, "reacts", False)
        return opened

    with (
        charged(options.out, f"rollouts {scene} {perturb or 'undisturbed'} {variant.name}") as cost,
        contextlib.closing(Room(batch, struck, {path: name}, slow)) as room,
    ):
        for start in batch.seeds:
            if (*name, scene, struck, start) not in book:
                trial = room.trial(path, start)
                book.add(trial)
                cost["count"] += 1
                print(f"  {trial.policy:<24} seed {start} {trial.verdict}", flush=True)


def _batch(options: argparse.Namespace, scene: str, perturb: str, runs: Sequence[Path]) -> Batch:
    return Batch(
        policies=tuple(str(run / "last") for run in runs),
        scene=scene,
        perturb=perturb,
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + options.n)),
        out=str(options.out),
        limit_s=options.limit_s,
        latency_ms=options.latency_ms,
    )


def teledeck(*arguments: str, cost: tuple[Path, str, int]) -> None:
    """Run `teledeck` in a process of its own, and note what it cost."""
    out, what, count = cost
    with charged(out, what) as line:
        line["count"] = count
        call = "import sys; from app.cli import main; sys.exit(main())"
        subprocess.run([sys.executable, "-c", call, *arguments], check=True)


@contextlib.contextmanager
def charged(out: Path, what: str) -> Iterator[dict[str, Any]]:
    """Append to costs.jsonl what happens inside: processor time of this process and children."""
    line: dict[str, Any] = {"what": what, "count": 0}
    began, used = time.monotonic(), _used_s()
    yield line
    line |= {
        "cpu_s": round(_used_s() - used, 1),
        "wall_s": round(time.monotonic() - began, 1),
        "load_1min": round(os.getloadavg()[0], 1),
    }
    out.mkdir(parents=True, exist_ok=True)
    with (out / "costs.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def _used_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def variant_of(trial: Trial) -> str:
    """Which variant a trial is of: "diffusion dp-touch_0" → "dp-touch"."""
    return trial.policy.split()[-1].rpartition("_")[0]


def table(known: Iterable[Trial]) -> tuple[list[str], list[dict[str, Any]]]:
    """Results so far, training seeds taken together and one by one, as lines of Markdown; and the
    first as rows."""
    trials = [trial for trial in known if trial.verdict != "excluded"]
    rows: list[dict[str, Any]] = []
    for scene in sorted({trial.scene for trial in trials}):
        plug_in = plugins.load("scenes", scene)()
        for asked in PERTURBS:
            perturb = perturbation(plug_in, asked) or ""
            cell = [t for t in trials if (t.scene, t.perturb) == (scene, perturb)]
            for name in (variant.name for variant in VARIANTS):
                mine = [trial for trial in cell if variant_of(trial) == name]
                if mine:
                    rows.append(_row(scene, perturb, name, mine, cell))
    lines = [
        "| scene | disturbed | policy | seeds | success | 95 % | less dp (95 %) | score | "
        "less dp (95 %) | held N |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["interval"]
        lines.append(
            f"| {row['scene']} | {_words(row['perturb'])} | {row['policy']} | {row['seeds']} | "
            f"{row['successes']}/{row['trials']} | {low:.2f} … {high:.2f} | "
            f"{_less(row['less_dp'])} | {row['score']:.2f} | {_less(row['score_less_dp'])} | "
            f"{row['held_n']:.0f} |"
        )
    return [*lines, "", *_by_seed(trials)], rows


def _by_seed(trials: Sequence[Trial]) -> list[str]:
    """Successes of each training, seeds side by side."""
    seeds = sorted({_seed_of(trial) for trial in trials})
    lines = [
        "| scene | disturbed | policy | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
        "|---" * (3 + len(seeds)) + "|",
    ]
    names = [variant.name for variant in VARIANTS]
    perturbs = ["", *dict.fromkeys(trial.perturb for trial in trials if trial.perturb)]
    groups = {(trial.scene, trial.perturb, variant_of(trial)) for trial in trials}
    for scene, perturb, name in sorted(
        groups, key=lambda group: (group[0], perturbs.index(group[1]), names.index(group[2]))
    ):
        mine = [t for t in trials if (t.scene, t.perturb, variant_of(t)) == (scene, perturb, name)]
        cells = []
        for seed in seeds:
            of_seed = [trial for trial in mine if _seed_of(trial) == seed]
            won = sum(trial.verdict == "success" for trial in of_seed)
            cells.append(f"{won}/{len(of_seed)}" if of_seed else "")
        lines.append(f"| {scene} | {_words(perturb)} | {name} | " + " | ".join(cells) + " |")
    return lines


def _less(found: tuple[float, float, float] | None) -> str:
    """A difference with its interval; "" for none."""
    if found is None:
        return ""
    less, low, high = found
    return f"{less:+.2f} ({low:+.2f} … {high:+.2f})".replace("-", "−")


def _words(perturb: str) -> str:
    """ "moved_after_contact" → "after contact"."""
    return perturb.removeprefix("moved_").replace("_", " ") or "no"


def _seed_of(trial: Trial) -> str:
    return trial.policy.rpartition("_")[2]


def _row(
    scene: str, perturb: str, name: str, mine: Sequence[Trial], cell: Sequence[Trial]
) -> dict[str, Any]:
    """One line of the table; compared with "dp" on shared seeds and starts."""

    def outcomes(variant: str) -> dict[tuple[str, int], Trial]:
        return {
            (_seed_of(trial), trial.seed): trial for trial in cell if variant_of(trial) == variant
        }

    own, plain = outcomes(name), outcomes("dp")
    shared = [(own[key], plain[key]) for key in sorted(own.keys() & plain.keys())]
    less = score_less = None
    if shared and name != "dp":
        found = compare(
            [mine.verdict == "success" for mine, _ in shared],
            [other.verdict == "success" for _, other in shared],
        )
        less = (found.difference, *found.interval)
        score_less = _bootstrap([mine.score - other.score for mine, other in shared])
    successes = sum(trial.verdict == "success" for trial in mine)
    return {
        "scene": scene,
        "perturb": perturb,
        "policy": name,
        "seeds": len({trial.policy for trial in mine}),
        "successes": successes,
        "trials": len(mine),
        "interval": wilson(successes, len(mine)),
        "score": sum(trial.score for trial in mine) / len(mine),
        "less_dp": less,
        "score_less_dp": score_less,
        "peak_n": max(trial.peak_n or 0.0 for trial in mine),
        "held_n": max(trial.held_n or 0.0 for trial in mine),
    }


def _bootstrap(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences, and the 95 % of 10 000 means drawn anew from them."""
    told = np.asarray(differences)
    drawn = np.random.default_rng(0).integers(0, len(told), (10_000, len(told)))
    low, high = np.percentile(told[drawn].mean(axis=1), [2.5, 97.5])
    return float(told.mean()), float(low), float(high)


if __name__ == "__main__":
    main()
