"""Posts become readings: true directions at any heading, and trust that has to be earned anew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.leader import LeaderInput, Side
from devices.mapping.clutch import ClutchMapping, ClutchState, Driving
from devices.pose import Pose, quat_conjugate, quat_from_rotvec, quat_multiply
from devices.tactar.hands import Hands
from devices.tactar.wire import Post
from tests.headset.room import Room, seconds, smooth

angles = st.floats(-np.pi, np.pi)


class Driver:
    """Hands and the mapping behind them, as the station has it."""

    def __init__(self, room: Room, calibrated: bool = True) -> None:
        self.room = room
        self.hands = Hands(room.calibration() if calibrated else None)
        self.mapping = ClutchMapping()
        self.state = ClutchState()
        self.tool = Pose(np.array([0.4, 0.2, 0.9]), np.array([1.0, 0.0, 0.0, 0.0]))
        self.last: LeaderInput | None = None
        self.news: list[str] = []
        self.barred = ""

    def run(self, duration_s: float, act: Callable[[float], None] | None = None) -> None:
        for post in seconds(self.room, duration_s, act):
            self.give(post)

    def give(self, post: Post) -> None:
        step = self.hands.step(post, self.room.now_ns, self.barred)
        self.news += [one.kind for one in step.news]
        self.last = step.reading or self.last
        self.state, requests = self.mapping.step(
            self.state,
            step.reading,
            {"left": self.tool, "right": self.tool},
            Driving(),
            self.room.now_ns,
        )
        self.target = requests["left"].target

    @property
    def clutched(self) -> bool:
        return self.target is not None

    def take_hold(self) -> None:
        self.room.left = self.room.left.grip(False)
        self.run(0.05)
        self.room.left = self.room.left.grip()
        self.run(0.05)
        assert self.clutched


def test_a_grip_takes_hold_and_never_moves_the_tool() -> None:
    driver = Driver(Room(theta=0.4, tremble_m=1e-4))
    driver.run(0.1)
    assert not driver.clutched
    driver.room.left = driver.room.left.grip()
    driver.run(1 / 60)
    assert driver.target is not None
    np.testing.assert_allclose(driver.target.position, driver.tool.position, atol=1e-12)


def test_a_grip_that_is_held_from_the_first_post_drives_nothing() -> None:
    room = Room()
    room.left = room.left.grip()
    driver = Driver(room)
    driver.run(0.5)
    assert not driver.clutched
    driver.take_hold()


@settings(max_examples=60, deadline=None)
@given(
    theta=angles,
    robot=angles,
    swapped=st.booleans(),
    patched=st.booleans(),
    delta=st.tuples(*[st.floats(-0.15, 0.15)] * 3),
    turn=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
)
def test_motion_of_the_left_hand_is_true_whatever_the_app_does(
    theta: float,
    robot: float,
    swapped: bool,
    patched: bool,
    delta: tuple[float, ...],
    turn: tuple[float, ...],
) -> None:
    room = Room(theta, robot, swapped, patched, tremble_m=1e-7)
    driver = Driver(room)
    driver.run(0.05)
    room.left = room.left.grip()
    driver.run(1 / 60)
    start, origin = room.left, room.left.position
    first = driver.last
    assert first is not None and first.left is not None

    def move(share: float) -> None:
        room.left = room.left.at(origin + smooth(share) * np.array(delta))
        quat = quat_from_rotvec(smooth(share) * np.array(turn))
        room.left = type(start)(
            room.left.position, quat_multiply(quat, start.quat), 0.3, room.left.buttons
        )

    driver.run(0.25, move)
    last = driver.last
    assert last is not None and last.left is not None
    assert last.left.clutch and last.left.grip == pytest.approx(0.3)
    truth_a, truth_b = room.in_world(start), room.in_world(room.left)
    np.testing.assert_allclose(
        last.left.pose.position - first.left.pose.position,
        truth_b.position - truth_a.position,
        atol=2e-6,
    )
    turned = quat_multiply(last.left.pose.quat, quat_conjugate(first.left.pose.quat))
    truth = quat_multiply(truth_b.quat, quat_conjugate(truth_a.quat))
    assert abs(float(turned @ truth)) == pytest.approx(1.0, abs=1e-9)


def _jump(driver: Driver) -> None:
    driver.room.left = driver.room.left.at(driver.room.left.position + np.array([0.0, 0.35, 0.0]))
    driver.run(0.05)


def _restart(driver: Driver) -> None:
    driver.room.time_s = 0.1
    driver.run(0.1)


def _gap(driver: Driver) -> None:
    driver.room.next(0.2)
    driver.run(0.05)


def _freeze(driver: Driver) -> None:
    driver.room.tremble_m = 0.0
    driver.run(0.4)
    driver.room.tremble_m = 1e-4
    driver.run(0.05)


def _recentre(driver: Driver) -> None:
    driver.room.recentred = 0.6
    driver.room.jolt = np.array([0.2, 0.0, -0.1])
    driver.run(0.05)


def _toggle(driver: Driver) -> None:
    room = driver.room
    for _ in range(2):
        room.left, room.right = room.left.press(1), room.right.press(1)
        driver.run(0.1)
        room.left, room.right = room.left.press(1, False), room.right.press(1, False)
        driver.run(0.6)


def _other_set_up(driver: Driver) -> None:
    driver.hands.use(driver.room.calibration())
    driver.run(0.05)


def _bar(driver: Driver) -> None:
    driver.barred = "the set-up runs"
    driver.run(0.05)
    driver.barred = ""
    driver.run(0.05)


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (_jump, "jump"),
        (_restart, "restart"),
        (_gap, "gap"),
        (_freeze, "tracking"),
        (_recentre, "recentre"),
        (_toggle, "calibrating"),
        (_other_set_up, ""),
        (_bar, ""),
    ],
)
def test_trouble_holds_until_the_grip_was_released_and_squeezed_again(
    trouble: Callable[[Driver], None], kind: str
) -> None:
    driver = Driver(Room(theta=2.8, robot=0.2))
    driver.run(0.1)
    driver.take_hold()
    driver.news.clear()
    trouble(driver)
    assert not driver.clutched, "it lets go"
    assert not kind or kind in driver.news
    assert not kind or driver.hands.counters[kind] >= 1
    driver.run(0.5)
    assert not driver.clutched, "never a silent re-clutch"
    driver.take_hold()


def test_only_the_hand_that_jumped_holds() -> None:
    driver = Driver(Room())
    driver.run(0.1)
    driver.take_hold()
    right = driver.room.right
    driver.room.right = right.at(right.position + np.array([0.5, 0.0, 0.0]))
    driver.run(0.1)
    assert driver.clutched


def test_a_late_post_is_counted_and_changes_nothing() -> None:
    driver = Driver(Room())
    driver.run(0.1)
    driver.take_hold()
    # Were it believed, the hand would jump.
    room = driver.room
    late = room.post(timestamp=room.time_s - 0.03, left=room.post().right)
    driver.give(late)
    assert driver.hands.counters["reordered"] == 1
    assert driver.clutched


def test_an_app_that_died_young_is_told_before_it_drives() -> None:
    room = Room(time_s=1.5)
    driver = Driver(room)
    driver.run(0.2)
    driver.take_hold()
    room.now_ns += 3_000_000_000
    room.time_s = 0.1
    driver.run(1.0)
    assert "restart" in driver.news
    assert not driver.clutched
    driver.take_hold()


def test_nothing_drives_before_the_set_up() -> None:
    driver = Driver(Room(), calibrated=False)
    driver.run(0.1)
    driver.room.left = driver.room.left.grip()
    driver.run(0.2)
    assert not driver.clutched
    assert "set up" in driver.hands.hold("left")


def test_grips_in_the_calibration_mode_count_for_nothing() -> None:
    driver = Driver(Room())
    room = driver.room
    room.left, room.right = room.left.press(1), room.right.press(1)
    driver.run(0.2)
    room.left, room.right = room.left.press(1, False), room.right.press(1, False)
    driver.run(0.2)
    room.left = room.left.grip()
    driver.run(0.2)
    assert driver.hands.calibrating and not driver.clutched
    assert driver.last is not None and not driver.last.deadman
    assert driver.news.count("calibrating") == 2, "once for the mode, once for the grip"


def test_panels_that_the_app_cleared_are_asked_for_again() -> None:
    driver = Driver(Room())
    driver.room.left, driver.room.right = driver.room.left.press(0), driver.room.right.press(0)
    driver.run(0.3)
    assert driver.news == ["cleared"]


@settings(max_examples=30, deadline=None)
@given(
    walk=st.tuples(*[st.floats(-1.5, 1.5)] * 2),
    spin=st.floats(-2.5, 2.5),
    side=st.sampled_from(["left", "right"]),
)
def test_walking_and_turning_with_everything_is_no_recentring(
    walk: tuple[float, float], spin: float, side: Side
) -> None:
    """The whole operator moves as one rigid body at up to 2 m/s and 2.5 rad/s."""
    room = Room()
    driver = Driver(room)
    driver.run(0.1)

    def go(share: float) -> None:
        room.jolt = 0.5 * share * np.array([walk[0], 0.0, walk[1]])
        room.recentred = 0.5 * share * spin

    driver.run(0.5, go)
    assert "recentre" not in driver.news


@pytest.mark.parametrize(
    ("turn", "shift_m", "seen"),
    [(0.11, 0.0, True), (0.0, 0.06, True), (0.09, 0.0, False), (0.0, 0.045, False)],
)
def test_a_recentring_of_5_cm_or_6_degrees_is_seen(turn: float, shift_m: float, seen: bool) -> None:
    """Less is not seen, as the docs say: it is no more than a push is believed to tell."""
    driver = Driver(Room())
    driver.run(0.1)
    driver.room.left = driver.room.left.grip()
    driver.run(0.1)
    driver.room.recentred, driver.room.jolt = turn, np.array([shift_m, 0.0, 0.0])
    driver.run(0.1)
    assert ("recentre" in driver.news) == seen
