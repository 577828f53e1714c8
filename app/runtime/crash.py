"""Crash reports: a sentence for the screen, a file for whoever mends it."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from app.runtime.child import EXIT_REFUSED

_TAIL_BYTES = 16 << 10
_KEPT_REPORTS = 30


@dataclass(frozen=True, slots=True)
class CrashReport:
    """How a child ended that should not have.

    Attributes:
        child: Its role.
        status: Exit status; negative: the number of the signal that ended it.
        sentence: For the screen.
        log: The end of what it wrote to stderr, on disk.
    """

    child: str
    status: int
    sentence: str
    log: Path


def keep_report(child: str, status: int, log: Path, crash_dir: Path | None) -> CrashReport:
    """Copy the end of a child's log out of the run folder and say in a sentence what happened.

    Args:
        child: Role of the process.
        status: Its exit status, negative for a signal.
        log: Its log in the run folder.
        crash_dir: Where to keep reports; default the user's log folder.
    """
    home = crash_dir if crash_dir is not None else platformdirs.user_log_path("teledeck")
    home.mkdir(parents=True, exist_ok=True)
    tail = _tail(log)
    kept = home / f"{time.strftime('%Y%m%d-%H%M%S')}-{child}-{time.time_ns() % 1_000_000:06d}.log"
    kept.write_bytes(tail)
    for old in sorted(home.glob("*.log"))[:-_KEPT_REPORTS]:
        old.unlink(missing_ok=True)
    lines = [line for line in tail.decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    return CrashReport(child, status, _sentence(child, status, last, kept), kept)


def _sentence(child: str, status: int, last: str, kept: Path) -> str:
    child = {"policy_a": "process of policy A", "policy_b": "process of policy B"}.get(child, child)
    if status == EXIT_REFUSED and last:
        return f"The {child} cannot run: {last}"
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"The {child} was ended by {name}. Its log is {kept}."
    return f"The {child} stopped unexpectedly ({last or f'status {status}'}). Its log is {kept}."


def _tail(log: Path) -> bytes:
    if not log.exists():
        return b""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read()
