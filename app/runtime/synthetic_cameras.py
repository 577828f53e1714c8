"""Synthetic cameras: pictures that carry their own number, for benchmarks and fault tests.

Same rings, same status, same requests as `app.runtime.cameras`. Every picture shows its sequence
number as black and white blocks that survive compression, so that a picture stored in the wrong
row gives itself away.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from app.runtime.child import Child, run_child
from app.runtime.messages import CameraStatus, Ok, Ping, Refused, Reply, Request, Shutdown
from app.runtime.rings import RingSet, ring_capacity
from devices.clock import NS_PER_S, Clock, SystemClock
from devices.ring import RingWriter
from devices.stream import StreamSpec

ImageArray = npt.NDArray[np.uint8]

CODE_COLUMNS = 12
CODE_ROWS = 2
"""24 bits, most significant first, in two rows of blocks over the upper quarter of the picture."""

_STATUS_NS = NS_PER_S // 20
_BACKGROUNDS = 16


class SyntheticOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the cameras show. Sizes in pixels, rate in Hz."""

    names: tuple[str, ...] = ("front", "wrist_left", "wrist_right")
    width: int = 640
    height: int = 480
    rate_hz: float = 30.0


def draw_code(picture: ImageArray, number: int) -> None:
    """Write `number` (modulo 2^24) into the upper quarter of an RGB picture (height, width, 3)."""
    block_height, block_width = _block(picture)
    bits = CODE_ROWS * CODE_COLUMNS
    pattern = np.array([number >> (bits - 1 - i) & 1 for i in range(bits)], dtype=np.uint8) * 255
    blocks = pattern.reshape(CODE_ROWS, CODE_COLUMNS)
    area = np.repeat(np.repeat(blocks, block_height, axis=0), block_width, axis=1)
    picture[: area.shape[0], : area.shape[1]] = area[:, :, None]


def read_code(picture: ImageArray) -> int:
    """The number that `draw_code` wrote into the picture."""
    block_height, block_width = _block(picture)
    number = 0
    for i in range(CODE_ROWS * CODE_COLUMNS):
        top, left = (i // CODE_COLUMNS) * block_height, (i % CODE_COLUMNS) * block_width
        middle = picture[
            top + block_height // 4 : top + 3 * block_height // 4,
            left + block_width // 4 : left + 3 * block_width // 4,
        ]
        number = number << 1 | int(middle.mean() > 127)
    return number


def _block(picture: ImageArray) -> tuple[int, int]:
    height, width, _ = picture.shape
    return height // (4 * CODE_ROWS), width // CODE_COLUMNS


class SyntheticCameras:
    """Rings full of numbered pictures. `step` publishes one picture a camera.

    Args:
        child: Folder and bus.
        options: What to show.
        clock: The clock of the samples.
    """

    def __init__(self, child: Child, options: SyntheticOptions, clock: Clock) -> None:
        self._child = child
        self._clock = clock
        self._options = options
        self._server = child.bus.server("cameras")
        self._publisher = child.bus.publisher("cameras")
        self._rings = RingSet(child.run, clock)
        shape = (options.height, options.width, 3)
        self._backgrounds = _backgrounds(shape)
        self._writers: list[RingWriter] = []
        for name in options.names:
            spec = StreamSpec(
                f"{name}/rgb", shape, "uint8", "RGB", name, options.rate_hz, kind="image"
            )
            path = child.run.ring(spec.name)
            self._writers.append(RingWriter(path, spec, ring_capacity(spec)))
        self._next_status_ns = 0

    def step(self) -> None:
        """Publish the next picture of every camera, answer requests, tell the status."""
        now = self._clock.now_ns()
        for writer in self._writers:
            picture = self._backgrounds[writer.head % _BACKGROUNDS]
            draw_code(picture, writer.head)
            writer.publish(now, picture)
        self._server.poll(self._answer)
        self._rings.refresh()
        if now >= self._next_status_ns:
            self._next_status_ns = now + _STATUS_NS
            mine = {writer.spec.name for writer in self._writers}
            health = tuple(one for one in self._rings.health({}) if one.name in mine)
            self._publisher.send(
                CameraStatus(now, "none", "synthetic", health, "Numbered test pictures")
            )

    def close(self) -> None:
        self._rings.close()
        for writer in self._writers:
            writer.close()

    def _answer(self, request: Request) -> Reply:
        match request:
            case Ping():
                return Ok()
            case Shutdown():
                self._child.stop("Asked to end")
                return Ok()
        return Refused(f"Cameras have no {type(request).__name__}.")


def _backgrounds(shape: Sequence[int]) -> list[ImageArray]:
    """Smooth structure that moves, with a little noise: about as hard to encode as a room."""
    height, width, _ = shape
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    found = []
    for i in range(_BACKGROUNDS):
        phase = 2 * np.pi * i / _BACKGROUNDS
        waves = [np.sin(x / (20 + 9 * c) + phase) + np.cos(y / (31 - 5 * c)) for c in range(3)]
        picture = 128 + 50 * np.stack(waves, axis=-1) + rng.normal(0, 2, (height, width, 1))
        found.append(np.clip(picture, 0, 255).astype(np.uint8))
    return found


def work(child: Child) -> None:
    """Publish at the wished rate until the child shall stop."""
    options = msgspec.convert(child.options, SyntheticOptions)
    clock = SystemClock()
    cameras = SyntheticCameras(child, options, clock)
    with contextlib.closing(cameras):
        period_ns = round(NS_PER_S / options.rate_hz)
        next_ns = clock.now_ns()
        while not child.stopping.is_set():
            cameras.step()
            next_ns = max(next_ns + period_ns, clock.now_ns() - period_ns)
            clock.sleep_until_ns(next_ns)


if __name__ == "__main__":
    sys.exit(run_child("cameras", work))
