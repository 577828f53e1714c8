"""The control loop ticks in the lull between touch samples, where it may choose.

Between two ticks the physics runs as soon as a touch sample is due (`Station.follow`). Where that
moment lies shortly before a tick, the tick waits for it, each time; where it lies in the middle,
both find a rest behind them that makes up for a delay. The period of touch is a whole number of
ticks, so once they are apart they stay so.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 0.01
"""Of the nominal period: as much as a period differs from it on the way there."""


class Lull:
    """The period of a loop that finds its phase among touch samples.

    Args:
        period_ns: Nominal, of the loop [ns].
        touch_ns: Of touch samples [ns].
    """

    def __init__(self, period_ns: int, touch_ns: int) -> None:
        self._period_ns = period_ns
        self._fits = touch_ns % period_ns == 0

    def period_ns(self, due_ns: int, touch_due_ns: int) -> int:
        """From the tick that is due at `due_ns` to the next [ns].

        Args:
            due_ns: [ns, monotonic].
            touch_due_ns: When any touch sample is due [ns, monotonic].
        """
        period_ns = self._period_ns
        if not self._fits:
            return period_ns
        # Positive: touch comes later than half a period after the tick.
        late_ns = (touch_due_ns - due_ns) % period_ns - period_ns // 2
        most_ns = round(MOST * period_ns)
        return period_ns + min(max(late_ns, -most_ns), most_ns)
