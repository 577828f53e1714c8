"""Why single ticks of the control loop came late, by the kernel's own record (ftrace).

Needs root and tracefs. A buffer of its own is made and removed again; other tracing goes on. For
each late tick it tells, between the tick before and this one, in milliseconds: how long the loop's
thread was on its processor, how much of that the scheduler counts as its own (the rest was stolen
by the host, or interrupts), how long it was ready and did not run and who ran meanwhile, how long
it was not even woken although its time had come, and how often it faulted for memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_TRACING = Path("/sys/kernel/tracing/instances")
_EVENTS = (
    "sched/sched_switch",
    "sched/sched_waking",
    "sched/sched_stat_runtime",
    "exceptions/page_fault_user",
    "exceptions/page_fault_kernel",
)
_LINE = re.compile(r"\s*(.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+)\.(\d+): (\w+): (.*)")
_BUFFER_KB = 300_000


@dataclass(slots=True)
class Late:
    """A late tick.

    Attributes:
        gap_ms: From the tick before.
        on_ms: On the processor, by the clock.
        own_ms: Of that, counted as its own by the scheduler.
        waited_ms: Ready, and not running.
        asleep_ms: Sleeping.
        by: Who ran while it waited [ms].
        faults: Page faults of the thread.
        course: When it began to run (+), ended as it wished (-) or was taken away (!), was woken
            (w) [ms after the tick before].
        rows: `station/loop` of the tick before and of this one.
    """

    gap_ms: float
    on_ms: float = 0.0
    own_ms: float = 0.0
    waited_ms: float = 0.0
    asleep_ms: float = 0.0
    by: Counter[str] = field(default_factory=Counter)
    faults: int = 0
    course: str = ""
    rows: tuple[Sequence[float], ...] = ()

    def __str__(self) -> str:
        who = ", ".join(f"{_name(name)} {ms:.2f}" for name, ms in self.by.most_common(3))
        rows = " | ".join(" ".join(f"{value:.2f}" for value in row) for row in self.rows)
        return (
            f"gap {self.gap_ms:6.2f}: on {self.on_ms:5.2f} (own {self.own_ms:5.2f}), waited "
            f"{self.waited_ms:5.2f} [{who}], asleep {self.asleep_ms:5.2f}, "
            f"faults {self.faults}; {self.course}; rows {rows}"
        )


def _name(comm_and_thread: str) -> str:
    """With the module that a Python process runs."""
    thread = comm_and_thread.rpartition("-")[2]
    with suppress(OSError):
        words = Path(f"/proc/{thread}/cmdline").read_bytes().decode().split("\0")
        if "-m" in words:
            return f"{words[words.index('-m') + 1]}, thread {thread}"
    return comm_and_thread


class KernelRecord:
    """What the kernel did on one core, while this is open.

    Args:
        thread: The loop's.
        core: Where it runs; None for any, and then it is not told who ran meanwhile.
    """

    def __init__(self, thread: int, core: int | None) -> None:
        self._thread, self._core = thread, core
        self._folder = _TRACING / f"late-ticks-{thread}"

    def __enter__(self) -> KernelRecord:
        if not _TRACING.is_dir():
            raise SystemExit(
                "The kernel's record is not there. As root: "
                "mount -t tracefs nodev /sys/kernel/tracing"
            )
        self._folder.mkdir()
        self._write("trace_clock", "mono")
        if self._core is not None:
            self._write("tracing_cpumask", f"{1 << self._core:x}")
            self._write(f"per_cpu/cpu{self._core}/buffer_size_kb", str(_BUFFER_KB))
        else:
            self._write("buffer_size_kb", str(_BUFFER_KB // 4))
            me = self._thread
            self._write("events/sched/sched_switch/filter", f"prev_pid=={me}||next_pid=={me}")
        for event in _EVENTS:
            if event.startswith("exceptions"):
                self._write(f"events/{event}/filter", f"common_pid=={self._thread}")
            self._write(f"events/{event}/enable", "1")
        return self

    def __exit__(self, *_: object) -> None:
        self._write("tracing_on", "0")
        with suppress(OSError):
            self._folder.rmdir()

    def stop(self) -> None:
        self._write("tracing_on", "0")

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="ascii")

    def explain(self, gaps: Sequence[tuple[int, int]]) -> list[Late]:
        """What happened in each (from, to) [ns, monotonic], in order and apart."""
        told = [Late((end - begin) / 1e6) for begin, end in gaps]
        lines: list[list[tuple[int, str, int, str, str]]] = [[] for _ in gaps]
        number = 0
        for one in self._lines():
            while number < len(gaps) and one[0] > gaps[number][1]:
                number += 1
            if number == len(gaps):
                break
            if one[0] >= gaps[number][0]:
                lines[number].append(one)
        for (begin, end), late, events in zip(gaps, told, lines, strict=True):
            self._account(late, begin, end, events)
        return told

    def _lines(self) -> Iterator[tuple[int, str, int, str, str]]:
        with (self._folder / "trace").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if match := _LINE.match(line):
                    comm, pid, _, s, us, event, rest = match.groups()
                    yield int(s) * 10**9 + int(us.ljust(9, "0")), comm, int(pid), event, rest

    def _account(
        self, late: Late, begin: int, end: int, events: list[tuple[int, str, int, str, str]]
    ) -> None:
        me = f"={self._thread} "
        state, since = "on", begin  # a tick begins on its core
        running = ""
        course: list[str] = []
        for t, _comm, pid, event, rest in events:
            if event == "sched_switch":
                before, after = rest.split(" ==> ")
                if state == "ready" and running:
                    late.by[running] += (t - since) / 1e6
                    late.waited_ms += (t - since) / 1e6
                    since = t
                if f"next_pid{me}" in after + " ":
                    if state == "asleep":
                        late.asleep_ms += (t - since) / 1e6
                    state, since = "on", t
                    course.append(f"+{(t - begin) / 1e6:.2f}")
                elif f"prev_pid{me}" in before + " ":
                    late.on_ms += (t - since) / 1e6
                    state, since = ("ready" if "prev_state=R" in before else "asleep"), t
                    mark = "!" if state == "ready" else "-"
                    course.append(f"{mark}{(t - begin) / 1e6:.2f}")
                running = after.split("next_comm=")[1].replace(" next_pid=", "-").split()[0]
            elif event == "sched_waking" and f" pid{me}" in f" {rest} " and state == "asleep":
                late.asleep_ms += (t - since) / 1e6
                state, since = "ready", t
                course.append(f"w{(t - begin) / 1e6:.2f}")
            elif event == "sched_stat_runtime" and f" pid{me}" in f" {rest} ":
                late.own_ms += int(rest.split("runtime=")[1].split()[0]) / 1e6
            elif event.startswith("page_fault") and pid == self._thread:
                late.faults += 1
        late.course = " ".join(course) if events else "no record"
        if state == "on":
            late.on_ms += (end - since) / 1e6
        elif state == "ready":
            late.waited_ms += (end - since) / 1e6
