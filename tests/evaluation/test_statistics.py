"""Intervals hold what they promise, and comparisons agree with other ways to the same number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from policies.evaluation.statistics import compare, posterior, wilson


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(counts: tuple[int, int]) -> None:
    successes, trials = counts
    told = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    low, high = wilson(successes, trials)
    assert math.isclose(low, told.low, abs_tol=1e-9) and math.isclose(high, told.high, abs_tol=1e-9)
    assert (
        0.0 <= low <= successes / trials + 1e-12 and successes / trials <= high + 1e-12 <= 1 + 1e-9
    )


def test_nothing_tried_tells_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 successes"):
        wilson(3, 2)


def test_the_posterior_is_a_density() -> None:
    points = np.linspace(0, 1, 2001)
    density = np.array(posterior(7, 10, points.tolist()))
    assert np.trapezoid(density, points) == pytest.approx(1.0, abs=1e-4)
    assert points[density.argmax()] == pytest.approx(0.7, abs=1e-3)


outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200)


@given(outcomes)
def test_comparing_the_other_way_round_mirrors(pairs: list[tuple[bool, bool]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    here, there = compare(a, b), compare(b, a)
    assert here.difference == pytest.approx(-there.difference)
    assert here.interval[0] == pytest.approx(-there.interval[1], abs=1e-9)
    assert here.p_value == pytest.approx(there.p_value)
    assert here.interval[0] <= here.difference + 1e-9 and here.difference <= here.interval[1] + 1e-9


def test_newcombe_covers_the_truth() -> None:
    """95 % of intervals hold the true difference, also when outcomes hang together."""
    rng = np.random.default_rng(0)
    for shared in (0.0, 0.6):
        held = 0
        for _ in range(600):
            common = rng.random(60)
            own_a, own_b = rng.random(60), rng.random(60)
            together = rng.random(60) < shared
            a = np.where(together, common, own_a) < 0.8
            b = np.where(together, common, own_b) < 0.5
            low, high = compare(a.tolist(), b.tolist()).interval
            held += low <= 0.3 <= high
        assert held / 600 > 0.92


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 outcomes against 1"):
        compare([True, False], [True])
