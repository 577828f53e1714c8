"""`python -m tests.benchmarks.library --episodes 1000`: how long the Library takes to open."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from datasets import layout
from datasets.dataset import Dataset
from datasets.library import Library
from datasets.reader import Episode
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock
from tests.benchmarks.results import spread, write
from tests.data.recording import Station


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=1000)
    parser.add_argument("--streams", type=int, default=35, help="beside three")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="teledeck-library-") as folder:
        write("library", measure(Path(folder), options.episodes, options.streams))


def measure(folder: Path, episodes: int, streams: int) -> dict[str, object]:
    """Open a dataset of copies of one short episode, first without and then with its index."""
    dataset = Dataset.create(folder / "set")
    path = _record(dataset, streams)
    for number in range(1, episodes):
        uid = layout.new_uid(1_790_000_000 * NS_PER_S + number * NS_PER_S)
        shutil.copy(path, dataset.episode_path(uid))
    first_ms, library = _timed(lambda: Library(dataset))
    opening = [_timed(lambda: Library(dataset))[0] for _ in range(20)]
    refreshing = [_timed(library.refresh)[0] for _ in range(20)]
    listing = [_timed(lambda: library.cards(sort="length", task="wipe"))[0] for _ in range(20)]
    uids = [card.uid for card in library.cards()]
    deciding = [_timed(lambda u=uid: library.set_verdict(u, "success"))[0] for uid in uids]
    undoing = [_timed(library.undo)[0] for _ in range(20)]
    with_journal = [_timed(lambda: Library(dataset))[0] for _ in range(5)]
    thumbnails = [_timed(lambda u=uid: library.thumbnail(u))[0] for uid in uids[:20]]
    episode_ms = [_timed(lambda: Episode.open(path).close())[0] for _ in range(20)]
    return {
        "episodes": len(uids),
        "streams_per_episode": streams + 3,
        "first_open_without_index_ms": round(first_ms, 1),
        "first_open_ms_per_episode": round(first_ms / episodes, 2),
        "open_ms": spread(opening),
        "open_with_a_line_per_episode_ms": spread(with_journal),
        "refresh_ms": spread(refreshing),
        "filter_and_sort_ms": spread(listing),
        "verdict_on_disk_ms": spread(deciding),
        "undo_ms": spread(undoing),
        "thumbnail_ms": spread(thumbnails),
        "open_one_episode_ms": spread(episode_ms),
    }


def _record(dataset: Dataset, streams: int) -> Path:
    clock, station = FakeClock(), Station(640, 480, streams)
    since = clock.now_ns()
    uid = layout.new_uid(1_790_000_000 * NS_PER_S)
    with EpisodeWriter(dataset, uid, station.specs, {"task": "wipe"}, clock) as writer:
        for _ in range(10):
            clock.advance_s(0.1)
            station.append_due(writer, since, clock.now_ns())
    return dataset.episode_path(uid)


def _timed(act: Callable[[], object]) -> tuple[float, Library]:
    before = time.perf_counter()
    result = act()
    return (time.perf_counter() - before) * 1e3, result  # type: ignore[return-value]


if __name__ == "__main__":
    main()
