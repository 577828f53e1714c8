"""What is told of an arm that holds: once, and with the reason that the policy's worker has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devices.clock import NS_PER_S
from devices.leader import Side

_AGAIN_NS = NS_PER_S
_REASON_NS = NS_PER_S // 4
_NO_ANSWER, _NOTHING = "The policy did not answer", "answered nothing"
"""How the worker says that it had no answer, and what came of it; the worker also says why."""


def meaning(why: str, said: str) -> str:
    """What the worker has `said` of a hold because of nothing; empty where it is not about that."""
    return said if _NOTHING in why and said.startswith(_NO_ANSWER) else ""


class Holds:
    """Which holds have been told, by side. One that lasts is told once, one that comes and goes
    once a second, and one because of nothing when its worker has said what it means by that."""

    def __init__(self) -> None:
        self._told: dict[Side, tuple[str, int]] = {}
        self._awaited: dict[Side, int] = {}

    def clear(self) -> None:
        """Another policy drives: all is told anew."""
        self._told.clear()
        self._awaited.clear()

    def news(
        self, holds: Mapping[Side, str], said: str, now_ns: int
    ) -> Iterator[tuple[Side, str, str]]:
        """What is to be told now: side, why, and all of it as text.

        Args:
            holds: Why each side holds; empty for one that follows.
            said: What the worker said last about a fault, or empty.
            now_ns: Time [ns].
        """
        for side, why in holds.items():
            kind = why.split(":")[0]
            if not kind:
                self._awaited.pop(side, None)
            before, since_ns = self._told.get(side, ("", 0))
            if kind == before or (kind and now_ns - since_ns < _AGAIN_NS and before):
                continue
            meant = meaning(why, said)
            nothing = _NOTHING in why and not meant
            if nothing and now_ns - self._awaited.setdefault(side, now_ns) < _REASON_NS:
                continue
            self._awaited.pop(side, None)
            self._told[side] = (kind, now_ns)
            if kind:
                text = f"The {side} arm holds: {why}"
                yield side, why, f"{text}. {meant}" if meant else text
