"""A line of datagrams between two processes of one machine: no thread in between, nothing waits."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path

MAX_DATAGRAM_BYTES = 1 << 16
_AT_ONCE = 1000


class FastPush:
    """The end that sends.

    Args:
        path: Where the other end listens; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, data: bytes) -> bool:
        """False if nobody listens, or has not fetched what was sent before."""
        try:
            self._socket.sendto(data, self._path)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()


class FastPull:
    """The end that listens; one left by a dead process is replaced.

    Args:
        path: Where; whoever may write into its folder may send.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))

    @property
    def fd(self) -> int:
        """Readable while something waits to be taken."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Sleep until something comes, but not longer than `timeout_s` [s]. Whether it did."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, timeout_s))
        return bool(ready)

    def take(self) -> Iterator[list[bytes]]:
        """What has come, oldest first, each as the frames of a message."""
        for _ in range(_AT_ONCE):
            try:
                yield [self._socket.recv(MAX_DATAGRAM_BYTES)]
            except BlockingIOError:
                return

    def close(self) -> None:
        """Idempotent."""
        if self._socket.fileno() >= 0:
            self._path.unlink(missing_ok=True)
            self._socket.close()
