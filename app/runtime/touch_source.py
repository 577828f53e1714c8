"""Where touch samples come from: rings of simulated pads, or cameras behind gels."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.runtime.rundir import RunDir
from devices.clock import NS_PER_S, Clock
from devices.errors import StreamError, TeledeckError
from devices.feel import BoolArray
from devices.ring import RingReader
from devices.stream import FloatArray, Sample

_LOOK_NS = NS_PER_S // 5  # between two looks at which rings there are


class InputRings:
    """Readers of a fixed set of streams that come and go with their writer.

    Args:
        run: The run folder.
        names: Streams that are wanted.
        clock: Time.
    """

    def __init__(self, run: RunDir, names: tuple[str, ...], clock: Clock) -> None:
        self._run, self._names, self._clock = run, names, clock
        self._readers: dict[str, RingReader] = {}
        self._next_ns = 0

    def look(self) -> frozenset[str]:
        """Open what has come, close what is gone. Returns streams that are new or began anew."""
        now_ns = self._clock.now_ns()
        if now_ns < self._next_ns:
            return frozenset()
        self._next_ns = now_ns + _LOOK_NS
        fresh = set()
        for name in self._names:
            reader = self._readers.get(name)
            if reader is not None and not reader.replaced():
                continue
            if reader is not None:
                self._readers.pop(name).close()
            try:
                self._readers[name] = reader = RingReader(self._run.ring(name))
            except StreamError:
                continue  # not there (yet); the next look tells
            reader.skip()
            fresh.add(name)
        return frozenset(fresh)

    def get(self, name: str) -> RingReader | None:
        return self._readers.get(name)

    def newest(self, name: str) -> Sample | None:
        """The newest sample, None while the stream has none or is not there."""
        reader = self._readers.get(name)
        return None if reader is None else reader.latest()

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()


class Markers(Protocol):
    """One picture's markers, as `devices.gelsight.sensor` tells them."""

    @property
    def offsets(self) -> FloatArray: ...
    @property
    def valid(self) -> BoolArray: ...
    @property
    def lost(self) -> int: ...
    @property
    def t_ns(self) -> int: ...


class Sensor(Protocol):
    """What the touch process uses of a camera behind a gel (`devices.gelsight.sensor`)."""

    kind: str
    identity: str
    simulated: bool

    def poll(self) -> Any: ...
    def rezero(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Seen:
    """What a watcher tells: markers of a pad, or the fault that ended (or delays) it."""

    pad: str
    markers: Markers | None
    fault: str = ""


class SensorWatcher:
    """Polls one sensor on a thread of its own; opens it again after it was lost.

    Args:
        pad: Whose sensor.
        open_sensor: Makes it; a TeledeckError is told and tried again a little later.
        out: Where `Seen` goes.
        rate_hz: Pictures a second that are wanted of a simulated camera; a real one sets the pace.
    """

    RETRY_S = 2.0
    _IDLE_S = 0.002

    def __init__(
        self,
        pad: str,
        open_sensor: Callable[[], Sensor],
        out: queue.SimpleQueue[Seen],
        rate_hz: float,
        clock: Clock,
    ) -> None:
        self._pad, self._open, self._out = pad, open_sensor, out
        self._period_ns = round(NS_PER_S / rate_hz)
        self._clock = clock
        self._stop = threading.Event()
        self._rezero = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"touch {pad}", daemon=True)
        self.label = ""
        self._thread.start()

    def rezero(self) -> None:
        """What the gel feels now is its zero from the next picture on."""
        self._rezero.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                sensor = self._open()
            except TeledeckError as error:
                self._out.put(Seen(self._pad, None, str(error)))
                self._stop.wait(self.RETRY_S)
                continue
            self.label = label_of(sensor)
            try:
                self._watch(sensor)
            except TeledeckError as error:
                self._out.put(Seen(self._pad, None, str(error)))
                self._stop.wait(self.RETRY_S)
            finally:
                sensor.close()

    def _watch(self, sensor: Sensor) -> None:
        next_ns = self._clock.now_ns()
        while not self._stop.is_set():
            if self._rezero.is_set():
                self._rezero.clear()
                sensor.rezero()
            markers = sensor.poll()
            if markers is not None:
                self._out.put(Seen(self._pad, markers))
            if not sensor.simulated:
                if markers is None:
                    self._stop.wait(self._IDLE_S)
                continue
            now_ns = self._clock.now_ns()
            next_ns = max(next_ns + self._period_ns, now_ns - self._period_ns)
            # Never without a rest: four pads must leave room for robot and window.
            self._stop.wait(max(self._IDLE_S, (next_ns - now_ns) / NS_PER_S))


def label_of(sensor: Sensor) -> str:
    """What people call the sensor."""
    return "simulated camera" if sensor.simulated else f"{sensor.kind} {sensor.identity}".strip()


SensorFactory = Callable[[str, Mapping[str, str]], Callable[[], Sensor]]
