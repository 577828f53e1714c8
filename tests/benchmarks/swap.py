"""Swapping policies on a running station: ticks missed, load time, memory; takeover; fast path.

The whole run without a window: station, recorder (recording), cameras, two policy workers. The
policies are scripted, with an act that costs about as much as a small network's; what is measured
is the machinery.

`python -m tests.benchmarks.swap [--seconds S] [--swaps N] [--json PATH]`
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from app.runtime.loop_meter import SECTIONS
from app.runtime.messages import SLOTS, Arm, Discard, PolicyLoad, PolicyUse, Start, Stop
from devices.leader import HandInput, LeaderInput
from devices.pose import Pose
from devices.ring import RingReader
from tests.benchmarks.report import Row, options, percentiles, tell
from tests.serving.real_run import RealRun

_PERIOD_MS = 4.0
_TAKEOVERS = 20


def main() -> None:
    parser = options(__doc__ or "", 10.0)
    parser.add_argument("--swaps", type=int, default=20)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="td-", dir="/tmp") as folder,
        RealRun(with_children=("station", "recorder", "cameras")) as run,
    ):
        run.until(lambda: run.session.camera is not None and bool(run.session.camera.cameras))
        reply = run.session.open_dataset(Path(folder) / "data", task="benchmark")
        assert "Recording into" in getattr(reply, "text", ""), reply
        run.ask(Arm())
        run.ask(Start(task="benchmark"))
        rows = _idle(run, arguments.seconds)
        rows += _swaps(run, arguments.swaps)
        rows += _takeovers(run)
        rows += _fast_path(run, arguments.seconds)
        run.ask(Stop())
        run.ask(Discard())
    tell("Policies on a running station, no window, recording", rows, arguments.json)


def _idle(run: RealRun, seconds: float) -> list[Row]:
    """The same loop without a policy, to compare with."""
    with _Ticks(run) as ticks:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run.poll(0.05)
            ticks.drain()
        return ticks.rows("no policy")


def _swaps(run: RealRun, swaps: int) -> list[Row]:
    run.drive("good")
    load_s: list[float] = []
    swap_ms: list[float] = []
    memory: list[float] = []
    with _Ticks(run) as ticks:
        for _ in range(swaps):
            began = time.monotonic()
            slot = run.ask(PolicyLoad("good"))
            run.poll(0.3)
            while run.phase(slot) != "ready":
                run.poll(0.02)
                ticks.drain()
            load_s.append(time.monotonic() - began)
            memory.append(sum(run.session.policies[slot].memory_mb for slot in SLOTS))
            began = time.monotonic()
            run.ask(PolicyUse(slot, seed=1))
            while run.phase(slot) != "driving":
                run.poll(0.005)
                ticks.drain()
            swap_ms.append(1e3 * (time.monotonic() - began))
            run.poll(0.3)
            ticks.drain()
        rows = ticks.rows(f"{swaps} swaps, one policy drives throughout")
    rows += percentiles("load to ready", load_s, "s", "process, imports, checks, warm-up")
    rows += percentiles("use to drives", swap_ms, "ms", "until the status says so, at 10 Hz")
    rows.append(Row("memory of two policies", float(np.median(memory)), "MB", "resident, no torch"))
    return rows


def _takeovers(run: RealRun) -> list[Row]:
    """Reading with a pressed clutch, made by this process → the tick that follows it has sent."""
    session = run.session
    slot = next(slot for slot in SLOTS if run.phase(slot) == "driving")
    delays: list[float] = []
    events = 0
    with (
        RingReader(session.run.ring("leader/left")) as hands,
        RingReader(session.run.ring("station/loop")) as loop,
    ):
        seq = 0
        for number in range(_TAKEOVERS):
            run.poll(0.2 + 0.0037 * (number % 7))  # at any phase of the loop
            events = session.events_seen
            hands.skip()
            loop.skip()
            said_ns = time.monotonic_ns()
            for _ in range(10):
                hand = HandInput(True, Pose(np.array([0.0, 0.0, 0.0]), np.eye(4)[0]))
                seq += 1
                session.drive(LeaderInput("benchmark", seq, time.monotonic_ns(), left=hand))
                run.poll(0.01)
            rows, ticks = hands.drain(), loop.drain()
            held = np.flatnonzero(rows.data[:, 7] > 0.5)
            assert len(held) and session.events_seen > events, "nobody took over"
            tick = int(np.searchsorted(ticks.t_ns, rows.t_ns[held[0]], side="right")) - 1
            work_ms = float(ticks.data[tick, :4].sum())
            delays.append((int(ticks.t_ns[tick]) - said_ns) / 1e6 + work_ms)
            seq += 1
            session.drive(LeaderInput("benchmark", seq, time.monotonic_ns(), left=None))
            run.ask(PolicyUse(slot, seed=1))
            run.until(lambda: run.phase(slot) == "driving")
    note = f"{_TAKEOVERS} takeovers, clutch pressed to command sent"
    return percentiles("takeover latency", delays, "ms", note)


def _fast_path(run: RealRun, seconds: float) -> list[Row]:
    slot = run.drive("react")
    with (
        RingReader(run.session.run.ring(f"{slot}/action")) as actions,
        RingReader(run.session.run.ring(f"{slot}/timing")) as timing,
    ):
        actions.skip()
        timing.skip()
        times: list[np.ndarray] = []
        react: list[np.ndarray] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run.poll(0.2)
            times.append(actions.drain().t_ns)
            react.append(timing.drain().data[:, 4])
    gaps = np.diff(np.concatenate(times)) / 1e6
    rows = percentiles("fast path between actions", gaps, "ms", "asked for every 8 ms")
    status = run.session.policies[slot]
    note = "windows and react, by the worker; scripted policy"
    rows.append(Row("react p99", status.react_p99_ms, "ms", note))
    rows.append(Row("react worst seen", float(np.nanmax(np.concatenate(react))), "ms", note))
    rows.append(Row("fast path misses", float(status.misses), "ticks", "since it drives"))
    return rows


class _Ticks:
    """Rows of the loop and of what was sent, without loss."""

    def __init__(self, run: RealRun) -> None:
        self._loop = RingReader(run.session.run.ring("station/loop"))
        self._sent = RingReader(run.session.run.ring("right_arm/q_sent"))
        self._loop.skip()
        self._sent.skip()
        self._lateness: list[np.ndarray] = []
        self._sent_ns: list[np.ndarray] = []
        self._lost = 0

    def __enter__(self) -> _Ticks:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()
        self._sent.close()

    def drain(self) -> None:
        loop, sent = self._loop.drain(), self._sent.drain()
        self._lost += loop.missed + sent.missed
        self._lateness.append(loop.data[:, SECTIONS.index("lateness")])
        self._sent_ns.append(sent.t_ns)

    def rows(self, note: str) -> list[Row]:
        self.drain()
        assert self._lost == 0, "the benchmark was too slow to see every tick"
        times = np.concatenate(self._sent_ns)
        gaps = np.diff(times) / 1e6
        missed = int(np.maximum(np.rint(gaps / _PERIOD_MS) - 1, 0).sum())
        return [
            Row("control ticks", float(len(times)), "ticks", note),
            Row("control ticks missed", float(missed), "ticks", f"gaps of 6 ms and more; {note}"),
            *percentiles("tick to tick", gaps, "ms", note),
            *percentiles("loop lateness", np.concatenate(self._lateness), "ms", note),
        ]


if __name__ == "__main__":
    main()
