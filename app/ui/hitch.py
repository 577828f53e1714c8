"""How late the window's event loop runs. No Qt here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from devices.clock import NS_PER_S


@dataclass(frozen=True, slots=True)
class Hitches:
    """Lateness of ticks over the last minute [ms]. Zero ticks give zeros and say so in `ticks`."""

    ticks: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class HitchProbe:
    """Told of every tick of a timer, it knows how much later than due they came.

    Args:
        period_ns: When the next tick is due after one [ns].
        window_ns: How far back it remembers [ns].
    """

    def __init__(self, period_ns: int, window_ns: int = 60 * NS_PER_S) -> None:
        self._period_ns = period_ns
        self._window_ns = window_ns
        self._last_ns: int | None = None
        self._late: deque[tuple[int, int]] = deque()

    def tick(self, now_ns: int) -> None:
        """A tick came at `now_ns` [ns, monotonic]."""
        if self._last_ns is not None:
            self._late.append((now_ns, max(0, now_ns - self._last_ns - self._period_ns)))
        self._last_ns = now_ns
        while self._late and self._late[0][0] < now_ns - self._window_ns:
            self._late.popleft()

    def pause(self) -> None:
        """Ticks stop on purpose; the time until the next one is no lateness."""
        self._last_ns = None

    def read(self) -> Hitches:
        if not self._late:
            return Hitches(0, 0.0, 0.0, 0.0)
        late_ms = np.array([late for _, late in self._late]) / 1e6
        p50, p99 = np.percentile(late_ms, [50, 99])
        return Hitches(len(late_ms), float(p50), float(p99), float(late_ms.max()))
