"""The command palette: any command by a few letters, then its choice if it has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QRect,
    QSize,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter, QPen
from PyQt6.QtWidgets import (
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app.ui import look
from app.ui.action import CONTEXT_CHAIN, Action, Intent, UiState, key_caps
from app.ui.actions import ACTIONS
from app.ui.fuzzy import rank
from app.ui.look import DARK, SIZES
from app.ui.overlay import Overlay
from app.ui.widgets import Line, Text, set_look


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that an action can be given. `why_not` says why it cannot be picked, if so."""

    argument: str
    title: str
    note: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    icon: str
    title: str
    note: str
    caps: tuple[str, ...]
    possible: bool
    action: Action | None = None
    choice: Choice | None = None


ChoiceSource = Callable[[str], Sequence[Choice]]


class CommandPalette(Overlay):
    """Search field and list. Emits `chosen(Intent)`."""

    chosen = pyqtSignal(object)

    def __init__(self, parent: QWidget, choices: ChoiceSource) -> None:
        super().__init__(parent, width=640, top=0.12)
        self._choices = choices
        self._state = UiState()
        self._asking: Action | None = None
        self.body.setContentsMargins(SIZES.unit, SIZES.unit, SIZES.unit, SIZES.unit)
        self.body.setSpacing(SIZES.hair)
        self.field = QLineEdit()
        self.field.setFont(look.font("title"))
        set_look(self.field, role="search")
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.body.addWidget(self.field)
        self.body.addWidget(Line())
        self._model = _Rows(self)
        self.list = QListView()
        self.list.setModel(self._model)
        self.list.setItemDelegate(_RowPainter(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.clicked.connect(lambda _: self._take())
        self.list.setMinimumHeight(_ROW_HEIGHT * 10)
        self.body.addWidget(self.list)
        self._nothing = Text("", role="soft")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setMinimumHeight(_ROW_HEIGHT * 2)
        self.body.addWidget(self._nothing)

    def first_focus(self) -> QWidget:
        return self.field

    def open_for(self, state: UiState, asking: Action | None = None) -> None:
        """Open with all commands of `state`, or with the choices of one action."""
        self._state = state
        self._asking = asking
        self.field.blockSignals(True)
        self.field.clear()
        self.field.blockSignals(False)
        self.field.setPlaceholderText(
            asking.title.rstrip("…") if asking else "What do you want to do?"
        )
        self._search("")
        self.open()

    def rows(self) -> list[str]:
        """Titles in the list, for tests."""
        return [row.title for row in self._model.rows]

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent):
            return event.type() == QEvent.Type.KeyPress and self._steer(event)
        return super().eventFilter(watched, event)

    def _steer(self, event: QKeyEvent) -> bool:
        step = {
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_PageDown: 10,
            Qt.Key.Key_PageUp: -10,
        }.get(Qt.Key(event.key()))
        if step is not None:
            count = self._model.rowCount()
            if count:
                row = self.list.currentIndex().row() + step
                row = row % count if abs(step) == 1 else min(max(row, 0), count - 1)
                self.list.setCurrentIndex(self._model.index(row))
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._take()
            return True
        if event.key() == Qt.Key.Key_Backspace and self._asking and not self.field.text():
            self.open_for(self._state)
            return True
        return False

    def _search(self, query: str) -> None:
        rows = self._choice_rows(self._asking) if self._asking else self._command_rows()
        found = rank(query, rows, lambda row: f"{row.title} {row.note}")
        found.sort(key=lambda row: not row.possible)
        self._model.show(found)
        self.list.setVisible(bool(found))
        self._nothing.setVisible(not found)
        self._nothing.setText(
            f"Nothing is called “{query}”" if query else "There is nothing to choose from"
        )
        if found:
            self.list.setCurrentIndex(self._model.index(0))
            self.list.scrollToTop()

    def _command_rows(self) -> list[_Row]:
        chain = (*CONTEXT_CHAIN[self._state.context], "collect", "headset")
        rows = []
        for action in ACTIONS:
            if action.kind == "hold" or action.context not in chain:
                continue
            if not action.enabled(self._state) or action.id == "window.palette":
                continue
            on = "on" if action.kind == "toggle" and action.checked(self._state) else ""
            caps = key_caps(action.key)
            rows.append(_Row(action.icon, action.title, on or action.group, caps, True, action))
        return rows

    def _choice_rows(self, action: Action) -> list[_Row]:
        return [
            _Row(
                action.icon,
                choice.title,
                choice.why_not or choice.note,
                (),
                not choice.why_not,
                choice=choice,
            )
            for choice in self._choices(action.choices)
        ]

    def _take(self) -> None:
        row = self._model.row(self.list.currentIndex())
        if row is None or not row.possible:
            return
        if row.action is not None and row.action.choices:
            self.open_for(self._state, row.action)
            return
        if row.action is not None:
            intent = row.action.intent
        else:
            assert row.choice is not None and self._asking is not None
            intent = Intent(self._asking.intent.name, row.choice.argument)
        self.dismiss()
        self.chosen.emit(intent)


class _Rows(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: list[_Row] = []

    def show(self, rows: list[_Row]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def row(self, index: QModelIndex) -> _Row | None:
        return self.rows[index.row()] if index.isValid() else None

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return len(self.rows)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self.row(index)
        if row is not None and role == Qt.ItemDataRole.DisplayRole:
            return row.title  # what screen readers say
        return None


_ROW_HEIGHT = 40


class _RowPainter(QStyledItemDelegate):
    """Icon, title, note and key caps of one row."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(200, _ROW_HEIGHT)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        model = index.model()
        if painter is None or not isinstance(model, _Rows):
            return
        row = model.rows[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = option.rect.adjusted(2, 1, -2, -1)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(DARK.accent_wash))
            painter.drawRoundedRect(box, SIZES.radius, SIZES.radius)
        centre = box.center().y()
        if row.icon:
            side = SIZES.icon_large
            picture = look.pixmap(row.icon, side, DARK.soft if row.possible else DARK.edge)
            painter.drawPixmap(QRect(box.left() + 10, centre - side // 2, side, side), picture)
        right = box.right() - 10
        painter.setFont(look.font("caption"))
        metrics = QFontMetrics(painter.font())
        for cap in reversed(row.caps):
            width = metrics.horizontalAdvance(cap) + 12
            keycap = QRect(right - width, centre - 10, width, 21)
            painter.setPen(QPen(QColor(DARK.edge)))
            painter.setBrush(QColor(DARK.wall))
            painter.drawRoundedRect(keycap, 4, 4)
            painter.setPen(QColor(DARK.soft))
            painter.drawText(keycap, Qt.AlignmentFlag.AlignCenter, cap)
            right -= width + 4
        painter.setPen(QColor(DARK.faint))
        left = box.left() + 42
        painter.setFont(look.font("body"))
        title_width = QFontMetrics(look.font("body")).horizontalAdvance(row.title)
        painter.setFont(look.font("caption"))
        note_left = left + title_width + 12
        note = metrics.elidedText(row.note, Qt.TextElideMode.ElideRight, right - note_left - 8)
        painter.drawText(
            QRect(note_left, box.top(), max(right - note_left, 0), box.height()),
            Qt.AlignmentFlag.AlignVCenter,
            note,
        )
        painter.setFont(look.font("body"))
        painter.setPen(QColor(DARK.text if row.possible else DARK.faint))
        painter.drawText(
            QRect(left, box.top(), right - left, box.height()),
            Qt.AlignmentFlag.AlignVCenter,
            row.title,
        )
        painter.restore()
