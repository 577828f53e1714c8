"""What the Library shows of a dataset: filter, order, search, counts. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, TypeVar, get_args

from datasets.library import EpisodeCard

T = TypeVar("T")

Filter = Literal["all", "success", "failure", "undecided", "findings", "trash"]
FILTERS: tuple[Filter, ...] = get_args(Filter)

FILTER_WORDS: dict[Filter, str] = {
    "all": "All",
    "success": "Success",
    "failure": "Failure",
    "undecided": "Undecided",
    "findings": "Findings",
    "trash": "Trash",
}

Order = Literal["newest", "oldest", "longest", "shortest", "task", "largest"]
ORDERS: tuple[Order, ...] = get_args(Order)

ORDER_WORDS: dict[Order, str] = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "longest": "Longest first",
    "shortest": "Shortest first",
    "task": "By task",
    "largest": "Largest first",
}

QUIET_FLAGS = frozenset({"unjudged", "derived"})
"""Flags that say nothing bad."""

_ORDERING: dict[Order, Callable[[EpisodeCard], tuple[object, ...]]] = {
    "newest": lambda card: (-card.number,),
    "oldest": lambda card: (card.number,),
    "longest": lambda card: (-card.length_s, -card.number),
    "shortest": lambda card: (card.length_s, -card.number),
    "task": lambda card: (card.task.casefold(), -card.number),
    "largest": lambda card: (-card.facts.size_bytes, -card.number),
}

_FITS: dict[Filter, Callable[[EpisodeCard], bool]] = {
    "all": lambda card: not card.deleted,
    "success": lambda card: not card.deleted and card.judged and card.verdict == "success",
    "failure": lambda card: not card.deleted and card.judged and card.verdict == "failure",
    "undecided": lambda card: not card.deleted and not card.judged,
    "findings": lambda card: not card.deleted and bool(set(card.flags) - QUIET_FLAGS),
    "trash": lambda card: card.deleted,
}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Which episodes are shown, in which order.

    Attributes:
        filter: One of FILTERS.
        order: One of ORDERS.
        query: Words that task, operator, scene or notes must contain, all of them.
    """

    filter: Filter = "all"
    order: Order = "newest"
    query: str = ""

    def arranged(self, cards: Iterable[EpisodeCard]) -> list[EpisodeCard]:
        """The cards to show, in order."""
        wanted = self.query.casefold().split()
        found = [
            card
            for card in cards
            if _FITS[self.filter](card) and all(word in _text(card) for word in wanted)
        ]
        return sorted(found, key=_ORDERING[self.order])

    def next_filter(self) -> Shelf:
        return replace(self, filter=_after(FILTERS, self.filter))

    def next_order(self) -> Shelf:
        return replace(self, order=_after(ORDERS, self.order))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many episodes of each kind; `seconds` is the length of all outside the trash [s]."""

    by_filter: dict[Filter, int]
    seconds: float

    @classmethod
    def of(cls, cards: Iterable[EpisodeCard]) -> Counts:
        cards = list(cards)
        return cls(
            {name: sum(map(fits, cards)) for name, fits in _FITS.items()},
            sum(card.length_s for card in cards if not card.deleted),
        )


class Pace:
    """How long a labeler takes for a decision: the median of the last twenty [s]."""

    def __init__(self) -> None:
        self._opened_ns = 0
        self._seconds: list[float] = []

    def opened(self, now_ns: int) -> None:
        self._opened_ns = now_ns

    def decided(self, now_ns: int) -> None:
        """A verdict was given; time away from the screen (over a minute) does not count."""
        seconds = (now_ns - self._opened_ns) / 1e9
        if self._opened_ns and seconds < 60:
            self._seconds = [*self._seconds[-19:], seconds]
        self._opened_ns = now_ns

    @property
    def median_s(self) -> float | None:
        return median(self._seconds) if self._seconds else None


def _text(card: EpisodeCard) -> str:
    facts = card.facts
    parts = (card.task, facts.operator, facts.scene, facts.uid, *card.flags, *card.state.notes)
    return " ".join(parts).casefold()


def _after(names: Sequence[T], name: T) -> T:
    return names[(names.index(name) + 1) % len(names)]
