"""The sheet of a new training: which takes, which policy, how long; what that gives and costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.session.training_asking import TrainingClerk
from app.session.training_draft import Answer, Catalogue, Counted, Draft, PolicyKind, TakeRow, Takes
from app.ui import look, words
from app.ui.look import SIZES, Tone
from app.ui.overlay import Overlay
from app.ui.training.options import Options
from app.ui.training.phases import number
from app.ui.training.takes_table import TakesTable
from app.ui.widgets import Button, ElidedText, Keycap, SectionTitle, Text, set_look

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
        self._catalogue: Catalogue | None = None
        self._takes: Takes | None = None
        self._counted: Counted | None = None
        self._counted_for: Draft | None = None
        self._measured: tuple[tuple[object, ...], float, str] | None = None
        self._due_s = 0.0
        self._filling = False
        self._asked_measure = False
        self.body.addLayout(self._head())
        columns = QHBoxLayout()
        columns.setSpacing(SIZES.margin)
        columns.addWidget(self._form(), 0)
        columns.addLayout(self._right(), 1)
        self.body.addLayout(columns, 1)
        self.body.addLayout(self._foot())

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

    def _form(self) -> QWidget:
        inside = QWidget()
        set_look(inside, role="clear")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, SIZES.unit, 0)
        column.setSpacing(SIZES.unit)
        form = QFormLayout()
        form.setSpacing(SIZES.unit)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.policy = QComboBox()
        self.policy_words = Text("", "caption", role="caption", wrap=True)
        self.preset = QComboBox()
        self.cameras = QWidget()
        self._camera_row = QHBoxLayout(self.cameras)
        self._camera_row.setContentsMargins(0, 0, 0, 0)
        self.steps = _spin(1, 10_000_000, 5000, step=500)
        self.batch = _spin(1, 4096, 64, step=16)
        self.seed = _spin(0, 2_000_000_000, 0)
        self.hold_out = QDoubleSpinBox()
        self.hold_out.setRange(0.0, 0.9)
        self.hold_out.setSingleStep(0.05)
        self.hold_out.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.hold_out.setValue(0.1)
        self.device = QComboBox()
        self.device_words = Text("", "caption", role="caption", wrap=True)
        self.threads = _spin(1, 256, 1)
        self.threads_words = Text("", "caption", role="caption", wrap=True)
        for label, field in (
            ("Policy", self.policy),
            ("", self.policy_words),
            ("It sees", self.preset),
            ("Cameras", self.cameras),
            ("Updates", self.steps),
            ("Batch", self.batch),
            ("Hold-out share", self.hold_out),
            ("Seed", self.seed),
            ("Device", self.device),
            ("", self.device_words),
            ("CPU threads", self.threads),
            ("", self.threads_words),
        ):
            if label:
                field.setAccessibleName(label)
                form.addRow(SectionTitle(label), field)
            else:
                form.addRow("", field)
        column.addLayout(form)
        column.addWidget(SectionTitle("Options of the policy"))
        self.options = Options()
        column.addWidget(self.options)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setFixedWidth(400)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.policy.currentTextChanged.connect(self._other_policy)
        for combo in (self.preset, self.device):
            combo.currentTextChanged.connect(self._touched)
        for spin in (self.steps, self.batch, self.seed, self.threads):
            spin.valueChanged.connect(self._touched)
        self.hold_out.valueChanged.connect(self._touched)
        self.options.changed.connect(self._touched)
        return area

    def _right(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(SIZES.unit)
        where = QHBoxLayout()
        where.setSpacing(SIZES.unit)
        where.addWidget(SectionTitle("Dataset"))
        self.dataset = QLineEdit()
        self.dataset.setAccessibleName("Folder of the dataset")
        self.dataset.setPlaceholderText("Folder of the dataset")
        self.dataset.editingFinished.connect(self._other_dataset)
        where.addWidget(self.dataset, 1)
        column.addLayout(where)
        which = QHBoxLayout()
        which.setSpacing(SIZES.unit)
        self.verdict = QComboBox()
        for key, text in (
            ("success", "Successes only"),
            ("failure", "Failures only"),
            ("any", "Any verdict"),
        ):
            self.verdict.addItem(text, key)
        self.task = QComboBox()
        self.task.setMinimumWidth(120)
        self.flagged = QCheckBox("Leave out takes with findings")
        self.used = Text("", role="soft")
        self.verdict.setAccessibleName("Verdict")
        self.task.setAccessibleName("Task")
        which.addWidget(self.verdict)
        which.addWidget(self.task, 1)
        which.addWidget(self.flagged)
        which.addWidget(self.used)
        column.addLayout(which)
        self.table = TakesTable()
        self.table.setMinimumHeight(150)
        column.addWidget(self.table, 1)
        hint = Text(
            "Space uses a take or leaves it out · + − or a digit sets its weight (0 to 10)",
            "caption",
            role="caption",
        )
        column.addWidget(hint)
        self.report = Text("", "strong", wrap=True)
        self.details = Text("", "caption", role="caption", wrap=True)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        area = QScrollArea()
        area.setWidget(self.details)
        area.setWidgetResizable(True)
        area.setFixedHeight(72)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column.addWidget(self.report)
        column.addWidget(area)
        for combo in (self.verdict, self.task):
            combo.currentTextChanged.connect(self._filter)
        self.flagged.toggled.connect(self._leave_flagged_out)
        self.table.takes.weighed.connect(self._touched)
        return column

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
        return self.policy if self._takes is not None or self.dataset.text() else self.dataset

    def open_for(self, dataset: Path | None, *, station: bool) -> None:
        """Open for a dataset, as it was left last time if that is the same one."""
        self.threads_words.setText(
            "A station runs here: with more threads its loop would be late."
            if station
            else "One is fast enough for most; more help only where nothing else runs."
        )
        if dataset is not None and not self.dataset.text().strip():
            self.dataset.setText(words.home_path(dataset))
        if self._catalogue is None:
            self._say("Asking what can be trained here …", None)
            self._clerk.catalogue(self._hear_catalogue)
        self._ask_takes()
        self._touched()
        self.open()

    def use_dataset(self, dataset: Path) -> None:
        """Another dataset was opened in the window."""
        if Path(self.dataset.text().strip()).expanduser() != dataset:
            self.dataset.setText(words.home_path(dataset))
            self._forget_takes()

    def tick(self) -> None:
        """Once a frame while it is open: count when the form has settled."""
        if self._due_s and time.monotonic() >= self._due_s:
            self._due_s = 0.0
            draft = self.draft()
            if draft is not None and draft != self._counted_for:
                self._counted, self._counted_for = None, draft
                self._show_done()
                if draft.hold_out and self.table.takes.used() == 0:
                    self._say("No take is used", "armed")
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
            self._say(answer.error, "fault")
        if answer.catalogue is None:
            return
        self._catalogue = found = answer.catalogue
        self._filling = True
        self.preset.addItems(found.presets)
        self.device.addItems(found.devices)
        self.device_words.setText(found.device_words)
        self.threads.setMaximum(found.cores)
        self.policy.addItems([kind.name for kind in found.policies])
        self._filling = False
        self._other_policy()
        if found.broken:
            self.policy_words.setToolTip("\n".join(found.broken))

    def _ask_takes(self) -> None:
        folder = self.dataset.text().strip()
        if not folder:
            self._say("Name the folder of a dataset", "armed")
        else:
            self._clerk.takes(Path(folder).expanduser(), self._hear_takes)

    def _hear_takes(self, answer: Answer) -> None:
        if answer.error:
            self._forget_takes()
            self._say(answer.error, "fault")
        elif answer.takes is None:
            self._say(f"Looking at takes: {answer.done} of {answer.of}", None)
        elif answer.takes != self._takes:
            other = self._takes is None or self._takes.dataset != answer.takes.dataset
            self._takes = answer.takes
            if other:
                self.table.takes.forget()
                self._show_cameras(answer.takes.cameras)
            self._show_tasks(answer.takes)
            self._filter()

    def _hear_count(self, answer: Answer) -> None:
        if answer.error:
            self._say(answer.error, "fault")
            self.details.setText("")
        elif answer.counted is None:
            if answer.of:
                self._say(f"Reading takes: {answer.done} of {answer.of}", None)
        else:
            self._counted = found = answer.counted
            held = (
                f"{words.plural(found.held_windows, 'window')} from "
                f"{words.plural(found.held_episodes, 'take')} held out"
                if found.held_windows
                else "nothing held out: it cannot be judged while it trains"
            )
            self._say(
                f"{words.plural(found.windows, 'window')} from "
                f"{words.plural(found.episodes, 'take')}, "
                f"{number(found.refused)} refused  ·  {held}",
                "kept" if found.held_windows else "armed",
            )
            self.details.setText("\n".join(found.sentences))
        self._show_done()

    # ------------------------------------------------------------------------------ the form
    def draft(self) -> Draft | None:
        """What the sheet says now; None while it does not know yet what there is."""
        if self._catalogue is None or self._takes is None or not self.policy.currentText():
            return None
        cameras = [box.text() for box in self._camera_boxes() if box.isChecked()]
        return Draft(
            dataset=self._takes.dataset,
            policy=self.policy.currentText(),
            preset="+".join((self.preset.currentText(), *cameras)),
            settings=self.options.settings(),
            verdict=self.verdict.currentData(),
            task="" if self.task.currentIndex() <= 0 else self.task.currentText(),
            weights=dict(self.table.takes.weights()),
            steps=self.steps.value(),
            batch=self.batch.value(),
            seed=self.seed.value(),
            hold_out=round(self.hold_out.value(), 4),
            device=self.device.currentText(),
            threads=self.threads.value(),
        )

    def _kind(self) -> PolicyKind | None:
        found = self._catalogue.policies if self._catalogue is not None else ()
        return next((kind for kind in found if kind.name == self.policy.currentText()), None)

    def _other_policy(self) -> None:
        kind = self._kind()
        if kind is None or self._filling:
            return
        self._filling = True
        self.policy_words.setText(f"{kind.title}.")
        self.preset.setCurrentText(kind.preset)
        self.options.show_fields(kind.options)
        self._filling = False
        self._touched()

    def _other_dataset(self) -> None:
        folder = self.dataset.text().strip()
        if self._takes is None or str(Path(folder).expanduser()) != self._takes.dataset:
            self._forget_takes()
            self._ask_takes()

    def _forget_takes(self) -> None:
        self._takes = self._counted = self._counted_for = None
        self.table.takes.forget()
        self.table.takes.show(())
        self.used.setText("")
        self._show_done()

    def _camera_boxes(self) -> list[QCheckBox]:
        return self.cameras.findChildren(QCheckBox)

    def _show_cameras(self, names: tuple[str, ...]) -> None:
        while (item := self._camera_row.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.setParent(None)
                old.deleteLater()
        for name in names:
            box = QCheckBox(name)
            box.toggled.connect(self._touched)
            self._camera_row.addWidget(box)
        if not names:
            self._camera_row.addWidget(Text("none in every take", role="soft"))
        self._camera_row.addStretch(1)

    def _show_tasks(self, takes: Takes) -> None:
        tasks = sorted({row.task for row in takes.rows if row.task})
        if [self.task.itemText(n) for n in range(1, self.task.count())] == tasks:
            return
        self._filling = True
        chosen = self.task.currentText()
        self.task.clear()
        self.task.addItems(["Any task", *tasks])
        self.task.setCurrentText(chosen)
        self._filling = False

    def _filter(self) -> None:
        """Show the takes that verdict and task leave."""
        if self._takes is None or self._filling:
            return
        verdict = self.verdict.currentData()
        task = self.task.currentText() if self.task.currentIndex() > 0 else ""
        self.table.takes.show([row for row in self._takes.rows if _fits(row, verdict, task)])
        self._touched()

    def _leave_flagged_out(self, on: bool) -> None:
        rows = self._takes.rows if self._takes is not None else ()
        self.table.takes.tick([row.uid for row in rows if row.flags], not on)

    def _touched(self) -> None:
        if self._filling:
            return
        self._due_s = time.monotonic() + SETTLE_S
        takes = self.table.takes
        self.used.setText(f"{takes.used()} of {len(takes.rows)} used" if takes.rows else "")
        draft = self.draft()
        self.command.setText(draft.command(self._queue) if draft is not None else "")
        self._show_done()

    def _show_done(self) -> None:
        draft = self.draft()
        known = self._counted is not None and draft == self._counted_for
        self.done.setEnabled(known)
        self.measure.setEnabled(known and not self._asked_measure)
        self._show_estimate(draft)

    def _say(self, text: str, tone: Tone | None) -> None:
        self.report.setText(text)
        self.report.set_tone(tone)

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
                kind = self._kind()
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


def _fits(row: TakeRow, verdict: str, task: str) -> bool:
    # A take that nobody judged counts as a failure wherever takes are chosen by verdict.
    judged = "success" if row.verdict == "success" else "failure"
    return verdict in ("any", judged) and task in ("", row.task)


def _spin(least: int, most: int, value: int, *, step: int = 1) -> QSpinBox:
    box = QSpinBox()
    box.setRange(least, most)
    box.setSingleStep(step)
    box.setValue(value)
    box.setGroupSeparatorShown(True)
    box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    return box
