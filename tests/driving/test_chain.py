"""The whole way from hand to command, on the real robot's description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from devices.clock import FakeClock
from devices.errors import ConfigError
from devices.guard import Measured
from devices.leader import SIDES, HandInput, LeaderInput, Side
from devices.leaders.remote import RemoteLeader
from devices.mapping.chain import DriveChain, Tick
from devices.mapping.clutch import Driving
from devices.pose import Pose, quat_from_rotvec

FOUND = (Phase.explicit, Phase.reuse, Phase.generate)


class Session:
    """A chain with a pair of hands on it."""

    def __init__(self, chain: DriveChain, clock: FakeClock) -> None:
        self.chain, self.clock, self.seq = chain, clock, 0
        self.hand = dict.fromkeys(SIDES, Pose.identity())
        self.clutch = dict.fromkeys(SIDES, False)
        self.grip: float | None = None
        self.deadman = True

    def tick(self, ticks: int = 1, measured: Measured | None = None) -> Tick:
        for _ in range(ticks):
            self.clock.advance_s(self.chain.dt)
            hands = {s: HandInput(self.clutch[s], self.hand[s], self.grip) for s in SIDES}
            reading = LeaderInput(
                "pad", self.seq, self.clock.now_ns(), **hands, deadman=self.deadman
            )
            self.seq += 1
            tick = self.chain.tick(reading, measured)
        return tick

    def take_hold(self, *sides: Side) -> Tick:
        self.tick()
        self.clutch.update(dict.fromkeys(sides, True))
        return self.tick()

    def move(self, side: Side, shift: list[float], ticks: int = 200) -> Tick:
        """Move one hand evenly by `shift` [m] within `ticks`, then wait for the arm."""
        start = self.hand[side]
        for index in range(ticks):
            share = (index + 1) / ticks
            self.hand[side] = Pose(start.position + np.array(shift) * share, start.quat)
            self.tick()
        return self.tick(100)


@pytest.fixture
def session(new_chain: Callable[[], DriveChain], clock: FakeClock) -> Session:
    return Session(new_chain(), clock)


@pytest.mark.parametrize("side", SIDES)
def test_a_hand_moves_its_own_tool_by_what_it_moved(session: Session, side: Side):
    before = session.take_hold(*SIDES).tools_sent
    after = session.move(side, [0.03, 0.02, 0.05])
    shift = after.tools_sent[side].position - before[side].position
    np.testing.assert_allclose(shift, [0.03, 0.02, 0.05], atol=1e-3)
    other: Side = "right" if side == "left" else "left"
    np.testing.assert_allclose(after.tools_sent[other].position, before[other].position, atol=5e-4)
    assert after.interventions == () and after.hold[side] == "" and after.phase == "driving"


def test_holding_is_exactly_still_and_reports_why(session: Session):
    first = session.tick()
    last = session.tick(50)
    for side in SIDES:
        a, b = first.command.arm(side), last.command.arm(side)
        assert a is not None and b is not None and np.array_equal(a.q, b.q)
        assert last.hold[side] == "clutch released"
    assert last.phase == "holding" and last.q_requested == {}


def test_taking_hold_moves_nothing(session: Session):
    before = session.tick()
    session.hand["left"] = Pose(np.array([5.0, 5.0, 5.0]), quat_from_rotvec(np.ones(3)))
    session.take_hold("left")
    after = session.tick(100)
    shift = after.tools_sent["left"].position - before.tools_sent["left"].position
    assert np.linalg.norm(shift) < 5e-4


def test_grip_moves_the_gap_at_the_allowed_speed(session: Session):
    limit = session.chain.robot.limits["left"]
    session.take_hold("left")
    session.grip = 1.0
    tick = session.tick()
    assert tick.gap_requested["left"] == pytest.approx(limit.gripper_min)
    gaps = [session.tick().command.left.gripper for _ in range(200)]  # type: ignore[union-attr]
    assert gaps[-1] == pytest.approx(limit.gripper_min)
    assert np.abs(np.diff(gaps)).max() <= limit.gripper_speed * session.chain.dt + 1e-12
    session.grip = None
    assert session.tick().command.left.gripper == pytest.approx(limit.gripper_min)  # type: ignore[union-attr]


def test_estop_brakes_latches_and_asks_for_a_fresh_clutch(session: Session):
    session.take_hold("left")
    for index in range(30):
        session.hand["left"] = Pose(np.array([0.0, 0.0, 0.002 * index]), [1, 0, 0, 0])
        session.tick()
    assert not session.chain.state.still()
    session.chain.estop("the red key")
    ticks = int(np.ceil(session.chain.guard.stop_time_s / session.chain.dt))
    tick = session.tick(ticks)
    assert session.chain.state.still() and tick.phase == "estop"
    assert "the red key" in tick.hold["left"]
    with pytest.raises(ConfigError, match="red key"):
        session.chain.home()
    session.chain.clear_estop()
    tick = session.tick(20)
    assert session.chain.state.still() and "press it again" in tick.hold["left"]
    session.clutch["left"] = False
    session.take_hold("left")
    assert session.tick().phase == "driving"


@pytest.mark.parametrize("how", ["stale", "deadman"])
def test_lost_input_brakes_and_holds(session: Session, how: str):
    session.take_hold("left")
    for index in range(30):
        session.hand["left"] = Pose(np.array([0.0, 0.0, 0.002 * index]), [1, 0, 0, 0])
        session.tick()
    if how == "deadman":
        session.deadman = False
        tick = session.tick(40)
    else:
        for _ in range(80):
            session.clock.advance_s(session.chain.dt)
            tick = session.chain.tick(None)
    assert session.chain.state.still() and tick.requested == {} and tick.hold["left"]


def test_homing_ends_at_home_and_lets_go_of_the_clutch(session: Session):
    session.take_hold(*SIDES)
    session.move("left", [0.05, 0.05, 0.1])
    session.chain.home()
    for _ in range(1500):
        tick = session.tick()
        if tick.home != "under way":
            break
    assert tick.home == "done"
    for side in SIDES:
        home = session.chain.robot.home[side]
        assert np.max(np.abs(session.chain.state.arms[side].q - home)) < 2e-3
    tick = session.tick(5)
    assert tick.phase == "holding" and "press it again" in tick.hold["left"]


def test_a_workspace_edge_is_slid_along_and_told(session: Session):
    session.take_hold("left")
    low = session.chain.robot.limits["left"].workspace_min[2]
    tick = session.move("left", [0.05, 0.0, -0.3], 300)
    position = tick.tools_sent["left"].position
    assert low - 1e-3 <= position[2] <= low + 0.01
    assert tick.blocked["left"]
    assert not any(item.kind == "workspace" for item in tick.interventions)


def test_pressing_too_hard_stops_the_way_in_but_not_the_way_out(session: Session):
    session.take_hold("left")
    start = session.tick().tools_sent["left"]
    limit = session.chain.robot.limits["left"].tool_force_max
    push = start.inverse().to_matrix()[:3, :3] @ np.array([0.0, 0.0, limit + 10.0])
    pressed = Measured({"left": np.concatenate([push, np.zeros(3)])})
    kinds = set()
    for index in range(50):
        session.hand["left"] = Pose(np.array([0, 0, -0.001 * index]), [1, 0, 0, 0])
        kinds |= {item.kind for item in session.tick(1, pressed).interventions}
    assert "force" in kinds
    assert session.tick(1, pressed).tools_sent["left"].position[2] > start.position[2] - 1e-3
    for index in range(100):
        session.hand["left"] = Pose(np.array([0, 0, -0.05 + 0.001 * index]), [1, 0, 0, 0])
        tick = session.tick(1, pressed)
    assert tick.tools_sent["left"].position[2] > start.position[2] + 0.02


def test_uneven_ticks_do_not_shake_the_arm(new_chain: Callable[[], DriveChain]):
    """A loop that is late and catches up sends the same commands as an even one."""

    def path(delays: np.ndarray) -> np.ndarray:
        clock = FakeClock()
        chain = DriveChain(new_chain().robot, clock)
        start_ns, sent = clock.now_ns(), []
        for index, delay in enumerate(delays):
            due_ns = start_ns + round((index + 1) * chain.dt * 1e9) + int(delay)
            clock.sleep_until_ns(due_ns)
            shift = np.array([0.0, 0.0, 0.05 * np.sin(0.02 * index)])
            hand = HandInput(index > 0, Pose(shift, [1, 0, 0, 0]))
            tick = chain.tick(LeaderInput("pad", index, clock.now_ns(), hand))
            sent.append(tick.command.left.q)  # type: ignore[union-attr]
        return np.array(sent)

    late = np.random.default_rng(1).integers(0, 6_000_000, 150)
    np.testing.assert_allclose(path(late), path(np.zeros(150)), atol=1e-12)


@settings(max_examples=6, phases=FOUND)
@given(data=st.data())
def test_no_hand_leaves_the_limits(robot, data):
    """Random hands, drops, scales and stops: range, speed, acceleration and distance hold."""
    clock = FakeClock()
    chain = DriveChain(robot, clock)
    session = Session(chain, clock)
    limits = robot.limits
    step = st.tuples(*[st.floats(-0.05, 0.05)] * 3).map(np.array)
    for _ in range(data.draw(st.integers(1, 8))):
        what = data.draw(
            st.sampled_from(["move", "move", "move", "estop", "clear", "home", "scale"])
        )
        if what == "estop":
            chain.estop("test")
        elif what == "clear":
            chain.clear_estop()
        elif what == "home" and not chain.state.estop:
            chain.home()
        elif what == "scale":
            chain.driving = Driving(data.draw(st.floats(0.2, 4.0)))
        session.clutch = {side: data.draw(st.booleans()) for side in SIDES}
        shift = {side: data.draw(step) for side in SIDES}
        for _ in range(40):
            for side in SIDES:
                hand = session.hand[side]
                session.hand[side] = replace(hand, position=hand.position + shift[side])
            before = chain.state.arms
            tick = session.tick()
            for side in SIDES:
                sent, was, limit = tick.command.arm(side), before[side], limits[side]
                assert sent is not None and np.isfinite(sent.q).all()
                assert (sent.q >= limit.q_min).all() and (sent.q <= limit.q_max).all()
                moved = sent.q - was.q
                assert (np.abs(moved) <= limit.qd_max * chain.dt + 1e-12).all()
                change = np.abs(moved - was.qd * chain.dt)
                assert (change <= limit.qdd_max * chain.dt**2 + 1e-12).all()
            here = chain.kinematics.stack({s: arm.q for s, arm in chain.state.arms.items()})
            assert chain.kinematics.clearance(here)[0] >= 0.0


def test_the_window_s_leader_hands_on_the_newest_reading(nothing_seen):
    leader = RemoteLeader()
    old, new = (LeaderInput("mouse", seq, 100 + seq) for seq in (0, 1))
    leader.feed(new)
    assert leader.read(nothing_seen) is None, "not connected"
    leader.connect()
    leader.feed(new)
    leader.feed(old)
    assert leader.read(nothing_seen) is new
    leader.close()
    assert leader.read(nothing_seen) is None


@settings(max_examples=15, deadline=None, phases=FOUND)
@given(st.lists(st.floats(0.1, 9.0), min_size=20, max_size=60))
def test_the_guards_time_never_runs_ahead_of_the_clock(robot, periods_ms: list[float]) -> None:
    clock = FakeClock()
    chain = DriveChain(robot, clock)
    for period in periods_ms:
        before_ns = chain.state.t_ns
        clock.advance_s(period / 1e3)
        chain.tick(None)
        assert before_ns < chain.state.t_ns <= clock.now_ns() + 2_000_000
