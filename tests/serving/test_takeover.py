"""Human and policy on one robot: who drives, from which tick on, and never with a jump."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.runtime.requests import EStop, GoHome, Ok, PolicyUse, Refused, ResetScene, Restart
from tests.serving.bench import Bench

UP = np.array([0.0, 0.0, 0.05])
TICK_S = 0.004


def within_limits(bench: Bench) -> None:
    """Speed and acceleration of everything that was sent keep the guard's limits."""
    for side, limit in bench.robot.limits.items():
        q = bench.rows(f"{side}_arm/q_sent")
        speed = np.diff(q, axis=0) / TICK_S
        assert (np.abs(speed) <= limit.qd_max * (1 + 1e-6) + 1e-9).all()
        acceleration = np.diff(speed, axis=0) / TICK_S
        assert (np.abs(acceleration) <= limit.qdd_max * (1 + 1e-6) + 1e-6).all()


def test_a_policy_takes_hold_without_moving_and_gets_where_it_wants(bench: Bench) -> None:
    puppet = bench.puppet()
    bench.tick(10)
    before = bench.tool().copy()
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    assert np.linalg.norm(bench.tool() - before) < 1e-4, "taking hold moves nothing"
    for tick in range(250):
        if tick % 25 == 0:
            puppet.answer(goal)
        bench.tick()
    np.testing.assert_allclose(bench.tool(), before + UP, atol=2e-3)
    np.testing.assert_allclose(bench.rows("right_gripper/gap_sent")[-1], 0.05, atol=1e-3)
    assert bench.station.status().leader == "policy_a"
    assert len(np.unique(bench.rows("left_arm/q_sent"), axis=0)) == 1, "the other arm parks"
    within_limits(bench)


def test_a_pressed_clutch_takes_over_at_that_very_tick(bench: Bench) -> None:
    puppet = bench.puppet()
    bench.tick(10)
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    bench.tick(60)
    puppet.answer(goal)
    hand = np.zeros(3)
    bench.drive(hand)
    bench.tick()
    assert bench.policies.mode == "taken"
    (event,) = [event for event in bench.events if event.kind == "takeover"]
    assert event.t_ns == bench.clock.now_ns(), "marked at the tick it happened"
    assert event.data["who"] == "mouse" and event.data["digest"] == "abc"
    held = bench.station.status()
    assert held.leader == "window" and held.arms[1].clutched, "the human drives at this tick"
    at = bench.tool().copy()
    for step in range(150):
        hand = np.array([0.0, 0.02 * min(1.0, step / 100), 0.0])
        bench.drive(hand)
        puppet.answer(goal)  # goes on answering, to no avail
        bench.tick()
    moved = bench.tool() - at
    np.testing.assert_allclose(moved[1], 0.02, atol=3e-3)
    within_limits(bench)


def test_a_clutch_that_was_held_before_does_not_take_over(bench: Bench) -> None:
    puppet = bench.puppet()
    puppet.ready()
    for _ in range(10):
        bench.drive(np.zeros(3))
        bench.tick()
    goal = bench.wish(UP)
    assert isinstance(bench.station.handle(PolicyUse("policy_a")), Ok)
    for _ in range(5):
        bench.drive(np.zeros(3))
        bench.tick()
    assert bench.station.status().leader == "window", "who drove goes on until it has answered"
    for _ in range(10):
        puppet.answer(goal)
        bench.drive(np.zeros(3))
        bench.tick()
    assert bench.policies.mode == "driving"
    bench.drive(np.zeros(3), clutch=False)
    bench.tick()
    bench.drive(np.zeros(3))
    bench.tick()
    assert bench.policies.mode == "taken"


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    offset=st.tuples(*[st.floats(-0.15, 0.15)] * 3),
    hands=st.lists(st.tuples(*[st.floats(-0.04, 0.04)] * 3), min_size=1, max_size=4),
    ticks=st.integers(1, 80),
)
def test_no_takeover_and_no_giving_back_breaks_a_limit(
    offset: tuple[float, float, float],
    hands: list[tuple[float, float, float]],
    ticks: int,
) -> None:
    """Wherever the policy wants to go, whenever a hand takes over, wherever that hand jumps."""
    folder = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))
    bench = Bench(folder)
    try:
        puppet = bench.puppet()
        bench.tick(5)
        goal = bench.wish(np.array(offset))
        bench.begin(puppet, goal)
        for hand in hands:
            bench.tick(ticks)
            before = bench.rows("right_arm/q_sent")[-2:]
            bench.drive(np.array(hand))
            bench.tick()
            assert bench.policies.mode == "taken"
            step = bench.rows("right_arm/q_sent")[-1] - before[-1]
            change = np.abs(step - (before[-1] - before[-2]))
            assert (change <= bench.robot.limits["right"].qdd_max * TICK_S**2 + 1e-9).all()
            for part in range(20):
                bench.drive(np.array(hand) * (1 + part / 20))
                bench.tick()
            bench.drive(np.array(hand), clutch=False)
            bench.tick()
            assert isinstance(bench.policies.use("policy_a"), Ok)
            bench.tick()
            puppet.answer(goal)
            bench.tick()
            assert bench.policies.mode == "driving"
        bench.tick(ticks)
        within_limits(bench)
    finally:
        bench.close()
        shutil.rmtree(folder)


