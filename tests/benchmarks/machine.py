"""The machine itself: how often it stalls a loop that only counts, before all others in real time.

Nothing of Teledeck runs. Every 4 ms a thread in real time, on a core of its own where there are
two, counts as long as a tick of the control loop works, and sleeps. What comes late here comes
late whatever a program does: the system did not run it, or ran it slower. Windows of five seconds
in which nobody else does anything alternate with such in which processes behind start, import and
compute, again and again, as a policy that is loaded does: one, or as many as there are cores.

A host that gives a virtual machine only so much processor time takes it away until a new period
begins, usually every 100 ms. So it is told when stalls (of sleep or of work, 1.5 ms and more beyond
what is usual) ended within a period of 100 ms: by chance they would do so anywhere.

`python -m tests.benchmarks.machine [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time

import numpy as np

from app.runtime import priority
from devices.clock import SystemClock
from tests.benchmarks.report import Row, options, percentiles, tell

_PERIOD_NS = 4_000_000
_WORK_MS = 1.3
_WINDOW_S = 5.0
_STALL_MS = 1.5
_OTHERS = {"nobody else": 0, "one loads": 1, "all cores load": len(os.sched_getaffinity(0))}
_BUSY = "import numpy, scipy.optimize, mujoco; numpy.linalg.svd(numpy.random.rand(400, 400))"


def main() -> None:
    arguments = options(__doc__ or "", 60.0).parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    rounds = max(1, round(arguments.seconds / len(_OTHERS) / _WINDOW_S))
    count = _calibrated()
    found: dict[str, list[np.ndarray]] = {name: [] for name in _OTHERS}
    stolen: dict[str, float] = dict.fromkeys(found, 0.0)
    for _ in range(rounds):
        for name, windows in found.items():
            before = _stolen_s()
            windows.append(_window(count, _OTHERS[name]))
            stolen[name] += _stolen_s() - before
    rows = []
    for name, windows in found.items():
        gaps = np.concatenate([np.diff(one[:, 0]) for one in windows]) / 1e6
        work = np.concatenate([one[:, 1] for one in windows]) / 1e6
        late = int(np.maximum(np.rint(gaps / 4.0) - 1, 0).sum())
        rows += [
            Row("ticks", float(len(gaps)), "ticks", name),
            Row("ticks missed", float(late), "ticks", f"gaps of 6 ms and more; {name}"),
            Row("stolen", 1e3 * stolen[name] / (gaps.sum() / 1e3), "ms/s", f"proc(5); {name}"),
            *percentiles("work, always the same", work, "ms", name),
            *percentiles("tick to tick", gaps, "ms", name),
        ]
    ends = _stall_ends_ms(np.concatenate([one for windows in found.values() for one in windows]))
    if len(ends):
        near, chance = _crowded(ends)
        note = f"of {len(ends)} stalls; by chance a fifth of them, and some more"
        rows.append(Row("stalls that ended in one 20 ms of each 100", float(near), "stalls", note))
        rows.append(Row("where these begin", chance, "ms", "after full 100 ms, monotonic"))
    tell("A loop that only counts, in real time", rows, arguments.json)


def _stall_ends_ms(ticks: np.ndarray) -> np.ndarray:
    """When stalls ended, within 100 ms [ms], from ticks as `_window` tells them."""
    began, worked = ticks[:, 0], ticks[:, 1]
    usual = float(np.percentile(worked, 90))
    slow = worked > usual + 1e6 * _STALL_MS
    gap = np.diff(began, prepend=began[0])
    late = (gap > _PERIOD_NS + 1e6 * _STALL_MS) & (gap < 1e9) & ~np.roll(slow, 1)
    return np.concatenate([(began + worked)[slow], began[late]]) / 1e6 % 100.0


def _crowded(ends_ms: np.ndarray) -> tuple[int, float]:
    """The 20 ms of 100 in which most of them lie: how many, and where it begins [ms]."""
    counts = [int(((ends_ms - begin) % 100.0 < 20.0).sum()) for begin in range(100)]
    return max(counts), float(np.argmax(counts))


def _count(to: int) -> None:
    for _ in range(to):
        pass


def _calibrated() -> int:
    """How far to count for the work of a tick."""
    times = []
    for _ in range(50):
        began = time.perf_counter()
        _count(10_000)
        times.append(1e3 * (time.perf_counter() - began))
    return round(10_000 * _WORK_MS / float(np.median(times)))


def _window(count: int, others: int) -> np.ndarray:
    """Begin and duration of each tick [ns], shape (n, 2)."""
    clock = SystemClock()
    script = f"while {sys.executable} -c '{_BUSY}'; do :; done"
    command = ["nice", "-n", "10", "sh", "-c", script]
    started = [subprocess.Popen(command, start_new_session=True) for _ in range(others)]
    time.sleep(0.1)
    allowed = os.sched_getaffinity(0)
    priority.keep_apart("robot")
    priority.go_before_all()
    gc.disable()
    rows = []
    try:
        due_ns = clock.now_ns()
        end_ns = due_ns + round(1e9 * _WINDOW_S)
        while due_ns < end_ns:
            clock.sleep_until_ns(due_ns)
            began_ns = clock.now_ns()
            _count(count)
            rows.append((began_ns, clock.now_ns() - began_ns))
            due_ns = max(due_ns + _PERIOD_NS, began_ns - 2 * _PERIOD_NS)
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, allowed)
        gc.enable()
        for one in started:
            os.killpg(one.pid, 15)
            one.wait()
    return np.array(rows)


def _stolen_s() -> float:
    with open("/proc/stat", encoding="ascii") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
