"""The row of six steps: which are done, which is asked, which come."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui import look
from app.ui.headset.guide import STEP_TITLES, STEPS, StepName
from app.ui.look import DARK

_RADIUS = 16


class Stepper(QWidget):
    """Six numbered marks on a line. A step that is done has a tick, the asked one is filled."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._step: StepName = "port"
        self._done = False

    def sizeHint(self) -> QSize:
        return QSize(640, 48)

    def show_step(self, step: StepName, *, done: bool) -> None:
        """`done`: the asked step itself is done (driving)."""
        if (step, done) != (self._step, self._done):
            self._step, self._done = step, done
            self.setAccessibleName(f"Step {STEPS.index(step) + 1} of 6: {STEP_TITLES[step]}")
            self.update()

    @property
    def step(self) -> StepName:
        return self._step

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        now = STEPS.index(self._step)
        y = self.height() / 2
        font = look.font("strong" if self.width() < 1000 else "title")
        painter.setFont(font)
        widths = [
            2 * _RADIUS + 10 + painter.fontMetrics().horizontalAdvance(STEP_TITLES[s])
            for s in STEPS
        ]
        gap = max(16.0, (self.width() - sum(widths)) / (len(STEPS) - 1))
        x = 0.0
        for number, step in enumerate(STEPS):
            done = number < now or (number == now and self._done)
            asked = number == now and not self._done
            self._mark(painter, QPointF(x + _RADIUS, y), number + 1, done, asked)
            colour = DARK.text if asked else DARK.soft if done else DARK.faint
            painter.setFont(font)
            painter.setPen(QColor(colour))
            words = QRectF(x + 2 * _RADIUS + 10, 0, widths[number], self.height())
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, STEP_TITLES[step])
            if number + 1 < len(STEPS) and gap > 32:
                painter.setPen(QPen(QColor(DARK.kept if number < now else DARK.lifted), 2))
                begin = x + widths[number] + 12
                painter.drawLine(QPointF(begin, y), QPointF(begin + gap - 24, y))
            x += widths[number] + gap

    def _mark(
        self, painter: QPainter, centre: QPointF, number: int, done: bool, asked: bool
    ) -> None:
        if asked:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(DARK.accent))
            ink = DARK.on_bright
        else:
            painter.setPen(QPen(QColor(DARK.kept if done else DARK.edge), 2))
            painter.setBrush(QColor(DARK.floor))
            ink = DARK.kept if done else DARK.faint
        painter.drawEllipse(centre, _RADIUS - 1, _RADIUS - 1)
        if done:
            painter.setPen(QPen(QColor(ink), 2.5, cap=Qt.PenCapStyle.RoundCap))
            x, y = centre.x(), centre.y()
            painter.drawPolyline(
                QPolygonF([QPointF(x - 6, y), QPointF(x - 1.5, y + 5), QPointF(x + 6, y - 5)])
            )
            return
        painter.setFont(look.font("strong"))
        painter.setPen(QColor(ink))
        box = QRectF(centre.x() - _RADIUS, centre.y() - _RADIUS, 2 * _RADIUS, 2 * _RADIUS)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(number))
