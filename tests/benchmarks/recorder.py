"""The recorder at full load: rows lost, wrong pictures, processor time, how soon Keep returns.

Three 640x480 cameras at 30 Hz (synthetic, each picture shows its number), two tactile fields at
120 Hz, joints and physics state at 500 Hz.

`python -m tests.benchmarks.recorder [--seconds S] [--load] [--dataset DIR] [--json PATH]`
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from app.runtime.requests import Discard, Keep, Stop
from app.runtime.synthetic_cameras import read_code
from datasets.lock import is_held
from datasets.reader import Episode
from tests.benchmarks.report import Row, options, percentiles, tell
from tests.runtime.studio import Studio

_FULL = {"width": 640, "height": 480, "rate_hz": 30.0}
_SHORT_TAKES = 10
_BURN = "while True: pass"


def main() -> None:
    parser = options(__doc__ or "", 60.0)
    parser.add_argument("--load", action="store_true", help="another process burns a core")
    parser.add_argument("--dataset", type=Path, help="folder on the disk to measure")
    arguments = parser.parse_args()
    note = "one core burnt by another process" if arguments.load else ""
    burner = subprocess.Popen([sys.executable, "-c", _BURN]) if arguments.load else None
    try:
        with (
            tempfile.TemporaryDirectory(dir=arguments.dataset) as folder,
            Studio(Path(folder), cameras=_FULL) as studio,
        ):
            rows = _measure(studio, arguments.seconds, note)
    finally:
        if burner is not None:
            burner.kill()
            burner.wait()
    tell(f"Recorder, one take of {arguments.seconds:g} s", rows, arguments.json)


def _measure(studio: Studio, seconds: float, note: str) -> list[Row]:
    studio.open()
    process = psutil.Process(studio.supervisor.pid("recorder"))
    uid = studio.start(rows=0)
    began, before = time.monotonic(), _cpu_s(process)
    studio.until(lambda status: status.elapsed_s > 2.0, patience_s=seconds + 60)
    late = studio.until(lambda status: status.elapsed_s > seconds, patience_s=seconds + 60)
    used = (_cpu_s(process) - before) / (time.monotonic() - began)
    stop_ms, keep_ms, close_s = _stop_and_keep(studio, uid)
    path = studio.dataset.episode_path(uid)
    size = path.stat().st_size
    with Episode.open(path) as episode:
        rows = _rows(episode, note)
        length = episode.length_s
    stops, keeps = [stop_ms], [keep_ms]
    for _ in range(_SHORT_TAKES):
        short = studio.start()
        stop_ms, keep_ms, _ = _stop_and_keep(studio, short)
        stops.append(stop_ms)
        keeps.append(keep_ms)
    studio.start()
    studio.ask(Discard())
    return [
        *rows,
        Row("dropped, as the recorder counts", late.dropped, "rows", note),
        Row("recorder", 100 * used, "% core", f"encoding included; {note}".rstrip("; ")),
        Row("on disk", size / length / 1e6, "MB/s", note),
        *percentiles("Stop returns after", stops, "ms", note),
        *percentiles("Keep returns after", keeps, "ms", note),
        Row("file closed after Stop", close_s, "s", note),
    ]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _stop_and_keep(studio: Studio, uid: str) -> tuple[float, float, float]:
    """How long Stop and Keep take to answer [ms], and the file to be closed [s]."""
    began = time.perf_counter()
    studio.ask(Stop())
    stopped = time.perf_counter()
    studio.ask(Keep("success"))
    kept = time.perf_counter()
    path = studio.dataset.episode_path(uid)
    while not path.exists() or is_held(path):
        time.sleep(0.005)
    return (stopped - began) * 1e3, (kept - stopped) * 1e3, time.perf_counter() - began


def _rows(episode: Episode, note: str) -> list[Row]:
    """Compare every row with the number it carries."""
    total = lost = pictures = wrong = 0
    for stream in episode:
        count = len(episode[stream])
        total += count
        if stream not in episode.cameras:
            numbers = episode[stream].values.reshape(count, -1)[:, 0].astype(np.int64)
            lost += int(numbers[-1] - numbers[0] + 1 - count)
            continue
        pictures += count
        codes = [read_code(episode.frames(stream, row)) for row in range(count)]
        lost += codes[-1] - codes[0] + 1 - count
        wrong += int(np.count_nonzero(np.array(codes) != codes[0] + np.arange(count)))
    return [
        Row("rows recorded", total, "rows", note),
        Row("rows a second", total / episode.length_s, "1/s", note),
        Row("rows lost", lost, "rows", "every row carries its number"),
        Row("pictures", pictures, "rows", note),
        Row("pictures in the wrong row", wrong, "rows", "every picture shows its number"),
    ]


if __name__ == "__main__":
    main()
