"""Promises of the clutch: it never jumps, and it never takes hold by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import ConfigError
from devices.leader import HandInput, LeaderInput, Side
from devices.mapping.clutch import MOTIONS, ClutchMapping, ClutchState, Driving, SideRequest, Trust
from devices.pose import Pose, quat_conjugate, quat_from_rotvec, quat_multiply, rotvec_from_quat

START_NS = 10**12
TICK_NS = 4_000_000
LONG_LEASH = Trust(leash_m=100.0, leash_rad=3.1)

coordinates = st.floats(-1.0, 1.0)
vectors = st.tuples(coordinates, coordinates, coordinates).map(np.array)
poses = st.builds(lambda p, r: Pose(p, quat_from_rotvec(r)), vectors, vectors)
small = st.builds(lambda p, r: Pose(0.15 * p, quat_from_rotvec(0.8 * r)), vectors, vectors)
scales = st.floats(0.1, 5.0)
drivings = st.builds(Driving, scales, scales, st.tuples(*[st.booleans()] * 6))


class Hands:
    """A mapping with one left hand on it and a tool that is always where it was asked to be."""

    def __init__(
        self, tool: Pose, driving: Driving | None = None, trust: Trust | None = None
    ) -> None:
        self.mapping, self.state = ClutchMapping(trust or Trust()), ClutchState()
        self.tools: dict[Side, Pose] = {"left": tool}
        self.driving = driving or Driving()
        self.seq, self.now_ns = 0, START_NS

    def move(self, pose: Pose, clutch: bool = True, **changes: Any) -> SideRequest:
        fields: dict[str, Any] = {
            "device": "pad",
            "seq": self.seq,
            "t_ns": self.now_ns + TICK_NS,
            "left": HandInput(clutch, pose, changes.pop("grip", None)),
        }
        self.seq += 1
        return self.read(LeaderInput(**{**fields, **changes}))

    def read(self, reading: LeaderInput | None, hold: str = "") -> SideRequest:
        self.now_ns += TICK_NS
        self.state, requests = self.mapping.step(
            self.state, reading, self.tools, self.driving, self.now_ns, hold
        )
        request = requests["left"]
        if request.target is not None:
            self.tools["left"] = request.target
        return request


def same(a: Pose | None, b: Pose | None, tolerance: float = 1e-9) -> bool:
    if a is None or b is None:
        return a is b
    turn = rotvec_from_quat(quat_multiply(a.quat, quat_conjugate(b.quat)))
    near = float(np.linalg.norm(a.position - b.position)) <= tolerance
    return near and float(np.linalg.norm(turn)) <= 1e-6


@given(tool=poses, hand=poses, driving=drivings)
def test_pressing_the_clutch_never_moves_the_target(tool, hand, driving):
    hands = Hands(tool, driving)
    assert same(hands.move(hand).target, tool)


@given(tool=poses, hand=poses, moves=st.lists(small, max_size=6), driving=drivings, back=poses)
def test_releasing_moving_and_pressing_again_never_moves_the_target(
    tool, hand, moves, driving, back
):
    hands = Hands(tool, driving)
    hands.move(hand)
    for move in moves:
        hands.move(move @ hand)
    held = hands.tools["left"]
    assert hands.move(back, clutch=False).target is None
    assert same(hands.move(back).target, held)


@given(tool=poses, hand=poses, move=small, scale=scales, turn=st.floats(0.1, 2.0))
def test_the_tool_moves_by_the_scaled_motion_of_the_hand(tool, hand, move, scale, turn):
    hands = Hands(tool, Driving(scale, turn), LONG_LEASH)
    hands.move(hand)
    rotvec = rotvec_from_quat(move.quat)
    moved = Pose(hand.position + move.position, quat_multiply(move.quat, hand.quat))
    target = hands.move(moved).target
    expected = Pose(
        tool.position + scale * move.position,
        quat_multiply(quat_from_rotvec(turn * rotvec), tool.quat),
    )
    assert same(target, expected)


@given(tool=poses, moves=st.lists(small, min_size=1, max_size=20))
def test_the_request_never_runs_far_ahead_of_a_tool_that_is_held_up(tool, moves):
    """The tool stands: the clutch slips, and a hand that turns back is followed at once."""
    hands = Hands(tool)
    leash = hands.mapping.trust
    pose, target = Pose.identity(), hands.move(Pose.identity()).target
    for move in [*moves, *[moves[-1]] * 10]:
        pose = Pose(pose.position + move.position, quat_multiply(move.quat, pose.quat))
        hands.tools["left"] = tool
        target = hands.move(pose).target
        if target is None:
            return  # the hand jumped
        lead = target.position - tool.position
        turn = rotvec_from_quat(quat_multiply(target.quat, quat_conjugate(tool.quat)))
        assert np.linalg.norm(lead) <= leash.leash_m + 1e-9
        assert np.linalg.norm(turn) <= leash.leash_rad + 1e-6
    back = Pose(pose.position - 0.01 * lead, pose.quat)
    hands.tools["left"] = tool
    returned = hands.move(back).target
    assert returned is not None
    np.testing.assert_allclose(returned.position - target.position, -0.01 * lead, atol=1e-9)


@given(tool=poses, hand=poses, move=small, before=drivings, after=drivings)
def test_a_new_scale_in_mid_clutch_takes_a_new_reference(tool, hand, move, before, after):
    hands = Hands(tool, before)
    hands.move(hand)
    held = hands.move(move @ hand).target
    hands.driving = after
    assert same(hands.move(move @ hand).target, held)
    hands.driving = before
    assert same(hands.read(None).target, held)


@given(turns=st.lists(st.floats(-0.5, 0.5), max_size=60), scale=st.floats(0.2, 3.0))
def test_turning_the_hand_round_and_round_never_jumps(turns, scale):
    hands = Hands(Pose.identity(), Driving(1.0, scale))
    angle, last = 0.0, hands.move(Pose.identity()).target
    for turn in [*turns, *[0.5] * 30]:
        angle += turn
        target = hands.move(Pose(np.zeros(3), quat_from_rotvec(np.array([0, 0, angle])))).target
        assert target is not None and last is not None
        step = rotvec_from_quat(quat_multiply(target.quat, quat_conjugate(last.quat)))
        assert np.linalg.norm(step) <= scale * abs(turn) + 1e-6
        last = target


@given(hand=poses, move=small, motion=st.sampled_from(sorted(MOTIONS)))
def test_axes_that_are_not_followed_stay(hand, move, motion):
    hands = Hands(Pose.identity(), Driving.of(motion), LONG_LEASH)
    hands.move(hand)
    target = hands.move(Pose(hand.position + move.position, quat_multiply(move.quat, hand.quat)))
    assert target.target is not None
    change = np.concatenate([target.target.position, rotvec_from_quat(target.target.quat)])
    followed = np.array(MOTIONS[motion])
    np.testing.assert_allclose(change[~followed], 0.0, atol=1e-9)
    np.testing.assert_allclose(change[:3], move.position, atol=1e-9)


@given(hand=poses, late=poses)
def test_old_and_repeated_readings_change_nothing(hand, late):
    hands = Hands(Pose.identity())
    hands.seq = 5
    hands.move(hand)
    held = hands.tools["left"]
    for seq in (5, 4, 0):
        reading = LeaderInput("pad", seq, hands.now_ns, HandInput(True, late))
        assert same(hands.read(reading).target, held)


def lost(hands: Hands, how: str) -> SideRequest:
    """Lose trust in one of the ways there are; the hand keeps the clutch pressed."""
    pose = Pose.identity()
    if how == "stale":
        for _ in range(40):
            request = hands.read(None)
        return request
    if how == "old stamp":
        return hands.move(pose, t_ns=hands.now_ns - 200_000_000)
    if how == "deadman":
        return hands.move(pose, deadman=False)
    if how == "jump":
        return hands.move(Pose(np.array([0.5, 0, 0]), pose.quat))
    if how == "nonsense":
        return hands.move(Pose(np.array([np.nan, 0, 0]), pose.quat))
    if how == "other device":
        return hands.move(pose, device="headset", seq=0)
    assert how == "barred"
    return hands.read(None, "going home")


WAYS = ["stale", "old stamp", "deadman", "jump", "nonsense", "other device", "barred"]


@pytest.mark.parametrize("how", WAYS)
def test_lost_trust_holds_until_the_clutch_is_pressed_afresh(how):
    hands = Hands(Pose.identity())
    hands.move(Pose.identity())
    assert hands.move(Pose(np.array([0.1, 0, 0]), [1, 0, 0, 0])).target is not None
    held = hands.tools["left"]
    request = lost(hands, how)
    assert request.target is None and request.hold
    device = "headset" if how == "other device" else "pad"
    for _ in range(5):
        request = hands.move(Pose.identity(), device=device)
        assert request.target is None and "press it again" in request.hold
    hands.move(Pose.identity(), clutch=False, device=device)
    assert same(hands.move(Pose.identity(), device=device).target, held)


def test_a_device_that_may_not_drive_says_why_and_one_that_nobody_holds_says_that() -> None:
    hands = Hands(Pose.identity())
    barred = hands.move(Pose.identity(), deadman=False, barred="in doubt: push once more")
    assert barred.target is None and barred.hold == "in doubt: push once more"
    assert hands.move(Pose.identity(), deadman=False).hold.startswith("nobody holds")


@pytest.mark.parametrize("how", ["stale", "barred"])
def test_a_clutch_that_was_not_held_needs_no_release(how):
    hands = Hands(Pose.identity())
    hands.move(Pose.identity(), clutch=False)
    lost(hands, how)
    assert hands.move(Pose.identity()).target is not None


def test_a_device_that_counts_from_zero_again_is_believed_once_the_old_one_is_stale():
    hands = Hands(Pose.identity())
    hands.seq = 1000
    hands.move(Pose.identity())
    hands.seq = 0
    assert hands.move(Pose(np.array([0.1, 0, 0]), [1, 0, 0, 0])).target is not None
    assert same(hands.tools["left"], Pose.identity())
    for _ in range(40):
        hands.read(None)
    hands.seq = 0
    assert "press it again" in hands.move(Pose.identity()).hold
    hands.move(Pose.identity(), clutch=False)
    assert hands.move(Pose.identity()).target is not None


def test_an_absent_hand_parks_and_grip_follows_only_the_clutch():
    hands = Hands(Pose.identity())
    assert hands.move(Pose.identity(), grip=0.4).grip == 0.4
    assert hands.move(Pose.identity(), grip=7.0).grip == 1.0
    assert hands.move(Pose.identity(), grip=float("nan")).grip is None
    assert hands.move(Pose.identity(), clutch=False, grip=0.1).grip is None
    parked = hands.move(Pose.identity(), left=None)
    assert parked == SideRequest(None, None, "parked")


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 11.0])
def test_unusable_scales_are_refused(scale):
    with pytest.raises(ConfigError, match="translation_scale"):
        Driving(translation_scale=scale)
    with pytest.raises(ConfigError, match="6dof"):
        Driving.of("sideways")  # type: ignore[arg-type]
