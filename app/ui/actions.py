"""Every user action as a row of one table.

Menus, shortcuts, tooltips, the help overlay, the command palette, `docs/keys.md` and the tests are
made from `ACTIONS`. A row names an `Intent`; the window performs intents, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import (
    CONTEXT_CHAIN,
    PLACES,
    Action,
    Context,
    Intent,
    Place,
    robot_moves,
    station_lives,
    take_runs,
    take_waits,
)
from app.ui.driving_keys import DRIVING
from app.ui.headset_actions import headset_rows
from app.ui.library_actions import library_rows
from app.ui.next_step import next_step
from app.ui.policy_actions import test_rows
from app.ui.training_actions import training_rows

PLACE_TITLES: dict[Place, tuple[str, str, str]] = {
    "collect": ("Collect", "record", "Drive the robot and record demonstrations."),
    "library": ("Library", "books", "Look through the recorded episodes and judge them."),
    "augment": ("Augment", "magic-wand", "Make more demonstrations from few."),
    "retrieve": ("Retrieve", "magnifying-glass", "Find more demonstrations in unlabelled data."),
    "test": ("Test", "flask", "Run a policy, take over, compare."),
}
"""Title, icon and one sentence for each place."""


def _rows() -> Iterator[Action]:
    yield from _safety()
    yield from _takes()
    yield from _robot()
    yield from _driving()
    yield from headset_rows()
    yield from _view()
    yield from library_rows()
    yield from test_rows()
    yield from training_rows()
    yield from _dataset()
    yield from _window()


def _safety() -> Iterator[Action]:
    yield Action(
        "safety.estop",
        "Emergency stop",
        "Safety",
        "everywhere",
        Intent("estop"),
        keys=("Esc",),
        icon="hand-palm",
        hint="Stops the robot at once and keeps it stopped. Works everywhere, also while typing.",
    )
    yield Action(
        "safety.clear",
        "Clear emergency stop",
        "Safety",
        "everywhere",
        Intent("clear_estop"),
        keys=("Ctrl+Shift+E",),
        icon="lock-open",
        hint="Lets the robot move again. Look at it first.",
        enabled=lambda s: s.station == "estop",
    )


def _takes() -> Iterator[Action]:
    def row(id_: str, title: str, keys: tuple[str, ...], **more: Any) -> Action:
        intent = Intent(str(more.pop("intent", id_.replace(".", "_"))))
        return Action(id_, title, "Take", "collect", intent, keys=keys, **more)

    yield row(
        "take.next",
        "Next step",
        ("Return", "Enter"),
        pad="A",
        pedal="right",
        icon="arrow-right",
        hint="The next right thing: get ready, record, stop, keep as success.",
        enabled=lambda s: next_step(s).enabled,
    )
    yield row(
        "take.success",
        "Keep as success",
        ("S",),
        icon="check-circle",
        hint="Ends the take if it still runs and keeps it as a success.",
        enabled=lambda s: take_runs(s) or take_waits(s),
    )
    yield row(
        "take.failure",
        "Keep as failure",
        ("F",),
        pad="X",
        icon="x-circle",
        hint="Ends the take if it still runs and keeps it as a failure.",
        enabled=lambda s: take_runs(s) or take_waits(s),
    )
    yield row(
        "take.discard",
        "Discard take",
        ("Backspace",),
        pad="B",
        pedal="left",
        icon="trash",
        hint="Puts the take in the trash. Undo brings it back.",
        enabled=lambda s: take_runs(s) or take_waits(s) or s.recorder == "armed",
    )
    yield row(
        "take.pause",
        "Pause take",
        ("P",),
        pad="Start",
        kind="toggle",
        icon="pause-circle",
        hint="Leaves out what happens until you go on; the gap is marked.",
        enabled=take_runs,
        checked=lambda s: s.recorder == "paused",
    )
    yield Action(
        "take.keep_last",
        "Keep the last 30 s",
        "Take",
        "scene",
        Intent("keep_last"),
        keys=("Ctrl+B",),
        icon="clock-counter-clockwise",
        hint="Makes an episode of what the policy just did, although no take ran.",
        enabled=lambda s: s.dataset and not take_runs(s),
    )
    yield row(
        "take.practice",
        "Practice mode",
        ("M",),
        kind="toggle",
        icon="graduation-cap",
        hint="Everything works as in a take, and nothing is saved.",
        enabled=lambda s: not take_runs(s),
        checked=lambda s: s.practice,
    )
    yield row(
        "take.task",
        "Task and target…",
        ("T",),
        icon="clipboard-text",
        hint="What the next takes demonstrate, and how many are wanted.",
        enabled=lambda s: s.dataset and not take_runs(s),
    )


def _robot() -> Iterator[Action]:
    def row(id_: str, title: str, intent: Intent, **more: Any) -> Action:
        context = more.pop("context", "scene")
        return Action(id_, title, "Robot and scene", context, intent, **more)

    yield row(
        "robot.home",
        "Go home",
        Intent("home"),
        keys=("H",),
        icon="house",
        hint="Moves the arms to their home pose, through the guard.",
        enabled=robot_moves,
    )
    yield row(
        "scene.reset",
        "Reset scene",
        Intent("reset_scene", "new"),
        keys=("R",),
        pad="Back",
        icon="shuffle",
        hint="A new seeded start; the arms go home first.",
        enabled=robot_moves,
    )
    yield row(
        "scene.again",
        "Reset scene to the same start",
        Intent("reset_scene", "same"),
        keys=("Shift+R",),
        icon="arrow-counter-clockwise",
        hint="The same seed again, to repeat an attempt.",
        enabled=robot_moves,
    )
    yield row(
        "scene.load",
        "Load scene…",
        Intent("load_scene"),
        keys=("L",),
        icon="cube",
        choices="scenes",
        hint="Another simulated task. The station starts again with it.",
        enabled=lambda s: not take_runs(s),
    )
    yield row(
        "scene.perturb",
        "Disturb the scene…",
        Intent("perturb"),
        context="collect",
        keys=("B",),
        icon="hand-pointing",
        choices="perturbations",
        hint="Moves an object on purpose, to record how one recovers.",
        enabled=robot_moves,
    )
    yield row(
        "leader.pick",
        "Driving device…",
        Intent("use_leader"),
        keys=("D",),
        icon="game-controller",
        choices="leaders",
        hint="Mouse and keyboard, gamepad, scripted operator, or a recorded episode.",
        enabled=station_lives,
    )
    yield row(
        "leader.show_me",
        "Show me",
        Intent("show_me"),
        keys=("Shift+S",),
        kind="toggle",
        icon="chalkboard-teacher",
        hint="The scripted operator does the task once; press again to take the robot back.",
        enabled=robot_moves,
        checked=lambda s: s.leader.startswith("scripted"),
    )
    yield row(
        "leader.slower",
        "Drive slower",
        Intent("drive_scale", "down"),
        context="collect",
        keys=("-",),
        icon="minus",
        hint="Halves how far the tool moves for a motion of the hand.",
        enabled=station_lives,
    )
    yield row(
        "leader.faster",
        "Drive faster",
        Intent("drive_scale", "up"),
        context="collect",
        keys=("=", "+"),
        icon="plus",
        hint="Doubles it, up to one to one and a half.",
        enabled=station_lives,
    )
    yield row(
        "touch.rezero",
        "Re-zero touch",
        Intent("rezero_touch"),
        keys=("Z",),
        icon="crosshair-simple",
        hint="What the pads feel now is their new zero. Touch nothing while you do it.",
        enabled=lambda s: s.touch,
    )
    yield row(
        "touch.grasp",
        "Subtract the grasp",
        Intent("subtract_grasp"),
        keys=("Shift+Z",),
        kind="toggle",
        icon="hand-grabbing",
        hint="Shows what a held object meets, without the grasp itself; recordings keep it all.",
        enabled=lambda s: s.touch,
        checked=lambda s: s.subtract_grasp,
    )
    yield row(
        "station.restart",
        "Restart station",
        Intent("restart_station"),
        keys=("Ctrl+Shift+R",),
        icon="arrows-clockwise",
        hint="Starts the simulated robot, its clock and its cameras again.",
        enabled=lambda s: not take_runs(s),
    )


def _driving() -> Iterator[Action]:
    for key in DRIVING:
        yield Action(
            key.id,
            key.title,
            "Driving",
            "hands",
            Intent(key.intent, key.argument),
            keys=key.keys,
            kind=key.kind,
            icon=key.icon,
            hint=key.hint,
            enabled=robot_moves,
        )
    # In Test, Space and G hold the policy and give back to it.
    grips: tuple[tuple[str, Context, tuple[str, ...]], ...] = (
        ("drive.grip", "view", ("Space", "G")),
        ("drive.grip_in_test", "test_view", ("C",)),
    )
    for id_, context, keys in grips:
        yield Action(
            id_,
            "Close or open the gripper",
            "Driving",
            context,
            Intent("grip", "toggle"),
            keys=keys,
            icon="hand-grabbing",
            hint="Closes the gripper of the driven hand, or opens it.",
            enabled=robot_moves,
        )
    yield Action(
        "drive.leave",
        "Leave the 3-D view",
        "Driving",
        "hands",
        Intent("next_panel"),
        keys=("F6",),
        icon="sign-out",
        hint="Moves the keyboard to the next panel; Tab is taken by the hands.",
    )


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


def _view() -> Iterator[Action]:
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


def _dataset() -> Iterator[Action]:
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


def _window() -> Iterator[Action]:
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


ACTIONS: tuple[Action, ...] = tuple(_rows())


def by_id(action_id: str) -> Action:
    """The row of that id. KeyError for one that is not in the table."""
    for action in ACTIONS:
        if action.id == action_id:
            return action
    raise KeyError(action_id)


def actions_in(context: Context) -> tuple[Action, ...]:
    """The rows whose keys work in a context, nearest context first."""
    chain = CONTEXT_CHAIN[context]
    return tuple(action for near in chain for action in ACTIONS if action.context == near)


def tooltip(action: Action) -> str:
    """Title, hint and key, as buttons show them."""
    head = f"{action.title}  ({action.key})" if action.key else action.title
    return f"{head}\n{action.hint}" if action.hint else head
