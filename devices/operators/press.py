"""Pressing a tool's tip on a surface and sliding it along, by feel or blindly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from devices.operators.hand import Hand, Script
from devices.operators.motion import PEAK, minimum_jerk
from devices.pose import Pose
from devices.stream import FloatArray

_GAIN = 0.006  # [m/s/N] speed of giving way or following, per newton of error
_FOLLOW_SPEED = 0.05  # [m/s] fastest motion along the normal


class Press:
    """Holds the tip of a tool on a surface that is roughly horizontal.

    By feel: the height follows the force. Blindly: the height is where the surface seems to be,
    minus a fixed depth into it.

    Args:
        hand: Moves the tool.
        tip: Name of the tip's pose in the scene's observation.
        surface: Name of the seen surface's pose, x and y along it.
        band: Force that is right [N], (low, high).
        depth: How far below the seen surface a blind hand presses [m].
        touch: By feel or blindly.
    """

    def __init__(
        self, hand: Hand, tip: str, surface: str, band: FloatArray, depth: float, touch: bool
    ) -> None:
        self._hand, self._senses = hand, hand.senses
        self._surface = surface
        self._band = band
        self._aim = float(band.mean())
        self._depth = depth
        self._touch = touch
        tool_tip = self._senses.now.tool[hand.side].inverse() @ self._senses.pose(tip)
        self._reach = hand.pose.position - (hand.pose @ tool_tip).position

    @property
    def force(self) -> float:
        """Force of the surface on the tool [N], upwards."""
        return float(self._senses.force(self._hand.side)[2])

    def over(self, spot: FloatArray, height: float) -> Pose:
        """Hand pose with the tip `height` [m] above a spot of the seen surface, told as (x, y) or,
        where it is not flat, (x, y, z) [m]."""
        x, y, *z = spot
        at = self._senses.pose(self._surface).apply(np.array([x, y, sum(z) + height]))
        return Pose(at + self._reach, self._hand.pose.quat)

    def land(self, spot: FloatArray) -> Script:
        """From above the spot, go down until the surface carries the tip."""
        yield from self._hand.move(self.over(spot, 0.02))
        if not self._touch:
            yield from self._hand.move(self.over(spot, -self._depth), speed=0.05)
            return
        while self.force < 0.6 * self._aim:
            self._hand.nudge(np.array([0.0, 0.0, -0.025 * self._senses.dt]))
            self._slide_to(spot)
            yield
        yield from self._settle()

    def _settle(self) -> Script:
        good_s = 0.0
        while good_s < 0.15:
            self._follow_force()
            inside = self._band[0] < self.force < self._band[1]
            good_s = good_s + self._senses.dt if inside else 0.0
            yield

    def stroke(self, spots: Sequence[FloatArray], speed: float) -> Script:
        """Slide through spots of the seen surface, resting at each.

        By feel, the hand waits wherever the force is wrong, until it is right again.
        """
        for leg in pairwise(spots):
            yield from self.along(np.array(leg), speed)

    def along(self, line: FloatArray, speed: float) -> Script:
        """Slide along a line of spots, shape (n, 2 or 3) [m], in one stroke from rest to rest."""
        way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        duration, t_s = max(PEAK * float(way[-1]) / speed, 0.05), 0.0
        while t_s < duration:
            t_s += self._senses.dt * self._ease()
            here = minimum_jerk(t_s / duration) * way[-1]
            spot = np.array([np.interp(here, way, column) for column in line.T])
            self._slide_to(spot)
            if self._touch:
                self._follow_force()
            else:
                below = self.over(spot, -self._depth).position[2]
                self._hand.nudge(np.array([0.0, 0.0, below - self._hand.pose.position[2]]))
            yield

    def lift(self, height: float = 0.04) -> Script:
        """Off the surface."""
        yield from self._hand.shift(np.array([0.0, 0.0, height]))

    def _ease(self) -> float:
        """Pace of sliding, 0 ... 1: full in the middle of the band, none outside."""
        if not self._touch:
            return 1.0
        low, high = self._band
        margin = min(self.force - low, high - self.force) / (0.2 * (high - low))
        return float(np.clip(margin, 0.0, 1.0))

    def _follow_force(self) -> None:
        rate = np.clip(_GAIN * (self.force - self._aim), -_FOLLOW_SPEED, _FOLLOW_SPEED)
        self._hand.nudge(np.array([0.0, 0.0, rate * self._senses.dt]))

    def _slide_to(self, spot: FloatArray) -> None:
        """Put the tip over a spot, leaving the height alone; a surface that has moved is followed
        no faster than a hand would."""
        goal = self.over(spot, 0.0).position
        offset = np.array([*(goal - self._hand.pose.position)[:2], 0.0])
        step = float(np.linalg.norm(offset))
        most = 0.25 * self._senses.dt
        self._hand.nudge(offset if step <= most else offset * (most / step))
