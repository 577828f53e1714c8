"""Kills recorders and looks at what they leave. Used by the test and by the benchmark."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets import layout
from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.repair import needs_repair, repair
from tests.data.recording import FAST, TAKE_S, TOUCH, fast_rows, read_barcode, touch_rows

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


class WriteKiller:
    """Kills a recorder at any of its writes, one by one.

    Args:
        folder: Where the library that does it is compiled.

    Attributes:
        writes: How many writes the take of `recording.record_once` needs.

    Raises:
        FileNotFoundError: Without a C compiler.
    """

    def __init__(self, folder: Path) -> None:
        self._library = folder / "kill_write.so"
        source = Path(__file__).with_name("kill_write.c")
        build = ["cc", "-shared", "-fPIC", "-O1", "-o", str(self._library), str(source), "-ldl"]
        subprocess.run(build, check=True, capture_output=True)
        self.dataset = Dataset.create(folder / "set")
        done = self._record(layout.new_uid(1), {})
        self.writes = int(re.findall(r"writes (\d+)", done.stderr)[-1])

    def kill(self, write: int, half: bool) -> str:
        """Kill at one write, check what is left; returns how the episode ended, "" if it has no
        file yet.

        Raises:
            AssertionError: If the file does not open or holds anything but committed rows.
        """
        uid = layout.new_uid(time.time_ns())
        env = {"KILL_AT": str(write), **({"KILL_HALF": "1"} if half else {})}
        done = self._record(uid, env)
        assert done.returncode == -signal.SIGKILL, done.stderr
        path = self.dataset.episode_path(uid)
        if not path.exists():
            return ""
        repair(path)
        check_episode(path, 0, was_open=True)
        with Episode.open(path) as episode:
            rows = {name: len(episode[name]) for name in episode}
            # The station appends 25 rows at a time: whole batches, nearly the same of each stream.
            fast = [rows[FAST.name], *(rows[f"part_{n}/q"] for n in range(4))]
            assert all(count % 25 == 0 for count in fast) and max(fast) - min(fast) <= 25
            assert episode.stop is not None
            ended = str(episode.stop["how"])
            assert ended == "interrupted" or rows[FAST.name] == 750
        path.unlink()
        return ended

    def _record(self, uid: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.data.recording", str(self.dataset.root), uid],
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "LD_PRELOAD": str(self._library),
                **env,
            },
        )


def kill_once(
    dataset: Dataset, rng: random.Random, extra: int, longest_s: float = 1.1 * TAKE_S
) -> Survivor:
    """Start a recorder, kill it at a random moment, repair, check everything.

    Args:
        dataset: Where it records.
        rng: Chooses the moment.
        extra: Streams beside the three that are checked.
        longest_s: Latest moment [s]; beyond the length of a take it also meets the end of a take
            and the beginning of the next.

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
