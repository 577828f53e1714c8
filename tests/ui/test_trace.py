"""The thinned signal: nothing loud is lost, gaps stay gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.ui.collect.trace import Trace
from devices.clock import NS_PER_S

T0 = 5_000 * NS_PER_S


def at(seconds: float) -> np.ndarray:
    return np.array([T0 + round(seconds * NS_PER_S)], dtype=np.int64)


@given(st.lists(st.floats(0.0, 9.0), min_size=1, max_size=60, unique=True), st.integers(1, 7))
def test_the_loudest_sample_is_always_in_the_picture(times: list[float], parts: int) -> None:
    trace = Trace()
    stamps = T0 + (np.sort(times) * NS_PER_S).astype(np.int64)
    values = np.random.default_rng(len(times)).normal(size=len(stamps))
    for piece in np.array_split(np.arange(len(stamps)), parts):
        trace.add(stamps[piece], values[piece])
    ages, shown = trace.curve(T0 + 9 * NS_PER_S)
    assert len(ages) == len(shown)
    assert np.nanmax(np.abs(shown)) == np.abs(values).max()
    assert set(shown[np.isfinite(shown)]) <= set(values)
    assert trace.last == values[-1]


def test_ages_tell_how_long_ago() -> None:
    trace = Trace()
    trace.add(at(1.0), np.array([4.0]))
    ages, values = trace.curve(T0 + 3 * NS_PER_S)
    shown = ages[np.isfinite(values)]
    assert len(shown) == 1
    assert abs(shown[0] + 2.0) < 0.05


def test_a_pause_is_a_gap_and_old_things_leave() -> None:
    trace = Trace()
    trace.add(at(0.0), np.array([1.0]))
    trace.add(at(4.0), np.array([2.0]))
    _, values = trace.curve(T0 + 4 * NS_PER_S)
    assert np.isfinite(values).sum() == 2
    _, values = trace.curve(T0 + 12 * NS_PER_S)
    assert np.isfinite(values).sum() == 1
    trace.add(at(60.0), np.array([3.0]))
    assert np.isfinite(trace.curve(T0 + 60 * NS_PER_S)[1]).sum() == 1


def test_a_clock_that_went_back_begins_anew() -> None:
    trace = Trace()
    trace.add(at(1000.0), np.array([1.0]))
    trace.add(at(0.0), np.array([2.0]))
    assert trace.last == 2.0
    assert np.nanmax(trace.curve(T0)[1]) == 2.0


def test_nothing_known_is_nothing_shown() -> None:
    assert not np.isfinite(Trace().curve(T0)[1]).any()
