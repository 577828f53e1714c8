"""The next right thing in Test: what the one big button says and does."""

from __future__ import annotations

from app.ui.action import Intent, UiState
from app.ui.next_step import NextStep


def next_rollout(s: UiState) -> NextStep:
    """The next right thing on the way plan → reset → start → stop → verdict."""
    if s.station in ("", "stopped"):
        restart = Intent("restart_station")
        return NextStep(
            "Restart station", "The robot is not running", "arrows-clockwise", restart, "fault"
        )
    if s.station == "estop":
        return NextStep("Stopped", "Clear the emergency stop first", "hand-palm", None)
    match s.rollout:
        case "resetting":
            return NextStep("Resetting…", "The scene gets ready", "hourglass", None)
        case "ready":
            hint = "Records, and lets the policy drive"
            return NextStep("Start", hint, "play", Intent("rollout_start"), "recording")
        case "starting":
            return NextStep("Starting…", "The policy gets ready", "hourglass", None)
        case "running":
            hint = "Ends the rollout; then it is judged"
            return NextStep("Stop", hint, "stop", Intent("rollout_stop"), "armed")
        case "stopping":
            return NextStep("Stopping…", "The episode is closed", "hourglass", None)
        case "judging" if s.done:
            hint = "The scene says that it is done; F says otherwise"
            return NextStep(
                "Success", hint, "check-circle", Intent("rollout_judge", "success"), "kept"
            )
        case "judging":
            hint = "The scene says that it is not done; S says otherwise"
            return NextStep(
                "Failure", hint, "x-circle", Intent("rollout_judge", "failure"), "armed"
            )
    return _idle(s)


def _idle(s: UiState) -> NextStep:
    if s.station == "starting":
        return NextStep("Starting…", "The robot is getting ready", "hourglass", None)
    if s.recorder == "":
        return NextStep("No recorder", "The recorder is not running", "warning", None)
    if not s.ready:
        hint = "A checkpoint that `teledeck train` wrote"
        return NextStep("Load a policy", hint, "folder-open", Intent("policy_load"))
    if not s.dataset:
        hint = "Rollouts are episodes and need a place to go"
        return NextStep("Choose a dataset", hint, "folder-open", Intent("switch_dataset"))
    if not s.planned:
        return NextStep("Plan", "Takes the starts of the plan", "list-plus", Intent("rollout_plan"))
    return NextStep(
        "Reset", "Puts the scene to the next start", "target", Intent("rollout_begin"), "armed"
    )
