"""Who goes first on a busy machine: threads that must answer soon say so to Linux's scheduler.

The order, by niceness where the program runs as root; without privileges those before 0 are equal:

    -10  station (before all, in real time, where there are two cores or more)
     -6  touch (in real time behind the station, as long as it rests)
     -7  headset (in real time behind touch, as long as it rests)
     -5  recorder, event loop of the window
     -4  fast path of a policy (in real time behind the headset, as long as it rests); threads that
         read for the window: one that holds Python's lock while it waits for a core keeps the
         window
      0  takes (what they write waits in rings), thread of the window's 3-D view
      3  cameras, and the encoders of their pictures
      6  rasteriser of the 3-D view

Policies and trainings place themselves behind, see `policy_process` and `app.train`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SCHED_OTHER = 0
_CAP_IPC_LOCK = 14
_NO_HUGE_PAGES = 41  # PR_SET_THP_DISABLE
_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4  # mlockall(2), on the machines named above

T = TypeVar("T")


class _Attributes(ctypes.Structure):
    """`struct sched_attr` of sched_setattr(2), first version."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime_ns", ctypes.c_uint64),
        ("deadline_ns", ctypes.c_uint64),
        ("period_ns", ctypes.c_uint64),
    )


STATION = -10
HEADSET = -7
TOUCH = -6
RECORDER = -5
WINDOW = -5
FAST_PATH = -4
READER = -4
TAKE = 0
BEHIND_WINDOW = 0
CAMERAS = 3
RASTERISER = 6  # much more, and on a busy machine a picture takes seconds

STATION_RANK = 4
TOUCH_RANK = 3
HEADSET_RANK = 2
FAST_PATH_RANK = 1
"""In real time. Touch goes before the headset because it does less at a time."""

_CORES = frozenset(os.sched_getaffinity(0))

SLICE_MS = 0.3
"""Of a thread that goes first [ms]: it does little at a time, and others shall not make it wait."""


def go_first(nice: int, *, alone: bool = False) -> bool:
    """Put this process before others, with all the threads it has and will have.

    Call it early: a thread that carries messages counts as much as the one that answers them, and
    what shall step back is made later and says so.

    Args:
        nice: Its niceness from now on; only root may lower it.
        alone: The calling thread only, and those it makes.

    Returns:
        Whether the niceness was allowed; if not, it stays as it is.
    """
    threads = [threading.get_native_id()]
    if not alone:
        threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
    allowed = True
    for thread in threads:
        try:
            os.setpriority(os.PRIO_PROCESS, thread, nice)
        except PermissionError:
            allowed = False
        except ProcessLookupError:
            continue  # it has ended meanwhile
        answer_soon(SLICE_MS, thread)
    return allowed


def go_before_all(rank: int = STATION_RANK, thread: int = 0) -> bool:
    """Put a thread before all others, in real time, where that is allowed.

    For the robot's loop, and for what a hand and a finger wait for: however high its niceness
    places it, it would wait for whole slices of others. Root may, and who has a limit for real
    time. Threads that it makes begin at 0. Who is told from outside how much to do comes in by
    `RealTime`, which steps back when it gets no rest.

    A loop that never rests leaves the others the other cores, and what Linux keeps for them of its
    own (a twentieth); with a single core nobody goes before all.

    Args:
        rank: Among those in real time; the higher one goes first.
        thread: Its number; 0 for the calling one.

    Returns:
        Whether it was allowed; if not, it stays as it is.
    """
    if len(_CORES) > 1:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
            os.sched_setscheduler(thread, policy, os.sched_param(rank))
            return True
    return False


def stay_in_memory() -> bool:
    """Keep in memory what this process has used and will use, code and all, where that is allowed.

    A system that looks for pages to give away takes those of a running program too, and to fetch
    one from a disk takes longer than a tick. What is never used is not fetched for that.

    Returns:
        Whether it was allowed: whoever has no limit of locked memory may. Under a limit nothing is
        locked, for then memory that is asked for later could be refused.
    """
    if not _may_lock_all():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_LOCK_CURRENT | _LOCK_FUTURE | _LOCK_ON_FAULT) == 0)


def _may_lock_all() -> bool:
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY:
        return True
    with open("/proc/self/status", encoding="ascii") as file:
        rights = next((line.split()[1] for line in file if line.startswith("CapEff:")), "0")
    return bool(int(rights, 16) >> _CAP_IPC_LOCK & 1)


def small_pages() -> None:
    """Let this process, and those it starts, use no huge pages of memory (prctl(2)).

    To fill one, by a thread that asks for much memory or by the system that joins small ones, takes
    the core for several milliseconds in which not even real time comes before, where the kernel
    does not give way within itself.
    """
    ctypes.CDLL(None).prctl(_NO_HUGE_PAGES, 1, 0, 0, 0)


def keep_apart(place: Literal["robot", "window"]) -> None:
    """On a machine of two cores, give the calling thread one of its own among the two that matter.

    The station's loop is busy more than half of the time and comes first; where the event loop of
    the window shares its core, it waits for whole ticks. All other threads go where there is room.
    A thread inherits the core of its maker: whoever does heavy work calls `stand_back`.
    """
    if len(_CORES) == 2:
        os.sched_setaffinity(threading.get_native_id(), {sorted(_CORES)[place == "window"]})


def stand_back(nice: int) -> None:
    """Let the calling thread be at least so nice, and run on any core its process may use."""
    thread = threading.get_native_id()
    os.sched_setaffinity(thread, _CORES)
    os.setpriority(os.PRIO_PROCESS, thread, max(nice, os.getpriority(os.PRIO_PROCESS, thread)))


def from_behind(start: Callable[[], T]) -> T:
    """Call something that starts a process, so that it inherits neither core nor niceness of the
    calling thread, which may be the window's."""
    with ThreadPoolExecutor(1, initializer=lambda: stand_back(0)) as pool:
        return pool.submit(start).result()


def be_nice(by: int, *, batch: bool = False) -> None:
    """Lower the priority of the calling thread by `by`; Linux counts niceness by thread.

    Args:
        by: Added to its niceness, as nice(2) does.
        batch: Never interrupt others when it wakes (SCHED_BATCH, sched(7)).
    """
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + by)
    if batch:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))


def be_nice_as_session(by: int) -> None:
    """Lower the priority of the calling thread and those it will make by `by`, also before programs
    of other sessions.

    Where Linux groups processes by session (autogroup, sched(7)), niceness only counts within one:
    a program in a session of its own would get as much as the whole station. The group is left as
    it is where the session is somebody else's, a shell's say.
    """
    with contextlib.suppress(OSError):
        os.nice(by)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(by))


def answer_soon(slice_ms: float, thread: int = 0) -> bool:
    """Let a thread run soon after it wakes, for short pieces of work. Anybody may.

    It gets no more of the machine than before. Linux 6.12 and newer run a thread with a shorter
    slice before one with a longer one; older ones ignore it.

    Args:
        slice_ms: The piece [ms], 0.1 to 100.
        thread: Its number; 0 for the calling one.

    Returns:
        Whether the system took it.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return False
    attributes = _Attributes(
        size=ctypes.sizeof(_Attributes),
        policy=_SCHED_OTHER,
        nice=os.getpriority(os.PRIO_PROCESS, thread),
        runtime_ns=round(1e6 * slice_ms),
    )
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(number, thread, ctypes.byref(attributes), 0) == 0)
