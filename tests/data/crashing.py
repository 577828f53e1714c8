"""Kills recorders and looks at what they leave. Used by the test and by the benchmark."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.repair import needs_repair, repair
from tests.data.recording import FAST, TOUCH, fast_rows, read_barcode, touch_rows

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Survivor:
    """What one kill left.

    Attributes:
        lost_s: From the last row of the slowest stream to the kill [s].
        rows: Rows that the episode holds.
        was_open: Whether the kill met an episode that was not closed yet.
    """

    lost_s: float
    rows: int
    was_open: bool


def kill_once(dataset: Dataset, rng: random.Random, extra: int, longest_s: float = 3.2) -> Survivor:
    """Start a recorder, kill it at a random moment, repair, check everything.

    Args:
        dataset: Where it records.
        rng: Chooses the moment.
        extra: Streams beside the three that are checked.
        longest_s: Latest moment. A take lasts three seconds, so that a longer one also meets the
            end of a take and the beginning of the next.

    Raises:
        AssertionError: If anything is lost that should not be, or any earlier file changed.
    """
    before = {uid: dataset.episode_path(uid).read_bytes() for uid in dataset.uids()[-3:]}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.data.recording", str(dataset.root), str(extra)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline(), "the recorder did not begin"
        time.sleep(rng.uniform(0.0, longest_s))
        child.send_signal(signal.SIGKILL)
        killed_ns = time.monotonic_ns()
        child.wait()
    for uid, content in before.items():
        assert dataset.episode_path(uid).read_bytes() == content, f"{uid} was touched"
    uid = dataset.uids()[-1]
    path = dataset.episode_path(uid)
    with Episode.open(path) as episode:  # it opens as it is, before any repair
        assert not episode.recording
    was_open = needs_repair(path)
    report = repair(path)
    assert report.changed == was_open
    assert not repair(path).changed, "a second repair changed something"
    return Survivor(check_episode(path, killed_ns, was_open), sum(report.rows.values()), was_open)


def check_episode(path: Path, killed_ns: int, was_open: bool) -> float:
    """Check every row of a station's episode; returns the time from its end to the kill [s]."""
    with Episode.open(path) as episode:
        assert episode.stop is not None
        assert episode.interrupted == (was_open and episode.stop["how"] == "interrupted")
        q, touch, rgb = episode[FAST.name], episode[TOUCH.name], episode.images("front/rgb")
        for stream in (q, touch, rgb):
            assert np.all(np.diff(stream.t_ns) > 0)
        assert np.array_equal(q.values, fast_rows(0, len(q)))
        assert np.array_equal(touch.values, touch_rows(0, len(touch)))
        for row in range(len(rgb)):
            assert read_barcode(episode.frames("front/rgb", row)) == row
        since = int(episode.start["t_ns"])
        ends = [int(s.t_ns[-1]) if len(s) else since for s in (q, touch)]
        return (killed_ns - min(ends)) / 1e9
