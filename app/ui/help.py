"""The help overlay: every key, made from the table of actions."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.ui.action import CONTEXT_CHAIN, GROUPS, Action, Context, UiState, key_caps
from app.ui.actions import ACTIONS
from app.ui.look import SIZES
from app.ui.overlay import Overlay
from app.ui.widgets import Button, Keycap, SectionTitle, Text, set_look

CONTEXT_WORDS: dict[Context, str] = {
    "everywhere": "everywhere",
    "scene": "Collect and Test",
    "hands": "every 3-D view that one can drive in",
    "collect": "Collect",
    "view": "the 3-D view of Collect",
    "library": "the Library",
    "player": "an open episode",
    "headset": "the headset page",
    "tabs": "every tab of Test",
    "test": "Test",
    "test_view": "the 3-D view of Test",
    "trials": "the results of Test",
    "training": "the Train tab of Test",
}


class HelpOverlay(Overlay):
    """Keys of the place one is in, in columns, with what is not possible now told quietly."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, width=1240)
        head = QHBoxLayout()
        self._title = Text("Keys", "headline")
        head.addWidget(self._title)
        head.addStretch()
        head.addWidget(Text("Escape stops the robot, here too", role="soft"))
        close = Button("Close", kind="quiet", icon="x")
        close.clicked.connect(self.dismiss)
        head.addWidget(close)
        self.body.addLayout(head)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.body.addWidget(self._scroll, 1)
        self._close = close

    def first_focus(self) -> QWidget:
        return self._scroll

    def open_for(self, state: UiState) -> None:
        """Show the keys that work in the context of `state`."""
        nearer: dict[Context, Context] = {"collect": "view", "test": "test_view"}
        context = nearer.get(state.context, state.context)
        self._title.setText(f"Keys in {CONTEXT_WORDS[state.context]}")
        rows = [a for a in ACTIONS if a.keys and a.context in CONTEXT_CHAIN[context]]
        page = QWidget()
        set_look(page, role="clear")
        columns = QHBoxLayout(page)
        columns.setContentsMargins(0, 0, SIZES.gap, 0)
        columns.setSpacing(SIZES.margin * 2)
        groups = [(name, [a for a in rows if a.group == name]) for name in GROUPS]
        for part in _columns([(name, made) for name, made in groups if made], 3):
            column = QVBoxLayout()
            column.setSpacing(SIZES.gap)
            for name, actions in part:
                column.addLayout(_group(name, actions, state))
            column.addStretch()
            columns.addLayout(column, 1)
        self._scroll.setWidget(page)
        self._scroll.setMinimumHeight(min(page.sizeHint().height() + SIZES.unit, 860))
        self.open()


def _columns(
    groups: list[tuple[str, list[Action]]], count: int
) -> list[list[tuple[str, list[Action]]]]:
    """Groups spread over columns of nearly equal height, in order."""
    total = sum(len(actions) + 2 for _, actions in groups)
    columns: list[list[tuple[str, list[Action]]]] = [[]]
    height = 0
    for group in groups:
        rows = len(group[1]) + 2
        if height + rows / 2 > total / count and columns[-1] and len(columns) < count:
            columns.append([])
            height = 0
        columns[-1].append(group)
        height += rows
    return columns


def _group(name: str, actions: list[Action], state: UiState) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(SIZES.gap)
    grid.setVerticalSpacing(6)
    grid.setColumnStretch(0, 1)
    grid.addWidget(SectionTitle(name.upper()), 0, 0, 1, 2)
    for number, action in enumerate(actions, start=1):
        title = Text(action.title, role="" if action.enabled(state) else "caption")
        title.setToolTip(action.hint)
        grid.addWidget(title, number, 0)
        grid.addLayout(key_row(action.key), number, 1, Qt.AlignmentFlag.AlignRight)
    return grid


def key_row(key: str) -> QHBoxLayout:
    """The caps of a chord side by side."""
    row = QHBoxLayout()
    row.setSpacing(SIZES.hair)
    for cap in key_caps(key):
        row.addWidget(Keycap(cap))
    return row
