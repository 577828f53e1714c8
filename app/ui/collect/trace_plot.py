"""A live plot of the last ten seconds: a title, the value now, one or two lines.

Painted by hand: three general plotting widgets at 30 Hz cost a fifth of a core, these a fiftieth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui import look
from app.ui.collect.trace import WINDOW_S
from app.ui.look import DARK
from devices.stream import FloatArray

_HEAD = 18


@dataclass(frozen=True)
class Line:
    """One curve: ages [s] and values, NaN for gaps, and its colour as #rrggbb; dashed for what is
    not measured but expected."""

    ages: FloatArray
    values: FloatArray
    colour: str
    dashed: bool = False


class TracePlot(QWidget):
    """Shows `Line`s. Emits `pointed(age)` [s] while the pointer is on it, `pointed(None)` after.

    Args:
        title: What is plotted.
        unit: Of the value.
        top: The scale reaches at least this far; it grows with the data and says how far.
        digits: Decimals of the value shown.
    """

    pointed = pyqtSignal(object)

    def __init__(
        self, title: str, unit: str, top: float, digits: int = 1, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(44)
        self._title, self._unit, self._top, self._digits = title, unit, top, digits
        self._lines: tuple[Line, ...] = ()
        self._band: tuple[float, float] | None = None
        self._cursor: float | None = None
        self.setMouseTracking(True)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        return QSize(240, 64)

    def show_title(self, title: str) -> None:
        """Say something else about what is plotted."""
        if title != self._title:
            self._title = title
            self.setAccessibleName(title)
            self.update()

    def show_lines(self, lines: Sequence[Line], band: tuple[float, float] | None = None) -> None:
        """Show curves, and a band of good values behind them."""
        self._lines = tuple(lines)
        self._band = band
        self.update()

    def show_cursor(self, age: float | None) -> None:
        """Show the values at an age [s, negative is the past], None for those of now."""
        if age != self._cursor:
            self._cursor = age
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None:
            self.pointed.emit((event.position().x() / max(1, self.width()) - 1.0) * WINDOW_S)

    def leaveEvent(self, event: QEvent | None) -> None:
        self.pointed.emit(None)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        painter.drawText(QPointF(0, 12), self._title)
        self._values(painter)
        area = QRectF(0, _HEAD, self.width(), self.height() - _HEAD - 1)
        peak = max(
            (float(np.nanmax(x.values)) for x in self._lines if np.isfinite(x.values).any()),
            default=0.0,
        )
        top = self._top if peak <= self._top else _nice(1.05 * peak)
        painter.fillRect(area, QColor(DARK.floor))
        if self._band is not None:
            good = QColor(DARK.kept)
            good.setAlpha(38)
            high = self._y(area, min(self._band[1], top), top)
            low = self._y(area, min(self._band[0], top), top)
            painter.fillRect(QRectF(area.left(), high, area.width(), low - high), good)
        painter.setPen(QPen(QColor(DARK.hairline), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        if area.height() > 34:
            painter.setPen(QColor(look.blend(DARK.faint, DARK.floor, 0.7)))
            painter.drawText(area.adjusted(4, 1, 0, 0), Qt.AlignmentFlag.AlignTop, f"{top:g}")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for line in self._lines:
            style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
            painter.setPen(QPen(QColor(line.colour), 1.5, style))
            for piece in _pieces(line.values):
                xs = area.right() + line.ages[piece] / WINDOW_S * area.width()
                ys = area.bottom() - 1 - line.values[piece] / top * (area.height() - 3)
                painter.drawPolyline(
                    QPolygonF([QPointF(x, y) for x, y in zip(xs, ys, strict=True)])
                )

        if self._cursor is not None:
            x = area.right() + self._cursor / WINDOW_S * area.width()
            painter.setPen(QPen(QColor(DARK.soft), 1))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def _values(self, painter: QPainter) -> None:
        """The values now, right-aligned, in the colours of their curves."""
        right = float(self.width())
        painter.setFont(look.font("strong"))
        for index, line in enumerate(reversed(self._lines)):
            near = line.values[self._near(line)]
            known = near[np.isfinite(near)]
            text = "–"
            if len(known):  # + 0.0: nothing has a sign
                text = f"{round(float(known[-1]), self._digits) + 0.0:.{self._digits}f}"
            if index == 0:
                text += f" {self._unit}"
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.setPen(QColor(line.colour))
            painter.drawText(QPointF(right - width, 13), text)
            right -= width + 12

    def _near(self, line: Line) -> slice:
        """The values that are told: the newest ones, or those at the cursor."""
        if self._cursor is None or not len(line.ages):
            return slice(-6, None)
        at = int(np.searchsorted(line.ages, self._cursor))
        return slice(max(0, at - 3), at + 1)

    @staticmethod
    def _y(area: QRectF, value: float, top: float) -> float:
        return area.bottom() - 1 - value / top * (area.height() - 3)


def _pieces(values: FloatArray) -> list[slice]:
    """Runs of finite values of at least two."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


def _nice(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0.0:
        return 1.0
    scale = 10.0 ** np.floor(np.log10(value))
    return float(next(step * scale for step in (1.0, 2.0, 5.0, 10.0) if step * scale >= value))
