"""The supervisor: starts the other processes of a run, watches them, and leaves nothing behind.

It is small and imports neither Qt nor MuJoCo, so that it is the last thing to fail. Should it be
killed nevertheless, its children notice by their lifelines and end by themselves.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.runtime.bus import Bus
from app.runtime.child import EXIT_REFUSED
from app.runtime.crash import CrashReport, keep_report
from app.runtime.requests import Ok, Ping, Refused, Reply, Request, Restart, Shutdown, StopChild
from app.runtime.rundir import RunDir
from app.runtime.statuses import Event
from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import ConfigError, DeviceError

_TERM_S = 1.0  # between SIGTERM and SIGKILL
_RESTART_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process of the run.

    Attributes:
        name: Its role; also names its sockets and its log.
        module: What `python -m` runs; its main function is `app.runtime.child.run_child`.
        options: Passed to the child as JSON.
        essential: Its end, good or bad, ends the run (the window).
        restarts: How often a minute it is started again by itself after a crash; not after it has
            said why it cannot run.
        answers: It serves requests, so that it can be asked to end.
        stop_s: How long a graceful end may take [s].
        auto: It starts with the run; another waits until it is asked for.
        memory_mb: Most memory of its own that it may have [MB], 0 for any. An allocation beyond it
            fails in the child, which nobody else feels.
    """

    name: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    essential: bool = False
    restarts: int = 0
    answers: bool = True
    stop_s: float = 3.0
    auto: bool = True
    memory_mb: int = 0


