"""The rows of the action table for the 3-D view: where it looks from, what it draws over."""

from __future__ import annotations

from collections.abc import Iterator

from app.ui.action import Action, Intent

LAYERS = {
    "field": ("Deformation field", "grid-four", "Arrows on the pads: how the gel is dragged."),
    "force": ("Force vectors", "arrow-up-right", "Contact force at each wrist."),
    "contacts": ("Contact points", "dots-three-circle", "Where bodies touch."),
    "ghosts": ("Leader ghosts", "ghost", "Where the hands ask the tools to be."),
    "workspace": ("Workspace limits", "selection", "The box that the guard keeps the tools in."),
    "start": ("Start ghost", "stack", "The reference start of the scene, to reset it by."),
    "chunk": ("Predicted chunk", "path", "Where the policy wants to go, and its other draws."),
}
"""AR layers: title, icon, what one sees. The 3-D view draws a layer by its name."""

VIEWS = {
    "front": "Front",
    "operator": "Behind the robot",
    "left": "Left side",
    "right": "Right side",
    "top": "Top",
    "close": "Close to the tools",
}
"""Presets of the 3-D camera."""


def view_rows() -> Iterator[Action]:
    for number, (name, title) in enumerate(VIEWS.items(), start=1):
        yield Action(
            f"view.{name}",
            f"View: {title.lower()}",
            "View",
            "scene",
            Intent("view", name),
            keys=(f"Alt+{number}",),
            icon="video-camera",
            hint="Turns the 3-D camera there.",
        )
    yield Action(
        "view.next",
        "Next view",
        "View",
        "scene",
        Intent("view", "next"),
        keys=("V",),
        icon="arrows-out-cardinal",
        hint="Goes through the presets of the 3-D camera.",
    )
    letters = {"field": "F", "force": "V", "contacts": "C", "ghosts": "G", "workspace": "W"}
    letters["chunk"] = "K"
    for name, (title, icon, hint) in LAYERS.items():
        yield Action(
            f"layer.{name}",
            f"Show: {title.lower()}",
            "View",
            "scene",
            Intent("layer", name),
            keys=(f"Shift+{letters.get(name, 'O')}",),
            kind="toggle",
            icon=icon,
            hint=hint,
            checked=lambda s, name=name: name in s.layers,  # type: ignore[misc]
        )
    yield Action(
        "layer.all",
        "Show or hide all AR layers",
        "View",
        "scene",
        Intent("layer", "all"),
        keys=("Shift+A",),
        icon="eye",
        hint="The bare scene, and back.",
    )
