"""A made-up station: what tests and benchmarks record, and a child process that does it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from datasets import layout
from datasets.dataset import Dataset
from datasets.video import Packet, VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock, SystemClock
from devices.stream import StreamSpec

BITS = 16
TAKE_S = 1.5
FAST = StreamSpec("left_arm/q", (7,), "float64", "rad", "", 500.0)
TOUCH = StreamSpec("left_inner_pad/tactile", (7, 9, 3), "float32", "N", "pad", 125.0, kind="touch")


def camera(name: str, width: int, height: int, rate_hz: float = 30.0) -> StreamSpec:
    return StreamSpec(name, (height, width, 3), "uint8", "1", name, rate_hz, kind="image")


def barcode(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A picture that says its number in black and white blocks, 16 bits in a 4 x 4 grid."""
    bits = (number >> np.arange(BITS)) & 1
    blocks = bits.reshape(4, 4).astype(np.uint8) * 255
    grey = np.kron(blocks, np.ones((height // 4, width // 4), dtype=np.uint8))
    return np.repeat(grey[..., None], 3, axis=2)


def read_barcode(picture: npt.NDArray[np.uint8]) -> int:
    height, width = picture.shape[0] // 4, picture.shape[1] // 4
    centres = picture[height // 2 :: height, width // 2 :: width, 1][:4, :4]
    return int(((centres.reshape(-1) > 127).astype(np.int64) << np.arange(BITS)).sum())


def fast_rows(first: int, count: int) -> npt.NDArray[np.float64]:
    """Rows that say their number in every column."""
    return np.repeat(np.arange(first, first + count, dtype=np.float64)[:, None], 7, axis=1)


def touch_rows(first: int, count: int) -> npt.NDArray[np.float32]:
    numbers = np.arange(first, first + count, dtype=np.float32)
    return np.broadcast_to(numbers[:, None, None, None], (count, 7, 9, 3)).copy()


class Station:
    """Appends whatever is due at a time, so that what is in the file can be foretold.

    Args:
        extra: More streams of state, to make commits as wide as on the real station.
    """

    def __init__(self, width: int = 64, height: int = 48, extra: int = 0) -> None:
        self.rgb = camera("front/rgb", width, height)
        more = [StreamSpec(f"part_{n}/q", (7,), "float64", "rad", "", 500.0) for n in range(extra)]
        self.specs: Sequence[StreamSpec] = (FAST, TOUCH, self.rgb, *more)
        self._encoder = VideoEncoder(width, height, 30.0)
        self._rows = {spec.name: 0 for spec in self.specs}

    def append_due(self, writer: EpisodeWriter, since_ns: int, now_ns: int) -> None:
        """Rows k with time `since + k / rate` up to now."""
        for spec in self.specs:
            first = self._rows[spec.name]
            period_ns = NS_PER_S / spec.rate_hz
            count = int((now_ns - since_ns) / period_ns) - first
            if count <= 0:
                continue
            numbers = np.arange(first, first + count)
            times = since_ns + (numbers * period_ns).astype(np.int64)
            writer.append(spec.name, times, self._data(spec, first, count), first)
            self._rows[spec.name] += count

    def _data(
        self, spec: StreamSpec, first: int, count: int
    ) -> npt.NDArray[np.float64] | npt.NDArray[np.float32] | list[Packet]:
        if spec is TOUCH:
            return touch_rows(first, count)
        if spec.kind == "image":
            height, width, _ = spec.shape
            return [
                self._encoder.encode(barcode(n, width, height)) for n in range(first, first + count)
            ]
        return fast_rows(first, count)


def record_forever(root: Path, extra: int) -> None:
    """Record one episode after another until killed; prints each uid when it begins."""
    dataset = Dataset.open(root)
    clock = SystemClock()
    while True:
        uid = layout.new_uid(time.time_ns())
        station = Station(extra=extra)
        since_ns = clock.now_ns()
        writer = EpisodeWriter(dataset, uid, station.specs, {"task": "crash", "n": 1}, clock)
        print(uid, flush=True)
        while clock.now_ns() - since_ns < TAKE_S * NS_PER_S:
            station.append_due(writer, since_ns, clock.now_ns())
            writer.tick()
            clock.sleep_until_ns(clock.now_ns() + 5_000_000)
        writer.stop("stopped", "the time is over")


def record_once(root: Path, uid: str) -> None:
    """The same short take every time: 1.5 s, seven commits, an event, an end."""
    clock, station = FakeClock(), Station(extra=4)
    since_ns = clock.now_ns()
    writer = EpisodeWriter(Dataset.open(root), uid, station.specs, {"task": "x" * 5000}, clock)
    for _ in range(30):
        clock.advance_s(0.05)
        station.append_due(writer, since_ns, clock.now_ns())
        writer.tick()
    writer.event("note", "the end is near", clock.now_ns())
    writer.stop("stopped", "done")


if __name__ == "__main__":
    if layout.is_uid(sys.argv[2]):
        record_once(Path(sys.argv[1]), sys.argv[2])
    else:
        record_forever(Path(sys.argv[1]), int(sys.argv[2]))
