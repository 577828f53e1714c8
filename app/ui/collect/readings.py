"""What the Collect place reads of a session: streams in, values for the widgets out. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.runtime.statuses import PadReading
from app.ui.collect.trace import Trace
from app.ui.place import SessionPort
from app.ui.view3d.ar import Box, PadTouch, TouchView
from app.ui.view3d.shot import RobotParts
from devices import plugins
from devices.clock import NS_PER_S
from devices.leader import SIDES, Side
from devices.pose import Pose
from devices.stream import FloatArray

STALE_NS = 300_000_000
NO_DATA = "No fresh data"
"""What the touch process says of a pad that is merely late."""
ASKED_NS = 250_000_000  # a request older than this is no request any more

CAMERAS = ("front", "wrist_left", "wrist_right")


@dataclass(frozen=True)
class Picture:
    """The newest picture of a camera.

    Attributes:
        rgb: (height, width, 3) uint8, read-only.
        seq: Its number; equal numbers are equal pictures.
        age_ms: Since it was taken.
    """

    rgb: npt.NDArray[np.uint8]
    seq: int
    age_ms: float


class RobotFacts:
    """What the screen must know about a robot: its parts, jaws and workspace."""

    def __init__(self, robot: Any) -> None:
        self.parts = RobotParts.of(robot)
        self.boxes: Mapping[Side, Box] = {
            side: Box(limits.workspace_min, limits.workspace_max)
            for side, limits in robot.limits.items()
        }
        self.gap_range: Mapping[Side, tuple[float, float]] = {
            side: (limits.gripper_min, limits.gripper_max) for side, limits in robot.limits.items()
        }

    @classmethod
    def named(cls, name: str) -> RobotFacts:
        """Facts of a robot plug-in. Raises ConfigError for an unknown one."""
        return cls(plugins.load("robots", name)())


class Readings:
    """Follows the streams of a session. Call `renew` once a frame, then read the values.

    Args:
        session: Whose streams to follow.
    """

    def __init__(self, session: SessionPort) -> None:
        self._session = session
        self.force: Mapping[Side, Trace] = {side: Trace() for side in SIDES}
        self.gap: Mapping[Side, Trace] = {side: Trace() for side in SIDES}
        self.progress = Trace(buckets=100)  # it comes 25 times a second
        self.state: FloatArray | None = None
        self.state_age_ns = 0

    def clear(self) -> None:
        """Another scene: forget what was."""
        for trace in (*self.force.values(), *self.gap.values(), self.progress):
            trace.clear()
        self.state = None

    def renew(self, now_ns: int) -> None:
        """Take in what has come since the last call. `now_ns`: [ns, monotonic]."""
        sample = self._session.latest("sim/state")
        if sample is not None:
            self.state = np.asarray(sample.data, dtype=np.float64)
            self.state_age_ns = now_ns - sample.t_ns
        for side in SIDES:
            self._follow(f"{side}_arm/wrench", self.force[side], now_ns, _force_of)
            self._follow(f"{side}_gripper/gap", self.gap[side], now_ns, _millimetres)
        self._follow("scene/progress", self.progress, now_ns, _percent)

    def touch(self, now_ns: int, parts: RobotParts) -> TouchView:
        """What is felt now; streams that have stopped are named as stale, never shown as zero."""
        stale: set[str] = set()
        told = {one.pad: one for one in self._session.touch.pads} if self._session.touch else {}
        pads: dict[str, PadTouch] = {}
        bands: dict[Side, str] = {}
        silent: dict[str, str] = {}
        doubtful: set[str] = set()
        for pad in parts.pad_site:
            moved = self._fresh(f"{pad}_pad/deformation", now_ns, STALE_NS, stale)
            reading = self._fresh(f"{pad}_pad/reading", now_ns, STALE_NS, stale)
            says = told.get(pad)
            if moved is None or reading is None:
                silent[pad] = _silence(says, f"{pad}_pad/reading" in stale)
                continue
            source, lost = ("", 0) if says is None else (says.source, says.markers_lost)
            pads[pad] = PadTouch(moved, reading, source, lost)
            if says is not None and says.text:
                doubtful.add(pad)
            if pads[pad].band:
                bands[parts.pad_side[pad]] = pads[pad].band
        wrench: dict[Side, FloatArray] = {}
        for side in SIDES:
            data = self._fresh(f"{side}_arm/wrench", now_ns, STALE_NS, stale)
            if data is not None:
                wrench[side] = np.asarray(data, dtype=np.float64)
        station = self._session.station
        band = station.force_band if station is not None else None
        note, fault = self._touch_note(bool(pads), bool(stale))
        return TouchView(
            pads, wrench, band, frozenset(stale), bands, silent, frozenset(doubtful), note, fault
        )

    def _touch_note(self, some: bool, stale: bool) -> tuple[str, bool]:
        """What is to be said of touch, and whether it is a fault."""
        status = self._session.touch
        if status is None:
            return ("", False) if some else ("Touch is not running: no field is shown", True)
        if status.fault:
            return status.text, True
        said = [
            f"{one.pad.replace('_', ' ').capitalize()}: {one.text}"
            for one in status.pads
            if one.text and one.text != NO_DATA
        ]
        if said:
            return said[0], False
        if not some:
            return "Touch gets no fresh data" if stale else "Touch is waiting for the pads", stale
        return "", False

    def asked(self, now_ns: int) -> dict[Side, Pose]:
        """`T_world_tool` that each hand asks for now; absent where nobody asks."""
        found: dict[Side, Pose] = {}
        for side in SIDES:
            data = self._fresh(f"{side}_arm/T_world_tool_requested", now_ns, ASKED_NS, set())
            if data is not None and np.isfinite(data).all():
                found[side] = Pose.from_array(data)
        return found

    def closed(self, side: Side, gap_range: tuple[float, float]) -> float | None:
        """How far the jaws are closed, 0 open ... 1 closed, or None when nobody knows."""
        sample = self._session.latest(f"{side}_gripper/gap")
        if sample is None:
            return None
        low, high = gap_range
        return float(np.clip((high - float(sample.data[0])) / (high - low), 0.0, 1.0))

    def picture(self, camera: str, now_ns: int) -> Picture | None:
        """The newest picture of a camera, or None when it has none."""
        sample = self._session.latest(f"{camera}/rgb")
        if sample is None:
            return None
        return Picture(sample.data, sample.seq, (now_ns - sample.t_ns) / 1e6)

    # --------------------------------------------------------------------------------- inside
    def _fresh(
        self, stream: str, now_ns: int, limit_ns: int, stale: set[str]
    ) -> npt.NDArray[Any] | None:
        sample = self._session.latest(stream)
        if sample is None:
            return None
        if now_ns - sample.t_ns > limit_ns:
            stale.add(stream)
            return None
        return sample.data

    def _follow(self, stream: str, trace: Trace, now_ns: int, value_of: Any) -> None:
        begin = trace.last_t_ns + 1 if trace.last_t_ns else now_ns - 10 * NS_PER_S
        drained = self._session.since(stream, begin)
        if drained is not None and len(drained.t_ns):
            trace.add(drained.t_ns, value_of(drained.data))


def _silence(says: PadReading | None, stale: bool) -> str:
    """Why a pad tells nothing, in words that fit on its gel; "" while it has told nothing yet."""
    if says is not None and says.fault:
        return "Sensor away"
    if says is not None and says.text and says.text != NO_DATA:
        return "Gel unreadable"
    return "No fresh data" if stale else ""


def _force_of(wrench: npt.NDArray[Any]) -> FloatArray:
    return np.linalg.norm(np.asarray(wrench, dtype=np.float64)[:, :3], axis=1)


def _millimetres(gap: npt.NDArray[Any]) -> FloatArray:
    return 1e3 * np.asarray(gap, dtype=np.float64)[:, 0]


def _percent(progress: npt.NDArray[Any]) -> FloatArray:
    return 100.0 * np.clip(np.asarray(progress, dtype=np.float64)[:, 0], 0.0, 1.0)
