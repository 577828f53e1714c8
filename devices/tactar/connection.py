"""One connection to the TactAR port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from devices.tactar.posts import MAX_POST_BYTES
from devices.tactar.requests import Request, RequestError, RequestReader


@dataclass(frozen=True, slots=True)
class Limits:
    """What the port puts up with.

    Attributes:
        body: Bytes of one body.
        connections: Open at once, from all addresses.
        connections_per_address: Open at once, from one.
        request_s: From the first byte of a request to its last [s]; also for an answer to be
            fetched, and for a connection that says nothing at all.
        idle_s: Between two requests [s].
        pipelined: Requests that are answered in one go before others have their turn.
    """

    body: int = MAX_POST_BYTES
    connections: int = 64
    connections_per_address: int = 16
    request_s: float = 2.0
    idle_s: float = 120.0
    pipelined: int = 32


class Host(Protocol):
    """What a connection asks of the listener."""

    def admit(self, connection: Connection) -> bool: ...

    def left(self, connection: Connection) -> None: ...

    def count(self, kind: str) -> None: ...

    def answer(self, request: Request, address: str) -> tuple[int, bytes]: ...


class Connection(asyncio.Protocol):
    """Reads requests, writes answers, keeps to its limits."""

    def __init__(self, host: Host, limits: Limits) -> None:
        self.address = ""
        self.last_sign_s = 0.0
        self._host = host
        self._limits = limits
        self._reader = RequestReader(limits.body)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline_s = 0.0
        self._begun = False
        self._jammed = False
        self._ending = False
        self._more: asyncio.Handle | None = None
        self._last_words = False

    # -------------------------------------------------------------------------- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self.last_sign_s = self._loop.time()
        self._deadline_s = self.last_sign_s + self._limits.request_s
        transport.set_write_buffer_limits(high=16 * 1024)
        if not self._host.admit(self):
            # Not kept at all: a crowd must not cost a socket each.
            transport.write(_response(503, b'{"detail":"Too many connections"}', False))
            transport.close()
            self._ending = True

    def data_received(self, data: bytes) -> None:
        self.last_sign_s = self._loop.time()
        if self._ending:
            return
        if not self._begun:
            self._begun = True
            self._deadline_s = self.last_sign_s + self._limits.request_s
        self._reader.feed(data)
        if self._more is None:
            self._serve()

    def eof_received(self) -> bool:
        # What was asked before the peer stopped talking is still answered.
        self._last_words = self._more is not None
        return self._last_words

    def connection_lost(self, error: Exception | None) -> None:
        if self._more is not None:
            self._more.cancel()
            self._more = None
        self._ending = True
        self._host.left(self)

    def pause_writing(self) -> None:
        """The peer does not fetch its answers: ask it nothing more."""
        self._jammed = True
        self._deadline_s = self._loop.time() + self._limits.request_s
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._jammed = False
        self._wait_for_next()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            if self._more is None:
                self._serve()

    # ----------------------------------------------------------------------------- for the host
    def judge(self, now_s: float) -> None:
        """Close if the time is up."""
        if now_s < self._deadline_s:
            return
        if not self._ending and (self._begun or self._jammed):
            self._host.count("slow")
        self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------------------- the inside
    def _serve(self) -> None:
        """Answer the requests that are complete; leave the turn to others after some."""
        self._more = None
        if self._transport is None or self._ending or self._jammed:
            return
        self._transport.resume_reading()
        for _ in range(self._limits.pipelined):
            try:
                request = self._reader.next()
            except RequestError as error:
                self._host.count("too_large" if error.kind == "large" else "bad_http")
                self._end(error.status, str(error))
                return
            if request is None:
                self._wait_for_rest()
                return
            self._answer(request)
            if self._ending or self._jammed:
                return
        # Take no more until these are answered, so that what waits here stays bounded.
        self._transport.pause_reading()
        self._more = self._loop.call_soon(self._serve)

    def _answer(self, request: Request) -> None:
        assert self._transport is not None
        status, body = self._host.answer(request, self.address)
        self._transport.write(_response(status, body, request.keep_alive))
        self._wait_for_next()
        if not request.keep_alive:
            self._ending = True
            self._transport.close()

    def _wait_for_next(self) -> None:
        if self._reader.idle:
            self._begun = False
            self._deadline_s = self._loop.time() + self._limits.idle_s
        else:
            self._begun = True
            self._deadline_s = self._loop.time() + self._limits.request_s

    def _wait_for_rest(self) -> None:
        assert self._transport is not None
        if self._last_words:
            self._ending = True
            self._transport.close()
        elif self._reader.take_expectation():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _end(self, status: int, text: str) -> None:
        """Answer, and close when the peer has had time to read why."""
        assert self._transport is not None
        self._ending = True
        self._deadline_s = self._loop.time() + min(1.0, self._limits.request_s)
        body = ('{"detail":"' + text.replace('"', "'") + '"}').encode()
        self._transport.write(_response(status, body, False))
        if self._transport.can_write_eof():
            self._transport.write_eof()


def _response(status: int, body: bytes, keep_alive: bool) -> bytes:
    # The usual answer is ready-made: it goes out sixty times a second.
    if status == 200 and keep_alive and body == _OK_BODY:
        return _OK
    connection = b"" if keep_alive else b"Connection: close\r\n"
    return b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status,
        HTTPStatus(status).phrase.encode(),
        len(body),
        connection,
        body,
    )


_OK_BODY = b'{"status":"ok"}'
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + _OK_BODY
