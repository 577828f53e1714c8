"""The port over real sockets: what the app does, and what nobody should."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devices.clock import FakeClock
from devices.errors import DeviceError
from devices.tactar.connection import Limits
from devices.tactar.listener import SIMULATED_PATH, Listener
from devices.tactar.wire import Post, encode_post, parse_post
from tests.tactar.test_wire import body

HERE = "127.0.0.1"
THERE = "127.0.0.2"
QUICK = Limits(request_s=0.2, idle_s=0.5)
POST = encode_post(parse_post(body()))


class Heard:
    """What a listener passed on."""

    def __init__(self) -> None:
        self.posts: list[tuple[Post, str, int]] = []
        self.seen: list[tuple[str, int]] = []
        self.accepted = {HERE}

    def take(self, post: Post, address: str, t_ns: int) -> None:
        self.posts.append((post, address, t_ns))

    def see(self, _post: Post, address: str, t_ns: int) -> None:
        self.seen.append((address, t_ns))

    def accepts(self, address: str) -> bool:
        return address in self.accepted


@asynccontextmanager
async def listening(heard: Heard, **options: Any) -> AsyncIterator[Listener]:
    listener = Listener(
        heard.take, port=0, host="127.0.0.1", accepts=heard.accepts, on_seen=heard.see, **options
    )
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))  # type: ignore[arg-type]


def request(data: bytes = POST, *headers: bytes, path: bytes = b"/unity") -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: a", b"Content-Length: %d" % len(data), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + data


async def response(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"Length" in line), 0
    )
    content = await reader.readexactly(length)
    return status, json.loads(content) if content else None


async def ask(port: int, data: bytes, local: str = HERE) -> tuple[int, Any]:
    """One exchange on a connection of its own."""
    reader, writer = await asyncio.open_connection(HERE, port, local_addr=(local, 0))
    try:
        writer.write(data)
        return await response(reader)
    finally:
        writer.close()
        await writer.wait_closed()


# ---------------------------------------------------------------------------------- as the app
def test_posts_without_content_type_are_passed_on_and_answered() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard, clock=FakeClock(5_000)) as listener:
            reader, writer = await asyncio.open_connection(HERE, listener.port)
            for _ in range(3):
                writer.write(request())
                assert await response(reader) == (200, {"status": "ok"})
            writer.close()
            assert heard.posts == [(parse_post(body()), HERE, 5_000)] * 3
            assert listener.counters().posts == 3
            assert listener.counters().connections == 1

    run(test)


def test_an_independent_client_is_understood() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard) as listener:

            def client() -> list[int]:
                connection = http.client.HTTPConnection(HERE, listener.port, timeout=5)
                statuses = []
                for path, data in (("/unity", POST), ("/unity", iter([POST[:9], POST[9:]]))):
                    connection.request("POST", path, data)
                    answer = connection.getresponse()
                    answer.read()
                    statuses.append(answer.status)
                connection.close()
                return statuses

            assert await asyncio.to_thread(client) == [200, 200]
            assert len(heard.posts) == 2

    run(test)


def test_overlapping_requests_on_many_connections() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard) as listener:
            bodies = [body(timestamp=float(i)) for i in range(200)]
            lock = asyncio.Semaphore(8)

            async def one(data: bytes) -> int:
                async with lock:
                    return (await ask(listener.port, request(data)))[0]

            assert set(await asyncio.gather(*map(one, bodies))) == {200}
            assert sorted(post.timestamp for post, _, _ in heard.posts) == list(range(200))
            assert listener.counters().crowded == 0

    run(test)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard) as listener:
            reader, writer = await asyncio.open_connection(HERE, listener.port)
            writer.write(b"".join(request(body(timestamp=float(i))) for i in range(300)))
            writer.write(request(b"no post") + request(path=b"/other"))
            statuses = [(await response(reader))[0] for _ in range(302)]
            assert statuses == [200] * 300 + [422, 404]
            assert [post.timestamp for post, _, _ in heard.posts] == list(range(300))
            writer.close()

    run(test)


def test_expect_continue() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard) as listener:
            reader, writer = await asyncio.open_connection(HERE, listener.port)
            head, _, _ = request(POST, b"Expect: 100-continue").partition(POST)
            writer.write(head)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(POST)
            assert (await response(reader))[0] == 200
            writer.close()

    run(test)


def test_a_peer_that_stops_talking_is_still_answered() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard) as listener:
            for count in (1, 100):
                reader, writer = await asyncio.open_connection(HERE, listener.port)
                writer.write(request() * count)
                writer.write_eof()
                for _ in range(count):
                    assert (await response(reader))[0] == 200
                assert await reader.read() == b""
                writer.close()

    run(test)


def test_state_of_the_grippers_and_everything_else() -> None:
    state = {
        "left_gripper_stable_closed": True,
        "right_gripper_stable_closed": False,
        "left_gripper_stable_open": False,
        "right_gripper_stable_open": True,
    }

    async def test() -> None:
        async with listening(Heard(), gripper_state=lambda: state) as listener:
            question = b"GET /get_current_gripper_state HTTP/1.1\r\n\r\n"
            assert await ask(listener.port, question) == (200, state)
            for line in (
                b"GET /unity",
                b"POST /get_current_gripper_state",
                b"GET /",
                b"PUT /unity",
            ):
                assert (await ask(listener.port, line + b" HTTP/1.1\r\n\r\n"))[0] == 404
            assert listener.counters().other_paths == 4
            assert listener.counters().gripper == 1

    run(test)


def test_unknown_state_of_the_grippers_is_said() -> None:
    async def test() -> None:
        async with listening(Heard()) as listener:
            question = b"GET /get_current_gripper_state HTTP/1.1\r\n\r\n"
            assert (await ask(listener.port, question))[0] == 503
            assert listener.counters().faults == 1

    run(test)


# --------------------------------------------------------------------------------- two headsets
def test_a_second_headset_is_answered_and_reported_but_drives_nothing() -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard, clock=FakeClock(7_000)) as listener:
            assert (await ask(listener.port, request(), local=THERE))[0] == 200
            assert (await ask(listener.port, request(), local=HERE))[0] == 200
            assert [address for _, address, _ in heard.posts] == [HERE]
            assert heard.seen == [(THERE, 7_000)]
            heard.accepted = {THERE}
            assert (await ask(listener.port, request(), local=HERE))[0] == 200
            assert (await ask(listener.port, request(), local=THERE))[0] == 200
            assert [address for _, address, _ in heard.posts] == [HERE, THERE]
            counters = listener.counters()
            assert (counters.posts, counters.refused) == (2, 2)

    run(test)


def test_a_fake_headset_may_say_what_it_is() -> None:
    async def test() -> None:
        async with listening(Heard()) as listener:
            assert listener.simulated("127.0.0.9")
            assert not listener.simulated("198.51.100.31")
            line = b"GET %s HTTP/1.1\r\n\r\n" % SIMULATED_PATH.encode()
            assert (await ask(listener.port, line))[0] == 404
            assert listener.counters().other_paths == 0

    run(test)


def test_strangers_cannot_keep_the_headset_out() -> None:
    async def test() -> None:
        heard = Heard()
        limits = Limits(connections=6, connections_per_address=4)
        async with listening(heard, limits=limits) as listener:
            strangers = []
            for local in [THERE] * 5 + ["127.0.0.3"] * 3:
                pair = await asyncio.open_connection(HERE, listener.port, local_addr=(local, 0))
                strangers.append(pair)
                await asyncio.sleep(0.01)
            assert listener.counters().open == 6
            assert listener.counters().crowded == 2
            assert (await response(strangers[4][0]))[0] == 503
            assert (await ask(listener.port, request()))[0] == 200
            for _, writer in strangers:
                writer.close()

    run(test)


# ------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("data", "status", "counter"),
    [
        (request(b"{}"), 422, "malformed"),
        (request(b"\xff" * 50), 422, "malformed"),
        (request(b"a" * 70_000), 413, "too_large"),
        (b"POST /unity HTTP/1.1\r\nA: " + b"a" * 10_000, 431, "too_large"),
        (b"\x00\x01\x02\x03\r\n\r\n", 400, "bad_http"),
        (b"POST /unity HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "bad_http"),
        (b"POST /unity HTTP/1.1\r\nExpect: tea\r\n\r\n", 417, "bad_http"),
    ],
    ids=["wrong", "garbage", "body", "head", "binary", "length", "expect"],
)
def test_bad_requests_are_answered_and_counted(data: bytes, status: int, counter: str) -> None:
    async def test() -> None:
        heard = Heard()
        async with listening(heard, limits=QUICK) as listener:
            assert (await ask(listener.port, data))[0] == status
            assert getattr(listener.counters(), counter) == 1
            assert (await ask(listener.port, request()))[0] == 200
            assert len(heard.posts) == 1

    run(test)


def test_slow_and_silent_peers_are_shown_out() -> None:
    async def test() -> None:
        async with listening(Heard(), limits=QUICK) as listener:

            async def trickle() -> bytes:
                reader, writer = await asyncio.open_connection(HERE, listener.port)
                try:
                    for byte in request():
                        if reader.at_eof():
                            break
                        writer.write(bytes([byte]))
                        await asyncio.sleep(0.02)
                    return await reader.read()
                except ConnectionError:
                    return b""
                finally:
                    writer.close()

            async def silent() -> bytes:
                reader, writer = await asyncio.open_connection(HERE, listener.port)
                try:
                    return await reader.read()
                except ConnectionError:
                    return b""
                finally:
                    writer.close()

            assert await asyncio.gather(trickle(), silent()) == [b"", b""]
            assert listener.counters().slow == 1
            assert listener.counters().open == 0

    run(test)


def test_who_does_not_fetch_answers_is_shown_out() -> None:
    async def test() -> None:
        async with listening(Heard(), limits=QUICK) as listener:
            sock = socket.create_connection((HERE, listener.port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            with pytest.raises(ConnectionError):
                while True:
                    await loop.sock_sendall(sock, b"GET /x HTTP/1.1\r\n\r\n" * 1000)
            sock.close()
            assert listener.counters().slow == 1

    run(test)


def test_thousands_of_hostile_connections_leave_the_port_working() -> None:
    """Requests whole, cut, damaged and made up, pipelined and chunked, left half open."""
    chance = random.Random(3)
    good = request()
    chunks = b"POST /unity HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (POST[:10], POST[10:])
    )

    def hostile() -> bytes:
        kind = chance.randrange(6)
        if kind == 0:
            return chance.randbytes(chance.randrange(1, 200))
        if kind == 1:
            return good[: chance.randrange(1, len(good))]
        if kind == 2:
            damaged = bytearray(good)
            for _ in range(3):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            return bytes(damaged)
        if kind == 3:
            return good * chance.randrange(1, 5) + chance.randbytes(20)
        if kind == 4:
            return chunks + chance.choice([b"0\r\n\r\n", b"zz\r\n", b"", b"ffff\r\n" + bytes(9)])
        return request(chance.randbytes(chance.randrange(500)))

    async def test() -> None:
        heard = Heard()
        loop = asyncio.get_running_loop()
        complaints: list[Any] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        async with listening(heard, limits=QUICK) as listener:

            async def one() -> None:
                try:
                    reader, writer = await asyncio.open_connection(HERE, listener.port)
                except ConnectionError:
                    return
                try:
                    writer.write(hostile())
                    if chance.random() < 0.3:
                        writer.write_eof()
                    if chance.random() < 0.5:
                        await asyncio.wait_for(reader.read(100), 0.02)
                except (ConnectionError, TimeoutError):
                    pass
                finally:
                    writer.transport.abort()

            for _ in range(250):
                await asyncio.gather(*(one() for _ in range(12)))
            await asyncio.sleep(0.05)
            for _ in range(20):
                assert (await ask(listener.port, request()))[0] == 200
            counters = listener.counters()
            assert counters.connections > 2500
            assert counters.malformed > 100
            assert counters.bad_http > 100
            assert counters.posts == len(heard.posts) > 100
            assert counters.faults == 0
            assert complaints == []

    run(test)


def test_a_fault_of_the_receiver_is_counted_and_the_port_lives() -> None:
    async def test() -> None:
        def broken(post: Post, address: str, t_ns: int) -> None:
            raise RuntimeError("ring is full")

        listener = Listener(broken, port=0, host=HERE)
        await listener.start()
        for _ in range(2):
            assert (await ask(listener.port, request()))[0] == 200
        assert listener.counters().faults == 2
        assert listener.counters().fault == "RuntimeError: ring is full"
        await listener.stop()

    run(test)


# ------------------------------------------------------------------------------------ life time
def test_a_port_in_use_is_said_with_what_to_do() -> None:
    async def test() -> None:
        with socket.create_server((HERE, 0)) as other:
            port = other.getsockname()[1]
            listener = Listener(lambda *_: None, port=port, host=HERE)
            with pytest.raises(DeviceError, match=f"TCP port {port} is in use") as caught:
                await listener.start()
            assert "ss -ltnp" in caught.value.next_step
            assert not listener.listening
            await listener.stop()

    run(test)


def test_what_is_no_port_or_address_is_said() -> None:
    async def test() -> None:
        for port, host in ((70_000, HERE), (0, "no.such.address.invalid")):
            with pytest.raises(DeviceError, match="port"):
                await Listener(lambda *_: None, port=port, host=host).start()

    run(test)


def test_stopping_closes_everything_and_starting_again_works() -> None:
    async def test() -> None:
        heard = Heard()
        listener = Listener(heard.take, port=0, host=HERE)
        for _ in range(2):
            await listener.start()
            reader, writer = await asyncio.open_connection(HERE, listener.port)
            writer.write(request())
            assert (await response(reader))[0] == 200
            await listener.stop()
            await listener.stop()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await response(reader)
            writer.close()
            assert listener.counters().open == 0
        assert len(heard.posts) == 2

    run(test)