def test_hold_resume_and_what_moves_the_robot_otherwise(bench: Bench) -> None:
    puppet = bench.puppet()
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    bench.tick(20)
    assert isinstance(bench.policies.hold(True), Ok)
    bench.tick(100)
    at = bench.tool().copy()
    puppet.answer(goal)
    bench.tick(50)
    np.testing.assert_array_equal(bench.tool(), at)
    assert isinstance(bench.policies.hold(False), Ok)
    for _ in range(40):
        puppet.answer(goal)
        bench.tick(5)
    np.testing.assert_allclose(bench.tool(), goal[:3], atol=2e-3)
    for request in (GoHome(), EStop("test")):
        bench.station.handle(request)
        assert bench.policies.mode == "held", request
        bench.policies.hold(False)
    within_limits(bench)


def test_a_reset_of_the_scene_resets_the_policy_and_holds_it(bench: Bench) -> None:
    puppet = bench.puppet()
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    bench.lines.asked.clear()
    bench.station.handle(ResetScene(9))
    bench.tick(2)
    assert bench.policies.mode == "held"
    assert ("policy_a", PolicyUse("policy_a", 9)) in bench.lines.asked
    assert isinstance(bench.policies.hold(False), Ok)
    at = bench.tool().copy()
    bench.tick(20)
    assert np.linalg.norm(bench.tool() - at) < 1e-6, "what it said before the reset does not count"


def test_two_policies_swap_between_two_ticks(bench: Bench) -> None:
    first, second = bench.puppet("policy_a"), bench.puppet("policy_b")
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(first, goal)
    bench.tick(50)
    second.ready()
    bench.tick()
    assert isinstance(bench.policies.use("policy_b"), Ok)
    for _ in range(20):
        first.answer(goal)
        bench.tick()
        assert bench.station.status().leader == "policy_a"
    second.answer(goal - [0.0, 0.0, 0.02, 0.0])
    bench.tick()
    assert bench.station.status().leader == "policy_b"
    assert ("policy_a", PolicyUse("")) in bench.lines.asked
    sent = len(bench.rows("right_arm/q_sent"))
    bench.tick(10)
    assert len(bench.rows("right_arm/q_sent")) == sent + 10, "one row a tick, through it all"
    within_limits(bench)


@pytest.mark.parametrize("last", [0, 1])
def test_a_new_policy_is_loaded_where_the_last_one_that_drove_is_not(
    bench: Bench, last: int
) -> None:
    """Who has just tried one and loads another wants to compare the two."""
    puppets = [bench.puppet("policy_a"), bench.puppet("policy_b")]
    for puppet in (puppets[1 - last], puppets[last]):
        bench.tick(10)
        bench.begin(puppet, bench.wish(UP))
        bench.tick(10)
    bench.station.handle(PolicyUse(""))
    bench.tick(10)
    slot = puppets[1 - last].slot
    assert bench.policies.load("/policies/new") == Ok(slot)
    bench.tick(10)
    assert bench.policies.load("/policies/new") == Ok(slot), "an earlier checkpoint of the same"


class Eager:
    """A watched folder with a new checkpoint at every look."""

    use = False
    path = Path("/policies/policy_a")  # as the puppet says

    def newest(self) -> Path:
        return self.path

    def close(self) -> None:
        pass


def test_checkpoints_that_come_faster_than_they_load_get_ready_all_the_same(bench: Bench) -> None:
    puppets = {slot: bench.puppet(slot) for slot in ("policy_a", "policy_b")}
    bench.policies._watch = Eager()  # type: ignore[assignment]
    bench.tick(50)
    (asked,) = [request for _, request in bench.lines.asked if isinstance(request, Restart)]
    for phase in ("loading", "checking", "warming"):
        puppets[str(asked.child)].ready(phase)
        bench.tick(50)
    assert sum(isinstance(request, Restart) for _, request in bench.lines.asked) == 1
    puppets[str(asked.child)].ready()
    bench.tick(2)
    again = [request for _, request in bench.lines.asked if isinstance(request, Restart)][1:]
    assert [request.child for request in again] == [asked.child], "where the last one went"


def test_a_policy_that_never_answers_does_not_get_the_robot(bench: Bench) -> None:
    first, second = bench.puppet("policy_a"), bench.puppet("policy_b")
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(first, goal)
    second.ready()
    bench.tick()
    bench.policies.use("policy_b")
    for _ in range(110):
        first.answer(goal)
        bench.tick(25)
    assert bench.station.status().leader == "policy_a"
    assert any("has not answered" in text for text in bench.told("fault"))


def test_what_cannot_be_used_is_refused(bench: Bench) -> None:
    puppet = bench.puppet()
    assert isinstance(bench.policies.use("policy_a"), Refused)
    assert isinstance(bench.policies.hold(True), Refused)
    puppet.ready("failed")
    bench.tick()
    assert isinstance(bench.policies.use("policy_a"), Refused)
    assert bench.told("fault")
