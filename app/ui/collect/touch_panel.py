"""The four pads, large enough to be read from two metres: heat for pressure, arrows for shear."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from app.ui import look
from app.ui.look import DARK, SIZES
from app.ui.view3d import ar
from app.ui.view3d.ar import TouchView
from app.ui.view3d.heat import heat
from devices.leader import Side
from devices.touch import NORMAL, SHEAR_COLUMNS, SHEAR_ROWS

ARROW_PITCHES_PER_N = 2.2  # an arrow is this many taxel pitches long for each newton of shear
VISIBLE_N = 0.001  # a taxel that changes by less looks the same
_HEAD = 18


class PadView(QWidget):
    """One pad. Dark where nothing presses; empty with a dash when nothing is known.

    Args:
        title: As in "Left inner".
        colour: Of the hand, #rrggbb.
    """

    def __init__(self, title: str, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(96, 80)
        self.setAccessibleName(f"Pad {title}")
        self._title, self._colour = title, colour
        self._field: npt.NDArray[np.floating] | None = None
        self._stale = False

    def sizeHint(self) -> QSize:
        return QSize(150, 118)

    def show_field(self, field: npt.NDArray[np.floating] | None, stale: bool) -> None:
        """The field [N], shape (rows, columns, 3), or None; `stale` when it has stopped coming."""
        if stale == self._stale and _looks_same(field, self._field):
            return
        self._field, self._stale = field, stale
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        self._head(painter)
        area = QRectF(0, _HEAD, self.width(), self.height() - _HEAD)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.floor))
        painter.drawRoundedRect(area, SIZES.radius_small, SIZES.radius_small)
        if self._field is None:
            painter.setPen(QColor(DARK.armed if self._stale else DARK.faint))
            words = "No fresh data" if self._stale else "–"
            painter.drawText(area, Qt.AlignmentFlag.AlignCenter, words)
            return
        self._cells(painter, area)

    def _head(self, painter: QPainter) -> None:
        """Name and total force; where both do not fit, the name gives way."""
        room = self.width()
        if self._field is not None:
            total = float(np.linalg.norm(ar.pad_force(self._field)))
            painter.setFont(look.font("strong"))
            text = f"{total:.1f} N"
            room -= painter.fontMetrics().horizontalAdvance(text)
            painter.setPen(QColor(DARK.text if total >= ar.FORCE_MIN_N else DARK.faint))
            painter.drawText(QPointF(room, 13), text)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(self._colour))
        metrics = painter.fontMetrics()
        name = metrics.elidedText(self._title, Qt.TextElideMode.ElideRight, room - SIZES.unit // 2)
        painter.drawText(QPointF(0, 12), name)

    def _cells(self, painter: QPainter, area: QRectF) -> None:
        """Heat as one small picture blown up, arrows over it."""
        field = np.asarray(self._field, dtype=np.float64)
        rows, columns = field.shape[:2]
        pitch = min(area.width() / (columns + 0.6), area.height() / (rows + 0.6))
        left = area.center().x() - pitch * columns / 2
        top = area.center().y() - pitch * rows / 2
        force = np.linalg.norm(field, axis=-1)
        if force.max() > 0.002:
            colours = np.empty((rows, columns, 4), dtype=np.uint8)
            colours[..., :3] = heat(force, ar.FIELD_FULL_N)
            colours[..., 3] = np.clip(255 * force / 0.05, 0, 235)
            image = QImage(
                colours.tobytes(), columns, rows, 4 * columns, QImage.Format.Format_RGBA8888
            )
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(left, top, pitch * columns, pitch * rows), image)
        xs = left + pitch * (np.arange(columns) + 0.5)
        ys = top + pitch * (np.arange(rows) + 0.5)
        grid_x, grid_y = np.meshgrid(xs, ys)
        quiet = QColor(DARK.edge)
        quiet.setAlpha(110)
        painter.setPen(QPen(quiet, max(1.2, 0.09 * pitch), cap=Qt.PenCapStyle.RoundCap))
        rest = force < 0.004
        dots = [QPointF(x, y) for x, y in zip(grid_x[rest], grid_y[rest], strict=True)]
        if dots:
            painter.drawPoints(*dots)
        live = ~rest
        if not live.any():
            return
        gain = ARROW_PITCHES_PER_N * pitch
        # The pad is seen as its gel is seen by a camera behind it: x right, y down.
        ends_x = grid_x + gain * field[..., SHEAR_COLUMNS]
        ends_y = grid_y + gain * field[..., SHEAR_ROWS]
        lines = [
            QLineF(*points)
            for points in zip(grid_x[live], grid_y[live], ends_x[live], ends_y[live], strict=True)
        ]
        for colour, width in (
            (QColor(0, 0, 0, 150), 0.24 * pitch),
            (QColor("white"), 0.13 * pitch),
        ):
            painter.setPen(QPen(colour, max(1.2, width), cap=Qt.PenCapStyle.RoundCap))
            painter.drawLines(*lines)
        painter.setPen(QPen(QColor("white"), max(2.0, 0.24 * pitch), cap=Qt.PenCapStyle.RoundCap))
        pressed = live & (field[..., NORMAL] > 0.02)
        tips = [QPointF(x, y) for x, y in zip(ends_x[pressed], ends_y[pressed], strict=True)]
        if tips:
            painter.drawPoints(*tips)


def _looks_same(
    new: npt.NDArray[np.floating] | None, shown: npt.NDArray[np.floating] | None
) -> bool:
    """Whether one field looks like the other: painting costs, comparing does not."""
    if new is None or shown is None:
        return new is shown
    return new.shape == shown.shape and bool(np.abs(new - shown).max() < VISIBLE_N)


class TouchPanel(QWidget):
    """All pads of the robot, the left hand left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SIZES.unit)
        self._pads: dict[str, PadView] = {}

    def set_pads(self, pads: Mapping[str, Side]) -> None:
        """Which pads there are, with their hands."""
        if set(pads) == set(self._pads):
            return
        for old in self._pads.values():
            old.deleteLater()
        self._pads.clear()
        below: dict[Side, int] = {"left": 0, "right": 0}
        for name, side in pads.items():
            colour = DARK.left_hand if side == "left" else DARK.right_hand
            view = PadView(name.replace("_", " ").capitalize(), colour)
            # The two jaws of a hand stand side by side, as they do in the gripper.
            column = below[side]
            below[side] += 1
            self._grid.addWidget(view, 0 if side == "left" else 1, column)
            self._pads[name] = view

    def show_touch(self, touch: TouchView) -> None:
        """What is felt now."""
        for name, view in self._pads.items():
            view.show_field(touch.fields.get(name), f"{name}_pad/tactile" in touch.stale)
