"""The loop leans towards a headset's posts: a simulated loop and simulated posts, no clock."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.runtime.lean import MOST, Lean

PERIOD_NS = 4_000_000


def run(
    hz: float, phase: float, unrest_ms: float, seconds: float, way_ms: float = 0.0
) -> tuple[list[float], list[int]]:
    """Waits of the posts of the last second [ms] and all periods [ns]; each post is on its way for
    `way_ms` before it can be looked at."""
    chance = np.random.default_rng(3)
    lean = Lean(PERIOD_NS)
    interval = 1e9 / hz
    posts = interval * (np.arange(round(seconds * hz)) + phase)
    posts = np.sort(posts + 1e6 * unrest_ms * chance.standard_normal(len(posts)))
    waits: list[tuple[float, float]] = []
    periods: list[int] = []
    tick, k = 0, 0
    while tick < seconds * 1e9:
        while k < len(posts) and posts[k] + 1e6 * way_ms <= tick:
            lean.heard(int(posts[k]), tick)
            waits.append((posts[k], (tick - posts[k]) / 1e6))
            k += 1
        periods.append(lean.period_ns(tick))
        tick += periods[-1]
    return [wait for at, wait in waits if at > (seconds - 1.0) * 1e9], periods


@given(phase=st.floats(0.0, 1.0), hz=st.floats(59.0, 63.0))
def test_steady_posts_come_just_before_a_tick(phase: float, hz: float) -> None:
    waits, _ = run(hz, phase, 0.0, 5.0)
    assert len(waits) > 50
    assert max(waits) - min(waits) < 0.5
    assert max(waits) < 1.2


def test_unrest_of_half_a_millisecond_hardly_ever_costs_a_whole_period() -> None:
    waits, _ = run(60.0, 0.3, 0.3, 30.0)
    assert np.median(waits) < 1.4
    assert np.percentile(waits, 95) < 2.2


def test_a_long_way_is_learnt() -> None:
    waits, _ = run(60.0, 0.3, 0.1, 10.0, way_ms=1.5)
    assert np.percentile(waits, 90) < 2.5


@given(hz=st.floats(5.0, 200.0), phase=st.floats(0.0, 1.0), unrest=st.floats(0.0, 20.0))
def test_the_period_stays_near_the_nominal_one(hz: float, phase: float, unrest: float) -> None:
    _, periods = run(hz, phase, unrest, 2.0)
    assert all(abs(period / PERIOD_NS - 1) <= MOST + 1e-6 for period in periods)


def test_without_posts_and_after_they_end_the_period_is_the_nominal_one() -> None:
    lean = Lean(PERIOD_NS)
    assert lean.period_ns(0) == PERIOD_NS
    for k in range(60):
        lean.heard(k * 16_666_667, k * 16_666_667 + 1_000_000)
    at = 59 * 16_666_667
    assert lean.period_ns(at + 2_000_000) > PERIOD_NS
    assert lean.period_ns(at + 300_000_000) == PERIOD_NS


def test_what_does_not_fit_is_served_as_it_comes() -> None:
    _, periods = run(72.0, 0.2, 0.0, 3.0)
    assert set(periods) == {PERIOD_NS}
