"""Pictures of the cameras as panels in the headset: the newest, as JPEG, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from devices.clock import NS_PER_S
from devices.errors import TeledeckError
from devices.ring import RingReader
from devices.tactar.calibration import Calibration
from devices.tactar.overlay import Place, panel_pose, preset
from devices.tactar.sender import Sender
from devices.tactar.wire import Panel

QUALITY: Final = 30
"""JPEG quality; the published system sends 10 to 30."""

MAX_HZ: Final = 24.0
"""No more pictures a second than the published system sends."""

_SIZE: Final = (320, 240)  # [px] at most
_UNITS: Final = 100.0  # a panel of scale 1 is 100 m wide


class Panels:
    """Which cameras hang where, and their newest pictures on the way.

    Args:
        rings: All rings of the run.

    Attributes:
        name: Of the preset.
        missing: Cameras of the preset that give no picture.
    """

    def __init__(self, rings: Mapping[str, RingReader]) -> None:
        self._rings = rings
        self._places: tuple[Place, ...] = ()
        self._heads: dict[str, int] = {}
        self._due_ns = 0
        self._busy: asyncio.Task[None] | None = None
        self.name = "off"
        self.missing: tuple[str, ...] = ()
        self.fault = ""

    def choose(self, name: str) -> None:
        """Raises ConfigError for a preset that does not exist."""
        self._places = preset(name)
        self.name = name
        self.again()

    def again(self) -> None:
        """The app has thrown its panels away: send all of them."""
        self._heads.clear()
        self._due_ns = 0

    def step(self, sender: Sender, calibration: Calibration | None, now_ns: int) -> None:
        """Begin to send what is new, unless the last is still under way. Never waits."""
        busy = self._busy is not None and not self._busy.done()
        if not self._places or busy or now_ns < self._due_ns:
            return
        taken: list[tuple[Place, npt.NDArray[np.uint8]]] = []
        missing = []
        for place in self._places:
            ring = self._rings.get(f"{place.camera}/rgb")
            if ring is None or ring.head == 0:
                missing.append(place.camera)
                continue
            if ring.head == self._heads.get(place.camera):
                continue
            head = ring.head
            sample = ring.latest()
            if sample is not None and sample.data.ndim == 3:
                self._heads[place.camera] = head
                taken.append((place, sample.data))
        self.missing = tuple(missing)
        if not taken:
            return
        self._due_ns = max(self._due_ns + round(NS_PER_S / MAX_HZ), now_ns)
        self._busy = asyncio.get_running_loop().create_task(self._send(taken, sender, calibration))

    async def close(self) -> None:
        """Let what is under way end."""
        if self._busy is not None:
            await asyncio.gather(self._busy, return_exceptions=True)
            self._busy = None

    async def _send(
        self,
        taken: list[tuple[Place, npt.NDArray[np.uint8]]],
        sender: Sender,
        calibration: Calibration | None,
    ) -> None:
        try:
            pictures = [picture for _, picture in taken]
            # In a thread: an encoder lets go of the interpreter, and posts must not wait for it.
            images = await asyncio.to_thread(_encode, pictures)
            panels = [
                _panel(place, image, picture.shape, calibration)
                for (place, picture), image in zip(taken, images, strict=True)
            ]
            sender.send_panels(panels)
            self.fault = ""
        except (cv2.error, OSError, TeledeckError) as error:
            self.fault = f"Panels are not sent: {error}"


def _encode(pictures: list[npt.NDArray[np.uint8]]) -> list[bytes]:
    images = []
    for picture in pictures:
        height, width = picture.shape[:2]
        share = min(1.0, _SIZE[0] / width, _SIZE[1] / height)
        size = (max(1, round(share * width)), max(1, round(share * height)))
        small = picture
        if size != (width, height):
            small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
        done, image = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise cv2.error("the picture cannot be written as JPEG")
        images.append(image.tobytes())
    return images


def _panel(
    place: Place, image: bytes, shape: tuple[int, ...], calibration: Calibration | None
) -> Panel:
    position, rotation = panel_pose(place, calibration)
    width = place.width / _UNITS
    return Panel(
        id=place.camera,
        image=image,
        position=position,
        rotation=rotation,
        scale=(width, width * shape[0] / shape[1], width / 2),
    )
