"""Real time as long as one rests: read back from the system, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from app.runtime import priority

CODE = """
import os, time
from app.runtime import priority, real_time
from devices.clock import FakeClock

clock = FakeClock()
here = real_time.RealTime(priority.HEADSET_RANK, clock)
assert here.allowed and not here.stepped_back
policy = lambda: os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
assert policy() == os.SCHED_FIFO
for _ in range(20):  # works, and rests: stays
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass
    time.sleep(0.001)
assert policy() == os.SCHED_FIFO and not here.stepped_back
while not here.stepped_back:  # never rests
    pass
assert policy() == os.SCHED_OTHER
here.keep()
assert policy() == os.SCHED_OTHER
clock.advance_s(6.0)
here.keep()
assert policy() == os.SCHED_FIFO and not here.stepped_back
here.close()
here.close()
assert policy() == os.SCHED_OTHER
"""

THREAD = """
import os, threading, time
from app.runtime import priority, real_time
from app.runtime.spare_thread import SpareThread

work = SpareThread("work", lambda: None)
here = real_time.RealTime(priority.FAST_PATH_RANK, thread=work.number, end_s=0.3)
policy = lambda of: os.sched_getscheduler(of) & ~os.SCHED_RESET_ON_FORK
assert policy(work.number) == os.SCHED_FIFO and policy(0) == os.SCHED_OTHER
enough = threading.Event()

def spin():
    while not enough.is_set():
        pass
    {then}

work.begin(spin)
while not here.stepped_back:
    here.keep()
    time.sleep(0.001)
assert policy(work.number) == os.SCHED_OTHER
{last}
enough.set()
work.join(30.0)
here.close()
"""


def may() -> bool:
    code = f"from app.runtime import priority; assert priority.go_before_all({1})"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == 0


two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="with a single core nobody goes before all"
)


@two_cores
def test_who_gets_no_rest_steps_back_and_tries_again() -> None:
    if not may():
        pytest.skip("real time is not allowed here")
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60)


@two_cores
def test_another_thread_steps_back_too() -> None:
    if not may():
        pytest.skip("real time is not allowed here")
    code = THREAD.format(then="", last="")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@two_cores
def test_who_cannot_step_back_is_ended() -> None:
    """A call that never ends and holds Python's lock lets no handler run."""
    if not may():
        pytest.skip("real time is not allowed here")
    again = "priority.go_before_all(1, work.number)"
    code = THREAD.format(then="sum(range(10**12))", last=again)
    ended = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert ended.returncode == -signal.SIGKILL


def test_the_robot_goes_before_what_is_felt_and_shown() -> None:
    ranks = (
        priority.STATION_RANK,
        priority.TOUCH_RANK,
        priority.HEADSET_RANK,
        priority.FAST_PATH_RANK,
    )
    assert list(ranks) == sorted(set(ranks), reverse=True) and ranks[-1] > 0
