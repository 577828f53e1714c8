"""Makes whole again what a crash left open.

The original is never edited: its committed rows go into a fresh file, which is checked and then
takes its place in one step. Doing it twice changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from datasets import files, layout
from datasets.dataset import Dataset, reason
from datasets.lock import FileLock
from devices.errors import StorageError

_DRAFT_AGE_S = 3600.0
_COPY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was done to one episode.

    Attributes:
        path: Its file.
        changed: False when there was nothing to mend.
        rows: Rows per stream that it holds now.
        text: A sentence for people.
    """

    path: Path
    changed: bool
    rows: dict[str, int]
    text: str


def needs_repair(path: Path) -> bool:
    """Whether a file was left open or without an end by a recorder that is gone.

    Raises:
        StorageError: If it is no episode that we can read.
    """
    if files.living_writer(path):
        return False
    with files.open_file(path) as file:
        return files.is_marked_open(path) or not files.stop_text(file)


def repair(path: Path) -> RepairReport:
    """Truncate every stream to the last row that was committed and mark the end.

    A file whose recorder died gets `stop = {"how": "interrupted", ...}`.

    Raises:
        StorageError: If the file is being recorded, is no episode, or is damaged beyond what a
            crash of the recorder can do. It is unchanged then.
    """
    files.open_file(path).close()  # tells by name what is no episode at all
    try:
        lock = FileLock(path)
    except (BlockingIOError, PermissionError) as error:
        if files.living_writer(path):
            raise StorageError(
                f"Episode {path} is being recorded", next_step="Stop the take first"
            ) from error
        raise _unwritable(path, error) from error
    except OSError as error:
        raise _unwritable(path, error) from error
    draft = path.with_suffix(layout.REPAIR_SUFFIX)
    try:
        with files.open_file(path) as source:
            stop = files.stop_text(source)
            files.check_lengths(source)
            rows = files.committed(source)[1]
            if stop and not files.is_marked_open(path):
                return RepairReport(path, False, rows, f"{path.stem} is whole")
            _copy(source, draft, stop)
        _check(path, draft, rows)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except StorageError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise StorageError(
            f"Episode {path} could not be repaired: {reason(error)}",
            next_step="Make room, or restore it from a backup; it was not changed",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        lock.release()
    end = "closed" if stop else "marked as interrupted"
    return RepairReport(
        path, True, rows, f"{path.stem} was {end}; it holds {sum(rows.values())} rows"
    )


def repair_all(dataset: Dataset) -> Iterator[RepairReport | StorageError]:
    """Mend every episode that needs it; what cannot be mended comes as its error.

    Episodes being recorded are left alone.
    """
    for uid in dataset.uids():
        path = dataset.episode_path(uid)
        try:
            if needs_repair(path):
                yield repair(path)
        except StorageError as error:
            yield error


def clear_drafts(dataset: Dataset) -> tuple[Path, ...]:
    """Remove what writers and repairs left that died before their file had a name.

    Nothing was ever committed to such a file. Young ones may belong to somebody who is about to
    lock them, and stay.

    Raises:
        StorageError: If one cannot be removed.
    """
    cleared = []
    for path in dataset.episodes.glob("*"):
        if path.suffix in (layout.DRAFT_SUFFIX, layout.REPAIR_SUFFIX) and layout.is_uid(path.stem):
            try:
                if time.time() - path.stat().st_mtime > _DRAFT_AGE_S:
                    path.unlink(missing_ok=True)
                    cleared.append(path)
            except OSError as error:
                raise StorageError(f"{path} cannot be removed: {reason(error)}") from error
    return tuple(cleared)


def _copy(source: h5py.File, draft: Path, stop: str) -> None:
    groups = files.stream_groups(source)
    event_bytes, rows = files.committed(source)
    stop = stop or json.dumps(
        {
            "how": "interrupted",
            "why": "The recorder ended without closing the episode",
            "t_ns": _last_commit_ns(source),
        }
    )
    copy = h5py.File(draft, "w", libver="latest")
    try:
        _copy_attributes(source, copy)
        copy.attrs.create("stop", stop.encode(), dtype=f"S{layout.STOP_BYTES}")
        if layout.PROVENANCE in source:
            _copy_attributes(source[layout.PROVENANCE], copy.create_group(layout.PROVENANCE))
        streams = copy.create_group(layout.STREAMS)
        for name, group in groups.items():
            target = streams.create_group(name)
            _copy_attributes(group, target)
            _copy_rows(group, target, layout.TIMES, rows[name])
            _copy_rows(group, target, layout.ROWS, rows[name])
            if layout.PACKETS in group:
                table = target[layout.ROWS]
                size = int(table[-1, 0] + table[-1, 1]) if rows[name] else 0
                _copy_rows(group, target, layout.PACKETS, size)
        if layout.EVENTS in source:
            _copy_rows(source, copy, layout.EVENTS, event_bytes)
        if layout.COMMITS in source:
            count = files.whole_commits(source)
            _copy_rows(source, copy, layout.COMMITS, count)
        copy.flush()
        copy.close()
    except BaseException:
        files.let_go(copy)
        raise


def _copy_rows(source: h5py.Group, target: h5py.Group, name: str, count: int) -> None:
    old = source[name]
    new = target.create_dataset(
        name,
        (count, *old.shape[1:]),
        old.dtype,
        maxshape=(None, *old.shape[1:]),
        chunks=old.chunks,
    )
    _copy_attributes(old, new)
    row_bytes = max(1, old.dtype.itemsize * int(np.prod(old.shape[1:], dtype=np.int64)))
    step = max(1, _COPY_BYTES // row_bytes)
    for first in range(0, count, step):
        last = min(first + step, count)
        new[first:last] = old[first:last]


def _copy_attributes(source: Any, target: Any) -> None:
    for key, value in source.attrs.items():
        if key != "stop":
            target.attrs[key] = value


def _last_commit_ns(source: h5py.File) -> int | None:
    count = files.whole_commits(source) if layout.COMMITS in source else 0
    return int(source[layout.COMMITS][count - 1, 1]) if count else None


def _check(path: Path, draft: Path, rows: dict[str, int]) -> None:
    with files.open_file(path) as old, files.open_file(draft) as new:
        files.check_lengths(new)
        if files.committed(new)[1] != rows:
            raise StorageError(f"The repaired copy of {path} came out different")
        groups, before = files.stream_groups(new), files.stream_groups(old)
        for name, group in groups.items():
            times = group[layout.TIMES][:]
            if not np.array_equal(times, before[name][layout.TIMES][: rows[name]]):
                raise StorageError(f"The repaired copy of {path} differs in stream '{name}'")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Episode {path} cannot be repaired: {reason(error)}",
        next_step="Make the dataset folder writable; the episode can still be read",
    )
