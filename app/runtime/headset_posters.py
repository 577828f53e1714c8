"""Who posts to the TactAR port, and how fast. Bounded: anybody may post."""

from __future__ import annotations

from collections import deque
from typing import Final

from app.runtime.statuses import Poster
from devices.clock import NS_PER_S

MOST: Final = 16
"""Addresses that are remembered; the one that has been silent longest gives way."""

_FORGET_NS: Final = 10 * NS_PER_S
_WINDOW_NS: Final = 2 * NS_PER_S


class Posters:
    """Times of arrival by address."""

    def __init__(self) -> None:
        self._times: dict[str, deque[int]] = {}

    def saw(self, address: str, t_ns: int) -> bool:
        """Note one post. True the first time an address is seen."""
        times = self._times.get(address)
        new = times is None
        if times is None:
            if len(self._times) >= MOST:
                oldest = min(self._times, key=lambda one: self._times[one][-1])
                del self._times[oldest]
            times = self._times[address] = deque(maxlen=256)
        times.append(t_ns)
        return new

    def only(self, now_ns: int) -> str:
        """The address that posts, if there is exactly one; else ""."""
        posting = [one for one, times in self._times.items() if now_ns - times[-1] < NS_PER_S]
        return posting[0] if len(posting) == 1 else ""

    def silent_ns(self, address: str, now_ns: int) -> int | None:
        """Time since the last post of an address [ns]; None if there was none."""
        times = self._times.get(address)
        return None if times is None else now_ns - times[-1]

    def told(self, confirmed: str, now_ns: int) -> tuple[Poster, ...]:
        """All that are remembered; those that fell silent long ago are forgotten."""
        for address in [a for a, times in self._times.items() if now_ns - times[-1] > _FORGET_NS]:
            if address != confirmed:
                del self._times[address]
        return tuple(
            Poster(
                address, _rate_hz(times, now_ns), (now_ns - times[-1]) / 1e6, address == confirmed
            )
            for address, times in sorted(self._times.items())
        )

    def clear(self) -> None:
        self._times.clear()


def _rate_hz(times: deque[int], now_ns: int) -> float:
    recent = [t for t in times if now_ns - t < _WINDOW_NS]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) * NS_PER_S / max(1, recent[-1] - recent[0])
