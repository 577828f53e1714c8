"""The table of take states, and what belongs to a take."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runtime import takes
from app.runtime.feed import Cuts
from app.runtime.takes import ACTIONS, STATES, TABLE, after, allowed
from devices.errors import ConfigError


@given(st.lists(st.sampled_from(ACTIONS), max_size=40))
def test_any_sequence_of_actions_stays_in_the_table(actions: list[takes.TakeAction]) -> None:
    state: takes.TakeState = "idle"
    for action in actions:
        if (state, action) in TABLE:
            state = after(state, action)
        else:
            with pytest.raises(ConfigError, match=state):
                after(state, action)
        assert state in STATES


def test_every_state_can_be_reached_and_left_for_idle() -> None:
    def reachable(start: takes.TakeState) -> set[takes.TakeState]:
        seen, todo = {start}, [start]
        while todo:
            state = todo.pop()
            for action in ACTIONS:
                to = TABLE.get((state, action))
                if to is not None and to not in seen:
                    seen.add(to)
                    todo.append(to)
        return seen

    assert reachable("idle") == set(STATES)
    assert all("idle" in reachable(state) for state in STATES)


def test_a_take_is_only_kept_after_it_was_stopped() -> None:
    assert [state for state, action in TABLE if action == "keep"] == ["stopped"]


def test_a_fault_always_ends_a_running_take_and_never_a_screen() -> None:
    for state in takes.RUNNING:
        assert after(state, "fault") == "failed"
    for state in STATES:
        assert "fault" not in allowed(state)
        assert allowed(state)


@given(
    since=st.integers(0, 100),
    steps=st.lists(st.integers(0, 30), max_size=7),
    times=st.lists(st.integers(-10, 300), max_size=50),
)
def test_cuts_keep_what_lies_between_start_and_pause(
    since: int, steps: list[int], times: list[int]
) -> None:
    cuts = Cuts(since)
    edges = [since]
    for step in steps:
        edges.append(edges[-1] + step)
        cuts.cut(edges[-1])
    assert cuts.open == (len(edges) % 2 == 1)
    closed = [*edges, 10**9] if len(edges) % 2 else edges
    spans = list(zip(closed[::2], closed[1::2], strict=True))
    for t, kept in zip(times, cuts.keep(np.array(times, dtype=np.int64)), strict=True):
        inside = any(a < t <= b for a, b in spans) or t == since
        assert kept == inside
    assert cuts.inside_ns(500) == sum(min(b, 500) - min(a, 500) for a, b in spans)
