"""The sheet of a new training: which takes, which policy, how long; what that gives and costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from app.session.training_asking import TrainingClerk
from app.session.training_draft import Answer, Counted, Draft
from app.ui import look, words
from app.ui.look import SIZES
from app.ui.overlay import Overlay
from app.ui.training.choice import TakeChoice
from app.ui.training.form import TrainingForm
from app.ui.widgets import Button, ElidedText, Keycap, Text
from datasets.dataset import Dataset
from devices.errors import TeledeckError

SETTLE_S = 0.35
"""How long nothing must change before windows are counted [s]."""

Pace = Callable[[str, str, int], tuple[float, str] | None]


class NewTraining(Overlay):
    """Emits `decided(Draft, Plan)` when a training is to be added.

    Args:
        parent: Over what it lies.
        clerk: Reads datasets and policies.
        pace: What earlier trainings tell about speed: `TrainingDesk.pace`.
        queue: Folder of the queue, for the command line that is shown.
    """

    decided = pyqtSignal(object, object)

    def __init__(self, parent: QWidget, clerk: TrainingClerk, pace: Pace, queue: Path) -> None:
        super().__init__(parent, width=1180)
        self._clerk, self._pace, self._queue = clerk, pace, queue
        self._counted: Counted | None = None
        self._counted_for: Draft | None = None
        self._measured: tuple[tuple[object, ...], float, str] | None = None
        self._due_s = 0.0
        self._asked_measure = False
        self.body.addLayout(self._head())
        columns = QHBoxLayout()
        columns.setSpacing(SIZES.margin)
        self.form = TrainingForm()
        self.choice = TakeChoice()
        columns.addWidget(self.form, 0)
        columns.addWidget(self.choice, 1)
        self.body.addLayout(columns, 1)
        self.body.addLayout(self._foot())
        self.form.changed.connect(self._touched)
        self.choice.changed.connect(self._touched)
        self.choice.other_dataset.connect(self._other_dataset)

    # --------------------------------------------------------------------------------- building
    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(Text("New training", "headline"))
        row.addStretch()
        close = Button("", kind="quiet", icon="x")
        close.setAccessibleName("Close")
        close.clicked.connect(self.dismiss)
        row.addWidget(close)
        return row

    def _foot(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SIZES.unit)
        self.command = ElidedText("", "caption", role="caption")
        self.command.setFont(look.font("caption", mono=True))
        copy = Button("Copy", kind="quiet", icon="copy", hint="Copies the command line")
        copy.clicked.connect(self._copy)
        line = QHBoxLayout()
        line.addWidget(self.command, 1)
        line.addWidget(copy)
        column.addLayout(line)
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.estimate = Text("", role="soft")
        row.addWidget(self.estimate)
        self.measure = Button(
            "Measure", icon="timer", hint="Trains for three seconds and throws the result away"
        )
        self.measure.clicked.connect(self._measure)
        row.addWidget(self.measure)
        row.addStretch(1)
        for cap in ("Ctrl", "Enter ↵"):
            row.addWidget(Keycap(cap))
        self.done = Button("Add to the queue", kind="primary")
        self.done.clicked.connect(self._finish)
        row.addWidget(self.done)
        column.addLayout(row)
        return column

    # ---------------------------------------------------------------------------------- opening
    def first_focus(self) -> QWidget:
        known = self.choice.takes is not None or self.choice.folder() is not None
        return self.form.policy if known else self.choice.dataset

    def open_for(self, dataset: Path | None, *, station: bool) -> None:
        """Open for a dataset, as it was left last time if that is the same one."""
        self.form.show_station(station)
        if dataset is not None and self.choice.folder() is None:
            self.choice.dataset.setText(words.home_path(dataset))
        # The takes first: to know what can be trained takes seconds of imports.
        known = self._ask_takes()
        if not self.form.known:
            if known:
                self.choice.say("Asking what can be trained here …", None)
            self._clerk.catalogue(self._hear_catalogue)
        self._touched()
        self.open()

    def use_dataset(self, dataset: Path) -> None:
        """Another dataset was opened in the window."""
        if self.choice.folder() != dataset:
            self.choice.dataset.setText(words.home_path(dataset))
            self._forget_takes()

    def tick(self) -> None:
        """Once a frame while it is open: count when the form has settled."""
        if self._due_s and time.monotonic() >= self._due_s:
            self._due_s = 0.0
            draft = self.draft()
            if draft is not None and draft != self._counted_for:
                self._counted, self._counted_for = None, draft
                self._show_done()
                if draft.hold_out and self.choice.table.takes.used() == 0:
                    self.choice.say("No take is used", "armed")
                else:
                    self._clerk.count(draft, self._hear_count)

    def _lay_out(self) -> None:
        super()._lay_out()
        box = self.panel.geometry()
        height = min(860, self.height() - 2 * SIZES.margin)
        self.panel.setGeometry(box.x(), (self.height() - height) // 2, box.width(), height)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if (
            event is not None
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            and event.modifiers() & Qt.KeyboardModifier.ControlModifier
        ):
            self._finish()
        super().keyPressEvent(event)

    # ---------------------------------------------------------------------------------- hearing
    def _hear_catalogue(self, answer: Answer) -> None:
        if answer.error:
            self.choice.say(answer.error, "fault")
        if answer.catalogue is not None:
            self.form.show_catalogue(answer.catalogue)

    def _ask_takes(self) -> bool:
        """False, and said why, where there is no dataset."""
        folder = self.choice.folder()
        if folder is None:
            self.choice.say("Name the folder of a dataset", "armed")
            return False
        try:
            Dataset.open(folder)
        except TeledeckError as error:
            self.choice.say(str(error), "fault")
            return False
        self._clerk.takes(folder, self._hear_takes)
        return True

    def _hear_takes(self, answer: Answer) -> None:
        if answer.error:
            self._forget_takes()
            self.choice.say(answer.error, "fault")
        elif answer.takes is None:
            self.choice.say(f"Looking at takes: {answer.done} of {answer.of}", None)
        else:
            before = self.choice.takes
            if self.choice.show_takes(answer.takes):
                self.form.show_cameras(answer.takes.cameras)
                self.form.suggest_for(answer.takes.scene)
            if answer.takes != before or self._counted is None:
                # Other takes, or none could be read the last time: what was counted means nothing.
                self._counted = self._counted_for = None
                self._touched()
            else:
                self.choice.show_counted(self._counted)

    def _hear_count(self, answer: Answer) -> None:
        if answer.error:
            self.choice.say(answer.error, "fault")
            self.choice.details.setText("")
        elif answer.counted is None:
            if answer.of:
                self.choice.say(f"Reading takes: {answer.done} of {answer.of}", None)
        else:
            self._counted = answer.counted
            self.choice.show_counted(answer.counted)
        self._show_done()

    # ------------------------------------------------------------------------------ the form
    def draft(self) -> Draft | None:
        """What the sheet says now; None while it does not know yet what there is."""
        takes = self.choice.takes
        if takes is None or not self.form.known:
            return None
        return self.choice.choose(self.form.draft(takes.dataset))

    def _other_dataset(self) -> None:
        self._forget_takes()
        self._ask_takes()

    def _forget_takes(self) -> None:
        self._counted = self._counted_for = None
        self.choice.forget()
        self._show_done()

    def _touched(self) -> None:
        self._due_s = time.monotonic() + SETTLE_S
        self.choice.show_used()
        draft = self.draft()
        self.command.setText(draft.command(self._queue) if draft is not None else "")
        self._show_done()

    def _show_done(self) -> None:
        draft = self.draft()
        known = self._counted is not None and draft == self._counted_for
        self.done.setEnabled(known)
        self.measure.setEnabled(known and not self._asked_measure)
        self._show_estimate(draft)

    # --------------------------------------------------------------------------------- the time
    def _show_estimate(self, draft: Draft | None) -> None:
        if draft is None or self._asked_measure:
            return
        if self._measured is not None and self._measured[0] == _speed_key(draft):
            rate, source = self._measured[1], self._measured[2]
        else:
            earlier = self._pace(draft.policy, draft.device, draft.batch)
            if earlier is None:
                self.estimate.setText("How long it takes is not known yet")
                return
            rate, source = earlier[0], f"as fast as {earlier[1]}"
        span = words.long_time(draft.steps / rate)
        self.estimate.setText(f"Estimate: {span} at {rate:.3g} updates/s, {source}")

    def _measure(self) -> None:
        draft = self.draft()
        if draft is None:
            return
        self._asked_measure = True
        self.measure.setEnabled(False)
        self.estimate.setText("Measuring for three seconds …")

        def heard(answer: Answer) -> None:
            self._asked_measure = False
            if answer.measured is not None:
                found = answer.measured
                kind = self.form.kind()
                part = (
                    f", stage “{found.stage}” only"
                    if kind is not None and len(kind.stages) > 1
                    else ""
                )
                source = f"measured over {found.updates} updates{part}"
                self._measured = (_speed_key(draft), found.steps_per_s, source)
            self._show_done()
            if answer.error:
                self.estimate.setText(f"It cannot be measured: {answer.error}")

        self._clerk.measure(draft, heard)

    # --------------------------------------------------------------------------------- the end
    def _copy(self) -> None:
        board = QApplication.clipboard()
        draft = self.draft()
        if board is not None and draft is not None:
            board.setText(draft.command(self._queue))

    def _finish(self) -> None:
        draft = self.draft()
        if self._counted is None or draft != self._counted_for or not self.done.isEnabled():
            return
        self.dismiss()
        self.decided.emit(draft, self._counted.plan)


def _speed_key(draft: Draft) -> tuple[object, ...]:
    settings = json.dumps(msgspec.to_builtins(draft.settings), sort_keys=True)
    return (draft.policy, draft.preset, settings, draft.batch, draft.device, draft.threads)
