"""One clock for everything: monotonic nanoseconds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Source of monotonic time. Production code takes one; it never asks `time` itself."""

    def now_ns(self) -> int:
        """Monotonic time [ns]."""
        ...

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return at or after `deadline_ns` [ns, monotonic]; at once if it has passed."""
        ...


class SystemClock:
    """`time.monotonic_ns()`, shared by all processes of one machine."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        remaining = deadline_ns - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining / NS_PER_S)


class FakeClock:
    """A clock that tests move by hand; sleeping jumps to the deadline."""

    def __init__(self, start_ns: int = 1_000 * NS_PER_S) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance_s(self, seconds: float) -> None:
        self._now_ns += round(seconds * NS_PER_S)

    def sleep_until_ns(self, deadline_ns: int) -> None:
        self._now_ns = max(self._now_ns, deadline_ns)


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """One instant on two clocks, so that monotonic stamps can be told as dates.

    Attributes:
        wall_ns: Unix time [ns].
        monotonic_ns: `Clock.now_ns()` at the same instant [ns].
    """

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def take(cls, clock: Clock) -> ClockAnchor:
        return cls(wall_ns=time.time_ns(), monotonic_ns=clock.now_ns())

    def wall_at(self, t_ns: int) -> int:
        """Unix time [ns] of the monotonic instant `t_ns`."""
        return self.wall_ns + (t_ns - self.monotonic_ns)
