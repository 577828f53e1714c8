"""Buttons, time and speed under the timeline."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QWidget

from app.ui import words
from app.ui.action import Intent
from app.ui.actions import by_id, tooltip
from app.ui.look import SIZES
from app.ui.widgets import Button, Text

_BUTTONS = (
    "play.start",
    "play.mark_back",
    "play.frame_back",
    "play.back",
    "play.toggle",
    "play.forward",
    "play.frame",
    "play.mark_next",
    "play.end",
)


class Transport(QWidget):
    """Emits `intended(Intent)`; shows time, length and speed."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SIZES.hair)
        self.time = Text("0:00.0", "title")
        self.time.setMinimumWidth(72)
        self.length = Text("", role="caption")
        self.length.setMinimumWidth(120)
        row.addWidget(self.time)
        row.addWidget(self.length)
        row.addStretch(1)
        self._buttons: dict[str, Button] = {}
        for action_id in _BUTTONS:
            button = self._button(action_id)
            self._buttons[action_id] = button
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self._button("play.slower"))
        self.speed = Text("1×", "strong")
        self.speed.setMinimumWidth(48)
        self.speed.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row.addWidget(self.speed)
        row.addWidget(self._button("play.faster"))
        self.skew = Text("", "caption", role="caption")
        self.skew.setMinimumWidth(120)
        self.skew.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.skew)

    def show_state(self, at_s: float, length_s: float, speed: float, playing: bool) -> None:
        self.time.setText(words.clock_time(at_s))
        self.length.setText(f"of {words.clock_time(length_s)}")
        self.speed.setText(f"{'−' if speed < 0 else ''}{abs(speed):g}×")
        self._buttons["play.toggle"].set_icon("pause-fill" if playing else "play-fill")

    def _button(self, action_id: str) -> Button:
        action = by_id(action_id)
        button = Button("", kind="quiet", icon=action.icon, hint=tooltip(action))
        button.setAccessibleName(action.title)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self._press(action.intent))
        return button

    def _press(self, intent: Intent) -> None:
        self.intended.emit(intent)
