"""The wire to policies elsewhere: what a good server says arrives, what a bad one says is named."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from aiohttp import WSMsgType, web
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from devices.errors import PolicyError, WireError
from policies.contract import Window
from policies.serving import standalone
from policies.serving.openpi import RemotePolicy, checked_address, connect, from_file
from policies.serving.packing import pack, unpack
from tests.serving.served_sine import OFFER

TOOL = np.array([[0.3, -0.2, 0.4, 1.0, 0.0, 0.0, 0.0]], dtype=np.float32)
ARRAYS = npst.arrays(
    st.sampled_from(["<f4", "<f8", "|u1", "<i4", "|b1"]),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


def window(instruction: str = "wipe") -> Window:
    return Window(123, {"tool": TOOL}, {"tool": 0}, instruction)


@given(ARRAYS, st.text(max_size=20), st.integers(-(2**40), 2**40))
def test_arrays_cross_between_both_implementations(array: Any, text: str, number: int) -> None:
    value = {"a": array, "prompt": text, "n": [number, 1.5, True, None], "inner": {"b": array}}
    for told in (unpack(standalone.pack(value)), standalone.Unpacker(pack(value)).value()):
        np.testing.assert_array_equal(told["a"], array)
        assert told["a"].dtype == array.dtype and told["a"].shape == array.shape
        np.testing.assert_array_equal(told["inner"]["b"], array)
        assert (told["prompt"], told["n"]) == (text, [number, 1.5, True, None])


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_garbage_is_an_error_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(WireError):
        unpack(data)


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("|O", [1], b"12345678"),
        ("<c16", [1], b"1" * 16),
        ("|V8", [1], b"12345678"),
        ("<f8", [1 << 40], b""),
        ("<f8", [2], b"12345678"),
        ("<f8", [-1], b"12345678"),
        ("<f8", [1] * 9, b"12345678"),
        ("nonsense", [1], b"1"),
        ("<f8", [True], b"12345678"),
    ],
)
def test_arrays_that_lie_are_refused(dtype: str, shape: list[int], data: bytes) -> None:
    fields = {b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape}
    with pytest.raises(WireError):
        unpack(msgspec.msgpack.encode({"actions": fields}))


# ---------------------------------------------------------------- a server of any manners
Behaviour = Callable[[web.WebSocketResponse, bytes], Awaitable[None]]


class Server:
    """A websocket server in a thread. `behaviour` answers each message."""

    def __init__(self, metadata: Any, behaviour: Behaviour) -> None:
        self._metadata, self._behaviour = metadata, behaviour
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def close(self) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._talk)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        await socket.send_bytes(
            self._metadata if isinstance(self._metadata, bytes) else pack(self._metadata)
        )
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await self._behaviour(socket, message.data)
        return socket


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers: list[Server] = []

    def make(behaviour: Behaviour, metadata: Any = None) -> str:
        servers.append(Server({"teledeck": OFFER} if metadata is None else metadata, behaviour))
        return servers[-1].address

    yield make
    for server in servers:
        server.close()


async def good(socket: web.WebSocketResponse, data: bytes) -> None:
    request = unpack(data)
    if request.get("teledeck_reset"):
        await socket.send_bytes(pack({"reset": True}))
        return
    rows = np.zeros((10, 32), dtype=np.float32)
    rows[:, :3] = request["tool"][:3]
    await socket.send_bytes(pack({"actions": rows, "server_timing": {"infer_ms": 1.0}}))


def test_a_server_is_a_policy(serve: Callable[..., str]) -> None:
    opened = connect(serve(good))
    policy = opened.policy
    assert opened.name == "sine" and policy.space.width == 4 and not policy.reacts
    policy.reset(3)
    chunk = policy.act(window())
    assert chunk.actions.shape == (10, 4), "what lies beyond the action space is padding"
    np.testing.assert_allclose(chunk.actions[0, :3], TOOL[0, :3], atol=1e-6)
    policy.close()  # type: ignore[attr-defined]


def test_a_foreign_server_is_described_by_a_file(serve: Callable[..., str], tmp_path: Path) -> None:
    address = serve(good, {"model": "foreign"})
    with pytest.raises(PolicyError, match="does not say which streams"):
        connect(address)
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps({**OFFER, "resets": False, "server": address}))
    policy = from_file(path).policy
    assert policy.act(window()).actions.shape == (10, 4)
    policy.close()  # type: ignore[attr-defined]
    path.write_text(json.dumps({**OFFER, "colour": "red"}))
    with pytest.raises(PolicyError, match="colour"):
        from_file(path)


async def fails(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.send_str("Traceback ...\n  line\nValueError: no such key\n")
    await socket.close(code=1011)


async def hangs(socket: web.WebSocketResponse, data: bytes) -> None:
    return


async def garbage(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.send_bytes(b"\x93\x01")


async def narrow(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.send_bytes(pack({"actions": np.zeros((10, 2))}))


async def endless(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.send_bytes(pack({"actions": np.zeros((2000, 4))}))


async def huge(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.send_bytes(bytes(65 << 20))


async def leaves(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.close()


async def empty(socket: web.WebSocketResponse, data: bytes) -> None:
    await socket.send_bytes(pack({"action": [1, 2]}))


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (fails, "ValueError: no such key"),
        (hangs, "did not answer within"),
        (garbage, "answers nonsense"),
        (narrow, r"\(10, 2\)"),
        (endless, r"\(2000, 4\)"),
        (huge, "nonsense"),
        (empty, "without 'actions'"),
        (leaves, "cannot be reached: it ended the connection"),
    ],
)
def test_bad_answers_are_named_and_the_next_question_is_asked_anew(
    serve: Callable[..., str], behaviour: Behaviour, words: str
) -> None:
    bad = True

    async def sometimes(socket: web.WebSocketResponse, data: bytes) -> None:
        await (behaviour if bad else good)(socket, data)

    policy = RemotePolicy(serve(sometimes), answer_s=1.0)
    with pytest.raises(PolicyError, match=words):
        policy.act(window())
    bad = False
    assert policy.act(window()).actions.shape == (10, 4)
    policy.close()


@pytest.mark.parametrize(
    "metadata", [b"\xc1", b"", {"teledeck": {"name": "x"}}, {"teledeck": 3}, [1]]
)
def test_a_server_that_offers_nonsense_is_refused(serve: Callable[..., str], metadata: Any) -> None:
    address = serve(good, metadata)
    with pytest.raises(PolicyError):
        connect(address)


@pytest.mark.parametrize("address", ["ws://10.0.0.5:8000", "wss://x:1", "ws://127.0.0.1", "ws://["])
def test_only_servers_of_this_machine_are_asked(address: str) -> None:
    with pytest.raises(PolicyError):
        checked_address(address)


def test_nobody_there() -> None:
    with pytest.raises(PolicyError, match="cannot be reached"):
        connect("ws://127.0.0.1:1")


def test_the_standalone_server_serves_a_policy_of_a_user() -> None:
    script = Path(standalone.__file__)
    process = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).with_name("served_sine.py")), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        policy = connect(address).policy
        policy.reset(5)
        first = policy.act(window())
        assert first.actions.shape == (24, 4) and first.rate_hz == 24.0
        with pytest.raises(PolicyError, match="no such task"):
            policy.act(window("fail"))
        np.testing.assert_array_equal(policy.act(window()).actions, first.actions)
        policy.close()  # type: ignore[attr-defined]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
