"""The camera pictures of an open episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPoint, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QBoxLayout, QSizePolicy, QWidget

from app.ui import look
from app.ui.look import DARK, SIZES

CAMERA_WORDS = {
    "front/rgb": "Front",
    "wrist_left/rgb": "Left wrist",
    "wrist_right/rgb": "Right wrist",
}


def camera_words(stream: str) -> str:
    """A camera as people call it."""
    return CAMERA_WORDS.get(stream, stream.removesuffix("/rgb").replace("_", " ").capitalize())


class Picture(QWidget):
    """One picture, as large as fits, with its name in the corner."""

    def __init__(self, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._image = QImage()
        self._note = ""
        self.setMinimumSize(120, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        return QSize(320, 240)

    def show_picture(self, rgb: npt.NDArray[np.uint8] | None, note: str = "") -> None:
        """Show a picture, shape (h, w, 3), or say why there is none."""
        if rgb is None:
            self._image = QImage()
        else:
            rgb = np.ascontiguousarray(rgb)
            height, width = rgb.shape[:2]
            # The copy lets go of the array, whose memory belongs to the loader.
            self._image = QImage(
                rgb.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
            ).copy()
        self._note = note
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(DARK.floor))
        corner = QPoint(0, 0)
        if self._image.isNull():
            painter.setPen(QColor(DARK.faint))
            painter.setFont(look.font("caption"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._note or "No picture")
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            box = QRectF(
                (self.width() - size.width()) / 2,
                (self.height() - size.height()) / 2,
                size.width(),
                size.height(),
            )
            painter.drawImage(box, self._image)
            corner = box.topLeft().toPoint()
        if self.name:
            painter.setFont(look.font("caption"))
            width = painter.fontMetrics().horizontalAdvance(self.name) + 12
            plate = QRectF(corner.x() + 6, corner.y() + 6, width, 20)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(14, 17, 21, 190))
            painter.drawRoundedRect(plate, 4, 4)
            painter.setPen(QColor(DARK.soft))
            painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self.name)


class CameraColumn(QWidget):
    """The pictures of all cameras: a column beside the 3-D view, or a row in its place."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(SIZES.unit)
        self._tiles: dict[str, Picture] = {}

    def show_cameras(self, names: Sequence[str]) -> None:
        """Have one tile a camera."""
        if list(self._tiles) == list(names):
            return
        for tile in self._tiles.values():
            self._column.removeWidget(tile)
            tile.deleteLater()
        self._tiles = {name: Picture(camera_words(name)) for name in names}
        for tile in self._tiles.values():
            self._column.addWidget(tile, 1)
        self.setVisible(bool(names))

    def lay_out(self, *, beside: bool) -> None:
        """As a column beside the 3-D view, or as a row where there is none."""
        way = QBoxLayout.Direction
        self._column.setDirection(way.TopToBottom if beside else way.LeftToRight)

    def show_pictures(self, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        for name, picture in images.items():
            tile = self._tiles.get(name)
            if tile is not None:
                tile.show_picture(picture)

    def show_gap(self, name: str, note: str) -> None:
        """A camera that has no picture at this instant."""
        tile = self._tiles.get(name)
        if tile is not None:
            tile.show_picture(None, note)
