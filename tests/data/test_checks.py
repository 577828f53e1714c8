"""Each check finds what it is for, and nothing in a good episode."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from datasets.checks import Finding, glance, inspect
from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from devices.stream import StreamSpec
from tests.data.conftest import Record

UID = "20260131T093000250Z-1f2e3d"
Q = StreamSpec("arm/q", (1,), "float64", "rad", "", 100.0)
HAND = StreamSpec("leader/left", (2,), "float64", "1", "", 250.0, kind="operator")
MS = 1_000_000


def findings(dataset: Dataset, times_ms: list[float], values: list[float]) -> tuple[Finding, ...]:
    with EpisodeWriter(dataset, UID, [Q, HAND], {}, FakeClock()) as writer:
        times = np.array(times_ms) * MS
        writer.append(Q.name, times.astype(np.int64), np.array(values)[:, None], 0)
        writer.append(HAND.name, [1, 10**10], np.full((2, 2), np.nan), 0)
    with Episode.open(dataset.episode_path(UID)) as episode:
        return inspect(episode)


STEADY = [10.0 * n for n in range(100)]
ZEROS = [0.0] * 100


def test_a_good_episode_has_no_findings(dataset: Dataset, record: Record) -> None:
    assert findings(dataset, STEADY, ZEROS) == ()
    with Episode.open(dataset.episode_path(record(1.0))) as episode:
        assert glance(episode) == inspect(episode) == ()
        assert [finding.flag for finding in inspect(episode, judged=False)] == ["unjudged"]


@pytest.mark.parametrize(
    ("times", "values", "flag", "says"),
    [
        ([*STEADY[:50], *(t + 40 for t in STEADY[50:])], ZEROS, "gaps", "50 ms after row 49"),
        ([2 * t for t in STEADY], ZEROS, "low rate", "50.0 Hz instead of 100 Hz"),
        ([*STEADY[:50], 480.0, *STEADY[51:]], ZEROS, "time order", "first at row 50"),
        (STEADY, [*ZEROS[:7], np.nan, *ZEROS[8:]], "not finite", "first at row 7"),
    ],
)
def test_faults_are_found(
    dataset: Dataset, times: list[float], values: list[float], flag: str, says: str
) -> None:
    (found,) = findings(dataset, times, values)
    assert (found.flag, found.stream) == (flag, Q.name) and says in found.text


def test_a_pause_is_neither_gap_nor_low_rate(dataset: Dataset) -> None:
    with EpisodeWriter(dataset, UID, [Q], {}, FakeClock()) as writer:
        writer.append(Q.name, [n * 10 * MS for n in range(50)], np.zeros((50, 1)), 0)
        writer.event("gap", "Paused for 9.5 s", 495 * MS, {"paused": True, "seconds": 9.5})
        writer.append(Q.name, [(1000 + n) * 10 * MS for n in range(50)], np.zeros((50, 1)), 50)
    with Episode.open(dataset.episode_path(UID)) as episode:
        assert inspect(episode) == ()


def test_lost_rows_and_endings(dataset: Dataset) -> None:
    writer = EpisodeWriter(dataset, UID, [Q], {}, FakeClock(), provenance={"rule": "x"})
    writer.append(Q.name, [0], np.zeros((1, 1)), 0)
    writer.append(Q.name, [10 * MS], np.zeros((1, 1)), 4)
    writer.stop("failed", "the disk is full")
    with Episode.open(dataset.episode_path(UID)) as episode:
        found = {finding.flag: finding.text for finding in glance(episode)}
    assert found["gaps"] == "arm/q lost 3 rows"
    assert found["failed"] == "The take failed: the disk is full"
    assert set(found) == {"gaps", "failed", "derived"}


def test_broken_pictures_are_found(dataset: Dataset, record: Record) -> None:
    path = dataset.episode_path(record(1.0))
    with h5py.File(path, "r+") as file:
        stream = file["streams/front/rgb"]
        offset, size, _ = stream["data"][10]
        stream["packets"][offset : offset + size] = 0
    with Episode.open(path) as episode:
        assert [finding.flag for finding in inspect(episode)] == ["pictures"]
