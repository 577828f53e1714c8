"""Where touch samples come from: rings of simulated pads, or cameras behind gels."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.runtime.rundir import RunDir
from devices.clock import NS_PER_S, Clock
from devices.errors import StreamError, TeledeckError
from devices.gelsight.sensor import MarkerSensor
from devices.gelsight.tracker import Markers
from devices.ring import RingReader
from devices.stream import Sample

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


@dataclass(frozen=True)
class Seen:
    """What a watcher tells of a pad: markers, or why there are none; `notice` is what the operator
    should know all the same (a gel that lies upside down)."""

    pad: str
    markers: Markers | None
    fault: str = ""
    notice: str = ""


class SensorWatcher:
    """Polls one sensor on a thread of its own, as long as it takes: an unplugged one comes back.

    Args:
        pad: Whose sensor.
        open_sensor: Makes it, on that thread.
        out: Where `Seen` goes.
        rate_hz: Pictures a second that are wanted of a simulated camera; a real one sets the pace.
        clock: Time.

    Attributes:
        label: What people call the sensor.
    """

    RETRY_S = 0.5
    _IDLE_S = 0.002

    def __init__(
        self,
        pad: str,
        open_sensor: Callable[[], MarkerSensor],
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
        self._told = ""
        self._thread.start()

    def rezero(self) -> None:
        """What the gel feels at the next picture is its zero."""
        self._rezero.set()

    def close(self) -> None:
        """End the thread; a camera that hangs ends with the process."""
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        try:
            sensor = self._open()
        except TeledeckError as error:
            self._out.put(Seen(self._pad, None, str(error)))
            return
        self.label = label_of(sensor)
        try:
            next_ns = self._clock.now_ns()
            while not self._stop.is_set():
                next_ns = self._look(sensor, next_ns)
        finally:
            sensor.close()

    def _look(self, sensor: MarkerSensor, next_ns: int) -> int:
        """One picture, and a rest. Returns when the next is due [ns]."""
        if self._rezero.is_set():
            self._rezero.clear()
            sensor.rezero()
        try:
            markers = sensor.poll()
        except TeledeckError as error:
            self._out.put(Seen(self._pad, None, str(error)))
            self._stop.wait(self.RETRY_S)
            return self._clock.now_ns()
        notice = sensor.state.notice
        if markers is not None or notice != self._told:
            self._out.put(Seen(self._pad, markers, notice=notice))
        self._told = notice
        now_ns = self._clock.now_ns()
        if not sensor.simulated:  # it waits for its camera itself
            self._stop.wait(0.0 if markers is not None else self._IDLE_S)
            return now_ns
        if markers is None:
            self._stop.wait(self._IDLE_S)
            return next_ns
        next_ns = max(next_ns + self._period_ns, now_ns - self._period_ns)
        # Never without a rest: four pads must leave room for robot and window.
        self._stop.wait(max(self._IDLE_S, (next_ns - now_ns) / NS_PER_S))
        return next_ns


def label_of(sensor: MarkerSensor) -> str:
    """What people call the sensor."""
    return "simulated camera" if sensor.simulated else f"{sensor.kind.title} {sensor.identity}"
