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

from app.runtime.camera_outlet import CameraOutlet
from app.runtime.child import Child, run_child
from devices.clock import NS_PER_S, SystemClock

ImageArray = npt.NDArray[np.uint8]

CODE_COLUMNS = 12
CODE_ROWS = 2
"""24 bits, most significant first, in two rows of blocks over the upper quarter of the picture."""

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
    """Numbered pictures, the number being that of the row they shall be stored in.

    Args:
        options: What to show.
    """

    def __init__(self, options: SyntheticOptions) -> None:
        self._names = options.names
        self._number = 0
        self._backgrounds = _backgrounds((options.height, options.width, 3))

    def next(self) -> dict[str, ImageArray]:
        """The next picture, the same for every camera."""
        picture = self._backgrounds[self._number % _BACKGROUNDS]
        draw_code(picture, self._number)
        self._number += 1
        return dict.fromkeys(self._names, picture)


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
    cameras = SyntheticCameras(options)
    with contextlib.closing(CameraOutlet(child, clock)) as outlet:
        outlet.renderer, outlet.detail = "none", "synthetic"
        outlet.text = "Numbered test pictures."
        outlet.open(options.names, options.width, options.height, options.rate_hz)
        period_ns = round(NS_PER_S / options.rate_hz)
        next_ns = clock.now_ns()
        while not child.stopping.is_set():
            outlet.publish(clock.now_ns(), cameras.next())
            outlet.serve()
            next_ns = max(next_ns + period_ns, clock.now_ns() - period_ns)
            clock.sleep_until_ns(next_ns)


if __name__ == "__main__":
    sys.exit(run_child("cameras", work))
