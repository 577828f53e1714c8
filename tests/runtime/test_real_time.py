"""Real time as long as one rests: read back from the system, in a process of its own."""

from __future__ import annotations

import os
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


def may() -> bool:
    code = f"from app.runtime import priority; assert priority.go_before_all({1})"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="with a single core nobody goes before all"
)
def test_who_gets_no_rest_steps_back_and_tries_again() -> None:
    if not may():
        pytest.skip("real time is not allowed here")
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60)


def test_the_robot_goes_before_what_is_felt_and_shown() -> None:
    assert priority.STATION_RANK > priority.TOUCH_RANK > priority.HEADSET_RANK > 0
