"""How a practised hand moves: minimum-jerk from rest to rest (Flash & Hogan 1985)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from devices.pose import (
    Pose,
    quat_conjugate,
    quat_from_rotvec,
    quat_multiply,
    rotvec_from_quat,
)

PEAK = 1.875  # peak speed of a minimum-jerk motion over its mean speed


def minimum_jerk(share: float) -> float:
    """Share of the way after a share of the time, both 0 ... 1."""
    s = min(max(share, 0.0), 1.0)
    return s**3 * (10.0 + s * (6.0 * s - 15.0))


@dataclass(frozen=True, slots=True)
class Stroke:
    """One motion from rest to rest.

    Attributes:
        start, goal: Poses at its ends.
        duration_s: Time it takes [s].
    """

    start: Pose
    goal: Pose
    duration_s: float

    @classmethod
    def at_speed(cls, start: Pose, goal: Pose, speed: float, turn_speed: float) -> Stroke:
        """A stroke whose speed peaks at `speed` [m/s] and `turn_speed` [rad/s] at most."""
        way = float(np.linalg.norm(goal.position - start.position))
        turn = float(np.linalg.norm(_turn(start, goal)))
        return cls(start, goal, max(PEAK * way / speed, PEAK * turn / turn_speed, 1e-3))

    def at(self, t_s: float) -> Pose:
        """Pose after `t_s` [s]; the ends hold before and after."""
        share = minimum_jerk(t_s / self.duration_s)
        return Pose(
            self.start.position + share * (self.goal.position - self.start.position),
            quat_multiply(quat_from_rotvec(share * _turn(self.start, self.goal)), self.start.quat),
        )


def _turn(start: Pose, goal: Pose) -> np.ndarray:
    return rotvec_from_quat(quat_multiply(goal.quat, quat_conjugate(start.quat)))
