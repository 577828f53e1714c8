"""The Train tab on real run folders, and a real small training started, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.session.training_clerk import catalogue
from app.session.training_draft import Answer
from app.ui import look
from app.ui.action import Intent
from app.ui.training.tab import TrainTab
from datasets.dataset import Dataset
from datasets.library import Library
from policies.templates import template
from policies.training_run import Status
from tests.policies.takes import reaching, record
from tests.policies.test_trainer import plan_for
from tests.ui.fake_session import FakeSession


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    made = reaching(tmp_path_factory.mktemp("train-tab") / "set", 6)
    record(made, 90, verdict="failure")
    return made


@pytest.fixture
def tab(qtbot: QtBot, qapp: object, tmp_path: Path, dataset: Dataset) -> Iterator[TrainTab]:
    look.dress(qapp)  # type: ignore[arg-type]
    session = FakeSession()
    session.library = Library(dataset)
    made = TrainTab(session, tmp_path / "runs")
    made.resize(1280, 720)
    made.show()
    made.enter()
    yield made
    if (runner := made.desk._runner) is not None:  # it outlasts a window, and must not a test
        runner.kill()
        runner.wait()
    made.close_down()
    made.close()
    made.deleteLater()


def until(tab: TrainTab, happened: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        tab.tick()
        QTest.qWait(10)


def test_an_empty_queue_says_what_to_do(tab: TrainTab) -> None:
    assert "teledeck train" in tab._empty.text.text()
    assert tab._stack.currentIndex() == 0


def test_a_run_is_shown_and_only_drawn_when_there_is_something_new(
    tab: TrainTab, dataset: Dataset
) -> None:
    folder = tab.desk.add(plan_for(dataset, steps=100))
    for step in (10, 20, 30):
        folder.add_metrics(
            {"kind": "train", "stage": "policy", "step": step, "loss": 1 / step, "lr": 1e-3}
        )
    folder.add_metrics({"kind": "hold-out", "stage": "policy", "step": 30, "loss": 0.05})
    with folder.locked():
        folder.write_status(
            Status(phase="training", step=30, steps=100, best=0.05, steps_per_s=10.0, left_s=7.0)
        )
        tab._look(force=True)
        assert tab.run.name.text() == "0001-bc"
        assert tab.run.phase.text() == "Trains"
        assert "30 of 100 updates" in tab.run.sentence.text()
        assert "7 s left" in tab.run.sentence.text()
        assert "0.05" in tab.run.facts["Hold-out"].text()
        draws = tab.run.plot.draws
        for _ in range(3):
            tab._look(force=True)
        assert tab.run.plot.draws == draws
        folder.add_metrics({"kind": "train", "stage": "policy", "step": 40, "loss": 0.02})
        tab._look(force=True)
        assert tab.run.plot.draws == draws + 1
    assert "0.05" in tab.run.log.item(0).text()
    tab.desk.add(plan_for(dataset))
    tab._look(force=True)
    tab.list.choose("0002-bc")
    assert tab.run.log.item(0).text() == "Nothing yet", "not what happened to the other one"
    tab.list.choose("0001-bc")
    tab._look(force=True)  # the trainer is gone
    assert tab.run.phase.text() == "Interrupted" and tab.run.pause.text() == "Resume"


def test_cancel_and_go_on_from_the_table_of_actions(tab: TrainTab, dataset: Dataset) -> None:
    tab.desk.add(plan_for(dataset))
    tab._look(force=True)
    assert tab.perform(Intent("train_cancel"))
    assert tab.run.phase.text() == "Cancelled"
    assert "again" in tab.desk.runs()[0].can
    assert not tab.perform(Intent("nothing of ours"))


def test_a_key_acts_on_the_training_as_it_is_now(tab: TrainTab, dataset: Dataset) -> None:
    folder = tab.desk.add(plan_for(dataset))
    tab._look(force=True)
    said: list[str] = []
    tab.said.connect(said.append)
    assert tab.perform(Intent("train_again"))
    assert said == ["0001-bc cannot be taken up again now (waits)"]
    with folder.locked():
        folder.write_status(Status(phase="failed", error="its process ended with -9"))
    asked: list[str] = []
    tab.desk.again = asked.append  # type: ignore[method-assign]
    assert tab.perform(Intent("train_again"))  # the page has not been drawn since
    assert asked == ["0001-bc"]


def test_what_cannot_be_read_is_named(tab: TrainTab, dataset: Dataset) -> None:
    folder = tab.desk.add(plan_for(dataset))
    (folder.path / "plan.json").write_text("{}")
    tab._look(force=True)
    said = tab.complaint.text()
    assert tab.complaint.isVisible() and "0001-bc/plan.json" in said and "another folder" in said
    for _ in range(4):
        (tab.desk.add(plan_for(dataset)).path / "plan.json").write_text("{")
    tab._look(force=True)
    assert tab.complaint.text().endswith("and 2 more")


def test_takes_that_have_changed_are_counted_anew(tab: TrainTab) -> None:
    tab.perform(Intent("train_new"))
    sheet = tab.sheet
    until(tab, lambda: sheet.done.isEnabled())
    takes = sheet.choice.takes
    assert takes is not None
    sheet.choice.say("Looking at takes: 6 of 6", None)
    fewer = msgspec.structs.replace(takes, rows=takes.rows[:-1])
    sheet._hear_takes(Answer(number=1, takes=fewer))  # one was moved away meanwhile
    assert not sheet.done.isEnabled()
    until(tab, lambda: sheet.done.isEnabled())
    assert "windows from" in sheet.choice.report.text()


def test_every_policy_is_described_with_its_options() -> None:
    found = {kind.name: kind for kind in catalogue().policies}
    assert {"bc", "diffusion", "flow", "rdp"} <= set(found)
    assert found["rdp"].preset == "reactive" and len(found["rdp"].stages) == 2
    width = next(option for option in found["bc"].options if option.name == "width")
    assert (width.kind, width.default) == ("int", 256) and "hidden" in width.doc
    for kind in found.values():
        assert all(option.doc for option in kind.options), kind.name


def test_the_sheet_begins_with_what_was_seen_to_work_there(tab: TrainTab) -> None:
    tab.perform(Intent("train_new"))
    sheet = tab.sheet
    until(tab, lambda: sheet.done.isEnabled())
    form, takes = sheet.form, sheet.choice.takes
    assert takes is not None and takes.scene == "" and form.template.currentText() == "None"
    form.suggest_for("wipe")
    assert form.template.currentText() == "rdp-wipe"
    said = sheet.command.text()
    assert "--policy rdp --needs glance-sent-reactive --steps 12000" in said
    draft = sheet.draft()
    assert draft is not None and set(draft.settings) == set(template("rdp-wipe").fields())
    assert draft.settings["plan.pushed"] == "follow" and draft.settings["scale"] == '"standard"'
    assert json.loads(draft.settings["widths"]) == [32, 64, 128]
    assert float(draft.settings["kl"]) == 1e-4 and "--set plan.pushed=follow" in said
    assert "plan.pushed=follow" in form.template_words.text()
    form.suggest_for("drawer")  # nothing is known there
    assert form.template.currentText() == "None"
    assert "plan.pushed" not in sheet.command.text()
    form.suggest_for("wipe")
    form.policy.setCurrentText("bc")
    assert form.template.currentText() == "None" and "--policy bc --needs state" in (
        sheet.command.text()
    )
    form.suggest_for("lift")  # the user has chosen by now
    assert form.policy.currentText() == "bc"
    form.template.setCurrentText("rdp-lift")
    assert form.policy.currentText() == "rdp" and "--set about=" not in sheet.command.text()


def test_the_sheet_counts_windows_and_weighs_takes(tab: TrainTab) -> None:
    tab.perform(Intent("train_new"))
    sheet = tab.sheet
    until(tab, lambda: sheet.done.isEnabled())
    assert len(sheet.choice.table.takes.rows) == 6  # the failure is not among them
    assert sheet._counted is not None
    before = sheet._counted.windows + sheet._counted.held_windows
    assert before > 0
    sheet.choice.table.setFocus()
    QTest.keyClick(sheet.choice.table, Qt.Key.Key_Space)
    until(tab, lambda: sheet.done.isEnabled())
    assert sheet._counted.windows + sheet._counted.held_windows < before
    first = sheet.choice.table.takes.rows[0].uid
    QTest.keyClick(sheet.choice.table, "3")
    sheet.form.judge_every.setValue(40)
    draft = sheet.draft()
    assert draft is not None and draft.weights == {first: 3.0} and draft.judge_every == 40
    assert "--set plan.judge_every=40" in sheet.command.text()
    until(tab, lambda: sheet.done.isEnabled())
    assert sheet._counted.plan.judge_every == 40
    sheet.choice.verdict.setCurrentIndex(2)
    assert len(sheet.choice.table.takes.rows) == 7
    sheet.choice.dataset.setText("/nowhere at all")
    sheet.choice._typed()
    until(tab, lambda: "does not exist" in sheet.choice.report.text())
    assert not sheet.done.isEnabled()


@pytest.mark.slow
def test_a_training_started_here_survives_the_death_of_its_process(tab: TrainTab) -> None:
    tab.perform(Intent("train_new"))
    sheet = tab.sheet
    until(tab, lambda: sheet.done.isEnabled())
    sheet.form.steps.setValue(4000)
    until(tab, lambda: sheet.done.isEnabled())
    sheet._finish()
    assert not sheet.isVisible()

    def status() -> Status:
        return tab.desk.runs()[0].status

    until(tab, lambda: status().phase == "training" and status().step > 100)
    os.kill(status().pid, signal.SIGKILL)
    until(tab, lambda: tab.desk.runs()[0].status.phase in ("failed", "stopped"))
    until(tab, lambda: not tab.desk.working)
    view = tab.desk.runs()[0]
    assert tab.perform(Intent("train_pause" if "resume" in view.can else "train_again"))
    until(tab, lambda: status().phase == "done", 100.0)
    assert tab.desk.runs()[0].checkpoint is not None
    until(tab, lambda: tab.run.phase.text() == "Done" and not tab.desk.working)
    asked: list[Intent] = []
    tab.intended.connect(asked.append)
    tab.run.load.click()
    assert asked[0].name == "policy_load" and asked[0].argument.endswith("/best")
