"""What all camera processes share: one ring a camera, a status, and requests to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy.typing as npt

from app.runtime.child import Child
from app.runtime.requests import Ok, Ping, Refused, Reply, Request, Shutdown
from app.runtime.rings import RingSet, ring_capacity
from app.runtime.statuses import CameraStatus
from devices.clock import NS_PER_S, Clock
from devices.ring import RingWriter
from devices.stream import StreamSpec

_STATUS_NS = NS_PER_S // 20


def camera_stream(camera: str) -> str:
    """Name of the stream of a camera."""
    return f"{camera}/rgb"


class CameraOutlet:
    """Rings and status of the cameras of one process.

    Args:
        child: Folder, bus, and the reason to end.
        clock: The clock of the samples.

    Attributes:
        renderer, detail, text: What the status says of how pictures are made.
    """

    def __init__(self, child: Child, clock: Clock) -> None:
        self._child = child
        self._clock = clock
        self._server = child.bus.server("cameras")
        self._publisher = child.bus.publisher("cameras")
        self._rings = RingSet(child.run, clock)
        self._writers: dict[str, RingWriter] = {}
        self._next_status_ns = 0
        self.renderer = ""
        self.detail = ""
        self.text = "Starting."

    def open(self, cameras: Sequence[str], width: int, height: int, rate_hz: float) -> None:
        """Make the rings anew, for pictures (height, width, 3) at `rate_hz` [Hz].

        Raises:
            StreamError: When memory does not suffice.
        """
        self.close_rings()
        for camera in cameras:
            spec = StreamSpec(
                name=camera_stream(camera),
                shape=(height, width, 3),
                dtype="uint8",
                unit="RGB",
                frame=camera,
                rate_hz=rate_hz,
                kind="image",
            )
            path = self._child.run.ring(spec.name)
            self._writers[camera] = RingWriter(path, spec, ring_capacity(spec))

    def publish(self, t_ns: int, pictures: Mapping[str, npt.ArrayLike]) -> None:
        """One picture a camera.

        Args:
            t_ns: When the shutters opened: the time of the state that is shown [ns, monotonic].
            pictures: By camera, shape (height, width, 3), RGB.
        """
        for camera, picture in pictures.items():
            self._writers[camera].publish(t_ns, picture)

    def serve(self) -> None:
        """Answer requests; tell the status when it is time."""
        self._server.poll(self._answer)
        self._rings.refresh()
        now = self._clock.now_ns()
        if now < self._next_status_ns:
            return
        self._next_status_ns = now + _STATUS_NS
        mine = {writer.spec.name for writer in self._writers.values()}
        health = tuple(one for one in self._rings.health({}) if one.name in mine)
        self._publisher.send(CameraStatus(now, self.renderer, self.detail, health, self.text))

    def close_rings(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def close(self) -> None:
        self.close_rings()
        self._rings.close()

    def _answer(self, request: Request) -> Reply:
        match request:
            case Ping():
                return Ok()
            case Shutdown():
                self._child.stop("The cameras were asked to end")
                return Ok()
        return Refused(f"Cameras have no {type(request).__name__}.")
