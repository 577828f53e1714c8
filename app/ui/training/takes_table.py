"""Which takes a training reads, and what each weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QKeyEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.session.training_draft import TakeRow
from app.ui import words
from app.ui.look import DARK

COLUMNS = ("Take", "Verdict", "Task", "Length", "Findings", "Weight")
USE, WEIGHT = 0, len(COLUMNS) - 1
HEAVIEST = 10.0
STEP = 0.5


class TakesModel(QAbstractTableModel):
    """Rows with a tick and a weight. Emits `weighed` when the user changes one."""

    weighed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[TakeRow, ...] = ()
        self._out: set[str] = set()
        self._weights: dict[str, float] = {}

    def show(self, rows: Sequence[TakeRow]) -> None:
        """Show these; ticks and weights of those that were there before stay."""
        if tuple(rows) != self.rows:
            self.beginResetModel()
            self.rows = tuple(rows)
            self.endResetModel()

    def forget(self) -> None:
        """Another dataset: no take is left out or weighed."""
        self._out.clear()
        self._weights.clear()

    def weights(self) -> Mapping[str, float]:
        """Of the rows shown, only such as do not weigh 1; 0 leaves one out."""
        found = {}
        for row in self.rows:
            weight = 0.0 if row.uid in self._out else self._weights.get(row.uid, 1.0)
            if weight != 1.0:
                found[row.uid] = weight
        return found

    def used(self) -> int:
        return sum(row.uid not in self._out for row in self.rows)

    def tick(self, uids: Sequence[str], on: bool) -> None:
        """Use these takes, or leave them out."""
        (self._out.difference_update if on else self._out.update)(uids)
        self._changed()

    def set_weight(self, uid: str, weight: float) -> None:
        """0 to 10; 0 leaves the take out."""
        weight = min(max(weight, 0.0), HEAVIEST)
        (self._out.add if weight == 0 else self._out.discard)(uid)
        if weight > 0:
            self._weights[uid] = weight
        self._changed()

    def weight(self, uid: str) -> float:
        return 0.0 if uid in self._out else self._weights.get(uid, 1.0)

    def _changed(self) -> None:
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, WEIGHT))
        self.weighed.emit()

    # -------------------------------------------------------------------------------- Qt's side
    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        if index.column() == USE:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        if index.column() == WEIGHT:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self.rows[index.row()]
        column = index.column()
        weight = self.weight(row.uid)
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                str(row.number),
                row.verdict.capitalize(),
                row.task or "no task",
                words.clock_time(row.length_s),
                ", ".join(row.flags),
                f"{weight:g}" if weight else "left out",
            )[column]
        if role == Qt.ItemDataRole.EditRole and column == WEIGHT:
            return weight
        if role == Qt.ItemDataRole.CheckStateRole and column == USE:
            return Qt.CheckState.Checked if weight else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(DARK.faint if not weight else DARK.text)
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.uid
        return None

    def setData(
        self, index: QModelIndex, value: object, role: int = Qt.ItemDataRole.EditRole
    ) -> bool:
        uid = self.rows[index.row()].uid
        if role == Qt.ItemDataRole.CheckStateRole:
            self.tick([uid], Qt.CheckState(value) == Qt.CheckState.Checked)
            return True
        if role == Qt.ItemDataRole.EditRole and isinstance(value, int | float):
            self.set_weight(uid, float(value))
            return True
        return False


class _WeightEditor(QStyledItemDelegate):
    def createEditor(
        self, parent: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget | None:
        if index.column() != WEIGHT:
            return None
        box = QDoubleSpinBox(parent)
        box.setRange(0.0, HEAVIEST)
        box.setSingleStep(STEP)
        box.setDecimals(2)
        box.setFrame(False)
        return box


class TakesTable(QTableView):
    """Space ticks the selected takes, + and - change their weight, digits type one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.takes = TakesModel(self)
        self.setModel(self.takes)
        self.setItemDelegate(_WeightEditor(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setAccessibleName("Takes: Space uses one or leaves it out, + and - change its weight")
        down, across = self.verticalHeader(), self.horizontalHeader()
        assert down is not None and across is not None
        down.hide()
        down.setDefaultSectionSize(30)
        across.setHighlightSections(False)
        across.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column, width in enumerate((64, 84, 160, 70, 110, 70)):
            self.setColumnWidth(column, width)
        across.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.takes.modelReset.connect(self._first)

    def _first(self) -> None:
        if self.takes.rows:
            self.setCurrentIndex(self.takes.index(0, USE))

    def chosen(self) -> list[str]:
        """Uids of the selected takes."""
        selection = self.selectionModel()
        rows = {index.row() for index in selection.selectedIndexes()} if selection else set()
        return [self.takes.rows[row].uid for row in sorted(rows)]

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        uids = self.chosen()
        if event.key() == Qt.Key.Key_Space and uids:
            self.takes.tick(uids, self.takes.weight(uids[0]) == 0)
        elif event.text() in ("+", "-", "=") and uids:
            by = -STEP if event.text() == "-" else STEP
            for uid in uids:
                self.takes.set_weight(uid, self.takes.weight(uid) + by)
        elif event.text().isdigit() and uids:
            for uid in uids:
                self.takes.set_weight(uid, float(event.text()))
        else:
            super().keyPressEvent(event)
