"""How the station talks to policy workers and the supervisor without ever waiting for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from app.runtime.bus import Bus, RequestClient
from app.runtime.requests import SLOTS, Refused, Reply, Request
from app.runtime.statuses import Published
from devices.clock import NS_PER_S, Clock
from devices.errors import DeviceError

_DEADLINE_NS = 2 * NS_PER_S

Done = Callable[[Reply], None]


class PolicyLines:
    """Requests in order, one at a time to each; answers come through `poll`.

    Args:
        bus: Sockets of the station.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._clock = clock
        self._heard = bus.subscriber(*SLOTS, "supervisor")
        self._clients: dict[str, RequestClient] = {
            name: bus.client(name) for name in (*SLOTS, "supervisor")
        }
        self._asked: dict[str, deque[tuple[Request, Done]]] = {
            name: deque() for name in self._clients
        }
        self._deadline_ns: dict[str, int] = {}

    def ask(self, child: str, request: Request, done: Done) -> None:
        """Send as soon as earlier requests to `child` are answered; `poll` calls `done`."""
        self._asked[child].append((request, done))

    def poll(self) -> list[Published]:
        """Go on asking; returns what has been said meanwhile."""
        for child, queue in self._asked.items():
            if queue:
                self._go_on(child, queue)
        return self._heard.poll()

    def _go_on(self, child: str, queue: deque[tuple[Request, Done]]) -> None:
        client, (request, done) = self._clients[child], queue[0]
        if child not in self._deadline_ns:
            client.post(request)
            self._deadline_ns[child] = self._clock.now_ns() + _DEADLINE_NS
            return
        try:
            reply = client.receive()
        except DeviceError as error:
            reply = Refused(str(error))
        if reply is None:
            if self._clock.now_ns() <= self._deadline_ns[child]:
                return
            client.reset()
            reply = Refused(f"The {child} does not answer.")
        queue.popleft()
        del self._deadline_ns[child]
        done(reply)
