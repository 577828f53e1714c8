"""A marker camera without a camera: pictures drawn from a field of forces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S, Clock
from devices.errors import DeviceError
from devices.gelsight.gel import Gel
from devices.gelsight.kinds import SensorKind
from devices.gelsight.pictures import Look, MarkerPictures
from devices.touch import FieldArray


class SimulatedCamera:
    """Draws what the camera of a simulated pad would see.

    Args:
        kind: Of the sensor.
        field: The pad's newest field of forces, when it was measured [ns] and its values of shape
            (7, 9, 3) [N]; None: there is none, and no picture either.
        clock: For the rate.
        identity: Of this camera; the pad's name is a good one.
        rate_hz: Pictures a second. A field is drawn once.
        look: Of the pictures.
        seed: Of noise and irregularities.
    """

    simulated = True
    latency_ns = 0

    def __init__(
        self,
        kind: SensorKind,
        field: Callable[[], tuple[int, FieldArray] | None],
        clock: Clock,
        *,
        identity: str = "simulated",
        rate_hz: float = 60.0,
        look: Look | None = None,
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self.identity = identity
        self.plugged_in = True  # tests and demonstrations pull the plug
        self._field = field
        self._clock = clock
        self._period_ns = round(NS_PER_S / rate_hz)
        self._gel = Gel(kind)
        self._pictures = MarkerPictures(kind, look, seed)
        self._next_ns = 0
        self._drawn_ns: int | None = None

    def connect(self) -> None:
        if not self.plugged_in:
            raise DeviceError(
                f"The simulated {self.kind.title} '{self.identity}' is not plugged in",
                next_step="Plug it in again; it comes back by itself",
            )

    def look_like(self, look: Look, seed: int = 0) -> None:
        """Another look from the next picture on (a lamp fails, something covers the gel)."""
        self._pictures = MarkerPictures(self.kind, look, seed)

    def read(self) -> tuple[int, npt.NDArray[np.uint8]] | None:
        self.connect()
        now = self._clock.now_ns()
        if now < self._next_ns:
            return None
        newest = self._field()
        if newest is None or newest[0] == self._drawn_ns:
            return None
        self._drawn_ns, field = newest
        self._next_ns = max(self._next_ns + self._period_ns, now + self._period_ns // 2)
        return self._drawn_ns, self._pictures.draw(self._gel.offsets(field), self._gel.depth(field))

    def close(self) -> None:
        """Nothing is held."""
