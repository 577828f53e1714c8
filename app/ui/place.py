"""What the window asks of a place, and what a place asks of its session."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget

from app.runtime.requests import Reply, Request
from app.runtime.statuses import (
    CameraStatus,
    Event,
    HeadsetStatus,
    PolicyStatus,
    RecorderStatus,
    StationStatus,
    TouchStatus,
)
from app.ui.action import Context, Intent, UiState
from app.ui.state import Mood
from devices.leader import LeaderInput
from devices.ring import Drained
from devices.stream import Sample


class SessionPort(Protocol):
    """What screens use of `app.session.session.Session`. Nothing here waits for long."""

    station: StationStatus | None
    recorder: RecorderStatus | None
    camera: CameraStatus | None
    headset: HeadsetStatus | None
    touch: TouchStatus | None
    policies: dict[str, PolicyStatus]
    events: deque[Event]
    events_seen: int
    library: Any

    @property
    def model_key(self) -> tuple[str, str] | None: ...
    def latest(self, stream: str) -> Sample | None: ...
    def since(self, stream: str, t_ns: int) -> Drained | None: ...
    def drive(self, reading: LeaderInput) -> None: ...
    def request(self, request: Request) -> Reply: ...
    def ask(self, request: Request, done: Callable[[Reply], None]) -> None: ...
    def poll(self) -> None: ...
    def open_dataset(self, path: Path, task: str = "", target: int = 0) -> Reply: ...
    def load_scene(self, scene: str) -> Reply: ...


class PlaceWidget(QWidget):
    """One of the five places. It takes values and emits intents.

    Signals:
        intended: An `Intent` of the user, for the window to perform (which may hand it back to
            `perform` of the place on screen).
        said: A sentence to show as a toast.
        undoable: The same, about something that Undo takes back.
    """

    intended = pyqtSignal(object)
    said = pyqtSignal(str)
    undoable = pyqtSignal(str)

    def perform(self, intent: Intent, on: bool = True) -> bool:
        """Do what is this place's own business (camera, layers, hands, playback).

        Args:
            intent: What is asked.
            on: False when a hold key is let go.

        Returns:
            False if the intent is not this place's.
        """
        return False

    def refresh(self, state: UiState) -> None:
        """New state of window, station and recorder; about 20 times a second while on screen."""

    def tick(self) -> None:
        """One frame; up to 60 times a second while on screen. Must return within milliseconds."""

    def enter(self) -> None:
        """The place has come on screen. Put the keyboard focus where one works."""

    def leave(self) -> None:
        """The place goes off screen: let go of hands, pause playback."""

    def key_context(self) -> Context | None:
        """A nearer key context than the place's own: "view" while the 3-D view has the focus."""
        return None

    def describe(self, state: UiState) -> UiState:
        """`state` with what only this place knows: selection, playback, undo."""
        return state

    def mood(self, mood: Mood) -> Mood:
        """`mood` of the window, or what this place must show instead."""
        return mood

    def covered(self) -> bool:
        """Whether a sheet of this place has the keyboard."""
        return False

    def uncover(self) -> None:
        """Close such a sheet."""

    def open_moment(self, uid: str, seconds: float) -> None:
        """Show an episode some seconds after the policy began to drive; the Library does."""

    def dataset_changed(self) -> None:
        """Another dataset was opened."""

    def layers(self) -> frozenset[str]:
        """AR layers that are shown."""
        return frozenset()

    def close_down(self) -> None:
        """The window closes: end threads and release graphics."""
