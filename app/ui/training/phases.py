"""What a training does, in a word and a colour."""

from __future__ import annotations

from app.session.training import TrainingView
from app.ui import words
from app.ui.look import Tone
from policies.training_run import Phase

PHASE_WORDS: dict[Phase, tuple[str, Tone]] = {
    "waiting": ("Waits", "idle"),
    "reading": ("Reads the dataset", "armed"),
    "training": ("Trains", "kept"),
    "paused": ("Paused", "paused"),
    "stopped": ("Interrupted", "armed"),
    "cancelled": ("Cancelled", "idle"),
    "done": ("Done", "idle"),
    "failed": ("Failed", "fault"),
}


def number(count: int) -> str:
    """12 500, with thin spaces."""
    return f"{count:,}".replace(",", "\u202f")


def loss(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"


def progress(view: TrainingView) -> str:
    """How far it is, and how long it still takes."""
    status = view.status
    text = f"{number(status.step)} of {number(view.plan.steps)} updates"
    if status.phase == "training" and status.left_s is not None:
        text += f"  ·  {words.long_time(status.left_s)} left"
    return text


def preset_of(view: TrainingView) -> str:
    """What the policy sees, from the names of its streams."""
    needs = [need for need in view.plan.config.get("needs", ()) if isinstance(need, dict)]
    streams = [str(need.get("stream", "")) for need in needs]
    parts = []
    if any(stream.endswith(("/T_world_tool", "/gap")) for stream in streams):
        parts.append("state")
    if any(stream.endswith(("/wrench", "/pca", "/reading")) for stream in streams):
        parts.append("touch")
    if "scene/glance" in streams:
        parts.append("glance")
    parts += [stream.removesuffix("/rgb") for stream in streams if stream.endswith("/rgb")]
    return " + ".join(parts) or "nothing known"
