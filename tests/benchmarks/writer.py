"""`python -m tests.benchmarks.writer --seconds 20`: what recording costs.

A station of the size of the simulated one, in real time: about 40 streams of state, touch, command
and scene, and three cameras of 640 x 480 at 30 Hz, encoded in the same process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from functools import cached_property
from pathlib import Path

import numpy as np

from datasets import layout
from datasets.dataset import Dataset
from datasets.video import Packet, VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, SystemClock
from devices.stream import StreamSpec
from tests.benchmarks.barcode import _picture, _scene
from tests.benchmarks.results import spread, write
from tests.data.recording import camera

CAMERAS = ("front/rgb", "wrist_left/rgb", "wrist_right/rgb")


def station_specs() -> list[StreamSpec]:
    """The streams of docs/contracts.md, with a made-up physics state of 200 numbers."""
    sides, pads = ("left", "right"), ("left_inner", "left_outer", "right_inner", "right_outer")
    specs = [camera(name, 640, 480) for name in CAMERAS]
    for side in sides:
        for name in ("q", "qd", "tau", "T_world_tool"):
            specs.append(StreamSpec(f"{side}_arm/{name}", (7,), "float64", "1", "", 500.0))
        specs.append(StreamSpec(f"{side}_gripper/gap", (1,), "float64", "m", "", 500.0))
        specs.append(StreamSpec(f"{side}_arm/wrench", (6,), "float64", "N", "", 125.0))
        specs.append(StreamSpec(f"leader/{side}", (9,), "float64", "1", "", 250.0))
        for name in ("T_world_tool_requested", "q_requested", "q_sent"):
            specs.append(StreamSpec(f"{side}_arm/{name}", (7,), "float64", "1", "", 250.0))
        for name in ("gap_requested", "gap_sent"):
            specs.append(StreamSpec(f"{side}_gripper/{name}", (1,), "float64", "m", "", 250.0))
    for pad in pads:
        specs.append(StreamSpec(f"{pad}_pad/tactile", (7, 9, 3), "float32", "N", "", 125.0))
        specs.append(StreamSpec(f"{pad}_pad/pose", (7,), "float64", "m", "", 125.0))
    specs.append(StreamSpec("sim/state", (200,), "float64", "1", "", 500.0))
    specs.append(StreamSpec("scene/progress", (2,), "float64", "1", "", 25.0))
    specs.append(StreamSpec("station/loop", (8,), "float64", "ms", "", 250.0))
    return specs


class TimedWriter(EpisodeWriter):
    """Remembers how long each flush took, in wall and CPU time [ms]."""

    def flush(self) -> None:
        wall, cpu = time.perf_counter(), time.thread_time()
        super().flush()
        self.flush_ms.append((time.perf_counter() - wall) * 1e3)
        self.flush_cpu_s += time.thread_time() - cpu

    flush_cpu_s = 0.0

    @cached_property
    def flush_ms(self) -> list[float]:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="teledeck-writer-") as folder:
        write("writer", measure(Path(folder), options.seconds))


def measure(folder: Path, seconds: float) -> dict[str, object]:
    """Record in real time; what the encoders and what the writer used."""
    dataset, clock, specs = Dataset.create(folder / "set"), SystemClock(), station_specs()
    encoders = {name: VideoEncoder(640, 480, 30.0) for name in CAMERAS}
    background = _scene()
    pictures = [_picture(background, row) for row in range(60)]
    rows = dict.fromkeys((spec.name for spec in specs), 0)
    encoding_s = 0.0
    begun = time.perf_counter()
    uid = layout.new_uid(time.time_ns())
    writer = TimedWriter(dataset, uid, specs, {"task": "benchmark"}, clock)
    creating_ms = (time.perf_counter() - begun) * 1e3
    usage = resource.getrusage(resource.RUSAGE_SELF)
    since_ns = clock.now_ns()
    while (elapsed_ns := clock.now_ns() - since_ns) < seconds * NS_PER_S:
        for spec in specs:
            first = rows[spec.name]
            count = int(elapsed_ns / NS_PER_S * spec.rate_hz) - first
            if count <= 0:
                continue
            times = since_ns + (np.arange(first, first + count) / spec.rate_hz * NS_PER_S)
            data: np.ndarray | list[Packet]
            if spec.kind == "image":
                before = time.thread_time()
                data = [
                    encoders[spec.name].encode(pictures[n % 60])
                    for n in range(first, first + count)
                ]
                encoding_s += time.thread_time() - before
            else:
                data = np.zeros((count, *spec.shape), dtype=spec.dtype)
            writer.append(spec.name, times.astype(np.int64), data, first)
            rows[spec.name] += count
        writer.tick()
        clock.sleep_until_ns(clock.now_ns() + 20_000_000)
    wall_s = (clock.now_ns() - since_ns) / NS_PER_S
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    before = time.perf_counter()
    writer.stop("stopped")
    stop_ms = (time.perf_counter() - before) * 1e3
    frames = sum(rows[name] for name in CAMERAS)
    size = writer.path.stat().st_size
    return {
        "seconds": round(wall_s, 1),
        "streams": len(specs),
        "rows_per_s": round(sum(rows.values()) / wall_s),
        "frames_per_s": round(frames / wall_s, 1),
        "rows_lost": sum(writer.dropped.values()),
        "cpu_percent_of_one_core": round(100 * cpu_s / wall_s, 1),
        "of_which_encoding_percent": round(100 * encoding_s / wall_s, 1),
        "of_which_flushing_percent": round(100 * writer.flush_cpu_s / wall_s, 1),
        "encode_cpu_ms_per_frame": round(encoding_s / frames * 1e3, 2),
        "flush_ms": spread(writer.flush_ms),
        "create_ms": round(creating_ms, 1),
        "stop_ms": round(stop_ms, 1),
        "megabytes_per_minute": round(size / wall_s * 60 / 1e6, 1),
    }


if __name__ == "__main__":
    main()
