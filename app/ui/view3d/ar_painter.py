"""Paints the AR layer over a picture of the 3-D view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PyQt6.QtCore import QLineF, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QLinearGradient, QPainter, QPainterPath, QPen, QPolygonF

from app.ui import look
from app.ui.look import DARK, SIZES
from app.ui.view3d import ar
from app.ui.view3d.ar import Box, PadTouch, TouchView
from app.ui.view3d.drag import Grip, Handles
from app.ui.view3d.heat import heat_colour, heat_level, heat_table
from app.ui.view3d.paths import GhostPath, paint_paths
from app.ui.view3d.shot import Frame
from app.ui.view3d.viewpoint import NEAR
from devices.leader import Side
from devices.stream import FloatArray
from devices.touch import PadGeometry

BAND_COLOURS = {
    "": DARK.text,
    "free": DARK.soft,
    "below": DARK.armed,
    "within": DARK.kept,
    "above": DARK.recording,
}
_PAD_FULL_N = 60.0  # of a whole pad, for its dot seen from afar
_BANDS = 8  # colours of one field are drawn in this many strokes
_FIELD_MIN_PITCH = 2.2  # [px] between taxels below which single arrows cannot be told apart


@dataclass(frozen=True)
class ArScene:
    """All that the AR layer may show at one moment.

    Attributes:
        touch: What is felt.
        pads: Per pad, its geometry.
        pad_side: Per pad, its arm.
        boxes: Per side, the workspace.
        layers: Names of the layers that are on.
        handles: Handles of the hand that the pointer is near or holds, with its side.
        grip: The part under the pointer or held.
        held: Whether the pointer holds it.
        driven: The hand that keys drive.
        paths: Where a policy wants to go.
    """

    touch: TouchView = field(default_factory=TouchView)
    pads: Mapping[str, PadGeometry] = field(default_factory=dict)
    pad_side: Mapping[str, Side] = field(default_factory=dict)
    boxes: Mapping[Side, Box] = field(default_factory=dict)
    layers: frozenset[str] = frozenset()
    handles: tuple[Side, Handles] | None = None
    grip: Grip | None = None
    held: bool = False
    driven: Side | None = None
    paths: tuple[GhostPath, ...] = ()


class ArPainter:
    """Paints one `ArScene` over one `Frame`. Made for one paint event.

    Args:
        painter: On a surface of `width` by `height`.
        width, height: [px], device independent.
    """

    def __init__(self, painter: QPainter, frame: Frame, width: float, height: float) -> None:
        self._p = painter
        self._frame = frame
        self._width, self._height = width, height
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def paint(self, scene: ArScene) -> None:
        """Everything, from the quiet to the loud."""
        if "workspace" in scene.layers:
            for side, box in scene.boxes.items():
                self._workspace(side, box)
        if "contacts" in scene.layers:
            self._contacts()
        if "field" in scene.layers:
            for pad, felt in scene.touch.pads.items():
                if pad in self._frame.pads:
                    self._field(pad, scene, felt)
        if "chunk" in scene.layers:
            eye = self._frame.viewpoint
            paint_paths(self._p, eye, scene.paths, self._width, self._height)
        if "force" in scene.layers:
            for side, wrench in scene.touch.wrench.items():
                if f"{side}_arm/wrench" not in scene.touch.stale:
                    self._force(side, wrench, scene.touch)
        if scene.handles is not None:
            self._handles(*scene.handles, scene.grip, scene.held)
        if "field" in scene.layers:
            if scene.touch.pads:
                self._legend(any(felt.band for felt in scene.touch.pads.values()))
            elif scene.touch.note:
                self._absent(scene.touch)

    # ---------------------------------------------------------------------------------- layers
    def _field(self, pad: str, scene: ArScene, felt: PadTouch) -> None:
        pose, geometry = self._frame.pads[pad], scene.pads[pad]
        arrows = ar.field_arrows(pose, geometry, felt.deformation)
        live = arrows.moved > ar.STILL_M
        starts, feet, ends = (
            self._project(points) for points in (arrows.starts, arrows.feet, arrows.ends)
        )
        if min(starts[:, 2].min(), ends[:, 2].min()) < NEAR:
            return
        pixel = self._frame.viewpoint.focal(self._height) / float(starts[:, 2].mean())
        pitch = pixel * min(geometry.pitch)
        if pitch < _FIELD_MIN_PITCH:
            self._field_sum(pose.position, felt)
            return
        size = float(np.clip(pitch * 0.28, 0.9, 5.0))
        if pitch > 6.0:
            quiet = [QPointF(a[0], a[1]) for a in starts[~live]]
            self._p.setPen(_pen(QColor(255, 255, 255, 60), max(1.0, 0.5 * size)))
            if quiet:
                self._p.drawPoints(*quiet)
        if not live.any():
            return
        # A dark lining first, so that the arrows stand out from bright things behind them.
        self._p.setPen(_pen(QColor(0, 0, 0, 130), size + 1.6))
        self._p.drawLines(*_lines(feet, ends, live))
        # How far the gel is pressed in: thin stems from the gel to where the arrows stand.
        self._p.setPen(_pen(QColor(255, 255, 255, 70), max(0.8, 0.4 * size)))
        self._p.drawLines(*_lines(starts, feet, live))
        level = heat_level(arrows.moved, ar.DEFORMATION_FULL_M) * _BANDS
        level = np.clip(level, 0, _BANDS - 1).astype(int)
        head = QColor(BAND_COLOURS[felt.band]) if felt.band else None
        for band in range(_BANDS):
            mine = live & (level == band)
            if not mine.any():
                continue
            full = ar.DEFORMATION_FULL_M
            colour = heat_colour(((band + 0.5) / _BANDS) ** 2 * full, full)
            self._p.setPen(_pen(colour, size))
            self._p.drawLines(*_lines(feet, ends, mine))
            self._p.setPen(_pen(head or colour, size * 1.9))
            self._p.drawPoints(*[QPointF(b[0], b[1]) for b in ends[mine]])

    def _field_sum(self, at: FloatArray, felt: PadTouch) -> None:
        """From afar: one glowing dot a pad, as big and as hot as the whole force."""
        force = felt.force
        if force < ar.FORCE_MIN_N:
            return
        point = self._project(at[None])[0]
        radius = 3.0 + 1.2 * np.sqrt(force)
        self._p.setPen(Qt.PenStyle.NoPen)
        self._p.setBrush(heat_colour(force, _PAD_FULL_N, 70))
        self._p.drawEllipse(QPointF(point[0], point[1]), 1.9 * radius, 1.9 * radius)
        self._p.setBrush(heat_colour(force, _PAD_FULL_N, 230))
        if felt.band:
            self._p.setPen(_pen(QColor(BAND_COLOURS[felt.band]), 2.0))
        self._p.drawEllipse(QPointF(point[0], point[1]), 0.8 * radius, 0.8 * radius)

    def _force(self, side: Side, wrench: FloatArray, touch: TouchView) -> None:
        tool = self._frame.tools.get(side)
        if tool is None:
            return
        tip = ar.force_tip(tool, wrench)
        if tip is None:
            return
        ends = self._project(np.array([tool.position, tip]))
        if ends[:, 2].min() < NEAR:
            return
        size = float(np.linalg.norm(np.asarray(wrench)[:3]))
        colour = QColor(BAND_COLOURS[touch.bands.get(side) or ar.band_word(size, touch.band)])
        a, b = QPointF(ends[0, 0], ends[0, 1]), QPointF(ends[1, 0], ends[1, 1])
        self._arrow(a, b, colour, 4.5)
        self._label(b, f"{size:.1f} N", colour)

    def _contacts(self) -> None:
        points = self._project(self._frame.contact_points)
        for (x, y, depth), force in zip(points, self._frame.contact_forces, strict=True):
            if depth < NEAR or force < 0.05:
                continue
            radius = float(np.clip(1.6 + 0.7 * np.sqrt(force), 1.6, 6.0))
            self._p.setPen(_pen(QColor(0, 0, 0, 140), 1.0))
            self._p.setBrush(QColor(255, 255, 255, 200))
            self._p.drawEllipse(QPointF(x, y), radius, radius)

    def _workspace(self, side: Side, box: Box) -> None:
        hue = QColor(_hand(side))
        edges = self._project(ar.box_edges(box).reshape(-1, 3)).reshape(12, 2, 3)
        hue.setAlpha(46)
        self._p.setPen(_pen(hue, 1.0))
        for a, b in edges:
            if min(a[2], b[2]) > NEAR:
                self._p.drawLine(QLineF(a[0], a[1], b[0], b[1]))
        tool = self._frame.tools.get(side)
        if tool is None:
            return
        for face, nearness in ar.near_faces(box, tool.position):
            corners = self._project(face)
            if corners[:, 2].min() < NEAR:
                continue
            wash = QColor(DARK.armed)
            wash.setAlpha(round(20 + 60 * nearness))
            rim = QColor(DARK.armed)
            rim.setAlpha(round(80 + 150 * nearness))
            self._p.setPen(_pen(rim, 1.5))
            self._p.setBrush(wash)
            self._p.drawPolygon(QPolygonF([QPointF(c[0], c[1]) for c in corners]))

    def _handles(self, side: Side, marks: Handles, grip: Grip | None, held: bool) -> None:
        """Three arrows and three rings, quiet until the pointer is on one."""
        centre = QPointF(marks.centre[0], marks.centre[1])
        part = grip.part if grip is not None and grip.side == side else ""
        colours = (QColor(DARK.axis_x), QColor(DARK.axis_y), QColor(DARK.axis_z))
        self._p.setBrush(Qt.BrushStyle.NoBrush)
        for axis, name in enumerate("xyz"):
            hot = part == f"turn_{name}"
            colour = QColor(colours[axis])
            colour.setAlpha(255 if hot else 0 if held else 90)
            self._p.setPen(_pen(colour, 3.5 if hot else 1.4))
            ring = QPolygonF([QPointF(x, y) for x, y in marks.rings[axis]])
            self._p.drawPolygon(ring)
        for axis, name in enumerate("xyz"):
            hot = part == f"move_{name}"
            tip = QPointF(*marks.tips[axis])
            length = np.hypot(tip.x() - centre.x(), tip.y() - centre.y())
            if length < 12 or (held and not hot):
                continue
            colour = QColor(colours[axis])
            colour.setAlpha(255 if hot else 215)
            # Begin outside the gripper: the body is for dragging, and stays visible.
            start = centre + (tip - centre) * 0.42
            self._arrow(start, tip, colour, 4.2 if hot else 2.8)
        if part == "body" or held:
            colour = QColor(_hand(side))
            colour.setAlpha(230)
            self._p.setPen(_pen(colour, 2.0))
            self._p.setBrush(Qt.BrushStyle.NoBrush)
            self._p.drawEllipse(centre, 17.0, 17.0)

    def _legend(self, band: bool) -> None:
        """The colour scale of the field, and of its heads, in the lower left corner."""
        left, top = SIZES.gap, self._height - 34.0
        bar = QRectF(left, top + 16, 120, 6)
        self._p.setFont(look.font("caption"))
        metrics = self._p.fontMetrics()
        full = f"{1e3 * ar.DEFORMATION_FULL_M:g} mm"
        words = ("below", "within", "above")
        heads = bar.right() + 8 + metrics.horizontalAdvance(full) + SIZES.gap
        width = heads - left
        if band:
            width += sum(17 + metrics.horizontalAdvance(word) for word in words)
        self._plate(QRectF(left - 8, top - 4, width + 12, 34))
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for stop in range(0, 256, 32):
            red, green, blue = (int(c) for c in heat_table()[stop])
            gradient.setColorAt(stop / 255, QColor(red, green, blue))
        self._p.setPen(Qt.PenStyle.NoPen)
        self._p.setBrush(gradient)
        self._p.drawRoundedRect(bar, 3, 3)
        self._p.setPen(QColor(DARK.soft))
        self._p.drawText(QPointF(left, top + 11), "Gel moved")
        self._p.setPen(QColor(DARK.faint))
        # The scale is a square root, so its middle is a quarter of its end.
        self._p.drawText(QPointF(bar.right() + 8, bar.bottom() + 1), full)
        if not band:
            return
        x = heads
        self._p.setPen(QColor(DARK.soft))
        self._p.drawText(QPointF(x, top + 11), "Heads: force band")
        for word in words:
            self._p.setPen(Qt.PenStyle.NoPen)
            self._p.setBrush(QColor(BAND_COLOURS[word]))
            self._p.drawEllipse(QPointF(x + 4, top + 19), 3.5, 3.5)
            self._p.setPen(QColor(DARK.faint))
            self._p.drawText(QPointF(x + 11, top + 23), word)
            x += 17 + metrics.horizontalAdvance(word)

    def _absent(self, touch: TouchView) -> None:
        """Why no field is drawn, where its legend would be."""
        self._p.setFont(look.font("caption"))
        width = self._p.fontMetrics().horizontalAdvance(touch.note)
        left, top = SIZES.gap, self._height - 30.0
        self._plate(QRectF(left - 8, top, width + 16, 24))
        self._p.setPen(QColor(DARK.fault if touch.fault else DARK.soft))
        self._p.drawText(QPointF(left, top + 16), touch.note)

    def _plate(self, box: QRectF) -> None:
        self._p.setPen(Qt.PenStyle.NoPen)
        self._p.setBrush(QColor(14, 17, 21, 150))
        self._p.drawRoundedRect(box, 5, 5)

    # ------------------------------------------------------------------------------------ tools
    def _project(self, points: FloatArray) -> FloatArray:
        return self._frame.viewpoint.project(points, self._width, self._height)

    def _arrow(self, a: QPointF, b: QPointF, colour: QColor, width: float) -> None:
        """An arrow with a dark lining, so that it stands out from whatever is behind it."""
        line = QLineF(a, b)
        length = line.length()
        if length < 1.0:
            return
        head = min(length, 3.4 * width)
        along = (b - a) / length
        across = QPointF(-along.y(), along.x())
        neck = b - along * head
        shape = QPainterPath(a + across * width / 2)
        for point in (
            neck + across * width / 2,
            neck + across * head * 0.52,
            b,
            neck - across * head * 0.52,
            neck - across * width / 2,
            a - across * width / 2,
        ):
            shape.lineTo(point)
        shape.closeSubpath()
        lining = QColor(0, 0, 0, round(0.6 * colour.alpha()))
        self._p.setPen(_pen(lining, 2.4))
        self._p.setBrush(Qt.BrushStyle.NoBrush)
        self._p.drawPath(shape)
        self._p.fillPath(shape, colour)

    def _label(self, at: QPointF, text: str, colour: QColor) -> None:
        self._p.setFont(look.font("strong"))
        metrics = self._p.fontMetrics()
        box = QRectF(at.x() + 10, at.y() - 12, metrics.horizontalAdvance(text) + 14, 22)
        self._p.setPen(Qt.PenStyle.NoPen)
        self._p.setBrush(QColor(14, 17, 21, 190))
        self._p.drawRoundedRect(box, 5, 5)
        self._p.setPen(colour)
        self._p.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _lines(a: FloatArray, b: FloatArray, which: npt.NDArray[np.bool_]) -> list[QLineF]:
    """Lines between points on the screen, shape (n, 3) each, of those that `which` names."""
    return [QLineF(*ends) for ends in np.hstack([a[which, :2], b[which, :2]]).tolist()]


def _pen(colour: QColor, width: float) -> QPen:
    return QPen(
        colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
    )


def _hand(side: Side) -> str:
    return DARK.left_hand if side == "left" else DARK.right_hand
