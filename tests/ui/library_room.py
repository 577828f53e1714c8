"""A window with a Library on a made-up dataset, for the tests of the Library."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.ui.action import PLACES, Place
from app.ui.coming import ComingPlace
from app.ui.library.place import LibraryPlace
from app.ui.place import PlaceWidget
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.window import MainWindow
from datasets.dataset import Dataset
from datasets.library import Library
from devices.clock import FakeClock
from tests.ui.fake_session import FakeSession

COUNT = 6
"""Episodes in its dataset."""


class Room:
    """A window with a Library on a dataset of its own, and a clock that stands still."""

    def __init__(self, qtbot: QtBot, root: Path) -> None:
        self.qtbot = qtbot
        self.clock = FakeClock()
        self.session = FakeSession(str(root))
        self.library = self.session.library = Library(Dataset.open(root))
        self.place = LibraryPlace(self.session, self.clock)
        places: dict[Place, LibraryPlace | ComingPlace] = {
            place: ComingPlace(place) for place in PLACES[2:4]
        }
        collect, other = PlaceWidget(), PlaceWidget()
        self.window = MainWindow(
            self.session,
            {**places, "collect": collect, "library": self.place, "test": other},
            SettingsFile(None),
            Sounds(root / "cache" / "sounds"),
        )
        qtbot.addWidget(self.window)
        self.window.resize(1280, 800)
        self.window.show()
        qtbot.waitExposed(self.window)
        self.window.activateWindow()
        self.window.go("library")
        qtbot.waitUntil(lambda: QApplication.focusWidget() is self.place.browse.list)

    def press(self, key: Qt.Key) -> None:
        QTest.keyClick(QApplication.focusWidget() or self.window, key)

    def open(self, row: int) -> None:
        """Open the episode of a row and wait until its first instant is shown."""
        browse = self.place.browse
        browse.select(browse.model.cards[row].uid)
        self.press(Qt.Key.Key_Return)
        self.wait_loaded()

    def wait_loaded(self) -> None:
        player = self.place.player

        def loaded() -> None:
            assert not player._fault.isVisible(), player._fault.text.text()
            assert self.place._open_uid, self.said
            assert player._loaded is not None, player.loader._loaded.keys()
            assert player._loaded.path == player._path

        self.qtbot.waitUntil(loaded, timeout=10_000)

    @property
    def said(self) -> str:
        return self.window.toast.text()
