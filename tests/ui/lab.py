"""A window with the Test place, and policies that do what the test says."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.runtime.requests import (
    Request,
)
from app.ui.action import PLACES, Place
from app.ui.coming import ComingPlace
from app.ui.place import PlaceWidget
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.test.memory import MemoryFile
from app.ui.test.place import TestPlace
from app.ui.test.results import book_of
from app.ui.window import MainWindow
from devices.clock import FakeClock
from policies.evaluation.trials import Trial, TrialBook
from tests.ui.fake_session import FakeSession, policy

Key = Qt.Key


class Lab:
    """A window with the Test place, policies in both slots, and a clock that is moved by hand."""

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.clock = FakeClock()
        self.session = FakeSession(str(folder / "set"))
        self.session.library = None
        for slot in ("policy_a", "policy_b"):
            self.session.policies[slot] = policy(slot)
        self.folder = folder / "set-trials"
        self.memory = MemoryFile(folder / "test.json")
        self.place = TestPlace(self.session, self.memory, self.clock)
        places: dict[Place, PlaceWidget] = {name: ComingPlace(name) for name in PLACES[2:4]}
        places |= {"collect": PlaceWidget(), "library": PlaceWidget(), "test": self.place}
        self.window = MainWindow(
            self.session, places, SettingsFile(None), Sounds(folder / "sounds")
        )
        qtbot.addWidget(self.window)
        self.window.resize(1280, 800)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.window.activateWindow()
        self.window.go("test")
        qtbot.waitUntil(lambda: QApplication.focusWidget() is self.place.run.driven.view)
        self.pass_s(0.1)

    def pass_s(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds * 20))):
            self.clock.advance_s(0.05)
            self.place.tick()
            self.window.refresh()

    def press(self, key: Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier(0)) -> None:
        QTest.keyClick(QApplication.focusWidget() or self.window, key, modifiers)
        self.pass_s(0.05)

    def asked(self, kind: type[Request]) -> list[Request]:
        return [request for request in self.session.asked if isinstance(request, kind)]

    def plan(self, who: str = "A", count: int = 1) -> None:
        self.place.run.plan.who.setCurrentText(who)
        self.place.run.plan.starts.setValue(count)
        self.press(Key.Key_A)

    def run(self) -> None:
        """Up to where the policy drives, by pressing Enter only."""
        if not self.place.rollouts.waiting:
            self.plan()
        self.press(Key.Key_Return)  # reset
        self.pass_s(1.0)
        assert self.place.rollouts.phase == "ready"
        self.press(Key.Key_Return)  # start
        assert self.place.rollouts.phase == "running"

    def trials(self) -> list[Trial]:
        return list(TrialBook(book_of(self.folder)))
