"""SIGKILL: the file opens, half a second is the most that is lost, nothing else is touched.

`python -m tests.benchmarks.crash --kills 200` does the same at length and
measures the loss; that a commit is due every quarter of a second is asserted with a fake clock.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from datasets.dataset import Dataset
from datasets.index import EpisodeIndex
from tests.data.crashing import WriteKiller, kill_once

KILLS = 25


def test_kills_at_chosen_writes(tmp_path: Path) -> None:
    """In the middle of flushes, of commits, of the end: also with half a write done."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler (apt install gcc libc6-dev)")
    killer = WriteKiller(tmp_path)
    step = killer.writes // 24 + 1
    endings = [
        killer.kill(write, half=bool(write & 1)) for write in range(1, killer.writes + 1, step)
    ]
    endings.append(killer.kill(killer.writes, half=False))
    assert endings.count("interrupted") > len(endings) // 2
    assert endings[-1] == "stopped"


def test_kills_at_random_moments(dataset: Dataset) -> None:
    rng = random.Random(0)
    survivors = [kill_once(dataset, rng, extra=4, longest_s=0.9) for _ in range(KILLS)]
    open_ones = [survivor for survivor in survivors if survivor.was_open]
    assert len(open_ones) > KILLS // 2
    assert sum(survivor.rows for survivor in open_ones) > 0
    index = EpisodeIndex(dataset)
    index.refresh()
    assert index.complaints == ()
    assert len(index.facts) == len(dataset.uids()) >= KILLS
