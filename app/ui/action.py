"""What an action is, and the state that decides whether it is possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from devices.mapping.clutch import Axes

Place = Literal["collect", "library", "augment", "retrieve", "test"]
PLACES: tuple[Place, ...] = get_args(Place)
"""The five places, in the order of the keys 1 to 5."""

Context = Literal[
    "everywhere",
    "scene",
    "hands",
    "collect",
    "view",
    "library",
    "player",
    "headset",
    "tabs",
    "test",
    "test_view",
    "trials",
    "training",
]
Kind = Literal["press", "hold", "toggle"]

CONTEXT_CHAIN: dict[Context, tuple[Context, ...]] = {
    "everywhere": ("everywhere",),
    "scene": ("scene", "everywhere"),
    "hands": ("hands", "everywhere"),
    "collect": ("collect", "scene", "everywhere"),
    "view": ("view", "hands", "collect", "scene", "everywhere"),
    "library": ("library", "everywhere"),
    "player": ("player", "everywhere"),
    "headset": ("headset", "everywhere"),
    "tabs": ("tabs", "everywhere"),
    "test": ("test", "tabs", "scene", "everywhere"),
    "test_view": ("test_view", "hands", "test", "tabs", "scene", "everywhere"),
    "trials": ("trials", "tabs", "everywhere"),
    "training": ("training", "tabs", "everywhere"),
}
"""Which rows answer to a key in a context, nearest first. A key is unique along a chain."""

GROUPS = (
    "Safety",
    "Take",
    "Robot and scene",
    "Driving",
    "Headset",
    "View",
    "Library",
    "Playback",
    "Verdict",
    "Policy",
    "Rollout",
    "Failure",
    "Results",
    "Training",
    "Dataset",
    "Window",
)


@dataclass(frozen=True, slots=True)
class UiState:
    """All that decides whether an action is possible now.

    Attributes:
        place: The place on screen.
        player: An episode is open in the Library.
        station: Phase of the station, "" when there is none.
        recorder: State of the take, "" when there is no recorder.
        practice: Practice mode is on.
        leader: The device that drives.
        dataset: A dataset is open.
        selected: At least one episode is selected in the Library, or open.
        in_trash: What is selected or open lies in the trash.
        trashed: How many episodes lie in the trash.
        playing: The open episode plays.
        can_undo: The dataset has something to undo.
        auto_advance: In the Library, a verdict opens the next episode.
        sounds: Sounds are on.
        layers: AR layers that are shown.
        touch: The touch process answers.
        subtract_grasp: A held grasp is taken off what is shown.
        page: A page that lies over the place: "headset", or "" for none.
        headset: The headset process answers.
        listening: The headset's port is open.
        confirmed: One headset is confirmed.
        set_up: What the guided set-up asks for now, "" while it does not run.
        calibrated: There is a calibration for the confirmed headset.
        swapped: That calibration exchanges the hands.
        capturing: What the headset posts is written to a file.
        axes: Which of x, y, z and the turns about them the tools follow.
        motion: Name of that choice, "" for a free one.
        tab: The tab of Test that is shown: "run", "results" or "train".
        rollout: Where the present rollout stands, as `app.session.rollouts.Phase`.
        in_hand: What the policy in hand does: "driving", "held", "taken" over; "" without one.
        ready: Slots whose policy can drive.
        planned: Rollouts still to come.
        done: The scene says that the task is done.
        trial: A trial is selected in the results.
        moments: It has failure tags whose moments are known.
        training: What the chosen training can be asked for, see `TrainingView.can`.
    """

    place: Place = "collect"
    player: bool = False
    station: str = ""
    recorder: str = ""
    practice: bool = False
    leader: str = ""
    dataset: bool = False
    selected: bool = False
    in_trash: bool = False
    trashed: int = 0
    playing: bool = False
    can_undo: bool = False
    auto_advance: bool = False
    sounds: bool = True
    layers: frozenset[str] = frozenset()
    touch: bool = False
    subtract_grasp: bool = False
    page: str = ""
    headset: bool = False
    listening: bool = False
    confirmed: bool = False
    set_up: str = ""
    calibrated: bool = False
    swapped: bool = False
    capturing: bool = False
    axes: Axes = (True, True, True, True, True, True)
    motion: str = "6dof"
    tab: str = "run"
    rollout: str = "idle"
    in_hand: str = ""
    ready: frozenset[str] = frozenset()
    planned: int = 0
    done: bool = False
    trial: bool = False
    moments: bool = False
    training: frozenset[str] = frozenset()

    @property
    def context(self) -> Context:
        if self.page == "headset":
            return "headset"
        if self.place == "collect":
            return "collect"
        if self.place == "library":
            return "player" if self.player else "library"
        if self.place == "test":
            return {"run": "test", "results": "trials"}.get(self.tab, "tabs")  # type: ignore[return-value]
        return "everywhere"


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user wants. `argument` is the choice made ("wipe", "0.5"), or empty."""

    name: str
    argument: str = ""


