"""Which takes a new training reads, and what that gives: windows, and what was refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.session.training_draft import Counted, Draft, TakeRow, Takes
from app.ui import words
from app.ui.look import SIZES, Tone
from app.ui.training.phases import number
from app.ui.training.takes_table import TakesTable
from app.ui.widgets import SectionTitle, Text


class TakeChoice(QWidget):
    """The dataset, its takes, and a report.

    Signals:
        changed: Other takes are chosen, or weigh otherwise.
        other_dataset: The user named another folder.
    """

    changed = pyqtSignal()
    other_dataset = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._takes: Takes | None = None
        self._filling = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SIZES.unit)
        column.addLayout(self._where())
        column.addLayout(self._which())
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
        self.table.takes.weighed.connect(self.changed)

    def _where(self) -> QHBoxLayout:
        where = QHBoxLayout()
        where.setSpacing(SIZES.unit)
        where.addWidget(SectionTitle("Dataset"))
        self.dataset = QLineEdit()
        self.dataset.setAccessibleName("Folder of the dataset")
        self.dataset.setPlaceholderText("Folder of the dataset")
        self.dataset.editingFinished.connect(self._typed)
        where.addWidget(self.dataset, 1)
        return where

    def _which(self) -> QHBoxLayout:
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
        return which

    # ----------------------------------------------------------------------------- the dataset
    @property
    def takes(self) -> Takes | None:
        """Those of the dataset, None while they are not known."""
        return self._takes

    def folder(self) -> Path | None:
        """What is typed as the dataset, None where nothing is."""
        text = self.dataset.text().strip()
        return Path(text).expanduser() if text else None

    def show_takes(self, takes: Takes) -> bool:
        """The takes of the dataset; returns whether it is another one than before."""
        if takes == self._takes:
            return False
        other = self._takes is None or self._takes.dataset != takes.dataset
        self._takes = takes
        if other:
            self.table.takes.forget()
        self._show_tasks(takes)
        self._filter()
        return other

    def forget(self) -> None:
        """Nothing is known of the dataset."""
        self._takes = None
        self.table.takes.forget()
        self.table.takes.show(())
        self.used.setText("")

    def _typed(self) -> None:
        if self._takes is None or str(self.folder() or "") != self._takes.dataset:
            self.forget()
            self.other_dataset.emit()

    # --------------------------------------------------------------------------------- reading
    def choose(self, draft: Draft) -> Draft:
        """The draft with the takes that are chosen here."""
        return msgspec.structs.replace(
            draft,
            verdict=self.verdict.currentData(),
            task=self._task(),
            weights=dict(self.table.takes.weights()),
        )

    def show_used(self) -> None:
        """How many of the takes are used."""
        takes = self.table.takes
        self.used.setText(f"{takes.used()} of {len(takes.rows)} used" if takes.rows else "")

    # ------------------------------------------------------------------------------ the report
    def say(self, text: str, tone: Tone | None) -> None:
        """One sentence under the takes."""
        self.report.setText(text)
        self.report.set_tone(tone)

    def show_counted(self, found: Counted) -> None:
        """What the takes give."""
        held = (
            f"{words.plural(found.held_windows, 'window')} from "
            f"{words.plural(found.held_episodes, 'take')} held out"
            if found.held_windows
            else "nothing held out: it cannot be judged while it trains"
        )
        self.say(
            f"{words.plural(found.windows, 'window')} from "
            f"{words.plural(found.episodes, 'take')}, "
            f"{number(found.refused)} refused  ·  {held}",
            "kept" if found.held_windows else "armed",
        )
        self.details.setText("\n".join(found.sentences))

    # ---------------------------------------------------------------------------------- inside
    def _task(self) -> str:
        return self.task.currentText() if self.task.currentIndex() > 0 else ""

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
        verdict, task = self.verdict.currentData(), self._task()
        self.table.takes.show([row for row in self._takes.rows if _fits(row, verdict, task)])
        self.changed.emit()

    def _leave_flagged_out(self, on: bool) -> None:
        rows = self._takes.rows if self._takes is not None else ()
        self.table.takes.tick([row.uid for row in rows if row.flags], not on)


def _fits(row: TakeRow, verdict: str, task: str) -> bool:
    # A take that nobody judged counts as a failure wherever takes are chosen by verdict.
    judged = "success" if row.verdict == "success" else "failure"
    return verdict in ("any", judged) and task in ("", row.task)
