"""Motion modes: which motions of a hand its tool follows. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from devices.mapping.clutch import MOTIONS, Axes


@dataclass(frozen=True, slots=True)
class Axis:
    """One of the six axes that a tool follows, or not; in the robot's frame."""

    name: str
    word: str
    action: str
    icon: str
    hint: str


AXES: tuple[Axis, ...] = (
    Axis("x", "X", "Follow forward and back", "arrow-up", "Along x, away from the base."),
    Axis("y", "Y", "Follow left and right", "arrow-left", "Along y, to the robot's left."),
    Axis("z", "Z", "Follow up and down", "arrow-fat-up", "Along z."),
    Axis("rx", "Roll", "Follow roll", "arrows-clockwise", "The turn about x, forward."),
    Axis("ry", "Pitch", "Follow pitch", "arrows-clockwise", "The turn about y, sideways."),
    Axis("rz", "Yaw", "Follow yaw", "arrows-clockwise", "The turn about z, up."),
)


@dataclass(frozen=True, slots=True)
class Mode:
    """A named choice of axes. `axes` holds for each arm whose grip is squeezed."""

    name: str
    title: str
    text: str
    axes: Axes


MODES: tuple[Mode, ...] = (
    Mode("6dof", "6-DoF", "Tools move and turn as the hands do.", MOTIONS["6dof"]),
    Mode(
        "translation",
        "Translation",
        "Tools move and keep the tilt they have.",
        MOTIONS["translation"],
    ),
    Mode(
        "translation+pitch",
        "Translation + pitch",
        "As before, and they nod with the hands.",
        MOTIONS["translation+pitch"],
    ),
    Mode(
        "both-arms",
        "Both arms",
        "Translation, two hands: each arm follows its own grip.",
        MOTIONS["translation"],
    ),
)
"""The modes of the paper. Here all of them hold for both arms, each with its own grip; "both arms"
is the paper's mode for its two-handed task, which follows translation."""


def mode_named(name: str) -> Mode | None:
    """The mode of that name, None for a free choice of axes."""
    return next((mode for mode in MODES if mode.name == name), None)


def mode_of(axes: Axes) -> str:
    """Name of the first mode with these axes, "" for a free choice."""
    return next((mode.name for mode in MODES if mode.axes == axes), "")


def mode_title(name: str) -> str:
    """A mode as people call it."""
    mode = mode_named(name)
    return mode.title if mode is not None else "Free axes"


def with_axis_changed(axes: Axes, name: str) -> Axes:
    """The same choice with one axis followed that was not, or the other way round.

    Raises:
        KeyError: There is no axis of that name.
    """
    names = [axis.name for axis in AXES]
    if name not in names:
        raise KeyError(name)
    x, y, z, rx, ry, rz = (on != (axis == name) for axis, on in zip(names, axes, strict=True))
    return (x, y, z, rx, ry, rz)
