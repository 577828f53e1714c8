"""The headset as a device of the station: real world, real chain, a fake clock."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.runtime.bus import Bus, Inputs
from app.runtime.episode_start import start_document
from app.runtime.hands import as_drive
from app.runtime.messages import Drive, Hand, Heartbeat
from app.runtime.requests import Ok, OpenDataset, SetDriving, Start, UseLeader
from app.runtime.rundir import RunDir
from app.runtime.statuses import HeadsetCalibration, HeadsetStatus, SetUpState
from devices.errors import ConfigError
from devices.mapping.clutch import MOTIONS
from devices.tactar.hands import Hands
from tests.headset.room import POST_S, Room, smooth
from tests.runtime.test_station import Bench


class Worn(Bench):
    """A station, and a headset whose posts reach it at 60 Hz."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.room = Room(theta=1.2, robot=-0.5)
        self.hands = Hands(self.room.calibration())
        self.plugged = True
        self.late_ns = 0
        self.posts = 0
        self._post_ns = 0
        assert isinstance(self.station.handle(UseLeader("headset")), Ok)

    def go(self, duration_s: float, act: Callable[[float], None] | None = None) -> None:
        ticks = round(duration_s / 0.004)
        for k in range(ticks):
            if act is not None:
                act((k + 1) / ticks)
            now_ns = self.clock.now_ns()
            if self.plugged and now_ns >= self._post_ns:
                self._post_ns = now_ns + round(POST_S * 1e9)
                self.room.next()
                self.posts += 1
                self.room.now_ns = now_ns - self.late_ns
                reading = self.hands.step(self.room.post(), self.room.now_ns).reading
                assert reading is not None
                self.station.feed(Inputs(headset=as_drive(reading)))
            self.tick()

    @property
    def clutched(self) -> bool:
        return self.station.status().arms[0].clutched

    def tool(self) -> np.ndarray:
        return self.world.observation(0).tool["left"].position

    def hold_on(self) -> None:
        self.room.left = self.room.left.grip(False)
        self.go(0.1)
        self.room.left = self.room.left.grip()
        self.go(0.1)

    def move(self, world: np.ndarray, duration_s: float = 0.6) -> None:
        """Move the left hand by `world` [m], told in the robot's axes."""
        c, s = np.cos(self.room.robot), np.sin(self.room.robot)
        x, up, z = -world[1], world[2], world[0]
        step = np.array([c * x + s * z, up, c * z - s * x])
        start = self.room.left

        def act(share: float) -> None:
            self.room.left = start.at(start.position + smooth(share) * step)

        self.go(duration_s, act)


@pytest.fixture
def worn() -> Iterator[Worn]:
    folder = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))
    bench = Worn(folder)
    yield bench
    bench.close()
    shutil.rmtree(folder)


def test_the_arm_goes_where_the_hand_goes(worn: Worn) -> None:
    worn.go(0.1)
    worn.hold_on()
    before = worn.tool()
    worn.move(np.array([0.04, -0.03, 0.03]))
    worn.go(0.5)
    np.testing.assert_allclose(worn.tool() - before, [0.04, -0.03, 0.03], atol=0.01)
    assert worn.station.status().leader == "headset"


def test_a_pulled_plug_holds_until_a_fresh_squeeze(worn: Worn) -> None:
    worn.hold_on()
    worn.move(np.array([0.0, 0.0, 0.03]))
    assert worn.clutched
    worn.plugged = False
    worn.go(0.12)
    assert worn.clutched, "a late post is no pulled plug"
    worn.go(0.06)
    assert not worn.clutched
    worn.go(0.5)
    held = worn.tool()
    assert "no news from headset" in worn.station.status().arms[0].hold
    worn.room.left = worn.room.left.at(worn.room.left.position + np.array([0.1, 0.05, 0.05]))
    worn.plugged = True
    worn.go(0.5)
    assert not worn.clutched, "never a silent re-clutch"
    np.testing.assert_allclose(worn.tool(), held, atol=2e-3)
    worn.hold_on()
    assert worn.clutched
    np.testing.assert_allclose(worn.tool(), held, atol=2e-3)


