"""The rail at the left: five places with icon, word and key."""

from __future__ import annotations

from typing import Literal

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QToolButton, QVBoxLayout, QWidget

from app.ui import look
from app.ui.action import PLACES, Place
from app.ui.actions import by_id, tooltip
from app.ui.look import DARK, SIZES
from app.ui.widgets import Text, set_look
from app.ui.window_actions import PLACE_TITLES


class Rail(QWidget):
    """Emits `picked(place)` and `headset_asked`; shows which place is on screen, "" for none."""

    picked = pyqtSignal(str)
    headset_asked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        set_look(self, role="wall")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(SIZES.rail)
        column = QVBoxLayout(self)
        column.setContentsMargins(SIZES.unit, SIZES.unit, SIZES.unit, SIZES.unit)
        column.setSpacing(SIZES.hair)
        self._buttons: dict[Place, _RailButton] = {}
        for place in PLACES:
            button = _RailButton(f"place.{place}", PLACE_TITLES[place][0])
            button.clicked.connect(lambda _, place=place: self._pick(place))
            column.addWidget(button)
            self._buttons[place] = button
        column.addStretch()
        self._headset = _RailButton("headset.page", "Headset")
        self._headset.clicked.connect(self.headset_asked)
        column.addWidget(self._headset)

    def _pick(self, place: Place) -> None:
        self._buttons[place].setChecked(True)  # a second click must not untick it
        self.picked.emit(place)

    def show_place(self, place: Place | Literal[""]) -> None:
        for name, button in self._buttons.items():
            button.setChecked(name == place)
        self._headset.setChecked(place == "")


class _RailButton(QToolButton):
    """One place. The key is printed in the corner, so that one learns it by seeing it."""

    def __init__(self, action_id: str, title: str) -> None:
        super().__init__()
        action = by_id(action_id)
        set_look(self, role="place")
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip(tooltip(action))
        self.setAccessibleName(title)
        self.setFixedSize(SIZES.rail - 2 * SIZES.unit, 72)
        self._icon = action.icon
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 8, 4, 6)
        column.setSpacing(2)
        self._picture = QLabel()
        self._word = Text(title, "caption")
        for label in (self._picture, self._word):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            column.addWidget(label)
        self._key = Text(action.key, "caption", role="caption", parent=self)
        self._key.adjustSize()
        self._key.move(SIZES.rail - 2 * SIZES.unit - 8 - self._key.width(), 6)
        self._key.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.toggled.connect(self._paint)
        self._paint(False)

    def sizeHint(self) -> QSize:
        return QSize(SIZES.rail - 2 * SIZES.unit, 72)

    def _paint(self, on: bool) -> None:
        self._picture.setPixmap(look.pixmap(self._icon, 26, DARK.accent if on else DARK.faint))
        set_look(self._word, role="" if on else "caption")
