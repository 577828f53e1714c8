"""The Results tab: which policy is better, how sure that is, and the single trials behind it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QHBoxLayout, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from app.ui.action import Intent, key_caps
from app.ui.actions import by_id, tooltip
from app.ui.look import SIZES, Tone
from app.ui.test.tables import (
    CELL_COLUMNS,
    CellModel,
    IntervalBar,
    TrialModel,
    WideTable,
)
from app.ui.test.words import short_place
from app.ui.widgets import Button, Card, Chip, ElidedText, EmptyState, Keycap, SectionTitle
from app.ui.words import plural
from policies.evaluation.trials import Cell, Trial, cells, compare_cells

COMMAND = "teledeck evaluate --policy A --policy B --scene wipe -n 100 --out FOLDER"
EMPTY = (
    "A trial is one rollout with its verdict. Judge a rollout in Run (F7), or let many run without "
    f"a window and read their book here:\n\n{COMMAND}"
)
_CELL_SHARES = (15, 8, 8, 15, 5, 6, 22, 6, 7)
_TRIAL_SHARES = (10, 18, 7, 17, 8, 9, 5, 6, 6, 16, 7)
LINES = 4  # comparisons that are shown
CHOOSE = "Choose a row to compare it with the others of its scene and disturbance"
_LEAST_CELLS, _LEAST_TRIALS = 3, 3  # rows that stay in sight in the smallest window


class ResultsTab(QWidget):
    """Shows the trials of a book. Emits `intended(Intent)`, and `chose()` for another trial."""

    intended = pyqtSignal(object)
    chose = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._trials: tuple[Trial, ...] = ()
        self._cell: Cell | None = None
        whole = QVBoxLayout(self)
        whole.setContentsMargins(SIZES.margin, SIZES.gap, SIZES.margin, SIZES.gap)
        whole.setSpacing(SIZES.gap)
        head = QHBoxLayout()
        self.book = ElidedText("", role="soft")
        head.addWidget(self.book, 1)
        for action_id, text in (("trial.refresh", ""), ("trial.folder", "Folder…")):
            head.addWidget(self._button(action_id, text))
        whole.addLayout(head)
        self._stack = QStackedWidget()
        whole.addWidget(self._stack, 1)
        self.empty = EmptyState(
            "chart-bar", "No trials in this folder", EMPTY, action="Choose a folder…", key="Ctrl+R"
        )
        self.empty.pressed.connect(lambda: self.intended.emit(Intent("results_folder")))
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self._full())

    def _full(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SIZES.gap)
        upper = Card("Success by policy, scene and disturbance")
        self._cells = CellModel(self)
        self.cell_table = WideTable(self._cells, "Success rates", _CELL_SHARES)
        self.cell_table.setItemDelegateForColumn(CELL_COLUMNS.index("95 %"), IntervalBar(self))
        self.cell_table.selectionModel().currentRowChanged.connect(self._pick_cell)  # type: ignore[union-attr]
        upper.body.addWidget(self.cell_table)
        self.pairs = [ElidedText("", role="soft") for _ in range(LINES)]
        for line in self.pairs:
            upper.body.addWidget(line)
        upper.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        column.addWidget(upper)
        lower = Card()
        title = QHBoxLayout()
        self._title = SectionTitle("Trials")
        title.addWidget(self._title)
        title.addStretch()
        self.every = Button("Show all", kind="quiet")
        self.every.clicked.connect(self._show_every)
        title.addWidget(self.every)
        lower.body.addLayout(title)
        self._model = TrialModel(self)
        self.trial_table = WideTable(self._model, "Trials", _TRIAL_SHARES)
        self.trial_table.selectionModel().currentRowChanged.connect(self._pick_trial)  # type: ignore[union-attr]
        self.trial_table.doubleClicked.connect(lambda _: self.intended.emit(Intent("trial_open")))
        self.trial_table.setMinimumHeight(self.trial_table.height_of(_LEAST_TRIALS))
        lower.body.addWidget(self.trial_table, 1)
        lower.body.addLayout(self._foot())
        column.addWidget(lower, 1)
        self._lower = lower
        return page

    def _foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.picked = Chip("")
        row.addWidget(self.picked)
        self._tags = QHBoxLayout()
        self._tags.setSpacing(4)
        row.addLayout(self._tags)
        row.addStretch()
        self.buttons: dict[str, Button] = {}
        for action_id, text in (
            ("trial.open", "Open"),
            ("trial.success", "Success"),
            ("trial.failure", "Failure"),
            ("trial.excluded", "Exclude…"),
        ):
            self.buttons[action_id] = self._button(action_id, text)
            row.addWidget(self.buttons[action_id])
            for cap in key_caps(by_id(action_id).key):
                row.addWidget(Keycap(cap))
        return row

    def _button(self, action_id: str, text: str) -> Button:
        action = by_id(action_id)
        button = Button(text, icon=action.icon, hint=tooltip(action))
        button.setAccessibleName(action.title)
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        return button

    # --------------------------------------------------------------------------------- showing
    def show_book(self, trials: Sequence[Trial], folder: str) -> None:
        """Show the trials of a book; the selected trial stays selected."""
        name = short_place(folder)
        self.book.setText(f"{name}  ·  {plural(len(trials), 'trial')}" if folder else "No folder")
        self.book.setToolTip(folder)
        before = self.trial()
        self._trials = tuple(trials)
        self._stack.setCurrentIndex(1 if trials else 0)
        table = cells(self._trials)
        self._cells.show(table)
        if self._cell is not None and not any(_same(cell, self._cell) for cell in table):
            self._cell = None
        self._compare()
        self._show_trials(before)

    def trial(self) -> Trial | None:
        """The selected trial."""
        row = self.trial_table.currentIndex().row()
        rows = self._model.rows
        found = rows[row] if 0 <= row < len(rows) else None
        return found if isinstance(found, Trial) else None

    def select(self, key: tuple[str, str, str, str, int]) -> None:
        """Select a trial by its key."""
        for row, trial in enumerate(self._model.rows):
            if isinstance(trial, Trial) and trial.key == key:
                self.trial_table.selectRow(row)
                return

    def focus_list(self) -> None:
        """Put the keyboard on the list."""
        if self._trials:
            self.trial_table.setFocus()
        else:
            self.setFocus()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._fit()

    def _compare(self) -> None:
        """Say how the chosen cell compares with others, or how all do while they are few."""
        table = [cell for cell in self._cells.rows if isinstance(cell, Cell)]
        lines = comparisons(self._trials, table, self._cell)
        if self._cell is None and len(lines) > LINES:
            lines = [(CHOOSE, None)]
        elif len(lines) > LINES:
            rest = len(lines) - LINES + 1
            lines = [*lines[: LINES - 1], (f"and {rest} more of its scene and disturbance", None)]
        for number, label in enumerate(self.pairs):
            shown = number < len(lines)
            label.setVisible(shown)
            if shown:
                label.setText(lines[number][0])
                label.set_tone(lines[number][1])
        self._fit()

    def _fit(self) -> None:
        """As many cells as leave room for some trials; the others are scrolled to."""
        table = self.cell_table
        lines = sum(
            label.sizeHint().height() + SIZES.unit for label in self.pairs if not label.isHidden()
        )
        frame = 2 * SIZES.margin + SIZES.control + lines  # of the upper card
        room = self._stack.height() - self._lower.minimumSizeHint().height() - SIZES.gap - frame
        rows = min(len(self._cells.rows), (room - table.height_of(0)) // SIZES.control)
        table.setFixedHeight(table.height_of(max(_LEAST_CELLS, rows)))
        if self._cell is not None:
            table.scrollTo(table.currentIndex())

    def _show_trials(self, before: Trial | None) -> None:
        chosen = [t for t in self._trials if self._cell is None or _of(t, self._cell)]
        # The newest first: it is the one that was just judged.
        self._model.show(chosen[::-1])
        about = "Trials, newest first"
        if self._cell is not None:
            about = f"Trials of {self._cell.policy} on {self._cell.scene}"
        self._title.setText(about)
        self.every.setVisible(self._cell is not None)
        if before is not None:
            self.select(before.key)
        if self.trial() is None and chosen:
            self.trial_table.selectRow(0)
        self._pick_trial()

    def _show_every(self) -> None:
        self._cell = None
        self.cell_table.clearSelection()
        self._compare()
        self._show_trials(self.trial())

    def _pick_cell(self) -> None:
        row = self.cell_table.currentIndex().row()
        rows = self._cells.rows
        cell = rows[row] if 0 <= row < len(rows) else None
        if isinstance(cell, Cell):
            self._cell = cell
            self._compare()
            self._show_trials(self.trial())

    def _pick_trial(self) -> None:
        trial = self.trial()
        while (item := self._tags.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.picked.setVisible(trial is not None)
        for name in self.buttons:
            self.buttons[name].setEnabled(trial is not None)
        if trial is not None:
            tones: dict[str, Tone | None] = {"success": "kept", "failure": "recording"}
            words = f"{trial.policy}, start {trial.seed}"
            self.picked.show_value(words, tones.get(trial.verdict))
            self.buttons["trial.open"].setEnabled(bool(trial.uid))
            for number, (kind, at) in enumerate(trial.tags):
                button = Button(kind if at is None else f"{kind}  {at:.1f} s", icon="flag")
                button.setEnabled(at is not None and bool(trial.uid))
                button.setToolTip("Opens the episode at this moment")
                button.clicked.connect(
                    lambda _, number=number: self.intended.emit(Intent("trial_moment", str(number)))
                )
                self._tags.addWidget(button)
        self.chose.emit()


def comparisons(
    trials: Sequence[Trial], table: Sequence[Cell], of: Cell | None = None
) -> list[tuple[str, Tone | None]]:
    """A sentence for each two policies that tried the same starts, and its colour.

    Args:
        trials, table: Of the book.
        of: Only what compares this cell, told from its side, for a reader who sees where that is.
    """
    pairs = (
        combinations(table, 2)
        if of is None
        else ((of, other) for other in table if not _same(other, of))
    )
    found: list[tuple[str, Tone | None]] = []
    for a, b in pairs:
        if (a.scene, a.perturb) != (b.scene, b.perturb):
            continue
        made = compare_cells(trials, a, b)
        if not made.pairs:
            continue
        low, high = made.interval
        where = (
            f"{a.scene}, {a.perturb.replace('_', ' ') or 'undisturbed'}:  " if of is None else ""
        )
        names = (a.policy, b.policy)
        if a.policy == b.policy:
            names = (f"{a.policy} {a.digest[:8]}", f"{b.policy} {b.digest[:8]}")
        sure = made.p_value < 0.05
        better = names[0] if made.difference > 0 else names[1]
        verdict = f"{better} is better" if sure else "no difference shown"
        chance = "< 0.001" if made.p_value < 0.001 else f"= {made.p_value:.2g}"
        found.append(
            (
                f"{where}{names[0]} less {names[1]} = {_signed(made.difference)}  "
                f"(95 % {_signed(low)} … {_signed(high)})  ·  McNemar p {chance}  ·  "
                f"{plural(made.pairs, 'shared start')}  ·  {verdict}",
                "kept" if sure else None,
            )
        )
    return found


def _signed(share: float) -> str:
    return f"{share:+.2f}".replace("-", "−")


def book_of(folder: str | Path) -> Path:
    """The book in a folder."""
    return Path(folder) / "trials.jsonl"


def _of(trial: Trial, cell: Cell) -> bool:
    return (trial.policy, trial.digest, trial.scene, trial.perturb) == (
        cell.policy,
        cell.digest,
        cell.scene,
        cell.perturb,
    )


def _same(a: Cell, b: Cell) -> bool:
    return (a.policy, a.digest, a.scene, a.perturb) == (b.policy, b.digest, b.scene, b.perturb)
