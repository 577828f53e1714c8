"""Camera panels in the headset: a small picture of where each preset hangs them."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QGridLayout, QPushButton, QWidget

from app.ui import look
from app.ui.action import Intent
from app.ui.headset.cards import TitledCard
from app.ui.look import DARK, SIZES
from app.ui.widgets import Text, set_look


@dataclass(frozen=True, slots=True)
class Hung:
    """One panel as the operator sees it: centre and size as shares of the view, 0 ... 1."""

    x: float
    y: float
    width: float
    height: float
    colour: str = DARK.soft


_FRONT = Hung(0.5, 0.26, 0.3, 0.34)
_LEFT = Hung(0.16, 0.32, 0.24, 0.27, DARK.left_hand)
_RIGHT = Hung(0.84, 0.32, 0.24, 0.27, DARK.right_hand)

SCHEMES: dict[str, tuple[Hung, ...]] = {
    "off": (),
    "front": (_FRONT,),
    "wrists": (_LEFT, _RIGHT),
    "all": (_FRONT, _LEFT, _RIGHT),
}
"""Pictures of the presets by name; one that is not known is shown by its name alone."""


class PresetButton(QPushButton):
    """A preset: the table and the hands as the operator sees them, and the panels over it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"Panels: {name}")
        self.setToolTip(f"Panels: {name}")
        self.setFixedHeight(84)
        set_look(self, role="plain", size="", tone="")

    def sizeHint(self) -> QSize:
        return QSize(96, 84)

    def minimumSizeHint(self) -> QSize:
        return QSize(72, 84)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        view = QRectF(8, 8, self.width() - 16, self.height() - 34)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.floor))
        painter.drawRoundedRect(view, 4, 4)
        # The table's edge and the two hands, so that one sees what a panel would cover.
        painter.setPen(QPen(QColor(DARK.edge), 1.5))
        y = view.top() + 0.72 * view.height()
        painter.drawLine(int(view.left() + 8), int(y), int(view.right() - 8), int(y))
        for share, colour in ((0.4, DARK.left_hand), (0.6, DARK.right_hand)):
            spot = QRectF(view.left() + share * view.width() - 3, y - 6, 6, 12)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(spot, 3, 3)
        for hung in SCHEMES.get(self.name, ()):
            box = QRectF(0, 0, hung.width * view.width(), hung.height * view.height())
            box.moveCenter(
                view.topLeft() + QRectF(0, 0, hung.x * view.width(), hung.y * view.height())
                .bottomRight()
            )
            fill = QColor(hung.colour)
            fill.setAlphaF(0.28)
            painter.setPen(QPen(QColor(hung.colour), 1.5))
            painter.setBrush(fill)
            painter.drawRoundedRect(box, 2, 2)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.text if self.isChecked() else DARK.soft))
        words = QRectF(0, self.height() - 25, self.width(), 20)
        painter.drawText(words, Qt.AlignmentFlag.AlignCenter, preset_title(self.name))


def with_off(presets: tuple[str, ...]) -> tuple[str, ...]:
    """The presets with the one that shows nothing, which every headset process knows."""
    return presets if "off" in presets else ("off", *presets)


def preset_title(name: str) -> str:
    """A preset as people call it."""
    return name.replace("_", " ").replace("-", " ").capitalize()


class PanelsCard(TitledCard):
    """The presets side by side."""

    intended = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__("CAMERA PANELS")
        self._grid = QGridLayout()
        self._grid.setSpacing(SIZES.unit)
        holder = QWidget()
        holder.setLayout(self._grid)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(holder)
        self.hint = Text("Y and B together clear them in the headset.", role="caption", wrap=True)
        self.body.addWidget(self.hint)
        self.buttons: dict[str, PresetButton] = {}

    def show_panels(self, presets: tuple[str, ...], now: str) -> None:
        names = with_off(presets)
        if tuple(self.buttons) != names:
            self._make(names)
        for name, button in self.buttons.items():
            button.setChecked(name == (now or "off"))

    def _make(self, names: tuple[str, ...]) -> None:
        for button in self.buttons.values():
            self._grid.removeWidget(button)
            button.deleteLater()
        self.buttons = {}
        for number, name in enumerate(names):
            button = PresetButton(name)
            button.clicked.connect(
                lambda _, name=name: self.intended.emit(Intent("headset_panels", name))
            )
            self._grid.addWidget(button, number // 4, number % 4)
            self.buttons[name] = button