def test_window_and_headset_do_not_push_each_other_out(worn: Worn) -> None:
    """The window goes on sending; only the device that was chosen drives."""
    worn.hold_on()
    for _ in range(30):
        worn.drive(0.2)
        worn.go(0.02)
    assert worn.clutched
    worn.station.handle(UseLeader("window"))
    worn.tick(50)  # the headset's last word grows stale; nothing new of it is heard
    assert not worn.clutched
    with pytest.raises(ConfigError, match="headset"):
        worn.station.handle(UseLeader("telepathy"))
    assert set(worn.station.status().leaders) >= {"window", "headset"}


@pytest.mark.parametrize("motion", ["translation", "translation+pitch"])
def test_axes_that_are_not_followed_stand_still(worn: Worn, motion: str) -> None:
    worn.station.handle(SetDriving(axes=MOTIONS[motion]))
    worn.hold_on()
    before = worn.world.observation(0).tool["left"]
    start = worn.room.left

    def twist(share: float) -> None:
        worn.room.left = type(start)(
            start.position, start.pointing(0.5 * smooth(share)).quat, 0.0, start.buttons
        )

    worn.go(0.8, twist)
    after = worn.world.observation(0).tool["left"]
    assert abs(float(before.quat @ after.quat)) > 0.9999, "a turn about the vertical is left out"


def test_some_axes_alone(worn: Worn) -> None:
    worn.station.handle(SetDriving(axes=(False, False, True, False, False, False)))
    worn.hold_on()
    before = worn.tool()
    worn.move(np.array([0.05, 0.05, 0.03]))
    worn.go(0.4)
    np.testing.assert_allclose(worn.tool() - before, [0.0, 0.0, 0.03], atol=0.01)


def test_the_delay_of_each_reading_is_written_once(worn: Worn) -> None:
    worn.late_ns = 7_000_000
    worn.go(1.0)
    t_ns, rows = worn.rows("station/input_delay")
    assert len(t_ns) == worn.posts, "one row a post, not one a tick"
    assert rows.min() >= 7.0 and rows.max() < 20.0


def test_bus_keeps_the_newest_of_each() -> None:
    folder = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))
    run = RunDir.create(folder)
    hand = Hand(True, (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
    with Bus(run) as bus:
        pull, push = bus.input_pull(), bus.input_push()
        for k in range(3):
            push.send(Drive("headset", k, 10 + k, left=hand))
            push.send(Drive("mouse", k, 100 + k))
            push.send(Heartbeat(k))
        heard = Inputs()
        for _ in range(200):
            new = pull.poll()
            heard = Inputs(
                new.drive or heard.drive,
                new.heartbeat or heard.heartbeat,
                new.headset or heard.headset,
            )
            if heard.drive and heard.drive.seq == 2 and heard.headset and heard.headset.seq == 2:
                break
            time.sleep(0.005)
        assert heard.drive is not None and heard.drive.device == "mouse"
        assert heard.headset is not None and heard.headset.t_ns == 12
    run.leave()
    shutil.rmtree(folder)


def test_an_episode_tells_the_calibration_in_use() -> None:
    nan = float("nan")
    told = HeadsetCalibration(
        "10.0.0.7", "bench", "2026-03-01T10:00:00+00:00", 5.0, True, 0.4, 0.02, (0.0,) * 7
    )
    status = HeadsetStatus(
        *(1, True, 8082, "10.0.0.7", (), told, SetUpState("", ""), "off", (), (), {}),
        *(3.0, nan, nan, nan, "", "", False),
    )
    document = start_document(OpenDataset("", "wipe"), Start(""), 0, None, None, {}, status)
    assert document["headset"]["calibration"]["trim_rad"] == 0.4
    assert document["headset"]["delay_p50_ms"] == 3.0
    assert document["headset"]["delay_p99_ms"] is None, "NaN is no JSON"
    assert start_document(OpenDataset("", ""), Start(""), 0, None, None, {})["headset"] is None
