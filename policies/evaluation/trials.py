"""Trials: one line a rollout in an append-only file, on the disk before the next one begins.

A verdict may be corrected later; that is a new line, and the old one stays. A line that a crash cut
short at the end is ignored and overwritten by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from devices.errors import StorageError
from policies.evaluation.statistics import Comparison, compare, wilson

SCHEMA = 1
MAX_LINE = 1 << 16

Verdict = Literal["success", "failure", "excluded"]


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rollout of one policy.

    Attributes:
        policy: What people call it.
        digest: Of its checkpoint; "" for a script.
        scene, perturb, seed: What it was tried on; "" for no perturbation. The same three mean the
            same start.
        verdict: How it went; an excluded one counts nowhere, and `reason` says why.
        score: Partial success, 0 ... 1.
        tags: Kinds of failure, with the moment [s] in the rollout or None.
        seconds: Length of the rollout [s].
        peak_n: Largest force at a wrist [N], blows of a few milliseconds included; NaN if nobody
            measured it.
        held_n: Largest force at a wrist that lasted [N], None if nobody measured it.
        infer_ms: Median inference time [ms]; NaN for none.
        misses: Ticks that wanted an action and had none.
        interventions: Ticks at which the guard did not let something through.
        takeovers: How often a person took over.
        uid: The episode that holds the rollout, "" if it was not kept.
        made: Wall clock, ISO 8601.
        by: Who judged: a person's name, or "scene" for the scene's own success test.
    """

    policy: str
    digest: str
    scene: str
    perturb: str
    seed: int
    verdict: Verdict
    score: float
    reason: str = ""
    tags: tuple[tuple[str, float | None], ...] = ()
    seconds: float = 0.0
    peak_n: float | None = None
    held_n: float | None = None
    infer_ms: float | None = None
    misses: int = 0
    interventions: int = 0
    takeovers: int = 0
    uid: str = ""
    made: str = ""
    by: str = "scene"

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What makes it the same trial when it is done again: policy, digest, start."""
        return (self.policy, self.digest, self.scene, self.perturb, self.seed)


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    schema: int
    trial: Trial


class TrialBook:
    """The trials of one folder. A later line about the same trial replaces the earlier one.

    Args:
        path: The file; made with the first trial.

    Raises:
        StorageError: For a file that is not a trial book, or a newer one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trials: dict[tuple[str, str, str, str, int], Trial] = {}
        self._good_bytes = 0
        self._read()

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials.values())

    def __contains__(self, key: tuple[str, str, str, str, int]) -> bool:
        return key in self._trials

    def add(self, trial: Trial) -> None:
        """Append one line and wait until it is on the disk.

        Raises:
            StorageError: If that fails.
        """
        line = msgspec.json.encode(_Line(SCHEMA, trial)) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                if os.fstat(fd).st_size > self._good_bytes and not _ends_a_line(fd):
                    line = b"\n" + line  # what a crash cut short becomes a line of its own
                os.write(fd, line)
                os.fsync(fd)
                self._good_bytes = os.fstat(fd).st_size
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(
                f"The trial cannot be written to {self.path}: {error.strerror}",
                next_step="Make room or choose another folder; earlier trials are safe",
            ) from error
        self._trials[trial.key] = trial

    def _read(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be read: {error.strerror}",
                next_step="Choose another folder for the results",
            ) from error
        lines = content.split(b"\n")
        for number, line in enumerate(lines):
            if not line:
                continue
            try:
                if len(line) > MAX_LINE:
                    raise msgspec.DecodeError(f"a line of {len(line)} bytes")
                known = msgspec.json.decode(line, type=_Line)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                if _schema(line) > SCHEMA:
                    raise StorageError(
                        f"{self.path} was written by a newer Teledeck",
                        next_step="Update Teledeck, or choose another folder",
                    ) from error
                if number == 0:
                    raise StorageError(
                        f"{self.path} is no trial book: {error}",
                        next_step="Choose another folder",
                    ) from error
                continue  # cut short by a crash
            self._trials[known.trial.key] = known.trial
        self._good_bytes = len(content) if content.endswith(b"\n") else 0


def _ends_a_line(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return size == 0 or os.pread(fd, 1, size - 1) == b"\n"


def _schema(line: bytes) -> int:
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return 0
    schema = found.get("schema", 0) if isinstance(found, dict) else 0
    return schema if isinstance(schema, int) else 0


class Cell(msgspec.Struct, frozen=True):
    """One policy on one task under one perturbation."""

    policy: str
    digest: str
    scene: str
    perturb: str
    successes: int
    trials: int
    excluded: int
    score: float

    @property
    def rate(self) -> float:
        return self.successes / self.trials if self.trials else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the success rate (Wilson)."""
        return wilson(self.successes, self.trials)


def cells(trials: Iterable[Trial]) -> tuple[Cell, ...]:
    """The table of results, sorted by scene, perturbation, policy."""
    groups: dict[tuple[str, str, str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.scene, trial.perturb, trial.policy, trial.digest), []).append(
            trial
        )
    found = []
    for (scene, perturb, policy, digest), group in sorted(groups.items()):
        counted = [trial for trial in group if trial.verdict != "excluded"]
        score = sum(trial.score for trial in counted) / len(counted) if counted else float("nan")
        found.append(
            Cell(
                policy,
                digest,
                scene,
                perturb,
                sum(trial.verdict == "success" for trial in counted),
                len(counted),
                len(group) - len(counted),
                score,
            )
        )
    return tuple(found)


def compare_cells(trials: Iterable[Trial], a: Cell, b: Cell) -> Comparison:
    """Two cells on the starts that both have tried and nobody has excluded."""

    def outcomes(cell: Cell) -> dict[int, bool]:
        return {
            trial.seed: trial.verdict == "success"
            for trial in known
            if (trial.policy, trial.digest, trial.scene, trial.perturb)
            == (cell.policy, cell.digest, cell.scene, cell.perturb)
            and trial.verdict != "excluded"
        }

    known = tuple(trials)
    first, second = outcomes(a), outcomes(b)
    shared = sorted(first.keys() & second.keys())
    return compare([first[seed] for seed in shared], [second[seed] for seed in shared])
