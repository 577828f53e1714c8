"""Ticks find the middle between touch samples, slowly, and stay there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.runtime.lull import MOST, Lull

_PERIOD_NS = 4_000_000
_TOUCH_NS = 8_000_000


@given(phase=st.integers(0, _TOUCH_NS - 1))
def test_the_loop_finds_the_middle_and_stays(phase: int) -> None:
    lull = Lull(_PERIOD_NS, _TOUCH_NS)
    due_ns = 10**9
    touch_ns = due_ns + phase
    periods = []
    for _ in range(200):
        while touch_ns < due_ns:
            touch_ns += _TOUCH_NS
        periods.append(lull.period_ns(due_ns, touch_ns))
        due_ns += periods[-1]
    assert max(abs(one - _PERIOD_NS) for one in periods) <= MOST * _PERIOD_NS
    assert set(periods[60:]) == {_PERIOD_NS}
    assert (touch_ns - due_ns) % _PERIOD_NS == _PERIOD_NS // 2


@given(phase=st.integers(0, 10**9))
def test_a_rate_that_does_not_fit_is_kept(phase: int) -> None:
    assert Lull(5_000_000, _TOUCH_NS).period_ns(10**9, 10**9 + phase) == 5_000_000
