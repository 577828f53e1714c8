"""How a panel message is cut into datagrams, and how the app puts it together again."""

from __future__ import annotations

import struct

from devices.errors import WireError

CHUNK = 1400
"""Bytes in a chunk: with the headers of IP and UDP it stays below the 1500 of an Ethernet frame."""

MAX_MESSAGE = 1 << 20
"""The most that is sent or put together [bytes]; two panels of 640 x 480 have about 60 000."""

_U32 = struct.Struct("<I")


def chunk_size(length: int, wanted: int = CHUNK) -> int:
    """A size near `wanted` that leaves no last chunk of exactly 4 bytes.

    The app takes a datagram of 4 bytes for the start of a message.
    """
    if wanted < 8:
        raise WireError(f"Chunks of {wanted} bytes", allowed=("8 or more",))
    size = wanted
    while length % size == 4 or size == 4:
        size -= 1
    return size


def framed(message: bytes, wanted: int = CHUNK) -> list[bytes]:
    """Datagrams of one message, in order: its length, the chunk size, the chunks."""
    if not 5 <= len(message) <= MAX_MESSAGE:
        raise WireError(
            f"A panel message of {len(message)} bytes",
            next_step=f"At most {MAX_MESSAGE}: fewer or smaller pictures, or a lower quality",
        )
    size = chunk_size(len(message), wanted)
    chunks = [message[at : at + size] for at in range(0, len(message), size)]
    return [_U32.pack(len(message)), _U32.pack(size), *chunks]


class PanelReader:
    """Puts messages together as the app does: in order of arrival, whoever sent.

    `feed` returns a finished message or None. What does not fit is told in `faults`, and skipped
    until a datagram of 4 bytes, which starts the next message.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._total: int | None = None
        self._size: int | None = None
        self._parts: list[bytes] = []
        self._lost = False

    @property
    def in_between(self) -> bool:
        """No message is half read."""
        return self._total is None

    def feed(self, datagram: bytes) -> bytes | None:
        if self._total is None:
            self._begin(datagram)
            return None
        if self._size is None:
            self._take_size(datagram)
            return None
        return self._take_chunk(datagram)

    def _begin(self, datagram: bytes) -> None:
        if len(datagram) != 4:
            # One complaint for a whole stretch of strays.
            if not self._lost:
                self.faults.append(f"panel: {len(datagram)} bytes where a length should be")
            self._lost = True
            return
        total = _U32.unpack(datagram)[0]
        if not 5 <= total <= MAX_MESSAGE:
            self._fail(f"panel: a message of {total} bytes")
            return
        self._lost = False
        self._total, self._size, self._parts = total, None, []

    def _take_size(self, datagram: bytes) -> None:
        size = _U32.unpack(datagram)[0] if len(datagram) == 4 else 0
        if not 1 <= size <= 65507:
            self._fail(f"panel: {len(datagram)} bytes where a chunk size should be")
            return
        self._size = size

    def _take_chunk(self, datagram: bytes) -> bytes | None:
        assert self._total is not None
        assert self._size is not None
        left = self._total - self._size * len(self._parts)
        if len(datagram) == 4:
            self._fail("panel: a message ends early, or its last chunk has 4 bytes")
            self._begin(datagram)
            return None
        if len(datagram) != min(self._size, left):
            self._fail(f"panel: a chunk of {len(datagram)} bytes, not {min(self._size, left)}")
            return None
        self._parts.append(datagram)
        if left > self._size:
            return None
        message = b"".join(self._parts)
        self._total = None
        return message

    def _fail(self, text: str) -> None:
        self.faults.append(text)
        self._total, self._size, self._parts, self._lost = None, None, [], True
