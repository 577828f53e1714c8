"""The base of all scripted operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from devices.leader import SIDES, HandInput, Observation, Side
from devices.operators.hand import Hand, Script, Senses
from devices.stream import FloatArray


class Operator:
    """Does a scene's task with two hands, knowing only what a leader may look at.

    Args:
        touch: Whether it reacts to what it feels. One that does not follows the geometry as it
            seems to the eye.

    Attributes:
        recovers: Whether it comes back by itself when a hand is pushed.
    """

    recovers: ClassVar[bool] = False

    def __init__(self, touch: bool = True) -> None:
        self.touch = touch
        self.finished = False
        self._script: Script | None = None

    def perform(self) -> Script:
        """The whole task. `self.senses`, `self.left` and `self.right` are there."""
        raise NotImplementedError

    def push(self, offsets: Mapping[Side, FloatArray]) -> None:
        """Somebody moves hands by small offsets [m], shape (3,), world axes."""
        if self._script is None:
            return
        for hand in (self.left, self.right):
            if hand.side in offsets:
                hand.push(offsets[hand.side])

    def step(self, observation: Observation) -> dict[Side, HandInput | None]:
        """What the hands ask for now. Once the script has ended they are off the clutch."""
        if self._script is None:
            self.senses = Senses(observation)
            self.left, self.right = (Hand(side, self.senses) for side in SIDES)
            self._script = self.perform()
        else:
            self.senses.take(observation)
        if not self.finished:
            try:
                next(self._script)
            except StopIteration:
                self.finished = True
                self.left.clutch = self.right.clutch = False
        return {hand.side: hand.reading() for hand in (self.left, self.right)}
