"""The robot's loop goes before all; what it makes later does not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from app.runtime import priority
from app.runtime.spare_thread import SpareThread


def in_a_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_what_goes_before_all_makes_threads_that_do_not() -> None:
    seen: list[int] = []

    def loop() -> None:
        allowed = priority.go_before_all(priority.STATION)
        here = os.sched_getscheduler(threading.get_native_id())
        real_time = here & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
        assert allowed or not real_time
        in_a_thread(lambda: seen.append(os.sched_getscheduler(threading.get_native_id())))

    in_a_thread(loop)
    assert seen == [os.SCHED_OTHER]


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
