"""A captured session: what a headset posted, when, and optionally what it was sent.

File: `TACTARS1`, then frames: length (u32, little-endian), CRC-32 of the payload (u32), payload.
A payload is msgpack; the first is the header. Only ever appended to: what ends in the middle of a
frame, as after a crash or a full disk, is read up to there.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import numpy as np

from devices.errors import StorageError, WireError
from devices.tactar.posts import Buttons, Controller, Post, checked

MAGIC = b"TACTARS1"
VERSION = 1

_FRAME = struct.Struct("<II")
_MAX_FRAME = 128 * 1024

_Numbers = tuple[float, float, float, float, float, float, float, float]


class _Header(msgspec.Struct, frozen=True, tag="header", forbid_unknown_fields=False):
    version: int
    made: str
    note: str = ""


class _Posted(msgspec.Struct, frozen=True, tag="p", array_like=True):
    t_ns: int
    address: str
    timestamp: float
    right: _Numbers  # position, quaternion, trigger
    right_buttons: Buttons
    left: _Numbers
    left_buttons: Buttons
    head: tuple[float, float, float, float, float, float, float] | None


class _Sent(msgspec.Struct, frozen=True, tag="s", array_like=True):
    t_ns: int
    port: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """What a file says about itself.

    Attributes:
        made: Date and time of its beginning, ISO 8601.
        note: Free text: station, operator.
    """

    made: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """A post as it arrived: `t_ns` [ns, monotonic], from `address`."""

    t_ns: int
    address: str
    post: Post


@dataclass(frozen=True, slots=True)
class Sent:
    """A datagram that was sent to UDP `port` at `t_ns` [ns, monotonic]."""

    t_ns: int
    port: int
    data: bytes


class SessionWriter:
    """Appends to a new file. Each record is handed to the system at once, so a crash of this
    program loses none.

    Raises:
        StorageError: If the file exists or cannot be made; later, if it cannot be written to.
    """

    def __init__(self, path: Path, header: SessionHeader) -> None:
        self.path = path
        self._encoder = msgspec.msgpack.Encoder()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = open(path, "xb", buffering=0)  # noqa: SIM115 - `close` closes it
        except FileExistsError as error:
            raise StorageError(
                f"{path} exists", next_step="Choose another name; sessions are never overwritten"
            ) from error
        except OSError as error:
            raise StorageError(f"{path} cannot be made: {error.strerror}") from error
        self._write(MAGIC)
        self._append(_Header(VERSION, header.made, header.note))

    def posted(self, post: Post, address: str, t_ns: int) -> None:
        """A post that arrived at `t_ns` [ns, monotonic]."""
        head = None if post.head is None else tuple(float(x) for x in post.head)
        self._append(
            _Posted(
                t_ns,
                address,
                post.timestamp,
                _numbers(post.right),
                post.right.buttons,
                _numbers(post.left),
                post.left.buttons,
                head,  # type: ignore[arg-type]
            )
        )

    def sent(self, port: int, data: bytes, t_ns: int) -> None:
        """A datagram that went to the headset at `t_ns` [ns, monotonic]."""
        self._append(_Sent(t_ns, port, data))

    def close(self) -> None:
        """Hand everything to the disk. Idempotent."""
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error
        finally:
            self._file.close()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, record: msgspec.Struct) -> None:
        payload = self._encoder.encode(record)
        if len(payload) > _MAX_FRAME:
            raise StorageError(
                f"A record of {len(payload)} bytes does not fit into a session file",
                allowed=(f"at most {_MAX_FRAME}",),
            )
        self._write(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)

    def _write(self, data: bytes) -> None:
        try:
            written = self._file.write(data)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error
        if written != len(data):
            raise StorageError(f"{self.path} cannot be written: the disk is full")


class SessionReader:
    """Reads a file once, from its beginning.

    Attributes:
        header: What the file says about itself.
        cut: After iterating: why the file ended early, or "" if it did not.

    Raises:
        StorageError: If the file cannot be read, is none, or is of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = ""
        self._decoder = msgspec.msgpack.Decoder(_Posted | _Sent)
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - `close` closes it
        except OSError as error:
            raise StorageError(
                f"{path} cannot be read: {error.strerror}",
                next_step="Give a file that was captured from a headset",
            ) from error
        try:
            self.header = self._header()
        except StorageError:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[Posted | Sent]:
        while (payload := self._payload()) is not None:
            try:
                record = self._decoder.decode(payload)
                yield _told(record)
            except (msgspec.DecodeError, WireError) as error:
                self.cut = f"a record that is none: {error}"
                return

    def posts(self) -> Iterator[Posted]:
        """The posts alone."""
        return (record for record in self if isinstance(record, Posted))

    def close(self) -> None:
        """Idempotent."""
        self._file.close()

    def __enter__(self) -> SessionReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _header(self) -> SessionHeader:
        if self._file.read(len(MAGIC)) != MAGIC:
            raise StorageError(f"{self.path} is not a captured headset session")
        payload = self._payload()
        try:
            header = msgspec.msgpack.decode(payload or b"", type=_Header)
        except msgspec.DecodeError as error:
            raise StorageError(f"{self.path} has no header: {self.cut or error}") from error
        if header.version > VERSION:
            raise StorageError(
                f"{self.path} is of version {header.version}, this program reads up to {VERSION}",
                next_step="Update Teledeck",
            )
        return SessionHeader(header.made, header.note)

    def _payload(self) -> bytes | None:
        head = self._file.read(_FRAME.size)
        if not head:
            return None
        if len(head) < _FRAME.size:
            self.cut = "it ends in the middle of a record"
            return None
        length, check = _FRAME.unpack(head)
        if length > _MAX_FRAME:
            self.cut = f"a record of {length} bytes"
            return None
        payload = self._file.read(length)
        if len(payload) < length:
            self.cut = "it ends in the middle of a record"
            return None
        if zlib.crc32(payload) != check:
            self.cut = "a record is damaged"
            return None
        return payload


def _numbers(hand: Controller) -> _Numbers:
    x, y, z = (float(value) for value in hand.position)
    w, i, j, k = (float(value) for value in hand.quat)
    return x, y, z, w, i, j, k, float(hand.trigger)


def _told(record: _Posted | _Sent) -> Posted | Sent:
    if isinstance(record, _Sent):
        return Sent(record.t_ns, record.port, record.data)
    head = None if record.head is None else np.array(record.head)
    post = Post(
        record.timestamp,
        _controller(record.right, record.right_buttons),
        _controller(record.left, record.left_buttons),
        head,
    )
    # A file is input from outside as much as a post is.
    return Posted(record.t_ns, record.address, checked(post))


def _controller(numbers: _Numbers, buttons: Buttons) -> Controller:
    return Controller(np.array(numbers[:3]), np.array(numbers[3:7]), numbers[7], buttons)
