"""Peels a cucumber: lands on one end of the crest and draws the blade along to the other."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script
from devices.operators.operator import Operator
from devices.operators.press import Press
from devices.stream import FloatArray

_SPEED = 0.06  # [m/s] peak
_DEPTH = 0.003  # [m] a blind hand presses this far into the seen crest
_LANES = (0.0, 0.0135, -0.0135)  # [m] beside the crest, for a new strip when one has torn


class PeelOperator(Operator):
    """Right hand, with the peeler between its pads."""

    recovers = True

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        yield from hand.take_hold()
        yield from hand.close(1.0)
        press = Press(
            hand, "tip", "surface_seen", senses.now.scene["force_band"], _DEPTH, self.touch
        )
        for aside in _LANES if self.touch else _LANES[:1]:
            crest = self._crest(aside)
            yield from press.land(crest[0])
            yield from press.along(crest, _SPEED)
            yield from press.lift()
            if senses.now.progress >= 1.0:
                break
        yield from hand.shift(np.array([-0.04, 0.0, 0.04]))

    def _crest(self, aside: float) -> FloatArray:
        """Points along the crest, shape (n, 3) [m, cucumber's frame], from right to left."""
        crest = self.senses.now.scene["crest"]
        return np.asarray(crest + np.array([aside, 0.0, 0.0]))
