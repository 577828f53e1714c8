"""Swapping policies on a running station: ticks missed, load time, memory; takeover; fast path.

The whole run without a window: station, recorder (recording), cameras, two policy workers. The
policies are scripted, with an act that costs about as much as a small network's; what is measured
is the machinery.

Windows with and without a swap alternate in one run, equally long and with a policy driving in
both, so that what others do to the machine meets both alike; the excess is what swapping costs.
Of the missed ticks those are told apart that fell into 20 ms in which the virtual machine itself
was stolen (proc(5)), as many as were stolen. Beside it stands how long the station's thread was
ready to run and did not (schedstat, proc(5)).

`python -m tests.benchmarks.swap [--seconds S] [--swaps N] [--json PATH]`
`... --checkpoint CHECKPOINT [--scene SCENE] [--window]`: the same with a trained policy.
`... --rdp CHECKPOINT [--scene SCENE] [--window]`: the fast path of a trained policy.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from app.runtime import priority
from app.runtime.loop_meter import SECTIONS
from app.runtime.requests import SLOTS, Arm, Discard, PolicyLoad, PolicyUse, Start, Stop
from app.virtual_display import virtual_display
from devices.leader import HandInput, LeaderInput
from devices.pose import Pose
from devices.ring import RingReader
from tests.benchmarks.late_ticks import KernelRecord
from tests.benchmarks.report import Row, options, percentiles, tell
from tests.serving.real_run import MODULE, RealRun

_PERIOD_MS = 4.0
_REACT_MS = 8.0
_TAKEOVERS = 20
_ALL = ("station", "recorder", "cameras")


def main() -> None:
    parser = options(__doc__ or "", 10.0)
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--no-cameras", action="store_true", help="leaves a processor free")
    parser.add_argument("--checkpoint", type=Path, help="swap this one, torch and all")
    parser.add_argument("--why", action="store_true", help="tell of every late tick (root, ftrace)")
    parser.add_argument("--window", action="store_true", help="and a window, drawn without a GPU")
    parser.add_argument("--rdp", type=Path, help="measure the fast path of this checkpoint only")
    parser.add_argument("--scene", default="drawer", help="what the station simulates")
    arguments = parser.parse_args()
    if arguments.rdp is not None:
        _real_fast_path(arguments)
        return
    children = ("station", "recorder") if arguments.no_cameras else _ALL
    trained = arguments.checkpoint
    module = MODULE if trained is None else "app.runtime.policy_process"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="td-", dir="/tmp")))
        run = _running(stack, arguments, folder, children, module)
        if "cameras" in children:
            run.until(lambda: run.session.camera is not None and bool(run.session.camera.cameras))
        reply = run.session.open_dataset(folder / "data", task="benchmark")
        assert "Recording into" in getattr(reply, "text", ""), reply
        run.ask(Arm())
        run.ask(Start(task="benchmark"))
        path = "good" if trained is None else str(trained)
        rows = _swaps(run, arguments.swaps, path, arguments.why)
        if trained is None:
            rows += _takeovers(run)
            rows += _fast_path(run, arguments.seconds)
        run.ask(Stop())
        run.ask(Discard())
    window = "a window" if arguments.window else "no window"
    tell(f"Policies on a running station, {window}, recording", rows, arguments.json)


def _running(
    stack: ExitStack,
    arguments: argparse.Namespace,
    folder: Path,
    children: Sequence[str],
    module: str,
) -> RealRun:
    """The run, with a window on a virtual display where one is asked for."""
    if arguments.window:
        stack.enter_context(virtual_display(1280, 800))
    return stack.enter_context(
        RealRun(
            with_children=children,
            module=module,
            window_on=folder / "data" if arguments.window else None,
            scene=arguments.scene,
        )
    )


def _swaps(run: RealRun, swaps: int, path: str, why: bool = False) -> list[Row]:
    run.drive(path)
    run.load(path)
    run.poll(1.0)
    load_s: list[float] = []
    swap_ms: list[float] = []
    memory: list[float] = []
    load = os.getloadavg()[0]
    stolen_s, since = _stolen_s(), time.monotonic()
    with ExitStack() as stack:
        quiet, swapped = stack.enter_context(_Ticks(run)), stack.enter_context(_Ticks(run))
        record = stack.enter_context(_kernel_record(run)) if why else None
        for _ in range(swaps):
            swapped.begin()
            began = time.monotonic()
            slot = run.ask(PolicyLoad(path))
            run.poll(0.3)
            while run.phase(slot) != "ready":
                run.poll(0.02)
                swapped.drain()
            load_s.append(time.monotonic() - began)
            memory.append(sum(run.session.policies[slot].memory_mb for slot in SLOTS))
            asked = time.monotonic()
            run.ask(PolicyUse(slot, seed=1))
            while run.phase(slot) != "driving":
                run.poll(0.005)
                swapped.drain()
            swap_ms.append(1e3 * (time.monotonic() - asked))
            run.poll(0.3)
            lasted = time.monotonic() - began
            swapped.end()
            quiet.begin()
            until = time.monotonic() + lasted
            while lasted > 0.0:
                run.poll(min(lasted, 0.02))
                quiet.drain()
                lasted = until - time.monotonic()
            quiet.end()
        if record is not None:
            _tell_why(record, swapped, quiet)
    stolen = 1e3 * (_stolen_s() - stolen_s) / (time.monotonic() - since)
    rows = [
        Row("load when the windows began", load, "1", "the run itself is part of it"),
        Row("stolen by other machines", stolen, "ms/s", "both processors together, proc(5)"),
        *quiet.rows("without a swap"),
        *swapped.rows("with a swap"),
        Row(
            "missed ticks, excess by swaps",
            1e4 * (swapped.missed_share - quiet.missed_share),
            "/10000",
            f"{swapped.missed} of {swapped.count} ticks with, {quiet.missed} of {quiet.count} "
            f"without; {swaps} windows each",
        ),
    ]
    rows += percentiles("load to ready", load_s, "s", "process, imports, checks, warm-up")
    rows += percentiles("use to drives", swap_ms, "ms", "until the status says so, at 10 Hz")
    rows.append(Row("memory of two policies", float(np.median(memory)), "MB", f"resident; {path}"))
    return rows


def _kernel_record(run: RealRun) -> KernelRecord:
    station = run.supervisor.pid("station")
    return KernelRecord(station, min(os.sched_getaffinity(station)))


def _tell_why(record: KernelRecord, swapped: _Ticks, quiet: _Ticks) -> None:
    """What the kernel knows of every late tick."""
    record.stop()
    late = [
        *(("with", *one) for one in swapped.late()),
        *(("without", *one) for one in quiet.late()),
    ]
    late.sort(key=lambda one: one[1])
    told = record.explain([(begin, end) for _, begin, end, _ in late])
    print(f"\nLate ticks; rows: {' '.join(SECTIONS)} [ms] of the tick before and of the late one")
    for (where, begin, _, rows), one in zip(late, told, strict=True):
        one.rows = rows
        print(f"  {begin / 1e9:.3f} s, {where} a swap: {one}")


def _stolen_s() -> float:
    """Time that the processors of this (virtual) machine were given to others so far [s]."""
    first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    return int(first.split()[8]) / os.sysconf("SC_CLK_TCK")


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


def _real_fast_path(arguments: argparse.Namespace) -> None:
    """The fast path of a trained policy while everything else runs: its slow path, a second worker
    that is ready, station, recorder (recording), cameras, and a window on a virtual display."""
    children = ("station", "recorder") if arguments.no_cameras else _ALL
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="td-", dir="/tmp")))
        run = _running(stack, arguments, folder, children, "app.runtime.policy_process")
        run.session.open_dataset(folder / "data", task="benchmark")
        run.until(lambda: run.session.recorder is not None and bool(run.session.recorder.streams))
        run.load(str(arguments.rdp))
        run.ask(Arm())
        run.ask(Start(task="benchmark"))
        rows = [Row("load when it began", os.getloadavg()[0], "1")]
        rows += _fast_path(run, arguments.seconds, str(arguments.rdp), arguments.why)
        run.ask(Stop())
        run.ask(Discard())
    beside = "cameras, " * (not arguments.no_cameras) + "a window, " * arguments.window
    tell(f"Fast path of a trained policy beside {beside}recorder", rows, arguments.json)


def _fast_path(run: RealRun, seconds: float, path: str = "react", why: bool = False) -> list[Row]:
    slot = run.drive(path)
    run.poll(1.0)
    thread = _thread_as_nice_as(run.supervisor.pid(slot), priority.FAST_PATH)
    with ExitStack() as stack:
        actions = stack.enter_context(RingReader(run.session.run.ring(f"{slot}/action")))
        record = stack.enter_context(KernelRecord(thread, None)) if why and thread else None
        waited_ns = _waiting_ns(thread)
        actions.skip()
        times: list[np.ndarray] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            run.poll(0.2)
            times.append(actions.drain().t_ns)
        waited_ms = (_waiting_ns(thread) - waited_ns) / 1e6 / seconds
        t_ns = np.concatenate(times)
        gaps = np.diff(t_ns) / 1e6
        if record is not None:
            record.stop()
            late = np.flatnonzero(gaps >= 1.5 * _REACT_MS)
            print(
                f"\n{len(late)} of {len(gaps)} gaps between actions were of {1.5 * _REACT_MS} ms "
                "and more"
            )
            for one in record.explain([(int(t_ns[k]), int(t_ns[k + 1])) for k in late[:40]]):
                print(f"  {one}")
    rows = percentiles("fast path between actions", gaps, "ms", "asked for every 8 ms")
    if thread:
        rows.append(Row("fast path waited for a processor", waited_ms, "ms/s", "schedstat"))
    status = run.session.policies[slot]
    note = f"windows and react, by the worker; {status.name}"
    rows.append(Row("react p99", status.react_p99_ms, "ms", note))
    rows.append(Row("inference p50", status.infer_p50_ms, "ms", note))
    rows.append(Row("inference p99", status.infer_p99_ms, "ms", note))
    rows.append(Row("fast path misses", float(status.misses), "ticks", "since it drives"))
    return rows


def _thread_as_nice_as(process: int, nice: int) -> int:
    """A thread of a process, by its niceness; 0 if there is none, as without privileges."""
    for task in Path(f"/proc/{process}/task").iterdir():
        if os.getpriority(os.PRIO_PROCESS, int(task.name)) == nice:
            return int(task.name)
    return 0


def _waiting_ns(thread: int) -> int:
    """How long a thread has waited for a processor so far [ns]; 0 for none."""
    if not thread:
        return 0
    return int(Path(f"/proc/{thread}/schedstat").read_text(encoding="ascii").split()[1])


class _Ticks:
    """The control loop in the windows between `begin` and `end`, without loss."""

    def __init__(self, run: RealRun) -> None:
        self._loop = RingReader(run.session.run.ring("station/loop"))
        self._station = run.supervisor.pid("station")
        self._lateness: list[np.ndarray] = []
        self._whole: list[np.ndarray] = []
        self._gaps: list[np.ndarray] = []
        self._waited_ms: list[float] = []
        self.stolen = 0
        self._began_ns = 0
        self._late: list[tuple[int, int, tuple[list[float], ...]]] = []

    def __enter__(self) -> _Ticks:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()

    def begin(self) -> None:
        self._loop.skip()
        self._times: list[np.ndarray] = []
        self._rows = np.zeros((0, len(SECTIONS)))
        self._stolen_s = _stolen_s()
        self._began_ns = _waiting_ns(self._station)

    def drain(self) -> None:
        """Call it more often than the ring is long."""
        loop = self._loop.drain()
        assert not loop.missed, "the benchmark was too slow to see every tick"
        before, self._stolen_s = self._stolen_s, _stolen_s()
        last = [times[-1] for times in self._times[-1:]]
        times = np.concatenate([last, loop.t_ns])
        missed = _missed(np.diff(times) / 1e6)
        if missed:
            rows = [*self._rows[-1:], *loop.data][-len(times) :]
            for k in np.flatnonzero(np.diff(times) >= 6e6):
                pair = rows[k].tolist(), rows[k + 1].tolist()
                self._late.append((int(times[k]), int(times[k + 1]), pair))
        self.stolen += min(missed, round(1e3 * (self._stolen_s - before) / _PERIOD_MS))
        if len(loop.t_ns):
            self._times.append(loop.t_ns)
            self._rows = loop.data[-1:]
        self._lateness.append(loop.data[:, SECTIONS.index("lateness")])
        self._whole.append(loop.data[:, -1])

    def end(self) -> None:
        self._waited_ms.append((_waiting_ns(self._station) - self._began_ns) / 1e6)
        self.drain()
        self._gaps.append(np.diff(np.concatenate(self._times)) / 1e6)

    def late(self) -> list[tuple[int, int, tuple[list[float], ...]]]:
        """The tick before, the late one [ns], and what both took."""
        return self._late

    @property
    def gaps(self) -> np.ndarray:
        """Between ticks [ms]."""
        return np.concatenate(self._gaps)

    @property
    def count(self) -> int:
        return len(self.gaps)

    @property
    def missed(self) -> int:
        return _missed(self.gaps)

    @property
    def missed_share(self) -> float:
        return self.missed / self.count

    def rows(self, note: str) -> list[Row]:
        seconds = self.gaps.sum() / 1e3
        waited = sum(self._waited_ms) / seconds
        return [
            Row("control ticks", float(self.count), "ticks", note),
            Row("control ticks missed", float(self.missed), "ticks", note),
            Row("missed while stolen", float(self.stolen), "ticks", f"of these; {note}"),
            Row("station waited for a processor", waited, "ms/s", note),
            *percentiles("tick to tick", self.gaps, "ms", note),
            *percentiles("work of a tick", np.concatenate(self._whole), "ms", note),
            *percentiles("loop lateness", np.concatenate(self._lateness), "ms", note),
        ]


def _missed(gaps_ms: np.ndarray) -> int:
    """Ticks that did not happen: gaps of 6 ms and more count by their length."""
    return int(np.maximum(np.rint(gaps_ms / _PERIOD_MS) - 1, 0).sum())


if __name__ == "__main__":
    main()
