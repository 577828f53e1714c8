"""Policies and who drives, in the words and colours of the screen. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from app.runtime.requests import SLOTS
from app.runtime.statuses import NeedCheck, PolicyStatus, StationStatus
from app.ui.look import Tone

LETTERS = dict(zip(SLOTS, "AB", strict=True))
_COMMON = ("best", "last", "checkpoint", "trials.jsonl")
DEVICES = {"window": "mouse and keys", "mouse": "mouse and keys", "scripted": "script"}

PHASES: dict[str, tuple[str, Tone | None]] = {
    "empty": ("Empty", None),
    "starting": ("Starting…", "armed"),
    "loading": ("Loading…", "armed"),
    "checking": ("Checking…", "armed"),
    "warming": ("Warming up…", "armed"),
    "ready": ("Ready", "kept"),
    "driving": ("Drives", "kept"),
    "holding": ("Holds", "paused"),
    "failed": ("Failed", "fault"),
}


@dataclass(frozen=True, slots=True)
class Who:
    """Who drives.

    Attributes:
        text: "Policy A", "You", "Nobody".
        note: With what, or why not.
        tone: Colour of it.
        icon: Shape of it; colour is never the only sign.
        hand: What the policy in hand does: "driving", "held", "taken", or "".
        slot: The policy in hand, or "".
    """

    text: str
    note: str
    tone: Tone | None
    icon: str
    hand: str = ""
    slot: str = ""


def who_drives(
    station: StationStatus | None, policies: dict[str, PolicyStatus], touching: bool = False
) -> Who:
    """Who drives now.

    Args:
        station: The newest status.
        policies: Of each slot.
        touching: Mouse or keys hold a hand: a takeover that the station has not told of yet.
    """
    if station is None or station.phase == "stopped":
        return Who("Nobody", "the robot is not running", "fault", "power")
    if station.phase == "estop":
        return Who("Nobody", "emergency stop", "fault", "hand-palm")
    mine = next(
        (
            s
            for s in policies.values()
            if s.phase in ("driving", "holding") or s.slot == station.leader
        ),
        None,
    )
    if mine is None:
        if station.phase == "driving":
            device = DEVICES.get(station.leader, station.leader)
            return Who("You", device, "armed", "hand-grabbing")
        return Who("Nobody", "let a policy drive, or take a gripper", None, "circle")
    letter = LETTERS.get(mine.slot, mine.slot)  # type: ignore[call-overload]
    if station.leader not in SLOTS or touching:
        device = DEVICES.get(station.leader, station.leader) if not touching else "mouse and keys"
        note = f"{device}  ·  G gives back to {letter}"
        return Who("You", note, "armed", "hand-grabbing", "taken", mine.slot)
    if station.phase == "homing":
        return Who("Going home", f"policy {letter} waits", "paused", "house", "held", mine.slot)
    if mine.phase == "holding":
        note = mine.text if mine.text.startswith("Holds:") else "Space lets it go on"
        return Who(f"{letter} holds", note, "paused", "pause-circle", "held", mine.slot)
    if mine.phase != "driving":  # it cannot: its process ended, or another one is being loaded
        note = mine.text.split(". ")[0] or "It cannot drive now"
        return Who(f"{letter} holds", note, "paused", "pause-circle", "", mine.slot)
    return Who(f"Policy {letter}", mine.name, "kept", "robot", "driving", mine.slot)


def made_words(status: PolicyStatus) -> str:
    """How far a checkpoint's training was, how good it is, and when it was made: what tells two of
    one training apart. "" where nobody can tell."""
    parts = []
    if status.step:
        of = f" of {status.steps:,}" if status.steps > status.step else ""
        parts.append(f"{status.step:,}{of} updates".replace(",", "\u202f"))
    if math.isfinite(status.hold_out):
        parts.append(f"loss {status.hold_out:.3g}")
    try:
        made = datetime.fromisoformat(status.created).astimezone()
    except ValueError:
        return " · ".join(parts)
    today = made.date() == datetime.now().astimezone().date()
    parts.append(f"{made:%H:%M:%S}" if today else f"{made:%Y-%m-%d}")
    return " · ".join(parts)


def number(value: float, unit: str = "ms") -> str:
    """A reading that may be unknown: "12 ms", "0.8 ms", "–"."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return f"{text} {unit}".strip()


def sorted_checks(checks: tuple[NeedCheck, ...]) -> tuple[NeedCheck, ...]:
    """Misfits first; otherwise as they came."""
    return tuple(sorted(checks, key=lambda check: check.fits))


def check_words(checks: tuple[NeedCheck, ...]) -> tuple[str, Tone | None]:
    """The table in one line."""
    bad = sum(not check.fits for check in checks)
    if not checks:
        return "Not compared yet", None
    if not bad:
        return f"All {len(checks)} fit", None
    return f"{bad} of {len(checks)} {'does' if bad == 1 else 'do'} not fit", "fault"


def short_place(path: str) -> str:
    """The end of a path, enough to know it by: the folder, and the one it lies in where the folder
    is called like every other ("rdp-wipe/best"). Addresses stay whole; "" stays "".
    """
    if "://" in path:
        return path
    parts = [part for part in path.split("/") if part]
    keep = 2 if parts and parts[-1] in _COMMON else 1
    return "/".join(parts[-keep:])
