"""Real processes: whatever a policy does wrong costs its own action and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest

from app.runtime.requests import PolicyDrop, PolicyHold, SetInstruction
from tests.serving.real_run import RealRun


@pytest.fixture(scope="module")
def run() -> Iterator[RealRun]:
    with RealRun(memory_mb=1500) as made:
        yield made


@pytest.fixture(autouse=True)
def nobody_drives(run: RealRun) -> Iterator[None]:
    yield
    run.rest()


def still_for_good(run: RealRun, since_ns: int, seconds: float = 0.5) -> float:
    """Wait until the arm stands, see that it stays; returns when it stood after `since_ns` [s]."""
    run.until(lambda: not run.moving())
    run.poll(seconds)
    t_ns, q = run.sent(since_ns)
    moved = np.flatnonzero(np.abs(np.diff(q, axis=0)).max(axis=1) > 1e-9)
    tail = q[-round(seconds * 200) :]
    assert len(np.unique(tail, axis=0)) == 1, "it holds exactly still"
    return 0.0 if not len(moved) else (int(t_ns[moved[-1] + 1]) - since_ns) / 1e9


def test_a_policy_drives_and_tells_how_it_does(run: RealRun) -> None:
    slot = run.drive("good")
    run.poll(1.5)
    assert run.moving()
    status = run.session.policies[slot]
    assert status.digest == "digest-good" and status.infer_p99_ms > 0.0
    assert {check.what for check in status.checks} >= {"shape", "unit", "frame", "rate", "sides"}
    assert all(check.fits for check in status.checks)
    for name in ("chunk", "samples", "timing"):
        assert run.session.latest(f"{slot}/{name}") is not None
    assert run.session.latest("policy/drive") is not None
    run.ask(SetInstruction("open the drawer"))
    run.until(lambda: run.session.station.instruction == "open the drawer")  # type: ignore[union-attr]
    run.ask(PolicyHold(True))
    still_for_good(run, time.monotonic_ns())
    run.ask(PolicyHold(False))
    run.until(run.moving)


def test_a_fast_path_drives(run: RealRun) -> None:
    slot = run.drive("react")
    run.poll(1.0)
    assert run.moving()
    assert run.session.policies[slot].react_p99_ms > 0.0


def test_a_killed_policy_holds_the_arm_at_once(run: RealRun) -> None:
    slot = run.drive("good")
    run.until(run.moving)
    run.poll(0.5)
    os.kill(run.supervisor.pid(slot), signal.SIGKILL)
    stood_s = still_for_good(run, time.monotonic_ns())
    assert stood_s < 0.5, "a tick, and the way to brake"
    run.until(lambda: run.phase(slot) == "failed")
    assert any("process is gone" in event.text for event in run.session.events)
    assert "station" in run.supervisor.alive


def test_a_stopped_policy_holds_the_arm_when_its_chunk_ends(run: RealRun) -> None:
    slot = run.drive("good")
    run.until(run.moving)
    pid = run.supervisor.pid(slot)
    os.kill(pid, signal.SIGSTOP)
    stood_s = still_for_good(run, time.monotonic_ns())
    assert stood_s < 1.0 + 0.5, "the rest of its chunk of one second, and the way to brake"
    run.until(lambda: any("late" in event.text for event in run.session.events))
    os.kill(pid, signal.SIGCONT)
    run.until(run.moving)


@pytest.mark.parametrize("mood", ["nan", "far", "shape", "raise", "slow", "hang", "eat"])
def test_whatever_it_answers_the_arm_holds_and_the_loop_goes_on(run: RealRun, mood: str) -> None:
    slot = run.drive(mood)
    said = run.session.events_seen
    run.until(lambda: run.phase(slot) in ("holding", "failed"))
    run.poll(0.2)
    new = list(run.session.events)[-(run.session.events_seen - said) :]
    assert any("arm holds" in event.text for event in new), new
    assert run.session.station is not None and run.session.station.phase != "estop"
    t_ns, _ = run.sent()
    assert len(t_ns) > 500, "a row a tick, all the time"
    if mood == "raise":
        run.until(
            lambda: run.session.policies[slot].text.startswith(
                "Holds: the policy did not answer: ZeroDivisionError"
            )
        )
    if mood == "eat":
        run.until(lambda: "more memory" in run.session.policies[slot].text)
    run.ask(PolicyDrop(slot))
    run.until(lambda: slot not in run.supervisor.alive)


@pytest.mark.parametrize("path", ["broken", "alien"])
def test_a_failed_load_leaves_the_old_one_driving(run: RealRun, path: str) -> None:
    old = run.drive("good")
    new = run.load(path)
    assert new != old and run.phase(new) == "failed"
    assert run.phase(old) == "driving"
    status = run.session.policies[new]
    if path == "broken":
        assert "weights end" in status.text
    else:
        bad = {(check.stream, check.what) for check in status.checks if not check.fits}
        assert bad >= {
            ("right_arm/q", "shape"),
            ("right_arm/q", "unit"),
            ("third_arm/q", "name"),
        }
