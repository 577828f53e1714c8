"""A hand that is pushed now and then, so that demonstrations show how to come back.

A flawless operator never shows what to do where it never gets to, and a policy that learns from it
is lost as soon as it has strayed. So somebody pushes the hand: off the surface, into it, or aside.
How often and where to has nothing to do with what the operator does; what it does afterwards is
shown (the idea of DART, Laskey et al. 2017, with short pushes instead of noise at every step,
because a hand that feels its way takes a steady offset for the surface).

To a hand that feels, being lifted is the same as a surface that sinks: what it does then is told by
touch alone. So pushes are either upright, or aside.
"""

from __future__ import annotations

import numpy as np

from devices.operators.motion import PEAK, minimum_jerk
from devices.stream import FloatArray

PAUSE_S = 1.6
"""Least time between two pushes [s]: long enough to come back, and for a chunk of actions."""

MEAN_S = 2.0
"""Mean of what comes on top [s]; exponential, so that nothing tells when the next push comes."""

_SPEED = 0.4  # [m/s] peak of a push
_SHORTEST_S = 0.1

LIFT_M = (0.004, 0.050)
PRESS_M = (0.002, 0.010)
ASIDE_M = (0.005, 0.030)
"""Shortest and longest part of a push upwards, downwards and along the surface [m]."""


class Wander:
    """Pushes for one hand, as increments of its place.

    Args:
        seed: Of what is drawn: same seed and steps, same pushes.

    Attributes:
        far: How far the hand has been pushed in all [m], shape (3,), world axes.
        pushing: Whether it is being pushed now.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 0xDA47])
        self.far: FloatArray = np.zeros(3)
        self.pushing = False
        self._goal: FloatArray = np.zeros(3)
        self._done = 0.0  # share of the goal that the hand has been moved by
        self._rest()

    def step(self, dt: float) -> FloatArray:
        """By how much the hand is moved in the next `dt` [s]: [m], shape (3,)."""
        self._t_s += dt
        if not self.pushing:
            if self._t_s < self._wait_s:
                return np.zeros(3)
            self._begin()
        share = minimum_jerk(self._t_s / self._duration_s)
        moved: FloatArray = (share - self._done) * self._goal
        self._done = share
        self.far = self.far + moved
        if self._t_s >= self._duration_s:
            self._rest()
        return moved

    def _rest(self) -> None:
        self.pushing = False
        self._t_s = 0.0
        self._wait_s = PAUSE_S + float(self._rng.exponential(MEAN_S))

    def _begin(self) -> None:
        rng = self._rng
        kind = rng.choice(["lift", "press", "aside"], p=[0.45, 0.25, 0.3])
        heading = rng.uniform(0.0, 2 * np.pi)
        self._goal = {
            "lift": np.array([0.0, 0.0, rng.uniform(*LIFT_M)]),
            "press": np.array([0.0, 0.0, -rng.uniform(*PRESS_M)]),
            "aside": rng.uniform(*ASIDE_M) * np.array([np.cos(heading), np.sin(heading), 0.0]),
        }[str(kind)]
        way = float(np.linalg.norm(self._goal))
        self._duration_s = max(PEAK * way / _SPEED, _SHORTEST_S)
        self._t_s = self._done = 0.0
        self.pushing = True
