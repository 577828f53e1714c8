"""The two tables of the results: cells with their intervals, and single trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from PyQt6.QtCore import QAbstractTableModel, QModelIndex, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QResizeEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.ui import look
from app.ui.look import DARK, SIZES
from policies.evaluation.trials import Cell, Trial

VERDICT_COLOURS = {"success": DARK.kept, "failure": DARK.recording, "excluded": DARK.faint}
VERDICT_SIGNS = {"success": "✓ success", "failure": "✗ failure", "excluded": "– excluded"}
INTERVAL = Qt.ItemDataRole.UserRole
CELL_PADDING = 8
"""Left and right of what stands in a cell or a heading, see the style sheet in `look` [px]."""

CELL_COLUMNS = ("Policy", "Digest", "Scene", "Disturbed", "n", "Rate", "95 %", "Score", "Excluded")
TRIAL_COLUMNS = (
    "When",
    "Policy",
    "Scene",
    "Disturbed",
    "Start",
    "Verdict",
    "Score",
    "Time",
    "Taken",
    "Tags and remarks",
    "By",
)
_RIGHT = {"n", "Rate", "Score", "Excluded", "Start", "Time", "Taken"}


class _Model(QAbstractTableModel):
    """Rows of one kind; subclasses say what stands in a cell.

    Attributes:
        columns: Their headings.
        longest: What some of them must have room for, by heading.
    """

    columns: tuple[str, ...] = ()
    longest: ClassVar[Mapping[str, str]] = {}

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: Sequence[object] = ()

    def show(self, rows: Sequence[object]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.columns)

    def headerData(
        self, section: int, side: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if side == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return self.columns[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return _align(self.columns[section])
        return None


class CellModel(_Model):
    columns = CELL_COLUMNS

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        cell, column = self.rows[index.row()], CELL_COLUMNS[index.column()]
        assert isinstance(cell, Cell)
        if role == INTERVAL and column == "95 %":
            return (*cell.interval, cell.rate if cell.trials else None)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _align(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            low, high = cell.interval
            return (
                f"{cell.policy} {cell.digest}\n{cell.successes} of {cell.trials} succeeded\n"
                f"95 % interval of the rate (Wilson): {low:.2f} … {high:.2f}"
            )
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return {
            "Policy": cell.policy,
            "Digest": cell.digest[:8],
            "Scene": cell.scene,
            "Disturbed": cell.perturb.replace("_", " ") or "no",
            "n": str(cell.trials),
            "Rate": f"{cell.rate:.0%}" if cell.trials else "–",
            "95 %": "",
            "Score": f"{100 * cell.score:.0f}" if cell.trials else "–",
            "Excluded": str(cell.excluded or ""),
        }[column]


class TrialModel(_Model):
    columns = TRIAL_COLUMNS
    longest: ClassVar[Mapping[str, str]] = {
        "When": "00-00 00:00",
        "Verdict": "– excluded",
        "Time": "100.0 s",
    }

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        trial, column = self.rows[index.row()], TRIAL_COLUMNS[index.column()]
        assert isinstance(trial, Trial)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _align(column)
        if role == Qt.ItemDataRole.ForegroundRole and column == "Verdict":
            return QColor(VERDICT_COLOURS[trial.verdict])
        if role == Qt.ItemDataRole.ToolTipRole:
            return (
                f"{trial.policy} {trial.digest}\nepisode {trial.uid or 'not kept'}\n{trial.reason}"
            )
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return {
            "When": trial.made.replace("T", " ")[5:16],
            "Policy": trial.policy,
            "Scene": trial.scene,
            "Disturbed": trial.perturb.replace("_", " ") or "no",
            "Start": str(trial.seed),
            "Verdict": VERDICT_SIGNS[trial.verdict],
            "Score": f"{100 * trial.score:.0f}",
            "Time": f"{trial.seconds:.1f} s",
            "Taken": str(trial.takeovers or ""),
            "Tags and remarks": remarks(trial),
            "By": trial.by,
        }[column]


def remarks(trial: Trial) -> str:
    """Tags with their moments, then the reason."""
    tags = [kind if at is None else f"{kind} {at:.1f} s" for kind, at in trial.tags]
    return "  ·  ".join([*tags, *([trial.reason] if trial.reason else [])])


class IntervalBar(QStyledItemDelegate):
    """Paints a rate and its interval on a scale from 0 to 1."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(180, 30)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        found = index.data(INTERVAL)
        if painter is None or not isinstance(found, tuple):
            super().paint(painter, option, index)
            return
        low, high, rate = found
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(DARK.accent_wash))
        box = QRectF(option.rect).adjusted(CELL_PADDING, 0, -CELL_PADDING, 0)
        middle = box.center().y()
        painter.setBrush(QColor(DARK.lifted))
        painter.drawRoundedRect(QRectF(box.left(), middle - 2, box.width(), 4), 2, 2)
        if rate is not None:
            left = box.left() + low * box.width()
            span = QRectF(left, middle - 5, (high - low) * box.width(), 10)
            painter.setBrush(QColor(look.blend(DARK.accent, DARK.panel, 0.45)))
            painter.drawRoundedRect(span, 5, 5)
            painter.setBrush(QColor(DARK.text))
            at = box.left() + rate * box.width()
            painter.drawRoundedRect(QRectF(at - 2, middle - 9, 4, 18), 2, 2)
        painter.restore()


class WideTable(QTableView):
    """A table of whole rows, in the look of the window, whose columns share its width.

    Args:
        model: What it shows.
        name: For who cannot see it.
        shares: Of the width, by column; none gets less than its heading and its longest cell need.
    """

    def __init__(self, model: _Model, name: str, shares: Sequence[int]) -> None:
        super().__init__()
        self._shares, self._columns, self._longest = shares, model.columns, model.longest
        self.setModel(model)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        rows, head = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None and head is not None
        rows.hide()
        rows.setDefaultSectionSize(SIZES.control)
        head.setHighlightSections(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        head.setStretchLastSection(False)
        head.setFont(look.font("caption"))

    def height_of(self, rows: int) -> int:
        """Its height when it shows so many rows and the headings [px]."""
        return rows * SIZES.control + SIZES.control + 4

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        inside, head = self.viewport(), self.horizontalHeader()
        if inside is None or head is None:
            return
        # Not `sectionSizeHint`: it measures the font of the style sheet.
        heading, cell = head.fontMetrics().horizontalAdvance, self.fontMetrics().horizontalAdvance
        least = [
            max(heading(each), cell(self._longest.get(each, ""))) + 2 * CELL_PADDING + 10
            for each in self._columns
        ]
        for column, width in enumerate(shared(inside.width(), self._shares, least)):
            self.setColumnWidth(column, width)


def shared(width: int, shares: Sequence[int], least: Sequence[int]) -> list[int]:
    """A width in parts of these shares, none below its least; where the least of all are too much,
    the least of all [px]."""
    widths = [0] * len(shares)
    free, left = list(range(len(shares))), width
    while free:
        total = sum(shares[i] for i in free)
        tight = [i for i in free if left * shares[i] < least[i] * total]
        for i in tight or free:
            widths[i] = least[i] if tight else left * shares[i] // total
        if not tight:
            break
        left -= sum(least[i] for i in tight)
        free = [i for i in free if i not in tight]
    return widths


def _align(column: str) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
