"""A camera picture with its name, rate and age; a stopped camera cannot be overlooked."""

from __future__ import annotations

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui import look
from app.ui.collect.readings import Picture
from app.ui.look import DARK, SIZES

STALE_MS = 500.0
MISSED = 4.0  # pictures that a slow camera may miss before it counts as stopped


class CameraTile(QWidget):
    """Shows `Picture`s.

    Args:
        title: Name of the camera as people say it.
        aspect: Width over height.
    """

    def __init__(self, title: str, aspect: float = 4 / 3, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._aspect = title, aspect
        self._picture: Picture | None = None
        self._image = QImage()
        self._rate: float | None = None
        self._stale = False
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setSizePolicy(policy)
        self.setMinimumSize(88, 66)
        self.setAccessibleName(f"Camera {title}")

    def sizeHint(self) -> QSize:
        return QSize(208, round(208 / self._aspect))

    def show_picture(self, picture: Picture | None, rate_hz: float | None) -> None:
        """The newest picture, or None when the camera has none; its rate as measured."""
        patience = max(STALE_MS, MISSED * 1e3 / rate_hz) if rate_hz else STALE_MS
        stale = picture is not None and picture.age_ms > patience
        same = (
            picture is not None
            and self._picture is not None
            and picture.seq == self._picture.seq
            and stale == self._stale
        )
        if same and not stale:
            return
        if picture is None and self._picture is None:
            return
        if picture is not None and not same:
            height, width = picture.rgb.shape[:2]
            # Shrunk once here instead of at every repaint; the copy also frees the ring's memory.
            whole = QImage(
                picture.rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
            )
            ratio = self.devicePixelRatioF()
            self._image = whole.scaled(
                max(1, round(self.width() * ratio)),
                max(1, round(self.height() * ratio)),
                Qt.AspectRatioMode.KeepAspectRatioByExpanding,
                Qt.TransformationMode.FastTransformation,
            ).convertToFormat(QImage.Format.Format_RGB32)
        self._picture, self._rate, self._stale = picture, rate_hz, stale
        if picture is not None:
            height, width = picture.rgb.shape[:2]
            rate = f"{rate_hz:.1f} Hz, " if rate_hz is not None else ""
            self.setToolTip(f"{self._title}: {width} × {height}, {rate}{picture.age_ms:.0f} ms old")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        path = QPainterPath()
        path.addRoundedRect(frame, SIZES.radius, SIZES.radius)
        painter.fillPath(path, QColor(DARK.floor))
        if self._picture is None:
            painter.setFont(look.font("caption"))
            painter.setPen(QColor(DARK.faint))
            painter.drawText(frame, Qt.AlignmentFlag.AlignCenter, "No picture yet")
        else:
            painter.save()
            painter.setClipPath(path)
            painter.setOpacity(0.35 if self._stale else 1.0)
            ratio = self.devicePixelRatioF()
            x = (self.width() - self._image.width() / ratio) / 2
            y = (self.height() - self._image.height() / ratio) / 2
            painter.drawImage(
                QRectF(x, y, self._image.width() / ratio, self._image.height() / ratio),
                self._image,
            )
            painter.restore()
        self._words(painter, frame)
        if self._stale:
            painter.setPen(QPen(QColor(DARK.fault), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(path)
            age = self._picture.age_ms / 1e3 if self._picture else 0.0
            wide = frame.width() > 170
            painter.setFont(look.font("title" if wide else "strong"))
            words = f"Stopped {age:.0f} s ago" if wide else f"Stopped\n{age:.0f} s ago"
            above = frame.adjusted(0, 0, 0, -21)  # of the strip with the name
            painter.drawText(above, Qt.AlignmentFlag.AlignCenter, words)

    def _words(self, painter: QPainter, frame: QRectF) -> None:
        """Name at the left, rate and age at the right, on a strip along the bottom."""
        painter.setFont(look.font("caption"))
        metrics = painter.fontMetrics()
        facts = ""
        if self._picture is not None and not self._stale:
            rate = f"{self._rate:.0f} Hz · " if self._rate is not None else ""
            facts = f"{rate}{self._picture.age_ms:.0f} ms"
            if metrics.horizontalAdvance(self._title + facts) > frame.width() - 24:
                facts = f"{self._rate:.0f} Hz" if self._rate is not None else ""
            if metrics.horizontalAdvance(self._title + facts) > frame.width() - 20:
                facts = ""  # the tile's tool tip and the status bar tell it
        base = frame.bottom() - 7
        strip = QRectF(frame.left(), frame.bottom() - 21, frame.width(), 21)
        clip = QPainterPath()
        clip.addRoundedRect(frame, SIZES.radius, SIZES.radius)
        painter.save()
        painter.setClipPath(clip)
        painter.fillRect(strip, QColor(14, 17, 21, 165))
        painter.restore()
        painter.setPen(QColor(DARK.text))
        painter.drawText(QPointF(frame.left() + 8, base), self._title)
        painter.setPen(QColor(DARK.soft))
        painter.drawText(QPointF(frame.right() - 8 - metrics.horizontalAdvance(facts), base), facts)
