"""Rollouts on a station that is played by the test: every way through, and every refusal."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from app.runtime.requests import (
    Discard,
    Keep,
    Perturb,
    PolicyUse,
    Refused,
    Reply,
    Request,
    ResetScene,
    Start,
    Stop,
)
from app.runtime.statuses import Event, PolicyStatus
from app.session.rollouts import Attempt, Rollouts, plan
from devices.clock import FakeClock
from policies.evaluation.trials import TrialBook
from tests.ui.fake_session import FakeSession


class Lab:
    """A fake session whose policies are ready, and rollouts on it."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.desk = FakeSession("set")
        self.said: list[str] = []
        self.folder = folder
        for slot, name in (("policy_a", "rdp"), ("policy_b", "dp")):
            self.desk.policies[slot] = PolicyStatus(
                0, slot, f"/{name}", name, name * 3, "ready", ""
            )
        self.rollouts = Rollouts(self.desk, self.said.append, self.clock, limit_s=10.0)
        self.rollouts.open_book(folder)

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            self.clock.advance_s(0.05)
            self.rollouts.tick()

    def run(self, attempt: Attempt) -> None:
        """Up to where the policy drives."""
        self.rollouts.add([attempt])
        assert self.rollouts.begin()
        self.pass_s(1.0)
        assert self.rollouts.phase == "ready"
        assert self.rollouts.let_loose()
        assert self.rollouts.phase == "running"

    def asked(self, kind: type[Request]) -> list[Request]:
        return [request for request in self.desk.asked if isinstance(request, kind)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_one_rollout_from_start_to_verdict(lab: Lab) -> None:
    lab.run(Attempt("policy_a", 100_003))
    assert lab.asked(ResetScene) == [ResetScene(100_003)]
    assert lab.asked(PolicyUse)[-1] == PolicyUse("policy_a", seed=100_003)
    lab.pass_s(3.0)
    lab.desk.set_station(progress=0.97, success=True)
    lab.pass_s(1.5)
    assert lab.rollouts.phase == "judging", "it ends by itself when the task is done"
    assert lab.rollouts.judge("success", 0.97, by="Kim")
    (trial,) = TrialBook(lab.folder / "trials.jsonl")
    assert (trial.policy, trial.seed, trial.verdict, trial.by) == ("rdp", 100_003, "success", "Kim")
    assert 4.0 <= trial.seconds <= 4.6
    assert lab.asked(Keep) == [Keep("success")] and lab.rollouts.phase == "idle"


def test_it_ends_at_the_limit(lab: Lab) -> None:
    lab.run(Attempt("policy_a", 1))
    lab.pass_s(11.0)
    assert lab.rollouts.phase == "judging" and "after 10 s" in lab.said[-1]
    assert lab.asked(PolicyUse)[-1] == PolicyUse(""), "the policy lets go before the take ends"


@pytest.mark.parametrize(("perturb", "first"), [("moved_before_contact", 1.0), ("filled", 4.0)])
def test_a_perturbation_strikes_once_in_its_time(lab: Lab, perturb: str, first: float) -> None:
    lab.run(Attempt("policy_a", 1, perturb))
    lab.pass_s(first - 0.2 if "before" in perturb else 2.0)
    assert not lab.asked(Perturb)
    lab.rollouts.touched(lab.clock.now_ns())
    lab.pass_s(2.2)
    assert lab.asked(Perturb) == [Perturb(perturb)]
    lab.pass_s(2.0)
    assert len(lab.asked(Perturb)) == 1


def test_takeovers_and_tags_are_in_the_trial(lab: Lab) -> None:
    lab.run(Attempt("policy_b", 1))
    lab.pass_s(2.0)
    lab.rollouts.tag("stuck")
    lab.desk.happen(Event(0, "takeover", "mouse took over"))
    lab.pass_s(1.0)
    lab.rollouts.give_back()
    assert lab.asked(PolicyUse)[-1] == PolicyUse("policy_b")
    lab.rollouts.stop()
    assert not lab.rollouts.judge("excluded", 0.0), "excluding needs a reason"
    assert lab.rollouts.judge("excluded", 0.0, "the cable was in the way")
    (trial,) = TrialBook(lab.folder / "trials.jsonl")
    assert trial.takeovers == 1 and trial.tags == (("stuck", 2.0),)
    assert lab.asked(Keep)[-1] == Keep("failure", "excluded: the cable was in the way")


def test_a_cancelled_rollout_comes_again(lab: Lab) -> None:
    attempt = Attempt("policy_a", 9)
    lab.run(attempt)
    lab.rollouts.cancel()
    assert lab.asked(Discard) and lab.rollouts.waiting == (attempt,)
    assert lab.rollouts.phase == "idle" and len(TrialBook(lab.folder / "trials.jsonl")) == 0


def test_a_verdict_can_be_corrected(lab: Lab) -> None:
    lab.run(Attempt("policy_a", 1))
    lab.rollouts.stop()
    lab.rollouts.judge("success", 1.0)
    assert lab.rollouts.book is not None
    (trial,) = lab.rollouts.book
    lab.rollouts.correct(trial, "failure", 0.3, "it slipped afterwards")
    (again,) = TrialBook(lab.folder / "trials.jsonl")
    assert (again.verdict, again.score, again.reason) == ("failure", 0.3, "it slipped afterwards")


@pytest.mark.parametrize("refused", [ResetScene, Start, PolicyUse])
def test_what_the_station_refuses_brings_the_start_back(
    lab: Lab, refused: type[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = lab.desk.request

    def request(asked: Request) -> Reply:
        loose = isinstance(asked, refused) and getattr(asked, "slot", "x") != ""
        return Refused("Not now.") if loose else answer(asked)

    monkeypatch.setattr(lab.desk, "request", request)
    attempt = Attempt("policy_a", 1)
    lab.rollouts.add([attempt])
    lab.rollouts.begin()
    lab.pass_s(1.0)
    lab.rollouts.let_loose()
    assert lab.said and lab.rollouts.phase == "idle" and lab.rollouts.waiting == (attempt,)


def test_what_is_not_ready_does_not_begin(lab: Lab) -> None:
    assert not lab.rollouts.begin()
    lab.rollouts.add([Attempt("policy_a", 1)])
    failed = msgspec.structs.replace(lab.desk.policies["policy_a"], phase="failed")
    lab.desk.policies["policy_a"] = failed
    assert not lab.rollouts.begin() and "not ready" in lab.said[-1]
    assert not lab.rollouts.let_loose() and not lab.rollouts.judge("success", 1.0)
    assert not lab.asked(Stop)


def test_a_plan_tries_all_policies_on_each_start_in_mixed_order() -> None:
    attempts = plan(["policy_a", "policy_b"], range(40), "filled", random.Random(1))
    assert len(attempts) == 80 and {a.perturb for a in attempts} == {"filled"}
    pairs = [attempts[i : i + 2] for i in range(0, 80, 2)]
    assert all({a.slot for a in pair} == {"policy_a", "policy_b"} for pair in pairs)
    assert all(pair[0].seed == pair[1].seed for pair in pairs)
    assert 10 <= sum(pair[0].slot == "policy_a" for pair in pairs) <= 30


def test_a_policy_that_comes_to_drive_in_between_makes_it_nobodys_trial(lab: Lab) -> None:
    """The next checkpoint of a watched training, for instance."""
    lab.run(Attempt("policy_a", 7))
    lab.desk.set_station(leader="policy_a")
    lab.pass_s(0.5)
    lab.desk.set_station(leader="policy_b")
    lab.pass_s(0.5)
    assert lab.rollouts.phase == "judging"
    assert "counts nowhere" in lab.said[-1]
    assert lab.rollouts.judge("success", 1.0)
    (trial,) = TrialBook(lab.folder / "trials.jsonl")
    assert trial.verdict == "excluded" and "dpdpdp drove part of it" in trial.reason


def test_who_drove_before_the_policy_had_answered_does_not_count(lab: Lab) -> None:
    lab.desk.set_station(leader="policy_b")
    lab.run(Attempt("policy_a", 7))
    lab.pass_s(0.5)
    assert lab.rollouts.phase == "running"
    lab.desk.set_station(leader="policy_a")
    lab.pass_s(0.5)
    assert lab.rollouts.phase == "running"
