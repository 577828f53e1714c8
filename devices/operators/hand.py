"""What a scripted operator sees and feels, and the hands it moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from devices.clock import NS_PER_S
from devices.leader import HandInput, Observation, Side
from devices.operators.motion import Stroke
from devices.pose import Pose, quat_rotate
from devices.stream import FloatArray

Script = Iterator[None]
"""What an operator does: a generator that reads its Senses and moves its Hands, a step a `next`."""

_FEEL_S = 0.03  # [s] time constant of the felt force
_LONGEST_STEP_S = 0.04


class Senses:
    """The newest observation, and what follows from it.

    Attributes:
        now: The newest observation.
        dt: Time since the one before [s]; a stall of the machine counts as one short step, so that
            no hand leaps after it.
    """

    def __init__(self, first: Observation) -> None:
        self.now = first
        self.dt = 0.0
        self._force = {side: np.zeros(3) for side in first.wrench}

    def take(self, observation: Observation) -> None:
        """A new observation has come."""
        passed = (observation.t_ns - self.now.t_ns) / NS_PER_S
        self.dt = min(max(0.0, passed), _LONGEST_STEP_S)
        self.now = observation
        keep = np.exp(-self.dt / _FEEL_S)
        for side, wrench in observation.wrench.items():
            world = quat_rotate(observation.tool[side].quat, wrench[:3])
            self._force[side] = keep * self._force[side] + (1 - keep) * world

    def force(self, side: Side) -> FloatArray:
        """Force of the world on a tool [N], shape (3,), world axes, smoothed over 30 ms."""
        return self._force[side]

    def pinch(self, side: Side) -> float:
        """Normal force between the pads of a gripper [N]: the smaller of its two pads'."""
        pads = (self.now.tactile[f"{side}_inner"], self.now.tactile[f"{side}_outer"])
        return float(min(pad[..., 0].sum() for pad in pads))

    def pose(self, name: str) -> Pose:
        """A pose that the scene tells."""
        return Pose.from_array(self.now.scene[name])


class Hand:
    """One hand of an operator: moves its `pose`, which the robot's tool is to follow.

    The hand starts at the tool's own pose, so hand poses can be told in the world frame.

    Attributes:
        pose: Where the hand is, as a `T_world_tool` it asks for.
        clutch, grip: As in HandInput.
    """

    def __init__(self, side: Side, senses: Senses) -> None:
        self.side: Side = side
        self.senses = senses
        self.pose = senses.now.tool[side]
        self.clutch = False
        self.grip: float | None = None
        self._pushed = False

    def reading(self) -> HandInput:
        return HandInput(self.clutch, self.pose, self.grip if self.clutch else None)

    def take_hold(self) -> Script:
        """Put the hand where the tool is and press the clutch, after having let go of it."""
        self.clutch = False
        yield
        self.pose = self.senses.now.tool[self.side]
        self.clutch = True
        yield

    def let_go(self) -> Script:
        """Release the clutch."""
        self.clutch = False
        yield

    def move(
        self,
        goal: Pose,
        speed: float = 0.2,
        turn_speed: float = 1.2,
        until: Callable[[], bool] | None = None,
    ) -> Script:
        """Go to `goal` in one smooth stroke; stops short when `until` says so."""
        stroke, t_s = Stroke.at_speed(self.pose, goal, speed, turn_speed), 0.0
        self._pushed = False
        while t_s < stroke.duration_s and not (until is not None and until()):
            if self._pushed:  # somewhere else than it meant to be: on from there
                stroke, t_s = Stroke.at_speed(self.pose, goal, speed, turn_speed), 0.0
                self._pushed = False
            t_s += self.senses.dt
            self.pose = stroke.at(t_s)
            yield

    def shift(
        self, offset: FloatArray, speed: float = 0.2, until: Callable[[], bool] | None = None
    ) -> Script:
        """Move by `offset` [m], shape (3,), world axes."""
        goal = Pose(self.pose.position + offset, self.pose.quat)
        yield from self.move(goal, speed, until=until)

    def close(self, grip: float, seconds: float = 0.5) -> Script:
        """Bring the grip to a value smoothly (from open when it was never asked for)."""
        start = 0.4 if self.grip is None else self.grip
        t_s = 0.0
        while t_s < seconds:
            t_s += self.senses.dt
            self.grip = start + (grip - start) * min(1.0, t_s / seconds)
            yield

    def nudge(self, offset: FloatArray) -> None:
        """Move by a small offset [m], shape (3,), at once."""
        self.pose = Pose(self.pose.position + offset, self.pose.quat)

    def push(self, offset: FloatArray) -> None:
        """Be moved by somebody else by a small offset [m], shape (3,)."""
        self.nudge(offset)
        self._pushed = True


def wait(senses: Senses, seconds: float) -> Script:
    """Keep still."""
    t_s = 0.0
    while t_s < seconds:
        t_s += senses.dt
        yield


def together(*scripts: Script) -> Script:
    """Run scripts side by side until all have ended."""
    running = list(scripts)
    while running:
        for script in list(running):
            try:
                next(script)
            except StopIteration:
                running.remove(script)
        if running:
            yield
