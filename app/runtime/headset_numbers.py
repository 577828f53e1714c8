"""What a headset's status tells in numbers: delays, rates of what is sent.

To count all of it takes 2 ms, for which a post would wait; so each status counts one kind anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from typing import Final

import numpy as np

from app.runtime.statuses import StreamOut
from devices.tactar.sender import Sender

_DELAYS: Final = 1024


class Numbers:
    """Percentiles and rates, one kind at a time.

    Attributes:
        delays_ms: Newest delays from a post to the first command that knew it [ms].
        input_p50_ms, input_p99_ms: Of them; NaN before any.
        touch_p99_ms: From a tactile sample to its datagram; NaN before any.
        streams: What is sent.
    """

    def __init__(self) -> None:
        self.delays_ms: deque[float] = deque(maxlen=_DELAYS)
        self.input_p50_ms = self.input_p99_ms = self.touch_p99_ms = math.nan
        self.streams: tuple[StreamOut, ...] = ()
        self._next = 0

    def count(self, sender: Sender | None, touch_ms: Collection[float]) -> None:
        """Count the next kind.

        Args:
            sender: Sends to the headset; None while there is none.
            touch_ms: Newest delays from a tactile sample to its datagram [ms].
        """
        kind, self._next = self._next, (self._next + 1) % 3
        if sender is None:
            self.streams = ()
        elif kind == 0:
            self.streams = tuple(
                StreamOut(one.name, one.port, one.rate_hz, one.jitter_p99_ms, one.sent, one.failed)
                for one in sender.statistics()
            )
        if kind == 1:
            self.input_p50_ms, self.input_p99_ms = _percentiles(self.delays_ms, 50, 99)
        elif kind == 2:
            (self.touch_p99_ms,) = _percentiles(touch_ms, 99)


def _percentiles(values: Collection[float], *percents: float) -> tuple[float, ...]:
    if not values:
        return (math.nan,) * len(percents)
    found = np.percentile(np.fromiter(values, dtype=np.float64, count=len(values)), percents)
    return tuple(found.tolist())
