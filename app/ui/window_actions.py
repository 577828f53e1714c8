"""The rows of the action table that work in every place: dataset, places, the window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import PLACES, Action, Intent, Place, take_runs

PLACE_TITLES: dict[Place, tuple[str, str, str]] = {
    "collect": ("Collect", "record", "Drive the robot and record demonstrations."),
    "library": ("Library", "books", "Look through the recorded episodes and judge them."),
    "augment": ("Augment", "magic-wand", "Make more demonstrations from few."),
    "retrieve": ("Retrieve", "magnifying-glass", "Find more demonstrations in unlabelled data."),
    "test": ("Test", "flask", "Run a policy, take over, compare."),
}
"""Title, icon and one sentence for each place."""


def dataset_rows() -> Iterator[Action]:
    def row(id_: str, title: str, intent: Intent, *keys: str, **more: Any) -> Action:
        return Action(id_, title, "Dataset", "everywhere", intent, keys=keys, **more)

    idle = lambda s: not take_runs(s)  # noqa: E731 (named once, used three times)
    yield row(
        "dataset.new",
        "New dataset…",
        Intent("new_dataset"),
        "Ctrl+N",
        icon="folder-plus",
        hint="A new folder for episodes.",
        enabled=idle,
    )
    yield row(
        "dataset.open",
        "Open dataset…",
        Intent("open_dataset"),
        "Ctrl+O",
        icon="folder-open",
        hint="Any folder that holds a dataset.",
        enabled=idle,
    )
    yield row(
        "dataset.recent",
        "Switch dataset…",
        Intent("switch_dataset"),
        "Ctrl+D",
        icon="swap",
        choices="datasets",
        hint="One of those used before.",
        enabled=idle,
    )
    yield row(
        "dataset.undo",
        "Undo",
        Intent("undo"),
        "Ctrl+Z",
        icon="arrow-counter-clockwise",
        hint="Takes back the last verdict, label or deletion; it is named when done.",
        enabled=lambda s: s.can_undo,
    )


def window_rows() -> Iterator[Action]:
    def row(id_: str, title: str, intent: Intent, *keys: str, **more: Any) -> Action:
        return Action(id_, title, "Window", "everywhere", intent, keys=keys, **more)

    for number, place in enumerate(PLACES, start=1):
        title, icon, hint = PLACE_TITLES[place]
        yield row(
            f"place.{place}",
            f"Go to {title}",
            Intent("go", place),
            str(number),
            kind="toggle",
            icon=icon,
            hint=hint,
            checked=lambda s, place=place: s.place == place,  # type: ignore[misc]
        )
    yield row("window.help", "Keys", Intent("help"), "?", "F1", icon="keyboard", hint="Every key.")
    yield row(
        "window.palette",
        "Command palette",
        Intent("palette"),
        "Ctrl+K",
        icon="command",
        hint="Finds any command by a few letters of its name.",
    )
    yield row(
        "window.sounds",
        "Sounds",
        Intent("sounds"),
        "Ctrl+M",
        kind="toggle",
        icon="speaker-high",
        hint="Four short sounds tell ready, recording, kept and fault.",
        checked=lambda s: s.sounds,
    )
    yield row(
        "window.dismiss",
        "Hide the message",
        Intent("dismiss"),
        "Ctrl+Backspace",
        icon="x",
        hint="Hides the banner; the fault stays in the event list.",
    )
    yield row("window.full", "Full screen", Intent("full_screen"), "F11", icon="corners-out")
    yield row("window.quit", "Quit", Intent("quit"), "Ctrl+Q", icon="sign-out")
