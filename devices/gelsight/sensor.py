"""A marker sensor: camera in, markers out, with what can be said about its health."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from devices.clock import NS_PER_S
from devices.errors import DeviceError
from devices.gelsight.camera import MarkerCamera
from devices.gelsight.grid import Grid, Orientation
from devices.gelsight.kinds import SensorKind
from devices.gelsight.markers import Refused
from devices.gelsight.tracker import Markers, MarkerTracker

_RECENT = 60  # pictures that the rate is told from
_UNEVEN = 3.0  # [px] residual of the rest above which the gel was probably touched
_OFF = 0.3  # pitches off its place above which the gel's orientation is a guess


@dataclass(frozen=True, slots=True)
class SensorState:
    """How a sensor is doing.

    Attributes:
        connected: The camera gave a picture at the last poll, or had none yet.
        pictures: Seen since the start.
        refused: Of these, how many told nothing.
        why_refused: The last reason; "" before any.
        rate_hz: Of the last pictures [1/s]; 0 before two.
        lost: Markers not seen in the last picture.
        orientation: How the gel lies; None before the first rest.
        notice: What the operator should know; "" when all is well.
    """

    connected: bool
    pictures: int
    refused: int
    why_refused: str
    rate_hz: float
    lost: int
    orientation: Orientation | None
    notice: str


class MarkerSensor:
    """Polls a camera and follows its markers. Used by one thread.

    Args:
        camera: Of the sensor; it is opened at the first poll.
    """

    def __init__(self, camera: MarkerCamera) -> None:
        self._camera = camera
        self._tracker = MarkerTracker(camera.kind)
        self._times: deque[int] = deque(maxlen=_RECENT)
        self._connected = False
        self._pictures = 0
        self._refused = 0
        self._why = ""
        self._last_refused = False
        self._lost = 0

    @property
    def kind(self) -> SensorKind:
        return self._camera.kind

    @property
    def identity(self) -> str:
        return self._camera.identity

    @property
    def simulated(self) -> bool:
        return self._camera.simulated

    def poll(self) -> Markers | None:
        """The markers of the next picture; None when there is none, or it was refused.

        Raises:
            DeviceError: While the camera is away. Go on polling: it comes back by itself, and the
                rest stays as it was.
        """
        try:
            taken = self._camera.read()
        except DeviceError:
            self._connected = False
            self._times.clear()
            self._tracker.interrupted()
            raise
        self._connected = True
        if taken is None:
            return None
        t_ns, picture = taken
        self._pictures += 1
        self._times.append(t_ns)
        markers = self._tracker.track(picture, t_ns)
        self._last_refused = isinstance(markers, Refused)
        if isinstance(markers, Refused):
            self._refused += 1
            self._why = markers.reason
            return None
        self._lost = markers.lost
        return markers

    def rezero(self) -> None:
        """Take the next good picture as rest: nothing should touch the gel.

        May be called from another thread than the one that polls.
        """
        self._tracker.rezero()

    def close(self) -> None:
        """Let go of the camera; may be called twice."""
        self._connected = False
        self._camera.close()

    @property
    def rest(self) -> Grid | None:
        """The gel at rest; None before the first good picture and while a new rest is awaited."""
        return self._tracker.rest

    @property
    def state(self) -> SensorState:
        rest = self._tracker.rest
        return SensorState(
            connected=self._connected,
            pictures=self._pictures,
            refused=self._refused,
            why_refused=self._why,
            rate_hz=self._rate_hz(),
            lost=self._lost,
            orientation=None if rest is None else rest.orientation,
            notice=self._notice(rest),
        )

    def _rate_hz(self) -> float:
        if len(self._times) < 2 or self._times[-1] <= self._times[0]:
            return 0.0
        return (len(self._times) - 1) * NS_PER_S / (self._times[-1] - self._times[0])

    def _notice(self, rest: Grid | None) -> str:
        if self._last_refused:
            return f"The gel cannot be read: {self._why}."
        if rest is None:
            return ""
        if rest.off > _OFF * min(self.kind.pitch):
            return (
                f"The gel lies {rest.off:.0f} px off its usual place. "
                "Seat it as the sensor's manual says, and re-zero."
            )
        if rest.orientation == "upside_down":
            return "The gel is upside down. Take it out, turn it by half a turn, and re-zero."
        if rest.orientation == "mirrored":
            return "The picture is mirrored. Switch that off in the camera's settings, and re-zero."
        if rest.residual > _UNEVEN:
            return "The gel was not at rest when it was zeroed. Let go of it, and re-zero."
        return ""
