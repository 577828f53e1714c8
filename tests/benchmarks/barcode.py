"""`python -m tests.benchmarks.barcode --rows 10000`: does every row show its own picture?

Every frame carries its number as black and white blocks over a moving picture. Frames go through
encoder, writer, file and reader; all rows are read in order and some at random, while another
process keeps the machine busy.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from datasets import layout
from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.video import VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock
from tests.benchmarks.results import spread, write
from tests.data.recording import barcode, camera, read_barcode

WIDTH, HEIGHT, RATE_HZ = 640, 480, 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--random-reads", type=int, default=500)
    parser.add_argument("--load", type=int, default=1, help="processes that keep cores busy")
    options = parser.parse_args()
    over = multiprocessing.Event()
    load = [multiprocessing.Process(target=_burn, args=(over,)) for _ in range(options.load)]
    for process in load:
        process.start()
    try:
        with tempfile.TemporaryDirectory(prefix="teledeck-barcode-") as folder:
            write("barcode", measure(Path(folder), options.rows, options.random_reads))
    finally:
        over.set()
        for process in load:
            process.join()


def measure(folder: Path, rows: int, random_reads: int) -> dict[str, object]:
    """Write, read back, count wrong pictures."""
    dataset = Dataset.create(folder / "set")
    clock = FakeClock()
    uid = layout.new_uid(time.time_ns())
    encoder = VideoEncoder(WIDTH, HEIGHT, RATE_HZ)
    background = _scene()
    begun, encoding_s = time.perf_counter(), 0.0
    with EpisodeWriter(dataset, uid, [camera("front/rgb", WIDTH, HEIGHT)], {}, clock) as writer:
        for row in range(rows):
            clock.advance_s(1 / RATE_HZ)
            picture = _picture(background, row)
            before = time.thread_time()
            packet = encoder.encode(picture)
            encoding_s += time.thread_time() - before
            writer.append("front/rgb", [clock.now_ns()], [packet], row)
        size = writer.bytes_on_disk
    writing_s = time.perf_counter() - begun
    wrong, late = [], 0
    with Episode.open(dataset.episode_path(uid)) as episode:
        times = episode["front/rgb"].t_ns
        for row in range(rows):
            if read_barcode(_code(episode.frames("front/rgb", row))) != row % (1 << 16):
                wrong.append(row)
            expected = 1_000 * NS_PER_S + round((row + 1) * NS_PER_S / RATE_HZ)
            late += abs(int(times[row]) - expected) > row + 1
    rng = random.Random(0)
    access_ms: list[float] = []
    access_cpu_ms: list[float] = []
    with Episode.open(dataset.episode_path(uid)) as episode:
        for _ in range(random_reads):
            row = rng.randrange(rows)
            before, cpu_before = time.perf_counter(), time.thread_time()
            picture = episode.frames("front/rgb", row)
            access_ms.append((time.perf_counter() - before) * 1e3)
            access_cpu_ms.append((time.thread_time() - cpu_before) * 1e3)
            if read_barcode(_code(picture)) != row % (1 << 16):
                wrong.append(row)
    return {
        "rows": rows,
        "random_reads": random_reads,
        "wrong_pictures": len(wrong),
        "wrong_rows": wrong[:20],
        "wrong_times": late,
        "encode_cpu_ms_per_frame": round(encoding_s / rows * 1e3, 3),
        "written_frames_per_s": round(rows / writing_s, 1),
        "megabytes_per_minute_at_30_hz": round(size / rows * RATE_HZ * 60 / 1e6, 2),
        "random_access_ms": spread(access_ms),
        "random_access_cpu_ms": spread(access_cpu_ms),
    }


def _scene() -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0 : 2 * WIDTH]
    waves = [127 + 80 * np.sin(x / 31 + k) * np.cos(y / 23 - k) for k in range(3)]
    noise = np.random.default_rng(0).normal(0, 6, (HEIGHT, 2 * WIDTH, 3))
    return np.clip(np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)


def _picture(background: np.ndarray, row: int) -> np.ndarray:
    shift = 2 * row % WIDTH
    picture = background[:, shift : shift + WIDTH].copy()
    picture[160:320, 240:400] = barcode(row % (1 << 16), 160, 160)
    return picture


def _code(picture: np.ndarray) -> np.ndarray:
    return picture[160:320, 240:400]


def _burn(over: Event) -> None:
    while not over.is_set():
        sum(range(100_000))


if __name__ == "__main__":
    main()
