"""A display for the window tests, and a check that each test leaves nothing behind."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from tests.ui.lab import Lab
    from tests.ui.library_room import Room


def pytest_configure(config: pytest.Config) -> None:
    """Give the session a display before pytest-qt makes its application."""
    if os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if shutil.which("Xvfb") is None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        config.add_cleanup(lambda: os.environ.pop("QT_QPA_PLATFORM", None))
        return
    process, display = _start_xvfb()
    os.environ["DISPLAY"] = display

    def end() -> None:
        os.environ.pop("DISPLAY", None)
        process.terminate()
        process.wait(timeout=10)

    config.add_cleanup(end)


def _start_xvfb() -> tuple[subprocess.Popen[bytes], str]:
    """Start a virtual display; the server picks a free number itself."""
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1920x1080x24", "-nolisten", "tcp"],
        pass_fds=(write_end,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        number = answer.readline().strip()  # empty at once if the server does not start
    if not number:
        process.wait(timeout=10)
        pytest.exit("Xvfb does not start; try it by hand: Xvfb :99", returncode=3)
    return process, f":{number}"


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> QApplication:
    """With the sound library loaded. It writes messages while it loads, and those of Qt go to a
    handler in Python here: where a view looked up OpenGL's functions at that moment, the loader's
    lock and Python's waited for each other for ever."""
    from PyQt6.QtMultimedia import QMediaDevices

    QMediaDevices.defaultAudioOutput()
    return qapp


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a thread, a window or a running timer behind."""
    from PyQt6.QtCore import QEvent, QTimer
    from PyQt6.QtWidgets import QApplication

    threads = set(threading.enumerate())
    yield
    app = QApplication.instance()
    if isinstance(app, QApplication):
        gc.collect()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        app.processEvents()
        windows = [w for w in QApplication.topLevelWidgets() if w.parent() is None]
        assert not windows, f"windows left: {windows}"
        timers = [timer for timer in app.findChildren(QTimer) if timer.isActive()]
        assert not timers, f"timers left: {timers}"
    left = [t for t in threading.enumerate() if t not in threads and t.is_alive()]
    assert not left, f"threads left: {left}"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Episodes that the tests of the Library only read."""
    from tests.ui.fake_dataset import make_dataset
    from tests.ui.library_room import COUNT

    root = tmp_path_factory.mktemp("recorded") / "data"
    make_dataset(root, COUNT, seconds=1.0)
    return root


@pytest.fixture
def room(qtbot: QtBot, qapp: QApplication, recorded: Path, tmp_path: Path) -> Iterator[Room]:
    """A window with a Library on a copy of them."""
    from app.ui import look
    from tests.ui.library_room import Room

    look.dress(qapp)
    shutil.copytree(recorded, tmp_path / "data")  # recording syncs to the disk, copying does not
    made = Room(qtbot, tmp_path / "data")
    yield made
    made.window.close()
    made.window.deleteLater()


@pytest.fixture
def lab(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Lab]:
    """A window with the Test place."""
    from app.ui import look
    from tests.ui.lab import Lab

    look.dress(qapp)
    made = Lab(qtbot, tmp_path)
    yield made
    made.place.close_down()
