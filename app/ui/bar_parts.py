"""What the bars of Collect and Test share: keys under buttons, the e-stop, the progress line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.ui.action import Intent
from app.ui.actions import by_id, tooltip
from app.ui.look import DARK, SIZES
from app.ui.widgets import Button, Keycap

Emit = Callable[[Intent], object]


class ProgressLine(QWidget):
    """How far the task is done, as a thick line; green when it is done."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Task progress")
        self._value = 0.0
        self._done = False

    def sizeHint(self) -> QSize:
        return QSize(160, 8)

    def show_value(self, value: float, done: bool) -> None:
        if (value, done) != (self._value, self._done):
            self._value, self._done = value, done
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.lifted))
        painter.drawRoundedRect(self.rect(), 4, 4)
        width = round(self.width() * min(1.0, max(0.0, self._value)))
        if width >= 4:
            painter.setBrush(QColor(DARK.kept if self._done else DARK.accent))
            painter.drawRoundedRect(0, 0, width, self.height(), 4, 4)


def bare_column() -> QVBoxLayout:
    """A column without margins and gaps."""
    column = QVBoxLayout()
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    return column


def key_under(widget: QWidget, caps: Sequence[str]) -> QWidget:
    """A control with its key under it, so that one learns the key by using the control."""
    box = QWidget()
    column = QVBoxLayout(box)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(SIZES.hair)
    column.addStretch()
    column.addWidget(widget)
    keys = QHBoxLayout()
    keys.setSpacing(2)
    keys.addStretch()
    for cap in caps:
        keys.addWidget(Keycap(cap))
    keys.addStretch()
    column.addLayout(keys)
    column.addStretch()
    return box


def action_button(action_id: str, text: str, emit: Emit) -> Button:
    """A large button that asks for what a row of the table of actions says."""
    action = by_id(action_id)
    button = Button(text, icon=action.icon, hint=tooltip(action), large=True)
    button.setAccessibleName(action.title)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.clicked.connect(lambda: emit(action.intent))
    return button


def primary_button(text: str, width: int, press: Callable[[], object]) -> Button:
    """The one that is always the next right thing, at least so wide [px]."""
    button = Button(text, kind="primary", large=True)
    button.setMinimumWidth(width)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.clicked.connect(press)
    return button


def estop_button(emit: Emit) -> Button:
    """The emergency stop."""
    hint = tooltip(by_id("safety.estop"))
    button = Button("E-stop", kind="danger", icon="hand-palm", large=True, hint=hint)
    button.setAccessibleName("Emergency stop")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setMinimumWidth(116)
    button.clicked.connect(lambda: emit(Intent("estop")))
    return button
