"""A policy in another process or environment, over openpi's websocket protocol.

The server sends its metadata first; each request is a MessagePack map of observations, each answer
a map with `actions` (H, A); a text frame is an error. A server of ours says in its metadata what
it needs and what its actions mean (docs/policy-server.md); for any other server a small file says
it for it. This protocol has no protection, so only servers on this machine are asked; one
elsewhere is reached through a tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import numpy as np

from devices.errors import PolicyError, WireError
from devices.stream import FloatArray
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.serving.opening import Opened
from policies.serving.packing import MAX_BYTES, pack, unpack

CONNECT_S = 5.0
ANSWER_S = 5.0
RESET_KEY = "teledeck_reset"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MAX_ROWS = 1000
_ENDED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server serves: the `teledeck` part of its metadata, or a file beside it.

    Attributes:
        version: Of this contract.
        name: What to call the policy.
        needs: The streams it looks at; `key` is the key in the request. Windows of one step are
            sent without their first axis.
        space: What the rows of `actions` mean.
        digest: What identifies its weights, "" if nobody can tell.
        resets: Whether it understands `teledeck_reset`.
        server: Address, in a file only.
        prompt: Key of the instruction in the request, "" to send none.
    """

    version: int = 1
    name: str
    needs: tuple[StreamNeed, ...]
    space: ActionSpace
    digest: str = ""
    resets: bool = False
    server: str = ""
    prompt: str = "prompt"


class ServerGone(PolicyError):
    """Nobody answers at the address of a policy server: no fault of the policy."""


