"""Chunks become actions by the clock, whatever order and lateness they come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import ConfigError
from policies.serving.follow import RULES, ChunkFollower, FollowRule

RATE = 20.0
STEP = 50_000_000
T0 = 10**12


def line(start: float, rows: int = 10) -> np.ndarray:
    """Rows that grow by one each, from `start`."""
    return np.arange(rows)[:, None] + start * np.ones((1, 2))


@given(st.sampled_from(RULES), st.integers(0, 9 * STEP))
def test_one_chunk_is_followed_by_its_times(rule: FollowRule, late_ns: int) -> None:
    follower = ChunkFollower(2, rule)
    assert follower.add(T0, RATE, line(0.0), T0 + late_ns) == ""
    found = follower.at(T0 + late_ns)
    assert found.row is not None
    np.testing.assert_allclose(found.row, late_ns / STEP, atol=1e-9)
    assert found.queue == round((9 * STEP - late_ns) / STEP)


@given(
    st.sampled_from(RULES),
    st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 20)), max_size=30),
)
def test_any_chunks_in_any_order_give_a_row_among_theirs_or_a_reason(
    rule: FollowRule, chunks: list[tuple[int, int]]
) -> None:
    follower = ChunkFollower(2, rule)
    now = T0
    for offset, wait in chunks:
        now += wait * STEP // 2
        follower.add(now + offset * STEP, RATE, line(0.0), now)
        found = follower.at(now)
        assert (found.row is None) == bool(found.hold)
        if found.row is not None:
            assert ((found.row >= 0.0) & (found.row <= 9.0)).all()
    counts = follower.counts
    assert counts.chunks + counts.stale + counts.nonsense == len(chunks)


def test_rules_differ_in_how_a_new_chunk_is_entered() -> None:
    def entered(rule: FollowRule) -> list[float]:
        follower = ChunkFollower(2, rule, blend_ns=2 * STEP, ensemble_ns=STEP)
        follower.add(T0, RATE, np.zeros((20, 2)), T0)
        follower.at(T0)
        follower.add(T0 + STEP, RATE, np.ones((20, 2)), T0 + STEP)
        rows = [follower.at(T0 + STEP + n * STEP // 2).row for n in range(6)]
        return [float(row[0]) for row in rows if row is not None]

    assert entered("newest") == [1.0] * 6
    np.testing.assert_allclose(entered("blend"), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0])
    share = 1.0 / (1.0 + np.exp(-1.0))
    np.testing.assert_allclose(entered("ensemble"), [share] * 6)


def test_stale_and_older_chunks_are_dropped_and_counted() -> None:
    follower = ChunkFollower(2)
    assert "stale" in follower.add(T0 - 11 * STEP, RATE, line(0.0), T0)
    follower.add(T0, RATE, line(0.0), T0)
    assert follower.add(T0 - STEP, RATE, line(5.0), T0)
    assert follower.counts.stale == 2
    found = follower.at(T0 + 10 * STEP)
    assert found.row is None and "late" in found.hold
    assert follower.counts.misses == 1


@pytest.mark.parametrize(
    "actions", [np.zeros((0, 2)), np.zeros((3, 3)), np.zeros(2), np.full((4, 2), np.nan)]
)
def test_nonsense_holds_at_once(actions: np.ndarray) -> None:
    follower = ChunkFollower(2)
    follower.add(T0, RATE, line(0.0), T0)
    assert follower.add(T0 + 1, RATE, actions, T0 + 1)
    assert follower.counts.nonsense == 1
    assert follower.at(T0 + 2).row is None
    assert follower.add(T0 + 3, RATE, line(0.0), T0 + 3) == ""
    assert follower.at(T0 + 3).row is not None


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ConfigError, match="newest"):
        ChunkFollower(2, "oldest")  # type: ignore[arg-type]
