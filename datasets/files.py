"""Opening an episode file in whatever state it was left, and saying plainly what is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np

from datasets import layout
from datasets.dataset import reason
from datasets.lock import is_held
from devices.errors import StorageError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open_file(path: Path) -> h5py.File:
    """An episode file for reading, also while it is being recorded or after a crash.

    Raises:
        StorageError: If it is missing, empty, foreign, truncated, unreadable or newer.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_SIGNATURE))
    except FileNotFoundError as error:
        raise StorageError(
            f"There is no episode {path}", next_step="Refresh the Library; it may be purged"
        ) from error
    except OSError as error:
        raise StorageError(f"Episode {path} cannot be read: {reason(error)}") from error
    if not beginning:
        raise StorageError(f"{path} is empty", next_step="Restore it from a backup, or remove it")
    if beginning != _SIGNATURE:
        raise StorageError(
            f"{path} is not an HDF5 file, so it is no episode of Teledeck",
            next_step="Move it out of the episodes folder",
        )
    file = _open_hdf5(path)
    try:
        _check_schema(path, file)
    except BaseException:
        file.close()
        raise
    return file


def _open_hdf5(path: Path) -> h5py.File:
    try:
        # A file whose writer lives or was killed opens only as a reader beside the writer.
        swmr = is_marked_open(path)
        return h5py.File(path, "r", libver="latest", swmr=swmr)
    except OSError as error:
        raise StorageError(
            f"{path} is {_harm(error)}",
            next_step="Restore it from a backup, or move it out of the episodes folder; it was not "
            "changed",
        ) from error


def _harm(error: OSError) -> str:
    """What is wrong with a file that HDF5 does not open, in words for people."""
    sizes = re.search(r"eof = (\d+).*stored_eof = (\d+)", str(error))
    if sizes:
        return f"cut short: {sizes[1]} of {sizes[2]} bytes are there"
    return f"damaged or cut short: {error}"


def is_marked_open(path: Path) -> bool:
    """Whether the superblock says that a writer has the file open.

    HDF5 File Format Specification 3.0, section II.A, superblock versions 2 and 3: byte 8 is the
    version, byte 11 the consistency flags, of which bit 0 means 'open for writing' and bit 2
    'open for single writer, many readers'.
    """
    with path.open("rb") as file:
        head = file.read(12)
    return len(head) == 12 and head[8] >= 3 and bool(head[11] & 0b101)


def _check_schema(path: Path, file: h5py.File) -> None:
    schema = file.attrs.get("schema")
    if not isinstance(schema, int | np.integer) or layout.STREAMS not in file:
        raise StorageError(
            f"{path} is an HDF5 file, but not an episode of Teledeck",
            next_step="Import it, or move it out of the episodes folder",
        )
    if schema > layout.SCHEMA:
        raise StorageError(
            f"{path} has schema {schema}; this program reads up to {layout.SCHEMA}",
            next_step="Update Teledeck",
        )


def stop_text(file: h5py.File) -> str:
    """The `stop` attribute; empty while recording and after a crash."""
    stop = file.attrs.get("stop", b"")
    return stop.decode(errors="replace") if isinstance(stop, bytes) else str(stop)


def stream_groups(file: h5py.File) -> dict[str, h5py.Group]:
    """The groups of all streams by name, in the order of their names."""
    found: dict[str, h5py.Group] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and layout.TIMES in item:
            found[name] = item

    file[layout.STREAMS].visititems(visit)
    return found


def committed(file: h5py.File) -> tuple[int, dict[str, int]]:
    """How much of a file is whole: bytes of `/events` and rows per stream.

    The last whole row of `/commits` says it. A file without commits (written in one go by another
    program) is as long as its datasets.

    Raises:
        StorageError: If the last commit cannot be understood.
    """
    if layout.COMMITS not in file:
        return lengths(file)
    table = file[layout.COMMITS]
    names = _committed_streams(table)
    number = whole_commits(file)
    if number == 0:
        return 0, dict.fromkeys(names, 0)
    row = [int(value) for value in table[number - 1]]
    if len(row) != len(names) + len(layout.commit_columns(())):
        raise StorageError(f"The columns of /commits in {file.filename} are not what they say")
    return row[2], dict(zip(names, row[3:-1], strict=True))


def lengths(file: h5py.File) -> tuple[int, dict[str, int]]:
    """How long the datasets are: bytes of `/events` and rows per stream."""
    events = len(file[layout.EVENTS]) if layout.EVENTS in file else 0
    return events, {
        name: min(len(group[layout.TIMES]), len(group[layout.ROWS]))
        for name, group in stream_groups(file).items()
    }


def check_lengths(file: h5py.File) -> None:
    """Compare what was committed with what is there.

    Raises:
        StorageError: If the file holds less: something else than a crash happened to it.
    """
    (event_bytes, rows), (events_there, rows_there) = committed(file), lengths(file)
    short = [name for name, count in rows.items() if count > rows_there.get(name, 0)]
    if short or event_bytes > events_there:
        raise StorageError(
            f"{file.filename} holds less than was committed ({', '.join(short) or 'events'})",
            next_step="Restore it from a backup; it was not changed",
        )


def whole_commits(file: h5py.File) -> int:
    """Number of the last row of `/commits` that was written to its end; 0 if there is none."""
    table = file[layout.COMMITS]
    for number in range(len(table), 0, -1):
        row = table[number - 1]
        if row[0] == row[-1] == number:
            return number
    return 0


def _committed_streams(table: h5py.Dataset) -> tuple[str, ...]:
    """Streams in the columns of `/commits`; layout.commit_columns says where they are."""
    return tuple(str(name) for name in json.loads(table.attrs["columns"])[3:-1])


def let_go(file: h5py.File) -> None:
    """Close a file that can no longer be written to.

    HDF5 2.0 crashes the process some time after a close that could not write. So whatever it
    still wants to write goes nowhere; the file on the disk stays as the last good write left it.
    """
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, file.id.get_vfd_handle(), inheritable=False)
        os.close(nowhere)
        file.close()


def living_writer(path: Path) -> bool:
    """Whether somebody is recording this file now."""
    try:
        return is_held(path)
    except OSError as error:
        raise StorageError(f"Episode {path} cannot be read: {reason(error)}") from error


def size_and_age(path: Path) -> tuple[int, int]:
    """Size [bytes] and time of last change [ns] of a file: when both are the same, so is it."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
