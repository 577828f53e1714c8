"""Furniture that stands still until a perturbation slides it somewhere else."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

_SLIDE_SPEED = 0.12  # [m/s] at which a perturbed fixture slides
_ADVANCE_S = 0.008  # [s] between calls of Scene.advance


@dataclass(frozen=True, slots=True)
class SlidingFixture:
    """A mocap body on the table; where it is going lives in two numbers of `data.userdata`.

    Attributes:
        body: Name of the body.
        slot: First of the two userdata numbers.
    """

    body: str
    slot: int

    def free(self, spec: mujoco.MjSpec) -> None:
        """Make the body movable, in a spec."""
        spec.body(self.body).mocap = True

    def place(
        self, model: mujoco.MjModel, data: mujoco.MjData, x: float, y: float, yaw: float
    ) -> None:
        """Put it at (x, y) [m], turned by `yaw` [rad] about the vertical, at once."""
        index = self._mocap(model)
        data.mocap_pos[index, :2] = x, y
        data.mocap_quat[index] = math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)
        data.userdata[self.slot : self.slot + 2] = x, y

    def push(self, data: mujoco.MjData, dx: float, dy: float) -> None:
        """Let it slide by (dx, dy) [m] during the next moments."""
        data.userdata[self.slot] += dx
        data.userdata[self.slot + 1] += dy

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Slide on towards the target; called from Scene.advance."""
        position = data.mocap_pos[self._mocap(model)]
        way = data.userdata[self.slot : self.slot + 2] - position[:2]
        distance = float(np.hypot(way[0], way[1]))
        if distance > 0.0:
            position[:2] += way * min(1.0, _SLIDE_SPEED * _ADVANCE_S / distance)

    def _mocap(self, model: mujoco.MjModel) -> int:
        return int(model.body(self.body).mocapid[0])


def shove(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """A random horizontal offset of `low` to `high` [m] in any direction."""
    angle, length = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(low, high)
    return length * math.cos(angle), length * math.sin(angle)
