"""Posts of the app → `LeaderInput`: order, exchange of hands, corrections, trust.

Whatever casts doubt on a hand (an app that started again, a recentred headset, a jump, a pose
that froze, a pause between posts, the app's own calibration mode) lets go of the clutch at once,
and only a grip that was seen released takes hold again. The mapping in the station judges the same
again from what it gets, so that either alone is enough.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from devices.leader import SIDES, HandInput, LeaderInput, Side
from devices.pose import (
    Pose,
    normalized,
    quat_conjugate,
    quat_multiply,
    quat_rotate,
    rotvec_from_quat,
)
from devices.stream import FloatArray
from devices.tactar.calibration import Calibration, wrapped
from devices.tactar.frames import hand_to_world, yaw_quat
from devices.tactar.order import PostOrder
from devices.tactar.set_up import physical_hands
from devices.tactar.wire import Controller, Post

DEVICE: Final = "headset"

NewsKind = Literal[
    "restart", "gap", "jump", "tracking", "recentre", "calibrating", "calibrated", "cleared"
]

_A_X: Final = 1
_B_Y: Final = 0


@dataclass(frozen=True, slots=True)
class HandLimits:
    """When a hand is no longer believed.

    Attributes:
        gap_ns: Pause between posts after which a held clutch is let go [ns].
        jump_m, jump_rad: Change between two posts that no hand makes.
        frozen_ns: A tracked controller trembles; one that posts the very same pose for longer
            than this is not tracked any more [ns].
        debounce_s: Within this time the app takes a second X + A for the same one [s].
        rigid_m, rigid_rad: How alike head and both hands must have moved for a recentring.
    """

    gap_ns: int = 150_000_000
    jump_m: float = 0.3
    jump_rad: float = 1.5
    frozen_ns: int = 300_000_000
    debounce_s: float = 0.5
    rigid_m: float = 0.02
    rigid_rad: float = 0.03


@dataclass(frozen=True, slots=True)
class News:
    """Something that the operator should know; `side` is None when it concerns both hands."""

    kind: NewsKind
    text: str
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one post.

    Attributes:
        reading: What the robot is asked for; None for a post that came too late to count.
        hands: The controllers by the hand that holds them, as posted; {} without a reading.
        news: What happened, in words.
    """

    reading: LeaderInput | None = None
    hands: dict[Side, Controller] = field(default_factory=dict)
    news: tuple[News, ...] = ()


@dataclass(slots=True)
class _Hand:
    """What is remembered of one hand. `fresh` says why its grip must be released first."""

    fresh: str = "the headset has only just come"
    raw: tuple[FloatArray, FloatArray] | None = None
    moved_ns: int = 0
    lost: bool = False
    held: bool = False


