"""The camera pictures of an open episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QPoint, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PyQt6.QtWidgets import QGridLayout, QSizePolicy, QWidget
from PyQt6.sip import voidptr

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
        self._rgb: npt.NDArray[np.uint8] | None = None
        self._note = ""
        self._age = ""
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
            pixels = cast(bytes, voidptr(rgb.ctypes.data, rgb.nbytes))  # typed too narrowly
            self._image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
        self._rgb = rgb  # the picture lies in its memory
        self._note = note
        self.update()

    def show_age(self, age: str) -> None:
        """A word about the age of the picture, after the name."""
        if age != self._age:
            self._age = age
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
            if self._age and not self._image.isNull():
                painter.setPen(QColor(DARK.armed))
                width = painter.fontMetrics().horizontalAdvance(self._age)
                plate = QRectF(plate.right() + 4, plate.top(), width + 12, 20)
                painter.fillRect(plate, QColor(14, 17, 21, 190))
                painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self._age)


class CameraColumn(QWidget):
    """The pictures of all cameras. Beside the 3-D view the first is large and the others share a
    row below it; in place of the view they stand in one row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SIZES.unit)
        self._tiles: dict[str, Picture] = {}

    def show_cameras(self, names: Sequence[str], *, beside: bool) -> None:
        """Have one tile a camera, `beside` the 3-D view or in its place."""
        for tile in self._tiles.values():
            self._grid.removeWidget(tile)
        for name in [name for name in self._tiles if name not in names]:
            self._tiles.pop(name).deleteLater()
        self._tiles = {name: self._tiles.get(name) or Picture(camera_words(name)) for name in names}
        others = max(1, len(names) - 1)
        for number, tile in enumerate(self._tiles.values()):
            if not beside:
                self._grid.addWidget(tile, 0, number)
            elif number == 0:
                self._grid.addWidget(tile, 0, 0, 1, others)
            else:
                self._grid.addWidget(tile, 1, number - 1)
        self._grid.setRowStretch(0, 2 if beside else 1)
        self._grid.setRowStretch(1, 1 if beside and len(names) > 1 else 0)
        self.setVisible(bool(names))

    def show_pictures(self, images: Mapping[str, npt.NDArray[np.uint8]]) -> None:
        for name, picture in images.items():
            tile = self._tiles.get(name)
            if tile is not None:
                tile.show_picture(picture)

    def show_age(self, name: str, seconds: float | None) -> None:
        """How old the picture is at this instant, if that is worth a word."""
        tile = self._tiles.get(name)
        if tile is not None:
            tile.show_age("" if seconds is None else f"{seconds:.1f} s old")

    def show_gap(self, name: str, note: str) -> None:
        """A camera that has no picture at this instant."""
        tile = self._tiles.get(name)
        if tile is not None:
            tile.show_picture(None, note)
