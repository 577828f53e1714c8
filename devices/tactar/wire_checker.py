"""Checks what a headset is sent, as strictly as the app is brittle. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from devices.errors import WireError
from devices.tactar.stream_meter import StreamMeter, StreamStats
from devices.tactar.wire import (
    ArrowsTold,
    Panel,
    PanelReader,
    Ports,
    RobotTold,
    read_force,
    read_images,
    read_robot,
    read_tactile,
)

STREAMS = ("robot", "tactile", "panels", "force")
_MOST_TEXTS = 50


@dataclass(slots=True)
class Received:
    """The newest of everything that was drawn.

    Attributes:
        robot: Tool poses, or None before the first.
        tactile: By device id.
        force: By side.
        panels: By id.
    """

    robot: RobotTold | None = None
    tactile: dict[str, ArrowsTold] = field(default_factory=dict)
    force: dict[str, ArrowsTold] = field(default_factory=dict)
    panels: dict[str, Panel] = field(default_factory=dict)


class WireChecker:
    """Takes datagrams by stream; keeps the newest, the rates and the faults.

    Args:
        ports: Where the streams arrive; for the statistics.
    """

    def __init__(self, ports: Ports) -> None:
        self.received = Received()
        self.faults: Counter[str] = Counter()
        self._meters = {name: StreamMeter(name, getattr(ports, name)) for name in STREAMS}
        self._reader = PanelReader()
        self._counts: dict[str, int] = {}
        self._takers: dict[str, Callable[[bytes], str]] = {
            "robot": self._robot,
            "tactile": self._tactile,
            "force": self._force,
        }

    def take(self, stream: str, datagram: bytes, t_ns: int) -> None:
        """One datagram of a stream of `STREAMS`, arrived at `t_ns` [ns]."""
        try:
            if stream == "panels":
                whole = self._chunk(datagram)
                if whole is None:
                    return
                source = self._hang(whole)
            else:
                source = self._takers[stream](datagram)
        except WireError as error:
            self._fault(f"{stream}: {error}")
            self._meters[stream].fail()
            return
        self._meters[stream].note(t_ns, source)

    def statistics(self, now_ns: int) -> tuple[StreamStats, ...]:
        """In the order of `STREAMS`."""
        return tuple(self._meters[name].stats(now_ns) for name in STREAMS)

    def restart(self) -> None:
        """The app begins anew and forgets counts and panels."""
        self._counts.clear()
        self._reader = PanelReader()
        self.received = Received()

    def _robot(self, datagram: bytes) -> str:
        self.received.robot = read_robot(datagram)
        return ""

    def _tactile(self, datagram: bytes) -> str:
        told = read_tactile(datagram)
        first = self._counts.setdefault(told.device_id, len(told.starts))
        if len(told.starts) != first:
            raise WireError(
                f"{told.device_id} has {len(told.starts)} arrows, {first} in its first message"
            )
        self.received.tactile[told.device_id] = told
        return told.device_id

    def _force(self, datagram: bytes) -> str:
        told = read_force(datagram)
        self.received.force[told.device_id] = told
        return told.device_id

    def _chunk(self, datagram: bytes) -> bytes | None:
        whole = self._reader.feed(datagram)
        for text in self._reader.faults:
            self._fault(text)
        self._reader.faults.clear()
        return whole

    def _hang(self, whole: bytes) -> str:
        for panel in read_images(whole):
            self.received.panels[panel.id] = panel
        return ""

    def _fault(self, text: str) -> None:
        if text in self.faults or len(self.faults) < _MOST_TEXTS:
            self.faults[text] += 1
        else:
            self.faults["more"] += 1
