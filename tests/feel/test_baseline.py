"""The grasp baseline: taken when a grasp is still, gone when the hand is open, harmless else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devices.clock import NS_PER_S, FakeClock
from devices.feel_baseline import GraspBaseline, GraspRule
from devices.stream import FloatArray

RULE = GraspRule()
STEP_S = 1 / 125
moments = st.lists(
    st.tuples(st.floats(0.0, 0.06), st.floats(0.0, 40.0), st.integers(1, 90)), max_size=12
)


class Hand:
    """A gripper on a fake clock: one pad whose deformation is a number everywhere."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.baseline = GraspBaseline(RULE)
        self.moved: FloatArray = np.zeros((63, 3))

    def be(self, gap: float, normal: float, seconds: float, moved: float = 0.0) -> None:
        self.moved = np.full((63, 3), moved)
        for _ in range(round(seconds / STEP_S)):
            self.clock.advance_s(STEP_S)
            self.baseline.update(self.clock.now_ns(), gap, normal, {"pad": self.moved})

    @property
    def shown(self) -> FloatArray:
        return self.baseline.shown("pad", self.moved)


def test_a_still_grasp_becomes_the_baseline_until_the_hand_is_open() -> None:
    hand = Hand()
    hand.be(0.05, 0.0, 1.0)
    assert hand.baseline.state == "open"
    hand.be(0.024, 30.0, 0.3, moved=1e-3)
    assert hand.baseline.state == "closing"
    hand.be(0.024, 30.0, 0.25, moved=1e-3)
    assert hand.baseline.state == "settling" and not hand.baseline.subtracts("pad")
    hand.be(0.024, 30.0, 0.3, moved=1e-3)
    assert hand.baseline.state == "held" and hand.baseline.subtracts("pad")
    assert np.abs(hand.shown).max() == 0.0
    hand.be(0.024, 31.0, 1.0, moved=1.5e-3)
    np.testing.assert_allclose(hand.shown, 0.5e-3)
    hand.be(0.05, 0.0, 0.3)
    assert hand.baseline.subtracts("pad"), "not yet steadily open"
    hand.be(0.05, 0.0, 0.4)
    assert hand.baseline.state == "open" and hand.shown is hand.moved


@given(moments, st.floats(-2e-3, 2e-3))
def test_without_a_baseline_all_is_shown_as_it_is(
    told: list[tuple[float, float, int]], moved: float
) -> None:
    hand = Hand()
    for gap, normal, steps in told:
        hand.be(gap, normal, steps * STEP_S, moved)
        if not hand.baseline.subtracts("pad"):
            assert hand.shown is hand.moved


@given(moments)
def test_subtracting_changes_nothing_that_comes_in(told: list[tuple[float, float, int]]) -> None:
    hand = Hand()
    hand.be(0.024, 30.0, 1.2, moved=1e-3)
    assert hand.baseline.subtracts("pad")
    for gap, normal, steps in told:
        hand.be(gap, normal, steps * STEP_S, moved=1e-3)
        before = hand.moved.copy()
        assert (hand.shown[:, 2] >= 0).all()
        np.testing.assert_array_equal(hand.moved, before)


@given(moments)
def test_opening_removes_it_whatever_was(told: list[tuple[float, float, int]]) -> None:
    hand = Hand()
    for gap, normal, steps in told:
        hand.be(gap, normal, steps * STEP_S, 1e-3)
    hand.be(0.06, 0.0, 0.6)
    assert hand.baseline.state == "open" and not hand.baseline.subtracts("pad")


def test_a_moving_or_weak_grip_is_no_grasp() -> None:
    hand = Hand()
    for k in range(100):
        hand.be(0.02 + 0.002 * (k % 2), 30.0, 0.02, 1e-3)
    assert not hand.baseline.subtracts("pad")
    hand = Hand()
    hand.be(0.02, 0.5 * (RULE.held_n + RULE.open_n), 2.0, 1e-3)
    assert not hand.baseline.subtracts("pad")


def test_it_can_be_switched_off_and_on() -> None:
    hand = Hand()
    hand.be(0.024, 30.0, 1.2, 1e-3)
    hand.baseline.switch(False)
    assert not hand.baseline.subtracts("pad") and hand.shown is hand.moved
    hand.be(0.024, 30.0, 1.2, 1e-3)
    assert not hand.baseline.subtracts("pad")
    hand.baseline.switch(True)
    hand.be(0.024, 30.0, 0.3, 1e-3)
    assert hand.baseline.subtracts("pad")


def test_an_unknown_gap_holds_the_state_as_it_is() -> None:
    hand = Hand()
    hand.be(0.024, 30.0, 1.2, 1e-3)
    hand.be(float("nan"), 0.0, 2.0, 1e-3)
    assert hand.baseline.subtracts("pad")


def test_a_clock_that_begins_anew_does_no_harm() -> None:
    hand = Hand()
    hand.be(0.024, 30.0, 1.2, 1e-3)
    hand.clock = FakeClock(NS_PER_S)
    hand.be(0.06, 0.0, 0.8)
    assert not hand.baseline.subtracts("pad")
