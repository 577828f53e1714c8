"""From posted poses to a plan seen from above and a side view. No Qt.

The Unity frame of the headset: x right, y up, z forward, left-handed [m]. A plan is told in the
operator's own directions: right of and ahead of the head [m], whatever the headset's frame is.
"""

from __future__ import annotations

import math
from collections import deque
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
        trim: By how much posted translations arrive turned, clockwise [rad]; it is undone.
    """

    origin: Floats
    yaw: float
    trim: float = 0.0

    def point(self, position: Floats) -> tuple[float, float, float]:
        """(right, ahead, above the floor) of a posted position [m]."""
        delta = turned(position - self.origin, -self.trim - self.yaw)
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
        spread: How far path and heading scatter about that angle [rad]; None with it.
    """

    side: Side
    path: Floats
    length: float
    angle: float | None
    yaw: float | None
    spread: float | None = None


SHORTEST_PUSH_M = 0.08
STILL_NS = 250_000_000
STILL_M = 0.015
"""A hand that moves no more than this within that time stands still: a push begins there."""


class _Way:
    """Where one hand went since it last stood still."""

    def __init__(self) -> None:
        self.path: list[Floats] = []
        self.yaw: float | None = None
        self.yaws: deque[float] = deque(maxlen=600)
        self._recent: deque[tuple[int, Floats]] = deque()
        self._ended = False

    def see(self, hand: Controller, now_ns: int) -> None:
        here = hand.position
        recent = self._recent
        recent.append((now_ns, here))
        while len(recent) > 2 and now_ns - recent[1][0] >= STILL_NS:
            recent.popleft()
        still = now_ns - recent[0][0] >= STILL_NS and all(
            float(np.linalg.norm(here - before)) <= STILL_M for _, before in recent
        )
        moved = bool(self.path) and float(np.linalg.norm(here - self.path[-1])) > 2 * STILL_M
        if still:
            # A push that has ended stays in the picture until the hand sets off again.
            self._ended = self.length() >= SHORTEST_PUSH_M
            if not self._ended:
                self.path = [here]
                self.yaws.clear()
        elif self._ended and moved:
            self.path, self._ended = [recent[0][1], here], False
            self.yaws.clear()
        elif not self._ended and (
            not self.path or float(np.linalg.norm(here - self.path[-1])) > 0.002
        ):
            self.path.append(here)
            del self.path[1 : max(1, len(self.path) - 600)]
        self.yaw = yaw_of(hand.quaternion)
        if self.yaw is not None and not self._ended:
            self.yaws.append(self.yaw)

    def spread(self) -> float | None:
        """How far the path leaves its chord and the heading its mean, as the set-up tells it
        [rad]."""
        if len(self.path) < 3 or not self.yaws:
            return None
        flat = np.array(self.path)[:, [0, 2]] - self.path[0][[0, 2]]
        length = float(np.hypot(*flat[-1]))
        if length < SHORTEST_PUSH_M:
            return None
        along = flat[-1] / length
        wobble = float(np.sqrt(np.mean((flat @ np.array([-along[1], along[0]])) ** 2))) / length
        yaws = np.array(self.yaws)
        middle = math.atan2(float(np.sin(yaws).sum()), float(np.cos(yaws).sum()))
        turned_away = np.remainder(yaws - middle + math.pi, 2 * math.pi) - math.pi
        return math.hypot(wobble, float(np.std(turned_away)))

    def length(self) -> float:
        """From the first point to the last, along the floor [m]."""
        if len(self.path) < 2:
            return 0.0
        dx, dz = (self.path[-1] - self.path[0])[[0, 2]]
        return math.hypot(dx, dz)


class PushWatch:
    """Follows both hands while a push is asked for, and tells which one pushes."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._ways: dict[Side, _Way] = {"left": _Way(), "right": _Way()}

    def see(self, posture: Posture, now_ns: int) -> None:
        for side, way in self._ways.items():
            hand = posture.hand(side)
            if hand is not None:
                way.see(hand, now_ns)

    def push(self) -> Push | None:
        """The hand that went further along the floor; None while neither moved."""
        side = max(self._ways, key=lambda side: self._ways[side].length())
        way = self._ways[side]
        length = way.length()
        if length < 0.02:
            return None
        angle = None
        if length >= SHORTEST_PUSH_M and way.yaw is not None:
            dx, dz = (way.path[-1] - way.path[0])[[0, 2]]
            angle = wrapped(math.atan2(dx, dz) - way.yaw)
        spread = None if angle is None else way.spread()
        return Push(side, np.array(way.path), length, angle, way.yaw, spread)
