"""The control loop's own budget: where the last second of ticks went."""

from __future__ import annotations

import numpy as np

from app.runtime.statuses import LoopBudget
from devices.stream import FloatArray, StreamSpec

SECTIONS = ("read", "map", "guard", "send", "physics", "publish", "lateness", "whole")


def loop_spec(rate_hz: float) -> StreamSpec:
    """The stream `station/loop`: SECTIONS of every tick [ms]."""
    return StreamSpec("station/loop", (len(SECTIONS),), "float64", "ms", "", rate_hz, kind="timing")


def input_delay_spec(rate_hz: float) -> StreamSpec:
    """The stream `station/input_delay`: reading measured → first command sent that knew it [ms]."""
    return StreamSpec("station/input_delay", (1,), "float64", "ms", "", rate_hz, kind="timing")


class LoopMeter:
    """Keeps the ticks of the last second and tells their means and percentiles.

    Args:
        rate_hz: Nominal rate of the loop [Hz].
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ms = 1e3 / rate_hz
        self._rows = np.zeros((max(1, round(rate_hz)), len(SECTIONS)))
        self._t_ns = np.zeros(len(self._rows), dtype=np.int64)
        self._count = 0

    def add(self, t_ns: int, row_ms: FloatArray) -> None:
        """One tick: its start [ns] and its SECTIONS [ms], shape (8,)."""
        index = self._count % len(self._rows)
        self._rows[index] = row_ms
        self._t_ns[index] = t_ns
        self._count += 1

    def budget(self) -> LoopBudget:
        """Means of the sections, percentiles of the lateness. NaN before the first tick."""
        n = min(self._count, len(self._rows))
        if n == 0:
            nan = float("nan")
            return LoopBudget(0.0, self._period_ms, *([nan] * 9))
        rows = self._rows[:n]
        span_ns = int(self._t_ns[:n].max() - self._t_ns[:n].min())
        mean = rows.mean(axis=0)
        late = np.percentile(rows[:, 6], [50, 99, 100])
        return LoopBudget(
            rate_hz=(n - 1) * 1e9 / span_ns if span_ns > 0 else 0.0,
            period_ms=self._period_ms,
            read_ms=float(mean[0]),
            map_ms=float(mean[1]),
            guard_ms=float(mean[2]),
            send_ms=float(mean[3]),
            physics_ms=float(mean[4]),
            publish_ms=float(mean[5]),
            lateness_p50_ms=float(late[0]),
            lateness_p99_ms=float(late[1]),
            lateness_max_ms=float(late[2]),
        )
