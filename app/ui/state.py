"""From what the session heard to what the window shows: state, colour, words, faults. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from app.runtime.statuses import RecorderStatus, StationStatus
from app.ui.action import Intent
from app.ui.look import Tone
from app.ui.words import clock_time


@dataclass(frozen=True, slots=True)
class Mood:
    """The state in one colour and a few words, as the border and the header show it."""

    tone: Tone
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where, and what to do next."""

    what: str
    where: str
    button: str = ""
    intent: Intent | None = None


def mood(station: StationStatus | None, recorder: RecorderStatus | None) -> Mood:
    """The state that border and header show. The most urgent one wins."""
    if station is None:
        return Mood("fault", "No station", "The robot is not running")
    if station.phase == "estop":
        return Mood("fault", "Emergency stop", station.why)
    if station.phase == "stopped":
        return Mood("fault", "Station stopped", station.why)
    if recorder is None:
        return Mood("fault", "No recorder", "Takes cannot be recorded")
    if recorder.fault or recorder.state == "failed":
        return Mood("fault", "Take failed", recorder.text)
    match recorder.state:
        case "recording" if recorder.practice:
            return Mood("paused", f"Practice  {clock_time(recorder.elapsed_s)}", "Nothing is saved")
        case "recording":
            return Mood("recording", f"Recording  {clock_time(recorder.elapsed_s)}", recorder.text)
        case "paused":
            return Mood("paused", f"Paused  {clock_time(recorder.elapsed_s)}", recorder.text)
        case "stopped":
            return Mood("paused", "Keep or discard?", recorder.text)
        case "armed":
            return Mood("armed", "Ready", recorder.text)
    return Mood("idle", "Idle", recorder.text or station.why)


def fault(
    station: StationStatus | None, recorder: RecorderStatus | None, last_fault: str
) -> Fault | None:
    """The fault that deserves a banner, if any.

    Args:
        last_fault: Text of the newest fault event: what a process said when it died.
    """
    restart = Intent("restart_station")
    if station is None:
        what = last_fault or "The station does not answer"
        where = "The simulated robot and its clock have ended; recorded takes are safe."
        return Fault(what, f"{where} Start the station again.", "Restart station", restart)
    if station.phase == "stopped":
        return Fault(
            f"The station stopped: {station.why}" if station.why else "The station stopped",
            "The robot holds still. Start the station again to go on.",
            "Restart station",
            restart,
        )
    if station.phase == "estop":
        return Fault(
            f"Emergency stop: {station.why}" if station.why else "Emergency stop",
            "The robot is held until you clear the stop. Look at it first.",
            "Clear",
            Intent("clear_estop"),
        )
    if recorder is None:
        what = last_fault or "The recorder does not answer"
        return Fault(what, "What was written so far is kept; the next take needs a recorder.")
    if recorder.fault or recorder.state == "failed":
        return Fault(recorder.text, "Earlier takes are not affected.")
    return None
