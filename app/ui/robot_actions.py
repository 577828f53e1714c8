"""The rows of the action table for the robot: scene, driving device, touch, the hands' keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.ui.action import Action, Context, Intent, robot_moves, station_lives, take_runs
from app.ui.driving_keys import DRIVING


def robot_rows() -> Iterator[Action]:
    yield from _robot()
    yield from _driving()


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
