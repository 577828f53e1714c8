"""What is told of an arm that holds."""

from __future__ import annotations

from app.runtime.holds import Holds
from devices.clock import NS_PER_S

MS = NS_PER_S // 1000
NOTHING = "the policy answered nothing"
REASON = "The policy did not answer: the server is gone"


def texts(holds: Holds, why: str, said: str, at_ms: int) -> list[str]:
    return [text for _, _, text in holds.news({"right": why}, said, at_ms * MS)]


def test_a_hold_that_lasts_is_told_once_and_anew_for_another_policy() -> None:
    holds = Holds()
    assert texts(holds, "the plan is over", "", 0) == ["The right arm holds: the plan is over"]
    assert not texts(holds, "the plan is over", "", 5000)
    holds.clear()
    assert texts(holds, "the plan is over", "", 5001)


def test_one_that_comes_and_goes_is_told_once_a_second_at_most() -> None:
    holds, told = Holds(), 0
    for at_ms in range(0, 10_000, 4):
        why = "late" if at_ms // 4 % 2 else "too far: 3 m"
        told += len(texts(holds, why, "", at_ms))
    assert 9 <= told <= 11


def test_a_hold_because_of_nothing_waits_for_the_reason_of_the_worker() -> None:
    holds = Holds()
    assert not texts(holds, NOTHING, "", 0)
    assert not texts(holds, NOTHING, "an older fault", 40)
    assert texts(holds, NOTHING, REASON, 80) == [f"The right arm holds: {NOTHING}. {REASON}"]
    assert not texts(holds, NOTHING, REASON, 84)


def test_it_does_not_wait_for_ever() -> None:
    holds = Holds()
    assert not texts(holds, NOTHING, "", 0)
    assert not texts(holds, NOTHING, "", 240)
    assert texts(holds, NOTHING, "", 260) == [f"The right arm holds: {NOTHING}"]


def test_what_was_awaited_is_over_when_the_arm_follows_again() -> None:
    holds = Holds()
    assert not texts(holds, NOTHING, "", 0)
    assert not texts(holds, "", "", 100)
    assert not texts(holds, NOTHING, "", 5000)
    assert texts(holds, NOTHING, REASON, 5100)
