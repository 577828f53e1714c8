"""A policy for the standalone server, as a user would write it."""

from __future__ import annotations

from typing import Any

import numpy as np

STREAM = "right_arm/T_world_tool"


OFFER: dict[str, Any] = {
    "name": "sine",
    "digest": "none",
    "resets": True,
    "needs": [
        {
            "stream": STREAM,
            "key": "tool",
            "shape": [7],
            "unit": "m,wxyz",
            "frame": "world",
            "steps": 1,
        }
    ],
    "space": {"sides": ["right"], "rate_hz": 24.0, "horizon": 24},
}


class Sine:
    def __init__(self) -> None:
        self.offer = OFFER
        self.home: Any = None
        self.seed: Any = None

    def reset(self, seed: int | None) -> None:
        self.home, self.seed = None, seed

    def infer(self, observation: dict[str, Any]) -> Any:
        if observation["prompt"] == "fail":
            raise ValueError("no such task")
        if self.home is None:
            self.home = np.array(observation["tool"][:3])
        up = 0.02 * np.sin(np.arange(24) / 6)
        rows = np.tile(np.append(self.home, 0.05), (24, 1))
        rows[:, 2] += up
        return rows


def make() -> Sine:
    return Sine()
