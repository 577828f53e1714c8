"""Cameras behind gels for the touch process: real ones by identity, simulated ones by field."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from app.runtime.rundir import RunDir
from devices.clock import NS_PER_S, Clock
from devices.errors import ConfigError, StreamError
from devices.feel import Gel
from devices.gelsight.camera import UsbMarkerCamera
from devices.gelsight.gel import Gel as CameraGel
from devices.gelsight.kinds import GELSIGHT_MINI, MCTAC, PICTURE, SensorKind
from devices.gelsight.pictures import Look
from devices.gelsight.sensor import MarkerSensor
from devices.gelsight.simulated_camera import SimulatedCamera
from devices.gelsight.tracker import Markers
from devices.ring import RingReader
from devices.touch import FieldArray, PadGeometry

SIMULATED = "simulated"
_FAULTS: dict[str, Look] = {
    "": Look(),
    "upside down": Look(upside_down=True),
    "mirrored": Look(mirrored=True),
    "covered": Look(occluded=((0, 0, 640, 330),)),
    "loose plug": Look(),
}
_LOOSE_NS = 4 * NS_PER_S  # a loose plug makes contact for so long, and loses it for as long


def kind_of(identity: str) -> SensorKind:
    """Which sensor a camera of that identity is: a GelSight says so in its name, an MCTac has a
    camera like any other. "" and "simulated..." are simulated cameras of a GelSight Mini."""
    simulated = not identity or identity.startswith(SIMULATED)
    return GELSIGHT_MINI if simulated or "gelsight" in identity.lower() else MCTAC


def simulated_look(identity: str) -> Look | None:
    """Look of a simulated camera by the name that the station file gives it: "simulated", or with
    what is wrong with it, as "simulated, upside down". None for a real one.

    Raises:
        ConfigError: For a fault that nobody knows how to simulate.
    """
    if identity and not identity.startswith(SIMULATED):
        return None
    fault = identity.removeprefix(SIMULATED).removeprefix(",").strip()
    if fault not in _FAULTS:
        raise ConfigError(
            f"There is no simulated sensor '{identity}'",
            allowed=[SIMULATED, *(f"{SIMULATED}, {name}" for name in _FAULTS if name)],
        )
    return _FAULTS[fault]


def gel_of(kind: SensorKind, pad: PadGeometry) -> Gel:
    """The gel of a sensor on a pad."""
    told = CameraGel(kind, pad)
    fields = np.eye(pad.rows * pad.columns * 3).reshape(-1, pad.rows, pad.columns, 3)
    return Gel(
        model=told.model,
        grid=(kind.rows, kind.columns),
        picture_pitch=(kind.pitch[0] / PICTURE[0], kind.pitch[1] / PICTURE[1]),
        matrix=np.stack([told.offsets(one).ravel() for one in fields], axis=1),
    )


class NewestField:
    """The newest field of a simulated pad, as a simulated camera asks for it. Used by one thread.

    Args:
        run: The run folder.
        pad: Whose.
    """

    def __init__(self, run: RunDir, pad: str) -> None:
        self._path = run.ring(f"{pad}_pad/tactile")
        self._reader: RingReader | None = None

    def __call__(self) -> tuple[int, FieldArray] | None:
        if self._reader is not None and self._reader.replaced():
            self.close()
        if self._reader is None:
            try:
                self._reader = RingReader(self._path)
            except StreamError:
                return None  # the station has not made it yet
        sample = self._reader.latest()
        return None if sample is None else (sample.t_ns, sample.data)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class SimulatedSensor(MarkerSensor):
    """A marker sensor with a simulated camera, which lets go of its ring when closed."""

    def __init__(
        self, run: RunDir, pad: str, clock: Clock, rate_hz: float, identity: str = ""
    ) -> None:
        self._newest = NewestField(run, pad)
        self._clock = clock
        self._loose = identity.endswith("loose plug")
        self._begin_ns = clock.now_ns()
        seed = zlib.crc32(pad.encode())  # another gel for each pad, the same in every run
        self._simulated_camera = SimulatedCamera(
            GELSIGHT_MINI,
            self._newest,
            clock,
            identity=pad,
            rate_hz=rate_hz,
            look=simulated_look(identity),
            seed=seed,
        )
        super().__init__(self._simulated_camera)

    def poll(self) -> Markers | None:
        if self._loose:
            passed = (self._clock.now_ns() - self._begin_ns) // _LOOSE_NS
            self._simulated_camera.plugged_in = passed % 2 == 0
        return super().poll()

    def close(self) -> None:
        super().close()
        self._newest.close()


def sensor_opener(
    pad: str, identity: str, run: RunDir, clock: Clock, rate_hz: float
) -> Callable[[], MarkerSensor]:
    """What makes the sensor of a pad: the camera of that identity, or a simulated one."""
    if simulated_look(identity) is None:
        return lambda: MarkerSensor(
            UsbMarkerCamera(kind_of(identity), identity, clock=clock, rate_hz=rate_hz)
        )
    return lambda: SimulatedSensor(run, pad, clock, rate_hz, identity)
