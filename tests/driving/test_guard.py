"""Promises of the guard, for requests no sane operator would make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import ConfigError, DeviceError
from devices.follower import ArmCommand, ArmLimits, RobotCommand
from devices.guard import Guard, GuardState, Intervention, Measured
from devices.leader import SIDES, Side
from devices.pose import Pose
from devices.stream import FloatArray

DT = 1 / 250
TICK_NS = round(DT * 1e9)
JOINTS = 3

LIMITS: dict[Side, ArmLimits] = {
    "left": ArmLimits(
        q_min=np.array([-1.0, -0.5, 0.0]),
        q_max=np.array([1.0, 0.5, 2.0]),
        qd_max=np.array([2.0, 3.0, 5.0]),
        qdd_max=np.array([20.0, 25.0, 60.0]),
        gripper_min=0.0,
        gripper_max=0.08,
        gripper_speed=0.2,
        workspace_min=np.array([-0.8, -9.0, -9.0]),
        workspace_max=np.array([0.8, 9.0, 9.0]),
        tool_force_max=20.0,
    )
}
LIMITS["right"] = replace(LIMITS["left"])
START = {side: np.array([0.1, 0.0, 1.0]) for side in SIDES}


@dataclass
class Cartesian:
    """A body whose tool is simply at (q1, q2, q3) [m], and whose arms meet where q3 adds up."""

    keep: float = 0.01

    def tools(self, q: Mapping[Side, FloatArray]) -> Mapping[Side, Pose]:
        return {side: Pose(value, np.array([1.0, 0, 0, 0])) for side, value in q.items()}

    def clearance(self, q: Mapping[Side, FloatArray]) -> tuple[float, str]:
        return float(3.2 - q["left"][2] - q["right"][2]), "left and right"


class Drive:
    """A guard stepped at its rate, checking the first promise at every tick."""

    def __init__(self, body: Cartesian | None = None, start: FloatArray | None = None) -> None:
        self.guard = Guard(LIMITS, DT, body)
        q = {side: START[side] if start is None else start for side in SIDES}
        self.now_ns = 10**12
        self.state: GuardState = self.guard.start(q, dict.fromkeys(SIDES, 0.04), self.now_ns)
        self.told: list[Intervention] = []

    def step(
        self,
        left: FloatArray | None = None,
        right: FloatArray | None = None,
        *,
        gap: float = 0.04,
        age_ns: int = 0,
        wrench: Mapping[Side, FloatArray] | None = None,
        tick_ns: int = TICK_NS,
    ) -> RobotCommand:
        self.now_ns += tick_ns
        asked = {s: q for s, q in (("left", left), ("right", right)) if q is not None}
        request = (
            RobotCommand(self.now_ns - age_ns, **{s: ArmCommand(q, gap) for s, q in asked.items()})
            if asked
            else None
        )
        before = self.state
        self.state, command, told = self.guard.step(
            before, request, Measured(wrench or {}), self.now_ns
        )
        self.told.extend(told)
        self.check(before, command, tick_ns)
        return command

    def check(self, before: GuardState, command: RobotCommand, tick_ns: int) -> None:
        for side in SIDES:
            sent, was, limit = command.arm(side), before.arms[side], LIMITS[side]
            assert sent is not None and np.isfinite(sent.q).all() and np.isfinite(sent.gripper)
            assert (sent.q >= limit.q_min).all() and (sent.q <= limit.q_max).all()
            step = sent.q - was.q
            assert (np.abs(step) <= limit.qd_max * DT + 1e-12).all()
            if tick_ns == TICK_NS:
                assert (np.abs(step - was.qd * DT) <= limit.qdd_max * DT**2 + 1e-12).all()
            assert abs(sent.gripper - was.gap) <= limit.gripper_speed * DT + 1e-12
            assert limit.gripper_min <= sent.gripper <= limit.gripper_max

    def kinds(self) -> set[str]:
        return {item.kind for item in self.told}

    def settle(self) -> int:
        """Ticks without a request until everything stands."""
        for ticks in range(1000):
            if self.state.still():
                return ticks
            self.step()
        raise AssertionError("never stands still")


numbers = st.floats(-3.0, 3.0) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300, 0.1])
vectors = st.lists(numbers, min_size=JOINTS, max_size=JOINTS).map(np.array)
requests = st.none() | vectors | st.lists(numbers, max_size=9).map(np.array)


@st.composite
def scripts(draw: st.DrawFn) -> list[tuple[str, FloatArray | None, FloatArray | None, float, int]]:
    """Stretches of (what happens, left, right, gap, for how many ticks)."""
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(["ask", "ask", "ask", "stale", "future", "estop", "clear"]),
                requests,
                requests,
                numbers,
                st.integers(1, 40),
            ),
            max_size=12,
        )
    )


def play(drive: Drive, script: list) -> None:  # type: ignore[type-arg]
    for what, left, right, gap, ticks in script:
        if what == "estop":
            drive.state = drive.guard.engage_estop(drive.state, "test")
        if what == "clear":
            drive.state = drive.guard.clear_estop(drive.state)
        age = {"stale": 10**9, "future": -(10**9)}.get(what, 0)
        for _ in range(ticks):
            drive.step(left, right, gap=gap, age_ns=age)


@given(scripts())
def test_whatever_is_asked_the_limits_hold(script):
    play(Drive(), script)


@settings(max_examples=40)
@given(scripts())
def test_with_geometry_every_command_leaves_a_stop_inside(script):
    drive = Drive(Cartesian())
    for entry in script:
        play(drive, [entry])
        after = Drive(Cartesian())
        after.state, after.now_ns = drive.state, drive.now_ns
        after.settle()
        stop = {side: arm.q for side, arm in after.state.arms.items()}
        assert all(abs(q[0]) <= 0.8 + 1e-6 for q in stop.values())
        assert Cartesian().clearance(stop)[0] >= drive.guard.settings.margin - 1e-6


@settings(max_examples=50)
@given(scripts())
def test_an_estop_stops_in_time_and_stays(script):
    drive = Drive()
    play(drive, script)
    drive.state = drive.guard.engage_estop(drive.state, "test")
    for _ in range(int(np.ceil(drive.guard.stop_time_s / DT))):
        drive.step(START["left"] + 0.3, START["right"] - 0.3)
    assert drive.state.still()
    stopped = drive.state
    for _ in range(20):
        drive.step(START["left"], START["right"])
    for side in SIDES:
        assert np.array_equal(drive.state.arms[side].q, stopped.arms[side].q)


@settings(max_examples=50)
@given(scripts(), st.integers(1, 50))
def test_a_hold_is_exactly_still(script, ticks):
    drive = Drive()
    play(drive, script)
    drive.settle()
    held = [drive.step() for _ in range(ticks)]
    for command in held[1:]:
        for side in SIDES:
            first, now = held[0].arm(side), command.arm(side)
            assert first is not None and now is not None
            assert np.array_equal(first.q, now.q) and first.gripper == now.gripper


@given(st.lists(st.integers(0, 30_000_000), min_size=5, max_size=60), vectors)
def test_uneven_ticks_keep_range_and_acceleration(ticks_ns, goal):
    drive = Drive()
    for tick_ns in ticks_ns:
        before = drive.state
        drive.step(goal, goal, tick_ns=tick_ns) if tick_ns % 7 else drive.step(tick_ns=tick_ns)
        dt = min(tick_ns / 1e9, DT)
        for side in SIDES:
            change = np.abs(drive.state.arms[side].qd - before.arms[side].qd)
            assert (change <= LIMITS[side].qdd_max * dt + 1e-9).all()


@given(st.lists(st.floats(-0.004, 0.004), min_size=30, max_size=80))
def test_motion_within_the_limits_passes_unchanged(steps):
    """A smooth hand gets exactly what it asks for: the guard adds no lag of its own."""
    drive = Drive()
    speed, q = 0.0, START["left"].copy()
    for step in steps:
        speed = float(np.clip(speed + step * 10, -1.0, 1.0))
        q = q + np.array([speed, 0.0, 0.0]) * DT
        if abs(q[0]) > 0.7:
            break
        command = drive.step(q)
        assert command.left is not None
        np.testing.assert_allclose(command.left.q, q, atol=1e-9)
    assert drive.told == []


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.floats(-2.0, 2.0), st.integers(5, 120)), min_size=1, max_size=8),
    st.integers(0, JOINTS - 1),
)
def test_running_into_the_end_of_a_joint_brakes_in_time(runs, joint):
    """Requests that move evenly, at up to full speed, beyond the range and back."""
    drive = Drive()
    q = START["left"].copy()
    for speed, ticks in [*runs, (2.0, 300), (-2.0, 600)]:
        for _ in range(ticks):
            q[joint] = np.clip(q[joint] + speed * DT, -4.0, 4.0)
            drive.step(q)


@settings(max_examples=15)
@given(st.floats(0.5, 5.0), st.floats(-1.0, 1.0))
def test_arms_that_run_into_each_other_stop_apart_and_may_part_again(speed, tilt):
    drive, ask = Drive(Cartesian()), START["left"].copy()
    for _ in range(400):
        ask = np.minimum(ask + np.array([0, 0, speed * DT]), 2.0)
        drive.step(ask, ask + np.array([0.1 * tilt, 0, 0]))
        stop = {side: arm.q for side, arm in drive.state.arms.items()}
        assert Cartesian().clearance(stop)[0] >= drive.guard.settings.margin - 1e-9
    assert "collision" in drive.kinds() and drive.state.still()
    for _ in range(200):
        drive.step(START["left"])
    assert drive.state.arms["left"].q[2] < 1.2


def test_a_jump_is_reached_without_overshoot():
    drive = Drive()
    goal = np.array([0.8, 0.4, 1.9])
    path = np.array([drive.step(goal).left.q for _ in range(600)])  # type: ignore[union-attr]
    assert (path <= goal + 1e-9).all()
    np.testing.assert_allclose(path[-1], goal, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonsense_holds_and_then_needs_a_fresh_clutch(value):
    drive = Drive()
    drive.step(np.array([0.1, value, 1.0]))
    goal = np.array([0.4, 0.0, 1.0])
    for _ in range(50):
        drive.step(goal)
    assert {"nonsense", "clutch"} <= drive.kinds()
    assert np.array_equal(drive.state.arms["left"].q, START["left"])
    drive.step()
    for _ in range(50):
        drive.step(goal)
    assert drive.state.arms["left"].q[0] > 0.11


def test_stale_input_brakes_and_needs_a_fresh_clutch():
    drive = Drive()
    for tick in range(50):
        drive.step(START["left"] + [0.004 * tick, 0, 0])
    assert not drive.state.still()
    for _ in range(60):
        drive.step(np.array([0.9, 0, 1.0]), age_ns=200_000_000)
    assert drive.state.still() and "stale" in drive.kinds()
    held = drive.state.arms["left"].q
    drive.step(np.array([0.9, 0, 1.0]))
    assert np.array_equal(drive.state.arms["left"].q, held)


def test_after_clearing_an_estop_the_clutch_must_be_pressed_afresh():
    drive = Drive()
    drive.state = drive.guard.engage_estop(drive.state, "red button")
    drive.step(START["left"] + 0.1)
    assert any(item.kind == "estop" and "red button" in item.text for item in drive.told)
    drive.state = drive.guard.clear_estop(drive.state)
    for _ in range(10):
        drive.step(START["left"] + 0.1)
    assert drive.state.still() and "clutch" in drive.kinds()
    drive.step()
    for _ in range(10):
        drive.step(START["left"] + 0.1)
    assert not drive.state.still()


def test_one_arm_may_follow_while_the_other_holds():
    drive = Drive()
    for _ in range(50):
        drive.step(START["left"] + 0.1, np.full(3, np.nan))
    assert drive.state.arms["left"].q[0] > START["left"][0]
    assert np.array_equal(drive.state.arms["right"].q, START["right"])


def test_pressing_into_a_contact_stops_and_backing_off_is_free():
    drive = Drive(Cartesian())
    pushed = {"left": np.array([-30.0, 0, 0, 0, 0, 0])}  # something ahead in x pushes back
    for tick in range(100):
        drive.step(START["left"] + [0.002 * tick, 0, 0], wrench=pushed)
    assert drive.state.arms["left"].q[0] <= START["left"][0] + 1e-9
    assert "force" in drive.kinds()
    for tick in range(100):
        drive.step(START["left"] - [0.002 * tick, 0, 0], wrench=pushed)
    assert drive.state.arms["left"].q[0] < START["left"][0] - 0.1


def test_motion_under_way_brakes_when_the_force_is_too_high():
    drive = Drive(Cartesian())
    for tick in range(100):
        drive.step(np.array([-0.5 + 0.004 * tick, 0, 1.0]))
    fast = drive.state.arms["left"].qd[0]
    assert fast > 0.5
    for _ in range(50):
        drive.step(np.array([0.9, 0, 1.0]), wrench={"left": np.array([-30.0, 0, 0, 0, 0, 0])})
    assert drive.state.still()


def test_outside_the_workspace_only_the_way_back_is_open():
    outside = np.array([0.95, 0.0, 1.0])
    drive = Drive(Cartesian(), outside)
    for _ in range(50):
        drive.step(np.array([1.0, 0.0, 1.0]))
    assert np.array_equal(drive.state.arms["left"].q, outside) and "workspace" in drive.kinds()
    for _ in range(300):
        drive.step(np.array([0.5, 0.0, 1.0]))
    assert drive.state.arms["left"].q[0] < 0.6


def test_an_intervention_begins_once():
    drive = Drive()
    for _ in range(10):
        drive.step(np.array([5.0, 0.0, 1.0]))
    ranges = [item for item in drive.told if item.kind == "range"]
    assert [item.begins for item in ranges] == [True] + [False] * 9
    assert all(item.side == "left" and item.text.endswith(".") for item in ranges)


def test_start_refuses_an_arm_outside_its_range():
    guard = Guard(LIMITS, DT)
    with pytest.raises(DeviceError, match="left arm"):
        guard.start({s: START[s] + 5 for s in SIDES}, dict.fromkeys(SIDES, 0.0), 0)
    with pytest.raises(DeviceError):
        guard.start({s: START[s] * np.nan for s in SIDES}, dict.fromkeys(SIDES, 0.0), 0)


@pytest.mark.parametrize(
    "broken", [{"qdd_max": np.zeros(3)}, {"q_min": np.full(3, 9.0)}, {"gripper_speed": 0.0}]
)
def test_unusable_limits_are_refused(broken):
    with pytest.raises(ConfigError, match="limits of the left arm"):
        Guard({"left": replace(LIMITS["left"], **broken)}, DT)


@settings(max_examples=20)
@given(scripts())
def test_the_same_calls_give_the_same_answers(script):
    first, second = Drive(Cartesian()), Drive(Cartesian())
    play(first, script)
    play(second, script)
    for side in SIDES:
        assert np.array_equal(first.state.arms[side].q, second.state.arms[side].q)
    assert first.told == second.told
