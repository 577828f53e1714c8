"""Camera panels in the headset: a small picture of where each preset hangs them."""

from __future__ import annotations

from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QGridLayout, QPushButton, QWidget

from app.ui import look
from app.ui.action import Intent
from app.ui.headset.cards import TitledCard
from app.ui.look import DARK, SIZES
from app.ui.widgets import set_look
from devices.tactar.overlay import PRESETS

TALL, LOW = 88, 72  # [px] of a preset's button, in a large and in a low window
HALF_WIDTH_M = 0.5
TOP_M = 0.9
BELOW_M = 0.15
"""What the little picture shows: so much to both sides of the table's middle, above it, below."""


@dataclass(frozen=True, slots=True)
class Hung:
    """One panel as somebody before the robot sees it: middle and size [m], x to the right, y up
    from the table."""

    x: float
    y: float
    width: float
    height: float
    colour: str


def scheme(name: str) -> tuple[Hung, ...]:
    """Where the panels of a preset hang; () for one that is not known here."""
    return tuple(
        # The robot's right is at the left of somebody who looks at it.
        Hung(-p.position[0], p.position[1], p.width, 0.75 * p.width, _colour(p.camera))
        for p in PRESETS.get(name, ())
    )


def _colour(camera: str) -> str:
    return {"wrist_left": DARK.left_hand, "wrist_right": DARK.right_hand}.get(camera, DARK.soft)


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
        self.setFixedHeight(TALL)
        set_look(self, role="plain", size="", tone="")

    def sizeHint(self) -> QSize:
        return QSize(68, self.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(60, self.height())

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        view = QRectF(8, 8, self.width() - 16, self.height() - 34)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.floor))
        painter.drawRoundedRect(view, 4, 4)
        across = view.width() / (2 * HALF_WIDTH_M)
        up = view.height() / (TOP_M + BELOW_M)
        scale = min(across, up)
        middle, table = view.center().x(), view.bottom() - BELOW_M * up

        # The table's edge and the two hands, so that one sees what a panel would cover.
        painter.setPen(QPen(QColor(DARK.edge), 1.5))
        painter.drawLine(
            QPointF(middle - 0.42 * view.width(), table),
            QPointF(middle + 0.42 * view.width(), table),
        )
        painter.setPen(Qt.PenStyle.NoPen)
        for x, colour in ((0.12, DARK.left_hand), (-0.12, DARK.right_hand)):
            painter.setBrush(QColor(colour))
            spot = QRectF(middle + x * scale - 2.5, table - 10, 5, 10)
            painter.drawRoundedRect(spot, 2.5, 2.5)
        for hung in scheme(self.name):
            box = QRectF(0, 0, hung.width * scale, hung.height * scale)
            box.moveCenter(QPointF(middle + hung.x * scale, table - hung.y * scale))
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
        holder.setToolTip("Y and B together clear them in the headset.")
        self._tall = TALL
        self.buttons: dict[str, PresetButton] = {}

    def set_compact(self, compact: bool) -> None:
        """Lower pictures, for a low window."""
        self._tall = LOW if compact else TALL
        for button in self.buttons.values():
            button.setFixedHeight(self._tall)

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
            button.setFixedHeight(self._tall)
            button.clicked.connect(
                lambda _, name=name: self.intended.emit(Intent("headset_panels", name))
            )
            self._grid.addWidget(button, number // 4, number % 4)
            self.buttons[name] = button
