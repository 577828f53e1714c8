"""Lifts a soft cup between two paddles: closes until both hands feel it, and squeezes no harder
than the load asks for."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Hand, Script, together, wait
from devices.operators.motion import PEAK, minimum_jerk
from devices.operators.operator import Operator
from devices.pose import Pose
from devices.stream import FloatArray

_ASIDE = 0.035  # [m] between face and cup before closing in
_CLOSING = 0.03  # [m/s]
_FELT_N = 0.8
_DEPTH = 0.006  # [m] a blind hand squeezes this far into the seen wall
_RISE = 0.125  # [m]
_HOLD_S = 1.5
_GAIN = 0.004  # [m/s/N] speed of closing, per newton of missing squeeze
_FOLLOW_SPEED = 0.06  # [m/s]
_LOAD_FACTOR = 1.9  # squeeze per newton of load on one hand, safely above 1/friction


class LiftOperator(Operator):
    """Both hands, each with a paddle between its pads."""

    def perform(self) -> Script:
        left, right = self.left, self.right
        yield from together(left.take_hold(), right.take_hold())
        yield from together(left.close(1.0), right.close(1.0))
        self._reach = {hand.side: self._hand_from_face(hand) for hand in (left, right)}
        yield from together(*(hand.move(self._beside(hand, 0.09)) for hand in (left, right)))
        yield from together(*(hand.move(self._beside(hand, _ASIDE)) for hand in (left, right)))
        if self.touch:
            yield from together(self._close_in(left, -1.0), self._close_in(right, 1.0))
            yield from self._squeezing(wait(self.senses, 0.5))
        else:
            yield from together(
                *(hand.move(self._beside(hand, -_DEPTH), speed=0.05) for hand in (left, right))
            )
        up = np.array([0.0, 0.0, _RISE])
        yield from self._squeezing(self._both(up, speed=0.10))
        yield from self._squeezing(wait(self.senses, _HOLD_S))
        yield from self._squeezing(self._both(-up, speed=0.08))
        yield from together(*(self._open(hand) for hand in (left, right)))
        yield from self._both(np.array([-0.03, 0.0, 0.05]), speed=0.15)

    # ------------------------------------------------------------------ geometry
    def _hand_from_face(self, hand: Hand) -> FloatArray:
        """Offset from a paddle's face to the hand that holds it [m], shape (3,)."""
        return np.asarray(
            self.senses.now.tool[hand.side].position
            - self.senses.pose(f"{hand.side}_face").position
        )

    def _beside(self, hand: Hand, aside: float) -> Pose:
        """Hand pose with the face `aside` [m] off the seen wall, at the cup's middle."""
        cup = self.senses.pose("cup_seen").position
        out = 1.0 if hand.side == "left" else -1.0
        away = float(self.senses.now.scene["radius_seen"][0]) + aside
        face = np.array([cup[0], cup[1] + out * away, max(cup[2], 0.44)])
        return Pose(face + self._reach[hand.side], hand.pose.quat)

    # ------------------------------------------------------------------ feeling
    def _squeeze(self) -> tuple[float, float]:
        """Force of each hand on the cup [N], left and right."""
        return float(self.senses.force("left")[1]), -float(self.senses.force("right")[1])

    def _load(self) -> float:
        """Weight that the hands carry together [N]."""
        return -float(self.senses.force("left")[2] + self.senses.force("right")[2])

    def _close_in(self, hand: Hand, inward: float) -> Script:
        while abs(self.senses.force(hand.side)[1]) < _FELT_N:
            hand.nudge(np.array([0.0, inward * _CLOSING * self.senses.dt, 0.0]))
            yield

    def _squeezing(self, script: Script) -> Script:
        """Run a script while keeping the squeeze right; blind hands only run it."""
        for _ in script:
            if self.touch:
                self._adjust()
            yield

    def _adjust(self) -> None:
        low, high = self.senses.now.scene["force_band"]
        wanted = np.clip(_LOAD_FACTOR * self._load() / 2, 0.4 * low + 0.6 * (low + high) / 2, high)
        missing = float(wanted) - float(np.mean(self._squeeze()))
        step = np.clip(_GAIN * missing, -_FOLLOW_SPEED, _FOLLOW_SPEED) * self.senses.dt
        self.left.nudge(np.array([0.0, -step, 0.0]))
        self.right.nudge(np.array([0.0, step, 0.0]))

    # ------------------------------------------------------------------ moving
    def _both(self, offset: FloatArray, speed: float) -> Script:
        """Shift both hands alike, on top of what else moves them."""
        way = float(np.linalg.norm(offset))
        duration, t_s, done = PEAK * way / speed, 0.0, 0.0
        while t_s < duration:
            t_s += self.senses.dt
            share = minimum_jerk(t_s / duration)
            for hand in (self.left, self.right):
                hand.nudge(offset * (share - done))
            done = share
            yield

    def _open(self, hand: Hand) -> Script:
        out = 1.0 if hand.side == "left" else -1.0
        yield from hand.shift(np.array([0.0, 0.06 * out, 0.0]), speed=0.12)
