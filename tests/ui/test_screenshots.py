"""Pictures of the docs: whoever gives up says at which picture, and the command fails."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from PyQt6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app import launch
from app.runtime.station_file import StationFile
from app.ui import app as window_app
from app.ui import screenshots
from app.ui.screenshots import Photographer
from devices.errors import TeledeckError
from tests.ui.fake_session import FakeSession


class _Window(QWidget):
    """A window that shows nothing, with a session that does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.session = SimpleNamespace(station=None, recorder=None)
        self.closed = False

    def close(self) -> bool:
        self.closed = True
        return super().close()


@pytest.mark.parametrize(
    ("only", "picture"), [("", "collect"), ("headset", "headset-port"), ("train", "train")]
)
def test_a_photographer_that_waits_in_vain_names_the_picture(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: str, picture: str
) -> None:
    monkeypatch.setattr(screenshots, "PATIENCE_S", 0.05)
    window = _Window()
    qtbot.addWidget(window)
    photographer = Photographer(window, tmp_path, tmp_path, only=only)  # type: ignore[arg-type]
    photographer.start()
    qtbot.waitUntil(lambda: window.closed)
    assert photographer.status == 1
    assert f"Gave up at the picture '{picture}'" in photographer.failure
    assert "0 taken" in photographer.failure


def test_a_script_that_breaks_has_not_taken_its_pictures(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = _Window()
    qtbot.addWidget(window)
    photographer = Photographer(window, tmp_path, tmp_path)  # type: ignore[arg-type]
    window.session.station = window.session.recorder = object()  # it has no library: a mistake
    photographer.start()
    qtbot.waitUntil(lambda: window.closed)
    assert photographer.status == 1
    assert "'collect'" in photographer.failure and "AttributeError" in photographer.failure


class _GivesUp:
    failure = "Gave up at the picture 'headset-push'"
    status = 1

    def __init__(self, window: QWidget, *_: object, **__: object) -> None:
        self._window = window

    def start(self) -> None:
        self._window.close()


def test_the_window_passes_on_that_pictures_are_missing(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = _Window()
    window.start = lambda: None  # type: ignore[attr-defined]
    window.go = lambda place: None  # type: ignore[attr-defined]
    qtbot.addWidget(window)
    monkeypatch.setattr(window_app, "make_window", lambda session: window)
    monkeypatch.setattr(window_app, "Photographer", _GivesUp)
    monkeypatch.setattr(window_app.priority, "keep_apart", lambda place: None)
    monkeypatch.setattr(window_app, "settle_memory", lambda: None)
    monkeypatch.setattr(
        window_app,
        "make_application",
        lambda: SimpleNamespace(primaryScreen=lambda: None, exec=int),
    )
    with pytest.raises(TeledeckError, match="Gave up at the picture 'headset-push'"):
        window_app.run_window(FakeSession(), screenshots=tmp_path, run=tmp_path)


def test_the_command_fails_with_the_windows_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The window's process ends as one that refused: its last line is told, and the status is 1."""
    sentence = "Gave up at the picture 'headset-push'"
    module = tmp_path / "gives_up.py"
    module.write_text(
        "import sys\n"
        "from app.runtime.child import run_child\n"
        "from devices.errors import TeledeckError\n"
        f"def work(child): raise TeledeckError({sentence!r})\n"
        "sys.exit(run_child('window', work))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    monkeypatch.setattr(launch, "children", lambda *_: ())
    given = launch.ChildSpec
    monkeypatch.setattr(
        launch, "ChildSpec", lambda name, _, *rest, **more: given(name, "gives_up", *rest, **more)
    )
    assert launch.open_window(StationFile(scene="wipe"), None, screenshots=tmp_path) == 1
    assert sentence in capfd.readouterr().err
