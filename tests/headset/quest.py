"""A headset on this machine: posts what an operator does at 60 Hz, collects what it is sent."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from devices.clock import NS_PER_S
from devices.tactar.wire import POST_PATH, Ports, encode_post
from tests.headset.room import Room

HZ = 60.0


def free_base() -> int:
    """A base for the four UDP ports, all of them free now."""
    for base in range(21000, 60000, 10):
        ports = Ports.from_base(base)
        try:
            for port in (ports.robot, ports.tactile, ports.panels, ports.force):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return base
    raise OSError("no free UDP ports")


class Quest:
    """Posts in a thread of its own; `act` moves the operator before each post.

    Args:
        room: The operator.
        port: TCP port to post to.
        base: Of the UDP ports.
        source: Address to post from.

    Attributes:
        act: Called with the seconds since the start.
        heard: Per stream, (arrival [ns], datagram).
        posted_ns: When each post was sent [ns].
        paused: While set, nothing is posted: the plug is pulled.
    """

    def __init__(self, room: Room, port: int, base: int = 0, source: str = "127.0.0.1") -> None:
        self.room = room
        self.act: Callable[[float], None] = lambda _: None
        self.heard: dict[str, list[tuple[int, bytes]]] = {}
        self.posted_ns: list[int] = []
        self.paused = threading.Event()
        self.fault = ""
        self._port, self._source = port, source
        self._end = threading.Event()
        self._sockets: dict[str, socket.socket] = {}
        if base:
            ports = Ports.from_base(base)
            for name in ("robot", "tactile", "panels", "force"):
                ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
                ear.bind(("127.0.0.1", getattr(ports, name)))
                ear.settimeout(0.1)
                self._sockets[name] = ear
                self.heard[name] = []
        self._threads = [threading.Thread(target=self._post, name="quest-posts")]
        self._threads += [
            threading.Thread(target=self._hear, args=(name,), name=f"quest-{name}")
            for name in self._sockets
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        for ear in self._sockets.values():
            ear.close()

    def _post(self) -> None:
        line = http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=2.0, source_address=(self._source, 0)
        )
        begin_ns = due_ns = time.monotonic_ns()
        try:
            while not self._end.is_set():
                due_ns = max(due_ns + round(NS_PER_S / HZ), time.monotonic_ns() - NS_PER_S)
                time.sleep(max(0.0, (due_ns - time.monotonic_ns()) / NS_PER_S))
                now_ns = time.monotonic_ns()
                self.room.next((now_ns - begin_ns) / NS_PER_S + 100.0 - self.room.time_s)
                self.act((now_ns - begin_ns) / NS_PER_S)
                if self.paused.is_set():
                    continue
                body = encode_post(self.room.post())
                self.posted_ns.append(time.monotonic_ns())
                line.request("POST", POST_PATH, body)
                line.getresponse().read()
        except OSError as error:
            self.fault = str(error)
        finally:
            line.close()

    def _hear(self, name: str) -> None:
        ear, heard = self._sockets[name], self.heard[name]
        while not self._end.is_set():
            try:
                data = ear.recv(1 << 16)
            except TimeoutError:
                continue
            heard.append((time.monotonic_ns(), data))
