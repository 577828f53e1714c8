"""Rollouts in the Test place: planned, started, disturbed, taken over, judged."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.runtime.requests import (
    Keep,
    Perturb,
    PolicyHold,
    PolicyUse,
    ResetScene,
)
from app.session.rollouts import FAILURES
from app.ui.action import Intent
from app.ui.policy_actions import FAILURE_KEYS
from tests.ui.lab import Lab

pytestmark = [pytest.mark.gl, pytest.mark.window]

Key = Qt.Key


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
    assert best.made.text() == ""


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
