"""Unscrews a cap: turn, let go, turn back, grasp again."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script, wait
from devices.operators.motion import PEAK, minimum_jerk
from devices.operators.operator import Operator
from devices.pose import Pose, quat_from_rotvec, quat_multiply, quat_rotate

_OPEN_GRIP, _SHUT_GRIP = 0.45, 0.95
_SWING = np.radians(36.0)  # the hand turns from minus to plus this
_BEFORE = 0.075  # [m]
_UP = 0.017  # [m] pads above the middle of the cap, so that the fingers clear the bottle
_TURN_SPEED = 1.3  # [rad/s] peak
_DONE = 4.0 * np.pi + 0.05  # [rad]
_MOST = 18
_PINCH_N = 2.0


class BottleOperator(Operator):
    """Right hand, pads on the cap's sides."""

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        self._level = hand.pose.quat
        self._seen = senses.pose("cap").position
        yield from hand.take_hold()
        yield from hand.close(_OPEN_GRIP, 0.3)
        yield from hand.move(self._round(-_SWING, _BEFORE))
        for _ in range(_MOST):
            yield from hand.move(self._round(-_SWING, 0.0), speed=0.15)
            yield from hand.close(_SHUT_GRIP, 0.35)
            yield from wait(senses, 0.25)
            if not self.touch or senses.pinch("right") > _PINCH_N:
                yield from self._turn()
            yield from hand.close(_OPEN_GRIP, 0.3)
            yield from hand.move(self._round(_SWING, 0.045), speed=0.2)
            if float(senses.now.scene["turn"][0]) >= _DONE:
                break
            yield from hand.move(self._round(-_SWING, 0.045), turn_speed=2.0)
        yield from hand.shift(np.array([-0.05, 0.0, 0.05]))

    def _round(self, angle: float, back: float) -> Pose:
        """Hand pose with the pads on the cap, turned by `angle` [rad] about the vertical and drawn
        `back` [m] out of it."""
        cap = self.senses.pose("cap").position if self.touch else self._seen
        spin = quat_from_rotvec(np.array([0.0, 0.0, angle]))
        out = quat_rotate(spin, np.array([-back, 0.0, 0.0]))
        return Pose(cap + out + [0.0, 0.0, _UP], quat_multiply(spin, self._level))

    def _turn(self) -> Script:
        """Swing round the cap's axis, rising with its thread."""
        hand, start, t_s = self.right, self.right.pose, 0.0
        cap = self.senses.pose("cap").position if self.touch else self._seen
        duration = PEAK * 2 * _SWING / _TURN_SPEED
        while t_s < duration:
            t_s += self.senses.dt
            swung = 2 * _SWING * minimum_jerk(t_s / duration)
            spin = quat_from_rotvec(np.array([0.0, 0.0, swung]))
            arm = quat_rotate(spin, start.position - cap)
            rise = 0.015 * swung / (2 * np.pi)
            hand.pose = Pose(cap + arm + [0, 0, rise], quat_multiply(spin, start.quat))
            yield
        yield from wait(self.senses, 0.1)
