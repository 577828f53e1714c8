"""Disk full, folder read-only, folder gone: a clear sentence, and nothing kept is harmed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasets import writer as writer_module
from datasets.dataset import Dataset
from datasets.library import Library
from datasets.reader import Episode
from datasets.repair import repair
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from devices.errors import StorageError
from tests.data.conftest import Record
from tests.data.crashing import REPOSITORY
from tests.data.recording import FAST, Station, fast_rows

UID = "20260131T093000250Z-1f2e3d"


class Take:
    """An episode being recorded by a station, on a clock of its own."""

    def __init__(self, dataset: Dataset, uid: str = UID, reserve_bytes: int = 0) -> None:
        self.clock = FakeClock()
        self.since_ns = self.clock.now_ns()
        self.station = Station()
        self.writer = EpisodeWriter(
            dataset, uid, self.station.specs, {}, self.clock, reserve_bytes=reserve_bytes
        )

    def go_on(self, seconds: float) -> None:
        """Record until it fails or the time is over."""
        for _ in range(round(seconds * 20)):
            self.clock.advance_s(0.05)
            self.station.append_due(self.writer, self.since_ns, self.clock.now_ns())
            self.writer.tick()


def check_ended_well(dataset: Dataset, uid: str, kept: str, before: bytes) -> None:
    """The failed take can be mended and read; the earlier one is as it was."""
    repair(dataset.episode_path(uid))
    with Episode.open(dataset.episode_path(uid)) as episode:
        q = episode[FAST.name]
        assert (q.values == fast_rows(0, len(q))).all()
    assert dataset.episode_path(kept).read_bytes() == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_take(small_disk: Path) -> None:
    dataset = Dataset.create(small_disk / "set")
    kept = Take(dataset)
    kept.writer.stop("stopped")
    before = kept.writer.path.read_bytes()
    uid = UID[:-1] + "e"
    take = Take(dataset, uid)
    with pytest.raises(StorageError, match=r"no space left on device.*Make room"):
        take.go_on(60.0)
    with pytest.raises(StorageError, match="no space left"):
        take.writer.flush()
    take.writer.abandon()
    with Episode.open(take.writer.path) as episode:
        assert len(episode[FAST.name]) > 100
    with pytest.raises(StorageError, match=r"could not be repaired.*Make room"):
        repair(take.writer.path)
    library = Library(dataset, mend=False)
    with pytest.raises(StorageError, match=r"decision could not be written.*Make room"):
        for _ in range(200):
            library.note(UID, "x" * 4096)
    (small_disk / "set" / "journal.jsonl").unlink()
    target = small_disk.parent / "roomy"
    shutil.copytree(dataset.root, target)
    check_ended_well(Dataset.open(target), uid, UID, before)


def test_the_take_ends_before_the_disk_is_full(dataset: Dataset, record: Record) -> None:
    kept = record(0.2)
    before = dataset.episode_path(kept).read_bytes()
    take = Take(dataset)
    take.go_on(1.0)
    take.writer.reserve_bytes = 1 << 62
    with pytest.raises(StorageError, match=r"disk is full \(\d+ MiB left\)"):
        take.go_on(1.0)
    with Episode.open(take.writer.path) as episode:  # it has an end, and lost nothing
        assert episode.stop is not None and not episode.interrupted
        assert episode.stop["how"] == "failed" and "disk is full" in episode.stop["why"]
        assert len(episode[FAST.name]) == take.writer.rows[FAST.name]
    check_ended_well(dataset, UID, kept, before)
    with pytest.raises(StorageError, match="disk is full"):
        Take(dataset, UID[:-1] + "e", reserve_bytes=1 << 62)
    assert len(dataset.uids()) == 2


_LIMITED = """
import resource, sys
from datasets.dataset import Dataset
from devices.errors import StorageError
from tests.data.test_faults import Take
dataset = Dataset.open(sys.argv[1])
take = Take(dataset, sys.argv[2])
take.go_on(1.0)
limit = take.writer.bytes_on_disk + int(sys.argv[3])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
try:
    take.go_on(5.0)
