"""A lock that says 'somebody works on this file' and vanishes with its holder."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = "hhqqi"  # l_type, l_whence, l_start, l_len, l_pid of `struct flock`


class FileLock:
    """Held by the writer of an episode, the trainer of a training, the runner of a queue.

    It belongs to the open file description (`F_OFD_SETLK`, fcntl(2)): neither another handle in
    the same process nor HDF5's own `flock` disturbs it, and the kernel drops it on SIGKILL.
    Looking (`is_held`) takes nothing, so a watcher is never in the holder's way.

    Args:
        path: An existing file.

    Raises:
        OSError: When somebody holds it already, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._fd: int | None = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK))
        except OSError:
            self.release()
            raise

    @property
    def fd(self) -> int:
        """The locked file, for `fsync` and `fstat`."""
        if self._fd is None:
            raise ValueError("the lock was released")
        return self._fd

    def release(self) -> None:
        """Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def is_held(path: Path) -> bool:
    """Whether somebody alive holds the file. Raises OSError if it cannot be opened."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK))
    finally:
        os.close(fd)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _request(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
