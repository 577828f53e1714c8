"""Whatever a person holds takes over: the headset, a gamepad; and gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.runtime.requests import Ok, PolicyUse
from devices.leaders.gamepad import GamepadLeader
from policies.serving.follow import RULES
from tests.driving.simulated_pad import SimulatedPad
from tests.serving.bench import Bench
from tests.serving.test_takeover import UP, within_limits

Squeeze = Callable[[bool], None]


@pytest.fixture
def pad(tmp_path: Path) -> Iterator[SimulatedPad]:
    simulated = SimulatedPad(tmp_path)
    yield simulated
    simulated.pull()


@pytest.fixture
def bench(folder: Path, pad: SimulatedPad) -> Iterator[Bench]:
    made = Bench(folder, {"gamepad": lambda clock: GamepadLeader(clock, pad.directory)})
    yield made
    made.close()


def taken_at_the_first_tick(bench: Bench, device: str) -> None:
    (event,) = [event for event in bench.events if event.kind == "takeover"]
    assert event.t_ns == bench.clock.now_ns() and event.data["who"] == device
    status = bench.station.status()
    assert status.leader == device and status.arms[1].clutched, "the human's first tick counts"
    assert bench.rows("leader/right")[-1, 7] == 1.0, "and is recorded as the leader's"
    assert len(bench.rows("right_arm/T_world_tool_requested"))


def given_back(bench: Bench, answer: Callable[[], None]) -> None:
    assert isinstance(bench.station.handle(PolicyUse("policy_a", 3)), Ok)
    bench.tick()
    answer()
    bench.tick()
    assert bench.policies.mode == "driving" and bench.station.status().leader == "policy_a"


def test_the_headset_takes_over_and_gives_back(bench: Bench) -> None:
    puppet = bench.puppet()
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    for _ in range(30):
        bench.squeeze(np.zeros(3), clutch=False)
        bench.tick()
    assert bench.policies.mode == "driving", "a headset that only posts does not take over"
    bench.squeeze(np.zeros(3))
    bench.tick()
    taken_at_the_first_tick(bench, "headset")
    at = bench.tool().copy()
    for step in range(120):
        bench.squeeze(np.array([0.0, 0.02 * min(1.0, step / 80), 0.0]))
        puppet.answer(goal)
        bench.tick()
    np.testing.assert_allclose(bench.tool()[1] - at[1], 0.02, atol=3e-3)
    for _ in range(5):
        bench.squeeze(np.array([0.0, 0.02, 0.0]))  # held through the giving back
        bench.tick()
    given_back(bench, lambda: puppet.answer(goal))
    for _ in range(10):
        bench.squeeze(np.array([0.0, 0.02, 0.0]))
        puppet.answer(goal)
        bench.tick()
    assert bench.policies.mode == "driving", "only a grip that is squeezed afresh takes over"
    bench.squeeze(np.zeros(3), clutch=False)
    bench.tick()
    bench.squeeze(np.zeros(3))
    bench.tick()
    assert bench.policies.mode == "taken"
    within_limits(bench)


def test_a_gamepad_takes_over_and_gives_back(bench: Bench, pad: SimulatedPad) -> None:
    pad.plug()
    puppet = bench.puppet()
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    bench.tick(30)
    assert bench.policies.mode == "driving"
    pad.press("rb")
    bench.tick()
    taken_at_the_first_tick(bench, "gamepad")
    pad.push("rx", -1.0)
    at = bench.tool().copy()
    bench.tick(100)
    assert np.linalg.norm(bench.tool() - at) < 0.2
    pad.push("ry", -1.0)
    at = bench.tool().copy()
    bench.tick(100)
    assert bench.tool()[2] > at[2] + 0.005, "the stick moves it"
    given_back(bench, lambda: puppet.answer(goal))
    pad.lift("rb")
    bench.tick()
    puppet.answer(goal)
    bench.tick()
    assert bench.policies.mode == "driving"
    pad.press("rb")
    bench.tick()
    assert bench.policies.mode == "taken"
    within_limits(bench)


def test_a_pulled_gamepad_leaves_the_policy_driving(bench: Bench, pad: SimulatedPad) -> None:
    pad.plug()
    puppet = bench.puppet()
    bench.tick(5)
    goal = bench.wish(UP)
    bench.begin(puppet, goal)
    pad.pull()
    for _ in range(20):
        puppet.answer(goal)
        bench.tick(5)
    assert bench.policies.mode == "driving"


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_of_following_is_the_stations_choice(folder: Path, rule: str) -> None:
    bench = Bench(folder, rule=rule)  # type: ignore[arg-type]
    try:
        puppet = bench.puppet()
        bench.tick(5)
        low, high = bench.wish(np.zeros(3)), bench.wish(UP)
        bench.begin(puppet, low)
        bench.tick(5)
        leader = bench.policies.leader
        assert leader is not None
        puppet.answer(high)
        bench.tick(2)
        row = leader.source.at(bench.clock.now_ns()).row
        assert row is not None
        share = (row[2] - low[2]) / UP[2]
        averaged = 1 / (1 + np.exp(-0.024 / 0.2))
        expected = {"newest": 1.0, "blend": 0.004 / 0.15, "ensemble": averaged}
        assert share == pytest.approx(expected[rule], abs=2e-3)
        statuses = bench.policies.statuses() or bench.policies.statuses()
        for _ in range(30):
            bench.tick()
            statuses = bench.station.policy_statuses() or statuses
        assert [status.follow for status in statuses] == [rule]
    finally:
        bench.close()
