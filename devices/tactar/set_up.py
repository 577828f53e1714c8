"""The guided set-up of a headset: squeeze, push, point. Driven by posts and time alone.

1. `squeeze_left`: the operator squeezes the left grip; the hand of the wire that shows it tells
   whether the app exchanges left and right.
2. `push_forward`: one controller, held like a torch, goes straight ahead where it points. The
   angle between the motion as posted and the heading as posted is the trim (`calibration`).
3. `align`: the controller points the way the robot looks while its trigger is held; or both lie
   on the table's edge that the robot faces across. That gives the turn from headset to world.
   Or the operator says that the app's own axes are aligned with the world already.

All angles are about the vertical.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from devices.clock import NS_PER_S
from devices.leader import SIDES, Side
from devices.pose import normalized, quat_rotate
from devices.stream import FloatArray
from devices.tactar.calibration import wrapped
from devices.tactar.frames import heading, trimmed
from devices.tactar.wire import Controller, Post

Step = Literal["", "squeeze_left", "push_forward", "align"]

TRIGGER_HELD = 0.5
PUSH_M = 0.25
"""How far the push must go [m]."""

_HOLD_NS: Final = NS_PER_S // 2  # a squeeze that counts
_POINT_NS: Final = NS_PER_S  # a pointing that counts
_STILL_NS: Final = NS_PER_S // 4
_STILL_M: Final = 0.015  # a hand that moves no more than this within _STILL_NS stands still
_PUSH_LIMIT_NS: Final = 5 * NS_PER_S
_LEVEL: Final = 0.6  # least horizontal part of a direction that has a heading
_CROOKED: Final = 0.12  # largest deviation from the straight line, as a share of its length
_CLIMB: Final = 0.5  # largest rise, as a share of the way
_TURNED: Final = 0.2  # [rad] most that a controller may turn while it is pushed
_STEADY_RAD: Final = 0.06  # the same while it points
_EDGE_M: Final = 0.25  # least distance of two controllers that lie on an edge
_EDGE_RAD: Final = 0.6  # most that they may point away from across the edge
_SLANT_M: Final = 0.08  # most that one may lie higher than the other

_TEXTS: Final[Mapping[Step, str]] = {
    "": "",
    "squeeze_left": "Squeeze the grip of the controller in your left hand, and only that one.",
    "push_forward": (
        "Hold one controller level like a torch that shines straight ahead of you. Keep it still, "
        "push it 30 cm straight ahead where it points, and keep it still again."
    ),
    "align": (
        "Point a controller the way the robot looks, away from its base, and hold its trigger "
        "for a second. Finer: lay both on the table's edge, one left and one right, pointing away "
        "from the robot, and hold both triggers. If the app's axes already lie on the table with "
        "the blue one away from the robot, say so instead."
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the set-up has found so far; None where it has not.

    Attributes:
        swapped: The app's left is the operator's right.
        trim_rad, residual_rad: Turn of translations, and how well it is known.
        yaw_rad: From headset to world.
    """

    swapped: bool | None = None
    trim_rad: float | None = None
    residual_rad: float = 0.0
    yaw_rad: float | None = None


@dataclass(slots=True)
class _Track:
    """The recent way of one hand during the push."""

    recent: deque[tuple[int, FloatArray]] = field(default_factory=deque)
    rest: FloatArray | None = None
    way: list[FloatArray] = field(default_factory=list)
    headings: list[FloatArray] = field(default_factory=list)
    began_ns: int = 0
    reach: float | None = None


