"""What every child process of a run shares: its folder, its bus, and a reason to end.

A child ends when it is asked to (Shutdown), on SIGTERM, when its work is done, or when the
supervisor is gone: then the lifeline, a pipe whose other end only the supervisor holds, reads end
of file. Whichever it is, the child first brings its work to a safe end. If that takes too long
after the supervisor's death, the kernel's alarm ends the process all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.runtime import priority
from app.runtime.bus import Bus
from app.runtime.rundir import RunDir
from devices.errors import ConfigError, TeledeckError

EXIT_FAULT = 1
EXIT_REFUSED = 2
ORPHAN_GRACE_S = 2.5


class Child:
    """The running child, as its work sees it.

    Attributes:
        name: Role of the process ("station", "recorder", ...).
        run: Membership in the run folder.
        bus: Sockets; to be used from the main thread.
        options: What the supervisor passed on the command line, as JSON.
        stopping: Set when the work shall end; `why` then says why, as a sentence.
        orphaned: True once the supervisor is gone; nobody is left to talk to.
    """

    def __init__(self, name: str, run: RunDir, options: dict[str, Any]) -> None:
        self.name = name
        self.run = run
        self.bus = Bus(run)
        self.options = options
        self.stopping = threading.Event()
        self.why = ""
        self.orphaned = False
        self._wake_read, self._wake_write = os.pipe()

    @property
    def stop_fd(self) -> int:
        """Becomes readable when `stopping` is set: for event loops that wait on files."""
        return self._wake_read

    def stop(self, why: str) -> None:
        """Ask the work to end. The first reason stays. Safe in threads and signal handlers."""
        if not self.stopping.is_set():
            self.why = why
            self.stopping.set()
            os.write(self._wake_write, b"x")

    def close(self) -> None:
        self.bus.close()
        os.close(self._wake_read)
        os.close(self._wake_write)


def run_child(name: str, work: Callable[[Child], None], argv: Sequence[str] | None = None) -> int:
    """Main function of a child process. Returns its exit status.

    Command line: `RUN [--lifeline FD] [--options JSON]`. Without a lifeline (started by hand) only
    requests and signals end it.

    Args:
        name: Role of the process.
        work: Runs until `child.stopping`. A TeledeckError ends the process with its sentence on
            stderr; any other exception with its traceback, which goes to the log only.
    """
    parser = argparse.ArgumentParser(prog=f"teledeck {name}")
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--lifeline", type=int, default=-1, help="read end of a pipe")
    parser.add_argument("--options", type=json.loads, default={}, help="JSON object")
    arguments = parser.parse_args(argv)
    try:
        run = RunDir.join(arguments.run)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_REFUSED
    priority.small_pages()
    with run:
        child = Child(name, run, arguments.options)
        watch_end, watch_begin = os.pipe()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the supervisor's to handle
        signal.signal(signal.SIGTERM, lambda *_: child.stop("The process was told to end"))
        watcher = threading.Thread(
            target=_watch, args=(child, arguments.lifeline, watch_end), name="lifeline", daemon=True
        )
        watcher.start()
        try:
            work(child)
            return 0
        except TeledeckError as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_REFUSED
        except Exception:  # noqa: BLE001 - the last stop: the log gets it all, the exit code tells
            traceback.print_exc()
            return EXIT_FAULT
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending already
            os.close(watch_begin)
            watcher.join()
            os.close(watch_end)
            child.close()


def _watch(child: Child, lifeline: int, done: int) -> None:
    """Wait until the lifeline or `done` reads end of file."""
    poll = select.poll()
    poll.register(done, select.POLLIN)
    if lifeline >= 0:
        poll.register(lifeline, select.POLLIN)
    ready = {fd for fd, _ in poll.poll()}
    if done in ready:
        return
    child.orphaned = True
    # The default action of SIGALRM ends the process, whatever it is doing.
    signal.setitimer(signal.ITIMER_REAL, ORPHAN_GRACE_S)
    child.stop("The supervisor is gone")
