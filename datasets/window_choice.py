"""Which episodes are read for training, which are held out, and what that choice is called."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from datasets.dataset import Dataset
from datasets.journal import Verdict
from datasets.library import EpisodeCard, Library
from devices.errors import StorageError

Split = Literal["train", "hold-out", "all"]
SPLITS: tuple[str, ...] = get_args(Split)

Span = Literal["drove", "all"]
SPANS: tuple[str, ...] = get_args(Span)

Idle = Literal["moved", "keep"]
IDLE_RULES: tuple[str, ...] = get_args(Idle)

Pushed = Literal["leave-out", "follow"]
PUSHED_RULES: tuple[str, ...] = get_args(Pushed)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is read of a dataset. Plain values: it is written into every checkpoint.

    Attributes:
        split: "train": what is not held out; "hold-out"; "all".
        hold_out: Share of the episodes to hold out, 0 to 1. Each is drawn by a hash of `seed` and
            its uid, so new episodes do not move old ones from one side to the other.
        seed: Of that draw.
        verdict: Only episodes with this verdict; None for any.
        task: Only episodes of this task, as labelled now; None for any.
        stride: Every how many action rows a window begins.
        span: "drove": from the first row that the operator asked for to the last; "all".
        idle: "moved": a window begins at most `IDLE_LEAD_S` before the hand has moved by 2 mm or
            1 degree or 1 mm of gap; "keep": also what was idle before. Ignored with span "all".
        pushed: Windows in whose chunk a hand is pushed (`leader/S_push`), which is nobody's wish.
            "leave-out": there are none. "follow": where the pushes are upright they are there,
            with the operator's own motion and not the pushes' as the actions: for whoever feels,
            this is a surface that moves. The batch tells which ones by "pushed".
    """

    split: Split = "train"
    hold_out: float = 0.1
    seed: int = 0
    verdict: Verdict | None = "success"
    task: str | None = None
    stride: int = 1
    span: Span = "drove"
    idle: Idle = "moved"
    pushed: Pushed = "leave-out"

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.split, SPLITS),
            (self.span, SPANS),
            (self.idle, IDLE_RULES),
            (self.pushed, PUSHED_RULES),
            (self.verdict, ("success", "failure", None)),
        ):
            if value not in allowed:
                raise StorageError(f"Windows cannot be chosen by {value!r}", allowed=allowed)
        if not 0.0 <= self.hold_out < 1.0:
            raise StorageError(
                f"A share of {self.hold_out} cannot be held out", allowed=("0 <= share < 1",)
            )
        if self.stride < 1:
            raise StorageError(f"Windows cannot begin every {self.stride} rows", allowed=(">= 1",))


@dataclass(frozen=True, slots=True)
class Source:
    """One episode to read.

    Attributes:
        uid: Its name.
        path: Its file.
        size_bytes: Of the file.
        trim_ns: The part that counts [ns, monotonic], None for all of it.
        weight: What its windows weigh.
    """

    uid: str
    path: Path
    size_bytes: int
    trim_ns: tuple[int, int] | None = None
    weight: float = 1.0


def is_held_out(uid: str, share: float, seed: int) -> bool:
    """Whether an episode is kept from training, whatever else there is in the dataset."""
    drawn = hashlib.sha256(f"{seed}:{uid}".encode()).digest()[:8]
    return int.from_bytes(drawn, "big") < share * 2**64


def sources(
    data: Dataset | Sequence[Path],
    choice: Choice,
    weights: Mapping[str, float],
    where: Callable[[EpisodeCard], bool] | None = None,
) -> tuple[Source, ...]:
    """The chosen episodes, oldest first; such that weigh nothing are left out.

    Args:
        data: A dataset, or paths of episode files (then verdict, task and trim do not apply).
        choice: Which ones.
        weights: By uid; an episode that is not named weighs 1.
        where: Any other condition; for a dataset only.

    Raises:
        StorageError: If the dataset cannot be read, a file is missing, or a weight is negative or
            belongs to no episode.
    """
    found: list[Source] = []
    known: set[str] = set()
    if isinstance(data, Dataset):
        library = Library(data, mend=False)
        known = {card.uid for card in library.cards()}
        for card in library.cards(task=choice.task, verdict=choice.verdict, where=where):
            path = data.episode_path(card.uid)
            found.append(Source(card.uid, path, card.facts.size_bytes, card.state.trim_ns))
    else:
        for path in data:
            if not path.is_file():
                raise StorageError(f"There is no episode {path}")
            found.append(Source(path.stem, path, path.stat().st_size))
        known = {source.uid for source in found}
    for uid, weight in weights.items():
        if uid not in known:
            raise StorageError(
                f"A weight is given for episode {uid}, which is not there",
                next_step="Leave its weight out, or take it out of the trash",
            )
        if not 0.0 <= weight < float("inf"):
            raise StorageError(f"Episode {uid} cannot weigh {weight}", allowed=("0 and more",))
    chosen = []
    for source in sorted(found, key=lambda source: source.uid):
        held = is_held_out(source.uid, choice.hold_out, choice.seed)
        weight = float(weights.get(source.uid, 1.0))
        if weight > 0.0 and choice.split in ("all", "hold-out" if held else "train"):
            chosen.append(
                Source(source.uid, source.path, source.size_bytes, source.trim_ns, weight)
            )
    return tuple(chosen)


def data_digest(chosen: Sequence[Source]) -> str:
    """SHA-256 of what is read: uid, size, trim and weight of each episode."""
    digest = hashlib.sha256()
    for source in chosen:
        line = f"{source.uid} {source.size_bytes} {source.trim_ns} {source.weight!r}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def journal_digest(dataset: Dataset) -> str:
    """SHA-256 of the journal as it is now; that of nothing where there is no journal yet."""
    try:
        content = dataset.journal.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise StorageError(f"The journal {dataset.journal} cannot be read: {error}") from error
    return hashlib.sha256(content).hexdigest()
