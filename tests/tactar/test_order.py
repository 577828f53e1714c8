"""Order of posts: reordered ones are dropped, restarts are told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.tactar.order import PostOrder


def stream(start: float, count: int) -> list[float]:
    return [start + i / 60 for i in range(count)]


@given(st.integers(0, 10_000), st.floats(0.0, 10_000.0), st.integers(1, 8))
def test_reordering_is_never_taken_for_a_restart(seed: int, start: float, window: int) -> None:
    chance = random.Random(seed)
    stamps = stream(start, 200)
    arrivals = sorted(range(200), key=lambda i: i + chance.uniform(0, window))
    order = PostOrder()
    followed = []
    for i in arrivals:
        verdict = order.judge(stamps[i])
        assert verdict != "restart"
        if verdict != "late":
            followed.append(stamps[i])
    assert followed == sorted(set(followed))
    assert max(stamps) in followed


@given(st.floats(3.0, 10_000.0), st.floats(0.0, 0.5))
def test_a_restart_is_told_after_three_posts(before: float, after: float) -> None:
    order = PostOrder()
    for stamp in stream(before, 30):
        order.judge(stamp)
    verdicts = [order.judge(stamp) for stamp in stream(after, 10)]
    assert verdicts == ["late", "late", "restart", *["next"] * 7]


def test_a_restart_right_after_a_start_is_told_within_half_a_second() -> None:
    order = PostOrder()
    for stamp in stream(0.0, 90):
        order.judge(stamp)
    verdicts = [order.judge(stamp) for stamp in stream(0.0, 40)]
    assert verdicts.index("restart") == 29


@pytest.mark.parametrize("delay", [1.0, 5.0, 100.0])
def test_one_post_that_is_late_by_far_is_no_restart(delay: float) -> None:
    order = PostOrder()
    for stamp in stream(200.0, 60):
        order.judge(stamp)
        assert order.judge(stamp - delay) == "late"
    assert order.counts.restart == 0
    assert order.counts.next == 59


def test_the_same_post_twice_is_late() -> None:
    order = PostOrder()
    assert [order.judge(stamp) for stamp in (1.0, 1.0, 1.0, 1.1)] == [
        "first",
        "late",
        "late",
        "next",
    ]
