"""Real processes and a headset on the wire: from a closed port to a moving arm, and the plug."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from app.launch import Run
from app.runtime.requests import (
    Arm,
    HeadsetCapture,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Ok,
    Refused,
    Request,
    Start,
    Stop,
    UseLeader,
)
from app.runtime.station_file import Cameras, StationFile
from app.runtime.statuses import HeadsetStatus
from devices.tactar.fake_quest import FakeQuest, in_background
from devices.tactar.frames import tool_from_unity
from devices.tactar.motions import SCRIPTS
from devices.tactar.session_file import SessionReader
from devices.tactar.wire import PanelReader, Ports, read_force, read_images, read_robot
from tests.headset.quest import Quest, free_base
from tests.headset.room import Hand, Room, smooth

pytestmark = pytest.mark.slow
PATIENCE_S = 20.0


class Lab:
    """A run, and what a person before its screen does."""

    def __init__(self, run: Run, base: int) -> None:
        self.run = run
        self.base = base

    @property
    def headset(self) -> HeadsetStatus:
        status = self.run.session.headset
        assert status is not None
        return status

    def ask(self, request: Request) -> str:
        reply = self.run.session.request(request, 5.0)
        assert isinstance(reply, Ok), reply
        return reply.text

    def until(self, happened: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            self.run.poll(0.02)
            if happened():
                return
        raise AssertionError(f"It never happened: {self.run.session.headset}")

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.run.poll(0.02)

    def tool(self) -> np.ndarray:
        sample = self.run.session.latest("left_arm/T_world_tool")
        assert sample is not None
        return sample.data[:3].copy()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    station = StationFile(
        scene="drawer", cameras=Cameras(width=160, height=120, rate_hz=10.0, detail="minimal")
    )
    base = free_base()
    with Run(station, {"folder": str(tmp_path / "kept"), "ports": base}) as run:
        lab = Lab(run, base)
        lab.until(lambda: run.session.headset is not None)
        yield lab


def motion(quest: Quest, duration_s: float, act: Callable[[float], None]) -> Callable[[], bool]:
    """Let the operator do something; the answer tells when it is done."""
    began: list[float] = []
    done: list[bool] = []

    def step(t: float) -> None:
        began.append(t)
        share = min(1.0, (t - began[0]) / duration_s)
        act(share)
        if share >= 1.0:
            done.append(True)
            quest.act = lambda _: None

    quest.act = step
    return lambda: bool(done)


def set_up(lab: Lab, quest: Quest) -> None:
    """The three small motions."""
    room = quest.room
    lab.ask(HeadsetSetUp("begin"))
    lab.watch(0.3)
    room.left = room.left.grip()
    lab.until(lambda: lab.headset.set_up.step == "push_forward")
    room.left = room.left.grip(False)
    lab.watch(0.7)
    start = room.right

    def push(share: float) -> None:
        room.right = start.at(start.position + np.array([0.0, 0.0, 0.34 * smooth(share)]))

    pushed = motion(quest, 1.0, push)
    lab.until(lambda: pushed() and lab.headset.set_up.step == "align")
    room.right = Hand(room.right.position, room.right.pointing(room.robot).quat, 1.0)
    lab.until(lambda: lab.headset.set_up.step == "" and lab.headset.calibration is not None)
    room.right = Hand(room.right.position)
    lab.watch(0.2)


def test_from_a_closed_port_to_a_moving_arm_and_the_plug(lab: Lab, tmp_path: Path) -> None:
    assert not lab.headset.listening
    lab.ask(HeadsetListen(True, 0))
    lab.until(lambda: lab.headset.listening)
    assert "no protection" in lab.headset.text
    room = Room(theta=2.6, robot=0.4)
    with Quest(room, lab.headset.port, lab.base) as quest:
        lab.until(lambda: any(one.rate_hz > 50 for one in lab.headset.posters))
        assert lab.headset.address == "", "nobody drives before being confirmed"
        reply = lab.run.session.request(HeadsetConfirm("10.1.2.3"))
        assert isinstance(reply, Refused) and "127.0.0.1" in reply.why
        lab.ask(HeadsetConfirm("127.0.0.1"))
        lab.ask(HeadsetCapture(str(tmp_path / "session.tactar")))
        set_up(lab, quest)
        told = lab.headset.calibration
        assert told is not None and told.swapped
        expected = np.arctan2(np.sin(5.2), np.cos(5.2))
        assert told.trim_rad == pytest.approx(expected, abs=0.08)
        assert list((tmp_path / "kept").glob("headset-*.toml")), "kept for this headset"

        # ---- drive, recorded
        lab.ask(UseLeader("headset"))
        assert isinstance(lab.run.session.open_dataset(tmp_path / "data", "move"), Ok)
        lab.ask(Arm())
        lab.ask(Start("move"))
        lab.ask(HeadsetPanels("front"))
        before = lab.tool()
        room.left = room.left.grip()
        lab.watch(0.3)
        origin = room.left
        heading = np.array([np.sin(room.robot), 0.0, np.cos(room.robot)])

        def forward(share: float) -> None:
            way = 0.06 * smooth(share) * heading + np.array([0.0, 0.04 * smooth(share), 0.0])
            room.left = origin.at(origin.position + way)

        moved = motion(quest, 1.5, forward)
        lab.until(moved)
        lab.watch(0.6)
        np.testing.assert_allclose(lab.tool() - before, [0.06, 0.0, 0.04], atol=0.015)

        # ---- the plug
        quest.paused.set()
        lab.until(lambda: bool(lab.run.session.station) and not _clutched(lab), 3.0)
        held = lab.tool()
        room.left = room.left.at(room.left.position + np.array([0.05, 0.05, 0.05]))
        lab.watch(0.6)
        np.testing.assert_allclose(lab.tool(), held, atol=3e-3)
        assert any("robot holds" in event.text for event in lab.run.session.events)
        quest.paused.clear()
        lab.watch(0.6)
        assert not _clutched(lab), "never a silent re-clutch"
        np.testing.assert_allclose(lab.tool(), held, atol=3e-3)
        room.left = room.left.grip(False)
        lab.watch(0.2)
        room.left = room.left.grip()
        lab.until(lambda: _clutched(lab), 2.0)
        uid = _uid(lab, Stop())
        lab.until(lambda: lab.headset.delay_p99_ms > 0.0)
        lab.ask(HeadsetCapture(""))

        # ---- what the headset was sent
        robot = read_robot(quest.heard["robot"][-1][1])
        sent = tool_from_unity(robot.left).position
        yaw = told.T_world_headset
        angle = 2 * np.arctan2(yaw[6], yaw[3])
        c, s = np.cos(angle), np.sin(angle)
        world = np.array([c * sent[0] - s * sent[1], s * sent[0] + c * sent[1], sent[2]])
        np.testing.assert_allclose(world, lab.tool(), atol=5e-3)
        assert read_force(quest.heard["force"][-1][1]).device_id in ("left", "right")
        reader = PanelReader()
        images = [m for _, d in quest.heard["panels"] if (m := reader.feed(d)) is not None]
        assert images and read_images(images[-1])[0].id == "front"
        assert not reader.faults
    with SessionReader(tmp_path / "session.tactar") as session:
        assert sum(1 for _ in session.posts()) > 200
    path = tmp_path / "data" / "episodes" / f"{uid}.h5"
    lab.until(lambda: _closed(path))
    with h5py.File(path) as episode:
        rows = episode["streams/headset/left_controller/data"]
        assert rows.shape[0] > 60 and rows.shape[1] == 13
        assert len(episode["streams/headset/force_left/data"]) > 60
        assert len(episode["streams/station/input_delay/data"]) > 60
        assert "trim_rad" in str(episode.attrs["start"])


def test_a_second_headset_is_seen_and_ignored(lab: Lab) -> None:
    lab.ask(HeadsetListen(True, 0))
    lab.until(lambda: lab.headset.listening)
    with Quest(Room(), lab.headset.port, lab.base) as quest:
        lab.until(lambda: bool(lab.headset.posters))
        lab.ask(HeadsetConfirm("127.0.0.1"))
        with Quest(Room(), lab.headset.port, source="127.0.0.2"):
            lab.until(lambda: len(lab.headset.posters) == 2)
            lab.until(lambda: lab.headset.counters.get("refused", 0) > 10)
            assert lab.headset.address == "127.0.0.1"
            assert any("posts too" in event.text for event in lab.run.session.events)
            assert lab.headset.simulated
        assert not quest.fault
        lab.ask(HeadsetListen(False))
        lab.until(lambda: not lab.headset.listening and lab.headset.address == "")


def test_what_is_sent_stands_up_to_the_fake_headset(lab: Lab) -> None:
    """The checker of the other end: framing, finite numbers, unit quaternions, known ids."""
    lab.ask(HeadsetListen(True, 0))
    lab.until(lambda: lab.headset.listening)
    quest = FakeQuest(SCRIPTS["circle"], port=lab.headset.port, ports=Ports.from_base(lab.base))
    with in_background(quest):
        lab.until(lambda: bool(lab.headset.posters))
        lab.ask(HeadsetConfirm("127.0.0.1"))
        lab.ask(HeadsetPanels("all"))
        lab.until(lambda: len(quest.received.panels) == 3 and len(quest.received.force) == 2)
        lab.watch(1.0)
        report = quest.report()
        assert report.refused == 0 and report.faults == {}
        assert quest.received.robot is not None
        assert lab.headset.simulated


def test_a_port_in_use_is_told_at_once(lab: Lab) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        reply = lab.run.session.request(HeadsetListen(True, other.getsockname()[1]))
    assert isinstance(reply, Refused) and "in use" in reply.why


def test_captures_never_overwrite_and_need_a_folder(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    for path, word in (
        ("relative.tactar", "absolute"),
        (str(tmp_path / "there"), "exists already"),
        (str(tmp_path / "no" / "folder"), "no folder"),
    ):
        reply = lab.run.session.request(HeadsetCapture(path))
        assert isinstance(reply, Refused) and word in reply.why
    assert (tmp_path / "there").read_text() == "mine"


def _closed(path: Path) -> bool:
    try:
        h5py.File(path).close()
    except OSError:
        return False
    return True


def _clutched(lab: Lab) -> bool:
    station = lab.run.session.station
    return station is not None and any(arm.clutched for arm in station.arms)


def _uid(lab: Lab, request: Request) -> str:
    reply = lab.run.session.request(request, 5.0)
    assert isinstance(reply, Ok), reply
    return reply.uid
