"""The bar of a take: which one, how long, what the task is, and the next right thing."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.runtime.statuses import RecorderStatus, StationStatus
from app.ui import look
from app.ui import state as states
from app.ui.action import Intent, UiState, key_caps, take_runs, take_waits
from app.ui.actions import by_id
from app.ui.bar_parts import (
    ProgressLine,
    action_button,
    bare_column,
    estop_button,
    key_under,
    primary_button,
)
from app.ui.look import DARK, SIZES, Tone
from app.ui.next_step import next_step
from app.ui.widgets import Line, Paragraph, Text, set_look
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
        column = bare_column()
        self.take_word = Text("Take", "caption", role="caption")
        self.take_number = Text("–", "display")
        self.take_number.setMinimumWidth(150)
        column.addWidget(self.take_word)
        column.addWidget(self.take_number)
        return column

    def _clock(self) -> QVBoxLayout:
        column = bare_column()
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
        column = bare_column()
        column.setSpacing(SIZES.unit)
        self.instruction = Paragraph("", "strong", lines=2)  # the header has the whole sentence
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
        emit = self.intended.emit
        self.discard = action_button("take.discard", "Discard", emit)
        self.failure = action_button("take.failure", "Failure", emit)
        self.primary = primary_button("Get ready", 188, self._press)
        self.stop = estop_button(emit)
        for button, action_id in (
            (self.discard, "take.discard"),
            (self.failure, "take.failure"),
            (self.primary, "take.next"),
            (self.stop, "safety.estop"),
        ):
            row.addWidget(key_under(button, key_caps(by_id(action_id).key)))
        return row

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
