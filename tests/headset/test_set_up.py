"""The guided set-up with operators whose hands tremble, at any heading, with and without faults."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.tactar.calibration import wrapped
from devices.tactar.set_up import Found, SetUp
from tests.headset.room import Hand, Room, seconds, smooth

angles = st.floats(-np.pi, np.pi)


class Operator:
    """Does what the set-up asks, as well as hands do."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.set_up = SetUp()
        self.began_s = room.time_s
        self.faces = True

    def run(self, duration_s: float, act: Callable[[float], None] | None = None) -> None:
        for post in seconds(self.room, duration_s, act):
            self.set_up.feed(post, self.room.now_ns)

    def squeeze(self, *sides: str) -> None:
        room = self.room
        self.run(0.3)
        for side in sides:
            setattr(room, side, getattr(room, side).grip())
        self.run(0.7)
        for side in sides:
            setattr(room, side, getattr(room, side).grip(False))
        self.run(0.1)

    def push(
        self,
        heading: float,
        length: float = 0.32,
        bow: float = 0.0,
        rise: float = 0.0,
        twist: float = 0.0,
        off: float = 0.0,
        side: str = "right",
    ) -> None:
        """Push along `heading` [rad]; `off` is how far the controller points aside of it."""
        start = getattr(self.room, side).pointing(heading - off)
        along = np.array([np.sin(heading), 0.0, np.cos(heading)])
        across = np.array([np.cos(heading), 0.0, -np.sin(heading)])
        setattr(self.room, side, start)
        if self.faces:
            behind = start.position - 0.35 * along
            self.room.head = Hand(behind + np.array([0.0, 0.6, 0.0]))
        self.run(0.6)

        def move(share: float) -> None:
            way = smooth(share) * length * along + bow * np.sin(np.pi * share) * across
            hand = start.at(start.position + way + [0.0, rise * share, 0.0])
            setattr(self.room, side, hand.pointing(heading - off + twist * share))

        self.run(0.9, move)
        self.run(0.6)

    def point(self, heading: float, side: str = "right", trigger: float = 1.0) -> None:
        hand: Hand = getattr(self.room, side).pointing(heading)
        setattr(self.room, side, Hand(hand.position, hand.quat, trigger))
        self.run(1.2)
        setattr(self.room, side, Hand(hand.position, hand.quat, 0.0))
        self.run(0.1)


@settings(max_examples=40, deadline=None)
@given(
    theta=angles,
    robot=angles,
    facing=angles,
    swapped=st.booleans(),
    patched=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_a_set_up_leads_to_true_directions(
    theta: float, robot: float, facing: float, swapped: bool, patched: bool, seed: int
) -> None:
    room = Room(theta, robot, swapped, patched, tremble_m=5e-4, rng=np.random.default_rng(seed))
    operator = Operator(room)
    set_up = operator.set_up
    set_up.begin()
    operator.squeeze("left")
    assert set_up.found.swapped is swapped, set_up.problem
    operator.push(facing, bow=0.01)
    assert set_up.step == "align", set_up.problem
    operator.point(robot)
    assert set_up.accepted and not set_up.running, set_up.problem
    assert room.time_s - operator.began_s < 60.0, "under a minute"
    found, truth = set_up.found, room.calibration()
    assert found.trim_rad is not None and found.yaw_rad is not None
    assert abs(wrapped(found.trim_rad - truth.trim_rad)) < 0.06
    assert abs(wrapped(found.yaw_rad - truth.yaw_rad)) < 0.03
    assert 0.0 < found.residual_rad < 0.06


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"bow": 0.08}, "straight"),
        ({"rise": 0.3}, "up or down"),
        ({"twist": 0.5}, "turned"),
        ({"length": 0.15}, "at least 25 cm"),
    ],
)
def test_a_bad_push_is_rejected_with_a_sentence(fault: dict[str, float], word: str) -> None:
    operator = Operator(Room(theta=0.7))
    operator.set_up.begin()
    operator.squeeze("left")
    operator.push(0.2, **fault)  # type: ignore[arg-type]
    assert operator.set_up.step == "push_forward"
    assert word in operator.set_up.problem
    operator.room.right = Hand(np.array([0.2, 1.0, 0.3]))
    operator.push(0.2)
    assert operator.set_up.step == "align", operator.set_up.problem


def test_a_push_of_a_controller_that_points_up_is_rejected() -> None:
    operator = Operator(Room())
    operator.set_up.begin()
    operator.squeeze("left")
    steep = np.array([np.cos(-0.6), np.sin(-0.6), 0.0, 0.0])  # 69 degrees up
    start = operator.room.right

    def move(share: float) -> None:
        position = start.position + np.array([0.0, 0.0, 0.32 * smooth(share)])
        operator.room.right = Hand(position, steep)

    operator.run(0.6, lambda _: move(0.0))
    operator.run(0.9, move)
    operator.run(0.6)
    assert "up or down" in operator.set_up.problem