except StorageError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
following = Take(dataset, sys.argv[2][:-1] + "f")
following.go_on(1.0)
following.writer.stop("stopped")
"""


@pytest.mark.parametrize("room", [0, 1, 5_000, 70_001])
def test_writes_that_fail_in_the_middle(dataset: Dataset, record: Record, room: int) -> None:
    kept = record(0.2)
    before = dataset.episode_path(kept).read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(dataset.root), UID, str(room)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr
    assert f"Episode {UID} could not be written" in done.stdout
    assert "file too large" in done.stdout
    check_ended_well(dataset, UID, kept, before)
    with Episode.open(dataset.episode_path(UID[:-1] + "f")) as episode:  # the next take is whole
        assert len(episode[FAST.name]) == 500 and not episode.interrupted


def test_a_deleted_folder_ends_the_take(dataset: Dataset) -> None:
    take = Take(dataset)
    take.go_on(0.5)
    library = Library(dataset)
    shutil.rmtree(dataset.root)
    with pytest.raises(StorageError, match="no such file or directory"):
        take.go_on(1.0)
    with pytest.raises(StorageError, match="still there"):
        library.refresh()
    with pytest.raises(StorageError, match="Check that the folder exists"):
        Take(dataset)
    with pytest.raises(StorageError, match="does not exist"):
        Dataset.open(dataset.root)


def test_a_replaced_file_ends_the_take(dataset: Dataset) -> None:
    clock = FakeClock()
    take = EpisodeWriter(dataset, UID, [FAST], {}, clock)
    take.path.unlink()
    take.path.write_bytes(b"somebody else's")
    with pytest.raises(StorageError, match="replaced by another"):
        take.stop("stopped")
    assert take.path.read_bytes() == b"somebody else's"


@pytest.fixture
def read_only(dataset: Dataset, record: Record) -> Iterator[str]:
    """The dataset with one episode, on a file system that cannot be written to."""
    uid = record(0.5, stop=False)
    if os.geteuid() == 0:  # permissions do not hold root back, a mount does
        root = str(dataset.root)
        mounted = subprocess.run(["mount", "--bind", root, root], capture_output=True)
        again = ["mount", "-o", "remount,bind,ro", root]
        if mounted.returncode or subprocess.run(again, capture_output=True).returncode:
            pytest.skip("a read-only mount needs the right to mount")
        yield uid
        subprocess.run(["umount", "-l", root], check=True)
    else:
        folders = [dataset.root, *(path for path in dataset.root.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o500)
        dataset.episode_path(uid).chmod(0o400)
        yield uid
        for folder in folders:
            folder.chmod(0o700)


def test_a_read_only_folder_can_be_read(dataset: Dataset, read_only: str) -> None:
    with pytest.raises(StorageError, match=r"cannot be made.*can be written to"):
        EpisodeWriter(dataset, UID, [FAST], {}, FakeClock())
    with pytest.raises(StorageError, match="Make the dataset folder writable"):
        repair(dataset.episode_path(read_only))
    library = Library(dataset)
    assert library.card(read_only).flags == ("interrupted",)
    assert len(library.complaints) == 2  # neither the repair nor the index could be written
    with pytest.raises(StorageError, match="could not be written"):
        library.delete(read_only)
    with library.open(read_only) as episode:
        assert len(episode[FAST.name]) > 0


def test_a_disk_that_loses_writes_is_noticed(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(writer_module.os, "fdatasync", fail)
    clock = FakeClock()
    take = EpisodeWriter(dataset, UID, [FAST], {}, clock)
    with pytest.raises(StorageError, match="input/output error"):
        while True:  # it is told by the first flush after the one that was lost
            take.flush()


def test_nothing_unwritable_goes_unsaid_at_creation(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Choose a folder"):
        Dataset.create(tmp_path / "file" / "set")
    with pytest.raises(StorageError, match="exists and is not empty"):
        Dataset.create(tmp_path / "file")
