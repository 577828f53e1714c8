"""Writes one episode while it happens, so that a SIGKILL costs what the last timer tick had not
seen yet and nothing else. Why the file is written this way: docs/decisions/0003-episode-file.md."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from datasets import files, layout
from datasets.dataset import Dataset, reason
from datasets.lock import FileLock
from datasets.track import ArrayTrack, PacketTrack, Track
from datasets.video import Packet
from devices.clock import NS_PER_S, Clock, ClockAnchor
from devices.errors import StorageError, StreamError
from devices.stream import StreamSpec

FLUSH_S = 0.2
"""Leaves room for a slow flush within the half second that a crash may cost."""
FIRST_FLUSH_S = 0.05
"""The pre-roll comes at once, and is safe at once."""
RESERVE_BYTES = 64 << 20
"""A take ends by itself while there is still room to end it well."""

_EVENT_CHUNK = 16 << 10
_COMMIT_CHUNK = 16


class EpisodeWriter:
    """One episode being recorded. Use it from one thread.

    Rows wait in memory until `flush`, which every `append` and `tick` calls when it is due.

    Args:
        dataset: Where it goes.
        uid: Its name, from `layout.new_uid`.
        specs: All streams that may get rows; a stream without rows stays empty.
        start: What is known at the start, stored as JSON: task, operator, scene, seed, model,
            station, calibration, versions, ... `anchor` (one instant on both clocks) and `t_ns`
            are added when absent.
        clock: The clock of the `t_ns`.
        flush_s: Time between two flushes [s].
        reserve_bytes: Free disk space below which the take ends [bytes].
        provenance: Only for derived episodes: what it was made from, stored as JSON.

    Attributes:
        uid: Its name.
        path: Its file.
        reserve_bytes: As given; may be changed at any time.
        next_flush_ns: When the next flush is due [ns, monotonic].

    Raises:
        StorageError: If the file cannot be made, naming the reason and the next step.
    """

    def __init__(
        self,
        dataset: Dataset,
        uid: str,
        specs: Sequence[StreamSpec],
        start: Mapping[str, Any],
        clock: Clock,
        *,
        flush_s: float = FLUSH_S,
        reserve_bytes: int = RESERVE_BYTES,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.uid = layout.checked_uid(uid)
        self.path = dataset.episode_path(uid)
        self._clock = clock
        self._flush_ns = round(flush_s * NS_PER_S)
        self.reserve_bytes = reserve_bytes
        self._specs = layout.checked_specs(specs)
        self._failure: StorageError | None = None
        self._closed = False
        self._event_lines: list[bytes] = []
        self._event_bytes = 0
        self._commits_written = 0
        self._sync = _Sync()
        anchor = ClockAnchor.take(clock)
        start = {
            "t_ns": clock.now_ns(),
            "anchor": {"wall_ns": anchor.wall_ns, "monotonic_ns": anchor.monotonic_ns},
            **start,
        }
        if self.path.exists():
            raise StorageError(f"Episode {self.path} exists already")
        draft = self.path.with_suffix(layout.DRAFT_SUFFIX)
        try:
            if shortage := self._shortage():
                raise OSError(errno.ENOSPC, shortage)
            self._file = self._create(draft, start, provenance)
            self._lock = FileLock(draft)
            # From here on the file opens, whatever happens; so only now it gets its name.
            draft.rename(self.path)
        except (OSError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise StorageError(
                f"Episode {self.path} cannot be made: {reason(error)}",
                next_step="Check that the folder exists, can be written to and has room",
            ) from error
        self.next_flush_ns = clock.now_ns() + round(min(flush_s, FIRST_FLUSH_S) * NS_PER_S)

    # ------------------------------------------------------------------------------ recording
    def append(
        self,
        stream: str,
        t_ns: npt.ArrayLike,
        data: npt.NDArray[Any] | Sequence[Packet],
        seq0: int,
    ) -> None:
        """Add consecutive rows to a stream.

        Args:
            stream: Name of one of the specs.
            t_ns: When each row was measured [ns, monotonic], shape (n,).
            data: Shape (n, *spec.shape); for an image stream n packets. Copied.
            seq0: `seq` of the first row. A jump since the last row becomes a `gap` event.

        Raises:
            StreamError: For an unknown stream or rows that do not fit its spec.
            StorageError: If a flush was due and failed; the take is over then.
        """
        self._refuse_if_over()
        track = self._tracks.get(stream)
        if track is None:
            raise StreamError(f"Unknown stream '{stream}'", allowed=self._tracks)
        times = np.array(t_ns, dtype=np.int64)
        if times.ndim != 1 or len(times) != len(data):
            raise StreamError(f"Stream '{stream}': {times.shape} times for {len(data)} rows")
        if len(times) == 0:
            return
        missing = track.append(times, data, seq0)
        if missing:
            self.event(
                "gap",
                f"{missing} rows of {stream} are missing",
                int(times[0]),
                {"stream": stream, "missing": missing, "row": track.rows - len(times)},
            )
        self.tick()

    def event(self, kind: str, text: str, t_ns: int, data: Mapping[str, Any] | None = None) -> None:
        """Add one event: gap, label, takeover, guard, fault, note, scene, leader.

        Args:
            kind: What sort of thing happened.
            text: A sentence for people.
            t_ns: When [ns, monotonic].
            data: More about it, JSON only; numbers that are not finite become text.
        """
        self._refuse_if_over()
        line = _json(
            {"t_ns": int(t_ns), "kind": kind, "text": text, "data": _told_as_text(data or {})}
        )
        self._event_lines.append(line + b"\n")

    def tick(self) -> None:
        """Flush if it is time to. Call it also while nothing arrives."""
        if self._clock.now_ns() >= self.next_flush_ns:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system and ask it to put it on the disk.

        Raises:
            StorageError: If that fails, or room gets short. What was committed stays readable.
        """
        self._refuse_if_over()
        self.next_flush_ns = self._clock.now_ns() + self._flush_ns
        try:
            self._sync.check()
            self._check_still_there()
            if shortage := self._shortage():
                self.stop("failed", shortage)
                raise self._end(shortage)
            self._write_pending()
            self._sync.request(self._lock.fd)
        except (OSError, RuntimeError) as error:
            raise self._fail(error) from error

    def stop(self, how: str, why: str = "") -> None:
        """End the episode and close its file; it is on the disk when this returns.

        Args:
            how: One word: "stopped", "failed", "limit", ...
            why: A sentence.

        Raises:
            StorageError: If that fails.
        """
        self._refuse_if_over()
        try:
            self._check_still_there()
            self._write_pending()
            stop = _stop_json(how, why, self._clock.now_ns())
            attribute = h5py.h5a.open(self._file.id, b"stop")
            attribute.write(np.array(stop, dtype=f"S{layout.STOP_BYTES}"))
            self._file.close()
            self._sync.close()
            os.fsync(self._lock.fd)
        except (OSError, RuntimeError) as error:
            raise self._fail(error) from error
        self._closed = True
        self._lock.release()

    def abandon(self) -> None:
        """Close without an end, as a crash would. Idempotent, callable in any state."""
        if self._closed:
            return
        self._closed = True
        self._sync.abandon()
        try:
            self._file.close()
        except (OSError, RuntimeError):
            files.let_go(self._file)
        self._lock.release()

    def __enter__(self) -> EpisodeWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._closed:
            return
        if error is None:
            self.stop("stopped")
        else:
            self.abandon()

    @property
    def rows(self) -> dict[str, int]:
        """Rows accepted so far, per stream."""
        return {name: track.rows for name, track in self._tracks.items()}

    @property
    def dropped(self) -> dict[str, int]:
        """Rows known to be missing so far, per stream."""
        return {name: track.missing for name, track in self._tracks.items()}

    @property
    def bytes_on_disk(self) -> int:
        """Size of the file [bytes]."""
        return os.fstat(self._lock.fd).st_size if not self._closed else self.path.stat().st_size

    # ------------------------------------------------------------------------------- inside
    def _create(
        self, draft: Path, start: Mapping[str, Any], provenance: Mapping[str, Any] | None
    ) -> h5py.File:
        # Pages of the size of the memory's: a metadata record never lies across two of them, so
        # no write of one is ever cut in half.
        file = h5py.File(draft, "w", libver="latest", fs_strategy="page", fs_page_size=4096)
        try:
            file.attrs["schema"] = layout.SCHEMA
            file.attrs["uid"] = self.uid
            file.attrs["start"] = _json(start).decode()
            file.attrs["streams"] = _json([spec.to_dict() for spec in self._specs]).decode()
            file.attrs.create("stop", b"", dtype=f"S{layout.STOP_BYTES}")
            if provenance is not None:
                file.create_group(layout.PROVENANCE).attrs["json"] = _json(provenance).decode()
            streams = file.create_group(layout.STREAMS)
            self._tracks: dict[str, Track] = {
                spec.name: (PacketTrack if spec.kind == "image" else ArrayTrack)(streams, spec)
                for spec in self._specs
            }
            self._events = file.create_dataset(
                layout.EVENTS, (0,), "u1", maxshape=(None,), chunks=(_EVENT_CHUNK,)
            )
            columns = layout.commit_columns(self._tracks)
            self._commits = file.create_dataset(
                layout.COMMITS,
                (0, len(columns)),
                "i8",
                maxshape=(None, len(columns)),
                chunks=(_COMMIT_CHUNK, len(columns)),
            )
            self._commits.attrs["columns"] = json.dumps(columns)
            file.swmr_mode = True
        except BaseException:
            files.let_go(file)
            raise
        return file

    def _write_pending(self) -> None:
        for track in self._tracks.values():
            track.write()
        if self._event_lines:
            lines = np.frombuffer(b"".join(self._event_lines), dtype=np.uint8)
            self._events.resize(self._event_bytes + len(lines), axis=0)
            self._events[self._event_bytes :] = lines
            self._event_bytes += len(lines)
            self._event_lines.clear()
        self._file.flush()
        # The commit is written when everything it counts has left this process.
        number = self._commits_written + 1
        rows = [track.rows for track in self._tracks.values()]
        self._commits.resize(number, axis=0)
        self._commits[number - 1] = [
            number,
            self._clock.now_ns(),
            self._event_bytes,
            *rows,
            number,
        ]
        self._commits.flush()
        self._commits_written = number

    def _shortage(self) -> str:
        """Why there is not enough room to go on; empty if there is."""
        disk = os.statvfs(self.path.parent)
        free = disk.f_bavail * disk.f_frsize
        return f"the disk is full ({free >> 20} MiB left)" if free < self.reserve_bytes else ""

    def _check_still_there(self) -> None:
        mine = os.fstat(self._lock.fd)
        there = os.stat(self.path)
        if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
            raise OSError(errno.ESTALE, "the file was replaced by another")

    def _refuse_if_over(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StorageError(f"Episode {self.uid} is closed", next_step="Start a new take")

    def _fail(self, error: BaseException) -> StorageError:
        self._closed = True
        self._sync.abandon()
        files.let_go(self._file)
        self._lock.release()
        return self._end(reason(error))

    def _end(self, why: str) -> StorageError:
        self._failure = StorageError(
            f"Episode {self.uid} could not be written to {self.path.parent}: {why}",
            next_step="Make room or choose another folder; what was recorded until a moment ago "
            "is kept, and earlier episodes are unharmed",
        )
        return self._failure


class _Sync:
    """`fsync` in its own thread: a slow disk must not hold up the draining of the rings.

    At most one runs at a time; requests that come meanwhile are one request.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._fd: int | None = None
        self._over = False
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def request(self, fd: int) -> None:
        with self._wake:
            self._fd = fd
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="episode fsync", daemon=True)
                self._thread.start()
            self._wake.notify()

    def check(self) -> None:
        """Raise what the last `fsync` raised."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread and raise what it met."""
        self.abandon()
        self.check()

    def abandon(self) -> None:
        with self._wake:
            self._over = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._over or self._fd is not None)
                if self._over:
                    return
                fd, self._fd = self._fd, None
            assert fd is not None
            try:
                os.fdatasync(fd)
            except OSError as error:
                self._error = error
                return


def _json(value: object) -> bytes:
    try:
        return json.dumps(
            value, allow_nan=False, separators=(",", ":"), default=_plain_number
        ).encode()
    except (TypeError, ValueError) as error:
        raise StorageError(f"This cannot be stored as JSON: {error}") from error


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _told_as_text(value: Any) -> Any:
    """Numbers that JSON has no word for become words: an event about a NaN must not be lost."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _told_as_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_told_as_text(item) for item in value]
    return value


def _stop_json(how: str, why: str, t_ns: int) -> bytes:
    """The `stop` attribute, its sentence shortened until it fits."""
    while True:
        text = _json({"how": how, "why": why, "t_ns": t_ns})
        if len(text) <= layout.STOP_BYTES:
            return text
        why = why[: len(why) // 2] + "…"
