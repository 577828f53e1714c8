"""What the window asks of a place, and what a place asks of its session."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Protocol

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget

from app.runtime.messages import (
    CameraStatus,
    Event,
    RecorderStatus,
    Reply,
    Request,
    StationStatus,
)
from app.ui.action import Context, Intent, UiState
from devices.leader import LeaderInput
from devices.stream import Sample


class SessionPort(Protocol):
    """What screens use of `app.session.session.Session`. Nothing here blocks for long."""

    @property
    def station(self) -> StationStatus | None: ...
    @property
    def recorder(self) -> RecorderStatus | None: ...
    @property
    def camera(self) -> CameraStatus | None: ...
    @property
    def events(self) -> deque[Event]: ...
    @property
    def model_key(self) -> tuple[str, str, str]: ...

    def latest(self, stream: str) -> Sample | None: ...
    def since(self, stream: str, t_ns: int) -> list[Sample]: ...
    def drive(self, leader_input: LeaderInput) -> None: ...
    def request(self, request: Request) -> Reply: ...
    def poll(self) -> None: ...
    def open_dataset(self, path: Path | str) -> None: ...
    def load_scene(self, name: str) -> None: ...


class PlaceWidget(QWidget):
    """One of the five places. It takes values and emits intents.

    Signals:
        intended: An `Intent` of the user, for the window to perform (which may hand it back to
            `perform` of the place on screen).
        said: A sentence to show as a toast.
    """

    intended = pyqtSignal(object)
    said = pyqtSignal(str)

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

    def layers(self) -> frozenset[str]:
        """AR layers that are shown."""
        return frozenset()

    def close_down(self) -> None:
        """The window closes: end threads and release graphics."""
