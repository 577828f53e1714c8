"""The Test place on a session that plays policies: every control asks, every rollout is judged."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.runtime.requests import (
    Keep,
    Perturb,
    PolicyDrop,
    PolicyHold,
    PolicyLoad,
    PolicyUse,
    PolicyWatch,
    Request,
    ResetScene,
    SetInstruction,
)
from app.runtime.statuses import NeedCheck
from app.session.rollouts import FAILURES
from app.session.training import TrainingDesk
from app.ui import look
from app.ui.action import PLACES, Intent, Place
from app.ui.actions import ACTIONS, by_id
from app.ui.coming import ComingPlace
from app.ui.place import PlaceWidget
from app.ui.policy_actions import FAILURE_KEYS
from app.ui.settings import SettingsFile
from app.ui.sounds import Sounds
from app.ui.test.memory import Memory, MemoryFile
from app.ui.test.place import TestPlace
from app.ui.test.plots import held
from app.ui.test.results import book_of
from app.ui.test.words import short_place
from app.ui.window import MainWindow
from devices.clock import FakeClock
from devices.stream import Sample
from policies.evaluation.trials import Trial, TrialBook
from policies.training_run import Plan, Status
from tests.ui.fake_session import FakeSession, policy

pytestmark = [pytest.mark.gl, pytest.mark.window]

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


@pytest.fixture
def lab(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Lab]:
    look.dress(qapp)
    made = Lab(qtbot, tmp_path)
    yield made
    made.place.close_down()


# ---------------------------------------------------------------------------------- rollouts
def test_enter_leads_from_a_plan_to_a_verdict_on_the_disk(lab: Lab) -> None:
    bar = lab.place.run.bar
    assert bar.primary.text() == "Plan"
    lab.press(Key.Key_Return)
    assert len(lab.place.rollouts.waiting) == 10 and bar.primary.text() == "Reset"
    lab.press(Key.Key_Return)
    assert lab.asked(ResetScene) == [ResetScene(200_000)]
    lab.pass_s(1.0)
    assert bar.primary.text() == "Start"
    lab.press(Key.Key_Return)
    assert bar.primary.text() == "Stop" and bar.who.text() == "Policy A"
    lab.session.set_station(progress=0.4)
    lab.pass_s(2.0)
    lab.press(Key.Key_Return)
    assert bar.primary.text() == "Failure", "the scene says that it is not done"
    assert bar.score.value() == 40
    lab.press(Key.Key_Equal)
    lab.press(Key.Key_Return)
    (trial,) = lab.trials()
    assert (trial.policy, trial.verdict, trial.score) == ("rdp", "failure", 0.5)
    assert (trial.seed, trial.scene, trial.digest) == (200_000, "wipe", "a" * 64)
    assert lab.asked(Keep) == [Keep("failure")]
    assert bar.primary.text() == "Reset" and len(lab.place.rollouts.waiting) == 9


def test_two_checkpoints_of_one_training_can_be_told_apart(lab: Lab) -> None:
    place = "/home/me/runs/0001-rdp"
    lab.session.set_policy(
        "policy_a",
        path=f"{place}/best",
        step=1500,
        steps=2000,
        hold_out=0.0213,
        created="2026-11-24T09:30:00+00:00",
    )
    lab.session.set_policy("policy_b", path=f"{place}/last", step=2000, steps=2000)
    lab.pass_s(0.1)
    best, last = lab.place.run.cards.values()
    assert best.path.text().endswith("0001-rdp/best") and last.path.text().endswith("0001-rdp/last")
    said = best.made.text()
    assert "1\u202f500 of 2\u202f000 updates" in said and "loss 0.0213" in said
    assert "2026-11-24" in said
    assert last.made.text() == "2\u202f000 updates" and last.made.isVisible()
    lab.session.set_policy("policy_a", step=0, hold_out=float("nan"), created="")
    lab.pass_s(0.1)
    assert not best.made.isVisible()


def test_s_ends_a_running_rollout_as_a_success(lab: Lab) -> None:
    lab.run()
    lab.pass_s(1.0)
    lab.press(Key.Key_S)
    assert [trial.verdict for trial in lab.trials()] == ["success"]


def test_an_excluded_one_wants_a_reason(lab: Lab) -> None:
    lab.run()
    lab.press(Key.Key_X)
    sheet = lab.place.reason_sheet
    assert sheet.isVisible() and not sheet.done.isEnabled() and not lab.trials()
    sheet.field.setText("the cable was in the way")
    QTest.keyClick(sheet.field, Key.Key_Return)
    (trial,) = lab.trials()
    assert (trial.verdict, trial.reason) == ("excluded", "the cable was in the way")


def test_a_takeover_shows_at_once_and_is_given_back(lab: Lab) -> None:
    lab.run()
    lab.place.run.driven.hands.grab("right")
    lab.pass_s(0.05)
    bar = lab.place.run.bar
    assert bar.who.text() == "You", "before the station has said a word"
    assert lab.window.centralWidget().property("tone") == "armed"
    lab.session.take_over()
    lab.place.run.driven.hands.let_go()
    lab.pass_s(0.1)
    assert bar.who.text() == "You" and bar.counts.text() == "1 takeover"
    assert not bar.give_back.isHidden()
    lab.press(Key.Key_G)
    assert lab.asked(PolicyUse)[-1] == PolicyUse("policy_a")
    assert bar.who.text() == "Policy A"
    lab.press(Key.Key_F)
    (trial,) = lab.trials()
    assert trial.takeovers == 1


def test_space_holds_and_lets_go_on(lab: Lab) -> None:
    lab.run()
    lab.press(Key.Key_Space)
    assert lab.asked(PolicyHold) == [PolicyHold(True)]
    assert lab.place.run.bar.who.text() == "A holds"
    lab.press(Key.Key_Space)
    assert lab.asked(PolicyHold)[-1] == PolicyHold(False)


@pytest.mark.parametrize("kind", FAILURES)
def test_each_failure_has_a_key_and_its_moment(lab: Lab, kind: str) -> None:
    lab.run()
    lab.pass_s(1.5)
    lab.press(Key(ord(FAILURE_KEYS[kind])))
    now = lab.place.rollouts.now
    assert now is not None
    ((named, at),) = now.tags
    assert named == kind and at is not None and 1.4 <= at <= 1.7


def test_b_disturbs_now_and_files_the_trial_under_it(lab: Lab) -> None:
    lab.run()
    lab.press(Key.Key_B)
    assert lab.asked(Perturb) == [Perturb("move_before_contact")]
    lab.press(Key.Key_F)
    assert lab.trials()[0].perturb == "move_before_contact"


def test_the_other_policy_gets_the_same_starts(lab: Lab) -> None:
    lab.run()
    lab.press(Key.Key_F)
    lab.window.perform(Intent("rollout_same"))
    (start,) = lab.place.rollouts.waiting
    assert (start.slot, start.seed) == ("policy_b", 200_000)
    lab.window.perform(Intent("rollout_same"))
    assert len(lab.place.rollouts.waiting) == 1, "once is enough"


def test_a_cancelled_rollout_comes_again(lab: Lab) -> None:
    lab.run()
    lab.press(Key.Key_Backspace)
    assert lab.place.rollouts.phase == "idle" and len(lab.place.rollouts.waiting) == 1


def test_a_rollout_goes_on_while_another_place_is_shown(lab: Lab, qtbot: QtBot) -> None:
    lab.run()
    lab.session.set_station(success=True, progress=1.0)
    lab.window.go("library")
    lab.clock.advance_s(0.1)
    qtbot.wait(120)
    lab.clock.advance_s(1.5)
    qtbot.waitUntil(lambda: lab.place.rollouts.phase == "judging", timeout=2000)


# ---------------------------------------------------------------------------------- policies
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


def test_what_does_not_fit_comes_first_and_is_open(lab: Lab) -> None:
    card = lab.place.run.cards["policy_a"]
    assert not card.table.isVisible() and card.more.text() == "All 2 checks fit"
    good = NeedCheck("right_arm/q", "shape", "7", "7", True)
    bad = NeedCheck("front/rgb", "name", "front/rgb", "no such stream", False)
    lab.session.set_policy("policy_a", phase="failed", text="front/rgb", checks=(good, bad))
    lab.pass_s(0.05)
    assert card.table.isVisible() and card.more.text() == "1 of 2 checks do not fit"
    first = card._grid.itemAtPosition(0, 1)
    assert first is not None and "front/rgb" in first.widget().text()  # type: ignore[union-attr]
    QApplication.processEvents()
    boxes = [card._grid.cellRect(0, column) for column in range(4)]
    assert all(a.right() < b.left() for a, b in pairwise(boxes)), boxes
    assert all(box.width() >= 80 for box in boxes[1:]), "no column is drawn over the next"
    card.more.click()
    assert not card.table.isVisible()


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


# ----------------------------------------------------------------------------------- results
def trial(policy_name: str, seed: int, verdict: str, **more: object) -> Trial:
    made = {"digest": policy_name * 3, "scene": "wipe", "perturb": "", "score": 0.5} | more
    return Trial(policy=policy_name, seed=seed, verdict=verdict, **made)  # type: ignore[arg-type]


@pytest.fixture
def results(lab: Lab) -> Lab:
    book = TrialBook(book_of(lab.folder))
    for seed in range(12):
        book.add(trial("rdp", seed, "success"))
        book.add(trial("dp", seed, "success" if seed < 2 else "failure"))
    book.add(trial("dp", 12, "excluded", reason="cable"))
    tags = (("stuck", 2.5), ("dropped it", 4.0))
    book.add(trial("dp", 13, "failure", uid="e1", tags=tags))
    lab.window.perform(Intent("results_refresh"))
    lab.press(Key.Key_F8)
    return lab


def test_rates_intervals_and_the_paired_comparison(results: Lab) -> None:
    tab = results.place.results
    model = tab._cells
    shown = [[model.index(row, column).data() for column in range(9)] for row in range(2)]
    dp, rdp = shown
    assert dp[0] == "dp" and dp[4] == "13" and dp[5] == "15%" and dp[8] == "1"
    assert rdp[0] == "rdp" and rdp[4] == "12" and rdp[5] == "100%"
    words = tab.pairs[0].text()
    assert "dp less rdp = -0.83" in words and "12 shared starts" in words
    assert "rdp is better" in words and tab.pairs[0].property("tone") == "kept"


def test_a_verdict_is_corrected_by_a_key_and_on_the_disk(results: Lab) -> None:
    tab = results.place.results
    tab.select(("dp", "dpdpdp", "wipe", "", 5))
    results.press(Key.Key_S)
    found = {t.key: t for t in results.trials()}
    assert found["dp", "dpdpdp", "wipe", "", 5].verdict == "success"
    results.press(Key.Key_X)
    results.place.reason_sheet.field.setText("wrong scene")
    results.place.reason_sheet.done.click()
    found = {t.key: t for t in results.trials()}
    assert found["dp", "dpdpdp", "wipe", "", 5].reason == "wrong scene"
    assert tab.trial() is not None and tab.trial().seed == 5, "it stays selected"  # type: ignore[union-attr]


def test_a_failure_tag_opens_its_moment(results: Lab) -> None:
    asked: list[Intent] = []
    results.place.intended.connect(asked.append)
    results.place.results.select(("dp", "dpdpdp", "wipe", "", 13))
    results.window.perform(Intent("trial_moment", "1"))
    assert asked[-1] == Intent("open_moment", "e1 4.0")
    assert results.window.ui_state().place == "library"


def test_an_empty_folder_says_what_to_do(lab: Lab) -> None:
    lab.press(Key.Key_F8)
    empty = lab.place.results.empty
    assert empty.isVisible() and "teledeck evaluate --policy" in empty.text.text()


def test_another_folder_is_read_and_remembered(lab: Lab, tmp_path: Path) -> None:
    book = TrialBook(book_of(tmp_path / "batch"))
    book.add(trial("bc", 1, "success"))
    lab.press(Key.Key_F8)
    lab.place.use_results(str(tmp_path / "batch"))
    assert "1 trial" in lab.place.results.book.text()
    assert lab.memory.load().results == str(tmp_path / "batch")


def test_a_file_that_is_no_book_is_told(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "trials.jsonl").write_text("hello\n")
    said: list[str] = []
    lab.place.said.connect(said.append)
    lab.place.use_results(str(folder))
    assert "no trial book" in said[-1] and lab.place.rollouts.book is None


def test_spoilt_memory_costs_nothing(tmp_path: Path) -> None:
    file = MemoryFile(tmp_path / "test.json")
    (tmp_path / "test.json").write_text("]")
    assert file.load() == Memory()


def test_readings_count_until_the_next_one() -> None:
    values = np.array([np.nan, 1.0, np.nan, np.nan, np.nan, 2.0])
    np.testing.assert_array_equal(held(values, 2), [np.nan, 1.0, 1.0, 1.0, np.nan, 2.0])


def test_every_failure_key_is_a_row() -> None:
    for kind, key in FAILURE_KEYS.items():
        assert by_id(f"failure.{kind.replace(' ', '_')}").keys == (key,)
