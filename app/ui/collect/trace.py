"""The last seconds of a signal, thin enough to draw at once. No Qt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S
from devices.stream import FloatArray

WINDOW_S = 10.0
BUCKETS = 300


class Trace:
    """Keeps one value for each thirtieth of a second: the one furthest from zero, so that a short
    peak is never lost in the thinning.

    Buckets are numbered by absolute time; one that got no sample stays empty and is drawn as a gap.
    """

    def __init__(self, window_s: float = WINDOW_S, buckets: int = BUCKETS) -> None:
        self._bucket_ns = round(window_s * NS_PER_S / buckets)
        self._values = np.full(buckets, np.nan)
        self._newest = -1
        self.last_t_ns = 0
        self.last = float("nan")

    def add(self, t_ns: npt.NDArray[np.int64], values: FloatArray) -> None:
        """Take in samples, oldest first. Shapes (n,); times [ns, monotonic]."""
        if not len(t_ns):
            return
        if self.last_t_ns and int(t_ns[0]) < self.last_t_ns - 60 * NS_PER_S:
            self.clear()  # another clock: a recording is played, or the station began anew
        buckets = np.asarray(t_ns) // self._bucket_ns
        self._move_to(int(buckets[-1]))
        size = len(self._values)
        fresh = buckets > self._newest - size
        slots, values = buckets[fresh] % size, np.asarray(values, dtype=np.float64)[fresh]
        # Written from small to large, so that the largest of a bucket stays.
        order = np.argsort(np.abs(values), kind="stable")
        before = self._values[slots[order]]
        larger = np.isnan(before) | (np.abs(values[order]) >= np.abs(before))
        self._values[slots[order][larger]] = values[order][larger]
        self.last_t_ns, self.last = int(t_ns[-1]), float(values[-1]) if len(values) else self.last

    def clear(self) -> None:
        self._values.fill(np.nan)
        self._newest = -1
        self.last_t_ns, self.last = 0, float("nan")

    def curve(self, now_ns: int) -> tuple[FloatArray, FloatArray]:
        """Ages [s], 0 is now and negative the past, and values; NaN where nothing came."""
        size = len(self._values)
        now = max(now_ns // self._bucket_ns, self._newest)
        numbers = np.arange(now - size + 1, now + 1)
        known = (numbers <= self._newest) & (numbers > self._newest - size)
        values = np.where(known, self._values[numbers % size], np.nan)
        ages = np.asarray((numbers - now) * (self._bucket_ns / NS_PER_S), dtype=np.float64)
        return ages, np.asarray(values, dtype=np.float64)

    def _move_to(self, bucket: int) -> None:
        """Empty the buckets between the newest one and `bucket`."""
        if bucket <= self._newest:
            return
        size = len(self._values)
        steps = min(size, bucket - self._newest) if self._newest >= 0 else size
        self._values[np.arange(bucket - steps + 1, bucket + 1) % size] = np.nan
        self._newest = bucket
