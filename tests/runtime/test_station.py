"""The station in one process, stepped by a fake clock: real world, real chain, real rings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.runtime.bus import Inputs
from app.runtime.leaders import Leaders
from app.runtime.loop_meter import SECTIONS
from app.runtime.messages import Drive, Hand, Heartbeat
from app.runtime.requests import (
    ClearEStop,
    EStop,
    Keep,
    Ok,
    Perturb,
    Refused,
    ResetScene,
    UseLeader,
)
from app.runtime.rundir import RunDir
from app.runtime.station import Station
from app.runtime.station_file import StationFile
from app.runtime.statuses import Event
from devices import plugins
from devices.clock import FakeClock
from devices.errors import ConfigError
from devices.mapping.chain import DriveChain
from devices.ring import RingReader
from devices.sim.world import World

SCENE = "drawer"


class Bench:
    """A station with its clock, its events and readers of its rings."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.run = RunDir.create(folder)
        robot = plugins.load("robots", "openarm_v2")()
        scene = plugins.load("scenes", SCENE)()
        self.world = World(robot, scene, seed=1, clock=self.clock)
        self.chain = DriveChain(robot, self.clock)
        config = StationFile(scene=SCENE)
        self.station = Station(
            config, self.world, self.chain, Leaders({}), self.run, self.clock, self.events.append
        )
        self._seq = 0

    def tick(self, n: int = 1, heartbeat: bool = True) -> None:
        for _ in range(n):
            self.clock.advance_s(0.004)
            if heartbeat:
                self.station.feed(Inputs(heartbeat=Heartbeat(self.clock.now_ns())))
            self.station.tick()

    def drive(self, x: float, clutch: bool = True) -> None:
        hand = Hand(clutch=clutch, pose=(x, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0), grip=0.5)
        self.station.feed(Inputs(drive=Drive("mouse", self._seq, self.clock.now_ns(), left=hand)))
        self._seq += 1

    def rows(self, stream: str) -> tuple[np.ndarray, np.ndarray]:
        with RingReader(self.run.ring(stream)) as ring:
            drained = ring.drain()
            return drained.t_ns, drained.data

    def close(self) -> None:
        self.station.close()
        self.run.leave()


@pytest.fixture
def bench() -> Iterator[Bench]:

    folder = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))
    bench = Bench(folder)
    yield bench
    bench.close()
    shutil.rmtree(folder)


def test_every_promised_stream_comes_at_its_rate(bench: Bench) -> None:
    bench.tick(250)
    for name, rate in (("left_arm/q", 500), ("left_inner_pad/tactile", 125), ("sim/state", 500)):
        t_ns, _ = bench.rows(name)
        assert abs(len(t_ns) - rate) <= 2, name
        assert set(np.diff(t_ns)) == {round(1e9 / rate)}, name
    t_ns, rows = bench.rows("station/loop")
    assert len(t_ns) == 250 and rows.shape[1] == len(SECTIONS)
    assert len(bench.rows("left_arm/q_sent")[0]) == 250
    assert len(bench.rows("left_arm/q_requested")[0]) == 0, "nobody asked for motion"
    assert len(bench.rows("leader/left")[0]) == 0


def test_a_hand_moves_the_tool_by_as_much_as_it_moved(bench: Bench) -> None:
    bench.tick(10)
    before = bench.world.observation(0).tool["left"].position
    for step in range(150):
        bench.drive(0.05 * min(1.0, step / 100))
        bench.tick()
    moved = bench.world.observation(0).tool["left"].position - before
    np.testing.assert_allclose(moved, [0.05, 0.0, 0.0], atol=0.01)
    assert bench.station.status().phase == "driving"
    assert len(bench.rows("leader/left")[0]) > 100
    assert len(bench.rows("left_arm/T_world_tool_requested")[0]) > 100


def test_a_silent_hand_holds_until_the_clutch_is_pressed_afresh(bench: Bench) -> None:
    bench.drive(0.0)
    bench.tick(5)
    bench.tick(60)  # 0.24 s without a reading
    status = bench.station.status()
    assert status.phase == "holding"
    assert "no news" in status.arms[0].hold
    bench.drive(0.1)
    bench.tick(3)
    assert not bench.station.status().arms[0].clutched, "never a silent re-clutch"
    bench.drive(0.1, clutch=False)
    bench.tick(3)
    bench.drive(0.1)
    bench.tick(3)
    assert bench.station.status().arms[0].clutched


def test_an_emergency_stop_is_latched(bench: Bench) -> None:
    bench.drive(0.0)
    bench.tick(3)
    assert isinstance(bench.station.handle(EStop("test")), Ok)
    for _ in range(50):
        bench.drive(0.1)
        bench.tick()
    assert bench.station.status().phase == "estop"
    _, sent = bench.rows("left_arm/q_sent")
    assert np.ptp(sent[-5:], axis=0).max() == 0.0
    bench.station.handle(ClearEStop())
    bench.tick()
    assert bench.station.status().phase == "holding"


def test_without_heartbeat_it_holds_and_stops_when_nobody_lives_any_more(bench: Bench) -> None:
    window = bench.run.attend()
    bench.tick(150, heartbeat=False)  # 0.6 s
    assert not any("does not answer" in event.text for event in bench.events)  # it rested
    bench.drive(0.0)
    bench.tick(5)
    bench.tick(150, heartbeat=False)
    assert any("does not answer" in event.text for event in bench.events)
    bench.tick(3500, heartbeat=False)  # 14 s: it starves, and lives
    assert not bench.station.stopping
    window.end()
    bench.tick(300, heartbeat=False)
    assert "gone" in bench.station.stopping