class SetUp:
    """Where the set-up stands. Feed it every post; it never looks at a clock.

    Attributes:
        step: What is asked now, "" when nothing is.
        found: What is known so far.
        share: How much of the step is done, 0 ... 1.
        problem: What went wrong in the last try, as a sentence, or "".
        accepted: The operator took what was found; whoever drives the set-up keeps it.
    """

    def __init__(self) -> None:
        self.step: Step = ""
        self.found = Found()
        self.share = 0.0
        self.problem = ""
        self.accepted = False
        self._only_push = False
        self._expected: float | None = None
        self._forget()

    @property
    def text(self) -> str:
        """What the operator is asked to do."""
        return _TEXTS[self.step]

    @property
    def running(self) -> bool:
        return self.step != ""

    # ------------------------------------------------------------------------------ the moves
    def begin(self) -> None:
        """From the start, knowing nothing."""
        self.found = Found()
        self._only_push = False
        self._go("squeeze_left")

    def check(self, found: Found) -> None:
        """Only the push again, to see whether what was found before still holds. If it does, the
        set-up is done; if not, the pointing follows."""
        self.found = found
        self._expected = found.trim_rad
        self._only_push = True
        self._go("push_forward")

    def go_to(self, step: Step) -> str:
        """Do a step over again. Returns why that cannot be, or ""."""
        if step in ("push_forward", "align") and self.found.swapped is None:
            return "Squeeze the left grip first: it tells which hand is which."
        if step == "align" and self.found.trim_rad is None:
            return "Push a controller straight ahead first."
        self._only_push = False
        self._go(step)
        return ""

    def swap(self) -> None:
        """Exchange left and right by hand, instead of by the squeeze."""
        self.found = Found(
            not self.found.swapped,
            self.found.trim_rad,
            self.found.residual_rad,
            self.found.yaw_rad,
        )
        if self.step == "squeeze_left":
            self._go("push_forward")

    def no_trim(self) -> None:
        """The app is a patched one that posts positions rightly: no push is needed."""
        self.found = Found(self.found.swapped, 0.0, 0.0, self.found.yaw_rad)
        if self.step == "push_forward":
            self._go("align")

    def finish(self) -> str:
        """The app's own axes lie on the world's: nothing is left to measure. Returns what is
        missing, or ""."""
        why = self.go_to("align")
        if not why:
            self._accept(
                Found(self.found.swapped, self.found.trim_rad, self.found.residual_rad, 0.0)
            )
        return why

    def frame_moved(self) -> None:
        """The app's frame was aligned anew while the set-up runs: what a push told is void."""
        if self.step in ("push_forward", "align"):
            self._only_push, self._expected = False, None
            patched = self.found.trim_rad == 0.0
            self.found = Found(self.found.swapped, 0.0 if patched else None)
            if self.step == "align" and not patched:
                self._go("push_forward")
                self.problem = "The app's axes were moved, so the push is needed once more."

    def cancel(self) -> None:
        """End without a result."""
        self.found = Found()
        self._go("")

    def _accept(self, found: Found) -> None:
        self.found = found
        self._go("")
        self.accepted = True

    def _go(self, step: Step) -> None:
        self.step = step
        self.share = 0.0
        self.problem = ""
        self.accepted = False
        self._forget()

    def _forget(self) -> None:
        self._since_ns: int | None = None
        self._released = False
        self._tracks: dict[Side, _Track] = {side: _Track() for side in SIDES}
        self._points: list[tuple[FloatArray, ...]] = []

    # ------------------------------------------------------------------------------- the posts
    def feed(self, post: Post, now_ns: int) -> None:
        """Take one post in, in the order of its time stamps.

        Args:
            post: As parsed.
            now_ns: When it arrived [ns, monotonic].
        """
        match self.step:
            case "squeeze_left":
                self._squeeze(post, now_ns)
            case "push_forward":
                self._push(physical_hands(post, bool(self.found.swapped)), post.head, now_ns)
            case "align":
                self._align(physical_hands(post, bool(self.found.swapped)), now_ns)

    def _held_for(self, held: bool, now_ns: int, enough_ns: int) -> bool:
        """Whether something has been held long enough; shows it in `share`."""
        if not held:
            self._since_ns = None
            self.share = 0.0
            return False
        if self._since_ns is None:
            self._since_ns = now_ns
        self.share = min(1.0, (now_ns - self._since_ns) / enough_ns)
        return self.share >= 1.0

    def _squeeze(self, post: Post, now_ns: int) -> None:
        left, right = post.left.grip, post.right.grip
        if not (left or right):
            self._released = True
        if left and right:
            self.problem = "Both grips are squeezed. Let go of both, then squeeze the left one."
            self._released = False
        elif (left or right) and self._released:
            self.problem = ""
        if self._held_for(self._released and left != right, now_ns, _HOLD_NS):
            self.found = Found(right, self.found.trim_rad, 0.0, None)
            self._go("align" if self.found.trim_rad is not None else "push_forward")

    # --------------------------------------------------------------------------------- the push
    def _push(self, hands: Mapping[Side, Controller], head: FloatArray | None, now_ns: int) -> None:
        shares = []
        for side, hand in hands.items():
            track = self._tracks[side]
            position = np.asarray(hand.position, dtype=np.float64)
            recent = track.recent
            recent.append((now_ns, position))
            while len(recent) > 2 and now_ns - recent[1][0] >= _STILL_NS:
                recent.popleft()
            settled = now_ns - recent[0][0] >= _STILL_NS
            still = settled and all(
                np.linalg.norm(position - before) <= _STILL_M for _, before in recent
            )
            if track.rest is None or (still and not track.way):
                if still:
                    track.rest, track.began_ns = position, now_ns
                    track.reach = _reach(position, head)
                continue
            away = float(np.linalg.norm(position - track.rest))
            if not track.way and away < 2 * _STILL_M:
                track.began_ns = now_ns
                continue
            track.way.append(position - track.rest)
            track.headings.append(forward_of(hand))
            shares.append(min(1.0, float(np.hypot(*(position - track.rest)[[0, 2]])) / PUSH_M))
            if still or now_ns - track.began_ns > _PUSH_LIMIT_NS:
                if self._judge_push(track, still, _reach(position, head)):
                    return
                self._tracks[side] = _Track()
        self.share = max(shares, default=0.0)

    def _judge_push(self, track: _Track, still: bool, reach: float | None) -> bool:
        """Measure the trim if the push was one; say what was wrong with it if not."""
        way, forward = np.array(track.way), np.array(track.headings)
        flat = way[:, [0, 2]]
        end = flat[-1]
        length = float(np.hypot(*end))
        if not still:
            self.problem = "The controller did not come to rest. Push once, then keep it still."
            return False
        if length < PUSH_M:
            if length > PUSH_M / 3:
                self.problem = (
                    f"That was {100 * length:.0f} cm; push at least {100 * PUSH_M:.0f} cm."
                )
            return False
        # The app's fault turns head and hands alike, so how far a hand is from the head is true.
        if track.reach is not None and reach is not None and reach < track.reach + length / 4:
            self.problem = "That was no push away from you. Draw the hand in, rest, then push."
            return False
        along = end / length
        across = flat @ np.array([-along[1], along[0]])
        if float(np.abs(across).max()) > _CROOKED * length:
            self.problem = "The push was not straight. Push again, straight where it points."
            return False
        if abs(float(way[-1, 1])) > _CLIMB * length:
            self.problem = "The push went up or down. Push again, level."
            return False
        if float(np.hypot(forward[:, 0], forward[:, 2]).min()) < _LEVEL:
            self.problem = "The controller points up or down. Hold it level and push again."
            return False
        angles = np.array([heading(one) for one in forward])
        middle = math.atan2(float(np.sin(angles).sum()), float(np.cos(angles).sum()))
        spread = np.array([wrapped(one - middle) for one in angles])
        if float(np.abs(spread).max()) > _TURNED:
            self.problem = "The controller turned while you pushed. Push again without turning it."
            return False
        # Through the start, by least squares over the far half, where a wobble turns least.
        far = flat[np.hypot(flat[:, 0], flat[:, 1]) > length / 2]
        course = math.atan2(float(far[:, 0].sum()), float(far[:, 1].sum()))
        trim = wrapped(course - middle)
        wobble = float(np.sqrt(np.mean(across**2))) / length
        residual = float(np.hypot(wobble, np.std(spread)))
        self._take_trim(trim, residual)
        return True

    def _take_trim(self, trim: float, residual: float) -> None:
        fits = self._expected is not None and abs(wrapped(trim - self._expected)) < 0.12
        if self._only_push and fits and self.found.yaw_rad is not None:
            # The old one holds; a second measurement of the same is no better than the first.
            self._accept(self.found)
            return
        missed = self._only_push
        self._only_push, self._expected = False, None
        self.found = Found(self.found.swapped, trim, residual, None)
        self._go("align")
        if missed:
            self.problem = (
                "The headset's frame has turned since the last set-up, so it is measured anew."
            )

    # ------------------------------------------------------------------------------ the pointing
    def _align(self, hands: Mapping[Side, Controller], now_ns: int) -> None:
        holding = [side for side in SIDES if hands[side].trigger >= TRIGGER_HELD]
        if not holding:
            self._points.clear()
            self._held_for(False, now_ns, _POINT_NS)
            return
        directions = [forward_of(hands[side]) for side in holding]
        if min(float(np.hypot(one[0], one[2])) for one in directions) < _LEVEL:
            self._again("The controller points up or down. Hold it level.")
            return
        point = (*(np.asarray(hands[side].position) for side in holding), *directions)
        if self._points and len(self._points[0]) != len(point):
            self._points.clear()  # the other trigger joined or left: what is asked has changed
            self._since_ns = None
        self._points.append(point)
        first = self._points[0]
        n = len(holding)
        turned = max(abs(wrapped(heading(point[n + i]) - heading(first[n + i]))) for i in range(n))
        if turned > _STEADY_RAD:
            self._again("The controller moved. Hold it still for a second.")
            return
        if self._held_for(True, now_ns, _POINT_NS):
            self._judge_pointing(n)

    def _again(self, problem: str) -> None:
        self.problem = problem
        self._points.clear()
        self._since_ns = None
        self.share = 0.0

    def _judge_pointing(self, n: int) -> None:
        angles = np.array([heading(one) for point in self._points for one in point[n:]])
        middle = math.atan2(float(np.sin(angles).sum()), float(np.cos(angles).sum()))
        spread = float(np.std([wrapped(one - middle) for one in angles]))
        if n == 2:
            edge = self._across_edge(middle)
            if edge is None:
                return
            # Both controllers say roughly where the robot looks, the edge says it finely.
            middle, spread = edge
        # Unity's headings turn to the right, the world's to the left: to bring the heading to the
        # robot's own, which is 0, turn by the heading itself.
        residual = float(np.hypot(self.found.residual_rad, spread))
        self._accept(Found(self.found.swapped, self.found.trim_rad, residual, wrapped(middle)))

    def _across_edge(self, pointed: float) -> tuple[float, float] | None:
        """Heading [rad] across the line between two controllers, and its spread; None and a
        problem if they do not lie as asked."""
        trim = self.found.trim_rad or 0.0
        lines = np.array([trimmed(point[1] - point[0], trim) for point in self._points])
        line = lines.mean(axis=0)
        if float(np.hypot(line[0], line[2])) < _EDGE_M:
            self._again(f"The controllers are too close: {100 * _EDGE_M:.0f} cm apart or more.")
            return None
        if abs(float(line[1])) > _SLANT_M:
            self._again("One controller is higher than the other. Lay both on the edge.")
            return None
        across = heading(line) - math.pi / 2
        if abs(wrapped(across - pointed)) > math.pi / 2:
            across += math.pi
        if abs(wrapped(across - pointed)) > _EDGE_RAD:
            self._again("The controllers do not point across the edge, away from the robot.")
            return None
        spread = float(np.std([wrapped(heading(one) - heading(line)) for one in lines]))
        return wrapped(across), spread


def physical_hands(post: Post, swapped: bool) -> dict[Side, Controller]:
    """The controllers of a post by the hand that holds them."""
    if swapped:
        return {"left": post.right, "right": post.left}
    return {"left": post.left, "right": post.right}


def _reach(position: FloatArray, head: FloatArray | None) -> float | None:
    """Horizontal distance of a hand from the head [m]; None if the head is not posted."""
    return None if head is None else float(np.hypot(*(position - head[:3])[[0, 2]]))


def forward_of(hand: Controller) -> FloatArray:
    """Where a controller points, (3,), Unity's axes as posted."""
    return quat_rotate(normalized(hand.quat), np.array([0.0, 0.0, 1.0]))
