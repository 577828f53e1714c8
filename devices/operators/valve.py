"""Turns a lever valve: takes the upright grip between wide open fingers and leads it round."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script
from devices.operators.operator import Operator
from devices.pose import Pose, quat_from_rotvec, quat_multiply, quat_rotate
from devices.stream import FloatArray

_OPEN_GRIP = 0.08
_ABOVE = 0.07  # [m] where the fork comes down from
_LEVER = 0.062  # [m] from the axis to the grip
_GOAL = np.pi / 2 + 0.04  # [rad]
_SWEEP = 0.05  # [m/s] of the grip
_UP = 0.016  # [m] pads above the grip's middle
_BACK = 0.004  # [m] the grip stands near the finger tips, where the lever has room to swing
_ASIDE = 0.015  # [m] the right finger pushes, the left one stays clear
_LEAD = 1.0  # [rad] farthest that the hand runs ahead: the fork is 0.6 rad wider than the grip
_HARD_N = 40.0
_PITCH = np.radians(22.0)  # further down than the ready pose: the palm clears the hub
_YAW_SHARE = 0.7  # how much the hand turns with the valve
_YAW_MOST = 1.1  # [rad]
_TRIES = 4


class ValveOperator(Operator):
    """Right hand."""

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        self._down = quat_multiply(quat_from_rotvec(np.array([0.0, _PITCH, 0.0])), hand.pose.quat)
        self._seen = senses.pose("axis").position, senses.pose("grip").position
        yield from hand.take_hold()
        yield from hand.close(_OPEN_GRIP, 0.4)
        for _ in range(_TRIES if self.touch else 1):
            heading = self._heading()
            yaw = float(np.clip(0.7 * heading, -0.5, 0.9))
            yield from hand.move(self._at(heading, yaw, up=_ABOVE))
            yield from hand.move(self._at(heading, yaw), speed=0.10, until=self._hit)
            yield from self._sweep(heading, yaw)
            yield from hand.shift(np.array([0.0, 0.0, 0.08]), 0.15)
            if self._angle() >= np.pi / 2:
                break
        yield from hand.shift(np.array([-0.05, 0.0, 0.0]))

    def _angle(self) -> float:
        return float(self.senses.now.scene["angle"][0])

    def _hit(self) -> bool:
        """Whether something pushes back hard."""
        return self.touch and float(np.linalg.norm(self.senses.force("right"))) > _HARD_N

    def _places(self) -> tuple[FloatArray, FloatArray]:
        """Axis and grip [m], where they are now; blind hands keep to where they were seen first."""
        if not self.touch:
            return self._seen
        return self.senses.pose("axis").position, self.senses.pose("grip").position

    def _heading(self) -> float:
        """Direction of the lever about the vertical [rad]."""
        axis, grip = self._places()
        return float(np.arctan2(grip[1] - axis[1], grip[0] - axis[0]))

    def _at(self, heading: float, yaw: float, up: float = 0.0) -> Pose:
        """Hand pose with the fork round the grip of a lever at `heading`, or `up` [m] above."""
        axis, grip = self._places()
        spot = axis + _LEVER * np.array([np.cos(heading), np.sin(heading), 0.0])
        spot[2] = grip[2]
        spin = quat_from_rotvec(np.array([0.0, 0.0, yaw]))
        offset = quat_rotate(spin, np.array([-_BACK, _ASIDE, _UP + up]))
        return Pose(spot + offset, quat_multiply(spin, self._down))

    def _sweep(self, heading: float, yaw: float) -> Script:
        """Lead the grip round until the valve has turned far enough; by feel, give up gently when
        it pushes back hard."""
        from_angle, swept = self._angle(), 0.0
        most = _GOAL - from_angle + (_LEAD if self.touch else 0.0)
        while swept < most and self._angle() < _GOAL:
            ahead = swept - (self._angle() - from_angle)
            pace = _SWEEP / _LEVER * self.senses.dt
            if self._hit():
                return
            swept += pace if ahead < _LEAD or not self.touch else 0.15 * pace
            turned = min(yaw + _YAW_SHARE * swept, _YAW_MOST)
            self.right.pose = self._at(heading + swept, turned)
            yield
