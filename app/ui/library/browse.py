"""The episodes of a dataset: counts, filters, search, grid or list."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QItemSelectionModel, QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.ui import words
from app.ui.action import Intent
from app.ui.actions import by_id, tooltip
from app.ui.library.cards import CARD, CardModel, CardPainter
from app.ui.library.shelf import (
    FILTER_WORDS,
    FILTERS,
    ORDER_WORDS,
    ORDERS,
    Counts,
    Filter,
    Order,
)
from app.ui.library.trash_bar import TrashBar
from app.ui.look import SIZES
from app.ui.widgets import Button, Chip, EmptyState, Text
from datasets.library import EpisodeCard


class Browse(QWidget):
    """Shows cards; emits what is wanted.

    Signals:
        intended: An `Intent` of a button.
        filtered, ordered, searched: Another filter, order or query.
        opened: An episode is to be opened: its uid.
        chosen: The selection changed.
    """

    intended = pyqtSignal(object)
    filtered = pyqtSignal(str)
    ordered = pyqtSignal(str)
    searched = pyqtSignal(str)
    opened = pyqtSignal(str)
    chosen = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(SIZES.margin, SIZES.gap, SIZES.gap, 0)
        whole.setSpacing(SIZES.gap)
        whole.addLayout(self._head())
        whole.addLayout(self._tools())
        self.trash = TrashBar()
        self.trash.intended.connect(self.intended)
        self.trash.hide()
        whole.addWidget(self.trash)
        self._stack = QStackedWidget()
        whole.addWidget(self._stack, 1)
        self.model = CardModel(self)
        self._painter = CardPainter(self)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(self._painter)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setResizeMode(QListView.ResizeMode.Adjust)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setAccessibleName("Episodes")
        self.list.doubleClicked.connect(lambda index: self.opened.emit(self._uid(index.row())))
        selection = self.list.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(lambda *_: self.chosen.emit())
        self._stack.addWidget(self.list)
        self._nothing = EmptyState("funnel", "No episode fits", "")
        self._stack.addWidget(self._nothing)
        self._first = EmptyState(
            "record",
            "Record the first take",
            "This dataset is empty. Go to Collect, press Enter to get ready, Enter again to "
            "record, Enter to end the take and Enter once more to keep it. It appears here at "
            "once.",
            action="Go to Collect",
            key="1",
        )
        self._first.pressed.connect(lambda: self.intended.emit(Intent("go", "collect")))
        self._stack.addWidget(self._first)
        self.show_layout("grid")

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.unit)
        self.name = Text("", "headline")
        row.addWidget(self.name)
        self.summary = Text("", role="soft")
        row.addSpacing(SIZES.unit)
        row.addWidget(self.summary, 1)
        self.complaint = Chip("", "armed")
        self.complaint.hide()
        row.addWidget(self.complaint)
        for action_id, text in (
            ("dataset.recent", "Switch"),
            ("dataset.open", "Open…"),
            ("dataset.new", "New…"),
        ):
            row.addWidget(self._button(action_id, text))
        return row

    def _tools(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SIZES.hair)
        self._filters: dict[Filter, Button] = {}
        for name in FILTERS:
            button = Button(FILTER_WORDS[name], kind="quiet")
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _, name=name: self.filtered.emit(name))
            row.addWidget(button)
            self._filters[name] = button
        row.addStretch(1)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search task, operator, scene…   ( / )")
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(220)
        self.search.setMaximumWidth(320)
        self.search.textChanged.connect(self.searched)
        self.search.returnPressed.connect(self.focus_list)
        row.addWidget(self.search, 2)
        row.addSpacing(SIZES.unit)
        self._order = QComboBox()
        for order in ORDERS:
            self._order.addItem(ORDER_WORDS[order], order)
        self._order.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._order.setToolTip(tooltip(by_id("library.sort")))
        self._order.setAccessibleName("Order")
        self._order.activated.connect(lambda _: self.ordered.emit(self._order.currentData()))
        row.addWidget(self._order)
        self._layout = self._button("library.layout", "")
        row.addWidget(self._layout)
        return row

    # --------------------------------------------------------------------------------- showing
    def show_dataset(self, name: str, folder: str) -> None:
        self.name.setText(name)
        self.name.setToolTip(folder)

    def show_cards(self, cards: list[EpisodeCard], counts: Counts, filter_: Filter) -> None:
        """Show cards, keeping the selection by uid; and how many of each kind there are."""
        kept = set(self.selected())
        current = self.current()
        changed = [c.uid for c in cards] != [c.uid for c in self.model.cards]
        first = bool(cards) and not self.model.cards
        self.model.show(cards)
        if changed:
            self._select(kept, current)
        for name, button in self._filters.items():
            button.setText(f"{FILTER_WORDS[name]}  {counts.by_filter[name]}")
            button.setChecked(name == filter_)
        total = counts.by_filter["all"]
        self.summary.setText(
            f"{words.plural(total, 'episode')} · {words.long_time(counts.seconds)}" if total else ""
        )
        if cards:
            self._stack.setCurrentWidget(self.list)
            if first and self.isVisible() and not self.search.hasFocus():
                self.focus_list()  # they came after the place had been entered
        elif filter_ == "trash" and not counts.by_filter["trash"]:
            self._show_nothing(
                "The trash is empty",
                "What you delete comes here first, and can be taken out again.",
            )
        elif total or counts.by_filter["trash"]:
            self._show_nothing(
                "No episode fits", "Change the filter or the search to see the others."
            )
        else:
            self._stack.setCurrentWidget(self._first)

    def _show_nothing(self, title: str, text: str) -> None:
        self._nothing.title.setText(title)
        self._nothing.show_text(text)
        self._stack.setCurrentWidget(self._nothing)

    def show_order(self, order: Order) -> None:
        self._order.setCurrentIndex(ORDERS.index(order))

    def show_complaints(self, complaints: Sequence[str]) -> None:
        """What could not be read, as a chip whose tooltip tells all."""
        self.complaint.setVisible(bool(complaints))
        self.complaint.show_value(words.plural(len(complaints), "complaint"), "armed")
        self.complaint.setToolTip("\n".join(complaints))

    def show_layout(self, layout: str) -> None:
        """As "grid" or "list"."""
        rows = layout == "list"
        self._painter.as_rows = rows
        self.list.setViewMode(QListView.ViewMode.ListMode if rows else QListView.ViewMode.IconMode)
        self.list.setGridSize(QSize() if rows else CARD)
        self.list.setMovement(QListView.Movement.Static)
        self.list.setSpacing(0)
        self._layout.set_icon("squares-four" if rows else "list")

    # ------------------------------------------------------------------------------- selection
    def selected(self) -> list[str]:
        """Uids of the selected episodes, in the order shown."""
        rows = sorted(index.row() for index in self.list.selectedIndexes())
        return [self._uid(row) for row in rows]

    def current(self) -> str:
        """Uid under the keyboard cursor, "" if there is none."""
        index = self.list.currentIndex()
        return self._uid(index.row()) if index.isValid() else ""

    def select(self, uid: str) -> None:
        """Select one episode and scroll to it."""
        self._make_current(self.model.row_of(uid))

    def focus_list(self) -> None:
        """Give the keyboard to the episodes; the first one is current if none was."""
        self.list.setFocus(Qt.FocusReason.OtherFocusReason)
        if not self.list.currentIndex().isValid() and self.model.cards:
            self._make_current(0)

    def _make_current(self, row: int) -> None:
        """Make a row the current and only selected one, whatever modifier keys are down."""
        selection = self.list.selectionModel()
        if row >= 0 and selection is not None:
            index = self.model.index(row)
            flag = QItemSelectionModel.SelectionFlag.ClearAndSelect
            selection.setCurrentIndex(index, flag)
            self.list.scrollTo(index)

    def _select(self, uids: set[str], current: str) -> None:
        selection = self.list.selectionModel()
        if selection is None:
            return
        self._make_current(self.model.row_of(current))
        for uid in uids:
            row = self.model.row_of(uid)
            if row >= 0:
                selection.select(self.model.index(row), QItemSelectionModel.SelectionFlag.Select)

    def _uid(self, row: int) -> str:
        return self.model.cards[row].uid

    def _button(self, action_id: str, text: str) -> Button:
        action = by_id(action_id)
        button = Button(text, kind="quiet", icon=action.icon, hint=tooltip(action))
        button.setAccessibleName(action.title)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        return button
