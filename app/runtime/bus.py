"""Typed messages between the processes of one run, over ZeroMQ ipc sockets in the run folder.

Nothing here listens on a network. What arrives is decoded against `app.runtime.requests`,
`statuses` and `messages`; garbage is refused or counted and never raises in the receiver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec
import zmq

from app.runtime.fast_line import FastPull, FastPush
from app.runtime.messages import Drive, Heartbeat, Input, decode_input, encode
from app.runtime.requests import Refused, Reply, Request, decode_reply, decode_request
from app.runtime.rundir import RunDir
from app.runtime.statuses import Published, decode_published
from devices.errors import DeviceError, TeledeckError

MAX_MESSAGE_BYTES = 1 << 20
_INPUT_QUEUE = 16  # messages; more than that is input nobody wants to follow any more
_AT_ONCE = 1000  # messages taken in one poll, so that a flood cannot hold the caller

Handler = Callable[[Request], Reply]


class _Closes(Protocol):
    def close(self) -> None: ...


_End = TypeVar("_End", bound=_Closes)


class Bus:
    """All sockets of one process. Use it from one thread; `close` ends them all.

    Args:
        run: The run folder that the sockets live in.
    """

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._context = zmq.Context()
        self._ends: list[_Closes] = []

    def server(self, child: str) -> RequestServer:
        """Answers the requests to `child`."""
        return self._own(RequestServer(self._context, self._run.socket(child, "req")))

    def client(self, child: str) -> RequestClient:
        """Sends requests to `child`, which need not be there yet."""
        return self._own(RequestClient(self._context, self._run.socket(child, "req"), child))

    def publisher(self, child: str) -> StatusPublisher:
        """Tells the status and events of `child`."""
        return self._own(StatusPublisher(self._context, self._run.socket(child, "status")))

    def subscriber(self, *children: str) -> StatusSubscriber:
        """Hears the status and events of all `children`, which need not be there yet."""
        addresses = [self._run.socket(child, "status") for child in children]
        return self._own(StatusSubscriber(self._context, addresses))

    def input_push(self, child: str = "station") -> InputPush:
        """Sends Drive and Heartbeat to `child`."""
        address = self._run.socket(child, "input")
        return self._own(InputPush(self._context, address, self._run.fast_input(child)))

    def input_pull(self, child: str = "station") -> InputPull:
        """Receives Drive and Heartbeat as `child`."""
        address = self._run.socket(child, "input")
        return self._own(InputPull(self._context, address, self._run.fast_input(child)))

    def close(self) -> None:
        """Close all sockets at once. Idempotent."""
        for end in self._ends:
            end.close()
        self._ends.clear()
        self._context.term()

    def _own(self, end: _End) -> _End:
        self._ends.append(end)
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RequestServer:
    """REP: answers every request, garbage with Refused."""

    def __init__(self, context: zmq.Context[Any], address: str) -> None:
        self._socket = _socket(context, zmq.REP, queue=100)
        self._socket.bind(address)

    @property
    def fd(self) -> int:
        """For pollers: readable when `poll` may have something to do (edge-triggered)."""
        return int(self._socket.getsockopt(zmq.FD))

    def poll(self, handle: Handler, timeout_s: float = 0.0) -> int:
        """Answer what waits. Returns the number of requests that reached `handle`.

        A TeledeckError of `handle` becomes a Refused. Any other exception is told to the sender
        and raised.

        Args:
            handle: Turns a Request into a Reply; must return at once.
            timeout_s: How long to wait for the first request [s].
        """
        if timeout_s > 0:
            self._socket.poll(round(1000 * timeout_s))
        handled = 0
        for frames in _received(self._socket):
            try:
                request = decode_request(_only(frames))
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                self._socket.send(encode(Refused(f"Not a request: {error}.")))
                continue
            handled += 1
            reply: Reply = Refused(f"{type(request).__name__} failed unexpectedly; see the log.")
            try:
                reply = handle(request)
            except TeledeckError as error:
                reply = Refused(str(error))
            finally:
                self._socket.send(encode(reply))
        return handled

    def close(self) -> None:
        self._socket.close(linger=0)


class RequestClient:
    """REQ with a deadline. After a silence the socket is made anew, so the next request is clean
    (the "lazy pirate" of the ZeroMQ guide, chapter 4)."""

    def __init__(self, context: zmq.Context[Any], address: str, child: str) -> None:
        self._context = context
        self._address = address
        self._child = child
        self._socket = self._connect()

    def request(self, message: Request, timeout_s: float = 1.0) -> Reply:
        """Send and wait for the answer.

        Raises:
            DeviceError: When none came in `timeout_s` [s], or one that is no Reply.
        """
        self._socket.send(encode(message))
        if not self._socket.poll(round(1000 * timeout_s)):
            self.reset()
            raise DeviceError(
                f"The {self._child} does not answer",
                next_step="If it does not come back by itself, close Teledeck and start it again",
            )
        return self._reply()

    def receive(self) -> Reply | None:
        """The answer to what was posted, None while there is none.

        Raises:
            DeviceError: When it is no Reply.
        """
        return self._reply() if self._socket.poll(0) else None

    def _reply(self) -> Reply:
        try:
            return decode_reply(_only(self._socket.recv_multipart()))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            self.reset()
            raise DeviceError(f"The {self._child} answers nonsense: {error}") from error

    def close(self) -> None:
        self._socket.close(linger=0)

    def _connect(self) -> zmq.Socket[bytes]:
        socket = _socket(self._context, zmq.REQ, queue=1)
        socket.connect(self._address)
        return socket

    def post(self, message: Request) -> None:
        """Send without waiting; `receive` the answer or `reset` before the next request."""
        self._socket.send(encode(message))

    def reset(self) -> None:
        """Forget what was sent and may still be answered."""
        self._socket.close(linger=0)
        self._socket = self._connect()


class StatusPublisher:
    """PUB: tells whoever listens, never waits."""

    def __init__(self, context: zmq.Context[Any], address: str) -> None:
        self._socket = _socket(context, zmq.PUB, queue=1000)
        self._socket.bind(address)

    def send(self, message: Published) -> None:
        self._socket.send(encode(message), zmq.NOBLOCK)

    def close(self) -> None:
        self._socket.close(linger=0)


class StatusSubscriber:
    """SUB: hears everything that the children publish.

    Attributes:
        garbage: Messages so far that were none.
    """

    def __init__(self, context: zmq.Context[Any], addresses: list[str]) -> None:
        self._socket = _socket(context, zmq.SUB, queue=1000)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RECONNECT_IVL, 50)
        for address in addresses:
            self._socket.connect(address)
        self.garbage = 0

    @property
    def fd(self) -> int:
        """For pollers: readable when `poll` may have something (edge-triggered)."""
        return int(self._socket.getsockopt(zmq.FD))

    def poll(self, timeout_s: float = 0.0) -> list[Published]:
        """All that has come, in order. Waits up to `timeout_s` [s] for the first."""
        if timeout_s > 0:
            self._socket.poll(round(1000 * timeout_s))
        heard: list[Published] = []
        for frames in _received(self._socket):
            try:
                heard.append(decode_published(_only(frames)))
            except (msgspec.DecodeError, msgspec.ValidationError):
                self.garbage += 1
        return heard

    def close(self) -> None:
        self._socket.close(linger=0)


class InputPush:
    """PUSH: the input device's end. Never waits; what nobody fetched gives way to the newest.

    A message goes as a datagram, which wakes the other end at once: through ZeroMQ it would wait
    for two more threads to be given a core. What that way does not take goes by ZeroMQ.
    """

    def __init__(self, context: zmq.Context[Any], address: str, fast: Path) -> None:
        self._context = context
        self._address = address
        self._socket = self._connect()
        self._fast = FastPush(fast)

    def send(self, message: Input) -> bool:
        """Send one message. False if nobody takes it now."""
        data = encode(message)
        if self._fast.send(data):
            return True
        try:
            self._socket.send(data, zmq.NOBLOCK)
        except zmq.Again:
            # The queue is full of the past: drop it and queue the present.
            self._socket.close(linger=0)
            self._socket = self._connect()
            self._socket.send(data, zmq.NOBLOCK)
            return False
        return True

    def close(self) -> None:
        self._fast.close()
        self._socket.close(linger=0)

    def _connect(self) -> zmq.Socket[bytes]:
        socket = _socket(self._context, zmq.PUSH, queue=_INPUT_QUEUE)
        socket.setsockopt(zmq.RECONNECT_IVL, 50)
        socket.connect(self._address)
        return socket


@dataclass(frozen=True, slots=True)
class Inputs:
    """The newest of what input devices said since the last look; None: nothing new.

    `drive` is the window's, `headset` that of the device "headset": both may talk at once, and
    neither may push the other out.
    """

    drive: Drive | None = None
    heartbeat: Heartbeat | None = None
    headset: Drive | None = None


class InputPull:
    """PULL: the station's end; only the newest of each kind and sender counts.

    Attributes:
        garbage: Messages so far that were none.
    """

    def __init__(self, context: zmq.Context[Any], address: str, fast: Path) -> None:
        self._socket = _socket(context, zmq.PULL, queue=_INPUT_QUEUE)
        self._socket.bind(address)
        self._fast = FastPull(fast)
        self.garbage = 0

    def wait(self, timeout_s: float) -> None:
        """Sleep until something comes on the short way, but not longer than `timeout_s` [s]."""
        self._fast.wait(timeout_s)

    def poll(self) -> Inputs:
        """Take everything that has come; keep the newest Drive and Heartbeat by `t_ns`."""
        drive: Drive | None = None
        headset: Drive | None = None
        heartbeat: Heartbeat | None = None
        for frames in chain(self._fast.take(), _received(self._socket)):
            try:
                message = decode_input(_only(frames))
            except (msgspec.DecodeError, msgspec.ValidationError):
                self.garbage += 1
                continue
            if isinstance(message, Drive) and message.device == "headset":
                if headset is None or message.t_ns >= headset.t_ns:
                    headset = message
            elif isinstance(message, Drive):
                if drive is None or message.t_ns >= drive.t_ns:
                    drive = message
            elif heartbeat is None or message.t_ns >= heartbeat.t_ns:
                heartbeat = message
        return Inputs(drive, heartbeat, headset)

    def close(self) -> None:
        self._fast.close()
        self._socket.close(linger=0)


def _socket(context: zmq.Context[Any], kind: int, queue: int) -> zmq.Socket[bytes]:
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, queue)
    socket.setsockopt(zmq.RCVHWM, queue)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    return socket


def _received(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    """Whole messages as frames, until none waits."""
    for _ in range(_AT_ONCE):
        try:
            yield socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return


def _only(frames: list[bytes]) -> bytes:
    if len(frames) != 1:
        raise msgspec.DecodeError(f"{len(frames)} frames instead of one")
    return frames[0]
