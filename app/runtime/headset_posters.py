"""Who posts to the TactAR port, and how fast. Bounded: anybody may post."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np

from app.runtime.statuses import Poster
from devices.clock import NS_PER_S
from devices.stream import FloatArray
from devices.tactar.wire import Post

MOST: Final = 16
"""Addresses that are remembered; the one that has been silent longest gives way."""

_FORGET_NS: Final = 10 * NS_PER_S
_WINDOW_NS: Final = 2 * NS_PER_S
_SPEED_NS: Final = NS_PER_S // 4
"""A speed is told from where the hands were so long ago: tracking trembles less than they move."""


class Posters:
    """Times of arrival and motion by address."""

    def __init__(self) -> None:
        self._times: dict[str, deque[int]] = {}
        self._places: dict[str, deque[tuple[int, FloatArray]]] = {}

    def saw(self, address: str, t_ns: int, post: Post | None = None) -> bool:
        """Note one post, and where its hands and head are. True the first time an address is
        seen."""
        times = self._times.get(address)
        new = times is None
        if times is None:
            if len(self._times) >= MOST:
                oldest = min(self._times, key=lambda one: self._times[one][-1])
                self._forget(oldest)
            times = self._times[address] = deque(maxlen=256)
        times.append(t_ns)
        if post is not None:
            places = self._places.setdefault(address, deque(maxlen=64))
            places.append((t_ns, _places_of(post)))
            while t_ns - places[0][0] > _SPEED_NS:
                places.popleft()
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
                self._forget(address)
        return tuple(
            Poster(
                address,
                _rate_hz(times, now_ns),
                (now_ns - times[-1]) / 1e6,
                address == confirmed,
                self._speed(address, now_ns),
            )
            for address, times in sorted(self._times.items())
        )

    def clear(self) -> None:
        self._times.clear()
        self._places.clear()

    def _forget(self, address: str) -> None:
        del self._times[address]
        self._places.pop(address, None)

    def _speed(self, address: str, now_ns: int) -> float:
        """Of the fastest hand or head [m/s], 0 while nothing is told of it."""
        places = self._places.get(address)
        if places is None or len(places) < 2 or now_ns - places[-1][0] > _SPEED_NS:
            return 0.0
        (begin_ns, before), (end_ns, now) = places[0], places[-1]
        if end_ns <= begin_ns or before.shape != now.shape:
            return 0.0
        way = float(np.linalg.norm(now - before, axis=1).max())
        speed = way * NS_PER_S / (end_ns - begin_ns)
        return speed if math.isfinite(speed) else 0.0


def _places_of(post: Post) -> FloatArray:
    """Both hands, and the head if it is posted [m], shape (2 or 3, 3)."""
    places = [post.left.position, post.right.position]
    if post.head is not None:
        places.append(post.head[:3])
    return np.array(places, dtype=np.float64)


def _rate_hz(times: deque[int], now_ns: int) -> float:
    recent = [t for t in times if now_ns - t < _WINDOW_NS]
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) * NS_PER_S / max(1, recent[-1] - recent[0])
