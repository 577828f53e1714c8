"""The trainings of a queue, one card each."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QRect,
    QRectF,
    QSize,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QColor, QFontMetrics, QPainter, QPen
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app.session.training import TrainingView
from app.ui import look
from app.ui.look import DARK, SIZES
from app.ui.training.phases import PHASE_WORDS, loss, progress

ROW = 92


class QueueModel(QAbstractListModel):
    """The runs on screen, in the order in which they are trained."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.views: tuple[TrainingView, ...] = ()

    def show(self, views: Sequence[TrainingView]) -> None:
        """Show these; in place if they are the same runs, and not at all if nothing is new."""
        views = tuple(views)
        if views == self.views:
            return
        if [v.name for v in views] == [v.name for v in self.views]:
            self.views = views
            self.dataChanged.emit(self.index(0), self.index(len(views) - 1))
            return
        self.beginResetModel()
        self.views = views
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.views)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self.views):
            return None
        view = self.views[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{view.name}, {PHASE_WORDS[view.status.phase][0]}, {progress(view)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(view.path)
        return None


class _Painter(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(240, ROW)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        model = index.model()
        if painter is None or not isinstance(model, QueueModel):
            return
        view = model.views[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint(painter, option, view)
        painter.restore()

    def _paint(self, painter: QPainter, option: QStyleOptionViewItem, view: TrainingView) -> None:
        box = option.rect.adjusted(2, 4, -6, -4)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        over = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.setBrush(QColor(DARK.raised if chosen or over else DARK.panel))
        edge = DARK.accent if chosen else DARK.hairline
        painter.setPen(QPen(QColor(edge), 2 if chosen else 1))
        painter.drawRoundedRect(QRectF(box), SIZES.radius, SIZES.radius)
        word, tone = PHASE_WORDS[view.status.phase]
        inside = box.adjusted(12, 10, -12, -10)
        left = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        top = QRect(inside.left(), inside.top(), inside.width(), 20)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.tone(tone)))
        painter.drawText(top, right, word)
        taken = QFontMetrics(look.font("caption")).horizontalAdvance(word) + 12
        self._line(painter, top.adjusted(0, 0, -taken, 0), left, view.name, "strong", DARK.text)
        middle = QRect(inside.left(), top.bottom() + 4, inside.width(), 18)
        self._line(painter, middle, left, progress(view), "caption", DARK.soft)
        best = "" if view.status.best is None else f"best {loss(view.status.best)}"
        if best and QFontMetrics(look.font("caption")).horizontalAdvance(progress(view)) < (
            middle.width() - 90
        ):
            painter.drawText(middle, right, best)
        bar = QRectF(inside.left(), inside.bottom() - 5, inside.width(), 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.lifted))
        painter.drawRoundedRect(bar, 2.5, 2.5)
        if view.share > 0:
            bar.setWidth(max(bar.width() * min(view.share, 1.0), 5.0))
            painter.setBrush(QColor(DARK.edge if tone == "idle" else DARK.tone(tone)))
            painter.drawRoundedRect(bar, 2.5, 2.5)

    @staticmethod
    def _line(
        painter: QPainter, box: QRect, how: int, text: str, style: look.Type, colour: str
    ) -> None:
        font = look.font(style)
        painter.setFont(font)
        painter.setPen(QColor(colour))
        cut = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, how, cut)


class QueueList(QListView):
    """Emits `picked(name)` when another run is chosen."""

    picked = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.runs = QueueModel(self)
        self.setModel(self.runs)
        self.setItemDelegate(_Painter(self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setAccessibleName("Trainings, in the order of the queue")
        selection = self.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(lambda *_: self.picked.emit(self.current()))

    def current(self) -> str:
        """Name of the chosen run, "" if there is none."""
        index = self.currentIndex()
        return self.runs.views[index.row()].name if index.isValid() else ""

    def show_runs(self, views: Sequence[TrainingView]) -> None:
        """Show these; the chosen one stays chosen."""
        chosen = self.current()
        self.runs.show(views)
        if self.current() != chosen or (views and not self.current()):
            self.choose(chosen or _first_worth_a_look(views))

    def choose(self, name: str) -> None:
        for row, view in enumerate(self.runs.views):
            if view.name == name:
                self.setCurrentIndex(self.runs.index(row))


def _first_worth_a_look(views: Sequence[TrainingView]) -> str:
    """The one that trains, else the newest."""
    live = [v.name for v in views if v.status.phase in ("training", "reading", "paused")]
    return (live or [views[-1].name])[0] if views else ""
