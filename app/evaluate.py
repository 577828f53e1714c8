"""`teledeck evaluate`: batches of simulated rollouts, the same starts for every policy.

Every trial is on the disk before the next begins; a batch that was stopped goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from app.rollout.arena import perturbation
from app.rollout.room import SCRIPTS, Batch, Pool, Room
from devices import plugins
from devices.errors import ConfigError
from policies.evaluation.trials import Cell, Trial, TrialBook, cells, compare_cells

FIRST_SEED = 100_000
"""Starts of an evaluation are never those of demonstrations, whose seeds count from 0."""

BOOK = "trials.jsonl"


def evaluate(
    batch: Batch, *, workers: int | None = None, say: Callable[[str], None] = print
) -> int:
    """Run what is missing of a batch; print the table. Returns the exit status.

    Args:
        batch: What to try.
        workers: Rollouts at a time; None: as many as there are cores.
        say: Where progress goes, a line at a time.

    Raises:
        ConfigError: For an unknown scene, perturbation or policy.
    """
    scene = plugins.load("scenes", batch.scene)()
    perturb = perturbation(scene, batch.perturb) or ""
    known = {policy: _identity(policy) for policy in batch.policies}
    book = TrialBook(Path(batch.out) / BOOK)
    missing = [
        (policy, seed)
        for seed in batch.seeds
        for policy in batch.policies
        if (*known[policy], batch.scene, perturb, seed) not in book
    ]
    total = len(batch.seeds) * len(batch.policies)
    there = total - len(missing)
    say(f"{batch.scene}, {perturb or 'undisturbed'}: {there} of {total} rollouts are there")
    for number, trial in enumerate(_run(batch, perturb, known, missing, workers), start=1):
        book.add(trial)
        say(
            f"  {number:>4}/{len(missing)}  {trial.policy:<24} seed {trial.seed:<7} "
            f"{trial.verdict:<8} score {trial.score:4.2f}  {trial.seconds:5.1f} s"
        )
    for line in report(book):
        say(line)
    return 0


def report(book: TrialBook) -> Iterator[str]:
    """The results of a book as lines for people: a table, then comparisons on shared starts."""
    trials = tuple(book)
    table = cells(trials)
    yield ""
    yield f"{'scene':<8} {'disturbed':<22} {'policy':<24} {'success':>9}  {'95 %':<12} score"
    for cell in table:
        low, high = cell.interval
        yield (
            f"{cell.scene:<8} {cell.perturb or 'no':<22} {cell.policy:<24} "
            f"{cell.successes:>4}/{cell.trials:<4}  {low:.2f} ... {high:.2f} {cell.score:5.2f}"
        )
    for first, second in _pairs(table):
        found = compare_cells(trials, first, second)
        if found.pairs:
            low, high = found.interval
            yield (
                f"{first.scene}, {first.perturb or 'undisturbed'}: {first.policy} less "
                f"{second.policy} = {found.difference:+.2f} (95 % {low:+.2f} ... {high:+.2f}, "
                f"McNemar p = {found.p_value:.3g}, {found.pairs} shared starts)"
            )


def _pairs(table: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    for index, first in enumerate(table):
        for second in table[index + 1 :]:
            if (first.scene, first.perturb) == (second.scene, second.perturb):
                yield first, second


def _identity(policy: str) -> tuple[str, str]:
    """Name and digest of what is tried. Raises ConfigError for what is neither, PolicyError for
    what would run code."""
    from policies.checkpoint import digest, read_card
    from policies.refusing import refuse_other

    if policy in SCRIPTS:
        return policy, ""
    if _serves(policy):
        return _served(policy)
    place = Path(policy).expanduser()
    if "/" not in policy and not place.exists():
        raise ConfigError(
            f"There is no policy '{policy}'",
            allowed=[*SCRIPTS, "the folder of a checkpoint", "ws://127.0.0.1:PORT"],
            next_step="Check the path; a training's best checkpoint is in its folder 'best'",
        )
    refuse_other(place)
    folder = place.absolute()
    run = folder.parent.name if folder.name in ("best", "last") else folder.name
    return f"{read_card(folder).policy} {run}", digest(folder)[:16]


def _serves(policy: str) -> bool:
    """Whether a server is meant: its address, or a file that describes it."""
    place = Path(policy).expanduser()
    described = place.suffix == ".json" and place.name != "policy.json" and place.is_file()
    return "://" in policy or described


def _served(policy: str) -> tuple[str, str]:
    """What a policy server calls its policy, and the digest that it tells, "" for none."""
    from policies.serving.opening import open_policy
    from policies.serving.openpi import RemotePolicy

    opened = open_policy(policy)
    if isinstance(opened.policy, RemotePolicy):
        opened.policy.close()
    return f"{opened.name} (server)", opened.digest[:16]


def _run(
    batch: Batch,
    perturb: str,
    known: Mapping[str, tuple[str, str]],
    missing: Sequence[tuple[str, int]],
    workers: int | None,
) -> Iterator[Trial]:
    """The missing trials, as they end: in this process, or side by side in several."""
    count = min(len(missing), workers or os.cpu_count() or 1)
    if any(_serves(policy) for policy in batch.policies):
        count = 1  # a server has one memory; two rollouts at a time would share it
    if count <= 1:
        with contextlib.closing(Room(batch, perturb, known)) as room:
            for policy, seed in missing:
                yield room.trial(policy, seed)
        return
    with Pool(batch, perturb, known, count) as pool:
        yield from pool.run(missing)
