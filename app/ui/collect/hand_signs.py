"""Which hand is driven, what each arm does, and what holds it back; over the 3-D view."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QWidget

from app.runtime.statuses import ArmStatus
from app.ui import look
from app.ui.look import DARK, SIZES
from devices.leader import Side

_ROW = 26
_WIDTH = 540
HINT = "Drag a gripper, or hold the arrow keys  ·  Space grips  ·  Tab changes hands"


class HandSigns(QWidget):
    """Two lines, one an arm: a mark for the driven hand, what it does, what the guard does to it.

    The mouse goes through it.
    """

    def __init__(self, parent: QWidget, hint: str = HINT) -> None:
        super().__init__(parent)
        self._hint = hint
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._arms: tuple[ArmStatus, ...] = ()
        self._holds: dict[str, str] = {}
        self._driven: Side | None = None
        self._mouse = False
        self._touched = False
        self.resize(self.sizeHint())

    def sizeHint(self) -> QSize:
        return QSize(_WIDTH, 3 * _ROW + 4)

    def show_arms(
        self,
        arms: tuple[ArmStatus, ...],
        driven: Side | None,
        mouse: bool,
        holds: Mapping[str, str] | None = None,
    ) -> None:
        """Show what the station says of its arms.

        Args:
            driven: The hand that keys drive.
            mouse: Mouse and keyboard are the driving device.
            holds: By side, why a squeezed grip of the headset that drives does nothing.
        """
        holds = dict(holds or {})
        if holds != self._holds:
            self._holds = holds
            self.update()
        self._touched = self._touched or any(arm.clutched for arm in arms)
        if (arms, driven, mouse) != (self._arms, self._driven, self._mouse):
            self._arms, self._driven, self._mouse = arms, driven, mouse
            self.update()

    def words(self) -> tuple[str, ...]:
        """What is said of each arm, for tests."""
        return tuple(words_of(arm, self._holds.get(arm.side, ""))[0] for arm in self._arms)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = 0
        for arm in self._arms:
            colour = DARK.left_hand if arm.side == "left" else DARK.right_hand
            words, tone = words_of(arm, self._holds.get(arm.side, ""))
            driven = self._mouse and arm.side == self._driven
            self._row(painter, y, colour, f"{arm.side.capitalize()} arm", words, tone, driven)
            y += _ROW + 2
        if self._mouse and not self._touched and self._arms:
            self._pill(painter, y, self._hint)

    def _row(
        self,
        painter: QPainter,
        y: int,
        colour: str,
        name: str,
        words: str,
        tone: str,
        driven: bool,
    ) -> None:
        painter.setFont(look.font("strong"))
        metrics = painter.fontMetrics()
        name_width = metrics.horizontalAdvance(name)
        room = self.width() - name_width - 52
        words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
        width = 34 + name_width + (14 + metrics.horizontalAdvance(words) if words else 0)
        _plate(painter, QRectF(0, y, width, _ROW))
        dot = QRectF(10, y + _ROW / 2 - 5, 10, 10)
        painter.setPen(QColor(colour))
        # Full for the driven hand, an open ring for the other: not by colour alone.
        painter.setBrush(QColor(colour) if driven else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(dot)
        painter.setPen(QColor(DARK.text))
        base = y + (_ROW + metrics.ascent() - metrics.descent()) / 2
        painter.drawText(28, round(base), name)
        painter.setPen(QColor(tone))
        painter.drawText(28 + name_width + 12, round(base), words)

    def _pill(self, painter: QPainter, y: int, words: str) -> None:
        painter.setFont(look.font("caption"))
        metrics = painter.fontMetrics()
        _plate(painter, QRectF(0, y, metrics.horizontalAdvance(words) + 20, _ROW - 2))
        painter.setPen(QColor(DARK.soft))
        base = y + (_ROW - 2 + metrics.ascent() - metrics.descent()) / 2
        painter.drawText(10, round(base), words)


def words_of(arm: ArmStatus, why: str = "") -> tuple[str, str]:
    """What to say of an arm, and the colour to say it in: what the guard does comes first, then
    `why` its hand drives nothing though its grip is squeezed."""
    if arm.guard:
        return ", ".join(arm.guard), DARK.armed
    if why:
        return f"holds: {why[:1].lower()}{why[1:].rstrip('.')}", DARK.armed
    if arm.clutched and not arm.hold:
        return "follows", DARK.accent
    if arm.clutched:
        return arm.hold, DARK.armed
    return arm.hold or "parked", DARK.faint


def _plate(painter: QPainter, box: QRectF) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(14, 17, 21, 165))
    painter.drawRoundedRect(box, SIZES.radius_small, SIZES.radius_small)
