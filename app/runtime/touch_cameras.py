"""Cameras behind gels for the touch process: real ones by identity, simulated ones by field."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from app.runtime.rundir import RunDir
from devices.clock import Clock
from devices.errors import StreamError
from devices.feel import Gel
from devices.gelsight.camera import UsbMarkerCamera
from devices.gelsight.gel import Gel as CameraGel
from devices.gelsight.kinds import GELSIGHT_MINI, MCTAC, PICTURE, SensorKind
from devices.gelsight.sensor import MarkerSensor
from devices.gelsight.simulated_camera import SimulatedCamera
from devices.ring import RingReader
from devices.touch import FieldArray, PadGeometry


def kind_of(identity: str) -> SensorKind:
    """Which sensor a camera of that identity is: a GelSight says so in its name, an MCTac has a
    camera like any other. "" is a simulated camera, which is a GelSight Mini."""
    return GELSIGHT_MINI if not identity or "gelsight" in identity.lower() else MCTAC


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

    def __init__(self, run: RunDir, pad: str, clock: Clock, rate_hz: float) -> None:
        self._newest = NewestField(run, pad)
        seed = zlib.crc32(pad.encode())  # another gel for each pad, the same in every run
        super().__init__(
            SimulatedCamera(
                GELSIGHT_MINI, self._newest, clock, identity=pad, rate_hz=rate_hz, seed=seed
            )
        )

    def close(self) -> None:
        super().close()
        self._newest.close()


def sensor_opener(
    pad: str, identity: str, run: RunDir, clock: Clock, rate_hz: float
) -> Callable[[], MarkerSensor]:
    """What makes the sensor of a pad: the camera of that identity, or a simulated one for ""."""
    if identity:
        return lambda: MarkerSensor(
            UsbMarkerCamera(kind_of(identity), identity, clock=clock, rate_hz=rate_hz)
        )
    return lambda: SimulatedSensor(run, pad, clock, rate_hz)
