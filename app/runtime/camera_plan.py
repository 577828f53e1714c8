"""What simulated cameras can do here: detail and size at the start, the rate all the time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from app.runtime.station_file import Cameras
from devices.clock import NS_PER_S
from devices.sim.detail import Detail

DUTY = 0.6
"""Share of one core's time that drawing may take; the rest belongs to whoever waits for it."""

SOFTWARE_FLOOR_HZ = 8.0
"""Without a GPU, pictures of the wished size at this rate are worth more than smaller, faster
ones; below it, size goes before rate."""

_COSTS = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """How pictures are drawn.

    Attributes:
        detail: Level of `devices.sim.detail`.
        width, height: Size of the pictures [px].
    """

    detail: Detail
    width: int
    height: int

    def sentence(self, wish: Cameras, rate_hz: float, renderer: str) -> str:
        """What the screen and the episode say about it."""
        told = [f"{self.width} x {self.height} at {self.detail} detail on {renderer}"]
        if (self.width, self.height) != (wish.width, wish.height):
            told.append(f"smaller than the {wish.width} x {wish.height} asked for")
        if rate_hz < 0.95 * wish.rate_hz:
            told.append(f"about {rate_hz:.0f} of {wish.rate_hz:.0f} pictures a second")
        return "; ".join(told) + "."


def plans(wish: Cameras, software: bool) -> tuple[Plan, ...]:
    """What to try, best first; the last is taken if none is fast enough.

    Args:
        wish: What the station file asks for. A detail other than "auto" is kept as it is.
        software: Whether OpenGL draws without a GPU.
    """
    if wish.detail != "auto":
        return (Plan(wish.detail, wish.width, wish.height),)
    full = (Plan("full", wish.width, wish.height),)
    lower: tuple[Plan, ...] = (
        Plan("reduced", wish.width, wish.height),
        Plan("minimal", wish.width, wish.height),
        Plan("minimal", wish.width // 4 * 2, wish.height // 4 * 2),
    )
    return lower if software else full + lower


class Pace:
    """Keeps to a rate where drawing is cheap, and to a share of the time where it is not.

    Args:
        rate_hz: Pictures a second that are wished for, of every camera.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = NS_PER_S / rate_hz
        self._due_ns = 0.0  # [ns, monotonic]
        self._costs: deque[int] = deque(maxlen=_COSTS)

    def rate_hz(self, cost_ns: int) -> float:
        """Rate that pictures of this cost [ns] will have [Hz]."""
        return NS_PER_S / max(self._period_ns, cost_ns / DUTY)

    def rest_s(self, began_ns: int, ended_ns: int, cost_ns: int) -> float:
        """How long to rest after a turn of drawing.

        Args:
            began_ns, ended_ns: When the turn began and ended [ns, monotonic].
            cost_ns: Processor time that it took [ns]; less than the time that passed when others
                were busy too, and then there is no need to rest for them.

        Returns:
            Seconds until the next turn.
        """
        self._costs.append(cost_ns)
        usual = float(np.median(self._costs))
        self._due_ns = max(min(self._due_ns, ended_ns) + self._period_ns, began_ns + usual / DUTY)
        return max(0.0, (self._due_ns - ended_ns) / NS_PER_S)
