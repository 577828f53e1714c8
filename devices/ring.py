"""Shared-memory ring: one writer that never waits, many readers that can be killed at will.

A ring is a plain file, mapped by everybody who takes part. Layout, little-endian:

    0      magic (8 bytes), version u4, size of the head part u4, length of the StreamSpec JSON u4
    64     eight u8 words: reserved, head, capacity
    128    StreamSpec as JSON
    head   t_ns (capacity,) i8, then the samples (capacity, *shape), 64-byte aligned

`head` counts the samples that are written, `reserved` those that are written or being written.
Sample `s` lives in slot `s % capacity`. The writer sets `reserved`, writes, sets `head`; a reader
copies what `head` promises and then looks at `reserved`: whatever is older than
`reserved - capacity` may have been overwritten meanwhile and is thrown away. This is a sequence
lock over the whole ring (Lamport, "Concurrent reading and writing", CACM 1977); it needs stores to
become visible in program order, which x86-64 promises and the interpreter's own barriers give
elsewhere.

The writer holds a `flock` on the file. The kernel releases it when the process dies, however it
dies, so a reader sees a killed writer at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import struct
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from devices.errors import StreamError
from devices.stream import Sample, StreamSpec

MAGIC = b"TELERING"
VERSION = 1

_PREFIX = struct.Struct("<8sIII")
_WORDS_AT = 64
_RESERVED, _HEAD, _CAPACITY = 0, 1, 2
_SPEC_AT = 128
_ALIGN = 64
_TORN_READS_BEFORE_ASKING = 100


class Drained(NamedTuple):
    """Consecutive samples of one stream.

    Attributes:
        seq0: Number of the first sample; the others follow without a jump.
        t_ns: When they were measured [ns, monotonic], shape (n,), read-only.
        data: Shape (n, *spec.shape), read-only.
        missed: Samples lost just before `seq0`, because they were overwritten before being read.
    """

    seq0: int
    t_ns: npt.NDArray[np.int64]
    data: npt.NDArray[Any]
    missed: int

    def __bool__(self) -> bool:
        return len(self.t_ns) > 0


class RingWriter:
    """The writing end. Creates the file; readers may come at any time after that.

    Args:
        path: Where the ring shall be. A ring left there by a dead writer is replaced.
        spec: What the stream is.
        capacity: Samples that are kept.

    Raises:
        StreamError: When another living process writes this ring, or memory does not suffice.
    """

    def __init__(self, path: Path, spec: StreamSpec, capacity: int) -> None:
        if capacity < 1:
            raise StreamError(
                f"The ring of '{spec.name}' has the capacity {capacity}",
                next_step="A ring keeps at least one sample",
            )
        self.path = Path(path)
        self.spec = spec
        self.capacity = capacity
        _refuse_living_writer(self.path, spec)
        text = json.dumps(spec.to_dict()).encode()
        head_size = _aligned(_SPEC_AT + len(text))
        size = _data_at(head_size, capacity) + capacity * spec.nbytes
        self._fd, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".new-")
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            # Allocating now turns a full /dev/shm into an error here instead of a SIGBUS later.
            os.posix_fallocate(self._fd, 0, size)
            self._map = mmap.mmap(self._fd, size)
            self._words = memoryview(self._map)[_WORDS_AT:_SPEC_AT].cast("Q")
            self._words[_CAPACITY] = capacity
            self._map[_SPEC_AT : _SPEC_AT + len(text)] = text
            self._map[: _PREFIX.size] = _PREFIX.pack(MAGIC, VERSION, head_size, len(text))
            os.rename(temporary, self.path)
        except OSError as error:
            os.close(self._fd)
            os.unlink(temporary)
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                raise StreamError(
                    f"No memory for the ring of '{spec.name}': "
                    f"{size / 1e6:.0f} MB do not fit under {self.path.parent}",
                    next_step="Free shared memory or make /dev/shm larger",
                ) from error
            raise
        self._inode = os.fstat(self._fd).st_ino
        self._t_ns, self._data = _views(self._map, head_size, capacity, spec, writeable=True)

    @property
    def head(self) -> int:
        """Samples published so far."""
        return int(self._words[_HEAD])

    def publish(self, t_ns: int, data: npt.ArrayLike) -> int:
        """Append one sample; never waits for anybody. Returns its number.

        Args:
            t_ns: When it was measured [ns, monotonic].
            data: Shape of the spec; of its dtype or one that converts without change of kind.

        Raises:
            StreamError: For another shape or kind of numbers than declared.
        """
        sample = np.asarray(data)
        rows = self._data
        # Only what must be looked at closer is: nearly all samples are of the ring's own kind.
        if sample.shape != self.spec.shape or (
            sample.dtype is not rows.dtype
            and not np.can_cast(sample.dtype, rows.dtype, "same_kind")
        ):
            raise self._mismatch(sample)
        words = self._words
        seq = words[_HEAD]
        slot = seq % self.capacity
        words[_RESERVED] = seq + 1
        rows[slot] = sample
        self._t_ns[slot] = t_ns
        words[_HEAD] = seq + 1
        return seq

    def publish_many(self, t_ns: npt.ArrayLike, data: npt.ArrayLike) -> int:
        """Append n samples at once. Returns the number of the first.

        Args:
            t_ns: [ns, monotonic], shape (n,).
            data: Shape (n, *spec.shape). Of more than `capacity` samples only the last are kept;
                readers count the others as missed.

        Raises:
            StreamError: For another shape or kind of numbers than declared.
        """
        times, samples = np.asarray(t_ns, dtype=np.int64), np.asarray(data)
        if samples.shape != (times.size, *self.spec.shape) or not np.can_cast(
            samples.dtype, self._data.dtype, "same_kind"
        ):
            raise self._mismatch(samples)
        words = self._words
        first = words[_HEAD]
        end = first + times.size
        words[_RESERVED] = end
        at = max(first, end - self.capacity)
        while at < end:
            slot = at % self.capacity
            stop = min(end, at + self.capacity - slot)
            here = slice(slot, slot + stop - at)
            self._data[here] = samples[at - first : stop - first]
            self._t_ns[here] = times[at - first : stop - first]
            at = stop
        words[_HEAD] = end
        return first

    def close(self) -> None:
        """Release and remove the ring. Readers keep what they have mapped. Idempotent."""
        if self._fd < 0:
            return
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        del self._t_ns, self._data
        self._words.release()
        self._map.close()
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _mismatch(self, sample: npt.NDArray[Any]) -> StreamError:
        return StreamError(
            f"Stream '{self.spec.name}' was given {sample.dtype} {sample.shape}",
            allowed=[f"{self.spec.dtype} {self.spec.shape}"],
        )


class RingReader:
    """A reading end. Costs the writer nothing; killing the reader's process harms nobody.

    The first `drain` begins with the oldest sample that the ring still holds.

    Raises:
        StreamError: For a file that is missing, foreign, truncated or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StreamError(
                f"The ring {self.path} cannot be opened: {error.strerror}",
                next_step="Check that the station runs",
            ) from error
        try:
            self._map, head_size, self.spec = _open_map(self._fd, self.path)
            self._words = memoryview(self._map)[_WORDS_AT:_SPEC_AT].cast("Q")
            self.capacity = int(self._words[_CAPACITY])
            expected = _data_at(head_size, self.capacity) + self.capacity * self.spec.nbytes
            if self.capacity < 1 or len(self._map) != expected:
                self._words.release()
                self._map.close()
                raise StreamError(f"The ring {self.path} is truncated", next_step=_RESTART)
        except BaseException:
            os.close(self._fd)
            raise
        self._inode = os.fstat(self._fd).st_ino
        self._t_ns, self._data = _views(
            self._map, head_size, self.capacity, self.spec, writeable=False
        )
        self._next = self._oldest(self.head)

    @property
    def head(self) -> int:
        """Samples published so far."""
        return int(self._words[_HEAD])

    @property
    def backlog(self) -> int:
        """Samples that the next `drain` would return or count as missed."""
        return self.head - self._next

    def latest(self) -> Sample | None:
        """A copy of the newest sample, or None while there is none. Skips what came between."""
        words, capacity = self._words, self.capacity
        torn = 0
        while True:
            head = words[_HEAD]
            if head == 0:
                return None
            slot = (head - 1) % capacity
            t_ns = int(self._t_ns[slot])
            data = self._data[slot].copy()
            if words[_RESERVED] - capacity < head:
                data.flags.writeable = False
                return Sample(self.spec.name, head - 1, t_ns, data)
            torn += 1
            # A writer that died half-way through the only slot leaves nothing to read.
            if torn % _TORN_READS_BEFORE_ASKING == 0 and not self.writer_alive():
                return None

    def drain(self, limit: int | None = None) -> Drained:
        """Everything since the last call, in order, and how much was lost before it.

        Args:
            limit: At most so many samples; the rest waits for the next call.
        """
        drained = self._copy(self._next, limit)
        self._next = drained.seq0 + len(drained.t_ns)
        return drained

    def since(self, t_ns: int) -> Drained:
        """What the ring still holds from `t_ns` [ns, monotonic] on. Does not move `drain`."""
        return self._copy(self._first_since(t_ns), None)._replace(missed=0)

    def times(self, since_ns: int) -> tuple[int, npt.NDArray[np.int64]]:
        """Number of the first sample at or after `since_ns` [ns, monotonic], and the times of it
        and all later ones; without copying what they hold."""
        held = self._copy_times()
        first = int(np.count_nonzero(held.t_ns < since_ns))
        return held.seq0 + first, held.t_ns[first:]

    def row(self, seq: int) -> npt.NDArray[Any] | None:
        """What sample `seq` holds, None if it is no longer or not yet there. Shape of the spec."""
        found = self._copy(seq, max(0, min(1, self.head - seq)))
        return found.data[0] if found and found.seq0 == seq else None

    def seek(self, t_ns: int) -> None:
        """Let the next `drain` begin with the first sample at or after `t_ns` [ns, monotonic]."""
        self._next = self._first_since(t_ns)

    def skip(self) -> None:
        """Let the next `drain` begin with what is published from now on."""
        self._next = self.head

    def age_ns(self, now_ns: int) -> int | None:
        """Time since the newest sample was measured [ns], or None while there is none."""
        head = self._words[_HEAD]
        return None if head == 0 else now_ns - int(self._t_ns[(head - 1) % self.capacity])

    def writer_alive(self) -> bool:
        """Whether the writing process still has the ring open. True for no longer than it lives."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return False

    def replaced(self) -> bool:
        """Whether the file is gone or a new writer has put its own ring in this one's place."""
        try:
            return os.stat(self.path).st_ino != self._inode
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Release the ring. Idempotent; samples handed out stay valid."""
        if self._fd < 0:
            return
        del self._t_ns, self._data
        self._words.release()
        self._map.close()
        os.close(self._fd)
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _oldest(self, end: int) -> int:
        """Number of the oldest sample that is surely whole, if `end` is the newest plus one."""
        return int(min(end, max(0, self._words[_RESERVED] - self.capacity)))

    def _first_since(self, t_ns: int) -> int:
        held = self._copy_times()
        later = np.flatnonzero(held.t_ns >= t_ns)
        return held.seq0 + (int(later[0]) if len(later) else len(held.t_ns))

    def _copy_times(self) -> Drained:
        end = self.head
        first = self._oldest(end)
        times = _unrolled(self._t_ns, first, end)
        lost = min(self._oldest(end) - first, len(times))
        return Drained(first + lost, times[lost:], times[:0], lost)

    def _copy(self, wanted: int, limit: int | None) -> Drained:
        head = self.head
        first = max(wanted, self._oldest(head))
        end = head if limit is None else min(head, first + limit)
        times = _unrolled(self._t_ns, first, end)
        data = _unrolled(self._data, first, end)
        lost = min(max(0, self._oldest(head) - first), len(times))
        first += lost
        times, data = times[lost:], data[lost:]
        times.flags.writeable = False
        data.flags.writeable = False
        return Drained(first, times, data, first - wanted)


_RESTART = "Close Teledeck and start it again"


def _aligned(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN


def _data_at(head_size: int, capacity: int) -> int:
    return _aligned(head_size + 8 * capacity)


def _views(
    mapped: mmap.mmap, head_size: int, capacity: int, spec: StreamSpec, *, writeable: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    times = np.frombuffer(mapped, np.int64, capacity, head_size)
    flat = np.frombuffer(mapped, np.uint8, capacity * spec.nbytes, _data_at(head_size, capacity))
    data = flat.view(np.dtype(spec.dtype)).reshape(capacity, *spec.shape)
    times.flags.writeable = data.flags.writeable = writeable
    return times, data


def _unrolled(ring: npt.NDArray[Any], first: int, end: int) -> npt.NDArray[Any]:
    """A copy of the slots of samples first ... end - 1, oldest first."""
    capacity = len(ring)
    if end <= first:
        return ring[:0].copy()
    start, stop = first % capacity, (end - 1) % capacity + 1
    if start < stop:
        return ring[start:stop].copy()
    return np.concatenate([ring[start:], ring[:stop]])


def _open_map(fd: int, path: Path) -> tuple[mmap.mmap, int, StreamSpec]:
    """The mapped file, the size of its head part, and its spec, once it has proven a ring."""
    size = os.fstat(fd).st_size
    if size < _SPEC_AT:
        raise StreamError(f"The file {path} is no ring", next_step=_RESTART)
    mapped = mmap.mmap(fd, size, prot=mmap.PROT_READ)
    try:
        magic, version, head_size, length = _PREFIX.unpack(mapped[: _PREFIX.size])
        if magic != MAGIC:
            raise StreamError(f"The file {path} is no ring", next_step=_RESTART)
        if version != VERSION:
            raise StreamError(
                f"The ring {path} has version {version}",
                allowed=[VERSION],
                next_step="Start all parts of Teledeck from one installation",
            )
        try:
            spec = StreamSpec.from_dict(json.loads(mapped[_SPEC_AT : _SPEC_AT + length]))
        except (ValueError, TypeError, KeyError) as error:
            raise StreamError(
                f"The ring {path} has a damaged head part", next_step=_RESTART
            ) from error
        return mapped, head_size, spec
    except BaseException:
        mapped.close()
        raise


def _refuse_living_writer(path: Path, spec: StreamSpec) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StreamError(
            f"The stream '{spec.name}' already has a writer",
            next_step="Two devices must not publish under one name",
        ) from error
    finally:
        os.close(fd)
