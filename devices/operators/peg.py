"""Puts a peg into a socket: grasps it, carries it over, and feels for the hole."""

from __future__ import annotations

import numpy as np

from devices.operators.hand import Script, wait
from devices.operators.operator import Operator
from devices.pose import Pose
from devices.stream import FloatArray

_OPEN_GRIP, _SHUT_GRIP = 0.35, 0.95
_GRASP_UP = 0.034  # [m] above the peg's middle, so that the fingers clear the rim
_CARRY = 0.085  # [m] above the table's things
_PINCH_N = 4.0
_PUSH_N = 4.0  # the peg stands on something
_LOWER = 0.03  # [m/s]
_PEG_HALF = 0.045  # [m]
_DEEP = 0.046  # [m]
_LET_GO = 0.040  # [m] from here on the peg falls in by itself
_TRIES = 3


class PegOperator(Operator):
    """Right hand, level, pads on the peg's sides."""

    def perform(self) -> Script:
        senses, hand = self.senses, self.right
        seen = senses.pose("peg").position, senses.pose("socket").position
        yield from hand.take_hold()
        for _ in range(_TRIES if self.touch else 1):
            peg = senses.pose("peg").position if self.touch else seen[0]
            yield from hand.close(_OPEN_GRIP, 0.3)
            yield from self._grasp(peg)
            if self.touch and senses.pinch("right") < _PINCH_N:
                yield from hand.shift(np.array([-0.07, 0.0, 0.02]), 0.15)
                continue
            yield from hand.shift(np.array([0.0, 0.0, _CARRY]), 0.12)
            yield from self._carry(seen[1])
            yield from self._insert()
            yield from hand.close(_OPEN_GRIP, 0.4)
            yield from hand.shift(np.array([-0.07, 0.0, 0.02]), 0.15)
            if self._depth() >= _DEEP - 0.001:
                break
        yield from hand.shift(np.array([0.0, 0.0, 0.05]))

    def _depth(self) -> float:
        return float(self.senses.now.scene["depth"][0])

    def _grasp(self, peg: FloatArray) -> Script:
        hand = self.right
        at = peg + np.array([0.0, 0.0, _GRASP_UP])
        high = max(hand.pose.position[2], at[2])
        yield from hand.move(Pose(np.array([at[0] - 0.085, at[1], high]), hand.pose.quat))
        yield from hand.move(Pose(at - [0.085, 0.0, 0.0], hand.pose.quat))
        yield from hand.move(Pose(at, hand.pose.quat), speed=0.12)
        yield from hand.close(_SHUT_GRIP, 0.5)
        yield from wait(self.senses, 0.2)

    def _carry(self, socket_seen: FloatArray) -> Script:
        """Bring the peg's axis over the hole."""
        hand = self.right
        for _ in range(3 if self.touch else 1):
            socket = self.senses.pose("socket").position if self.touch else socket_seen
            peg = self.senses.pose("peg").position
            offset = np.array([*(socket - peg)[:2], 0.0])
            yield from hand.shift(offset, 0.15)
            yield from wait(self.senses, 0.25)

    def _insert(self) -> Script:
        """Lower; by feel, search in a spiral wherever the peg stands on the rim."""
        senses, hand = self.senses, self.right
        drop = senses.pose("peg").position[2] - _PEG_HALF - senses.pose("socket").position[2]
        lowest = hand.pose.position[2] - drop - _DEEP - 0.002
        turn, centre = 0.0, hand.pose.position[:2].copy()
        while hand.pose.position[2] > lowest and turn < 6 * np.pi:
            if self.touch and self._depth() > _LET_GO:
                return
            if self.touch and senses.force("right")[2] > _PUSH_N:
                turn += 5.0 * senses.dt
                radius = 0.0007 * turn
                spot = centre + radius * np.array([np.cos(turn), np.sin(turn)])
                hand.nudge(np.array([*(spot - hand.pose.position[:2]), 0.0]))
                if senses.force("right")[2] > 2 * _PUSH_N:
                    hand.nudge(np.array([0.0, 0.0, 0.02 * senses.dt]))
            else:
                if self.touch:
                    way = (senses.pose("socket").position - senses.pose("peg").position)[:2]
                    pace = np.clip(4.0 * way, -0.03, 0.03) * senses.dt
                    hand.nudge(np.array([*pace, 0.0]))
                    centre = hand.pose.position[:2].copy()
                hand.nudge(np.array([0.0, 0.0, -_LOWER * senses.dt]))
            yield
