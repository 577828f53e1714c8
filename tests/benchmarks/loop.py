"""The control loop of a real station process: lateness, where a tick goes, hand to command.

`python -m tests.benchmarks.loop [--scene NAME] [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

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
    said_ns: list[int] = []
    hand_rows: list[tuple[int, int]] = []
    tick_ns: list[npt.NDArray[np.int64]] = []
    work_ms: list[npt.NDArray[np.float64]] = []
    with (
        RingReader(session.run.ring("leader/left")) as hands,
        RingReader(session.run.ring("station/loop")) as loop,
    ):
        hands.skip()
        loop.skip()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            number, now_ns = len(said_ns), time.monotonic_ns()
            sway = 0.02 * np.sin(number / 40)
            hand = HandInput(True, Pose(np.array([number * 1e-6, sway, 0.0]), np.eye(4)[0]))
            session.drive(LeaderInput("benchmark", number, now_ns, left=hand))
            said_ns.append(now_ns)
            run.poll(1.0 / _DRIVE_HZ)
            drained = hands.drain()
            numbers = np.rint(drained.data[:, 0] * 1e6).astype(int)
            hand_rows += zip(drained.t_ns.tolist(), numbers.tolist(), strict=True)
            ticks = loop.drain()
            tick_ns.append(ticks.t_ns)
            work_ms.append(ticks.data[:, :4].sum(axis=1))  # read, map, guard, send
    starts, work = np.concatenate(tick_ns), np.concatenate(work_ms)
    delays: dict[int, float] = {}
    for t_ns, index in hand_rows:
        tick = int(np.searchsorted(starts, t_ns, side="right")) - 1
        if index not in delays and 0 <= tick < len(starts) and index < len(said_ns):
            delays[index] = (int(starts[tick]) - said_ns[index]) / 1e6 + float(work[tick])
    assert delays, "no reading reached the station"
    found = percentiles(
        "hand reading to command sent", list(delays.values()), "ms", "120 Hz, one arm"
    )
    found.append(Row("readings that drove", 100 * len(delays) / len(said_ns), "%"))
    return found


if __name__ == "__main__":
    main()
