"""The bar of a take: which one, how long, what the task is, and the next right thing."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.runtime.messages import RecorderStatus, StationStatus
from app.ui import look
from app.ui import state as states
from app.ui.action import Intent, UiState, key_caps, take_runs, take_waits
from app.ui.actions import by_id, tooltip
from app.ui.look import DARK, SIZES, Tone
from app.ui.next_step import next_step
from app.ui.widgets import Button, Keycap, Line, Text, set_look
from app.ui.words import clock_time

STATE_ICONS: dict[Tone, str] = {
    "idle": "circle",
    "armed": "target",
    "recording": "record-fill",
    "paused": "pause-circle",
    "kept": "check-circle",
    "fault": "warning-octagon",
}
"""A shape for each state: colour is never the only sign."""


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


class TakeBar(QWidget):
    """Shows station and recorder; emits `intended(Intent)` for its buttons."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="wall")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._tone: Tone | None = None
        self._next: Intent | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(SIZES.margin, SIZES.unit, SIZES.gap, SIZES.unit)
        row.setSpacing(SIZES.margin)
        row.addLayout(self._take())
        row.addWidget(Line(vertical=True))
        row.addLayout(self._clock())
        row.addWidget(Line(vertical=True))
        row.addLayout(self._task(), 1)
        row.addLayout(self._buttons())

    # ------------------------------------------------------------------------------- building
    def _take(self) -> QVBoxLayout:
        column = _column()
        self.take_word = Text("Take", "caption", role="caption")
        self.take_number = Text("–", "display")
        self.take_number.setMinimumWidth(150)
        column.addWidget(self.take_word)
        column.addWidget(self.take_number)
        return column

    def _clock(self) -> QVBoxLayout:
        column = _column()
        head = QHBoxLayout()
        head.setSpacing(6)
        self._shape = QLabel()
        self.state_word = Text("Idle", "title")
        head.addWidget(self._shape)
        head.addWidget(self.state_word)
        head.addStretch()
        self.time = Text("0:00.0", "display")
        self.time.setMinimumWidth(150)
        column.addLayout(head)
        column.addWidget(self.time)
        return column

    def _task(self) -> QVBoxLayout:
        column = _column()
        column.setSpacing(SIZES.unit)
        self.instruction = Text("", "strong", wrap=True)
        self.instruction.setMaximumHeight(54)  # three lines; the header has the whole sentence
        self.instruction.setMinimumWidth(120)
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.progress = ProgressLine()
        self.percent = Text("", "strong", role="soft")
        self.percent.setMinimumWidth(52)
        row.addWidget(self.progress, 1)
        row.addWidget(self.percent)
        column.addStretch()
        column.addWidget(self.instruction)
        column.addLayout(row)
        column.addStretch()
        return column

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.discard = self._button("take.discard", "Discard")
        self.failure = self._button("take.failure", "Failure")
        self.primary = Button("Get ready", kind="primary", large=True)
        self.primary.setMinimumWidth(188)
        self.primary.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.primary.clicked.connect(self._press)
        self.stop = Button(
            "E-stop",
            kind="danger",
            icon="hand-palm",
            large=True,
            hint=tooltip(by_id("safety.estop")),
        )
        self.stop.setAccessibleName("Emergency stop")
        self.stop.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.stop.setMinimumWidth(116)
        self.stop.clicked.connect(lambda: self.intended.emit(Intent("estop")))
        for button, key in (
            (self.discard, by_id("take.discard").key),
            (self.failure, by_id("take.failure").key),
            (self.primary, by_id("take.next").key),
            (self.stop, by_id("safety.estop").key),
        ):
            row.addLayout(_with_key(button, key))
        return row

    def _button(self, action_id: str, text: str) -> Button:
        action = by_id(action_id)
        button = Button(text, icon=action.icon, hint=tooltip(action), large=True)
        button.setAccessibleName(action.title)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        return button

    def _press(self) -> None:
        if self._next is not None:
            self.intended.emit(self._next)

    # -------------------------------------------------------------------------------- showing
    def set_large(self, large: bool) -> None:
        """Take number and time to be read from three metres, where the window has the room."""
        style: look.Type = "poster" if large else "display"
        for text in (self.take_number, self.time):
            text.setFont(look.font(style))
            text.setMinimumWidth(270 if large else 150)
        self.instruction.setFont(look.font("title" if large else "body"))

    def refresh(
        self, state: UiState, station: StationStatus | None, recorder: RecorderStatus | None
    ) -> None:
        """Show the newest statuses."""
        mood = states.mood(station, recorder)
        if mood.tone != self._tone:
            self._tone = mood.tone
            self._shape.setPixmap(look.pixmap(STATE_ICONS[mood.tone], 20, DARK.tone(mood.tone)))
            self.time.set_tone(mood.tone if mood.tone in ("recording", "paused") else None)
        self.state_word.set_tone(mood.tone)
        # The clock has its own large place.
        self.state_word.setText(mood.word.split("  ")[0])
        self._show_take(state, recorder)
        words = (recorder.task if recorder else "") or (station.instruction if station else "")
        self.instruction.setToolTip(words)
        self.instruction.setText(words)
        known = station is not None
        done = station is not None and station.success
        value = max(0.0, station.progress) if station is not None else 0.0
        self.progress.setVisible(known)
        self.progress.show_value(value, done)
        self.percent.setText("✓ Done" if done else f"{value:.0%}" if known else "")
        self.percent.set_tone("kept" if done else None)
        self._show_buttons(state)

    def _show_take(self, state: UiState, recorder: RecorderStatus | None) -> None:
        if recorder is None:
            self.take_word.setText("Take")
            self.take_number.setText("–")
            self.time.setText("–:––")
            return
        self.time.setText(clock_time(recorder.elapsed_s))
        if state.practice or recorder.practice:
            self.take_word.setText("Nothing is saved")
            self.take_number.setText("Practice")
            return
        kept = f" · {recorder.kept} kept" if recorder.dataset else ""
        self.take_word.setText(f"Take{kept}")
        number = max(recorder.take, 1)
        self.take_number.setText(
            f"{number} / {recorder.target}" if recorder.target else f"{number}"
        )

    def _show_buttons(self, state: UiState) -> None:
        step = next_step(state)
        self._next = step.intent
        self.primary.setText(step.title)
        self.primary.set_icon(step.icon)
        self.primary.setToolTip(f"{step.title}  ({by_id('take.next').key})\n{step.hint}")
        tone = step.tone or None
        self.primary.set_tone(tone)  # type: ignore[arg-type]
        self.primary.setEnabled(step.enabled)
        self.failure.setEnabled(take_runs(state) or take_waits(state))
        self.discard.setEnabled(by_id("take.discard").enabled(state))
        self.stop.setEnabled(state.station not in ("", "estop"))
        self.stop.setText("Stopped" if state.station == "estop" else "E-stop")


def _column() -> QVBoxLayout:
    column = QVBoxLayout()
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    return column


def _with_key(button: Button, key: str) -> QVBoxLayout:
    """A button with its key under it, so that one learns the key by using the button."""
    column = QVBoxLayout()
    column.setSpacing(SIZES.hair)
    column.addStretch()
    column.addWidget(button)
    keys = QHBoxLayout()
    keys.setSpacing(2)
    keys.addStretch()
    for cap in key_caps(key):
        keys.addWidget(Keycap(cap))
    keys.addStretch()
    column.addLayout(keys)
    column.addStretch()
    return column
