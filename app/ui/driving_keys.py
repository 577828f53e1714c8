"""The driving keys of the 3-D view: which key moves which hand how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class DrivingKey:
    """One driving key. Motions are told in the robot's frame: forward is away from its base."""

    id: str
    title: str
    intent: str
    argument: str
    keys: tuple[str, ...]
    kind: Literal["press", "hold", "toggle"] = "hold"
    icon: str = ""
    hint: str = ""


_MOVES = (
    ("forward", "Move forward", "Up", "arrow-up", "+x"),
    ("back", "Move back", "Down", "arrow-down", "-x"),
    ("left", "Move left", "Left", "arrow-left", "+y"),
    ("right", "Move right", "Right", "arrow-right", "-y"),
    ("up", "Move up", "PgUp", "arrow-fat-up", "+z"),
    ("down", "Move down", "PgDown", "arrow-fat-down", "-z"),
)
_TURNS = (
    ("pitch_down", "Pitch down", "Ctrl+Up", "+ry"),
    ("pitch_up", "Pitch up", "Ctrl+Down", "-ry"),
    ("yaw_left", "Yaw left", "Ctrl+Left", "+rz"),
    ("yaw_right", "Yaw right", "Ctrl+Right", "-rz"),
    ("roll_left", "Roll left", "Ctrl+PgUp", "-rx"),
    ("roll_right", "Roll right", "Ctrl+PgDown", "+rx"),
)

DRIVING: tuple[DrivingKey, ...] = (
    *(
        DrivingKey(
            f"drive.{name}",
            title,
            "drive",
            axis,
            (key, f"Shift+{key}"),
            icon=icon,
            hint="Moves the tool while held; with Shift finely.",
        )
        for name, title, key, icon, axis in _MOVES
    ),
    *(
        DrivingKey(
            f"drive.{name}",
            title,
            "drive",
            axis,
            (key, key.replace("Ctrl+", "Ctrl+Shift+")),
            icon="arrows-clockwise",
            hint="Turns the tool while held; with Shift finely.",
        )
        for name, title, key, axis in _TURNS
    ),
    DrivingKey(
        "drive.close",
        "Close the gripper by degrees",
        "drive",
        "close",
        ("]",),
        icon="arrows-in-line-horizontal",
        hint="Closes the gripper while held.",
    ),
    DrivingKey(
        "drive.open",
        "Open the gripper by degrees",
        "drive",
        "open",
        ("[",),
        icon="arrows-out-line-horizontal",
        hint="Opens the gripper while held.",
    ),
    DrivingKey(
        "drive.hand",
        "Other hand",
        "hand",
        "other",
        ("Tab",),
        "press",
        "swap",
        "Drives the other arm; this one parks where it is.",
    ),
)
