"""A SIMULATED headset: the other end of the wire. Posts like the app, checks what it is sent."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from devices.clock import Clock, SystemClock
from devices.errors import DeviceError
from devices.leader import Side
from devices.tactar.headset_app import HeadsetApp
from devices.tactar.listener import SIMULATED_PATH
from devices.tactar.motions import Motion, still
from devices.tactar.stream_meter import StreamMeter, StreamStats
from devices.tactar.wire import POST_PATH, POST_PORT, Ports, Post, encode_post
from devices.tactar.wire_checker import STREAMS, Received, WireChecker

# Unity makes up for at most a third of a second of missed fixed steps.
_CATCH_UP = 20
_QUEUE = 120
_RETRY_S = 0.2
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class QuestReport:
    """How it went so far.

    Attributes:
        posted: Posts that were made.
        answered: Posts that were answered with a 2xx.
        refused: Posts that were answered with something else.
        failed: Posts that found no connection, or lost it.
        waiting: Posts that wait for a connection.
        post_rate_hz: Answered posts a second, lately.
        answer_p50_ms, answer_p99_ms: From sending a post to its answer, lately; NaN before any.
        streams: What arrived.
        faults: What was wrong with it, and how often.
    """

    posted: int
    answered: int
    refused: int
    failed: int
    waiting: int
    post_rate_hz: float
    answer_p50_ms: float
    answer_p99_ms: float
    streams: tuple[StreamStats, ...]
    faults: dict[str, int]


class FakeQuest:
    """Simulated headset, at an address and on ports of its own.

    As the app does: 60 posts a second without a content type, sent and not waited for, over a few
    connections that are kept; swapped hands; float32 time since its start; the calibration's fault.

    Args:
        motion: What the hands do; may be exchanged while it runs.
        to: Address that is posted to.
        port: TCP port that is posted to.
        address: Own address. On one machine 127.0.0.2 is another headset than 127.0.0.1.
        ports: UDP ports that are listened on; 0 for any.
        app: Faults and settings of the app.
        rate_hz: Posts a second.
        connections: Connections that are kept; posts wait while all are busy.
        clock: Tells the times of the statistics.
    """

    simulated = True

    def __init__(
        self,
        motion: Motion = still,
        *,
        to: str = "127.0.0.1",
        port: int = POST_PORT,
        address: str = "127.0.0.1",
        ports: Ports | None = None,
        app: HeadsetApp | None = None,
        rate_hz: float = 60.0,
        connections: int = 2,
        clock: Clock | None = None,
    ) -> None:
        self.motion = motion
        self.app = app or HeadsetApp()
        self.address = address
        self.ports = ports or Ports()
        self._to = (to, port)
        self._period_s = 1.0 / rate_hz
        self._connections = connections
        self._clock = clock or SystemClock()
        self._checker = WireChecker(self.ports)
        self._answers = StreamMeter("posts", port)
        self._delays_ms: deque[float] = deque(maxlen=600)
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._transports: list[asyncio.DatagramTransport] = []
        self._began_s = 0.0
        self._posted = self._answered = self._refused = self._failed = 0

    # -------------------------------------------------------------------------------- life time
    async def start(self) -> None:
        """Listen on the UDP ports and begin to post.

        Raises:
            DeviceError: If a port is taken or the address is not of this machine.
        """
        loop = asyncio.get_running_loop()
        actual = []
        for name in STREAMS:
            port = getattr(self.ports, name)
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda name=name: _Ear(self, name),  # type: ignore[misc]
                    local_addr=(self.address, port),
                )
            except OSError as error:
                await self.stop()
                raise DeviceError(
                    f"UDP port {port} of {self.address} cannot be opened: "
                    f"{error.strerror or error}",
                    next_step="End another fake headset there, or give this one its own --device",
                ) from error
            # A late process must not lose what a headset would not.
            ear = transport.get_extra_info("socket")
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._transports.append(transport)
            actual.append(transport.get_extra_info("sockname")[1])
        self.ports = Ports(**dict(zip(STREAMS, actual, strict=True)))
        self._checker = WireChecker(self.ports)
        self._began_s = loop.time()
        self._tasks = [loop.create_task(self._connection()) for _ in range(self._connections)]
        self._tasks.append(loop.create_task(self._posting()))
        self._tasks.append(loop.create_task(self._introduce()))

    async def stop(self) -> None:
        """Take the headset off. Idempotent.

        Raises what the motion raised, if it did: posting ended there.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for transport in self._transports:
            transport.close()
        self._transports = []
        await asyncio.sleep(0)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    # ------------------------------------------------------------------------------ what happens
    def restart_app(self) -> None:
        """The app is closed and opened: its time begins anew, its calibration is gone."""
        self.app.restart()
        self._checker.restart()
        self._queue.clear()
        self._began_s = asyncio.get_running_loop().time()

    def lose_tracking(self, side: Side, seconds: float) -> None:
        """A hand is out of sight for a while."""
        self.app.lose(side)
        asyncio.get_running_loop().call_later(seconds, self.app.find, side)

    @property
    def received(self) -> Received:
        """The newest of everything that was sent to this headset."""
        return self._checker.received

    def report(self) -> QuestReport:
        now_ns = self._clock.now_ns()
        delays = np.array(tuple(self._delays_ms) or (np.nan,))
        return QuestReport(
            posted=self._posted,
            answered=self._answered,
            refused=self._refused,
            failed=self._failed,
            waiting=len(self._queue),
            post_rate_hz=self._answers.stats(now_ns).rate_hz,
            answer_p50_ms=float(np.percentile(delays, 50)),
            answer_p99_ms=float(np.percentile(delays, 99)),
            streams=self._checker.statistics(now_ns),
            faults=dict(self._checker.faults),
        )

    # ------------------------------------------------------------------------------- the inside
    def hear(self, stream: str, datagram: bytes) -> None:
        """A datagram arrived."""
        self._checker.take(stream, datagram, self._clock.now_ns())

    async def _posting(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        step = 0
        while True:
            due_s = began_s + step * self._period_s
            now_s = loop.time()
            if now_s < due_s:
                await asyncio.sleep(due_s - now_s)
            elif now_s - due_s > _CATCH_UP * self._period_s:
                step = round((now_s - began_s) / self._period_s)
            self._post_once(began_s + step * self._period_s, step * self._period_s)
            step += 1

    def _post_once(self, now_s: float, t_s: float) -> None:
        hands = self.motion(t_s)
        timestamp = max(0.0, now_s - self._began_s)
        if isinstance(hands, Post):
            stamp = float(np.float32(timestamp))
            post = Post(stamp, hands.right, hands.left, hands.head)
        else:
            post = self.app.post(hands, timestamp)
        self._posted += 1
        if len(self._queue) >= _QUEUE:
            self._queue.popleft()
            self._failed += 1
        self._queue.append(encode_post(post))
        self._wake.set()

    async def _connection(self) -> None:
        """Keeps one connection, and sends on it what waits."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    *self._to, family=socket.AF_INET, local_addr=(self.address, 0)
                )
            except OSError:
                await asyncio.sleep(_RETRY_S)
                continue
            try:
                while True:
                    await self._send_one(reader, writer)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                self._failed += 1
            finally:
                writer.close()
            await asyncio.sleep(_RETRY_S)

    async def _send_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._queue:
            self._wake.clear()
            await self._wake.wait()
        body = self._queue.popleft()
        began_ns = self._clock.now_ns()
        writer.write(self._request(body))
        async with asyncio.timeout(_ANSWER_S):
            status = await _status(reader)
        now_ns = self._clock.now_ns()
        if 200 <= status < 300:
            self._answered += 1
            self._delays_ms.append((now_ns - began_ns) / 1e6)
            self._answers.note(now_ns)
        else:
            self._refused += 1

    def _request(self, body: bytes) -> bytes:
        """Exactly two headers, and no content type."""
        head = (
            f"POST {POST_PATH} HTTP/1.1\r\nHost: {self._to[0]}:{self._to[1]}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def _introduce(self) -> None:
        """Say once that this is no headset; what else it does is what the app does."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    *self._to, family=socket.AF_INET, local_addr=(self.address, 0)
                )
                try:
                    line = f"GET {SIMULATED_PATH} HTTP/1.1\r\nHost: {self._to[0]}\r\n"
                    writer.write((line + "Connection: close\r\n\r\n").encode())
                    async with asyncio.timeout(_ANSWER_S):
                        await _status(reader)
                finally:
                    writer.close()
                return
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                await asyncio.sleep(_RETRY_S)


class _Ear(asyncio.DatagramProtocol):
    """One UDP port."""

    def __init__(self, quest: FakeQuest, stream: str) -> None:
        self._quest = quest
        self._stream = stream

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._quest.hear(self._stream, data)


async def _status(reader: asyncio.StreamReader) -> int:
    """Read one whole answer. Raises ValueError for what is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    for line in head.lower().split(b"\r\n")[1:]:
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return status


@contextmanager
def in_background(quest: FakeQuest) -> Iterator[FakeQuest]:
    """Run a fake headset in a thread of its own, for callers that have no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake-quest", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(quest.start(), loop).result(10.0)
        try:
            yield quest
        finally:
            asyncio.run_coroutine_threadsafe(quest.stop(), loop).result(10.0)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