@pytest.mark.parametrize("theta", [0.0, 0.8, 1.6, 3.0])
def test_drawing_a_hand_in_is_no_push(theta: float) -> None:
    """It would be taken for a frame that is turned round; the head tells the difference."""
    operator = Operator(Room(theta))
    operator.set_up.begin()
    operator.squeeze("left")
    operator.push(0.2)
    operator.set_up.go_to("push_forward")
    operator.faces = False
    operator.push(0.2, length=-0.3)
    assert operator.set_up.step == "push_forward"
    assert "away from you" in operator.set_up.problem


def test_both_grips_do_not_tell_which_is_left() -> None:
    operator = Operator(Room())
    operator.set_up.begin()
    operator.squeeze("left", "right")
    assert operator.set_up.step == "squeeze_left"
    assert "Both" in operator.set_up.problem
    operator.squeeze("left")
    assert operator.set_up.found.swapped is True


def test_a_grip_that_was_held_before_does_not_count() -> None:
    operator = Operator(Room())
    operator.room.right = operator.room.right.grip()
    operator.set_up.begin()
    operator.run(2.0)
    assert operator.set_up.found.swapped is None


@settings(max_examples=20, deadline=None)
@given(theta=angles, robot=angles)
def test_two_controllers_on_the_edge_align_finely(theta: float, robot: float) -> None:
    """They point some 17 degrees aside; the edge tells the direction all the same."""
    room = Room(theta, robot, tremble_m=5e-4)
    operator = Operator(room)
    operator.set_up.begin()
    operator.squeeze("left")
    operator.push(0.1)
    across = np.array([np.cos(robot), 0.0, -np.sin(robot)])
    turn = room.left.pointing(robot + 0.3).quat
    room.left = Hand(-0.4 * across + [0, 0.7, 0], turn, 1.0)
    room.right = Hand(0.4 * across + [0, 0.7, 0], turn, 1.0)
    operator.run(1.2)
    assert operator.set_up.accepted, operator.set_up.problem
    found = operator.set_up.found
    assert found.yaw_rad is not None and found.trim_rad is not None
    # What is left of the trim's error turns the edge as it turns all positions.
    off = wrapped(found.trim_rad - 2 * theta)
    assert abs(wrapped(found.yaw_rad - (robot - theta))) < abs(off) + 0.01


def test_a_pointing_hand_that_moves_has_to_start_again() -> None:
    operator = Operator(Room())
    operator.set_up.begin()
    operator.squeeze("left")
    operator.push(0.0)
    room = operator.room
    room.right = Hand(room.right.position, room.right.quat, 1.0)

    def swing(share: float) -> None:
        room.right = room.right.pointing(0.8 * share)

    operator.run(1.2, swing)
    assert operator.set_up.step == "align" and "still" in operator.set_up.problem


def test_the_moves_can_be_made_by_hand_and_out_of_order_ones_say_why() -> None:
    set_up = SetUp()
    set_up.begin()
    assert "left grip" in set_up.go_to("align")
    assert "left grip" in set_up.finish()
    set_up.swap()
    assert (set_up.step, set_up.found.swapped) == ("push_forward", True)
    assert "Push" in set_up.go_to("align")
    set_up.no_trim()
    assert (set_up.step, set_up.found.trim_rad) == ("align", 0.0)
    set_up.swap()
    assert set_up.found.swapped is False
    assert set_up.finish() == "", "the operator says that the app's axes are aligned"
    assert set_up.accepted and set_up.found == Found(False, 0.0, 0.0, 0.0)
    set_up.begin()
    set_up.cancel()
    assert not set_up.running and not set_up.accepted


def test_a_check_accepts_what_still_holds_and_measures_anew_what_does_not() -> None:
    room = Room(theta=0.5, robot=0.1)
    found = Found(True, 1.0, 0.01, -0.4)
    operator = Operator(room)
    operator.set_up.check(found)
    operator.push(0.0)
    assert operator.set_up.accepted and operator.set_up.found == found
    room.theta = 0.9
    operator.set_up.check(found)
    operator.push(0.0)
    assert not operator.set_up.accepted and operator.set_up.step == "align"
    assert "turned" in operator.set_up.problem
    assert operator.set_up.found.trim_rad == pytest.approx(1.8, abs=0.06)


def test_an_operator_who_does_nothing_is_waited_for() -> None:
    operator = Operator(Room())
    operator.set_up.begin()
    operator.squeeze("left")
    operator.run(20.0)
    assert operator.set_up.step == "push_forward" and operator.set_up.problem == ""


def test_axes_that_are_moved_in_the_app_meanwhile_ask_for_another_push() -> None:
    room = Room(theta=0.5)
    operator = Operator(room)
    operator.set_up.begin()
    operator.squeeze("left")
    operator.push(0.0)
    room.theta = 0.1
    operator.set_up.frame_moved()
    assert operator.set_up.step == "push_forward" and "moved" in operator.set_up.problem
    operator.push(0.0)
    assert operator.set_up.finish() == ""
    assert operator.set_up.found.trim_rad == pytest.approx(0.2, abs=0.06)
