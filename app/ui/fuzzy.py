"""Finding a command by a few letters of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def score(query: str, text: str) -> int | None:
    """How well `query` fits `text`; higher is better, None if it does not.

    All letters of the query must occur in order. Beginnings of words and runs of letters count
    most, so that "rs" finds "Reset scene" before "Cursor".
    """
    query, text = query.casefold().replace(" ", ""), text.casefold()
    if not query:
        return 0
    # best[j]: best score of the query so far that ends at letter j of the text
    best: list[int | None] = [None] * len(text)
    for number, letter in enumerate(query):
        row: list[int | None] = [None] * len(text)
        reached: int | None = 0 if number == 0 else None  # best of any earlier end
        for j, candidate in enumerate(text):
            if candidate == letter and reached is not None:
                starts_word = j == 0 or not text[j - 1].isalnum()
                value = reached + (8 if starts_word else 1)
                before = best[j - 1] if number and j else None
                if before is not None:
                    value = max(value, before + 9)
                row[j] = value
            if number and best[j] is not None:
                reached = best[j] if reached is None else max(reached, best[j] or 0)
        best = row
    ends = [value for value in best if value is not None]
    return max(ends) * 100 - len(text) if ends else None


def rank(query: str, items: Iterable[T], text: Callable[[T], str]) -> list[T]:
    """The items that fit, best first; equals keep their order."""
    scored = [(score(query, text(item)), item) for item in items]
    fitting = [(value, item) for value, item in scored if value is not None]
    if not query.strip():
        return [item for _, item in fitting]
    return [item for _, item in sorted(fitting, key=lambda pair: -pair[0])]
