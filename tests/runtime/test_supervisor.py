"""The supervisor and its children: whoever dies, whenever, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.runtime.bus import Bus
from app.runtime.requests import Ok, Refused, Request, Restart, Shutdown, Stop, StopChild
from app.runtime.rundir import RunDir
from app.runtime.statuses import Event
from app.runtime.supervisor import ChildSpec, Supervisor
from devices.errors import ConfigError, DeviceError
from tests.runtime.fake_run import MODULE, ROLES

PATIENCE_S = 20.0  # for what must happen on a loaded machine


def fake(name: str, **more: object) -> ChildSpec:
    options = {"role": name, **{k: v for k, v in more.items() if k in ("mood", "say")}}
    rest = {k: v for k, v in more.items() if k not in options}
    return ChildSpec(name, MODULE, options, **rest)  # type: ignore[arg-type]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    with contextlib.ExitStack() as stack:

        def make(*specs: ChildSpec) -> Supervisor:
            run = RunDir.create(tmp_path)
            supervisor = Supervisor(run, specs, crash_dir=tmp_path / "crashes")
            return stack.enter_context(supervisor)

        yield make


def step_until(supervisor: Supervisor, happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        supervisor.step(0.05)


def test_children_start_answer_and_end(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake("station", say="here"), fake("recorder"))
    supervisor.start()
    for child in supervisor.alive:
        supervisor.wait_until_answers(child, PATIENCE_S)
    supervisor.close()
    assert supervisor.alive == () and supervisor.crashes == []
    assert not supervisor.run.path.exists()


def test_a_crash_is_told_in_a_sentence_and_its_log_is_kept(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise(fake("station", mood="raise"))
    supervisor.start()
    step_until(supervisor, lambda: bool(supervisor.crashes))
    (crash,) = supervisor.crashes
    assert "station stopped unexpectedly (ZeroDivisionError: the fake child" in crash.sentence
    assert "Traceback" not in crash.sentence and "\n" not in crash.sentence
    assert "Traceback" in crash.log.read_text()
    assert not supervisor.ended
    with pytest.raises(DeviceError, match="ZeroDivisionError"):
        supervisor.wait_until_answers("station")


def test_a_killed_child_is_started_again_as_often_as_allowed(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise(fake("cameras", restarts=1))
    supervisor.start()
    supervisor.wait_until_answers("cameras", PATIENCE_S)
    first = supervisor.pid("cameras")
    os.kill(first, signal.SIGKILL)
    step_until(supervisor, lambda: supervisor.alive != () and supervisor.pid("cameras") != first)
    supervisor.wait_until_answers("cameras", PATIENCE_S)
    os.kill(supervisor.pid("cameras"), signal.SIGKILL)
    step_until(supervisor, lambda: supervisor.alive == ())
    assert [crash.status for crash in supervisor.crashes] == [-9, -9]
    assert "ended by SIGKILL" in supervisor.crashes[0].sentence


def test_a_child_that_refuses_to_run_is_quoted_and_not_started_again(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise(fake("cameras", mood="refuse", restarts=3))
    supervisor.start()
    step_until(supervisor, lambda: supervisor.alive == ())
    (crash,) = supervisor.crashes
    assert crash.sentence == "The cameras cannot run: There is no camera 'x'. Plug it in."


def test_the_end_of_the_window_ends_the_run(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake("station"), fake("window", mood="short", essential=True))
    supervisor.start()
    step_until(supervisor, lambda: supervisor.ended)
    assert supervisor.alive == ("station",)


def test_a_deaf_child_is_ended_all_the_same(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake("station", mood="deaf", stop_s=0.2))
    supervisor.start()
    step_until(supervisor, lambda: (supervisor.run.rings_dir / "station.ring").exists())
    supervisor.close()
    assert [crash.status for crash in supervisor.crashes] == [-9]
    assert not supervisor.run.path.exists()


def test_requests_and_events_of_the_supervisor(
    supervise: Callable[..., Supervisor],
) -> None:
    supervisor = supervise(fake("station"))
    supervisor.start()
    supervisor.wait_until_answers("station", PATIENCE_S)
    pid = supervisor.pid("station")
    with RunDir.join(supervisor.run.path) as run, Bus(run) as bus:
        listener, client = bus.subscriber("supervisor"), bus.client("supervisor")

        def ask(request: Request) -> object:
            client.post(request)
            step_until(supervisor, lambda: bool(client._socket.poll(0)))
            reply = client._socket.recv()
            client.reset()
            return reply

        assert b"station starts again" in ask(Restart("station"))  # type: ignore[operator]
        step_until(supervisor, lambda: supervisor.pid("station") != pid)
        pid = supervisor.pid("station")
        assert b"Ok" in ask(Restart("station", {"scene": "peel", "seed": 7}))  # type: ignore[operator]
        step_until(supervisor, lambda: supervisor.pid("station") != pid)
        # The kernel shows the command line a moment after the process.
        command = Path(f"/proc/{supervisor.pid('station')}/cmdline")
        step_until(supervisor, lambda: '"scene": "peel", "seed": 7' in command.read_text())
        assert b"no process 'coffee'" in ask(Restart("coffee"))  # type: ignore[operator]
        supervisor.wait_until_answers("station", PATIENCE_S)
        assert b"station ends" in ask(StopChild("station"))  # type: ignore[operator]
        step_until(supervisor, lambda: "station" not in supervisor.alive)
        supervisor.start("station")
        os.kill(supervisor.pid("station"), signal.SIGKILL)
        heard: list[object] = []
        step_until(supervisor, lambda: bool(heard.extend(listener.poll()) or heard))
        (event,) = heard
        assert isinstance(event, Event) and event.kind == "fault"
        assert event.data["child"] == "station"
        ask(Shutdown())
    assert supervisor.ended


def test_who_is_ended_on_purpose_has_not_crashed(supervise: Callable[..., Supervisor]) -> None:
    """However hard it had to be made to end: nobody shall think that the next one has."""
    supervisor = supervise(fake("cameras", mood="deaf", stop_s=0.1))
    supervisor.start()
    first = supervisor.pid("cameras")
    step_until(supervisor, (supervisor.run.rings_dir / "cameras.ring").exists)
    with RunDir.join(supervisor.run.path) as run, Bus(run) as bus:
        listener, client = bus.subscriber("supervisor"), bus.client("supervisor")
        client.post(Restart("cameras"))
        step_until(supervisor, lambda: supervisor.pid("cameras") not in (0, first))
        heard = [m for m in listener.poll(0.2) if isinstance(m, Event)]
    assert not heard and not supervisor.crashes


def processes_of(mark: str) -> list[int]:
    """Living processes with `mark` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def role_pid(base: Path, role: str) -> int | None:
    for pid in processes_of(str(base)):
        with contextlib.suppress(OSError):
            if f'"{role}"'.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


