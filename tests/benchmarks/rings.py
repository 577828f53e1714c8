"""Rings: what publishing and reading cost, how soon another process sees a sample or a death.

`python -m tests.benchmarks.rings [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.runtime.rundir import default_base
from devices.ring import RingReader, RingWriter
from devices.stream import StreamSpec
from tests.benchmarks.report import Row, options, percentiles, tell

STATE = StreamSpec("left_arm/q", (7,), "float64", "rad", "", 500.0)
IMAGE = StreamSpec("front/rgb", (480, 640, 3), "uint8", "RGB", "front", 30.0, kind="image")
_CALLS = 1000
_DEATHS = 10

_WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from devices.ring import RingWriter
from tests.benchmarks.rings import IMAGE, STATE
spec = {"state": STATE, "image": IMAGE}[sys.argv[2]]
writer = RingWriter(Path(sys.argv[1]), spec, 64)
data = np.zeros(spec.shape, spec.dtype)
print("ready", flush=True)
while True:
    writer.publish(time.monotonic_ns(), data)
    time.sleep(1 / spec.rate_hz)
"""


def main() -> None:
    arguments = options(__doc__ or "", 4.0).parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=default_base()) as folder:
        path = Path(folder) / "bench.ring"
        for spec, name in ((STATE, "(7,) f8"), (IMAGE, "640x480 picture")):
            rows += _costs(path, spec, name)
        for kind in ("state", "image"):
            rows += _latency(path, kind, arguments.seconds)
        rows += _deaths(path)
    tell("Rings", rows, arguments.json)


def _costs(path: Path, spec: StreamSpec, name: str) -> list[Row]:
    """Time of one call with nobody in the way [us]."""
    data = np.zeros(spec.shape, spec.dtype)
    with RingWriter(path, spec, 64) as writer, RingReader(path) as reader:

        def publish_and_drain() -> None:
            writer.publish(1, data)
            reader.drain()

        calls: dict[str, Callable[[], object]] = {
            "publish": lambda: writer.publish(1, data),
            "latest": reader.latest,
            "publish and drain": publish_and_drain,
            "writer_alive": reader.writer_alive,
        }
        rows = []
        for call, function in calls.items():
            rows += percentiles(f"{call} {name}", _times_us(function), "us")
        return rows


def _times_us(function: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(_CALLS):
        began = time.perf_counter_ns()
        function()
        times.append((time.perf_counter_ns() - began) / 1e3)
    return times


def _start(path: Path, kind: str) -> subprocess.Popen[bytes]:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), kind], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    return writer


def _end(writer: subprocess.Popen[bytes]) -> None:
    writer.kill()
    writer.wait()
    assert writer.stdout is not None
    writer.stdout.close()


def _latency(path: Path, kind: str, seconds: float) -> list[Row]:
    """From just before `publish` in one process to a copy in the hands of another."""
    writer = _start(path, kind)
    delays = []
    try:
        with RingReader(path) as reader:
            seen = reader.head
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if reader.head == seen:
                    continue
                sample = reader.latest()
                assert sample is not None
                delays.append((time.monotonic_ns() - sample.t_ns) / 1e3)
                seen = sample.seq + 1
    finally:
        _end(writer)
    return percentiles(f"process to process, {kind}", delays, "us", "reader spins")


def _deaths(path: Path) -> list[Row]:
    """From SIGKILL of the writer to `writer_alive()` being False."""
    delays = []
    for _ in range(_DEATHS):
        writer = _start(path, "state")
        with RingReader(path) as reader:
            assert reader.writer_alive()
            killed = time.perf_counter_ns()
            os.kill(writer.pid, signal.SIGKILL)
            while reader.writer_alive():
                time.sleep(0.0002)
            delays.append((time.perf_counter_ns() - killed) / 1e6)
        _end(writer)
    return percentiles("SIGKILL of a writer noticed", delays, "ms", "asked every 0.2 ms")


if __name__ == "__main__":
    main()
