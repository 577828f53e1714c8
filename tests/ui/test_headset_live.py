"""The headset page before real processes and a headset on the wire: Enter leads to a moving arm."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication

from app.launch import Run
from app.runtime.requests import HeadsetListen
from app.runtime.station_file import Cameras, StationFile
from app.ui import look
from app.ui.action import PLACES, Intent
from app.ui.place import PlaceWidget
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.window import MainWindow
from tests.headset.quest import Quest, free_base
from tests.headset.room import Hand, Room, smooth

pytestmark = [pytest.mark.slow, pytest.mark.window]
PATIENCE_S = 20.0
NEXT = Intent("headset_next")


def test_from_nothing_to_a_moving_arm(qapp: QApplication, tmp_path: Path) -> None:
    look.dress(qapp)
    small = Cameras(width=160, height=120, rate_hz=10.0, detail="minimal")
    base = free_base()
    options = {"folder": str(tmp_path / "kept"), "ports": base}
    with Run(StationFile(scene="drawer", cameras=small), options) as run:
        session = run.session
        window = MainWindow(
            session,
            {place: PlaceWidget() for place in PLACES},
            SettingsFile(tmp_path / "w.toml"),
            Sounds(tmp_path / "sounds"),
        )
        page = window.headset_page

        def until(true: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
            end = time.monotonic() + patience_s
            while not true():
                assert time.monotonic() < end, (page.guide, session.headset)
                qapp.processEvents()
                run.poll(0.005)
                window.step()

        def wait(seconds: float) -> None:
            end = time.monotonic() + seconds
            until(lambda: time.monotonic() > end)

        try:
            window.show()
            window.perform(Intent("headset_page"))
            until(lambda: session.headset is not None and page.guide.offer is not None)
            assert page.next_intent() == Intent("headset_listen", "on")
            session.request(HeadsetListen(True, 0))  # any free port: 8082 may be another's
            until(lambda: page.guide.step == "who")
            assert session.headset is not None
            room = Room(theta=0.35, robot=0.4)
            with Quest(room, session.headset.port, base) as quest:
                until(lambda: page.next_intent() is not None)
                window.perform(NEXT)
                until(lambda: session.headset and session.headset.set_up.step == "squeeze_left")
                wait(0.3)
                room.left = room.left.grip()
                until(lambda: page.guide.step == "push")
                room.left = room.left.grip(False)
                wait(0.7)
                start = room.right
                move(quest, 1.0, lambda share: push(room, start, share))
                until(lambda: page.guide.step == "align")
                room.right = Hand(room.right.position, room.right.pointing(0.4).quat, 1.0)
                until(lambda: page.guide.step == "drive")
                room.right = Hand(room.right.position)
                window.perform(NEXT)
                until(lambda: session.station and session.station.leader == "headset")
                wait(0.3)
                before = tool(window)
                room.left = room.left.grip()
                until(lambda: page.guide.good)
                hand = room.left
                move(quest, 1.0, lambda share: lift(room, hand, share))
                until(lambda: tool(window)[2] - before[2] > 0.02)
                quest.paused.set()
                until(lambda: page.guide.title == "The headset is silent")
                quest.paused.clear()
                until(lambda: page.guide.step == "drive")
                wait(0.5)
                assert not page.guide.good, "a grip that stayed held does not take hold again"
        finally:
            window.close()
            window.deleteLater()


def move(quest: Quest, duration_s: float, act: Callable[[float], None]) -> None:
    """Let the operator do something from the next post on."""
    began: list[float] = []

    def step(t: float) -> None:
        began.append(t)
        act(smooth(min(1.0, (t - began[0]) / duration_s)))

    quest.act = step


def push(room: Room, start: Hand, share: float) -> None:
    if not room.right.trigger:
        room.right = start.at(start.position + np.array([0.0, 0.0, 0.34 * share]))


def lift(room: Room, start: Hand, share: float) -> None:
    room.left = start.at(start.position + np.array([0.0, 0.05 * share, 0.0]))


def tool(window: MainWindow) -> np.ndarray:
    sample = window.session.latest("left_arm/T_world_tool")
    assert sample is not None
    return sample.data[:3].copy()