def kill_once(base: Path, victim: str, delay_s: float) -> float:
    """Start a run, SIGKILL `victim` after `delay_s`, end the run. Returns how long the rest of
    it took to vanish after its end [s]."""
    supervisor = subprocess.Popen(
        [sys.executable, "-m", MODULE, str(base)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert supervisor.stdout is not None and supervisor.stderr is not None
    with supervisor.stdout, supervisor.stderr:
        supervisor.stdout.readline()
        time.sleep(delay_s)
        pid = supervisor.pid if victim == "supervisor" else role_pid(base, victim)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if victim not in ("supervisor", "window"):
            supervisor.terminate()
        began = time.monotonic()
        while processes_of(str(base)) or list(base.glob("teledeck-*/*")):
            if supervisor.poll() is not None and time.monotonic() - began > PATIENCE_S:
                break
            time.sleep(0.02)
        supervisor.wait()
        if victim != "supervisor":
            assert supervisor.returncode == 0, supervisor.stderr.read().decode()
        assert processes_of(str(base)) == []
        assert list(base.glob("teledeck-*/*")) == []
        return time.monotonic() - began


@pytest.mark.parametrize("victim", ["supervisor", *ROLES])
def test_sigkill_at_a_random_moment_leaves_nothing_behind(tmp_path: Path, victim: str) -> None:
    kills = int(os.environ.get("TELEDECK_KILLS", "20")) // 5
    rng = random.Random(victim)
    for _ in range(kills):
        kill_once(tmp_path, victim, rng.uniform(0.0, 0.6))


def test_messages_for_nobody_are_refused(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(fake("station"))
    assert isinstance(supervisor._answer(Restart("station")), Ok)
    with pytest.raises(ConfigError, match="station"):
        supervisor._answer(Restart("x"))
    assert isinstance(supervisor._answer(Stop()), Refused)
