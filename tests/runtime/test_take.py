"""A take by itself: rings in one process, a fake clock, and a disk that fills up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from app.runtime.take import Take
from datasets import layout
from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.writer import EpisodeWriter
from devices.clock import SystemClock
from devices.errors import StorageError
from devices.ring import RingWriter
from devices.stream import StreamSpec

SPEC = StreamSpec("left_arm/q", (7,), "float64", "rad", "", 500.0)
FAR_TOO_MUCH = 1 << 62
UID = layout.new_uid(1_700_000_000_000_000_000)


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[RingWriter]:
    with RingWriter(tmp_path / "q.ring", SPEC, 1000) as ring:
        yield ring


def fill(ring: RingWriter, n: int, clock: SystemClock) -> None:
    for _ in range(n):
        ring.publish(clock.now_ns(), np.full(7, ring.head))


def test_a_disk_that_fills_up_ends_the_take_with_a_sentence(
    tmp_path: Path, ring: RingWriter
) -> None:
    clock = SystemClock()
    dataset = Dataset.create(tmp_path / "data")
    writers: list[EpisodeWriter] = []

    def open_writer(specs: Sequence[StreamSpec]) -> EpisodeWriter:
        writers.append(EpisodeWriter(dataset, UID, specs, {}, clock, flush_s=0.0))
        return writers[0]

    take = Take(UID, {SPEC.name: ring.path}, clock.now_ns(), open_writer, clock)
    while take.rows < 50:
        fill(ring, 10, clock)
        take.finished.wait(0.01)
    writers[0].reserve_bytes = FAR_TOO_MUCH
    while not take.finished.is_set():
        fill(ring, 1, clock)
        take.finished.wait(0.01)
    take.join()
    assert "disk is full" in take.failure
    with Episode.open(dataset.episode_path(UID)) as episode:
        values = episode[SPEC.name].values[:, 0]
        assert len(values) >= 50 and np.array_equal(values, np.arange(len(values)))


def test_a_file_that_cannot_be_made_ends_the_take_with_a_sentence(ring: RingWriter) -> None:
    def open_writer(specs: Sequence[StreamSpec]) -> EpisodeWriter:
        raise StorageError("Episode x cannot be made: read-only file system")

    clock = SystemClock()
    take = Take(UID, {SPEC.name: ring.path}, clock.now_ns(), open_writer, clock)
    take.join()
    assert "read-only" in take.failure


def test_a_row_overwritten_before_it_was_read_is_counted(tmp_path: Path) -> None:
    clock = SystemClock()
    dataset = Dataset.create(tmp_path / "data")
    with RingWriter(tmp_path / "q.ring", SPEC, 10) as ring:
        since = clock.now_ns()
        fill(ring, 5, clock)

        def open_writer(specs: Sequence[StreamSpec]) -> EpisodeWriter:
            fill(ring, 25, clock)  # while the file is being made
            return EpisodeWriter(dataset, UID, specs, {}, clock)

        take = Take(UID, {SPEC.name: ring.path}, since, open_writer, clock)
        while take.rows < 10:
            take.finished.wait(0.01)
        take.end("stopped", "", clock.now_ns())
        take.join()
    assert take.failure == "" and take.missed == {SPEC.name: 20}
    with Episode.open(dataset.episode_path(UID)) as episode:
        assert np.array_equal(episode[SPEC.name].values[:, 0], np.arange(20, 30))


def test_a_policy_that_dies_costs_its_own_streams_only_and_may_come_back(
    tmp_path: Path, ring: RingWriter
) -> None:
    clock = SystemClock()
    dataset = Dataset.create(tmp_path / "data")
    spec = StreamSpec("policy_a/timing", (5,), "float64", "ms", "", 10.0, kind="timing")
    path = tmp_path / "timing.ring"

    def open_writer(specs: Sequence[StreamSpec]) -> EpisodeWriter:
        return EpisodeWriter(dataset, UID, specs, {}, clock)

    policy = RingWriter(path, spec, 40)
    take = Take(UID, {SPEC.name: ring.path, spec.name: path}, clock.now_ns(), open_writer, clock)

    def live(rows: int, timing: RingWriter | None) -> None:
        """Half a second at least, in which the station and perhaps the policy tell."""
        for number in range(rows):
            fill(ring, 10, clock)
            if timing is not None:
                timing.publish(clock.now_ns(), np.full(5, number))
            take.finished.wait(0.025)

    live(20, policy)
    policy.close()
    live(20, None)
    with RingWriter(path, spec, 40) as again:
        live(20, again)
        take.end("stopped", "", clock.now_ns())
        take.join()
    assert take.failure == ""
    with Episode.open(dataset.episode_path(UID)) as episode:
        assert np.array_equal(episode[SPEC.name].values[:, 0], np.arange(600)), "no row is lost"
        told = episode[spec.name].values[:, 0]
        assert np.array_equal(told[:20], np.arange(20)) and told[-1] == 19 and len(told) > 30
        (gap,) = [event for event in episode.events if event.kind == "gap"]
        assert gap.data["stream"] == spec.name
