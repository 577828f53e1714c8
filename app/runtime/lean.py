"""The control loop leans towards the posts of a headset, so that each comes just before a tick.

Otherwise a post waits for up to a whole period until it is looked at, half of one on average. A
headset posts at 60 Hz; four periods of 4 ms are 16 ms, so posts wander through the period. Making
the period 4 % longer holds them still, and a small push after each post moves them to where a tick
is about to begin.
"""

from __future__ import annotations

from typing import Final

from devices.clock import NS_PER_S

AHEAD_NS: Final = (600_000, 2_000_000)
"""How long before a tick a post shall come, least and most [ns]: room for its way here and its
unrest. It grows with each post that misses its tick, and shrinks slowly with those that do not."""
FITS: Final = 0.06
"""Of the nominal period; a headset that would need a longer way is served as it comes."""
MOST: Final = 0.08
"""Of the nominal period, pushes included: as much as a period ever differs from it."""

_KEPT: Final = 0.9  # of the estimate of the posts' interval, at each post
_PUSH: Final = 0.2  # of the error in phase, at each post
_GROWS_NS: Final = 200_000
_SHRINKS_NS: Final = 10_000  # so one post in twenty misses its tick
_SILENCE_NS: Final = NS_PER_S // 4


class Lean:
    """The period of the loop, and its phase.

    Args:
        period_ns: Nominal [ns].
    """

    def __init__(self, period_ns: int) -> None:
        self._nominal_ns = period_ns
        self._last_ns: int | None = None
        self._interval_ns: float | None = None
        self._push_ns = 0
        self._ahead_ns = 1_000_000

    def heard(self, post_ns: int, tick_ns: int) -> None:
        """A post that came at `post_ns` is looked at by the tick that begins at `tick_ns`."""
        since_ns = None if self._last_ns is None else post_ns - self._last_ns
        self._last_ns = post_ns
        if since_ns is None or not 0 < since_ns < _SILENCE_NS:
            self._interval_ns = None
            return
        before = self._interval_ns
        self._interval_ns = since_ns if before is None else _KEPT * before + (1 - _KEPT) * since_ns
        period_ns = self._fitting_ns()
        if period_ns is None:
            return
        wait_ns = tick_ns - post_ns
        change_ns = _GROWS_NS if wait_ns > period_ns else -_SHRINKS_NS
        self._ahead_ns = min(max(self._ahead_ns + change_ns, AHEAD_NS[0]), AHEAD_NS[1])
        # The shortest way to the wanted phase; positive: ticks come too late after the posts.
        error_ns = (wait_ns - self._ahead_ns + period_ns / 2) % period_ns - period_ns / 2
        self._push_ns = -round(_PUSH * error_ns)

    def period_ns(self, now_ns: int) -> int:
        """From the present tick to the next [ns], within MOST of the nominal one."""
        if self._last_ns is None or now_ns - self._last_ns > _SILENCE_NS:
            self._interval_ns = None
        fitting_ns = self._fitting_ns()
        if fitting_ns is None:
            return self._nominal_ns
        push_ns, self._push_ns = self._push_ns, 0
        least, most = (self._nominal_ns * (1 + sign * MOST) for sign in (-1, 1))
        return round(min(max(fitting_ns + push_ns, least), most))

    @property
    def leans(self) -> bool:
        """Whether there are posts to lean towards; as the last call of `period_ns` found it."""
        return self._fitting_ns() is not None

    def _fitting_ns(self) -> float | None:
        """The period nearest to the nominal one that fits into the posts' interval; or None."""
        if self._interval_ns is None:
            return None
        count = max(1, round(self._interval_ns / self._nominal_ns))
        period_ns = self._interval_ns / count
        return period_ns if abs(period_ns / self._nominal_ns - 1) < FITS else None
