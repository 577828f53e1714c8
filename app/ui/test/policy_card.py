"""One slot for a policy: what is in it, whether it fits, how fast it answers."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QWidget

from app.runtime.requests import Slot
from app.runtime.statuses import NeedCheck, PolicyStatus
from app.ui import look
from app.ui.action import Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.look import SIZES
from app.ui.test.words import (
    LETTERS,
    PHASES,
    check_words,
    made_words,
    number,
    short_place,
    sorted_checks,
)
from app.ui.widgets import Button, Card, Chip, ElidedText, Text

READINGS = (
    ("p50", "p50", "Inference: half of its answers come faster"),
    ("p95", "p95", "95 of 100 answers come faster"),
    ("p99", "p99", "99 of 100 answers come faster"),
    ("react", "Fast", "The fast path, at control rate: 99 of 100 are faster"),
    ("age", "Obs age", "How old the newest observation is when it is used"),
    ("queue", "Queue", "Rows of the chunk that are still to come"),
    ("misses", "Missed", "Ticks that wanted an action and had none"),
    ("stale", "Stale", "Chunks that came too late, or made no sense, and were dropped"),
    ("unsure", "Unsure", "0 sure, 1 lost; – where the policy offers none"),
    ("memory", "Memory", "Of its process"),
)
ROWS_SHOWN = 40
NAME_WIDTH = 130
"""A longer name is cut [px]: behind it stands where the policy comes from."""


class PolicyCard(Card):
    """Shows the status of a slot. Emits `intended(Intent)`."""

    intended = pyqtSignal(object)

    def __init__(self, slot: Slot, parent: QWidget | None = None) -> None:
        super().__init__(padding=12, parent=parent)
        self.slot = slot
        self._told: tuple[tuple[NeedCheck, ...], bool] = ((), True)  # checks, all shown
        self._roomy = True
        self._open = False  # else only what does not fit is shown
        self.body.setSpacing(4)
        head = QHBoxLayout()
        head.setSpacing(SIZES.unit)
        letter = Text(LETTERS[slot], "headline")
        letter.setAccessibleName(f"Policy {LETTERS[slot]}")
        self.name = ElidedText("", "title")
        self.name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.name.setMinimumWidth(20)
        self.name.setMaximumWidth(NAME_WIDTH)
        self.path = ElidedText("", "caption", role="caption")
        self.path.setMinimumWidth(0)
        self.digest = Text("", "caption", role="caption")
        self.phase = Chip("Empty")
        parts = ((letter, 0), (self.name, 0), (self.path, 1), (self.digest, 0), (self.phase, 0))
        for part, stretch in parts:
            head.addWidget(part, stretch)
        self.body.addLayout(head)
        self.text = Text("", role="soft", wrap=True)
        self.more = Button("", kind="row", icon="caret-right")
        self.more.setFont(look.font("caption"))
        self.more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.more.clicked.connect(self._switch)
        self.made = ElidedText("", "caption")
        self.made.setAccessibleName("How it was made")
        second = QHBoxLayout()
        second.addWidget(self.made, 1)
        second.addWidget(self.more)
        self.body.addLayout(second)
        self.body.addWidget(self.text)
        self._numbers = self._readings()
        self.body.addWidget(self._numbers)
        self.table = QWidget()
        self._grid = QGridLayout(self.table)
        self._grid.setContentsMargins(4, 0, 4, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(3)
        # All of them: without a stretch a line that gives way is given no room at all.
        for column, share in ((1, 3), (2, 2), (3, 2)):
            self._grid.setColumnStretch(column, share)
        self.body.addWidget(self.table)
        self.body.addLayout(self._buttons())
        self.refresh(UiState(), None)

    def _readings(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 2, 0, 2)
        grid.setHorizontalSpacing(SIZES.unit)
        grid.setVerticalSpacing(0)
        self.values: dict[str, Text] = {}
        for index, (key, title, hint) in enumerate(READINGS):
            row, column = 3 * (index // 5), index % 5
            name = Text(title, "caption", role="caption")
            value = Text("–", "strong")
            for label in (name, value):
                label.setToolTip(hint)
            name.setMinimumWidth(10)
            grid.addWidget(name, row, column)
            grid.addWidget(value, row + 1, column)
            grid.setColumnStretch(column, 1)
            self.values[key] = value
        grid.setRowMinimumHeight(2, SIZES.unit // 2)  # a number belongs to the word above it
        return box

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        self.load = self._button("Load…", "", Intent("policy_load"))
        self.load.setToolTip(tooltip(by_id("policy.load")))
        self.drive = self._button("Drive", "", Intent("policy_use", self.slot))
        self.drive.setToolTip(tooltip(by_id(f"{self.slot}.drive")))
        self.hold = self._button("Hold", "", Intent("policy_hold", "toggle"))
        self.hold.setToolTip(tooltip(by_id("policy.hold")))
        self.watch = self._button("", "eye", Intent("policy_watch"))
        self.watch.setAccessibleName("Watch a training")
        self.watch.setToolTip(tooltip(by_id("policy.watch")))
        self.drop = self._button("", "x", Intent("policy_drop", self.slot))
        self.drop.setAccessibleName(f"Drop policy {LETTERS[self.slot]}")
        self.drop.setToolTip("Drop\nEnds its process and frees its memory; it holds if it drives.")
        # The second says "Give back", too.
        for button, share in ((self.load, 76), (self.drive, 99), (self.hold, 67)):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row.addWidget(button, share)
        for button in (self.watch, self.drop):
            button.setFixedWidth(32)
            row.addWidget(button)
        return row

    def _button(self, text: str, icon: str, intent: Intent) -> Button:
        button = Button(text, icon=icon, kind="plain" if text else "quiet")
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(intent))
        return button

    # --------------------------------------------------------------------------------- showing
    def set_roomy(self, roomy: bool) -> None:
        """Whether there is height for the numbers of a policy that does not drive."""
        self._roomy = roomy

    def refresh(self, state: UiState, status: PolicyStatus | None) -> None:
        """Show the newest status; None for an empty slot."""
        phase = "empty" if status is None else status.phase
        word, tone = PHASES[phase]
        if phase == "holding" and state.in_hand == "taken":
            word, tone = "You drive", "armed"
        self.phase.show_value(word, tone)
        there = status is not None and phase != "empty"
        path = status.path if status is not None and there else ""
        self.name.setText(
            (status.name if status and there else "") or short_place(path) or "No policy"
        )
        self.digest.setText(status.digest[:8] if status and there else "")
        self.digest.setToolTip(status.digest if status else "")
        self.path.setText(short_place(path))
        self.path.setToolTip(path)
        self.path.setVisible(there)
        made = made_words(status) if status is not None and there else ""
        self.made.setText(made)
        self.made.setToolTip(f"{made}\nUpdates, loss on the hold-out, when it was made")
        self.made.setVisible(there)
        self._show_text(status, phase)
        known = phase in ("ready", "driving", "holding", "warming")
        # In a low window the numbers of the policy that does not drive make room for the plots.
        self._numbers.setVisible(known and (self._roomy or phase != "ready"))
        if status is not None and known:
            self._show_numbers(status)
        self._show_checks(status.checks if status is not None and there else ())
        in_it = phase in ("driving", "holding")
        self.drive.setEnabled(by_id(f"{self.slot}.drive").enabled(state) and phase == "ready")
        if in_it and state.in_hand == "taken":
            self.drive.setText("Give back")
            self.drive.setEnabled(True)
        else:
            self.drive.setText("Drive")
        self.hold.setText("Go on" if state.in_hand == "held" and in_it else "Hold")
        self.hold.setEnabled(in_it and state.in_hand in ("driving", "held"))
        self.drop.setVisible(there)
        self.load.setEnabled(by_id("policy.load").enabled(state))

    def _show_text(self, status: PolicyStatus | None, phase: str) -> None:
        if status is None or phase == "empty":
            text = "Load a checkpoint that `teledeck train` wrote, or a policy server's address."
        else:
            text = "" if phase in ("ready", "driving", "holding") else status.text
        self.text.setText(text)
        self.text.setVisible(bool(text))
        self.text.set_tone("fault" if phase == "failed" else None)

    def _show_numbers(self, status: PolicyStatus) -> None:
        shown = {
            "p50": number(status.infer_p50_ms),
            "p95": number(status.infer_p95_ms),
            "p99": number(status.infer_p99_ms),
            "react": number(status.react_p99_ms),
            "age": number(status.observation_age_ms),
            "queue": str(status.queue),
            "misses": str(status.misses),
            "stale": str(status.stale_dropped),
            "unsure": "–"
            if status.uncertainty != status.uncertainty
            else f"{status.uncertainty:.2f}",
            "memory": number(status.memory_mb, "MB"),
        }
        for key, text in shown.items():
            self.values[key].setText(text)
        self.values["misses"].set_tone("armed" if status.misses else None)
        self.values["stale"].set_tone("armed" if status.stale_dropped else None)

    def _show_checks(self, checks: tuple[NeedCheck, ...]) -> None:
        """What does not fit is always shown; what fits would push the curves out of sight."""
        shown = [check for check in sorted_checks(checks) if self._open or not check.fits]
        self.more.setVisible(bool(checks))
        self.more.set_icon("caret-down" if self._open else "caret-right")
        self.table.setVisible(bool(shown))
        if (checks, self._open) == self._told:
            return
        self._told = (checks, self._open)
        text, tone = check_words(checks)
        self.more.setText(text)
        self.more.set_tone(tone)
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for row, check in enumerate(shown[:ROWS_SHOWN]):
            self._add_check(row, check)

    def _add_check(self, row: int, check: NeedCheck) -> None:
        mark = Text("✓" if check.fits else "✗", "caption", tone="kept" if check.fits else "fault")
        where = ElidedText(f"{check.stream}  {check.what}", "caption")
        needed = ElidedText(check.needed, "caption", role="caption")
        live = ElidedText(check.live, "caption")
        live.set_tone(None if check.fits else "fault")
        where.setMinimumWidth(100)  # a wider one pushes the card under the scroll bar
        words = f"{check.stream}: {check.what}\nneeds {check.needed}\nlive {check.live}"
        for column, label in enumerate((mark, where, needed, live)):
            label.setToolTip(words)
            self._grid.addWidget(label, row, column)

    def _switch(self) -> None:
        self._open = not self._open
        self._show_checks(self._told[0])
