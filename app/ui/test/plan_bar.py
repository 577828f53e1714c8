"""What is tried next: policies, starts, disturbance; and the failure tags while a rollout runs."""

from __future__ import annotations

import random

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QSpinBox, QStackedWidget, QWidget

from app.runtime.requests import SLOTS
from app.session.rollouts import FAILURES, Attempt, plan
from app.ui import look
from app.ui.action import Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.look import SIZES
from app.ui.policy_actions import FAILURE_KEYS
from app.ui.widgets import Button, ElidedText, Keycap, Text, set_look
from app.ui.words import plural

FIRST_SEED = 200_000
"""Starts of live trials are neither those of demonstrations nor those of `teledeck evaluate`."""

WHO = {"A": ("policy_a",), "B": ("policy_b",), "A and B": SLOTS}


class PlanBar(QStackedWidget):
    """Emits `intended(Intent)`; tells the planned starts in `attempts`."""

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="wall")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(SIZES.control + 2 * SIZES.unit)
        self._names: tuple[str, ...] = ()
        self._plan = QWidget()
        self._tags = QWidget()
        self.addWidget(self._plan)
        self.addWidget(self._tags)
        self._build_plan()
        self._build_tags()

    def _build_plan(self) -> None:
        row = QHBoxLayout(self._plan)
        row.setContentsMargins(SIZES.margin, SIZES.unit, SIZES.gap, SIZES.unit)
        row.setSpacing(SIZES.unit)
        self.who = QComboBox()
        self.who.addItems(list(WHO))
        self.who.setToolTip("With both, every start is tried by each, in drawn order")
        self.seed = QSpinBox()
        self.seed.setRange(0, 2_000_000_000)
        self.seed.setValue(FIRST_SEED)
        self.seed.setToolTip("The first start; the same number is the same start")
        self.starts = QSpinBox()
        self.starts.setRange(1, 1000)
        self.starts.setValue(10)
        self.disturb = QComboBox()
        self.disturb.setToolTip("Strikes by itself in each rollout, or now with B")
        self.disturb.addItem("Not disturbed", "")
        for caption, widget in (
            ("Policy", self.who),
            ("First start", self.seed),
            ("Starts", self.starts),
            ("", self.disturb),
        ):
            if caption:
                row.addWidget(Text(caption, "caption", role="caption"))
            if isinstance(widget, QSpinBox):
                widget.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
                widget.setFixedWidth(96 if caption == "First start" else 58)
            widget.setAccessibleName(caption or "Disturbance")
            row.addWidget(widget)
        self.add = self._button("rollout.plan", "Add")
        self.same = self._button("rollout.same", "Same starts")
        self.clear = self._button("rollout.clear", "Clear")
        for button in (self.add, self.same, self.clear):
            row.addWidget(button)
        self.waiting = ElidedText("", role="soft")
        row.addWidget(self.waiting, 1)
        self.folder = Button("", kind="quiet", icon="folder-open")
        self.folder.setAccessibleName("Folder for results")
        self.folder.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.folder.clicked.connect(lambda: self.intended.emit(Intent("results_folder")))
        row.addWidget(self.folder)

    def _build_tags(self) -> None:
        row = QHBoxLayout(self._tags)
        row.setContentsMargins(SIZES.margin, SIZES.unit, SIZES.gap, SIZES.unit)
        row.setSpacing(2)
        self.tags: dict[str, Button] = {}
        for kind in FAILURES:
            button = Button(kind.capitalize(), kind="quiet")
            button.setFont(look.font("caption"))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setToolTip(tooltip(by_id(f"failure.{kind.replace(' ', '_')}")))
            button.clicked.connect(
                lambda _, kind=kind: self.intended.emit(Intent("rollout_tag", kind))
            )
            row.addWidget(Keycap(FAILURE_KEYS[kind]))
            row.addWidget(button)
            self.tags[kind] = button
        row.addStretch()

    def _button(self, action_id: str, text: str) -> Button:
        action = by_id(action_id)
        button = Button(text, icon=action.icon, hint=tooltip(action))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        return button

    # --------------------------------------------------------------------------------- values
    def attempts(self, ready: frozenset[str]) -> tuple[Attempt, ...]:
        """The starts that the fields describe, for those policies that can drive."""
        slots = [slot for slot in WHO[self.who.currentText()] if slot in ready]
        first = self.seed.value()
        seeds = range(first, first + self.starts.value())
        return plan(slots, seeds, str(self.disturb.currentData() or ""), random.Random(first))

    def next_starts(self) -> None:
        """After adding: the fields describe the starts that follow."""
        self.seed.setValue(self.seed.value() + self.starts.value())

    def refresh(
        self, state: UiState, disturbances: tuple[str, ...], waiting: tuple[Attempt, ...], book: str
    ) -> None:
        """Show what is planned, or the failure tags while a rollout runs."""
        page = self._tags if state.rollout in ("running", "stopping", "judging") else self._plan
        if self.currentWidget() is not page:
            self.setCurrentWidget(page)
        if disturbances != self._names:
            self._names = disturbances
            before = self.disturb.currentData()
            self.disturb.clear()
            self.disturb.addItem("Not disturbed", "")
            for name in disturbances:
                self.disturb.addItem(name.replace("_", " ").capitalize(), name)
            self.disturb.setCurrentIndex(max(0, self.disturb.findData(before)))
        self.add.setEnabled(by_id("rollout.plan").enabled(state))
        self.same.setEnabled(len(state.ready) > 1)
        self.clear.setEnabled(bool(waiting))
        self.waiting.setText(_words(waiting))
        self.folder.setToolTip(f"Verdicts go to {book}" if book else "Folder for results")


def _words(waiting: tuple[Attempt, ...]) -> str:
    if not waiting:
        return "Nothing is planned"
    first = waiting[0]
    letter = first.slot[-1].upper()
    return f"{plural(len(waiting), 'rollout')} to come, next {letter} from start {first.seed}"
