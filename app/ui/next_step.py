"""The next right thing: what the one big button says and does."""

from __future__ import annotations

from dataclasses import dataclass

from app.ui.action import Intent, UiState


@dataclass(frozen=True, slots=True)
class NextStep:
    """What the one big button says and does now. `tone` is the state it leads to."""

    title: str
    hint: str
    icon: str
    intent: Intent | None
    tone: str = ""

    @property
    def enabled(self) -> bool:
        return self.intent is not None


def next_step(s: UiState) -> NextStep:
    """The next right thing for a demonstrator."""
    if s.station in ("", "stopped"):
        restart = Intent("restart_station")
        return NextStep(
            "Restart station", "The robot is not running", "arrows-clockwise", restart, "fault"
        )
    if s.station == "estop":
        return NextStep("Stopped", "Clear the emergency stop first", "hand-palm", None)
    if s.station == "starting":
        return NextStep("Starting…", "The robot is getting ready", "hourglass", None)
    if s.recorder == "":
        return NextStep("No recorder", "The recorder is not running", "warning", None)
    if not s.dataset and not s.practice:
        hint = "Takes need a place to go"
        return NextStep("Choose a dataset", hint, "folder-open", Intent("switch_dataset"))
    match s.recorder:
        case "armed":
            words = "Practise" if s.practice else "Record"
            hint = "Begins two seconds in the past"
            return NextStep(words, hint, "record", Intent("take_start"), "recording")
        case "recording" | "paused":
            return NextStep(
                "End take",
                "The robot goes on; only the take ends",
                "stop",
                Intent("take_stop"),
                "armed",
            )
        case "stopped" if not s.practice:
            hint = "F keeps it as a failure"
            intent = Intent("take_success")
            return NextStep("Keep as success", hint, "check-circle", intent, "kept")
        case _:
            return NextStep(
                "Get ready", "Opens the pre-roll", "target", Intent("take_arm"), "armed"
            )
