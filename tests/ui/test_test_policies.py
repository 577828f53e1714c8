"""Policies in the Test place: loaded, watched, told, and what is shown of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QScrollArea

from app.runtime.requests import (
    PolicyDrop,
    PolicyHold,
    PolicyLoad,
    PolicyUse,
    PolicyWatch,
    SetInstruction,
)
from app.runtime.statuses import NeedCheck
from app.session.training import TrainingDesk
from app.ui.action import Intent
from app.ui.actions import ACTIONS
from app.ui.test.words import short_place
from devices.stream import Sample
from policies.training_run import Plan, Status
from tests.ui.fake_session import policy
from tests.ui.lab import Lab

pytestmark = [pytest.mark.gl, pytest.mark.window]

Key = Qt.Key


def test_the_buttons_of_a_card_ask(lab: Lab) -> None:
    card = lab.place.run.cards["policy_b"]
    card.drive.click()
    assert lab.asked(PolicyUse)[-1] == PolicyUse("policy_b")
    lab.pass_s(0.05)
    card.hold.click()
    assert lab.asked(PolicyHold)[-1] == PolicyHold(True)
    card.drop.click()
    assert lab.asked(PolicyDrop) == [PolicyDrop("policy_b")]
    lab.pass_s(0.05)
    assert card.phase.text() == "Empty"


def test_what_does_not_fit_is_shown_and_the_rest_when_asked_for(lab: Lab) -> None:
    card = lab.place.run.cards["policy_a"]
    assert not card.table.isVisible() and card.more.text() == "All 2 fit"
    good = NeedCheck("right_arm/q", "shape", "7", "7", True)
    bad = NeedCheck("front/rgb", "name", "front/rgb", "no such stream", False)
    lab.session.set_policy("policy_a", phase="failed", text="front/rgb", checks=(good, bad))
    lab.pass_s(0.05)
    assert card.table.isVisible() and card.more.text() == "1 of 2 does not fit"
    first = card._grid.itemAtPosition(0, 1)
    assert first is not None and "front/rgb" in first.widget().text()  # type: ignore[union-attr]
    assert card._grid.itemAtPosition(1, 1) is None, "what fits is not in the way"
    QApplication.processEvents()
    boxes = [card._grid.cellRect(0, column) for column in range(4)]
    assert all(a.right() < b.left() for a, b in pairwise(boxes)), boxes
    assert all(box.width() >= 80 for box in boxes[1:]), "no column is drawn over the next"
    card.more.click()
    assert card._grid.itemAtPosition(1, 1) is not None
    card.more.click()
    assert card._grid.itemAtPosition(1, 1) is None and card.table.isVisible()


def test_a_low_window_shows_cards_and_curves_at_once(lab: Lab) -> None:
    """At 1280 x 800, a policy driving and something amiss with both."""
    bad = NeedCheck("right_gripper/gap", "normalisation", "column 0 in 0.02 ... 0.09", "0.1", False)
    lab.session.set_policy("policy_a", phase="driving", checks=(bad,))
    lab.session.set_policy("policy_b", checks=(bad,))
    lab.pass_s(0.2)
    QApplication.processEvents()
    run = lab.place.run
    area = run.findChild(QScrollArea)
    assert area is not None and area.verticalScrollBar().maximum() == 0  # type: ignore[union-attr]
    for card in run.cards.values():
        assert card.path.width() > 40 and card.name.natural_width() <= card.name.width() + 4
        for button in (card.load, card.drive, card.hold):
            assert button.sizeHint().width() <= button.width(), f"'{button.text()}' is cut"
    assert run.cards["policy_a"].drive.text() == "Give back"


def test_load_asks_for_a_checkpoint_and_remembers_it(lab: Lab, tmp_path: Path) -> None:
    lab.press(Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    sheet = lab.place.policy_sheet
    assert sheet.isVisible()
    sheet.path.setText(str(tmp_path))
    assert not sheet.done.isEnabled(), "a folder without policy.json is no checkpoint"
    (tmp_path / "policy.json").write_text("{}")
    sheet.path.setText(str(tmp_path) + "/")
    QTest.keyClick(sheet.path, Key.Key_Return)
    assert lab.asked(PolicyLoad) == [PolicyLoad(str(tmp_path))]
    assert lab.memory.load().checkpoints == (str(tmp_path),)


def test_a_training_is_watched(lab: Lab, tmp_path: Path) -> None:
    lab.window.perform(Intent("policy_watch"))
    sheet = lab.place.watch_sheet
    sheet.path.setText(str(tmp_path))
    sheet.use.setChecked(True)
    sheet.done.click()
    assert lab.asked(PolicyWatch) == [PolicyWatch(str(tmp_path), use=True)]


def test_what_is_watched_is_said(lab: Lab) -> None:
    assert lab.place.watched.isHidden()
    lab.session.set_station(watching="/home/kim/trainings/0001-rdp", watched_drives=True)
    lab.pass_s(0.1)
    assert lab.place.watched.text() == "Watches 0001-rdp, lets it drive"
    assert "/home/kim/trainings/0001-rdp" in lab.place.watched.toolTip()


def test_the_sheets_offer_the_trainings_of_the_queue(lab: Lab, tmp_path: Path) -> None:
    plan = Plan(dataset=str(tmp_path), policy="bc", config={})
    lab.place.train.desk = TrainingDesk(tmp_path / "queue")
    runs = [lab.place.train.desk.add(plan, name) for name in ("one", "two")]
    (runs[1].path / "best").mkdir()
    with runs[0].locked():  # as long as a trainer lives
        runs[0].write_status(Status(phase="training"))
        lab.window.perform(Intent("policy_watch"))
    sheet = lab.place.watch_sheet
    shown = [sheet.before.item(row).text() for row in range(sheet.before.count())]
    assert shown == ["0001-one", "0002-two"], "what trains comes first"
    assert sheet.given() == str(runs[0].path)
    sheet.before.setCurrentRow(1)
    assert sheet.given() == str(runs[1].path)
    sheet.dismiss()
    lab.window.perform(Intent("policy_load"))
    assert [lab.place.policy_sheet.before.item(0).text()] == ["0002-two/best"]


def test_touch_is_shown_beside_what_the_policy_expects(lab: Lab) -> None:
    plots = lab.place.run.plots
    lab.session.set_station(leader="policy_a")
    lab.pass_s(0.1)
    assert "not told" in plots.touch_plot.accessibleName()
    rows = np.zeros((24, 6))
    rows[:, 2] = np.arange(24.0)  # 1 N more with each row
    name = "policy_a/expects/right_arm/wrench"
    lab.session.samples[name] = Sample(name, 0, lab.clock.now_ns(), rows)
    lab.pass_s(0.5)
    assert "dashed" in plots.touch_plot.accessibleName()
    rate_hz = lab.session.policies["policy_a"].rate_hz
    assert plots.expected["right"].last == pytest.approx(0.5 * rate_hz, abs=0.1)
    (line,) = plots._expected_lines(lab.clock.now_ns())
    assert line.dashed
    before = plots.expected["right"].last_t_ns
    lab.pass_s(5.0)
    assert plots.expected["right"].last_t_ns < before + 2e9, "a plan that has ended expects nothing"


def test_no_whole_path_stands_on_a_card(lab: Lab) -> None:
    status = msgspec.structs.replace(policy("policy_a"), path="/home/kim/runs/0001-rdp/best")
    lab.session.policies["policy_a"] = status
    lab.pass_s(0.1)
    card = lab.place.run.cards["policy_a"]
    assert card.path.text() == "0001-rdp/best" and card.path.toolTip() == status.path
    assert short_place("ws://localhost:8000") == "ws://localhost:8000"
    assert short_place("") == ""


def test_the_instruction_is_told_without_loading(lab: Lab) -> None:
    lab.press(Key.Key_I)
    assert lab.place.instruction.hasFocus()
    QTest.keyClicks(lab.place.instruction, "open it")
    QTest.keyClick(lab.place.instruction, Key.Key_Return)
    assert lab.asked(SetInstruction) == [SetInstruction("open it")]
    assert not lab.asked(PolicyLoad) and lab.place.run.driven.view.hasFocus()


def test_a_chunk_is_a_path_from_now_on(lab: Lab) -> None:
    lab.press(Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    now_ns = lab.clock.now_ns()
    rows = np.zeros((24, 4))
    rows[:, 0] = np.linspace(0.0, 0.23, 24)
    samples = np.stack([rows, rows + 0.01, np.full_like(rows, np.nan)])
    for stream, data in (("chunk", rows), ("samples", samples)):
        name = f"policy_a/{stream}"
        lab.session.samples[name] = Sample(name, 0, now_ns, data)
    lab.clock.advance_s(0.25)
    lab.place.tick()
    (path,) = lab.place.run.driven.view._ar.paths
    assert path.side == "right" and path.samples is not None and len(path.samples) == 2
    np.testing.assert_allclose(path.at_now()[0], 0.06, atol=1e-9)
    lab.clock.advance_s(5.0)
    lab.place.tick()
    assert lab.place.run.driven.view._ar.paths == (), "a chunk that has ended is not shown"


def test_rows_of_the_table_are_known(lab: Lab) -> None:
    """Each row of Test is performed by the place or by the commands, and by nobody twice."""
    theirs = [a for a in ACTIONS if a.context in ("test", "test_view", "tabs", "trials")]
    assert len(theirs) > 30
    for action in theirs:
        known = action.intent.name in lab.place._handlers()
        commands = action.intent.name in lab.window.commands._handlers
        assert known != commands or action.intent.name == "grip", action.id


# ------------------------------------------------------------------------------------ bad input
def test_the_sheet_says_what_is_no_checkpoint_and_what_to_name_instead(
    lab: Lab, tmp_path: Path
) -> None:
    training = tmp_path / "runs" / "0001-bc"
    (training / "best").mkdir(parents=True)
    (training / "best" / "policy.json").write_text("{}")
    (tmp_path / "none").mkdir()
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "plan.json").write_text("{}")
    (tmp_path / "weights.pt").write_bytes(b"\x80\x04.")
    lab.window.perform(Intent("policy_load"))
    sheet = lab.place.policy_sheet
    for name, words in (
        ("gone", ("gone", "Check the path")),
        ("none", ("no policy.json", "Choose the folder")),
        ("runs/0001-bc", (f"Choose {training}/best",)),
        ("fresh", ("no checkpoint yet", "watch it")),
        ("weights.pt", ("weights.pt is a pickle", "Serve it")),
    ):
        sheet.path.setText(str(tmp_path / name))
        assert all(word in sheet.hint.text() for word in words), sheet.hint.text()
        assert not sheet.done.isEnabled()
        lab.pass_s(0.1)
        # All of it can be read, and what was used before still is there.
        assert sheet.hint.heightForWidth(sheet.hint.width()) <= sheet.hint.height()
        assert sheet.panel.rect().contains(sheet.done.geometry())
    sheet.path.setText(str(training / "best"))
    assert sheet.done.isEnabled() and not lab.asked(PolicyLoad)


def test_the_sheet_of_watching_says_what_it_would_watch(lab: Lab, tmp_path: Path) -> None:
    lab.window.perform(Intent("policy_watch"))
    sheet = lab.place.watch_sheet
    sheet.path.setText(str(tmp_path / "gone"))
    assert "gone" in sheet.hint.text() and not sheet.done.isEnabled()
    sheet.path.setText(str(tmp_path))
    assert "Not a training yet" in sheet.hint.text() and sheet.done.isEnabled()
    (tmp_path / "plan.json").write_text("{}")
    sheet.path.setText(f"{tmp_path}/")
    assert "loaded into the slot" in sheet.hint.text() and sheet.done.isEnabled()


def test_a_long_sentence_stays_in_the_window(lab: Lab) -> None:
    toast = lab.window.toast
    for count in (1, 20, 60):
        toast.say("word " * count, tone="fault")
        assert lab.window.rect().contains(toast.geometry()), toast.geometry()
        label = toast._text
        assert label.wordWrap() == (count > 20)
        room = toast.layout().contentsRect() if toast.layout() else toast.rect()  # type: ignore[union-attr]
        needed = label.fontMetrics().boundingRect(
            0, 0, label.width(), 1000, Qt.TextFlag.TextWordWrap, label.text()
        )
        assert needed.height() <= room.height() or count == 1
