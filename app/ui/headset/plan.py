"""From posted poses to a plan seen from above and a side view. No Qt.

The Unity frame of the headset: x right, y up, z forward, left-handed [m]. A plan is told in the
operator's own directions: right of and ahead of the head [m], whatever the headset's frame is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.leader import Side
from devices.stream import Sample

Floats = NDArray[np.float64]

GRIP_BUTTON = 4
"""Index of the grip among the five posted buttons."""


@dataclass(frozen=True, slots=True)
class Controller:
    """One controller as posted: position [m] and quaternion wxyz in the Unity frame."""

    position: Floats
    quaternion: Floats
    trigger: float
    grip: bool
    t_ns: int


@dataclass(frozen=True, slots=True)
class Posture:
    """Head and hands at one instant; None for what is not posted."""

    head: Controller | None = None
    left: Controller | None = None
    right: Controller | None = None

    def hand(self, side: Side) -> Controller | None:
        return self.left if side == "left" else self.right

    @property
    def empty(self) -> bool:
        return self.left is None and self.right is None


def controller_of(sample: Sample | None) -> Controller | None:
    """A sample of `headset/S_controller` (13,) or `headset/head` (7,); None if it is unusable."""
    if sample is None:
        return None
    data = np.asarray(sample.data, dtype=np.float64).ravel()
    if data.size not in (7, 13) or not np.all(np.isfinite(data[:7])):
        return None
    if float(np.linalg.norm(data[3:7])) < 0.5:
        return None
    whole = data.size == 13
    trigger = float(np.clip(data[7], 0.0, 1.0)) if whole and math.isfinite(data[7]) else 0.0
    return Controller(
        data[:3], data[3:7], trigger, whole and data[8 + GRIP_BUTTON] > 0.5, sample.t_ns
    )


def yaw_of(quaternion: Floats) -> float | None:
    """Heading of forward (+z) about the vertical, clockwise from above [rad]; None if upright."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    ahead, right = 1.0 - 2.0 * (x * x + y * y), 2.0 * (x * z + w * y)
    return math.atan2(right, ahead) if math.hypot(ahead, right) > 0.05 else None


def wrapped(angle: float) -> float:
    """An angle [rad] in (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2.0 * math.pi)


def turned(delta: Floats, angle: float) -> Floats:
    """A vector (3,) turned about the vertical by `angle` [rad], clockwise from above."""
    c, s = math.cos(angle), math.sin(angle)
    x, y, z = delta
    return np.array([c * x + s * z, y, -s * x + c * z])


@dataclass(frozen=True, slots=True)
class Frame:
    """Whose eyes the plan is drawn for.

    Attributes:
        origin: The head, smoothed (3,) [m], Unity frame.
        yaw: Where it looks [rad].
        trim: Turn that corrects posted translations [rad].
    """

    origin: Floats
    yaw: float
    trim: float = 0.0

    def point(self, position: Floats) -> tuple[float, float, float]:
        """(right, ahead, above the floor) of a posted position [m]."""
        delta = turned(position - self.origin, self.trim - self.yaw)
        return float(delta[0]), float(delta[2]), float(position[1])

    def bearing(self, yaw: float) -> float:
        """A heading in the plan [rad], 0 is ahead, clockwise."""
        return wrapped(yaw - self.yaw)


class Eyes:
    """Follows the head calmly, so that the plan does not shake with it.

    Args:
        time_s: Time constant of the smoothing [s].
    """

    def __init__(self, time_s: float = 0.8) -> None:
        self._time_s = time_s
        self._origin: Floats | None = None
        self._yaw = 0.0
        self._t_ns = 0

    def forget(self) -> None:
        self._origin = None

    def follow(self, posture: Posture, now_ns: int, trim: float = 0.0) -> Frame | None:
        """The frame to draw in now, None while nothing is posted."""
        head = posture.head
        if head is None:
            hands = [h for h in (posture.left, posture.right) if h is not None]
            if not hands:
                return None
            middle = np.mean([h.position for h in hands], axis=0)
            return Frame(middle, 0.0, trim)
        yaw = yaw_of(head.quaternion)
        if self._origin is None:
            self._origin, self._yaw = head.position.copy(), yaw or 0.0
        else:
            passed_s = max(0.0, (now_ns - self._t_ns) / 1e9)
            share = 1.0 - math.exp(-passed_s / self._time_s)
            self._origin = self._origin + share * (head.position - self._origin)
            if yaw is not None:
                self._yaw = wrapped(self._yaw + share * wrapped(yaw - self._yaw))
        self._t_ns = now_ns
        return Frame(self._origin, self._yaw, trim)


@dataclass(frozen=True, slots=True)
class Push:
    """A push as it is seen so far; for the picture only, the calibration measures by itself.

    Attributes:
        side: Which hand pushes.
        path: Posted positions, oldest first (N, 3) [m].
        length: Along the floor [m].
        angle: From the heading of the controller to the path, clockwise [rad]; None while too
            short to tell.
        yaw: Heading of the controller [rad].
    """

    side: Side
    path: Floats
    length: float
    angle: float | None
    yaw: float | None


SHORTEST_PUSH_M = 0.05


class PushWatch:
    """Remembers where both hands went since a step began, and tells which one pushes."""

    def __init__(self, limit: int = 600) -> None:
        self._limit = limit
        self._paths: dict[Side, list[Floats]] = {"left": [], "right": []}
        self._yaws: dict[Side, float | None] = {"left": None, "right": None}

    def forget(self) -> None:
        for path in self._paths.values():
            path.clear()

    def see(self, posture: Posture) -> None:
        sides: tuple[Side, Side] = ("left", "right")
        for side in sides:
            hand = posture.hand(side)
            if hand is None:
                continue
            path = self._paths[side]
            if path and float(np.linalg.norm(hand.position - path[-1])) < 0.002:
                continue
            path.append(hand.position)
            del path[: -self._limit]
            self._yaws[side] = yaw_of(hand.quaternion)

    def push(self) -> Push | None:
        """The hand that went further along the floor; None while neither moved."""
        best: Push | None = None
        for side, path in self._paths.items():
            if len(path) < 2:
                continue
            whole = np.array(path)
            dx, dz = (whole[-1] - whole[0])[[0, 2]]
            length = math.hypot(dx, dz)
            if best is None or length > best.length:
                yaw, angle = self._yaws[side], None
                if length >= SHORTEST_PUSH_M and yaw is not None:
                    angle = wrapped(math.atan2(dx, dz) - yaw)
                best = Push(side, whole, length, angle, yaw)
        return best
