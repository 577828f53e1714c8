"""The TactAR port: an HTTP server that takes what a headset posts, and trusts nobody.

The protocol has no protection. Everything that comes is bounded, counted and answered; nothing
that comes can raise into the event loop.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.clock import Clock, SystemClock
from devices.errors import DeviceError, WireError
from devices.tactar.connection import Connection, Limits
from devices.tactar.requests import Request
from devices.tactar.wire import GRIPPER_PATH, POST_PATH, POST_PORT, Post, parse_post

SIMULATED_PATH = "/teledeck/simulated"
"""Where a fake headset says once that it is one. Answered like every unknown path."""

_SWEEP_S = 0.25
_MANY_ADDRESSES = 64
GRIPPER_KEYS = (
    "left_gripper_stable_closed",
    "right_gripper_stable_closed",
    "left_gripper_stable_open",
    "right_gripper_stable_open",
)


@dataclass(frozen=True, slots=True)
class Counters:
    """What came through the port since it was opened.

    Attributes:
        posts: Well-formed posts that were passed on.
        refused: Well-formed posts of addresses that are not accepted.
        malformed: Posts that are none.
        gripper: Questions for the state of the grippers.
        other_paths: Requests for anything else.
        bad_http: Connections that spoke no HTTP.
        too_large: Heads or bodies beyond the limit.
        slow: Requests that took too long to come, or answers that were not fetched.
        crowded: Connections beyond the limit.
        connections: Connections that were opened.
        open: Connections that are open now.
        faults: Posts at which our own receiver failed; `fault` tells the last.
        fault: Text of the last such failure, or "".
    """

    posts: int = 0
    refused: int = 0
    malformed: int = 0
    gripper: int = 0
    other_paths: int = 0
    bad_http: int = 0
    too_large: int = 0
    slow: int = 0
    crowded: int = 0
    connections: int = 0
    open: int = 0
    faults: int = 0
    fault: str = ""


def is_loopback(address: str) -> bool:
    """Whether a poster is on this machine: a headset never is."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Listener:
    """Listens while started. All callbacks run in the event loop and must be quick.

    Args:
        on_post: Called with each well-formed post of an accepted address, that address, and when
            its last byte came [ns, monotonic]. In order of arrival; see `PostOrder`.
        port: TCP port; 0 for any. The app can only reach 8082.
        host: Address to listen on.
        clock: Tells when posts arrive.
        accepts: Whether posts of an address are passed on. Others are answered like these, so that
            nothing piles up in the app, and reported to `on_seen`.
        gripper_state: Answers the reference system's question: the four flags of
            `GRIPPER_KEYS`. While one is missing, the question is answered with 503.
        on_seen: Called as `on_post` with each well-formed post that was not accepted.
        limits: Sizes, times and numbers that are put up with.
    """

    def __init__(
        self,
        on_post: Callable[[Post, str, int], None],
        *,
        port: int = POST_PORT,
        host: str = "0.0.0.0",
        clock: Clock | None = None,
        accepts: Callable[[str], bool] = lambda address: True,
        gripper_state: Callable[[], Mapping[str, bool]] = dict,
        on_seen: Callable[[Post, str, int], None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._on_post = on_post
        self._on_seen = on_seen
        self._wanted = (host, port)
        self._clock = clock or SystemClock()
        self._accepts = accepts
        self._gripper_state = gripper_state
        self._limits = limits or Limits()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._connections: set[Connection] = set()
        self._counts: Counter[str] = Counter()
        self._fault = ""
        self._introduced: set[str] = set()

    # -------------------------------------------------------------------------------- life time
    async def start(self) -> None:
        """Open the port.

        Raises:
            DeviceError: If it cannot be opened, saying why and what to do.
        """
        if self._server is not None:
            return
        host, port = self._wanted
        if not 0 <= port <= 65535:
            raise DeviceError(f"{port} is no TCP port", allowed=("1 ... 65535", "0 for any"))
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self, self._limits), host, port, backlog=64
            )
        except OSError as error:
            raise _port_error(host, port, error) from error
        self._sweeper = loop.create_task(self._sweep())

    async def stop(self) -> None:
        """Close the port and every connection. Idempotent."""
        server, self._server = self._server, None
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        if server is not None:
            server.close()
            for connection in tuple(self._connections):
                connection.abort()
            await server.wait_closed()
            # One turn of the loop for `connection_lost` of what was aborted.
            await asyncio.sleep(0)

    @property
    def listening(self) -> bool:
        return self._server is not None

    @property
    def port(self) -> int:
        """The port that is listened on; that asked for while closed."""
        if self._server is None or not self._server.sockets:
            return self._wanted[1]
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def counters(self) -> Counters:
        return Counters(**self._counts, open=len(self._connections), fault=self._fault)

    def simulated(self, address: str) -> bool:
        """Whether `address` is no headset: it is this machine, or it said so itself."""
        return is_loopback(address) or address in self._introduced

    def close_connections_of(self, address: str) -> None:
        """Drop what an address has open, as when it is no longer confirmed."""
        for connection in tuple(self._connections):
            if connection.address == address:
                connection.abort()

    # ------------------------------------------------------------------- asked by connections
    def admit(self, connection: Connection) -> bool:
        """Whether one more connection is taken. An accepted address displaces a stranger."""
        self._counts["connections"] += 1
        same = sum(other.address == connection.address for other in self._connections)
        if same >= self._limits.connections_per_address:
            self._counts["crowded"] += 1
            return False
        if len(self._connections) >= self._limits.connections:
            self._counts["crowded"] += 1
            stranger = self._oldest_stranger()
            if stranger is None or not self._trusts(connection.address):
                return False
            stranger.abort()
            self._connections.discard(stranger)
        self._connections.add(connection)
        return True

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def count(self, kind: str) -> None:
        self._counts[kind] += 1

    def answer(self, request: Request, address: str) -> tuple[int, bytes]:
        """Status and JSON body for one request."""
        if request.method == "POST" and request.path == POST_PATH:
            return self._take(request.body, address)
        if request.method == "GET" and request.path == GRIPPER_PATH:
            self._counts["gripper"] += 1
            return self._gripper_answer()
        if request.path == SIMULATED_PATH and len(self._introduced) < _MANY_ADDRESSES:
            self._introduced.add(address)
        else:
            self._counts["other_paths"] += 1
        return 404, b'{"detail":"Not Found"}'

    # ------------------------------------------------------------------------------- the inside
    def _take(self, body: bytes, address: str) -> tuple[int, bytes]:
        arrival_ns = self._clock.now_ns()
        try:
            post = parse_post(body)
        except WireError as error:
            self._counts["malformed"] += 1
            return 422, json.dumps({"detail": str(error)[:500]}).encode()
        try:
            if self._accepts(address):
                self._counts["posts"] += 1
                self._on_post(post, address, arrival_ns)
            else:
                self._counts["refused"] += 1
                if self._on_seen is not None:
                    self._on_seen(post, address, arrival_ns)
        except Exception as error:  # noqa: BLE001 - counted and told; the port outlives its reader
            self._note(error)
        return 200, b'{"status":"ok"}'

    def _gripper_answer(self) -> tuple[int, bytes]:
        try:
            state = self._gripper_state()
            answer = {key: bool(state[key]) for key in GRIPPER_KEYS}
        except Exception as error:  # noqa: BLE001 - as above
            self._note(error)
            return 503, b'{"detail":"The state of the grippers is not known"}'
        return 200, json.dumps(answer).encode()

    def _trusts(self, address: str) -> bool:
        try:
            return self._accepts(address)
        except Exception as error:  # noqa: BLE001 - as above
            self._note(error)
            return False

    def _note(self, error: Exception) -> None:
        self._counts["faults"] += 1
        self._fault = f"{type(error).__name__}: {error}"

    def _oldest_stranger(self) -> Connection | None:
        strangers = [c for c in self._connections if not self._trusts(c.address)]
        return min(strangers, key=lambda c: c.last_sign_s, default=None)

    async def _sweep(self) -> None:
        """Close connections whose time is up."""
        period = min(_SWEEP_S, self._limits.request_s / 2)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(period)
            for connection in tuple(self._connections):
                connection.judge(loop.time())


def _port_error(host: str, port: int, error: OSError) -> DeviceError:
    if error.errno == errno.EADDRINUSE:
        return DeviceError(
            f"TCP port {port} is in use by another program",
            next_step=f"Find it with 'ss -ltnp sport = :{port}' and end it (another Teledeck, or "
            "another receiver of TactAR); the app cannot be told another port",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceError(f"TCP port {port} may not be opened", next_step="Ports from 1024 up may")
    return DeviceError(
        f"TCP port {port} on {host} cannot be opened: {error.strerror or error}",
        next_step="Check the address; 0.0.0.0 stands for all of this machine",
    )
