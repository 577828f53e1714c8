"""From an address to a driving headset, and back into doubt: the parts behind the process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from app.runtime.hands import as_drive, leader_input
from app.runtime.headset_pilot import Pilot
from app.runtime.statuses import Event
from devices.errors import ConfigError
from devices.leader import LeaderInput
from devices.tactar.calibration import CalibrationStore
from tests.headset.room import Hand, Room, seconds, smooth

ADDRESS = "10.0.0.7"


class Cockpit:
    """A pilot, the operator before it, and what was told."""

    def __init__(self, folder: Path, room: Room | None = None) -> None:
        self.room = room or Room(theta=0.4, robot=-0.3)
        self.events: list[Event] = []
        self.last: LeaderInput | None = None
        self.wall = datetime(2026, 3, 1, tzinfo=UTC)
        self.began_s = self.room.time_s
        self.pilot = Pilot("bench", CalibrationStore(folder), self.events.append, self._now)

    def _now(self) -> datetime:
        return self.wall + timedelta(seconds=self.room.now_ns / 1e9)

    def run(self, duration_s: float, act: Callable[[float], None] | None = None) -> None:
        for post in seconds(self.room, duration_s, act):
            self.last = self.pilot.take(post, self.room.now_ns).reading or self.last

    def set_up(self) -> None:
        room = self.room
        self.pilot.confirm(ADDRESS)
        self.run(0.2)
        self.pilot.move("begin", room.now_ns)
        self.run(0.2)
        room.left = room.left.grip()
        self.run(0.7)
        room.left = room.left.grip(False)
        self.push()
        room.right = Hand(room.right.position, room.right.pointing(room.robot).quat, 1.0)
        self.run(1.2)
        room.right = Hand(room.right.position)
        self.run(0.1)

    def push(self) -> None:
        self.run(0.6)
        start = self.room.right

        def move(share: float) -> None:
            way = np.array([0.0, 0.0, 0.32 * smooth(share)])
            self.room.right = start.at(start.position + way)

        self.run(0.9, move)
        self.run(0.6)

    def said(self) -> str:
        """Why the station hears that nobody may drive."""
        assert self.last is not None
        return leader_input(as_drive(self.last)).barred  # type: ignore[union-attr]

    def grip(self) -> bool:
        """Whether a fresh squeeze of the left grip takes hold."""
        room = self.room
        room.left = room.left.grip(False)
        self.run(0.1)
        room.left = room.left.grip()
        self.run(0.1)
        assert self.last is not None and self.last.left is not None
        room.left = room.left.grip(False)
        return self.last.left.clutch and self.last.deadman


@pytest.fixture
def cockpit(tmp_path: Path) -> Cockpit:
    return Cockpit(tmp_path)


def test_from_nothing_to_a_hand_that_drives(cockpit: Cockpit) -> None:
    cockpit.run(0.1)
    assert cockpit.last is None, "nobody is confirmed"
    cockpit.pilot.confirm(ADDRESS)
    assert not cockpit.grip(), "not set up"
    cockpit.set_up()
    assert cockpit.pilot.set_up_state().step == ""
    told = cockpit.pilot.told()
    assert told is not None and told.doubt == ""
    assert told.trim_rad == pytest.approx(0.8, abs=0.05)
    assert cockpit.grip()
    assert any("set up" in event.text for event in cockpit.events)


def test_nobody_drives_while_the_set_up_runs(cockpit: Cockpit) -> None:
    cockpit.set_up()
    cockpit.pilot.move("begin", cockpit.room.now_ns)
    assert not cockpit.grip()
    cockpit.pilot.move("cancel", cockpit.room.now_ns)
    assert cockpit.grip(), "the old one still holds"


def test_why_nobody_may_drive_is_told_with_the_way_out(cockpit: Cockpit) -> None:
    cockpit.pilot.confirm(ADDRESS)
    cockpit.run(0.1)
    assert cockpit.said() == "the headset has not been set up: set it up"
    cockpit.set_up()
    cockpit.run(0.1)
    assert cockpit.said() == ""
    cockpit.pilot.move("begin", cockpit.room.now_ns)
    cockpit.run(0.1)
    assert "set-up of the headset runs: end or cancel it" in cockpit.said()
    cockpit.pilot.move("cancel", cockpit.room.now_ns)
    cockpit.room.time_s = 3.0  # the app was started again
    cockpit.run(0.1)
    assert "the app was started again" in cockpit.said() and "push once more" in cockpit.said()
    assert ".:" not in cockpit.said()


def test_a_set_up_is_found_again_by_the_next_process(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.set_up()
    again = Cockpit(tmp_path, cockpit.room)
    assert "set-up of" in again.pilot.confirm(ADDRESS)
    assert again.grip()
    assert again.pilot.calibration == cockpit.pilot.calibration
    other = Cockpit(tmp_path, cockpit.room)
    assert "set up once" in other.pilot.confirm("10.0.0.8")


def test_a_set_up_of_another_start_of_the_app_is_doubted(cockpit: Cockpit, tmp_path: Path) -> None:
    cockpit.set_up()
    cockpit.room.time_s = 3.0
    again = Cockpit(tmp_path, cockpit.room)
    again.pilot.confirm(ADDRESS)
    assert not again.grip()
    assert "started again" in again.pilot.doubt
    again.pilot.move("finish", again.room.now_ns)
    assert again.pilot.doubt == "" and again.grip(), "the operator kept it"


def _restart(cockpit: Cockpit) -> None:
    cockpit.room.time_s = 0.0
    cockpit.run(1.0)


def _recentre(cockpit: Cockpit) -> None:
    cockpit.room.recentred, cockpit.room.jolt = 0.7, np.array([0.3, 0.0, 0.1])
    cockpit.run(0.1)


def _realign(cockpit: Cockpit) -> None:
    room = cockpit.room
    for _ in range(2):
        room.left, room.right = room.left.press(1), room.right.press(1)
        cockpit.run(0.2)
        room.left, room.right = room.left.press(1, False), room.right.press(1, False)
        cockpit.run(0.5)


@pytest.mark.parametrize("trouble", [_restart, _recentre, _realign])
@pytest.mark.parametrize("answer", ["finish", "keep", "push"])
def test_doubt_holds_until_it_is_answered(
    cockpit: Cockpit, trouble: Callable[[Cockpit], None], answer: str
) -> None:
    cockpit.set_up()
    trouble(cockpit)
    told = cockpit.pilot.told()
    assert told is not None and told.doubt
    assert not cockpit.grip()
    assert cockpit.pilot.text(0)[1], "told as a fault"
    if answer == "push":
        cockpit.pilot.move("push_forward", cockpit.room.now_ns)
        cockpit.push()
        assert not cockpit.pilot.set_up.running
    else:
        cockpit.pilot.move(answer, cockpit.room.now_ns)  # type: ignore[arg-type]
    assert cockpit.pilot.doubt == ""
    assert cockpit.grip()


def test_another_headset_begins_with_nothing(cockpit: Cockpit) -> None:
    cockpit.set_up()
    cockpit.pilot.confirm("10.0.0.9")
    assert cockpit.pilot.calibration is None
    cockpit.pilot.confirm("")
    cockpit.last = None
    cockpit.run(0.2)
    assert cockpit.last is None


def test_a_damaged_file_is_told_and_the_set_up_replaces_it(
    cockpit: Cockpit, tmp_path: Path
) -> None:
    CalibrationStore(tmp_path).path(ADDRESS, "bench").write_text("version = 1")
    assert "cannot be used" in cockpit.pilot.confirm(ADDRESS)
    assert cockpit.pilot.text(0)[1]
    cockpit.set_up()
    assert not cockpit.pilot.text(0)[1] and cockpit.grip()


def test_moves_that_come_too_early_say_what_comes_first(cockpit: Cockpit) -> None:
    with pytest.raises(ConfigError, match="Confirm"):
        cockpit.pilot.move("begin", 0)
    cockpit.pilot.confirm(ADDRESS)
    for step, word in (("align", "left grip"), ("finish", "Begin"), ("keep", "Begin")):
        with pytest.raises(ConfigError, match=word):
            cockpit.pilot.move(step, 0)  # type: ignore[arg-type]


def test_hands_and_trim_can_be_set_without_a_set_up(cockpit: Cockpit) -> None:
    cockpit.set_up()
    before = cockpit.pilot.calibration
    assert before is not None
    cockpit.pilot.move("swap", 0)
    cockpit.pilot.move("no_trim", 0)
    after = cockpit.pilot.calibration
    assert after is not None
    assert (after.swapped, after.trim_rad) == (not before.swapped, 0.0)
