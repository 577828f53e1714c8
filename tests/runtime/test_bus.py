"""The bus: typed messages arrive, garbage is refused, silence has a deadline."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from app.runtime.bus import Bus, Inputs, RequestServer
from app.runtime.messages import Drive, Heartbeat
from app.runtime.requests import Ok, Ping, Refused, Reply, Request, Start, decode_reply
from app.runtime.rundir import RunDir
from app.runtime.statuses import Event
from devices.errors import ConfigError, DeviceError

PATIENCE_S = 10.0  # how long a test waits for what must come


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    with RunDir.create(tmp_path) as run:
        yield run


@pytest.fixture
def bus(run: RunDir) -> Iterator[Bus]:
    with Bus(run) as bus:
        yield bus


@contextlib.contextmanager
def served(run: RunDir, handle: Callable[[Request], Reply]) -> Iterator[None]:
    """A station in a thread of its own that answers with `handle`."""
    stop = threading.Event()

    def serve() -> None:
        with Bus(run) as own:
            server: RequestServer = own.server("station")
            while not stop.is_set():
                server.poll(handle, timeout_s=0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_request_gets_its_reply(run: RunDir, bus: Bus) -> None:
    def handle(request: Request) -> Reply:
        if isinstance(request, Start):
            return Ok(uid=request.task)
        raise ConfigError("No such thing", next_step="Ask for something else")

    with served(run, handle):
        client = bus.client("station")
        assert client.request(Start(task="wipe"), PATIENCE_S) == Ok(uid="wipe")
        assert client.request(Ping(), PATIENCE_S) == Refused(
            "No such thing. Ask for something else."
        )


@pytest.mark.parametrize(
    "frames", [[b""], [b"\xff" * 50], [b"\x81\xa4type\xa5Drive"], [b"a", b"b"], [b"x" * 5000]]
)
def test_garbage_is_refused_and_the_server_lives(
    run: RunDir, bus: Bus, frames: list[bytes]
) -> None:
    with served(run, lambda request: Ok()), zmq.Context() as context:
        with context.socket(zmq.REQ) as raw:
            raw.linger = 0
            raw.connect(run.socket("station", "req"))
            raw.send_multipart(frames)
            assert raw.poll(round(1000 * PATIENCE_S))
            assert isinstance(decode_reply(raw.recv()), Refused)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(run.socket("station", "req").removeprefix("ipc://"))
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
        with context.socket(zmq.REQ) as huge:
            huge.linger = 0
            huge.connect(run.socket("station", "req"))
            huge.send(b"x" * (2 << 20))
            assert bus.client("station").request(Ping(), PATIENCE_S) == Ok()


def test_silence_is_an_error_and_the_client_recovers(run: RunDir, bus: Bus) -> None:
    client = bus.client("station")
    for _ in range(2):
        with pytest.raises(DeviceError, match="station does not answer"):
            client.request(Ping(), 0.01)
    with served(run, lambda request: Ok("here")):
        assert client.request(Ping(), PATIENCE_S) == Ok("here")


def test_an_unexpected_fault_is_told_to_both_ends(run: RunDir, bus: Bus) -> None:
    def handle(request: Request) -> Reply:
        raise ZeroDivisionError

    server, told = bus.server("station"), []

    def ask() -> None:
        with Bus(run) as own:
            told.append(own.client("station").request(Ping(), PATIENCE_S))

    asker = threading.Thread(target=ask)
    asker.start()
    with pytest.raises(ZeroDivisionError):
        server.poll(handle, PATIENCE_S)
    asker.join()
    assert isinstance(told[0], Refused)


def test_status_reaches_every_listener_in_order(bus: Bus) -> None:
    publisher = bus.publisher("station")
    listeners = [bus.subscriber("station", "recorder") for _ in range(2)]
    waiting = list(listeners)
    while waiting:  # a subscription takes a moment to arrive
        publisher.send(Event(0, "note", "hello"))
        waiting = [listener for listener in waiting if not listener.poll(0.01)]
    for i in range(1, 101):
        publisher.send(Event(i, "note", "count"))
    for listener in listeners:
        heard: list[int] = []
        while not heard or heard[-1] != 100:
            heard += [event.t_ns for event in listener.poll(PATIENCE_S) if event.t_ns]
        assert heard == list(range(1, 101))
        assert listener.garbage == 0


def test_garbage_in_a_status_is_counted(run: RunDir, bus: Bus) -> None:
    listener = bus.subscriber("station")
    with zmq.Context() as context, context.socket(zmq.PUB) as raw:
        raw.linger = 0
        raw.bind(run.socket("station", "status"))
        while not listener.garbage:
            raw.send(b"nonsense")
            assert listener.poll(0.01) == []


def test_only_the_newest_input_counts(bus: Bus) -> None:
    push, pull = bus.input_push(), bus.input_pull()
    got = Inputs()
    push.send(Heartbeat(5))
    while got.heartbeat is None:
        got = pull.poll()
    for seq in (1, 3, 2):
        push.send(Drive("mouse", seq, seq * 10))
    push.send(Heartbeat(7))
    drives = []
    while got.heartbeat != Heartbeat(7):
        got = pull.poll()
        drives += [got.drive] if got.drive else []
    assert drives and max(drive.seq for drive in drives) == 3
    assert pull.poll() == Inputs()


def test_input_nobody_fetches_never_blocks_the_sender(bus: Bus) -> None:
    push = bus.input_push()
    sent = [push.send(Drive("mouse", seq, seq)) for seq in range(500)]
    assert not all(sent)
    pull = bus.input_pull()
    newest: Drive | None = None
    while newest is None or newest.seq != 499:
        newest = pull.poll().drive or newest


def test_garbage_input_is_counted(run: RunDir, bus: Bus) -> None:
    pull = bus.input_pull()
    with zmq.Context() as context, context.socket(zmq.PUSH) as raw:
        raw.linger = 0
        raw.connect(run.socket("station", "input"))
        raw.send(b"nonsense")
        raw.send_multipart([b"a", b"b"])
        while pull.garbage < 2:
            assert pull.poll() == Inputs()
