"""The base of all scripted operators."""

from __future__ import annotations

from typing import ClassVar

from devices.leader import SIDES, HandInput, Observation, Side
from devices.operators.hand import Hand, Script, Senses
from devices.operators.wander import Wander
from devices.stream import FloatArray


class Operator:
    """Does a scene's task with two hands, knowing only what a leader may look at.

    Args:
        touch: Whether it reacts to what it feels. One that does not follows the geometry as it
            seems to the eye.
        push_seed: Its hands are pushed now and then, by what this seeds; None for never. A hand off
            the clutch is not pushed: nobody would notice.

    Attributes:
        recovers: Whether it comes back by itself when a hand is pushed.
        pushed: How far hands that are being pushed now have been pushed in all [m], shape (3,).
    """

    recovers: ClassVar[bool] = False

    def __init__(self, touch: bool = True, push_seed: int | None = None) -> None:
        self.touch = touch
        self.pushed: dict[Side, FloatArray] = {}
        self._pushes: dict[Side, Wander] = {}
        if push_seed is not None:
            self._pushes = {side: Wander(2 * push_seed + i) for i, side in enumerate(SIDES)}
        self.finished = False
        self._script: Script | None = None

    def perform(self) -> Script:
        """The whole task. `self.senses`, `self.left` and `self.right` are there."""
        raise NotImplementedError

    def step(self, observation: Observation) -> dict[Side, HandInput | None]:
        """What the hands ask for now. Once the script has ended they are off the clutch."""
        if self._script is None:
            self.senses = Senses(observation)
            self.left, self.right = (Hand(side, self.senses) for side in SIDES)
            self._script = self.perform()
        else:
            self.senses.take(observation)
            self._push()
        if not self.finished:
            try:
                next(self._script)
            except StopIteration:
                self.finished = True
                self.left.clutch = self.right.clutch = False
        return {hand.side: hand.reading() for hand in (self.left, self.right)}

    def _push(self) -> None:
        self.pushed = {}
        for hand in (self.left, self.right):
            if hand.clutch and hand.side in self._pushes:
                wander = self._pushes[hand.side]
                step = wander.step(self.senses.dt)
                if step.any():
                    hand.push(step)
                    self.pushed[hand.side] = wander.far.copy()