class RemotePolicy:
    """A `Policy` whose `act` asks a server. Use it from one thread.

    Args:
        address: ws://host:port, on this machine.
        offer: What the server serves, for servers that do not say so.
        connect_s, answer_s: Longest waits [s].

    Raises:
        PolicyError: When nobody answers there, or not as this contract says.
    """

    reacts = False

    def __init__(
        self,
        address: str,
        offer: Offer | None = None,
        *,
        connect_s: float = CONNECT_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.address = checked_address(address)
        self._connect_s, self._answer_s = connect_s, answer_s
        self._loop = asyncio.new_event_loop()
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        try:
            metadata = self._run(self._connect(), connect_s)
            self.offer = offer or _offered(metadata, self.address)
        except BaseException:
            self.close()
            raise

    @property
    def needs(self) -> tuple[StreamNeed, ...]:
        return self.offer.needs

    @property
    def space(self) -> ActionSpace:
        return self.offer.space

    def reset(self, seed: int | None = None) -> None:
        if self.offer.resets:
            self._ask({RESET_KEY: True, "seed": seed})

    def act(self, window: Window) -> ActionChunk:
        request: dict[str, Any] = {}
        for need in self.offer.needs:
            values = window.values[need.key]
            request[need.key] = values[0] if need.steps == 1 else values
        if self.offer.prompt:
            request[self.offer.prompt] = window.instruction
        answer = self._ask(request)
        actions = _actions(answer, self.space)
        return ActionChunk(window.t_ns, self.space.rate_hz, actions, window.t_ns)

    def react(self, chunk: ActionChunk, latest: Window) -> FloatArray:
        raise PolicyError("A policy behind a server does not react")

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._loop.is_closed():
            return
        self._loop.run_until_complete(self._disconnect())
        self._loop.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request; the connection is made anew after any failure."""
        try:
            return self._run(self._exchange(request), self._answer_s)
        except BaseException:
            self._loop.run_until_complete(self._disconnect())
            raise

    def _run(self, work: Any, timeout_s: float) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self._loop.run_until_complete(asyncio.wait_for(work, timeout_s))
        except TimeoutError as error:
            raise PolicyError(
                f"The policy server at {self.address} did not answer within {timeout_s:g} s",
                next_step="Look whether it still runs, and how long it takes for one answer",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            system = getattr(error, "os_error", error)  # aiohttp tells the whole address again
            errno = getattr(system, "errno", None)
            why = os.strerror(errno).lower() if isinstance(errno, int) else error
            raise ServerGone(
                f"The policy server at {self.address} cannot be reached: {why}",
                next_step="Start it first (docs/policy-server.md)",
            ) from error
        except WireError as error:
            raise PolicyError(
                f"The policy server at {self.address} answers nonsense: {error}"
            ) from error
        return found

    async def _connect(self) -> dict[str, Any]:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(
            self.address, max_msg_size=MAX_BYTES, compress=0, autoping=True
        )
        return await self._receive()

    async def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._socket is None or self._socket.closed:
            await self._disconnect()
            await self._connect()
        assert self._socket is not None
        await self._socket.send_bytes(pack(request))
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        assert self._socket is not None
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            raise WireError(f"it failed: {_last_line(message.data)}")
        if message.type in _ENDED:
            raise aiohttp.ClientConnectionError("it ended the connection")
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise WireError(f"the connection ended ({message.type.name.lower()})")
        value = unpack(message.data)
        if not isinstance(value, dict):
            raise WireError("a message that is no map")
        return value

    async def _disconnect(self) -> None:
        socket, http = self._socket, self._http
        self._socket = self._http = None
        if socket is not None and not socket.closed:
            # A peer that hangs must not hold us by not saying goodbye.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                await asyncio.wait_for(socket.close(), 0.2)
        if http is not None:
            await http.close()


def connect(address: str) -> Opened:
    """A server that says itself what it serves."""
    policy = RemotePolicy(address)
    return Opened(policy, policy.offer.name, policy.offer.digest)


def from_file(path: Path) -> Opened:
    """A server that says nothing of itself, described by a JSON file (an `Offer`).

    Raises:
        PolicyError: Naming the field of the file that does not fit.
    """
    try:
        text = path.read_bytes()[: 1 << 20]
        offer = msgspec.json.decode(text, type=Offer)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise PolicyError(f"'{path}' describes no policy server: {error}") from error
    if not offer.server:
        raise PolicyError(f"'{path}' names no server", next_step='Add "server": "ws://..."')
    _refuse_odd(offer, str(path))
    return Opened(RemotePolicy(offer.server, offer), offer.name, offer.digest)


def checked_address(address: str) -> str:
    """The address, if it is one of this machine. Raises PolicyError otherwise."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise PolicyError(f"'{address}' is no address: {error}") from error
    if parts.scheme != "ws" or not host or port is None:
        raise PolicyError(f"'{address}' is no policy server", allowed=["ws://127.0.0.1:PORT"])
    if host not in _LOOPBACK:
        raise PolicyError(
            f"The policy server at {host} is not on this machine, and its protocol has no "
            "protection",
            next_step=f"Tunnel it: ssh -L {port}:127.0.0.1:{port} {host}, then load "
            f"ws://127.0.0.1:{port}",
        )
    return address


def _offered(metadata: dict[str, Any], address: str) -> Offer:
    told = metadata.get("teledeck")
    if told is None:
        raise PolicyError(
            f"The policy server at {address} does not say which streams it needs; its metadata "
            f"has {', '.join(map(str, list(metadata)[:10])) or 'nothing'}",
            next_step="Describe it in a JSON file and load that (docs/policy-server.md)",
        )
    try:
        offer = msgspec.convert(told, Offer)
    except msgspec.ValidationError as error:
        raise PolicyError(f"The policy server at {address} offers nonsense: {error}") from error
    _refuse_odd(offer, address)
    return offer


def _refuse_odd(offer: Offer, where: str) -> None:
    if offer.version != 1:
        raise PolicyError(f"{where} speaks version {offer.version}", allowed=[1])
    if not offer.needs or any(need.span != "window" for need in offer.needs):
        raise PolicyError(f"{where} needs no window of any stream, or rows of chunks")
    if not 1 <= offer.space.horizon <= _MAX_ROWS:
        raise PolicyError(f"{where} has a horizon of {offer.space.horizon}")


def _actions(answer: dict[str, Any], space: ActionSpace) -> FloatArray:
    actions = answer.get("actions")
    if not isinstance(actions, np.ndarray) or actions.ndim != 2:
        raise PolicyError("The policy server answered without 'actions' (rows, columns)")
    rows, columns = actions.shape
    if not 1 <= rows <= _MAX_ROWS or columns < space.width:
        raise PolicyError(
            f"The policy server answered actions of {actions.shape}",
            allowed=[f"(1 ... {_MAX_ROWS}, {space.width})"],
        )
    # Servers pad actions to the width of their model; what lies beyond means nothing here.
    return np.array(actions[:, : space.width], dtype=np.float64)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text[-4000:].splitlines() if line.strip()]
    return lines[-1][:300] if lines else "without a word"
