"""A policy for the standalone server that never stops moving: up and down, by the clock."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

_SWAY_M = 0.02
_PER_S = 2.0
_RATE_HZ, _ROWS = 24.0, 48


class Sway:
    def __init__(self) -> None:
        tool = {"stream": "right_arm/T_world_tool", "key": "tool", "shape": [7], "steps": 1}
        self.offer: dict[str, Any] = {
            "name": "sway",
            "digest": "none",
            "resets": True,
            "needs": [{**tool, "unit": "m,wxyz", "frame": "world"}],
            "space": {"sides": ["right"], "rate_hz": _RATE_HZ, "horizon": _ROWS},
        }
        self.home: Any = None
        self.began = 0.0

    def reset(self, seed: int | None) -> None:
        self.home = None

    def infer(self, observation: dict[str, Any]) -> Any:
        if self.home is None:
            self.home, self.began = np.array(observation["tool"][:3]), time.monotonic()
        at = time.monotonic() - self.began + np.arange(_ROWS) / _RATE_HZ
        rows = np.tile(np.append(self.home, 0.05), (_ROWS, 1))
        rows[:, 2] += _SWAY_M * (1 - np.cos(_PER_S * at))
        return rows


def make() -> Sway:
    return Sway()