def test_a_window_that_starves_finds_its_station_again(bench: Bench) -> None:
    window = bench.run.attend()
    bench.tick(4000, heartbeat=False)
    bench.tick(2)
    window.end()
    bench.tick(100)
    assert not bench.station.stopping and bench.station.status().phase == "holding"


def test_a_window_that_never_comes_is_not_waited_for_without_end(bench: Bench) -> None:
    bench.clock.advance_s(60.0)
    bench.tick(heartbeat=False)
    assert not bench.station.stopping
    bench.clock.advance_s(61.0)
    bench.tick(heartbeat=False)
    assert "gone" in bench.station.stopping


def test_who_drove_while_the_window_hung_must_take_hold_anew(bench: Bench) -> None:
    bench.drive(0.0)
    bench.tick(5)
    for _ in range(250):  # a second: the device goes on, but nobody watches
        bench.drive(0.05)
        bench.tick(heartbeat=False)
    assert not bench.station.status().arms[0].clutched
    bench.drive(0.05)
    bench.tick(5)
    assert not bench.station.status().arms[0].clutched, "never a silent re-clutch"
    bench.drive(0.05, clutch=False)
    bench.tick(3)
    bench.drive(0.05)
    bench.tick(3)
    assert bench.station.status().arms[0].clutched


def test_reset_brings_the_arms_home_and_takes_the_seed(bench: Bench) -> None:
    for step in range(100):
        bench.drive(step * 5e-4)
        bench.tick()
    home = bench.world.robot.home["left"]
    assert isinstance(bench.station.handle(ResetScene(7)), Ok)
    bench.tick(2)
    assert bench.station.status().seed == 7
    np.testing.assert_allclose(bench.rows("left_arm/q")[1][-1], home, atol=1e-2)


def test_what_cannot_be_done_is_said(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="moved_before_contact"):
        bench.station.handle(Perturb("earthquake"))
    with pytest.raises(ConfigError, match="window"):
        bench.station.handle(UseLeader("telepathy"))
    assert isinstance(bench.station.handle(Keep("success")), Refused)


def test_a_pose_that_is_none_is_ignored(bench: Bench) -> None:
    nonsense = Hand(clutch=True, pose=(0.0,) * 7)
    bench.station.feed(Inputs(drive=Drive("mouse", 0, bench.clock.now_ns(), left=nonsense)))
    bench.tick(3)
    assert len(bench.rows("leader/left")[0]) == 0


def test_a_machine_that_cannot_keep_up_says_so(bench: Bench) -> None:
    bench.tick(5)
    bench.clock.advance_s(0.2)
    bench.tick()
    slips = [event for event in bench.events if event.kind == "gap"]
    assert slips and "behind" in slips[-1].text
    t_ns, _ = bench.rows("left_arm/q")
    assert (np.diff(t_ns) > 0).all(), "time never runs backwards"


def test_a_post_is_answered_by_a_tick_at_once_but_not_by_two(bench: Bench) -> None:
    station, hand = bench.station, Hand(True, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
    bench.tick(3)
    while station.tick_ns <= bench.clock.now_ns():
        station.tick()
    due_ns = station.tick_ns
    bench.clock.advance_s(0.0015)
    station.feed(Inputs(headset=Drive("headset", 1, bench.clock.now_ns(), left=hand)))
    assert station.tick_ns <= bench.clock.now_ns() < due_ns
    station.tick()
    assert station.tick_ns >= bench.clock.now_ns() + 3_500_000, "the rate begins anew"
    bench.clock.advance_s(0.0001)
    station.feed(Inputs(headset=Drive("headset", 2, bench.clock.now_ns(), left=hand)))
    assert station.tick_ns > bench.clock.now_ns(), "two posts at once are one tick's work"


def test_touch_is_told_at_its_instant_between_ticks(bench: Bench) -> None:
    bench.tick(5)
    for _ in range(20):
        due_ns = bench.world.touch_due_ns
        while bench.station.tick_ns < due_ns:
            bench.clock.sleep_until_ns(bench.station.tick_ns)
            bench.station.tick()
        bench.clock.sleep_until_ns(due_ns)
        assert bench.station.follows_first
        bench.station.follow()
        t_ns, _ = bench.rows("left_inner_pad/tactile")
        assert t_ns[-1] == due_ns == bench.clock.now_ns()
        assert not bench.station.follows_first
    bench.station.tick()
    for stream, step_ns in (("left_inner_pad/tactile", 8_000_000), ("left_arm/q", 2_000_000)):
        t_ns, _ = bench.rows(stream)
        assert set(np.diff(t_ns)) == {step_ns}, "whoever steps, nothing is left out or told twice"
        assert t_ns[-1] <= bench.clock.now_ns()


def test_a_tick_that_is_late_goes_before_touch_and_tells_it(bench: Bench) -> None:
    bench.tick(5)
    due_ns = bench.world.touch_due_ns
    bench.clock.sleep_until_ns(max(due_ns, bench.station.tick_ns) + 2_000_000)
    assert not bench.station.follows_first
    bench.station.tick()
    t_ns, _ = bench.rows("left_inner_pad/tactile")
    assert t_ns[-1] == due_ns


def test_ticks_settle_in_the_middle_between_touch_samples(bench: Bench) -> None:
    for _ in range(80):
        bench.clock.sleep_until_ns(bench.station.tick_ns)
        bench.station.tick()
    assert (bench.world.touch_due_ns - bench.station.tick_ns) % 4_000_000 == 2_000_000
