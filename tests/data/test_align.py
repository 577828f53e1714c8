"""Alignment rules against their definitions, spelled out row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.align import align, grid_ns, match_rows
from datasets.dataset import Dataset
from datasets.reader import Episode
from devices.errors import StorageError

times = st.lists(st.integers(0, 50), max_size=12)


@given(t=times, at=times, tolerance=st.none() | st.integers(0, 10))
def test_rules_mean_what_they_say(t: list[int], at: list[int], tolerance: int | None) -> None:
    t_ns, at_ns = np.array(t, dtype=np.int64), np.array(at, dtype=np.int64)
    limit = 10**9 if tolerance is None else tolerance
    for rule in ("latest-before", "nearest", "interpolate"):
        match = match_rows(t_ns, at_ns, rule, tolerance)
        for instant, row, skew in zip(at, match.rows, match.skew_ns, strict=True):
            earlier = [x for x in t if x <= instant]
            later = [x for x in t if x >= instant]
            if rule == "latest-before":
                wanted = max(earlier, default=None)
                worst = None if wanted is None else instant - wanted
            elif rule == "nearest":
                wanted = min(t, key=lambda x: (abs(x - instant), x), default=None)
                worst = None if wanted is None else abs(wanted - instant)
            else:
                wanted = max(earlier) if earlier and later else None
                worst = None if wanted is None else max(instant - wanted, min(later) - instant)
            if wanted is None or worst is None or worst > limit:
                assert row == -1 and skew == -1
            else:
                assert t[row] == wanted and skew == worst


def test_values_and_skew(dataset: Dataset, record) -> None:  # type: ignore[no-untyped-def]
    with Episode.open(dataset.episode_path(record())) as episode:
        q = episode["left_arm/q"]
        at = grid_ns(int(q.t_ns[0]), int(q.t_ns[-1]), 30.0)
        halfway = q.t_ns[:-1] + np.diff(q.t_ns) // 2
        mixed = align(q, halfway, "interpolate")
        assert np.allclose(mixed.values[:, 0], np.arange(len(halfway)) + 0.5)
        latest = align(q, at)
        assert latest.valid.all() and latest.skew_ns.max() < 2_000_001
        assert "skew up to" in latest.sentence
        outside = align(q, at + 10**10, "latest-before", tolerance_ns=10**6)
        assert not outside.valid.any() and np.isnan(outside.values).all()
        with pytest.raises(StorageError, match="latest-before, nearest, interpolate"):
            align(q, at, "guess")  # type: ignore[arg-type]
