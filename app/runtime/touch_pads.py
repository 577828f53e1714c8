"""All pads of a robot as the touch process feels them: rings in, rings and a status out."""

from __future__ import annotations

import contextlib
import math
import queue
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.runtime import priority, station_file
from app.runtime.bell import Bell, BellRope
from app.runtime.child import Child
from app.runtime.real_time import RealTime
from app.runtime.requests import (
    GraspBaseline,
    Ok,
    Ping,
    Refused,
    Reply,
    Request,
    RezeroTouch,
    Shutdown,
)
from app.runtime.rings import ring_capacity
from app.runtime.station_file import Touch
from app.runtime.statuses import Event, PadReading, StationStatus, TouchStatus
from app.runtime.touch_cameras import gel_of, kind_of, sensor_opener
from app.runtime.touch_source import InputRings, Seen, SensorWatcher
from app.runtime.touch_streams import pad_rows, pad_specs
from devices import plugins
from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import ConfigError
from devices.feel import MARKER_LIMITS, FeelLimits, Gel
from devices.feel_axes import AXES, AxesReading, fit_axes
from devices.feel_hand import Felt, HandFeel, PadFeel
from devices.gelsight import pca
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.leader import Side
from devices.ring import RingWriter
from devices.touch import MarkerModel

_STATUS_NS = NS_PER_S // 10
_SILENT_NS = NS_PER_S // 2  # without a sample for so long a pad's stream has a gap
_PATIENT_S = 0.02  # while nothing comes
FIELD_HZ = 125.0


class PadPort:
    """One pad of the process: its feeling, its rings, its rate.

    Args:
        rate_hz: Nominal rate of its streams [Hz].
        source: What tells it, in words.
        limits: Where its states change.
        transform: The embedding to publish, or None.
    """

    def __init__(
        self,
        child: Child,
        pad: str,
        gel: Gel,
        rate_hz: float,
        source: str,
        limits: FeelLimits,
        transform: pca.Transform | None,
    ) -> None:
        self.pad, self.source = pad, source
        self.feel = PadFeel(gel, limits)
        self.fault = ""
        self.notice = ""
        self.lost = 0
        self.embedding: np.ndarray | None = None
        self._times: deque[int] = deque(maxlen=256)
        self._transform = transform
        self._rope = BellRope(child.run, "headset")
        self._rings = {
            name: RingWriter(child.run.ring(spec.name), spec, ring_capacity(spec))
            for name, spec in pad_specs(pad, gel.count, rate_hz, transform).items()
        }

    def publish(self, felt: Felt, hand: HandFeel) -> None:
        """One sample to all rings; `hand` has been updated with it."""
        rows = pad_rows(self.pad, hand, felt, self._transform)
        for name, row in rows.items():
            self._rings[name].publish(felt.t_ns, row)
            if name == "deformation":
                self._rope.pull()
        self.embedding = rows.get("pca")
        self._times.append(felt.t_ns)

    def rate_hz(self, now_ns: int) -> float:
        """Samples over the last second [Hz]; 0 after a silence."""
        recent = [t for t in self._times if now_ns - t < NS_PER_S]
        if len(recent) < 2 or now_ns - recent[-1] > _SILENT_NS:
            return 0.0
        return (len(recent) - 1) * NS_PER_S / (recent[-1] - recent[0])

    def close(self) -> None:
        self._rope.close()
        for ring in self._rings.values():
            ring.close()