class Hands:
    """Turns the posts of one headset into readings. No clock, no socket: times are told.

    Args:
        calibration: What corrects the frame; None drives nothing.
        limits: When a hand is believed.
        latency_ns: How old a pose is when its post arrives [ns]. Nobody has measured it for this
            app, so it is 0 until somebody does.

    Attributes:
        counters: How often each kind of news happened, and "reordered".
        calibrating: The app is in its calibration mode, as far as its buttons tell.
    """

    def __init__(
        self,
        calibration: Calibration | None = None,
        limits: HandLimits | None = None,
        latency_ns: int = 0,
    ) -> None:
        self.limits = limits or HandLimits()
        self.latency_ns = latency_ns
        self.counters: Counter[str] = Counter()
        self.calibrating = False
        self._calibration = calibration
        self._hands: dict[Side, _Hand] = {side: _Hand() for side in SIDES}
        self._head: tuple[FloatArray, FloatArray] | None = None
        self._order = PostOrder()
        self._stamp: float | None = None
        self._arrival_ns = 0
        self._seq = 0
        self._toggled_s = -math.inf
        self._both_a = self._both_b = False

    @property
    def calibration(self) -> Calibration | None:
        return self._calibration

    def use(self, calibration: Calibration | None) -> None:
        """Correct with another calibration; held clutches must be pressed afresh."""
        if (calibration is None) != (self._calibration is None) or (
            calibration is not None
            and self._calibration is not None
            and calibration.swapped != self._calibration.swapped
        ):
            self._forget_poses()
        self._calibration = calibration
        self._let_go("the set-up of the headset changed")

    def not_calibrating(self) -> None:
        """Correct the guess about the app's calibration mode: it is not in it."""
        self.calibrating = False

    def hold(self, side: Side) -> str:
        """Why a hand does not take hold though its grip is squeezed, or ""."""
        return self._hands[side].fresh

    def holds(self) -> dict[Side, str]:
        """Hands that drive nothing though their grip is squeezed, or that are not seen: why."""
        found: dict[Side, str] = {}
        for side, mine in self._hands.items():
            if mine.lost or (mine.held and mine.fresh):
                found[side] = mine.fresh or "its tracking was lost"
        return found

    # ------------------------------------------------------------------------------- one post
    def step(self, post: Post, arrival_ns: int, barred: str = "", way: str = "") -> Step:
        """Take one post in.

        Args:
            post: As parsed: finite numbers, quaternions of about unit length.
            arrival_ns: When it arrived [ns, monotonic].
            barred: Why nobody may drive from here now (a set-up runs, the calibration is in
                doubt), or "". A grip that is held now must be released afterwards.
            way: The way out of that.
        """
        news: list[News] = []
        before = self._stamp
        verdict = self._order.judge(post.timestamp)
        if verdict == "late":
            self.counters["reordered"] += 1
            return Step()
        quiet_ns = arrival_ns - self._arrival_ns
        if verdict == "restart":
            news.append(self._restarted())
        elif verdict == "next" and quiet_ns > self.limits.gap_ns:
            self._tell_gap(quiet_ns, news)
        self._stamp, self._arrival_ns = post.timestamp, arrival_ns
        swapped = True if self._calibration is None else self._calibration.swapped
        hands = physical_hands(post, swapped)
        self._watch_buttons(hands, post.timestamp, news)
        passed_s = 0.0 if before is None else max(0.0, post.timestamp - before)
        self._watch_recentring(post, hands, passed_s, news)
        reason = barred
        if self._calibration is None:
            reason, way = reason or "the headset has not been set up", way or "set it up"
        if self.calibrating:
            reason, way = "the app's calibration mode", "press X and A together to leave it"
        readings = {side: self._hand(side, hands[side], arrival_ns, reason, news) for side in SIDES}
        self._head = None if post.head is None else (post.head[:3], post.head[3:])
        self._seq += 1
        reading = LeaderInput(
            device=DEVICE,
            seq=self._seq - 1,
            t_ns=arrival_ns - self.latency_ns,
            left=readings["left"],
            right=readings["right"],
            deadman=not reason,
            barred=_barred(reason, way),
        )
        for one in news:
            self.counters[one.kind] += 1
        return Step(reading, hands, tuple(news))

    def _hand(
        self, side: Side, hand: Controller, now_ns: int, reason: str, news: list[News]
    ) -> HandInput:
        mine = self._hands[side]
        pose = (hand.position, hand.quat)
        grip = hand.grip
        if mine.raw is None:
            mine.moved_ns = now_ns
        elif _same(mine.raw, pose):
            if now_ns - mine.moved_ns > self.limits.frozen_ns and not mine.lost:
                mine.lost = True
                self._distrust(side, grip, "tracking", "its tracking was lost", news)
        else:
            mine.moved_ns, mine.lost = now_ns, False
            if self._jumped(mine.raw, pose):
                self._distrust(side, grip, "jump", "it jumped", news)
        mine.raw = pose
        if grip and (reason or mine.lost):
            if reason == "the app's calibration mode" and not mine.held:
                # Said once a squeeze: in its calibration mode the app goes on posting.
                text = "A grip counts for nothing while the app is in its calibration mode (X + A)"
                news.append(News("calibrating", text, side))
            mine.fresh = mine.fresh or reason or "its tracking was lost"
        elif not grip and not mine.lost:
            mine.fresh = ""
        mine.held = grip
        return HandInput(
            clutch=grip and not (reason or mine.fresh or mine.lost),
            pose=self._in_world(*pose),
            grip=float(np.clip(hand.trigger, 0.0, 1.0)),
        )

    def _in_world(self, position: FloatArray, quat: FloatArray) -> Pose:
        """`T_world_hand`; told as posted while nothing corrects it, since then nothing drives."""
        if self._calibration is None:
            return hand_to_world(position, quat)
        return self._calibration.hand_in_world(position, quat)

    def _distrust(self, side: Side, grip: bool, kind: NewsKind, why: str, news: list[News]) -> None:
        mine = self._hands[side]
        if grip or mine.held:
            text = f"The {side} controller holds: {why}; release the grip and squeeze it again"
            news.append(News(kind, text, side))
            mine.fresh = mine.fresh or why
        else:
            self.counters[kind] += 1

    def _jumped(
        self, before: tuple[FloatArray, FloatArray], now: tuple[FloatArray, FloatArray]
    ) -> bool:
        turned = rotvec_from_quat(quat_multiply(now[1], quat_conjugate(before[1])))
        return (
            float(np.linalg.norm(now[0] - before[0])) > self.limits.jump_m
            or float(np.linalg.norm(turned)) > self.limits.jump_rad
        )

    # ---------------------------------------------------------------------- what concerns both
    def _let_go(self, why: str) -> None:
        for mine in self._hands.values():
            mine.fresh = mine.fresh or why

    def _forget_poses(self) -> None:
        self._head = None
        for mine in self._hands.values():
            mine.raw, mine.lost = None, False

    def _restarted(self) -> News:
        self._forget_poses()
        self._let_go("the app was started again")
        self.calibrating, self._toggled_s = False, -math.inf
        self._both_a = self._both_b = False
        return News("restart", "The app on the headset was started again; its frame may be another")

    def _tell_gap(self, quiet_ns: int, news: list[News]) -> None:
        if any(mine.held for mine in self._hands.values()):
            text = (
                f"Nothing came from the headset for {quiet_ns / 1e9:.1f} s; squeeze the grip anew"
            )
            news.append(News("gap", text))
        else:
            self.counters["gap"] += 1
        self._let_go("posts were missing")

    def _watch_buttons(
        self, hands: dict[Side, Controller], stamp_s: float, news: list[News]
    ) -> None:
        """X + A switches the app's calibration mode, Y + B clears its panels."""
        both_a = all(hand.buttons[_A_X] for hand in hands.values())
        if both_a and not self._both_a and stamp_s - self._toggled_s >= self.limits.debounce_s:
            self._toggled_s = stamp_s
            self.calibrating = not self.calibrating
            if self.calibrating:
                self._let_go("the app's calibration mode")
                text = "The app is in its calibration mode (X + A); nothing drives until it ends"
                news.append(News("calibrating", text))
            else:
                text = "The app's calibration mode ended; its frame may be another one now"
                news.append(News("calibrated", text))
        both_b = all(hand.buttons[_B_Y] for hand in hands.values())
        if both_b and not self._both_b:
            news.append(News("cleared", "The app cleared its panels (Y + B); they are sent again"))
        self._both_a, self._both_b = both_a, both_b

    def _watch_recentring(
        self, post: Post, hands: dict[Side, Controller], passed_s: float, news: list[News]
    ) -> None:
        """Head and both hands that jump as one rigid body: the frame moved, not the operator."""
        if self._head is None or post.head is None:
            return
        head = (post.head[:3], post.head[3:])
        turn, shift, left_over = common_turn(self._head, head)
        # Nobody walks at 3 m/s or turns at 6 rad/s; after a pause a step to the side is possible.
        # At 60 posts a second that is 5 cm or 6 degrees: less is no more than a push is believed
        # to tell (docs/headset.md).
        passed_s = min(passed_s, 0.05)
        moved = float(np.linalg.norm(head[0] - self._head[0]))
        if moved < max(0.05, 3.0 * passed_s) and abs(turn) < max(0.1, 6.0 * passed_s):
            return
        rigid_m, rigid_rad = self.limits.rigid_m, self.limits.rigid_rad
        if left_over > rigid_rad:
            return
        for side in SIDES:
            old = self._hands[side].raw
            if old is None:
                return
            now = (hands[side].position, hands[side].quat)
            its_turn, _, its_rest = common_turn(old, now)
            expected = quat_rotate(yaw_quat(turn), old[0]) + shift
            if (
                float(np.linalg.norm(now[0] - expected)) > rigid_m
                or abs(wrapped(its_turn - turn)) > rigid_rad
                or its_rest > rigid_rad
            ):
                return
        self._forget_poses()
        self._let_go("the headset was recentred")
        text = "The headset was recentred: head and hands jumped as one"
        news.append(News("recentre", text))


