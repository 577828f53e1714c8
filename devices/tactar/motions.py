"""What simulated hands do, for the fake headset: scripted, or as captured."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from devices.errors import ConfigError, StorageError
from devices.stream import FloatArray
from devices.tactar.session_file import SessionReader
from devices.tactar.wire import Controller, Post

_UNIT = (1.0, 0.0, 0.0, 0.0)
_REST = {"right": (0.2, 1.0, 0.4), "left": (-0.2, 1.0, 0.4)}


def _head() -> FloatArray:
    return np.array([0.0, 1.6, 0.0, *_UNIT])


@dataclass(frozen=True, slots=True)
class Hands:
    """Where the operator's own hands and head are, before the app touches anything.

    Poses are in the calibrated Unity frame as it should be (without the app's fault), left and
    right are the operator's (without the app's swap).
    """

    right: Controller
    left: Controller
    head: FloatArray = field(default_factory=_head)


Motion = Callable[[float], Hands | Post]
"""Hands at a time [s] since the motion began. A `Post` is sent as it is, but for its timestamp."""


def hand(
    side: str,
    moved: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    grip: bool = False,
    trigger: float = 0.0,
) -> Controller:
    """A hand at rest, `moved` [m] from there: right, up, forward."""
    buttons = (False, False, False, trigger > 0.9, grip)
    return Controller(np.array(_REST[side]) + moved, np.array(_UNIT), trigger, buttons)


def still(t: float) -> Hands:
    """Both hands at rest, nothing pressed."""
    return Hands(hand("right"), hand("left"))


def circle(t: float) -> Hands:
    """Both hands hold their grip and draw two circles of 8 cm radius in 7.5 s; the triggers
    breathe. They let go where they began, for half a second."""
    phase = t % 8.0
    angle = 4 * math.pi * min(phase, 7.5) / 7.5
    moved = (0.08 * math.sin(angle), 0.08 * (1.0 - math.cos(angle)), 0.0)
    trigger = 0.5 - 0.5 * math.cos(2 * math.pi * t / 8.0)
    grip = 0.25 < phase < 7.5
    return Hands(
        hand("right", moved, grip=grip, trigger=trigger),
        hand("left", moved, grip=grip, trigger=trigger),
    )


def push(t: float) -> Hands:
    """The right hand goes 30 cm straight forward in a second, waits, and comes back."""
    phase = t % 4.0
    share = min(phase, 1.0) if phase < 2.0 else max(0.0, 3.0 - phase)
    eased = share * share * (3.0 - 2.0 * share)
    return Hands(hand("right", (0.0, 0.0, 0.3 * eased)), hand("left"))


def squeeze(t: float) -> Hands:
    """The left hand squeezes its grip for a second, every two."""
    return Hands(hand("right"), hand("left", grip=t % 2.0 < 1.0))


def held(t: float) -> Hands:
    """Both hands at rest, with the right grip held: the robot is clutched and must not move."""
    return Hands(hand("right", grip=True), hand("left"))


SCRIPTS: dict[str, Motion] = {
    "circle": circle,
    "push": push,
    "squeeze": squeeze,
    "still": still,
    "held": held,
}


def replay(path: Path) -> Motion:
    """A captured session, with its own times, over and over.

    Raises:
        StorageError: If it cannot be read or holds no posts.
    """
    with SessionReader(path) as reader:
        records = list(reader.posts())
    if not records:
        raise StorageError(f"{path} holds no posts", next_step="Capture a headset that posts")
    times = [(record.t_ns - records[0].t_ns) / 1e9 for record in records]
    length = times[-1] + 1.0 / 60.0

    def motion(t: float) -> Post:
        return records[max(0, bisect.bisect_right(times, t % length) - 1)].post

    return motion


def named(name: str) -> Motion:
    """A script by name, or a session file by path.

    Raises:
        ConfigError: If it is neither.
    """
    if name in SCRIPTS:
        return SCRIPTS[name]
    path = Path(name).expanduser()
    if path.exists():
        return replay(path)
    raise ConfigError(f"There is no motion '{name}', and no such file", allowed=(*SCRIPTS, "FILE"))
