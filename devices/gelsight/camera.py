"""Cameras behind marker gels: the contract, and the USB cameras of GelSight Mini and MCTac."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import ConfigError, DeviceError
from devices.gelsight.kinds import GELSIGHT_MINI, PICTURE, SensorKind

BY_ID = Path("/dev/v4l/by-id")

_RETRY_NS = NS_PER_S  # between two tries to open a camera that is away
_LATENCY_NS = 35_000_000  # [ns] one picture of 30 a second, and the USB; declared, not measured


class MarkerCamera(Protocol):
    """A camera that sees a marker gel. Used by one thread."""

    @property
    def kind(self) -> SensorKind: ...

    @property
    def identity(self) -> str:
        """What stays the same when it is plugged in elsewhere."""
        ...

    @property
    def simulated(self) -> bool: ...

    @property
    def latency_ns(self) -> int:
        """From the middle of the exposure to the arrival [ns]; already taken off the times."""
        ...

    def connect(self) -> None:
        """Open it; DeviceError says what is there instead. Open already: nothing happens."""
        ...

    def read(self) -> tuple[int, npt.NDArray[np.uint8]] | None:
        """The next picture: when it was taken [ns, monotonic], RGB of shape (480, 640, 3).

        None when there is none yet. DeviceError while the camera is away or answers nonsense; go on
        reading, it is opened again by itself when it is back.
        """
        ...

    def close(self) -> None:
        """Let go of it; may be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A camera that is plugged in.

    Attributes:
        identity: Maker, product and serial number as the system tells them.
        path: Its stable name among the devices.
        kind: Of the sensor, where the name says it; None: a camera like any other, which an MCTac
            is too.
    """

    identity: str
    path: Path
    kind: SensorKind | None


def found(folder: Path = BY_ID) -> tuple[FoundCamera, ...]:
    """Cameras that are plugged in, sorted by identity.

    A USB camera has several device nodes; the one that gives pictures ends with index0.
    """
    if not folder.is_dir():
        return ()
    cameras = []
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(r"(?:usb-)?(.+)-video-index0", path.name)
        if match and path.exists():
            kind = GELSIGHT_MINI if "gelsight" in path.name.lower() else None
            cameras.append(FoundCamera(match[1], path, kind))
    return tuple(cameras)


class Capture(Protocol):
    """The part of OpenCV's VideoCapture that is used."""

    def isOpened(self) -> bool: ...
    def set(self, property_id: int, value: float) -> bool: ...
    def read(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


class UsbMarkerCamera:
    """A sensor on USB, opened through V4L2 by maker, product and serial number.

    Args:
        kind: Of the sensor.
        identity: As in `FoundCamera.identity`. Two cameras of one identity cannot be told apart,
            and the system lists one of them only.
        clock: Gives arrival times.
        size: Width and height of the pictures that are asked of the camera [px]. What comes in
            another size is refused; another size than 640 x 480 is scaled to it.
        rate_hz: Asked of the camera.
        latency_ns: Declared, see `MarkerCamera`.
        folder: Where the system lists cameras by identity.
        open_capture: Opens a device node; OpenCV unless a test says otherwise.
    """

    simulated = False

    def __init__(
        self,
        kind: SensorKind,
        identity: str,
        *,
        clock: Clock | None = None,
        size: tuple[int, int] = PICTURE,
        rate_hz: float = 30.0,
        latency_ns: int = _LATENCY_NS,
        folder: Path = BY_ID,
        open_capture: Callable[[Path, tuple[int, int], float], Capture] | None = None,
    ) -> None:
        if not identity or "/" in identity:
            raise ConfigError(
                f"'{identity}' is no identity of a camera",
                allowed=[camera.identity for camera in found(folder)],
                next_step=f"Take one that is listed in {folder}",
            )
        self.kind = kind
        self.identity = identity
        self.latency_ns = latency_ns
        self._size = size
        self._rate_hz = rate_hz
        self._folder = folder
        self._clock = clock or SystemClock()
        self._open = open_capture or _open_v4l2
        self._capture: Capture | None = None
        self._retry_ns = 0
        self._problem: DeviceError | None = None

    def connect(self) -> None:
        if self._capture is not None:
            return
        here = found(self._folder)
        path = next((camera.path for camera in here if camera.identity == self.identity), None)
        if path is None:
            raise DeviceError(
                f"The {self.kind.title} '{self.identity}' is not plugged in",
                allowed=[camera.identity for camera in here],
                next_step="Plug it in, or name one of the cameras that are there",
            )
        capture = self._open(path.resolve(), self._size, self._rate_hz)
        if not capture.isOpened():
            capture.release()
            raise DeviceError(
                f"The {self.kind.title} '{self.identity}' does not open ({path.resolve()})",
                next_step="Close the program that uses it, and see that you may read the device "
                "(group 'video')",
            )
        self._capture = capture

    def read(self) -> tuple[int, npt.NDArray[np.uint8]] | None:
        if self._capture is None:
            self._come_back()
        assert self._capture is not None
        came, picture = self._capture.read()
        t_ns = self._clock.now_ns() - self.latency_ns
        if not came or picture is None:
            self.close()
            self._retry_ns = self._clock.now_ns() + _RETRY_NS
            self._problem = DeviceError(
                f"The {self.kind.title} '{self.identity}' gives no pictures any more",
                next_step="Plug it in again; it comes back by itself, at any socket",
            )
            raise self._problem
        return t_ns, self._checked(picture)

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _come_back(self) -> None:
        """Open it, trying once a second; in between the last error is told again."""
        now, last = self._clock.now_ns(), self._problem
        if last is not None and now < self._retry_ns:
            raise DeviceError(last.what, allowed=last.allowed, next_step=last.next_step)
        self._retry_ns = now + _RETRY_NS
        try:
            self.connect()
        except DeviceError as error:
            self._problem = error
            raise
        self._problem = None

    def _checked(self, picture: Any) -> npt.NDArray[np.uint8]:
        """RGB of 640 x 480 out of the camera's BGR."""
        wide, high = self._size
        shape, dtype = getattr(picture, "shape", None), getattr(picture, "dtype", None)
        if shape != (high, wide, 3) or dtype != np.uint8:
            raise DeviceError(
                f"The {self.kind.title} '{self.identity}' sends pictures of {shape} {dtype}",
                allowed=[f"({high}, {wide}, 3) uint8"],
                next_step="Set the size of its pictures in the station file",
            )
        cv2 = importlib.import_module("cv2")
        if self._size != PICTURE:
            picture = cv2.resize(picture, PICTURE, interpolation=cv2.INTER_AREA)
        converted: npt.NDArray[np.uint8] = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        return converted


def _open_v4l2(path: Path, size: tuple[int, int], rate_hz: float) -> Capture:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise DeviceError(
            "A marker sensor needs OpenCV",
            next_step="Install it with: pip install opencv-python-headless",
        ) from error
    capture: Capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    capture.set(cv2.CAP_PROP_FPS, rate_hz)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old picture is worth nothing
    return capture
