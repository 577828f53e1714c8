"""Scripted operators as an input device: hands that nobody has to hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from devices import plugins
from devices.clock import NS_PER_S
from devices.errors import ConfigError
from devices.leader import SIDES, HandInput, LeaderInput, Observation, Side
from devices.stream import FloatArray, StreamSpec

_JUMP_M = 0.05  # the tool moved this far between two readings: the scene was reset
_FASTEST = 1.5  # [m/s] of a tool
_LATE_NS = 120_000_000  # a pause after which the mapping may have let go of the hands
_REGRASP_TICKS = 3


def push_specs(rate_hz: float) -> tuple[StreamSpec, ...]:
    """`leader/S_push` (3,): how far a hand had been pushed in all, told while it is pushed."""
    return tuple(
        StreamSpec(f"leader/{side}_push", (3,), "float64", "m", "world", rate_hz, kind="operator")
        for side in SIDES
    )


class ScriptedOperator(Protocol):
    """What a `teledeck.operators` plug-in makes."""

    finished: bool
    recovers: bool

    @property
    def pushed(self) -> Mapping[Side, FloatArray]: ...

    def step(self, observation: Observation) -> Mapping[Side, HandInput | None]: ...


class ScriptedLeader:
    """Drives like a person would, through the same contract.

    Starts from the beginning at `connect`, and when the arms are found somewhere else from one
    reading to the next, as after a scene reset.

    Args:
        scene_name: Whose operator to use (a `teledeck.operators` plug-in).
        touch: Whether it reacts to what it feels.
        wander: Whether its hands are pushed now and then, see `devices.operators.wander`.

    Raises:
        ConfigError: When no operator is registered for the scene, or it does not come back by
            itself when its hands are pushed.
    """

    def __init__(self, scene_name: str, touch: bool = True, wander: bool = False) -> None:
        self.name = f"scripted:{scene_name}" if touch else f"scripted-blind:{scene_name}"
        self._operator_class = plugins.load("operators", scene_name)
        if wander and not self._operator_class.recovers:
            raise ConfigError(
                f"The scripted operator of '{scene_name}' does not recover when it is pushed",
                next_step="Record without pushes, or choose a scene whose operator presses a tool",
            )
        self._touch, self._wander = touch, wander
        self._seq = 0
        self.connect()

    @property
    def finished(self) -> bool:
        """Whether the script has ended; the hands are off the clutch then."""
        return self._operator.finished

    def connect(self, seed: int = 0) -> None:
        """`seed`: of the pushes, if there are any."""
        how = {"push_seed": seed} if self._wander else {}
        self._operator: ScriptedOperator = self._operator_class(touch=self._touch, **how)
        self._before: Observation | None = None
        self._regrasp = 0

    @property
    def pushed(self) -> dict[Side, FloatArray]:
        """How far hands that are being pushed now have been pushed in all [m], shape (3,)."""
        return dict(self._operator.pushed) if self._wander else {}

    def read(self, observation: Observation) -> LeaderInput | None:
        if self._before is not None and _jumped(self._before, observation):
            self.connect()
        if self._before is not None and observation.t_ns - self._before.t_ns > _LATE_NS:
            self._regrasp = _REGRASP_TICKS
        self._before = observation
        hands = self._operator.step(observation)
        if self._regrasp:
            self._regrasp -= 1
            hands = {side: self._taking_hold(side, hands.get(side)) for side in hands}
        self._seq += 1
        return LeaderInput(
            device=self.name,
            seq=self._seq - 1,
            t_ns=observation.t_ns,
            left=hands.get("left"),
            right=hands.get("right"),
        )

    def _taking_hold(self, side: Side, hand: HandInput | None) -> HandInput | None:
        """What a person does after a pause: let go, then press the clutch where the tool is.

        The hand's poses are told in the world frame, so hand and tool are one at that moment.
        """
        if hand is None or self._before is None:
            return hand
        clutch = hand.clutch and self._regrasp == 0
        return HandInput(clutch, self._before.tool[side], hand.grip)

    def close(self) -> None:
        """Nothing to release."""


def _jumped(before: Observation, now: Observation) -> bool:
    """Whether a tool is farther away than a robot can have gone meanwhile."""
    reach = _JUMP_M + _FASTEST * max(0, now.t_ns - before.t_ns) / NS_PER_S
    return any(
        float(np.linalg.norm(now.tool[side].position - pose.position)) > reach
        for side, pose in before.tool.items()
    )
