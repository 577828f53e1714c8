"""The tools over the 3-D view: what one wants beside driving, one click away."""

from __future__ import annotations

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFrame, QMenu, QToolButton, QVBoxLayout, QWidget

from app.ui import look
from app.ui.action import Action, Intent, UiState
from app.ui.actions import by_id, tooltip
from app.ui.look import DARK, SIZES
from app.ui.view_actions import LAYERS, VIEWS
from app.ui.widgets import Line, set_look

_BUTTONS = (
    "leader.show_me",
    "scene.reset",
    "scene.again",
    "robot.home",
    "scene.perturb",
    "|",
    "menu.view",
    "menu.layers",
)


class ViewTools(QFrame):
    """A column of small buttons made from the action table. Emits `intended(Intent)`.

    Args:
        buttons: Ids of actions, "menu.view", "menu.layers", and "|" for a line.
    """

    intended = pyqtSignal(object)

    def __init__(self, parent: QWidget, buttons: tuple[str, ...] = _BUTTONS) -> None:
        super().__init__(parent)
        set_look(self, role="popover")
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(2)
        self._buttons: dict[str, QToolButton] = {}
        self._layers: dict[str, QAction] = {}
        for name in buttons:
            if name == "|":
                column.addWidget(Line())
            elif name == "menu.view":
                column.addWidget(self._menu("video-camera", "Views", self._views()))
            elif name == "menu.layers":
                column.addWidget(self._menu("stack", "AR layers", self._layer_menu()))
            else:
                column.addWidget(self._button(by_id(name)))

    def refresh(self, state: UiState) -> None:
        """Which buttons can be pressed, and which are on."""
        for name, button in self._buttons.items():
            action = by_id(name)
            button.setEnabled(action.enabled(state))
            if action.kind == "toggle" and button.isChecked() != action.checked(state):
                button.setChecked(action.checked(state))

    def show_layers(self, layers: frozenset[str]) -> None:
        for name, item in self._layers.items():
            item.setChecked(name in layers)

    def _button(self, action: Action) -> QToolButton:
        button = _tool(action.icon, tooltip(action), action.title)
        button.setCheckable(action.kind == "toggle")
        button.clicked.connect(lambda: self.intended.emit(action.intent))
        self._buttons[action.id] = button
        return button

    def _menu(self, icon: str, title: str, menu: QMenu) -> QToolButton:
        button = _tool(icon, title, title)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(menu)
        return button

    def _views(self) -> QMenu:
        menu = QMenu(self)
        for name, title in VIEWS.items():
            self._item(menu, by_id(f"view.{name}"), title)
        return menu

    def _layer_menu(self) -> QMenu:
        menu = QMenu(self)
        for name, (title, _, _) in LAYERS.items():
            item = self._item(menu, by_id(f"layer.{name}"), title)
            item.setCheckable(True)
            self._layers[name] = item
        menu.addSeparator()
        self._item(menu, by_id("layer.all"), by_id("layer.all").title)
        return menu

    def _item(self, menu: QMenu, action: Action, title: str) -> QAction:
        item = QAction(f"{title}\t{action.key}", menu)
        intent: Intent = action.intent
        item.triggered.connect(lambda: self.intended.emit(intent))
        menu.addAction(item)
        return item


def _tool(icon: str, hint: str, name: str) -> QToolButton:
    button = QToolButton()
    button.setIcon(look.icon(icon, DARK.soft))
    button.setIconSize(QSize(SIZES.icon_large, SIZES.icon_large))
    button.setFixedSize(36, 36)
    button.setToolTip(hint)
    button.setAccessibleName(name)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    return button