def common_turn(
    before: tuple[FloatArray, FloatArray], now: tuple[FloatArray, FloatArray]
) -> tuple[float, FloatArray, float]:
    """The turn about the vertical and the shift that take one pose to another.

    Args:
        before, now: Position (3,) [m] and quaternion wxyz (4,), Unity.

    Returns:
        Turn [rad]; shift (3,) [m], so that now = turn * before + shift; and how much of the
        rotation the turn leaves unexplained [rad].
    """
    change = normalized(quat_multiply(now[1], quat_conjugate(before[1])))
    turn = wrapped(2.0 * math.atan2(float(change[2]), float(change[0])))
    vertical = yaw_quat(turn)
    rest = quat_multiply(quat_conjugate(vertical), change)
    left_over = 2.0 * math.atan2(float(np.linalg.norm(rest[1:])), abs(float(rest[0])))
    return turn, np.asarray(now[0] - quat_rotate(vertical, before[0])), left_over


def _same(a: tuple[FloatArray, FloatArray], b: tuple[FloatArray, FloatArray]) -> bool:
    return bool(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]))


def _barred(reason: str, way: str) -> str:
    """Why nobody may drive and the way out, as words: lower case, no full stop."""
    if not reason:
        return ""
    words = f"{reason[:1].lower()}{reason[1:].rstrip('.')}"
    return f"{words}: {way}" if way else words