Predicate = Callable[[UiState], bool]


def always(_: UiState) -> bool:
    return True


def never(_: UiState) -> bool:
    return False


def station_lives(s: UiState) -> bool:
    return s.station not in ("", "stopped")


def robot_moves(s: UiState) -> bool:
    """The robot may be asked to move."""
    return s.station in ("holding", "driving", "homing")


def takes_possible(s: UiState) -> bool:
    return s.recorder != "" and (s.dataset or s.practice)


def take_runs(s: UiState) -> bool:
    return s.recorder in ("recording", "paused")


def take_waits(s: UiState) -> bool:
    """A take has ended and asks for its verdict."""
    return s.recorder == "stopped"


def episode_chosen(s: UiState) -> bool:
    return s.place == "library" and s.selected


def episode_open(s: UiState) -> bool:
    return s.place == "library" and s.player


def dataset_open(s: UiState) -> bool:
    return s.dataset


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a user can do.

    Attributes:
        id: A stable name, "take.discard".
        title: As menus and the palette show it.
        group: One of GROUPS.
        context: Where its keys work.
        intent: What it asks for.
        keys: As Qt writes them ("Ctrl+K"); the first is the one that is shown.
        pad: Gamepad button, in the names of an Xbox pad.
        pedal: Foot pedal: "left", "middle" or "right".
        kind: "press"; "toggle" (shows a tick); "hold" (begins on press and ends on release).
        icon: Phosphor name.
        hint: One sentence: what happens.
        choices: Name of the list that the palette asks for first ("scenes"), or "".
        enabled: Whether it is possible now.
        checked: For toggles: whether it is on.
    """

    id: str
    title: str
    group: str
    context: Context
    intent: Intent
    keys: tuple[str, ...] = ()
    pad: str = ""
    pedal: str = ""
    kind: Kind = "press"
    icon: str = ""
    hint: str = ""
    choices: str = ""
    enabled: Predicate = field(default=always, compare=False)
    checked: Predicate = field(default=never, compare=False)

    @property
    def key(self) -> str:
        """The key that is shown, or ""."""
        return self.keys[0] if self.keys else ""


KEY_WORDS = {
    "Return": "Enter ↵",
    "Backspace": "⌫ Back",
    "PgUp": "Page ↑",
    "PgDown": "Page ↓",
    "Up": "↑",
    "Down": "↓",
    "Left": "←",
    "Right": "→",
    "Delete": "Del",
}


def key_caps(key: str) -> tuple[str, ...]:
    """A key as the caps one presses: "Ctrl+Shift+R" -> ("Ctrl", "Shift", "R")."""
    if not key:
        return ()
    head, _, last = key.rpartition("+")
    if key.endswith("+"):  # the plus key itself
        head, last = key[:-1].rstrip("+"), "+"
    caps = tuple(head.split("+")) if head else ()
    return (*caps, KEY_WORDS.get(last, last))
