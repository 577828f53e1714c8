"""Marker sensors: what a picture costs to read and to draw, and how true the answer is.

`python -m tests.benchmarks.markers [--seconds S] [--json PATH]`

One core: the process is pinned to one, and OpenCV has one thread. Pictures are simulated
(`devices/gelsight/pictures.py`) and made before the clock starts. Accuracy is against the field
that was drawn; it says what the tracker adds, not what a real gel and lens do.
"""

from __future__ import annotations

import os
import time

import cv2
import numpy as np
import numpy.typing as npt

from devices.gelsight import basis
from devices.gelsight.gel import Gel
from devices.gelsight.kinds import KINDS, PICTURE, SensorKind
from devices.gelsight.pictures import Look, MarkerPictures
from devices.gelsight.tracker import Markers, MarkerTracker
from tests.benchmarks.report import Row, options, percentiles, tell

LOOKS = {
    "clean": Look(),
    "noise 8, blur 2 px": Look(noise=8, blur=2.0),
    "8 missing, glare": Look(
        noise=4, blur=1.0, missing=frozenset(range(2, 25, 3)), glare=((400, 200, 50),)
    ),
}
_DIFFERENT = 40  # pictures of a stroke, gone through again and again
_WARM = 20


def main() -> None:
    arguments = options(__doc__ or "", 4.0).parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    rows: list[Row] = []
    for kind in KINDS:
        for name, look in LOOKS.items():
            rows += _reading(kind, name, look, arguments.seconds)
        rows += _drawing(kind, arguments.seconds)
    tell("Marker sensors, 640 x 480, one core", rows, arguments.json)


def _stroke() -> list[npt.NDArray[np.float64]]:
    """Fields of two loads that come and go, each of shape (7, 9, 3)."""
    one, two = basis.simulated_loads(2, seed=11)
    phases = np.linspace(0, 2 * np.pi, _DIFFERENT, endpoint=False)
    return [(1 - np.cos(a)) / 2 * one + (1 + np.sin(a)) / 2 * two for a in phases]


def _reading(kind: SensorKind, name: str, look: Look, seconds: float) -> list[Row]:
    gel, painter, tracker = Gel(kind), MarkerPictures(kind, look), MarkerTracker(kind)
    transform = basis.own(kind)
    tracker.track(MarkerPictures(kind).draw(np.zeros((kind.count, 2))), 0)
    truth = [gel.offsets(field) for field in _stroke()]
    depths = [gel.depth(field) for field in _stroke()]
    pictures = [painter.draw(*both) for both in zip(truth, depths, strict=True)]
    times, errors, lost, refused = [], [], [], 0
    deadline = time.monotonic() + seconds
    step = 0
    while time.monotonic() < deadline:
        turn = step % _DIFFERENT
        began = time.perf_counter_ns()
        markers = tracker.track(pictures[turn], step)
        if isinstance(markers, Markers):
            transform.embed(markers.offsets)
        took = (time.perf_counter_ns() - began) / 1e6
        step += 1
        if step <= _WARM:
            continue
        times.append(took)
        if isinstance(markers, Markers):
            error = ((markers.offsets - truth[turn]) * PICTURE)[markers.valid]
            errors.append(float(np.mean(np.sum(error**2, axis=1))))
            lost.append(markers.lost)
        else:
            refused += 1
    note = f"{kind.title}, {name}"
    rows = percentiles("picture to markers and embedding", times, "ms", note)
    rows.append(Row("pictures a second at p50", 1e3 / float(np.median(times)), "1/s", note))
    rows.append(Row("RMS error of the valid markers", float(np.sqrt(np.mean(errors))), "px", note))
    rows.append(Row("markers lost, mean", float(np.mean(lost)), "", note))
    rows.append(Row("pictures refused", refused, "", note))
    return rows


def _drawing(kind: SensorKind, seconds: float) -> list[Row]:
    gel, painter = Gel(kind), MarkerPictures(kind)
    fields = _stroke()
    times = []
    deadline = time.monotonic() + seconds / 2
    while time.monotonic() < deadline:
        field = fields[len(times) % _DIFFERENT]
        began = time.perf_counter_ns()
        painter.draw(gel.offsets(field), gel.depth(field))
        times.append((time.perf_counter_ns() - began) / 1e6)
    return percentiles("forces to a simulated picture", times[_WARM:], "ms", kind.title)


if __name__ == "__main__":
    main()
