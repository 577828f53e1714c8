"""Mouse steps and held keys become hand input that no robot need fear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session.hand_drive import (
    FINE,
    GRIP_LINGER_S,
    MAX_STEP_S,
    MOTIONS,
    SPEED,
    TURN_SPEED,
    HandDrive,
)
from devices.clock import NS_PER_S, FakeClock
from devices.leader import LeaderInput, Side

MS = NS_PER_S // 1000
vectors = st.tuples(*[st.floats(-0.1, 0.1)] * 3)


def drive(measured: float | None = 0.0) -> HandDrive:
    return HandDrive(lambda side: measured)


def hand(reading: LeaderInput | None, side: Side):  # type: ignore[no-untyped-def]
    assert reading is not None
    found = reading.hand(side)
    assert found is not None
    return found


def test_silence_while_nobody_does_anything() -> None:
    hands, clock = drive(), FakeClock()
    for _ in range(5):
        clock.advance_s(0.01)
        assert hands.read(clock.now_ns()) is None


@given(st.lists(vectors, min_size=1, max_size=20))
def test_steps_add_up_while_grabbed(steps: list[tuple[float, float, float]]) -> None:
    hands = drive()
    hands.grab("left")
    start = hand(hands.read(0), "left").pose.position
    for step in steps:
        hands.move(np.array(step))
    there = hand(hands.read(1), "left")
    assert there.clutch
    np.testing.assert_allclose(there.pose.position - start, np.sum(steps, axis=0), atol=1e-12)


@given(vectors, vectors)
def test_nothing_moves_unless_it_is_held(step: tuple[float, ...], turn: tuple[float, ...]) -> None:
    hands = drive()
    hands.move(np.array(step))
    hands.turn(np.array(turn))
    hands.grab("right")
    pose = hand(hands.read(0), "right").pose
    assert not pose.position.any()
    assert pose.quat[0] == 1.0


def test_letting_go_says_so_once_and_then_nothing() -> None:
    hands = drive()
    hands.grab("right")
    assert hand(hands.read(0), "right").clutch
    hands.let_go()
    assert not hand(hands.read(1), "right").clutch
    assert hands.read(2) is None


def test_a_held_key_moves_at_its_speed_and_the_other_hand_parks() -> None:
    hands, clock = drive(), FakeClock()
    hands.hold("+x", True)
    hands.hold("-rz", True)
    for _ in range(51):
        reading = hands.read(clock.now_ns())
        clock.advance_s(0.01)
    assert reading is not None
    assert reading.left is None
    pose = hand(reading, "right").pose
    assert pose.position == pytest.approx([0.5 * SPEED, 0.0, 0.0])
    assert 2 * np.arctan2(-pose.quat[3], pose.quat[0]) == pytest.approx(0.5 * TURN_SPEED)


def test_fine_is_finer() -> None:
    coarse, fine = drive(), drive()
    fine.fine = True
    for hands in (coarse, fine):
        hands.grab("right")
        hands.move(np.array([0.1, 0.0, 0.0]))
    a, b = (hand(hands.read(0), "right").pose.position[0] for hands in (coarse, fine))
    assert b == pytest.approx(FINE * a)


@given(st.floats(0.2, 100.0))
def test_a_late_tick_never_leaps(late_s: float) -> None:
    hands, clock = drive(), FakeClock()
    hands.hold("+z", True)
    hands.read(clock.now_ns())
    clock.advance_s(late_s)
    pose = hand(hands.read(clock.now_ns()), "right").pose
    assert pose.position[2] <= SPEED * MAX_STEP_S + 1e-12


def test_a_grip_alone_holds_the_clutch_until_the_jaws_are_there() -> None:
    hands = drive(measured=0.1)
    hands.toggle_grip(0)
    said = hand(hands.read(1 * MS), "right")
    assert (said.clutch, said.grip) == (True, 1.0)
    assert hand(hands.read(round((GRIP_LINGER_S - 0.01) * NS_PER_S)), "right").clutch
    assert not hand(hands.read(round((GRIP_LINGER_S + 0.01) * NS_PER_S)), "right").clutch


@given(st.floats(0.0, 1.0))
def test_toggle_goes_to_the_far_end(measured: float) -> None:
    hands = drive(measured)
    hands.toggle_grip(0)
    assert hands.grip("right") == (0.0 if measured > 0.5 else 1.0)
    hands.toggle_grip(0)
    assert hands.grip("right") == (1.0 if measured > 0.5 else 0.0)


def test_a_hand_asks_for_no_grip_until_told_and_after_others_moved_the_jaws() -> None:
    hands = drive()
    hands.grab("right")
    assert hand(hands.read(0), "right").grip is None
    hands.set_grip(0.7, 0)
    assert hand(hands.read(1), "right").grip == 0.7
    hands.forget_grips()
    assert hand(hands.read(2), "right").grip is None


def test_degrees_of_grip_start_where_the_jaws_are() -> None:
    hands, clock = drive(measured=0.4), FakeClock()
    hands.hold("close", True)
    for _ in range(11):
        hands.read(clock.now_ns())
        clock.advance_s(0.01)
    assert hands.grip("right") == pytest.approx(0.4 + 0.1 * 0.8, abs=1e-6)


def test_changing_hands_lets_go_of_the_first() -> None:
    hands = drive()
    hands.hold("+x", True)
    hands.grab("right")
    assert hands.other() == "left"
    assert not hands.engaged
    reading = hands.read(0)
    assert reading is None or reading.right is None


@given(st.lists(st.sampled_from([*MOTIONS, "grab", "let_go", "grip", "other", "release"])))
def test_readings_count_up_and_never_clutch_two_hands(script: list[str]) -> None:
    hands, clock, seqs = drive(), FakeClock(), []
    for word in script:
        match word:
            case "grab":
                hands.grab("left")
            case "let_go":
                hands.let_go()
            case "grip":
                hands.toggle_grip(clock.now_ns())
            case "other":
                hands.other()
            case "release":
                hands.release_all()
            case motion:
                hands.hold(motion, True)
        clock.advance_s(0.008)
        reading = hands.read(clock.now_ns())
        if reading is not None:
            seqs.append(reading.seq)
            assert (reading.left is None) != (reading.right is None)
    assert seqs == list(range(len(seqs)))
    hands.release_all()
    hands.read(clock.now_ns())
    assert hands.read(clock.now_ns()) is None


def test_an_unknown_motion_is_named() -> None:
    with pytest.raises(ValueError, match=r"'sideways'.*\+x"):
        drive().hold("sideways", True)
