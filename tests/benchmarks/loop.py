"""The control loop of a real station process: lateness, where a tick goes, hand to command.

`python -m tests.benchmarks.loop [--scene NAME] [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import time

import numpy as np

from app.launch import Run
from app.runtime.loop_meter import SECTIONS
from app.runtime.station_file import StationFile
from devices.leader import HandInput, LeaderInput
from devices.pose import Pose
from devices.ring import RingReader
from tests.benchmarks.report import Row, options, percentiles, tell

_DRIVE_HZ = 120.0


def main() -> None:
    parser = options(__doc__ or "", 15.0)
    parser.add_argument("--scene", default="wipe")
    arguments = parser.parse_args()
    began = time.monotonic()
    with Run(StationFile(scene=arguments.scene)) as run:
        started = time.monotonic() - began
        rows = [Row("command to first status", started, "s", "start-up, no window")]
        rows += _first_frames(run, began)
        rows += _loop(run, arguments.seconds, "idle hands")
        rows += _driven(run, arguments.seconds)
    tell(f"Control loop, scene {arguments.scene}, no window", rows, arguments.json)


def _first_frames(run: Run, began: float) -> list[Row]:
    while run.session.latest("front/rgb") is None and time.monotonic() - began < 30:
        run.poll(0.02)
    return [Row("command to first camera frame", time.monotonic() - began, "s", "no window")]


def _loop(run: Run, seconds: float, note: str) -> list[Row]:
    """Sections and lateness of the ticks over `seconds` [s]."""
    with RingReader(run.session.run.ring("station/loop")) as ring:
        ring.skip()
        ticks = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run.poll(0.05)
            ticks.append(ring.drain().data)
    table = np.concatenate(ticks)
    rows = percentiles("loop lateness", table[:, SECTIONS.index("lateness")], "ms", note)
    rows += percentiles("loop work", table[:, SECTIONS.index("whole")], "ms", note)
    rows.append(Row("loop rate", len(table) / seconds, "Hz", note))
    return rows


def _driven(run: Run, seconds: float) -> list[Row]:
    """Hand reading to command sent: each reading carries its own number in its position."""
    session = run.session
    sent_ns: dict[int, int] = {}
    delays = []
    with (
        RingReader(session.run.ring("leader/left")) as hands,
        RingReader(session.run.ring("station/loop")) as loop,
    ):
        hands.skip()
        loop.skip()
        deadline = time.monotonic() + seconds
        number = 0
        seen: set[int] = set()
        work: dict[int, float] = {}
        rows = []
        while time.monotonic() < deadline:
            now_ns = time.monotonic_ns()
            sway = 0.02 * np.sin(number / 40)
            hand = HandInput(True, Pose(np.array([number * 1e-6, sway, 0.0]), np.eye(4)[0]))
            session.drive(LeaderInput("benchmark", number, now_ns, left=hand))
            sent_ns[number] = now_ns
            number += 1
            run.poll(1.0 / _DRIVE_HZ)
            drained = loop.drain()
            for t_ns, row in zip(drained.t_ns, drained.data, strict=True):
                work[int(t_ns)] = float(row[:4].sum())
            rows.append(hands.drain())
        for drained in rows:
            for t_ns, row in zip(drained.t_ns, drained.data, strict=True):
                index = round(row[0] * 1e6)
                if index not in seen and int(t_ns) in work:
                    seen.add(index)
                    delays.append((int(t_ns) - sent_ns[index]) / 1e6 + work[int(t_ns)])
    assert delays, "no reading reached the station"
    found = percentiles("hand reading to command sent", delays, "ms", "120 Hz, both arms' chain")
    found.append(Row("readings that drove", 100 * len(seen) / number, "%"))
    return found


if __name__ == "__main__":
    main()