class _Inbox(queue.SimpleQueue[Seen]):
    """What cameras have seen; rings the process's own bell."""

    def __init__(self, rope: BellRope) -> None:
        super().__init__()
        self._rope = rope

    def put(self, item: Seen, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._rope.pull()

    def close(self) -> None:
        self._rope.close()


class TouchProcess:
    """All pads of one robot.

    Args:
        child: Folder, bus and the reason to end.
        touch: The section of the station file.
        pads: Per pad, its arm.
        gels: Per pad, its gel.
        clock: Time.
    """

    def __init__(
        self,
        child: Child,
        touch: Touch,
        pads: Mapping[str, Side],
        gels: Mapping[str, Gel],
        clock: Clock,
    ) -> None:
        self._child, self._touch, self._pads, self._clock = child, touch, dict(pads), clock
        self._server = child.bus.server("touch")
        self._publisher = child.bus.publisher("touch")
        self._statuses = child.bus.subscriber("station")
        self._band: tuple[float, float] | None = None
        self._next_status_ns = 0
        self._problem = ""
        self._embedding, self._axes = self._load_embedding(gels)
        unknown = [pad for pad in touch.sensors if pad not in pads]
        if unknown:
            raise ConfigError(
                f"[touch.sensors] names the pads {unknown}, which this robot does not have",
                allowed=list(pads),
            )
        self._sensed = tuple(
            pad for pad in pads if pad in touch.sensors or touch.source == "pictures"
        )
        inputs = [
            *(f"{pad}_pad/tactile" for pad in pads if pad not in touch.sensors),
            *(f"{side}_gripper/gap" for side in sorted(set(pads.values()))),
            *(f"{side}_arm/wrench" for side in sorted(set(pads.values()))),
        ]
        self._inputs = InputRings(child.run, tuple(inputs), clock)
        self.hands: dict[Side, HandFeel] = {}
        for side in sorted(set(pads.values())):
            self.hands[side] = HandFeel(pad for pad, s in pads.items() if s == side)
            self.hands[side].baseline.switch(touch.subtract_grasp)
        self.ports: dict[str, PadPort] = {}
        self._bell = Bell(child.run, "touch")
        self._seen = _Inbox(BellRope(child.run, "touch"))
        self._watchers: dict[str, SensorWatcher] = {}
        for pad in pads:
            sensed = pad in self._sensed
            self.ports[pad] = PadPort(
                child,
                pad,
                gels[pad],
                touch.rate_hz if sensed else FIELD_HZ,
                self._source_of(pad),
                MARKER_LIMITS if sensed else FeelLimits(),
                self._embedding if gels[pad].grid == MarkerModel.GRID else None,
            )
        for pad in self._sensed:
            identity = touch.sensors.get(pad, "")
            opener = sensor_opener(pad, identity, child.run, clock, touch.rate_hz)
            self._watchers[pad] = SensorWatcher(pad, opener, self._seen, touch.rate_hz, clock)

    def _source_of(self, pad: str) -> str:
        if pad in self._touch.sensors:
            return self._touch.sensors[pad]
        return "simulated camera" if pad in self._sensed else "simulated field"

    def _load_embedding(
        self, gels: Mapping[str, Gel]
    ) -> tuple[pca.Transform | None, AxesReading | None]:
        """The embedding that the station file names; what is wrong with it is told, not guessed."""
        if not self._touch.pca:
            return None, None
        try:
            found = pca.load(Path(self._touch.pca), GELSIGHT_MINI)
        except ConfigError as error:
            why = str(error).removeprefix(f"{Path(self._touch.pca)}: ")
            self._problem = f"No embedding. {why}"
            return None, None
        gel = next((one for one in gels.values() if one.grid == MarkerModel.GRID), None)
        if gel is None or found.components < AXES:
            return found, None
        return found, fit_axes(gel, found.matrix, found.mean)

    # ------------------------------------------------------------------------------- one round
    def step(self) -> float:
        """Take in what has come, publish, answer. Returns how long to `rest` at most [s]."""
        for name in self._inputs.look():
            self._begin_anew(name)
        if len(self._sensed) < len(self._pads):
            self._take_fields()
        self._take_markers()
        now_ns = self._clock.now_ns()
        self._server.poll(self._answer)
        if now_ns >= self._next_status_ns:
            self._next_status_ns = now_ns + _STATUS_NS
            self._hear()
            self._publisher.send(self.status(now_ns))
        return _PATIENT_S

    def _take_fields(self) -> None:
        for side, hand in self.hands.items():
            gap, wrist = self._of_hand(side)
            for pad in hand.pads:
                reader = self._inputs.get(f"{pad}_pad/tactile")
                if pad in self._sensed or reader is None or not reader.backlog:
                    continue
                drained = reader.drain()
                port = self.ports[pad]
                for t_ns, field in zip(drained.t_ns.tolist(), drained.data, strict=True):
                    self._publish(port, hand, port.feel.feel_field(t_ns, field), gap, wrist)

    def _take_markers(self) -> None:
        while True:
            try:
                seen = self._seen.get_nowait()
            except queue.Empty:
                return
            port = self.ports[seen.pad]
            hand = self.hands[self._pads[seen.pad]]
            if seen.markers is None and not seen.fault:
                port.fault, port.notice = "", seen.notice  # a picture, but nothing to be read in it
                hand.forget([seen.pad])
                continue
            if seen.markers is None:
                if port.fault != seen.fault:
                    port.fault = seen.fault
                    text = f"Touch sensor of {seen.pad}: {seen.fault}"
                    self._publisher.send(Event(self._clock.now_ns(), "gap", text, {}))
                hand.forget([seen.pad])
                continue
            port.fault, port.lost = "", seen.markers.lost
            port.source = self._watchers[seen.pad].label
            port.notice = seen.notice
            gap, wrist = self._of_hand(self._pads[seen.pad])
            offsets = np.asarray(seen.markers.offsets, dtype=np.float64)
            felt = port.feel.feel_markers(seen.markers.t_ns, offsets, seen.markers.valid)
            self._publish(port, hand, felt, gap, wrist)

    def _publish(self, port: PadPort, hand: HandFeel, felt: Felt, gap: float, wrist: float) -> None:
        hand.update({port.pad: felt}, gap, wrist, self._band)
        port.publish(felt, hand)

    def _of_hand(self, side: Side) -> tuple[float, float]:
        """Gap [m] and size of the force at the wrist [N]; NaN while nobody tells."""
        gap = self._inputs.newest(f"{side}_gripper/gap")
        wrench = self._inputs.newest(f"{side}_arm/wrench")
        return (
            math.nan if gap is None else float(gap.data[0]),
            math.nan if wrench is None else math.hypot(*wrench.data[:3].tolist()),
        )

    def _begin_anew(self, name: str) -> None:
        """The station has started (again): nothing of what was held before counts."""
        for side, hand in self.hands.items():
            if name == f"{side}_gripper/gap":
                on = hand.baseline.on
                hand.forget()
                hand.baseline.switch(not on)
                hand.baseline.switch(on)

    # --------------------------------------------------------------------------------- talking
    def _hear(self) -> None:
        for heard in self._statuses.poll():
            if isinstance(heard, StationStatus):
                self._band = heard.force_band

    def status(self, now_ns: int) -> TouchStatus:
        faults = [
            f"{port.pad.replace('_', ' ').capitalize()}: {port.fault}"
            for port in self.ports.values()
            if port.fault
        ]
        text = faults[0] if faults else self._problem or self._words()
        return TouchStatus(
            t_ns=now_ns,
            pads=tuple(self._reading(port, now_ns) for port in self.ports.values()),
            baseline_on=all(hand.baseline.on for hand in self.hands.values()),
            text=text,
            fault=bool(self._problem or faults),
        )

    def _words(self) -> str:
        if self._axes is None:
            return "" if self._embedding is not None else "No embedding: [touch] pca names none."
        return (
            "Embedding's axes as force: off by "
            f"{self._axes.error.normal:.1f} N normal, {self._axes.error.shear_x:.1f} N shear."
        )

    def _reading(self, port: PadPort, now_ns: int) -> PadReading:
        hand = self.hands[self._pads[port.pad]]
        felt = hand.newest.get(port.pad)
        live = felt is not None and now_ns - felt.t_ns < _SILENT_NS
        nan = math.nan
        load = felt.load if felt is not None and live else None
        axes = None
        if self._axes is not None and port.embedding is not None and live:
            axes = self._axes.read(port.embedding)
        return PadReading(
            pad=port.pad,
            source=port.source,
            normal_n=nan if load is None else load.normal,
            shear_x_n=nan if load is None else load.shear_x,
            shear_y_n=nan if load is None else load.shear_y,
            torsion_nm=nan if load is None else load.torsion,
            slip=nan if felt is None or not live else felt.slip,
            contact=felt is not None and live and felt.contact,
            band=hand.band if live else nan,
            baseline=hand.baseline.subtracts(port.pad),
            markers_lost=port.lost,
            rate_hz=port.rate_hz(now_ns),
            text=port.fault or port.notice or ("" if live else "No fresh data"),
            axes=axes,
            axes_error=None if self._axes is None else self._axes.error,
            fault=bool(port.fault),
        )

    def _answer(self, request: Request) -> Reply:
        match request:
            case Ping():
                return Ok()
            case Shutdown():
                self._child.stop("Touch was asked to end")
                return Ok()
            case GraspBaseline(on=on):
                for hand in self.hands.values():
                    hand.baseline.switch(on)
                return Ok(
                    "A held grasp is taken off what is shown."
                    if on
                    else "Touch is shown with the grasp."
                )
            case RezeroTouch(pad=pad):
                return self._rezero(pad)
        return Refused(f"Touch has no {type(request).__name__}.")

    def _rezero(self, pad: str) -> Reply:
        if pad and pad not in self.ports:
            raise ConfigError(f"There is no pad '{pad}'", allowed=list(self.ports))
        wanted = (pad,) if pad else tuple(self.ports)
        for name in wanted:
            if name in self._watchers:
                self._watchers[name].rezero()
            else:
                self.ports[name].feel.rezero()
        text = "Touch is zero as it is now" + (f" on {pad.replace('_', ' ')}." if pad else ".")
        self._publisher.send(Event(self._clock.now_ns(), "note", text, {"pad": pad}))
        return Ok(text)

    def close(self) -> None:
        for watcher in self._watchers.values():
            watcher.close()
        for port in self.ports.values():
            port.close()
        self._inputs.close()
        self._seen.close()
        self._bell.close()

    def rest(self, seconds: float) -> None:
        """Sleep for so long [s], or until the station has a new field."""
        self._bell.wait(seconds)


def gels_of(robot: Any, sensors: Mapping[str, str]) -> dict[str, Gel]:
    """The gel of each pad of a robot plug-in, with the sensors that the station file names."""
    return {
        pad: gel_of(kind_of(sensors.get(pad, "")), geometry) for pad, geometry in robot.pads.items()
    }


def follow_station(child: Child) -> None:
    """Feel until the child shall stop."""
    station = station_file.from_fields(child.options["station"], where="station file")
    robot = plugins.load("robots", station.robot)()
    process = TouchProcess(
        child,
        station.touch,
        dict(robot.pad_side),
        gels_of(robot, station.touch.sensors),
        SystemClock(),
    )
    real_time = RealTime(priority.TOUCH_RANK)
    with contextlib.closing(process), contextlib.closing(real_time):
        while not child.stopping.is_set():
            process.rest(process.step())
            real_time.keep()
