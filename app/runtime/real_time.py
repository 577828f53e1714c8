"""In real time, but only as long as one rests: for a thread whose work others determine.

What comes from a network may be a flood. A thread in real time that never sleeps would take a whole
core from everybody, so the kernel is asked to tell (RLIMIT_RTTIME, getrlimit(2)) when it has worked
for a while without ever waiting; then it steps back to where its niceness places it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from types import FrameType

from app.runtime import priority
from devices.clock import NS_PER_S, Clock, SystemClock

AT_MOST_S = 0.05
"""Of work without a rest [s]; several times what a turn of those who use this takes."""

_LOOK_NS = NS_PER_S // 10

BACK_NS = 5 * NS_PER_S
"""After which it tries again [ns]."""


class RealTime:
    """Puts a thread of this process into real time, where that is allowed; made in the main thread.

    Args:
        rank: See `priority.go_before_all`.
        clock: Time.
        thread: Its number in the system; None for the main thread.
        end_s: The kernel ends a process that has worked so long without a rest [s]. For code that
            is not ours: a call that never ends and holds Python's lock cannot step back.
    """

    def __init__(
        self,
        rank: int,
        clock: Clock | None = None,
        *,
        thread: int | None = None,
        end_s: float | None = None,
    ) -> None:
        self._rank = rank
        self._thread = thread or threading.main_thread().native_id or 0
        # Seen from the main thread: one that hands Python's lock on rests for an instant each time,
        # and the kernel begins to count anew, so its share of the time is looked at as well.
        self._looks = thread is not None
        self._clock = clock or SystemClock()
        self._again_ns: int | None = None
        self._before = signal.signal(signal.SIGXCPU, self._step_back)
        _, self._hard = resource.getrlimit(resource.RLIMIT_RTTIME)
        limits = [self._hard, resource.RLIM_INFINITY if end_s is None else round(1e6 * end_s)]
        self._hard = min((x for x in limits if x != resource.RLIM_INFINITY), default=limits[0])
        soft = round(1e6 * AT_MOST_S)
        if self._hard != resource.RLIM_INFINITY:
            soft = min(soft, self._hard)
        resource.setrlimit(resource.RLIMIT_RTTIME, (soft, self._hard))
        self.allowed = priority.go_before_all(rank, self._thread)
        self._look = self._clock.now_ns(), self._worked_ns()

    @property
    def stepped_back(self) -> bool:
        """Whether it got no rest lately, and others go on meanwhile."""
        return self._again_ns is not None

    def keep(self) -> None:
        """Call it every turn: some time after stepping back it tries again."""
        if self._again_ns is not None and self._clock.now_ns() >= self._again_ns:
            self._again_ns = None
            priority.go_before_all(self._rank, self._thread)
        if self._looks and self._again_ns is None:
            now_ns, worked_ns = self._clock.now_ns(), self._worked_ns()
            lasted_ns, share_ns = now_ns - self._look[0], worked_ns - self._look[1]
            if lasted_ns >= _LOOK_NS:
                self._look = now_ns, worked_ns
                if share_ns > lasted_ns / 2:
                    self._step_back()

    def close(self) -> None:
        """Leave real time. Idempotent."""
        self._leave()
        signal.signal(signal.SIGXCPU, self._before)
        resource.setrlimit(resource.RLIMIT_RTTIME, (self._hard, self._hard))

    def _worked_ns(self) -> int:
        try:
            with open(f"/proc/self/task/{self._thread}/schedstat", encoding="ascii") as file:
                return int(file.read().split()[0])
        except OSError:  # a thread may have ended
            return 0

    def _step_back(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        self._again_ns = self._clock.now_ns() + BACK_NS
        self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # a thread may have ended
            os.sched_setscheduler(self._thread, os.SCHED_OTHER, os.sched_param(0))
            priority.answer_soon(priority.SLICE_MS, self._thread)
