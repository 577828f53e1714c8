"""The bar of a rollout: who drives, in letters read from afar, and the next right thing."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from app.runtime.statuses import StationStatus
from app.session.rollouts import Rollouts
from app.ui import look
from app.ui.action import Intent, UiState, key_caps
from app.ui.bar_parts import (
    ProgressLine,
    action_button,
    bare_column,
    estop_button,
    key_under,
    primary_button,
)
from app.ui.look import DARK, SIZES, Tone
from app.ui.next_rollout import next_rollout
from app.ui.test.words import Who
from app.ui.widgets import ElidedText, Line, Text, set_look
from app.ui.words import clock_time, plural
from devices.clock import NS_PER_S

PHASES: dict[str, tuple[str, Tone | None]] = {
    "idle": ("No rollout", None),
    "resetting": ("Resetting", "armed"),
    "ready": ("Ready", "armed"),
    "starting": ("Starting", "armed"),
    "running": ("Rollout runs", "recording"),
    "stopping": ("Stopping", "paused"),
    "judging": ("How did it go?", "paused"),
}


class RolloutBar(QWidget):
    """Shows `Rollouts` and who drives; emits `intended(Intent)`."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="wall")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._icon = ("", "")
        self._next: Intent | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(SIZES.margin, SIZES.unit, SIZES.gap, SIZES.unit)
        row.setSpacing(SIZES.gap)
        self._who_box = QWidget()
        self._who_box.setLayout(self._who())
        row.addWidget(self._who_box, 3)
        row.addWidget(Line(vertical=True))
        row.addLayout(self._clock())
        row.addWidget(Line(vertical=True))
        row.addLayout(self._facts(), 2)
        row.addLayout(self._buttons())

    # ------------------------------------------------------------------------------- building
    def _who(self) -> QVBoxLayout:
        column = bare_column()
        head = QHBoxLayout()
        head.setSpacing(10)
        self._shape = QLabel()
        self.who = Text("Nobody", "display")
        self.who.setAccessibleName("Who drives")
        self.who.setMinimumWidth(190)
        head.addWidget(self._shape)
        head.addWidget(self.who, 1)
        self.who_note = ElidedText("", "caption", role="soft")
        column.addWidget(Text("Who drives", "caption", role="caption"))
        column.addLayout(head)
        column.addWidget(self.who_note)
        return column

    def _clock(self) -> QVBoxLayout:
        column = bare_column()
        self.phase = Text("No rollout", "title")
        self.time = Text("0:00.0", "display")
        self.time.setMinimumWidth(140)
        self.counts = Text("", "caption", role="soft")
        column.addWidget(self.phase)
        column.addWidget(self.time)
        column.addWidget(self.counts)
        return column

    def _facts(self) -> QVBoxLayout:
        column = bare_column()
        column.setSpacing(6)
        self.start = ElidedText("", "strong")
        self.tags = ElidedText("", "caption", role="soft")
        line = QHBoxLayout()
        line.setSpacing(SIZES.unit)
        self.progress = ProgressLine()
        self.progress.setMinimumWidth(60)
        self.percent = Text("", "strong", role="soft")
        self.percent.setMinimumWidth(46)
        line.addWidget(self.progress, 1)
        line.addWidget(self.percent)
        column.addStretch()
        column.addWidget(self.start)
        column.addLayout(line)
        column.addWidget(self.tags)
        column.addStretch()
        return column

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.score = QSpinBox()
        self.score.setRange(0, 100)
        self.score.setSuffix(" / 100")
        self.score.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.score.setFixedWidth(104)
        self.score.setFont(look.font("title"))
        self.score.setFixedHeight(SIZES.control_large - 2)
        self.score.setAccessibleName("Partial score")
        self.score.setToolTip("Partial score; the keys - and = change it")
        emit = self.intended.emit
        self.hold = action_button("policy.hold", "Hold", emit)
        self.give_back = action_button("policy.give_back", "Give back", emit)
        self.exclude = action_button("rollout.excluded", "Exclude", emit)
        self.failure = action_button("rollout.failure", "Failure", emit)
        self.success = action_button("rollout.success", "Success", emit)
        self.primary = primary_button("Plan", 150, self._press)
        self.stop = estop_button(emit)
        self._with: dict[QWidget, QWidget] = {}
        for widget, key in (
            (self.score, "-"),
            (self.hold, "Space"),
            (self.give_back, "G"),
            (self.exclude, "X"),
            (self.failure, "F"),
            (self.success, "S"),
            (self.primary, "Return"),
            (self.stop, "Esc"),
        ):
            box = key_under(widget, ("-", "=") if key == "-" else key_caps(key))
            self._with[widget] = box
            row.addWidget(box)
        return row

    def _press(self) -> None:
        if self._next is not None:
            self.intended.emit(self._next)

    # -------------------------------------------------------------------------------- showing
    def set_large(self, large: bool) -> None:
        """Who drives and the time to be read from three metres, where the window has the room."""
        style: look.Type = "poster" if large else "display"
        for text, width in ((self.who, 360 if large else 190), (self.time, 250 if large else 140)):
            text.setFont(look.font(style))
            text.setMinimumWidth(width)

    def refresh(
        self,
        state: UiState,
        who: Who,
        rollouts: Rollouts,
        station: StationStatus | None,
        now_ns: int,
    ) -> None:
        """Show the newest state. `now_ns` [ns, monotonic]."""
        self._show_who(who)
        word, tone = PHASES[rollouts.phase]
        self.phase.setText(word)
        self.phase.set_tone(tone)
        now = rollouts.now
        seconds = 0.0
        if now is not None and now.began_ns:
            seconds = ((now.ended_ns or now_ns) - now.began_ns) / NS_PER_S
        self.time.setText(clock_time(max(0.0, seconds)))
        self.time.set_tone(tone if rollouts.phase in ("running", "judging") else None)
        counts = plural(now.takeovers, "takeover") if now is not None and now.began_ns else ""
        self.counts.setText(counts)
        self.counts.set_tone("armed" if now is not None and now.takeovers else None)
        self._show_start(rollouts, station)
        self._show_buttons(state)

    def _show_who(self, who: Who) -> None:
        self.who.setText(who.text)
        self.who.set_tone(who.tone)
        self.who_note.setText(who.note)
        if (who.icon, who.tone or "") != self._icon:
            self._icon = (who.icon, who.tone or "")
            colour = DARK.tone(who.tone) if who.tone else DARK.soft
            self._shape.setPixmap(look.pixmap(who.icon, 28, colour))

    def _show_start(self, rollouts: Rollouts, station: StationStatus | None) -> None:
        now = rollouts.now
        if now is None:
            self.start.setText(plural(len(rollouts.book or ()), "trial") + " in the book")
        else:
            letter = now.start.slot[-1].upper()
            words = now.start.perturb.replace("_", " ")
            struck = " ✓" if now.perturbed_ns else ""
            about = f"  ·  {words}{struck}" if words else ""
            self.start.setText(f"Policy {letter}  ·  start {now.start.seed}{about}")
        tags = now.tags if now is not None else ()
        self.tags.setText("  ·  ".join(f"{kind} {at:.1f} s" for kind, at in tags if at is not None))
        self.tags.setVisible(bool(tags))
        done = station is not None and station.success
        value = max(0.0, station.progress) if station is not None else 0.0
        self.progress.show_value(value, done)
        self.percent.setText("✓ Done" if done else f"{value:.0%}")
        self.percent.set_tone("kept" if done else None)

    def _show_buttons(self, state: UiState) -> None:
        step = next_rollout(state)
        self._next = step.intent
        self.primary.setText(step.title)
        self.primary.set_icon(step.icon)
        self.primary.setToolTip(f"{step.title}  (Return)\n{step.hint}")
        self.primary.set_tone(step.tone or None)  # type: ignore[arg-type]
        self.primary.setEnabled(step.enabled)
        judging = state.rollout == "judging"
        shown = {
            self.score: judging,
            self.exclude: judging,
            # The primary button is one of the two verdicts; the other one stands beside it.
            self.failure: judging and state.done,
            self.success: judging and not state.done,
            self.hold: not judging and state.in_hand != "taken",
            self.give_back: not judging and state.in_hand == "taken",
        }
        for widget, visible in shown.items():
            if self._with[widget].isHidden() == visible:
                self._with[widget].setVisible(visible)
        # Where room is short, the question is asked in the place of who drives: nobody does.
        self._who_box.setVisible(not judging or self.width() > 1400)
        self.hold.setText("Go on" if state.in_hand == "held" else "Hold")
        self.hold.set_icon("play" if state.in_hand == "held" else "pause")
        self.hold.setEnabled(state.in_hand in ("driving", "held"))
        self.stop.setEnabled(state.station not in ("", "estop"))
        self.stop.setText("Stopped" if state.station == "estop" else "E-stop")
