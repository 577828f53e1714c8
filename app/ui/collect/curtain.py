"""What lies over the 3-D view when the robot cannot be driven: why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.runtime.statuses import StationStatus
from app.ui import look
from app.ui.action import Intent, key_caps
from app.ui.actions import by_id
from app.ui.look import DARK, SIZES, Tone
from app.ui.widgets import Button, Keycap, Text


@dataclass(frozen=True)
class Notice:
    """What the curtain says.

    Attributes:
        tone: Colour of the state.
        icon: Phosphor name.
        title, text: What is the matter, and what happens or can be done.
        action: Id of the action that helps, or "".
        shade: How much of the picture is hidden, 0 ... 1.
    """

    tone: Tone
    icon: str
    title: str
    text: str
    action: str = ""
    shade: float = 0.8


def notice_for(station: StationStatus | None, ever: bool) -> Notice | None:
    """What to say about the station, or None while it can be driven.

    Args:
        ever: Whether a station has been heard since the window opened.
    """
    if station is None and not ever:
        return Notice(
            "idle",
            "hourglass",
            "Waking the robot",
            "The station builds the scene and starts its clock. The first time this takes a few "
            "seconds; later it is quick.",
        )
    if station is None:
        return Notice(
            "fault",
            "power",
            "The station does not answer",
            "The simulated robot has ended. Takes that were kept are safe. Start it again to "
            "go on.",
            "station.restart",
        )
    if station.phase == "starting":
        text = f"{station.why.rstrip('.') or 'The station gets ready'}."
        return Notice("idle", "hourglass", "Nearly there", text, shade=0.55)
    if station.phase == "stopped":
        why = f"{station.why.rstrip('.')}. " if station.why else ""
        return Notice(
            "fault",
            "stop-circle",
            "The station has stopped",
            f"{why}The robot holds still. Start the station again to go on.",
            "station.restart",
        )
    if station.phase == "estop":
        why = f"{station.why.rstrip('.')}. " if station.why else ""
        return Notice(
            "recording",
            "hand-palm",
            "Emergency stop",
            f"{why}Nothing moves until you clear it. Look at the robot first.",
            "safety.clear",
            shade=0.45,
        )
    return None


class Curtain(QWidget):
    """Shows a `Notice` over its parent. Emits `intended(Intent)` for its button."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._notice: Notice | None = None
        column = QVBoxLayout(self)
        column.setSpacing(SIZES.gap)
        column.addStretch(2)
        self._picture = QLabel()
        self._title = Text("", "display")
        self._text = Text("", "title", role="soft", wrap=True)
        self._text.setFixedWidth(520)
        for label in (self._picture, self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(label, 0, Qt.AlignmentFlag.AlignHCenter)
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self._button = Button("", kind="primary", large=True)
        self._button.setMinimumWidth(220)
        self._button.clicked.connect(self._press)
        self._keys = QHBoxLayout()
        self._keys.setSpacing(2)
        row.addStretch()
        row.addWidget(self._button)
        row.addLayout(self._keys)
        row.addStretch()
        column.addSpacing(SIZES.unit)
        column.addLayout(row)
        column.addStretch(3)
        self.hide()

    @property
    def notice(self) -> Notice | None:
        return self._notice

    def show_notice(self, notice: Notice | None) -> None:
        """Cover the parent with a notice, or uncover it."""
        if notice == self._notice:
            return
        self._notice = notice
        if notice is None:
            self.hide()
            return
        self._picture.setPixmap(look.pixmap(notice.icon, 72, DARK.tone(notice.tone)))
        self._title.setText(notice.title)
        self._title.set_tone(notice.tone if notice.tone != "idle" else None)
        self._text.setText(notice.text)
        self._text.setMinimumHeight(self._text.heightForWidth(520))
        self._button.setVisible(bool(notice.action))
        while self._keys.count():
            item = self._keys.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        if notice.action:
            action = by_id(notice.action)
            self._button.setText(action.title)
            self._button.set_icon(action.icon)
            for cap in key_caps(action.key):
                self._keys.addWidget(Keycap(cap))
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.show()
        self.raise_()

    def _press(self) -> None:
        if self._notice is not None and self._notice.action:
            intent: Intent = by_id(self._notice.action).intent
            self.intended.emit(intent)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if self._notice is None:
            return
        painter = QPainter(self)
        shade = QColor(DARK.floor)
        shade.setAlphaF(self._notice.shade)
        painter.fillRect(self.rect(), shade)
        if self._notice.tone in ("recording", "fault"):
            painter.setPen(QPen(QColor(DARK.tone(self._notice.tone)), 4))
            painter.drawRect(QRectF(self.rect()).adjusted(2, 2, -2, -2))
