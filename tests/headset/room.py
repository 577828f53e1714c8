"""An operator in a room, and the app with its faults between the operator and the wire.

The room has Unity's axes (x right, y up, z forward). The operator is told what to do in the room;
`Room.post` says what the app would send of it, `Room.in_world` what the robot should make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from devices.pose import Pose, quat_from_rotvec, quat_multiply, quat_rotate
from devices.stream import FloatArray
from devices.tactar.calibration import Calibration
from devices.tactar.frames import hand_to_world, yaw_quat
from devices.tactar.wire import Buttons, Controller, Post

POST_S = 1 / 60
NO_BUTTONS: Buttons = (False, False, False, False, False)


@dataclass(frozen=True)
class Hand:
    """One controller in the room: position [m], orientation wxyz, trigger, five buttons."""

    position: FloatArray
    quat: FloatArray = field(default_factory=lambda: np.array([1.0, 0.0, 0.0, 0.0]))
    trigger: float = 0.0
    buttons: Buttons = NO_BUTTONS

    def grip(self, on: bool = True) -> Hand:
        return self.press(4, on)

    def press(self, button: int, on: bool = True) -> Hand:
        buttons = list(self.buttons)
        buttons[button] = on
        return replace(self, buttons=tuple(buttons))  # type: ignore[arg-type]

    def at(self, position: FloatArray) -> Hand:
        return replace(self, position=np.asarray(position, dtype=np.float64))

    def pointing(self, heading: float) -> Hand:
        return replace(self, quat=yaw_quat(heading))


@dataclass
class Room:
    """The app and where the robot stands.

    Attributes:
        theta: Heading [rad] of the frame that the operator aligned in the app.
        robot: Heading [rad] of the robot's forward axis.
        swapped: The app exchanges left and right, as it comes.
        patched: The app posts positions rightly.
        tremble_m: Standard deviation of the tracking [m].
    """

    theta: float = 0.0
    robot: float = 0.0
    swapped: bool = True
    patched: bool = False
    shift: FloatArray = field(default_factory=lambda: np.array([0.3, -0.1, 0.7]))
    tremble_m: float = 1e-4
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    left: Hand = field(default_factory=lambda: Hand(np.array([-0.2, 1.0, 0.3])))
    right: Hand = field(default_factory=lambda: Hand(np.array([0.2, 1.0, 0.3])))
    head: Hand = field(default_factory=lambda: Hand(np.array([0.0, 1.6, 0.0])))
    time_s: float = 100.0
    now_ns: int = 10**12
    recentred: float = 0.0
    headless: bool = False
    jolt: FloatArray = field(default_factory=lambda: np.zeros(3))

    def post(self, **more: Any) -> Post:
        """What the app posts now."""
        left, right = self._sent(self.left), self._sent(self.right)
        if self.swapped:
            left, right = right, left
        head = None if self.headless else self._head()
        return replace(Post(self.time_s, right, left, head), **more)

    def _head(self) -> FloatArray:
        head = self._sent(self.head)
        return np.array([*head.position, *head.quat])

    def _sent(self, hand: Hand) -> Controller:
        turn = yaw_quat(self.recentred)
        tracked = quat_rotate(turn, hand.position) + self.jolt
        tracked = tracked + self.rng.normal(0.0, self.tremble_m, 3) * (self.tremble_m > 0)
        quat = quat_multiply(turn, hand.quat)
        if self.tremble_m > 0:
            quat = quat_multiply(quat_from_rotvec(self.rng.normal(0, 2 * self.tremble_m, 3)), quat)
        out, back = yaw_quat(self.theta), yaw_quat(-self.theta)
        if self.patched:
            position = quat_rotate(back, tracked - self.shift)
        else:
            position = quat_rotate(out, tracked) + self.shift
        return Controller(
            position=position,
            quat=quat_multiply(back, quat),
            trigger=hand.trigger,
            buttons=hand.buttons,
        )

    def next(self, seconds: float = POST_S) -> None:
        self.time_s += seconds
        self.now_ns += round(seconds * 1e9)

    def in_world(self, hand: Hand) -> Pose:
        """Where the robot should see a hand, up to the origin."""
        turn = yaw_quat(-self.robot)
        return hand_to_world(quat_rotate(turn, hand.position), quat_multiply(turn, hand.quat))

    def calibration(self) -> Calibration:
        """What a perfect set-up would find."""
        trim = 0.0 if self.patched else 2 * self.theta
        return Calibration(
            "10.0.0.7",
            "bench",
            "2026-01-01T00:00:00+00:00",
            self.swapped,
            float(np.arctan2(np.sin(trim), np.cos(trim))),
            0.0,
            float(np.arctan2(np.sin(self.robot - self.theta), np.cos(self.robot - self.theta))),
            0.0,
        )


def seconds(
    room: Room, duration_s: float, act: Callable[[float], None] | None = None
) -> Iterator[Post]:
    """Posts over a while; `act` gets the share that has passed, 0 ... 1, and moves the operator."""
    steps = max(1, round(duration_s / POST_S))
    for k in range(steps):
        room.next()
        if act is not None:
            act((k + 1) / steps)
        yield room.post()


def smooth(share: float) -> float:
    """A hand's way from 0 to 1: starts and ends at rest."""
    return share * share * (3 - 2 * share)
