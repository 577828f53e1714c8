"""Turns a lever valve: takes the upright grip between open fingers and sweeps it round."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script
from devices.operators.operator import Operator
from devices.pose import Pose, quat_from_rotvec, quat_multiply, quat_rotate
from devices.stream import FloatArray

_OPEN_GRIP = 0.33
_BEFORE = 0.08  # [m]
_LEVER = 0.062  # [m]
_GOAL = np.pi / 2 + 0.08  # [rad]
_SWEEP = 0.05  # [m/s] peak of the grip's middle
_UP = 0.012  # [m] pads above the grip's middle, over the lever
_BACK = 0.006  # [m] the grip stands near the finger tips, where the fork lets the lever swing
_LEAD = 0.75  # [rad] the fork is about this much wider than the grip
_STUCK_N = 25.0
_YAW_SHARE = 0.75  # how much the hand turns with the valve


class ValveOperator(Operator):
    """Right hand, as a loose fork round the grip that pushes it along."""

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        self._level = hand.pose.quat
        self._seen = senses.pose("axis"), senses.pose("grip")
        yield from hand.take_hold()
        yield from hand.close(_OPEN_GRIP, 0.3)
        for _ in range(3 if self.touch else 1):
            grip = self._grip()
            yield from hand.move(self._at(grip - [_BEFORE, 0, 0], 0.0))
            yield from hand.move(self._at(grip, 0.0), speed=0.12)
            yield from self._sweep()
            yield from hand.shift(np.array([0.0, 0.0, 0.07]))
            if self._angle() >= np.pi / 2:
                break
            yield from hand.move(self._at(self._grip() + np.array([-_BEFORE, 0.0, 0.06]), 0.0))

    def _angle(self) -> float:
        return float(self.senses.now.scene["angle"][0])

    def _grip(self) -> FloatArray:
        return self.senses.pose("grip").position if self.touch else self._seen[1].position

    def _axis(self) -> FloatArray:
        return self.senses.pose("axis").position if self.touch else self._seen[0].position

    def _at(self, spot: FloatArray, yaw: float) -> Pose:
        spin = quat_from_rotvec(np.array([0.0, 0.0, yaw]))
        back = quat_rotate(spin, np.array([-_BACK, 0.0, _UP]))
        return Pose(spot + back, quat_multiply(spin, self._level))

    def _sweep(self) -> Script:
        """Lead the grip along its circle until the valve has turned far enough. By feel, no farther
        ahead of it than the fork is wide."""
        way = self._grip() - self._axis()
        start = float(np.arctan2(way[1], way[0]))
        from_angle = self._angle()
        swept, most = 0.0, _GOAL - from_angle + _LEAD
        while swept < most and self._angle() < _GOAL:
            ahead = swept - (self._angle() - from_angle)
            if not self.touch or ahead < _LEAD:
                swept += _SWEEP / _LEVER * self.senses.dt
            elif float(np.linalg.norm(self.senses.force("right"))) > _STUCK_N:
                return
            else:
                swept += 0.2 * _SWEEP / _LEVER * self.senses.dt
            angle = start + swept
            spot = self._axis() + _LEVER * np.array([np.cos(angle), np.sin(angle), 0.0])
            spot[2] = self._grip()[2]
            self._follow(self._at(spot, _YAW_SHARE * swept))
            yield

    def _follow(self, goal: Pose) -> None:
        self.right.pose = goal
