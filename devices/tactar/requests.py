"""HTTP/1.1 requests out of bytes: as much of it as the headset needs, nothing trusted. Pure.

Own, because the port is open to a network: every length is bounded before a byte is kept, a head
that never ends is a deadline of the caller's, and a request costs a few microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MAX_HEAD = 8 * 1024
"""Request line and headers together [bytes]. The app sends about 90."""

_MAX_CHUNK_LINE = 128
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,2048}) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,12}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")

Kind = Literal["bad", "large"]


class RequestError(Exception):
    """Bytes after which the rest of a connection cannot be understood.

    Attributes:
        status: HTTP status that tells the peer.
        kind: "bad" for no HTTP, "large" for more than is taken.
    """

    def __init__(self, status: int, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request.

    Attributes:
        method: "POST", "GET", ...
        path: Without the query.
        body: As it was before it was cut into chunks.
        keep_alive: The peer wants to go on with this connection.
    """

    method: str
    path: str
    body: bytes
    keep_alive: bool


@dataclass(slots=True)
class _Head:
    method: str
    path: str
    keep_alive: bool
    length: int
    chunked: bool
    expects: bool


class RequestReader:
    """Takes bytes as they come, gives requests in their order.

    Args:
        max_body: The most bytes that a body may have.
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._decoded = bytearray()
        self._searched = 0

    @property
    def idle(self) -> bool:
        """Nothing of a request has come yet."""
        return self._head is None and not self._buffer

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Request | None:
        """The next whole request, None when more bytes are needed.

        Raises:
            RequestError: Close the connection; nothing more can be read from it.
        """
        if self._head is None and not self._read_head():
            return None
        head = self._head
        assert head is not None
        body = self._chunks() if head.chunked else self._sized(head.length)
        if body is None:
            return None
        self._head = None
        return Request(head.method, head.path, body, head.keep_alive)

    def take_expectation(self) -> bool:
        """True once for a request whose sender waits for "100 Continue" before the body."""
        if self._head is None or not self._head.expects:
            return False
        self._head.expects = False
        return True

    # ------------------------------------------------------------------------------------ head
    def _read_head(self) -> bool:
        # Line ends before a request are allowed (RFC 9112, 2.2).
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(self._buffer)
            self._judge_beginning()
            return False
        if end > MAX_HEAD:
            raise RequestError(431, "large", f"a head of {end} bytes")
        self._searched = 0
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        self._head = self._parsed(lines)
        return True

    def _judge_beginning(self) -> None:
        """Do not wait for the end of what is no request already."""
        if len(self._buffer) > MAX_HEAD:
            raise RequestError(431, "large", "a head without end")
        line, found, _ = bytes(self._buffer[:2200]).partition(b"\r\n")
        if found and not _REQUEST_LINE.fullmatch(line):
            raise RequestError(400, "bad", "no request line")
        if self._buffer and not 0x41 <= self._buffer[0] <= 0x5A and self._buffer[0] != 0x0D:
            raise RequestError(400, "bad", "no method")

    def _parsed(self, lines: list[bytes]) -> _Head:
        match = _REQUEST_LINE.fullmatch(lines[0])
        if match is None:
            raise RequestError(400, "bad", "no request line")
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            header = _HEADER.fullmatch(line)
            if header is None or b"\n" in line or b"\r" in line or b"\0" in line:
                raise RequestError(400, "bad", "no header")
            name = header[1].lower()
            if name in (b"content-length", b"transfer-encoding") and name in headers:
                raise RequestError(400, "bad", "a length told twice")
            headers[name] = header[2]
        wish = headers.get(b"connection", b"").lower()
        modern = match[3] == b"1"
        expectation = headers.get(b"expect", b"").lower()
        if expectation not in (b"", b"100-continue"):
            raise RequestError(417, "bad", "an unknown expectation")
        length, chunked = self._length(headers)
        return _Head(
            method=match[1].decode(),
            path=match[2].decode().partition("?")[0],
            keep_alive=b"close" not in wish if modern else b"keep-alive" in wish,
            length=length,
            chunked=chunked,
            expects=bool(expectation) and modern and (chunked or length > 0),
        )

    def _length(self, headers: dict[bytes, bytes]) -> tuple[int, bool]:
        encoding = headers.get(b"transfer-encoding")
        told = headers.get(b"content-length")
        if encoding is not None:
            if told is not None or encoding.lower() != b"chunked":
                raise RequestError(400, "bad", "a body that is not simply chunked")
            return 0, True
        if told is None:
            return 0, False
        if not _LENGTH.fullmatch(told):
            raise RequestError(400, "bad", "a length that is no number")
        length = int(told)
        if length > self._max_body:
            raise RequestError(413, "large", f"a body of {length} bytes")
        return length, False

    # ------------------------------------------------------------------------------------ body
    def _sized(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _chunks(self) -> bytes | None:
        while True:
            end = self._buffer.find(b"\r\n", 0, _MAX_CHUNK_LINE + 2)
            if end < 0:
                if len(self._buffer) > _MAX_CHUNK_LINE:
                    raise RequestError(400, "bad", "a chunk without length")
                return None
            line = _CHUNK_LINE.fullmatch(bytes(self._buffer[:end]))
            if line is None:
                raise RequestError(400, "bad", "a chunk without length")
            size = int(line[1], 16)
            if len(self._decoded) + size > self._max_body:
                raise RequestError(413, "large", "a body of too many chunks")
            if size == 0:
                return self._trailer(end + 2)
            if len(self._buffer) < end + 2 + size + 2:
                return None
            if self._buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise RequestError(400, "bad", "a chunk that is longer than told")
            self._decoded += self._buffer[end + 2 : end + 2 + size]
            del self._buffer[: end + 4 + size]

    def _trailer(self, at: int) -> bytes | None:
        """Skip what follows the last chunk; it begins at `at`."""
        if self._buffer[at : at + 2] == b"\r\n":
            end = at + 2
        else:
            found = self._buffer.find(b"\r\n\r\n", at)
            if found < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise RequestError(431, "large", "a trailer without end")
                return None
            end = found + 4
        del self._buffer[:end]
        body = bytes(self._decoded)
        self._decoded.clear()
        return body
