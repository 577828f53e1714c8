"""Where the time of a control tick goes, as one bar as long as the tick."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, QSize
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.runtime.statuses import LoopBudget
from app.ui import look
from app.ui.look import DARK

PARTS = (
    ("read", DARK.part_1),
    ("map", DARK.part_2),
    ("guard", DARK.part_3),
    ("send", DARK.part_4),
    ("physics", DARK.part_5),
    ("publish", DARK.part_6),
)
"""Parts of a tick in their order, each with its colour; the words stand below the bar."""


class LoopBar(QWidget):
    """Shows a `LoopBudget`: parts of a tick against its period, lateness as a mark."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(48)
        self.setAccessibleName("Loop budget")
        self._budget: LoopBudget | None = None

    def sizeHint(self) -> QSize:
        return QSize(240, 48)

    def show_budget(self, budget: LoopBudget | None) -> None:
        """The budget over the last second; None while there is no station."""
        if budget == self._budget:
            return
        self._budget = budget
        if budget is not None:
            parts = "\n".join(f"{name}  {self._ms(name):.2f} ms" for name, _ in PARTS)
            self.setToolTip(
                f"One control tick of {budget.period_ms:g} ms, mean of the last second\n{parts}\n"
                f"late p50 {budget.lateness_p50_ms:.2f} ms, p99 {budget.lateness_p99_ms:.2f}, "
                f"max {budget.lateness_max_ms:.2f}"
            )
        self.update()

    def _ms(self, part: str) -> float:
        return float(getattr(self._budget, f"{part}_ms")) if self._budget is not None else 0.0

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        painter.drawText(QPointF(0, 12), "Loop budget")
        bar = QRectF(0, 18, self.width(), 10)
        shape = QPainterPath()
        shape.addRoundedRect(bar, 3, 3)
        painter.fillPath(shape, QColor(DARK.floor))
        budget = self._budget
        if budget is None:
            return
        used = sum(self._ms(name) for name, _ in PARTS)
        text = f"{used:.1f} of {budget.period_ms:g} ms"
        painter.setPen(QColor(DARK.armed if used > 0.9 * budget.period_ms else DARK.soft))
        width = painter.fontMetrics().horizontalAdvance(text)
        painter.drawText(QPointF(self.width() - width, 12), text)
        painter.save()
        painter.setClipPath(shape)
        x = 0.0
        scale = bar.width() / max(budget.period_ms, used)
        for name, colour in PARTS:
            width_px = self._ms(name) * scale
            painter.fillRect(QRectF(x, bar.top(), width_px, bar.height()), QColor(colour))
            x += width_px
        painter.restore()
        late = min(bar.right(), x + budget.lateness_p99_ms * scale)
        painter.setPen(QPen(QColor(DARK.text), 1))
        painter.drawLine(QPointF(late, bar.top() - 1), QPointF(late, bar.bottom() + 1))
        self._words(painter, bar.bottom() + 14)

    def _words(self, painter: QPainter, base: float) -> None:
        x = 0.0
        for name, colour in PARTS:
            painter.fillRect(QRectF(x, base - 7, 6, 6), QColor(colour))
            painter.setPen(QColor(DARK.faint))
            painter.drawText(QPointF(x + 9, base), name)
            x += painter.fontMetrics().horizontalAdvance(name) + 17
            if x > self.width() - 44:
                break