class _Running:
    """A started child: the process, a pidfd that tells its end, our end of its lifeline."""

    def __init__(self, spec: ChildSpec, run: RunDir) -> None:
        self.spec = spec
        lifeline, self._lifeline = os.pipe()
        try:
            with run.log(spec.name).open("ab") as log:
                self.process = subprocess.Popen(
                    [
                        *(sys.executable, "-m", spec.module, str(run.path)),
                        *("--lifeline", str(lifeline), "--options", json.dumps(spec.options)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(lifeline,),
                    process_group=0,  # Ctrl+C in the terminal is for the supervisor alone
                )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)
        self.pidfd = os.pidfd_open(self.process.pid)
        if spec.memory_mb:
            # Private writable memory; shared rings and mapped weights do not count (setrlimit(2)).
            limit = spec.memory_mb << 20
            resource.prlimit(self.process.pid, resource.RLIMIT_DATA, (limit, limit))

    def bury(self) -> int:
        """Reap the ended process. Returns its exit status, negative for a signal."""
        status = self.process.wait()
        os.close(self.pidfd)
        os.close(self._lifeline)
        return status


@dataclass(slots=True)
class _Leaving:
    """A child that was asked to end: which signal it was sent last, how it will be asked next, and
    when; whether it starts again afterwards."""

    running: _Running
    again: bool
    deadline_s: float
    sent: int = 0
    signals: list[int] = field(default_factory=lambda: [signal.SIGTERM, signal.SIGKILL])


class Supervisor:
    """Keeps the children of one run. Use it from one thread; `step` does all the work.

    Args:
        run: The run folder; the supervisor leaves it when it closes.
        specs: The children, in the order of starting.
        clock: For the times of events.
        crash_dir: Where crash reports are kept, beyond the run.

    Attributes:
        crashes: What happened so far, oldest first.
    """

    def __init__(
        self,
        run: RunDir,
        specs: Sequence[ChildSpec],
        *,
        clock: Clock | None = None,
        crash_dir: Path | None = None,
    ) -> None:
        self.run = run
        self.crashes: list[CrashReport] = []
        self._specs = {spec.name: spec for spec in specs}
        self._clock = clock or SystemClock()
        self._crash_dir = crash_dir
        self._running: dict[str, _Running] = {}
        self._restarted: dict[str, deque[int]] = {name: deque() for name in self._specs}
        self._bus = Bus(run)
        self._clients = {s.name: self._bus.client(s.name) for s in specs if s.answers}
        self._server = self._bus.server("supervisor")
        self._publisher = self._bus.publisher("supervisor")
        self._leaving: dict[str, _Leaving] = {}
        self._ending = False

    @property
    def alive(self) -> tuple[str, ...]:
        """Names of the children that run."""
        return (*self._running, *self._leaving)

    @property
    def ended(self) -> bool:
        """True once an essential child has ended or a Shutdown came: time to `close`."""
        return self._ending

    def pid(self, child: str) -> int:
        """Process id of a running child. Raises KeyError for one that does not run."""
        if child in self._leaving:
            return self._leaving[child].running.process.pid
        return self._running[child].process.pid

    def start(self, *names: str) -> None:
        """Start the named children; all that start with the run if none is named."""
        for name in names or tuple(name for name, spec in self._specs.items() if spec.auto):
            if name in self._leaving:
                self._leaving[name].again = True
            elif name not in self._running:
                self._running[name] = _Running(self._specs[name], self.run)

    def wait_until_answers(self, child: str, timeout_s: float = 10.0) -> None:
        """Return when `child` answers requests.

        Raises:
            DeviceError: When it ends before that, or does not answer in `timeout_s` [s].
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._clients[child].request(Ping(), 0.2)
                return
            except DeviceError:
                self.step(0.0)
                if child not in self._running:
                    said = [crash.sentence for crash in self.crashes if crash.child == child]
                    raise DeviceError(
                        said[-1] if said else f"The {child} ended while starting"
                    ) from None
                if time.monotonic() > deadline:
                    raise

    def step(self, timeout_s: float = 0.1) -> None:
        """Wait up to `timeout_s` [s] for something to happen, and deal with it."""
        poll = select.poll()
        by_fd = {running.pidfd: name for name, running in self._running.items()}
        for fd in (*by_fd, *(one.running.pidfd for one in self._leaving.values())):
            poll.register(fd, select.POLLIN)
        poll.register(self._server.fd, select.POLLIN)
        for fd, _ in poll.poll(round(1000 * timeout_s)):
            if fd in by_fd:
                self._on_end(by_fd[fd])
        self._server.poll(self._answer)
        self._see_off()

    def _let_go(self, name: str, again: bool) -> None:
        """Ask a child to end, without waiting for it: whoever steps us has other things to do."""
        if name in self._leaving:
            self._leaving[name].again = again
            return
        running = self._running.pop(name, None)
        if running is None:
            if again:
                self.start(name)
            return
        grace_s = 0.0
        if name in self._clients:
            self._clients[name].post(Shutdown())
            grace_s = self._specs[name].stop_s
        self._leaving[name] = _Leaving(running, again, time.monotonic() + grace_s)

    def _see_off(self) -> None:
        """Bury those that have ended since they were asked to, urge those that have not."""
        for name, leaving in tuple(self._leaving.items()):
            if leaving.running.process.poll() is not None:
                del self._leaving[name]
                if name in self._clients:
                    self._clients[name].reset()
                status = leaving.running.bury()
                if status != -leaving.sent:  # else it ended as it was told to: no crash
                    self._report(name, status)
                if leaving.again:
                    self.start(name)
            elif time.monotonic() >= leaving.deadline_s and leaving.signals:
                leaving.sent = leaving.signals.pop(0)
                signal.pidfd_send_signal(leaving.running.pidfd, leaving.sent)
                leaving.deadline_s = time.monotonic() + _TERM_S

    def serve(self) -> None:
        """Run until an essential child ends, a Shutdown comes, or SIGTERM or SIGINT."""

        def end(*_: object) -> None:
            self._ending = True

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not self._ending:
                self.step()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """End all children, gently first, and leave the run folder. Idempotent."""
        self._ending = True
        for name in tuple(self._leaving):
            leaving = self._leaving.pop(name)
            if name in self._clients:
                self._clients[name].reset()
            self._running[name] = leaving.running
        self._end(tuple(self._running))
        self._bus.close()
        self.run.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self, request: Request) -> Reply:
        match request:
            case Ping():
                return Ok()
            case Shutdown():
                self._ending = True
                return Ok("Everything is being closed.")
            case Restart(child=name, options=changes):
                spec = self._spec(name)
                self._specs[name] = replace(spec, options={**spec.options, **changes})
                self._let_go(name, again=True)
                return Ok(f"The {name} starts again.")
            case StopChild(child=name):
                self._spec(name)
                self._let_go(name, again=False)
                return Ok(f"The {name} ends.")
        return Refused(f"The supervisor has no {type(request).__name__}.")

    def _spec(self, name: str) -> ChildSpec:
        if name not in self._specs:
            raise ConfigError(f"There is no process '{name}'", allowed=self._specs)
        return self._specs[name]

    def _on_end(self, name: str) -> None:
        """A child has ended by itself."""
        spec = self._specs[name]
        status = self._running.pop(name).bury()
        self._report(name, status)
        if spec.essential:
            self._ending = True
        elif status not in (0, EXIT_REFUSED) and self._may_restart(spec):
            self.start(name)

    def _may_restart(self, spec: ChildSpec) -> bool:
        now = self._clock.now_ns()
        recent = self._restarted[spec.name]
        while recent and now - recent[0] > _RESTART_WINDOW_S * NS_PER_S:
            recent.popleft()
        if len(recent) >= spec.restarts:
            return False
        recent.append(now)
        return True

    def _end(self, names: Sequence[str]) -> None:
        """Ask, then SIGTERM, then SIGKILL, all children at a time."""
        ending = {name: self._running.pop(name) for name in names if name in self._running}
        # The recorder, which is started after the station, hears of the end before its streams end.
        asked = [name for name in reversed(ending) if name in self._clients]
        for name in asked:
            self._clients[name].post(Shutdown())
        grace = max((self._specs[name].stop_s for name in asked), default=0.0)
        left = self._wait(ending, grace)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for running in left.values():
                signal.pidfd_send_signal(running.pidfd, number)
            left = self._wait(left, _TERM_S)
        for name in asked:
            self._clients[name].reset()

    def _wait(self, running: dict[str, _Running], timeout_s: float) -> dict[str, _Running]:
        """Bury those that end within `timeout_s` [s]; return the others."""
        deadline = time.monotonic() + timeout_s
        left = dict(running)
        while left:
            poll = select.poll()
            for one in left.values():
                poll.register(one.pidfd, select.POLLIN)
            remaining = deadline - time.monotonic()
            ended = {fd for fd, _ in poll.poll(max(0, round(1000 * remaining)))}
            for name, one in list(left.items()):
                if one.pidfd in ended:
                    self._report(name, left.pop(name).bury())
            if not ended and remaining <= 0:
                break
        return left

    def _report(self, name: str, status: int) -> None:
        """Tell and keep what made a child end other than well."""
        if status == 0:
            return
        crash = keep_report(name, status, self.run.log(name), self._crash_dir)
        self.crashes.append(crash)
        about: dict[str, float | str | bool | None] = {
            "child": name,
            "status": float(status),
            "log": str(crash.log),
        }
        self._publisher.send(Event(self._clock.now_ns(), "fault", crash.sentence, about))
