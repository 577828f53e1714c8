"""The last seconds of a rollout can be kept after the fact, and nothing else is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.runtime.requests import Discard, KeepLast, Stop
from datasets import layout
from datasets.dataset import Dataset
from datasets.excerpt import common_specs, excerpt
from datasets.journal import Journal
from datasets.reader import Episode
from datasets.video import VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from devices.stream import StreamSpec
from tests.runtime.studio import Studio
from tests.runtime.test_recorder import closed, numbers

JOINTS = StreamSpec("right_arm/q", (2,), "float64", "rad", "", 100.0)
EYE = StreamSpec("front/rgb", (32, 32, 3), "uint8", "RGB", "", 25.0, kind="image")
LATE = StreamSpec("policy_a/timing", (5,), "float64", "ms", "", 10.0, kind="timing")


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Studio]:
    (tmp_path / "run").mkdir()
    with Studio(tmp_path, station={"policy": True}, run_base=tmp_path / "run") as studio:
        studio.open()
        yield studio


def scratch(studio: Studio) -> Path:
    return studio.base / "data" / "cache" / "rollouts"


def whole(episode: Episode) -> None:
    """No row is missing, twice, or out of order, in any stream."""
    for stream in episode:
        assert len(episode[stream]) > 5, stream
        assert np.all(np.diff(numbers(episode, stream)) == 1), stream
        assert np.all(np.diff(episode[stream].t_ns) > 0), stream


def wait(studio: Studio, seconds: float) -> None:
    end_ns = time.monotonic_ns() + round(seconds * 1e9)
    studio.until(lambda status: status.t_ns > end_ns)


def test_the_last_seconds_become_an_episode_and_nothing_else_does(rollout: Studio) -> None:
    wait(rollout, 2.5)
    assert rollout.dataset.uids() == ()
    uids = [rollout.ask(KeepLast(1.0)).uid, rollout.ask(KeepLast(2.0)).uid]
    asked_ns = time.monotonic_ns()
    rollout.until(lambda status: status.take == 2)
    assert rollout.dataset.uids() == tuple(sorted(uids))
    for uid, seconds in zip(uids, (1.0, 2.0), strict=True):
        with closed(rollout, uid) as episode:
            whole(episode)
            first, last = episode["sim/state"].ends_ns
            assert abs((last - first) / 1e9 - seconds) < 0.1, "across the two scratch episodes too"
            assert 0 <= first - episode.start["t_ns"] < 1e8 and asked_ns - last < 1e9
            assert episode.start["policy"]["digest"] == "d1gest"
            assert episode.start["task"] == "wipe" and episode.stop["how"] == "stopped"
            assert episode.cameras == ("front/rgb", "wrist/rgb")
        assert not Journal(rollout.dataset.journal).state.of(uid).judged
    wait(rollout, 0.3)
    rollout.close()
    assert not scratch(rollout).exists(), "the scratch goes when the recorder ends"


def test_while_a_take_runs_it_has_it_all(rollout: Studio) -> None:
    wait(rollout, 0.5)
    rollout.start()
    assert "take runs" in rollout.refused(KeepLast())
    rollout.ask(Stop())
    rollout.ask(Discard())
    wait(rollout, 1.5)
    assert "1 to 60 s" in rollout.refused(KeepLast(3600.0))
    rollout.ask(KeepLast(1.0))
    rollout.until(lambda status: "are stored" in status.text)


def test_a_killed_recorder_costs_the_end_of_it(rollout: Studio) -> None:
    wait(rollout, 4.0)
    killed_ns = time.monotonic_ns()
    rollout.kill("recorder")
    rollout.until_after(killed_ns, "idle")
    wait(rollout, 0.5)
    uid = rollout.ask(KeepLast(60.0)).uid
    rollout.until(lambda status: "are stored" in status.text)
    with closed(rollout, uid) as episode:
        t_ns = episode["sim/state"].t_ns
        before = t_ns[t_ns < killed_ns]
        assert killed_ns - before[0] > 1.0e9, "what the dead one had written is there"
        assert killed_ns - before[-1] < 2.5e9  # what was in hand, and load
        for stream in episode:
            assert np.count_nonzero(np.diff(numbers(episode, stream)) != 1) == 1, "one gap"


def test_without_a_policy_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with Studio(tmp_path, run_base=tmp_path / "run") as studio:
        assert "No dataset" in studio.refused(KeepLast())
        studio.open()
        assert "nothing to keep" in studio.refused(KeepLast())
        assert not scratch(studio).exists()


def test_a_station_that_keeps_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    off = {"station": {"policy": {"keep_last": False}}}
    with Studio(
        tmp_path, station={"policy": True}, run_base=tmp_path / "run", recorder=off
    ) as studio:
        assert "No dataset" in studio.refused(KeepLast())
        studio.open()
        wait(studio, 0.5)
        assert "keep_last = true" in studio.refused(KeepLast())
        assert not scratch(studio).exists()


def test_an_excerpt_has_the_rows_of_its_span(tmp_path: Path) -> None:
    clock = FakeClock()
    t0 = clock.now_ns()
    dataset = Dataset.open_or_create(tmp_path / "data")
    paths = []
    for part, specs in enumerate([(JOINTS, EYE), (JOINTS, EYE, LATE)]):
        uid = layout.new_uid(t0 + part)
        encoder = VideoEncoder(32, 32, 25.0)
        with EpisodeWriter(dataset, uid, specs, {}, clock) as writer:
            numbers = np.arange(100) + 100 * part
            rows = np.repeat(numbers[:, None], 2, axis=1).astype(float)
            # Row 50 of the first part is missing.
            times = t0 + numbers * 10_000_000
            if part == 0:
                writer.append("right_arm/q", times[:50], rows[:50], 0)
                writer.append("right_arm/q", times[51:], rows[51:], 51)
            else:
                writer.append("right_arm/q", times, rows, 0)
                writer.append("policy_a/timing", times[::10], np.ones((10, 5)), 0)
            packets = [
                encoder.encode(np.full((32, 32, 3), 8 * (n % 25), np.uint8)) for n in numbers
            ]
            writer.append("front/rgb", times, packets, 0)
            writer.event("note", f"part {part}", int(times[70]))
        paths.append(dataset.episode_path(uid))
    since, until = t0 + 430_000_000, t0 + 1_500_000_000
    uid = layout.new_uid(t0 + 2)
    episodes = [Episode.open(path) for path in paths]
    with EpisodeWriter(dataset, uid, common_specs(episodes), {}, clock) as writer:
        excerpt(episodes, since, until, writer)
    with Episode.open(dataset.episode_path(uid)) as made:
        joints = made["right_arm/q"]
        assert joints.values[:, 0].tolist() == [n for n in range(43, 151) if n != 50]
        assert joints.t_ns.tolist() == [t0 + n * 10_000_000 for n in range(43, 151) if n != 50]
        pictures = made["front/rgb"].t_ns
        assert pictures[0] == t0 + 500_000_000, "the first key frame"
        for row in (0, 49, 50, 100):
            whole = next(e for e in episodes if pictures[row] in e["front/rgb"].t_ns)
            there = int(np.searchsorted(whole["front/rgb"].t_ns, pictures[row]))
            np.testing.assert_array_equal(
                made.frames("front/rgb", row), whole.frames("front/rgb", there)
            )
        assert len(made["policy_a/timing"]) == 6
        (gap,) = [event for event in made.events if event.kind == "gap"]
        assert gap.data["row"] == 7, "under its new number"
        assert [event.text for event in made.events][1:] == ["part 0", "Achieved rates"]
    for episode in episodes:
        episode.close()
