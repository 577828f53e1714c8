"""The rows of the action table for the Train tab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import Action, Intent


def training_rows() -> Iterator[Action]:
    def row(name: str, title: str, *keys: str, **more: Any) -> Action:
        intent = Intent(f"train_{name}")
        return Action(f"train.{name}", title, "Training", "training", intent, keys=keys, **more)

    yield row(
        "new",
        "New training…",
        "N",
        icon="plus",
        hint="Choose takes, a policy and a budget; it joins the queue.",
    )
    yield row(
        "pause",
        "Pause or resume",
        "P",
        icon="pause",
        hint="The chosen training waits, or goes on, also after a crash.",
        enabled=lambda s: bool(s.training & {"pause", "resume"}),
    )
    yield row(
        "cancel",
        "Cancel the training",
        "Delete",
        icon="x-circle",
        hint="Ends it; what it has learnt stays, and it can go on later.",
        enabled=lambda s: "cancel" in s.training,
    )
    yield row(
        "again",
        "Go on from the last state",
        "Shift+R",
        icon="arrow-clockwise",
        hint="For a training that failed or was cancelled.",
        enabled=lambda s: "again" in s.training,
    )
