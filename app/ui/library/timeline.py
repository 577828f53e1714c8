"""The timeline of an open episode: cursor, ticks of events and contact peaks, trim, hover."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PyQt6.QtWidgets import QToolTip, QWidget

from app.session.loading import Mark
from app.ui import look, words
from app.ui.look import DARK, SIZES

MARK_COLOURS = {
    "contact": DARK.accent,
    "guard": DARK.armed,
    "gap": DARK.recording,
    "fault": DARK.fault,
    "takeover": DARK.paused,
    "label": DARK.kept,
}
"""Colour of a tick by its kind; other kinds are quiet."""

MARK_WORDS = {
    "contact": "Contact peak",
    "guard": "Guard",
    "gap": "Gap",
    "fault": "Fault",
    "takeover": "Takeover",
    "label": "Label",
    "note": "Note",
    "scene": "Scene",
    "leader": "Device",
}

_EDGE = 12  # room at both ends, so that the handle does not leave the widget
_BAR_Y = 30


def mark_colour(kind: str) -> str:
    return MARK_COLOURS.get(kind, DARK.idle)


class Timeline(QWidget):
    """Shows where the cursor is and what happened when. Emits `sought(t_ns)`."""

    sought = pyqtSignal(object)  # a Python int: nanoseconds do not fit Qt's

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFixedHeight(52)
        self.setAccessibleName("Timeline")
        self._first_ns, self._last_ns = 0, 1
        self._cursor_ns = 0
        self._marks: tuple[Mark, ...] = ()
        self._picture: QPixmap | None = None

    def sizeHint(self) -> QSize:
        return QSize(600, 52)

    def show_episode(self, span_ns: tuple[int, int], marks: Sequence[Mark]) -> None:
        self._first_ns, self._last_ns = span_ns[0], max(span_ns[1], span_ns[0] + 1)
        self._cursor_ns = self._first_ns
        self._marks = tuple(marks)
        self._picture = None
        self.update()

    def show_cursor(self, t_ns: int) -> None:
        """Move the cursor; only the strip that changes is drawn again."""
        before, self._cursor_ns = self._x(self._cursor_ns), t_ns
        after = self._x(t_ns)
        if round(before) != round(after):
            for x in (before, after):
                self.update(round(x) - 10, 0, 20, self.height())

    def mark_at(self, x: float) -> Mark | None:
        """The mark within a few pixels of `x`."""
        near = [mark for mark in self._marks if abs(self._x(mark.t_ns) - x) < 5]
        return min(near, key=lambda mark: abs(self._x(mark.t_ns) - x), default=None)

    def _x(self, t_ns: int) -> float:
        share = (t_ns - self._first_ns) / (self._last_ns - self._first_ns)
        return _EDGE + share * (self.width() - 2 * _EDGE)

    def _time(self, x: float) -> int:
        share = (x - _EDGE) / max(1, self.width() - 2 * _EDGE)
        share = min(max(share, 0.0), 1.0)
        return self._first_ns + round(share * (self._last_ns - self._first_ns))

    # ----------------------------------------------------------------------------------- mouse
    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        mark = self.mark_at(event.position().x()) if event.position().y() < _BAR_Y - 6 else None
        self.sought.emit(mark.t_ns if mark else self._time(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        x = event.position().x()
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.sought.emit(self._time(x))
            return
        mark = self.mark_at(x)
        at = words.clock_time(((mark.t_ns if mark else self._time(x)) - self._first_ns) / 1e9)
        text = f"{at}  {mark.text}" if mark else at
        QToolTip.showText(event.globalPosition().toPoint(), text, self)

    def leaveEvent(self, event: QEvent | None) -> None:
        QToolTip.hideText()

    # -------------------------------------------------------------------------------- painting
    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self._picture = None

    def paintEvent(self, event: QPaintEvent | None) -> None:
        if self._picture is None:
            self._picture = self._still()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        x = self._x(self._cursor_ns)
        painter.setPen(QPen(QColor(DARK.text), 2))
        painter.drawLine(QPointF(x, 4), QPointF(x, self.height() - 14))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.text))
        painter.drawEllipse(QPointF(x, _BAR_Y), 7, 7)

    def _still(self) -> QPixmap:
        """All but the cursor, drawn once."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(QColor(DARK.floor))
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.lifted))
        width = self.width() - 2 * _EDGE
        painter.drawRoundedRect(QRectF(_EDGE, _BAR_Y - 3, width, 6), 3, 3)
        for mark in self._marks:
            x = self._x(mark.t_ns)
            painter.setBrush(QColor(mark_colour(mark.kind)))
            if mark.kind in ("gap", "fault"):  # shape besides colour: a diamond is bad news
                painter.drawPolygon(
                    QPointF(x, 7), QPointF(x + 5, 13), QPointF(x, 19), QPointF(x - 5, 13)
                )
            elif mark.kind == "contact":
                painter.drawEllipse(QPointF(x, 13), 3.5, 3.5)
            else:
                painter.drawRoundedRect(QRectF(x - 1.5, 7, 3, 12), 1, 1)
        self._scale(painter)
        painter.end()
        return picture

    def _scale(self, painter: QPainter) -> None:
        """Times under the bar, as many as fit."""
        length_s = (self._last_ns - self._first_ns) / 1e9
        room = max(1, (self.width() - 2 * _EDGE) // 96)
        step = next(
            (s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if length_s / s <= room), 600
        )
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        for number in range(int(length_s / step) + 1):
            x = self._x(self._first_ns + round(number * step * 1e9))
            text = words.clock_time(number * step)
            box = QRectF(x - 40, self.height() - 15, 80, 15)
            box.moveLeft(min(max(box.left(), 0), self.width() - 80))
            flags = Qt.AlignmentFlag.AlignCenter if number else Qt.AlignmentFlag.AlignLeft
            painter.drawText(box.adjusted(0 if number else SIZES.hair, 0, 0, 0), flags, text)
