"""Policies by arithmetic: what they want is known, and how they misbehave is chosen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.serving.opening import Opened

TOOL = "right_arm/T_world_tool"
SPACE = ActionSpace(sides=("right",), rate_hz=24.0, horizon=24)
NEED = StreamNeed(stream=TOOL, key="tool", shape=(7,), unit="m,wxyz", frame="world", min_hz=50.0)
TOUCH = StreamNeed(
    stream="right_inner_pad/tactile", key="touch", shape=(7, 9, 3), span="chunk", rate_hz=24.0
)
SWAY_M = 0.03


class Scripted:
    """Sways its tool up and down about where it was at the first window after a reset.

    Moods, by instants since the first: "" none; "nan", "shape", "raise", "hang", "eat", "far",
    "slow" from the twentieth chunk on.
    """

    def __init__(self, mood: str = "", *, reacts: bool = False, work_s: float = 0.0) -> None:
        self.mood = mood
        self.reacts = reacts
        self.needs = (NEED, TOUCH) if reacts else (NEED,)
        self.space = SPACE
        self._work_s = work_s
        self._eaten: list[Any] = []
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        self._home: FloatArray | None = None
        self._began_ns = 0
        self._acts = 0

    def act(self, window: Window) -> ActionChunk:
        if self._home is None:
            self._home = np.asarray(window.values["tool"][-1, :3], dtype=np.float64)
            self._began_ns = window.t_ns
        self._acts += 1
        time.sleep(self._work_s)
        rows = np.stack(
            [self._at(window.t_ns + round(i * 1e9 / 24.0)) for i in range(SPACE.horizon)]
        )
        if self._acts > 20:
            rows = self._misbehave(rows)
        return ActionChunk(
            t0_ns=window.t_ns,
            rate_hz=SPACE.rate_hz,
            actions=rows,
            observed_ns=window.t_ns,
            samples=np.stack([rows, rows + 0.01]),
            uncertainty=0.25,
            carry=self._began_ns,
        )

    def react(self, chunk: ActionChunk, latest: Window) -> FloatArray:
        assert len(latest.values["touch"]) >= 1
        return self._at(latest.t_ns)

    def _at(self, t_ns: int) -> FloatArray:
        assert self._home is not None
        phase = (t_ns - self._began_ns) / 1e9
        up = SWAY_M * (1 - np.cos(2.0 * phase))
        return np.concatenate([self._home + np.array([0.0, 0.0, up]), [0.06]])

    def _misbehave(self, rows: FloatArray) -> FloatArray:
        match self.mood:
            case "nan":
                return np.full_like(rows, np.nan)
            case "far":
                return rows + 5.0
            case "shape":
                return rows[:3, :2]
            case "raise":
                raise ZeroDivisionError("the policy divides by zero")
            case "hang":
                time.sleep(3600.0)
            case "slow":
                time.sleep(1.5)
            case "eat":
                while True:
                    self._eaten.append(np.ones(1 << 22))
        return rows


def open_scripted(path: str) -> Opened:
    """ "good", "react", or one of the moods; "broken" cannot be loaded, "alien" does not fit."""
    if path == "broken":
        raise PolicyError("The weights end in the middle", next_step="Copy the checkpoint again")
    policy = Scripted("" if path in ("good", "react", "alien") else path, reacts=path == "react")
    if path == "alien":
        policy.needs = (
            StreamNeed(stream="right_arm/q", key="q", shape=(6,), unit="deg"),
            StreamNeed(stream="third_arm/q", key="third", shape=(7,)),
        )
    return Opened(policy, path, f"digest-{path}")


def window_of(values: Mapping[str, Any], t_ns: int) -> Window:
    return Window(t_ns, dict(values))
