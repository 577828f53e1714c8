"""Rate and jitter of a stream that is sent or received."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

from devices.clock import NS_PER_S

_WINDOW_NS = 5 * NS_PER_S
_MOST = 1200


@dataclass(frozen=True, slots=True)
class StreamStats:
    """One UDP stream over the last seconds.

    Attributes:
        name: "robot", "tactile", "panels" or "force".
        port: On the headset.
        rate_hz: Messages of one source a second, mean over the sources; 0 when nothing goes.
        jitter_p99_ms: 99th percentile of how far an interval is from the source's median [ms];
            NaN before there are two intervals.
        sent: Messages since the beginning.
        failed: Messages that could not be sent since the beginning.
        sources: Pads, arms or one that were heard in the last seconds.
    """

    name: str
    port: int
    rate_hz: float
    jitter_p99_ms: float
    sent: int
    failed: int
    sources: int


class StreamMeter:
    """Times of one stream's messages, source by source. May be used by several threads."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self.port = port
        self._times: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_MOST))
        self._sent = 0
        self._failed = 0
        self._lock = threading.Lock()

    def note(self, t_ns: int, source: str = "") -> None:
        """A message of `source` went at `t_ns` [ns]."""
        with self._lock:
            self._times[source].append(t_ns)
            self._sent += 1

    def fail(self) -> None:
        """A message did not go."""
        with self._lock:
            self._failed += 1

    def stats(self, now_ns: int) -> StreamStats:
        """Over the seconds before `now_ns` [ns]."""
        with self._lock:
            kept = [np.array(times, dtype=np.int64) for times in self._times.values()]
            sent, failed = self._sent, self._failed
        recent = [times[times >= now_ns - _WINDOW_NS] for times in kept]
        heard = [times for times in recent if len(times)]
        intervals = [np.diff(times) for times in heard if len(times) >= 3]
        rates = [
            (len(times) - 1) * NS_PER_S / max(1, int(max(now_ns, times[-1]) - times[0]))
            for times in heard
        ]
        off = [np.abs(each - np.median(each)) for each in intervals]
        jitter = float(np.percentile(np.concatenate(off), 99)) / 1e6 if off else float("nan")
        return StreamStats(
            name=self._name,
            port=self.port,
            rate_hz=float(np.mean(rates)) if rates else 0.0,
            jitter_p99_ms=jitter,
            sent=sent,
            failed=failed,
            sources=len(heard),
        )
