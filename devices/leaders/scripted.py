"""Scripted operators as an input device: hands that nobody has to hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from devices import plugins
from devices.leader import HandInput, LeaderInput, Observation, Side

_JUMP_M = 0.05  # the tool moved this far between two readings: the scene was reset


class ScriptedOperator(Protocol):
    """What a `teledeck.operators` plug-in makes."""

    finished: bool

    def step(self, observation: Observation) -> Mapping[Side, HandInput | None]: ...


class ScriptedLeader:
    """Drives like a person would, through the same contract.

    Starts from the beginning at `connect`, and when the arms are found somewhere else from one
    reading to the next, as after a scene reset.

    Args:
        scene_name: Whose operator to use (a `teledeck.operators` plug-in).
        touch: Whether it reacts to what it feels.

    Raises:
        ConfigError: When no operator is registered for the scene.
    """

    def __init__(self, scene_name: str, touch: bool = True) -> None:
        self.name = f"scripted:{scene_name}" if touch else f"scripted-blind:{scene_name}"
        self._operator_class = plugins.load("operators", scene_name)
        self._touch = touch
        self._seq = 0
        self.connect()

    @property
    def finished(self) -> bool:
        """Whether the script has ended; the hands are off the clutch then."""
        return self._operator.finished

    def connect(self) -> None:
        self._operator: ScriptedOperator = self._operator_class(touch=self._touch)
        self._before: Observation | None = None

    def read(self, observation: Observation) -> LeaderInput | None:
        if self._before is not None and _jumped(self._before, observation):
            self.connect()
        self._before = observation
        hands = self._operator.step(observation)
        self._seq += 1
        return LeaderInput(
            device=self.name,
            seq=self._seq - 1,
            t_ns=observation.t_ns,
            left=hands.get("left"),
            right=hands.get("right"),
        )

    def close(self) -> None:
        """Nothing to release."""


def _jumped(before: Observation, now: Observation) -> bool:
    return any(
        float(np.linalg.norm(now.tool[side].position - pose.position)) > _JUMP_M
        for side, pose in before.tool.items()
    )
