"""Wipes a board clean: lane after lane over the ink, then whatever is left."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script
from devices.operators.operator import Operator
from devices.operators.press import Press
from devices.stream import FloatArray

_LANE = 0.026  # [m] between lanes; the felt is 38 mm wide
_OVERRUN = 0.012  # [m] beyond the ink
_SPEED = 0.16  # [m/s] peak
_DEPTH = 0.004  # [m] a blind hand presses this far into the seen board
_ROUNDS = 4
_CLEAN = 0.985


class WipeOperator(Operator):
    """Right hand, with the eraser between its pads."""

    recovers = True

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        yield from hand.take_hold()
        yield from hand.close(1.0)
        press = Press(
            hand, "tip", "surface_seen", senses.now.scene["force_band"], _DEPTH, self.touch
        )
        for _ in range(_ROUNDS):
            if senses.now.progress >= _CLEAN:
                break
            lanes = self._lanes()
            yield from press.land(lanes[0])
            yield from press.stroke(lanes, _SPEED)
            yield from press.lift()
        yield from hand.shift(np.array([-0.04, 0.0, 0.04]))

    def _lanes(self) -> list[FloatArray]:
        """Corners of a path to and fro over the ink that is left, x, y in the board's frame [m]."""
        ink = self.senses.now.scene["ink"]
        left = ink[ink[:, 2] > 0.02, :2]
        low, high = left.min(axis=0), left.max(axis=0)
        count = max(1, int(np.ceil((high[0] - low[0]) / _LANE)))
        middle, half = (low[0] + high[0]) / 2, (count - 1) / 2
        path: list[FloatArray] = []
        for i in range(count):
            x = middle + (i - half) * _LANE
            near = left[np.abs(left[:, 0] - x) < 0.025]
            ends = [near[:, 1].min() - _OVERRUN, near[:, 1].max() + _OVERRUN] if len(near) else []
            if len(path) and ends and abs(path[-1][1] - ends[0]) > abs(path[-1][1] - ends[1]):
                ends.reverse()
            path += [np.array([x, y]) for y in ends]
        return path
