"""Datasets and made-up episodes for the tests of `datasets`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from datasets import layout
from datasets.dataset import Dataset
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from tests.data.recording import Station

Record = Callable[..., str]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "set", "Test")


@pytest.fixture
def record(dataset: Dataset) -> Record:
    """Records a short take and returns its uid; `stop=False` leaves it as a crash would."""
    count = 0

    def make(
        seconds: float = 1.0, *, stop: bool = True, task: str = "wipe", **start: object
    ) -> str:
        nonlocal count
        count += 1
        clock = FakeClock()
        since = clock.now_ns()
        station = Station()
        uid = layout.new_uid(1_790_000_000_000_000_000 + count * 1_000_000_000)
        writer = EpisodeWriter(dataset, uid, station.specs, {"task": task, **start}, clock)
        for _ in range(round(seconds * 20)):
            clock.advance_s(0.05)
            station.append_due(writer, since, clock.now_ns())
            writer.tick()
        if stop:
            writer.stop("stopped", "the test said so")
        else:
            writer.abandon()
        return uid

    return make
