"""Posts in their order: late ones are dropped, a restarted app is told from a late post. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["first", "next", "late", "restart"]

# A post may be late by this much because it was overtaken [s]; a lost packet delays one further.
_OVERTAKEN_S = 2.0
# So many posts in a row behind the last: far behind, or near it.
_PROOF_FAR = 3
_PROOF_NEAR = 30


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """How many posts there were of each kind."""

    first: int = 0
    next: int = 0
    late: int = 0
    restart: int = 0


class PostOrder:
    """Judges the app's timestamps [s since its start, float32].

    A timestamp that is not newer than all before is *late*: overtaken on the way, or sent twice.
    One late post proves nothing, however late: a packet may be lost and sent again. When several in
    a row are behind and count up among themselves, with none that continues the old count, the
    app has *restarted*.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._behind = 0
        self._newest_behind = 0.0
        self._counts = dict.fromkeys(("first", "next", "late", "restart"), 0)

    @property
    def counts(self) -> OrderCounts:
        return OrderCounts(**self._counts)

    def judge(self, timestamp: float) -> Verdict:
        """Whether the post is to be followed: "late" is to be dropped, "restart" begins anew."""
        verdict = self._verdict(timestamp)
        self._counts[verdict] += 1
        if verdict != "late":
            self._last = timestamp
            self._behind = 0
        return verdict

    def _verdict(self, timestamp: float) -> Verdict:
        if self._last is None:
            return "first"
        if timestamp > self._last:
            return "next"
        if timestamp == self._last:
            return "late"
        if self._behind and timestamp <= self._newest_behind:
            # Late even among the late ones; it neither proves nor disproves a restart.
            return "late"
        self._behind += 1
        self._newest_behind = timestamp
        far = timestamp < self._last - _OVERTAKEN_S
        return "restart" if self._behind >= (_PROOF_FAR if far else _PROOF_NEAR) else "late"
