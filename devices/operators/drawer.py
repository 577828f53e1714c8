"""Opens a drawer: pinches the bar handle by its ends and draws it out."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script
from devices.operators.operator import Operator
from devices.pose import Pose, quat_multiply
from devices.stream import FloatArray

_BEFORE = 0.09  # [m] in front of the handle
_PULL = 0.094  # [m]
_PINCH_N = 5.0  # both pads feel the handle
_LOST_N = 1.0  # the handle has slipped away
_OPEN_GRIP, _SHUT_GRIP = 0.35, 0.85
_DONE = 0.083  # [m] opening
_TRIES = 4


class DrawerOperator(Operator):
    """Right hand, fingers level, one pad on each end of the bar."""

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        self._level = hand.pose.quat
        self._first_seen = senses.pose("handle")
        yield from hand.take_hold()
        yield from hand.close(_OPEN_GRIP, 0.4)
        for _ in range(_TRIES if self.touch else 1):
            yield from hand.move(self._at(-_BEFORE))
            yield from self._reach()
            yield from hand.close(_SHUT_GRIP, 0.6)
            yield from self._pull()
            yield from hand.close(_OPEN_GRIP, 0.4)
            yield from hand.shift(self._outwards(0.05), 0.12)
            if self._opening() >= _DONE - 0.003:
                break
        yield from hand.shift(np.array([0.0, 0.0, 0.04]))

    def _handle(self) -> Pose:
        """The bar where it is now; a blind operator keeps to where it was first seen."""
        return self.senses.pose("handle") if self.touch else self._first_seen

    def _opening(self) -> float:
        return float(self.senses.now.scene["opening"][0])

    def _outwards(self, way: float) -> FloatArray:
        return np.asarray(self._handle().apply(np.array([-way, 0, 0])) - self._handle().position)

    def _at(self, along: float) -> Pose:
        """Hand pose with the pads `along` [m] past the bar, in the direction into the cabinet."""
        handle = self._handle()
        return Pose(
            handle.apply(np.array([along, 0.0, 0.0])), quat_multiply(handle.quat, self._level)
        )

    def _reach(self) -> Script:
        """Go to the bar, following it if it moves on the way."""
        hand = self.right
        yield from hand.move(self._at(0.0), speed=0.12)
        for _ in range(2):
            yield from hand.move(self._at(0.0), speed=0.12)

    def _pull(self) -> Script:
        """Draw out; by feel, stop as soon as the bar has slipped away."""
        hand = self.right
        if self.touch and self.senses.pinch("right") < _PINCH_N:
            return
        goal = Pose(hand.pose.position + self._outwards(_PULL - self._opening()), hand.pose.quat)
        yield from hand.move(
            goal,
            speed=0.12,
            until=lambda: self.touch and self.senses.pinch("right") < _LOST_N,
        )
