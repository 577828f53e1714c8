"""Who goes first: what threads say to Linux's scheduler, read back from the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.runtime import priority
from app.runtime.spare_thread import SpareThread


def in_a_thread(ask: Callable[[], object]) -> object:
    """What `ask` gives in a thread of its own, so that this one stays as it is."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def linux() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])


@pytest.mark.skipif(linux() < (6, 12), reason="slices of one's own came with Linux 6.12")
def test_who_answers_soon_has_a_short_slice_and_keeps_its_niceness() -> None:
    def ask() -> tuple[bool, str, bool]:
        before = niceness()
        taken = priority.answer_soon(0.4)
        about = Path(f"/proc/self/task/{threading.get_native_id()}/sched").read_text()
        slice_ns = next(line.split()[-1] for line in about.splitlines() if "se.slice" in line)
        return taken, slice_ns, niceness() == before

    assert in_a_thread(ask) == (True, "400000", True)


def test_a_process_goes_first_with_all_its_threads_or_goes_on_as_it_is() -> None:
    code = """
import os, threading
from app.runtime import priority
from pathlib import Path
end = threading.Event()
threading.Thread(target=end.wait).start()
before = os.getpriority(os.PRIO_PROCESS, 0)
allowed = priority.go_first(before - 3)
threading.Thread(target=end.wait).start()
told = {os.getpriority(os.PRIO_PROCESS, int(t.name)) for t in Path("/proc/self/task").iterdir()}
end.set()
assert told == {before - 3 if allowed else before}, (allowed, told)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_who_stands_back_never_moves_forward() -> None:
    before = niceness()

    def ask() -> tuple[int, int]:
        priority.stand_back(before + 2)
        further = niceness()
        priority.stand_back(before)
        return further, niceness()

    assert in_a_thread(ask) == (min(19, before + 2),) * 2


def test_being_nice_counts_for_one_thread() -> None:
    before = niceness()

    def ask() -> int:
        priority.be_nice(2)
        return niceness()

    assert in_a_thread(ask) == min(19, before + 2)
    assert niceness() == before


def test_robot_and_window_have_a_core_each_and_all_others_have_both() -> None:
    cores = os.sched_getaffinity(0)

    def place(which: str) -> Callable[[], tuple[set[int], set[int]]]:
        def ask() -> tuple[set[int], set[int]]:
            priority.keep_apart(which)  # type: ignore[arg-type]
            kept = os.sched_getaffinity(threading.get_native_id())
            priority.stand_back(niceness())
            return kept, os.sched_getaffinity(threading.get_native_id())

        return ask

    robot, free = in_a_thread(place("robot"))  # type: ignore[misc]
    window, _ = in_a_thread(place("window"))  # type: ignore[misc]
    assert free == cores == os.sched_getaffinity(0)
    if len(cores) == 2:
        assert len(robot) == len(window) == 1 and robot | window == cores
    else:
        assert robot == window == cores


def group() -> str:
    """This session's group and its niceness; "" where processes are not grouped by session. The
    file can be there and empty: in a container, or with grouping switched off."""
    try:
        return Path("/proc/self/autogroup").read_text().strip()
    except OSError:
        return ""


@pytest.mark.skipif(not group(), reason="no groups by session here")
@pytest.mark.parametrize("own", [True, False])
def test_a_session_of_its_own_steps_back_as_a_whole(own: bool) -> None:
    code = (
        "from app.runtime import priority; priority.be_nice_as_session(7);"
        "print(open('/proc/self/autogroup').read())"
    )
    before = group().split()[-1]
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=own,
    )
    assert told.stdout.split()[-1] == ("7" if own else before)


def test_what_goes_before_all_makes_threads_that_do_not() -> None:
    def policy() -> int:
        return os.sched_getscheduler(threading.get_native_id())

    def ask() -> tuple[bool, bool, object]:
        allowed = priority.go_before_all()
        return allowed, policy() & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO, in_a_thread(policy)

    allowed, real_time, later = in_a_thread(ask)  # type: ignore[misc]
    assert allowed == real_time and later == os.SCHED_OTHER


def test_a_spare_thread_takes_its_place_before_it_has_work() -> None:
    said: list[str] = []
    placed = threading.Event()

    def place() -> None:
        said.append("placed")
        placed.set()

    spare = SpareThread("spare", place)
    assert placed.wait(10.0)
    spare.begin(lambda: said.append("worked"))
    spare.join(10.0)
    assert said == ["placed", "worked"]


def test_a_process_that_is_started_from_behind_has_neither_core_nor_niceness_of_its_maker() -> None:
    code = """
import os, subprocess, sys
from app.runtime import priority
priority.go_first(-5)
priority.keep_apart("window")
print(os.getpriority(os.PRIO_PROCESS, 0), flush=True)
child = "import os; print(os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)))"
priority.from_behind(lambda: subprocess.run([sys.executable, "-c", child], check=True))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    maker, started = told.stdout.splitlines()
    nice, _, cores = started.partition(" ")
    assert int(nice) == max(0, int(maker))
    assert cores == str(sorted(os.sched_getaffinity(0)))
