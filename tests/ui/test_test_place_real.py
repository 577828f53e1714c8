"""The Test place with real processes and a real, if untrained, checkpoint: loaded, driving, taken
over by a key, given back, stopped, judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.ui import look
from app.ui.action import Intent
from app.ui.app import make_window
from app.ui.settings import SettingsFile
from app.ui.test.place import TestPlace
from app.ui.test.results import book_of
from datasets.dataset import Dataset
from datasets.reader import Episode
from policies.evaluation.trials import TrialBook
from tests.serving.real_run import RealRun
from tests.serving.test_checkpoint import saved

Key = Qt.Key


@pytest.mark.gl
@pytest.mark.window
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_checkpoint_is_tried_taken_over_and_judged(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path
) -> None:
    look.dress(qapp)
    saved(tmp_path / "run" / "best")
    children = ("station", "recorder")
    with RealRun(with_children=children, module="app.runtime.policy_process") as run:
        window = make_window(run.session, SettingsFile(None), tmp_path)
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        qtbot.waitExposed(window)
        window.activateWindow()

        def live(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                run.supervisor.step(0.0)
                window.step()
                qapp.processEvents()
                time.sleep(0.005)

        def until(happened: Callable[[], bool]) -> None:
            end = time.monotonic() + 60.0
            while not happened():
                told = (run.session.policies, window.toast.text())
                assert time.monotonic() < end, told
                live(0.05)

        def press(key: Key) -> None:
            QTest.keyClick(QApplication.focusWidget() or window, key)

        until(lambda: run.session.recorder is not None)
        window.open_dataset(tmp_path / "rollouts")
        window.go("test")
        place = window._places["test"]
        assert isinstance(place, TestPlace)
        until(lambda: place.run.driven.view.tools != {})
        window.perform(Intent("policy_load", str(tmp_path / "run" / "best")))
        until(lambda: run.phase("policy_a") == "ready")
        live(0.2)
        press(Key.Key_Return)  # plan
        live(0.2)
        press(Key.Key_Return)  # reset
        until(lambda: place.rollouts.phase == "ready")
        live(0.2)
        press(Key.Key_Return)  # start
        until(lambda: run.phase("policy_a") == "driving")
        until(lambda: bool(place.run.driven.view._ar.paths))
        live(0.5)
        press(Key.Key_K)
        QTest.keyPress(QApplication.focusWidget() or window, Key.Key_Up)
        until(lambda: place.rollouts.now is not None and place.rollouts.now.takeovers == 1)
        assert place.run.bar.who.text() == "You"
        QTest.keyRelease(QApplication.focusWidget() or window, Key.Key_Up)
        live(0.5)
        press(Key.Key_G)
        until(lambda: run.session.station is not None and run.session.station.leader == "policy_a")
        live(0.5)
        press(Key.Key_F)
        until(lambda: place.rollouts.phase == "idle")
        (trial,) = TrialBook(book_of(tmp_path / "rollouts-trials"))
        assert (trial.verdict, trial.takeovers, trial.policy) == ("failure", 1, "bc")
        assert [kind for kind, _ in trial.tags] == ["stuck"] and trial.seconds > 1.0
        live(0.5)
        with Episode.open(Dataset.open(tmp_path / "rollouts").episode_path(trial.uid)) as episode:
            kinds = [event.kind for event in episode.events]
            assert "takeover" in kinds and "leader" in kinds
        window.close()
