"""Collecting without a window: the same processes, the same take states, a script for the hands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.launch import Run
from app.runtime.requests import (
    Arm,
    Keep,
    Ok,
    Perturb,
    Refused,
    Reply,
    ResetScene,
    Start,
    Stop,
    UseLeader,
    Verdict,
)
from app.runtime.station_file import StationFile
from app.runtime.statuses import RecorderStatus, StationStatus
from app.session.session import Session
from devices import plugins
from devices.errors import DeviceError

TAKE_LIMIT_S = 120.0
SETTLE_S = 0.5
PERTURB_AFTER_S = 1.5
SUCCESS_HELD_S = 4.0  # a script that has done its task and does not retreat is not waited for


@dataclass(frozen=True, slots=True)
class TakeResult:
    """How one scripted take went."""

    number: int
    seed: int
    verdict: Verdict
    seconds: float
    progress: float
    uid: str


def collect(
    station: StationFile,
    dataset: Path,
    *,
    takes: int,
    operator: str = "scripted",
    perturb: str | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Record `takes` scripted takes; tell where they are and what is in them.

    Args:
        station: The station to start.
        dataset: Folder to record into; made if missing.
        takes: How many.
        operator: "scripted" (reacts to touch) or "scripted-blind".
        perturb: Perturbation to trigger in every take, None for none.
        say: Where progress goes, a line at a time.

    Returns:
        Exit status: 0 when every take was stored (successes and failures alike).
    """
    plugins.load("operators", station.scene)  # a broken or missing one ends it here
    say(f"Starting the simulated station, scene '{station.scene}' ...")
    with Run(station) as run:
        session = run.session
        _expect(session.open_dataset(dataset, task=_task(run), target=takes))
        say(f"Recording {takes} scripted takes into {dataset}")
        results = [
            _take(run, number, station.seed + number, operator, perturb, say)
            for number in range(takes)
        ]
    kept = sum(result.verdict == "success" for result in results)
    seconds = sum(result.seconds for result in results)
    say(f"{takes} takes, {kept} successes, {seconds:.0f} s in {dataset}")
    say(f"See them with 'teledeck --dataset {dataset}', or 'teledeck episodes --dataset {dataset}'")
    return 0


def _take(
    run: Run,
    number: int,
    seed: int,
    operator: str,
    perturb: str | None,
    say: Callable[[str], None],
) -> TakeResult:
    session = run.session
    _expect(session.request(UseLeader("window")))
    _expect(session.request(ResetScene(seed)))
    _wait(run, lambda: _seed(session) == seed, 10.0, "the scene to be reset")
    _pause(run, SETTLE_S)
    _expect(session.request(Arm()))
    started = _expect(session.request(Start(task=_task(run))))
    _expect(session.request(UseLeader(operator)))
    begin = time.monotonic()
    perturbed = perturb is None
    done_s = 0.0
    while time.monotonic() - begin < TAKE_LIMIT_S:
        _pause(run, 0.05)
        status = session.station
        if session.recorder is not None and session.recorder.fault:
            break
        if status is None:
            continue  # late, on a busy machine; `poll` raises when it has ended
        if not perturbed and time.monotonic() - begin > PERTURB_AFTER_S:
            _expect(session.request(Perturb(perturb or "")))
            perturbed = True
        if status.leaders.get(operator) == "done":
            break
        done_s = done_s + 0.05 if status.success else 0.0
        if done_s > SUCCESS_HELD_S:
            break
    status, recorder = _statuses(run)
    if recorder.fault:
        raise DeviceError(f"Take {number + 1} failed: {recorder.text}")
    _expect(session.request(Stop()))
    verdict: Verdict = "success" if status.success else "failure"
    uid = _expect(session.request(Keep(verdict))).uid or started.uid
    seconds = time.monotonic() - begin
    say(
        f"  take {number + 1:>3}  seed {seed:<6} {verdict:<8} "
        f"progress {100 * status.progress:3.0f} %  {seconds:5.1f} s  {uid}"
    )
    return TakeResult(number, seed, verdict, seconds, status.progress, uid)


def _statuses(run: Run) -> tuple[StationStatus, RecorderStatus]:
    """The newest statuses; waits for them where a busy machine makes them late."""
    session = run.session
    deadline = time.monotonic() + 10.0
    while session.station is None or session.recorder is None:
        if time.monotonic() > deadline:
            raise DeviceError(
                "The station and the recorder do not answer", next_step=run.last_words()
            )
        run.poll(0.05)
    return session.station, session.recorder


def _task(run: Run) -> str:
    status = run.session.station
    return status.instruction if status is not None else ""


def _seed(session: Session) -> int | None:
    return None if session.station is None else session.station.seed


def _expect(reply: Reply) -> Ok:
    if isinstance(reply, Refused):
        raise DeviceError(reply.why)
    return reply


def _pause(run: Run, seconds: float) -> None:
    """Let time pass while the heartbeat goes on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run.poll(0.02)


def _wait(run: Run, ready: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise DeviceError(f"Waited {seconds:.0f} s for {what}", next_step=run.last_words())
        run.poll(0.05)
