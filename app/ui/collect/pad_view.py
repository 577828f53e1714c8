"""One pad: its gel as a picture, and beside it what it carries: force, shear, torsion, slip."""

from __future__ import annotations

import math

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui import look
from app.ui.look import DARK, SIZES
from app.ui.view3d import ar
from app.ui.view3d.ar import PadTouch
from app.ui.view3d.heat import heat

GRIDS = {63: (7, 9), 25: (5, 5)}
"""Rows and columns of the markers, by their number."""
PITCH_M = 0.0026  # [m] between markers: what an arrow of one pitch would stand for without gain
DRAG_GAIN = 6.0
VISIBLE_M = 4e-6  # a marker that moves less looks the same
SHEAR_FULL_N = 6.0  # the dial's arrow reaches its rim
TORSION_FULL_NM = 0.06  # the dial's arc goes half round
SLIP_WARM, SLIP_HOT = 0.5, 0.85
FLASH_FRAMES = 5  # at 20 a second: the ring of a contact that has just begun
_WIDE = 9 / 7
HINT = (
    "Picture: how the gel moves, brighter where it moves more.\n"
    "Number: normal force. Dial: shear as an arrow, torsion as an arc. Bar: how near it is to slip."
)


class PadView(QWidget):
    """One pad. Dark where nothing presses; a dash when nothing is known.

    Args:
        title: As in "Left inner".
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 52)
        self.setAccessibleName(f"Pad {title}")
        self.setToolTip(f"{title} pad\n{HINT}")
        self._word = title.split()[-1]
        self._felt: PadTouch | None = None
        self._stale = False
        self._why = ""
        self._doubtful = False
        self._flash = 0

    def sizeHint(self) -> QSize:
        return QSize(150, 76)

    def show_pad(
        self, felt: PadTouch | None, stale: bool, why: str = "", doubtful: bool = False
    ) -> None:
        """What the pad feels, or None.

        Args:
            stale: It has stopped coming.
            why: Why there is nothing, in a word or two.
            doubtful: It tells something, but its sensor is not as it should be.
        """
        if (why, doubtful) != (self._why, self._doubtful):
            self._why, self._doubtful = why, doubtful
            self.setAccessibleDescription(why or ("Sensor doubtful" if doubtful else ""))
            self.update()
        began = felt is not None and felt.contact and not (self._felt and self._felt.contact)
        if began and self._felt is not None:
            self._flash = FLASH_FRAMES
        elif self._flash:
            self._flash -= 1
        elif stale == self._stale and _looks_same(felt, self._felt):
            return
        self._felt, self._stale = felt, stale
        self.update()

    # -------------------------------------------------------------------------------- painting
    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        height = float(self.height())
        readout = min(max(52.0, 0.36 * self.width()), 92.0)
        width = min(self.width() - readout - SIZES.unit, _WIDE * height)
        gel = QRectF(0, 0, width, height)
        self._gel(painter, gel)
        self._readout(painter, QRectF(width + SIZES.unit, 0, self.width() - width - 8, height))

    def _gel(self, painter: QPainter, area: QRectF) -> None:
        """Depth as heat, motion along the gel as arrows."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.floor))
        painter.drawRoundedRect(area, SIZES.radius_small, SIZES.radius_small)
        felt = self._felt
        if felt is None:
            painter.setFont(look.font("caption"))
            painter.setPen(QColor(DARK.armed if self._stale or self._why else DARK.faint))
            words = self._why or ("No fresh data" if self._stale else "–")
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(area.adjusted(4, 0, -4, 0), flags, words)
            return
        rows, columns = GRIDS.get(len(felt.deformation), GRIDS[63])
        pitch = min(area.width() / (columns + 0.6), area.height() / (rows + 0.6))
        left = area.center().x() - pitch * columns / 2
        top = area.center().y() - pitch * rows / 2
        moved = np.asarray(felt.deformation, dtype=np.float64)
        size = np.sqrt((moved * moved).sum(axis=-1))
        if size.max() > VISIBLE_M:
            colours = np.empty((rows * columns, 4), dtype=np.uint8)
            colours[:, :3] = heat(size, ar.DEFORMATION_FULL_M)
            colours[:, 3] = np.clip(255 * size / 8e-5, 0, 235)
            image = QImage(
                colours.tobytes(), columns, rows, 4 * columns, QImage.Format.Format_RGBA8888
            )
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            # Whole pixels: a picture that begins between two is blown up thirty times as slowly.
            place = QRectF(left, top, pitch * columns, pitch * rows).toAlignedRect()
            painter.drawImage(place, image)
        self._arrows(painter, moved, size, (rows, columns), QPointF(left, top), pitch)
        self._contact(painter, area, felt.contact)
        if self._doubtful:
            self._doubt(painter, area)

    def _doubt(self, painter: QPainter, area: QRectF) -> None:
        """An amber frame and a sign: what is shown may be wrong; the line below says why."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(DARK.armed), 2))
        box = area.adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(box, SIZES.radius_small, SIZES.radius_small)
        side = 16.0
        place = QRectF(area.right() - side - 4, area.top() + 4, side, side)
        painter.drawPixmap(place.topLeft(), look.pixmap("warning", 16, DARK.armed))

    def _arrows(
        self,
        painter: QPainter,
        moved: np.ndarray,
        size: np.ndarray,
        grid: tuple[int, int],
        corner: QPointF,
        pitch: float,
    ) -> None:
        # The pad is seen as its gel is seen by a camera behind it: x right, y down.
        x, y = np.meshgrid(np.arange(grid[1]) + 0.5, np.arange(grid[0]) + 0.5)
        at = pitch * np.stack([x.ravel(), y.ravel()], axis=-1) + [corner.x(), corner.y()]
        rest = size < VISIBLE_M
        quiet = QColor(DARK.edge)
        quiet.setAlpha(110)
        painter.setPen(QPen(quiet, max(1.2, 0.09 * pitch), cap=Qt.PenCapStyle.RoundCap))
        dots = [QPointF(*one) for one in at[rest].tolist()]
        if dots:
            painter.drawPoints(*dots)
        live = ~rest
        if not live.any():
            return
        ends = at + DRAG_GAIN * pitch / PITCH_M * moved[:, :2]
        lines = [QLineF(*one) for one in np.hstack([at[live], ends[live]]).tolist()]
        for colour, width in (
            (QColor("black"), 0.24 * pitch),
            (QColor("white"), 0.13 * pitch),
        ):
            # Opaque and with flat ends: the heads cover one, and both cost a multiple else.
            painter.setPen(QPen(colour, max(1.2, width), cap=Qt.PenCapStyle.FlatCap))
            painter.drawLines(*lines)
        painter.setPen(QPen(QColor("white"), max(2.0, 0.24 * pitch), cap=Qt.PenCapStyle.RoundCap))
        painter.drawPoints(*[QPointF(*one) for one in ends[live].tolist()])

    def _contact(self, painter: QPainter, area: QRectF, contact: bool) -> None:
        """A ring while something is touched; bright and thick when that has just begun."""
        if not contact:
            return
        fresh = self._flash / FLASH_FRAMES
        colour = QColor(DARK.text if fresh else DARK.edge)
        width = 1.2 + 2.2 * fresh
        painter.setPen(QPen(colour, width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        inset = width / 2
        painter.drawRoundedRect(
            area.adjusted(inset, inset, -inset, -inset), SIZES.radius_small, SIZES.radius_small
        )

    # --------------------------------------------------------------------------------- readout
    def _readout(self, painter: QPainter, area: QRectF) -> None:
        """Normal force on top, the dial of shear and torsion, the bar of slip below."""
        felt = self._felt
        large = area.height() > 96
        number = look.font("headline" if large else "title")
        painter.setFont(number)
        metrics = painter.fontMetrics()
        line = float(metrics.capHeight() + 4)
        words = "–" if felt is None else f"{max(0.0, float(felt.reading[0])):.1f}"
        quiet = felt is None or felt.force < ar.FORCE_MIN_N
        painter.setPen(QColor(DARK.faint if quiet else DARK.text))
        # Numbers stand on one right edge, so that they do not dance.
        painter.setFont(look.font("caption"))
        unit = painter.fontMetrics().horizontalAdvance(" N")
        painter.setFont(number)
        right = area.left() + min(area.width(), 84.0)
        painter.drawText(QPointF(right - unit - metrics.horizontalAdvance(words), line - 2), words)
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(DARK.faint))
        painter.drawText(QPointF(right - unit, line - 2), " N")
        caption = painter.fontMetrics()
        if large:
            painter.drawText(QPointF(area.left(), line + 14), self._word)
        bar = QRectF(area.left(), area.bottom() - 6, right - area.left(), 5)
        top = line + (18 if large else 3)
        side = min(right - area.left(), bar.top() - top - 4)
        if side >= 14:
            dial = QRectF(right - side, top, side, side)
            if large:
                dial.moveCenter(QPointF((area.left() + right) / 2, dial.center().y()))
            self._dial(painter, dial)
            room = dial.left() - area.left()
            if not large and room > caption.horizontalAdvance(self._word):
                painter.setPen(QColor(DARK.faint))
                painter.setFont(look.font("caption"))
                painter.drawText(QPointF(area.left(), bar.top() - 5), self._word)
        self._slip(painter, bar)

    def _dial(self, painter: QPainter, box: QRectF) -> None:
        """Shear as an arrow from the middle, torsion as an arc along the rim from the top."""
        rim = QRectF(box.adjusted(2.5, 2.5, -2.5, -2.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(DARK.lifted), 2.0))
        painter.drawEllipse(rim)
        felt = self._felt
        if felt is None:
            return
        shear = felt.reading[1:3]
        size = float(math.hypot(*shear))
        turn = float(np.clip(felt.reading[3] / TORSION_FULL_NM, -1.0, 1.0))
        if abs(turn) > 0.02:
            painter.setPen(QPen(QColor(DARK.accent), 3.5, cap=Qt.PenCapStyle.RoundCap))
            # Qt counts sixteenths of a degree against the clock; y points down on the gel, so a
            # positive moment turns with the clock.
            painter.drawArc(rim, 90 * 16, round(-turn * 180 * 16))
        centre = rim.center()
        if size < 0.1:
            painter.setPen(QPen(QColor(DARK.edge), 3.0, cap=Qt.PenCapStyle.RoundCap))
            painter.drawPoint(centre)
            return
        reach = (rim.width() / 2 - 3.0) * math.sqrt(min(1.0, size / SHEAR_FULL_N))
        way = QPointF(*(shear / size).tolist())
        tip = centre + way * reach
        painter.setPen(QPen(QColor(DARK.text), 2.4, cap=Qt.PenCapStyle.RoundCap))
        painter.drawLine(centre, tip)
        painter.setPen(QPen(QColor(DARK.text), 6.0, cap=Qt.PenCapStyle.RoundCap))
        painter.drawPoint(tip)

    def _slip(self, painter: QPainter, bar: QRectF) -> None:
        """How near sliding is: a bar that fills and warms up."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.lifted))
        painter.drawRoundedRect(bar, 2.5, 2.5)
        slip = 0.0 if self._felt is None else float(np.clip(self._felt.reading[4], 0.0, 1.0))
        if slip < 0.02:
            return
        painter.setBrush(QColor(slip_colour(slip)))
        filled = QRectF(bar)
        filled.setWidth(max(bar.height(), slip * bar.width()))
        painter.drawRoundedRect(filled, 2.5, 2.5)


def slip_colour(slip: float) -> str:
    """From quiet to hot; the bar's length tells the same."""
    if slip < SLIP_WARM:
        return DARK.soft
    return DARK.armed if slip < SLIP_HOT else DARK.recording


def _looks_same(new: PadTouch | None, shown: PadTouch | None) -> bool:
    """Whether one looks like the other: painting costs, comparing does not."""
    if new is None or shown is None:
        return new is shown
    steps = np.array([0.04, 0.05, 0.05, 0.001, 0.015, 0.5, 0.5, 0.5])
    change = np.abs(np.nan_to_num(new.reading) - np.nan_to_num(shown.reading))
    return bool(
        (change < steps).all() and np.abs(new.deformation - shown.deformation).max() < VISIBLE_M
    )
