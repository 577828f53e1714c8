"""The live picture: head and controllers from above and from the side, grips and triggers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtCore import QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app.ui import look
from app.ui.headset.plan import Controller, Frame, Posture, Push, yaw_of
from app.ui.look import DARK, SIZES
from devices.leader import SIDES, Side

REACH_M = 0.8  # from the head to the edge of the plan
TOP_M = 1.9  # the side view shows this much above the floor
_METER = 60  # height of the row of grips and triggers [px]


Spot = tuple[float, float, float]
"""Right of the head, ahead of it, above the floor [m]."""
OnPlan = Callable[[float, float], QPointF]
"""From (right, ahead) [m] to pixels."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is drawn.

    Attributes:
        frame: Whose eyes it is drawn for.
        posture: Head and hands.
        trails: Where the hands came from, newest last; posted positions.
        push: The push so far, while the set-up asks for one.
        ask_grip: The hand whose grip is asked for, or None.
        rays: Show where the controllers point.
        found: Turn and spread that the push has told [rad], or None.
    """

    frame: Frame
    posture: Posture
    trails: dict[Side, tuple[tuple[float, float, float], ...]]
    push: Push | None = None
    ask_grip: Side | None = None
    rays: bool = False
    found: tuple[float, float] | None = None


SPREAD_RAD = math.radians(3.0)
"""A push that scatters more is amber: arms would go askew by as much."""


def degrees(angle: float) -> str:
    """An angle [rad] to the nearest degree, with its sign."""
    return f"{math.degrees(angle):+.0f}°".replace("-", "\u2212")


def spread_words(spread: float) -> str:
    """A spread [rad] as it is told everywhere."""
    return f"±{math.degrees(spread):.1f}°"


def hand_colour(side: Side) -> str:
    return DARK.left_hand if side == "left" else DARK.right_hand


class LivePicture(QWidget):
    """Shows a `Scene`, or says in words why there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 200)
        self.setAccessibleName("Live picture of head and controllers")
        self._scene: Scene | None = None
        self._empty = ("", "")

    @property
    def scene(self) -> Scene | None:
        return self._scene

    def show_scene(self, scene: Scene) -> None:
        self._scene = scene
        self.update()

    def show_empty(self, title: str, text: str) -> None:
        """Nothing to draw: why, and what to do."""
        if self._scene is None and self._empty == (title, text):
            return
        self._scene, self._empty = None, (title, text)
        self.update()

    def empty_words(self) -> tuple[str, str]:
        """Title and text of the empty state; both "" while there is a picture."""
        return ("", "") if self._scene is not None else self._empty

    # -------------------------------------------------------------------------------- painting
    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(QColor(DARK.hairline)))
        painter.setBrush(QColor(DARK.floor))
        painter.drawRoundedRect(box, SIZES.radius_large, SIZES.radius_large)
        if self._scene is None:
            self._paint_empty(painter, box)
            return
        views = box.adjusted(0, 0, 0, -_METER)
        wide = views.width() > 1.3 * views.height()
        top = QRectF(views)
        if wide:
            top.setWidth(round(views.width() * 0.56))
        self._paint_top(painter, top, self._scene)
        if wide:
            side = QRectF(top.right(), views.top(), views.right() - top.right(), views.height())
            painter.setPen(QPen(QColor(DARK.hairline)))
            painter.drawLine(side.topLeft(), side.bottomLeft())
            self._paint_side(painter, side, self._scene)
        meters = QRectF(box.left(), views.bottom(), box.width(), _METER)
        painter.setPen(QPen(QColor(DARK.hairline)))
        painter.drawLine(meters.topLeft(), meters.topRight())
        half = meters.width() / 2
        for number, side_name in enumerate(SIDES):
            area = QRectF(meters.left() + number * half, meters.top(), half, meters.height())
            self._paint_meter(painter, area, side_name, self._scene)

    def _paint_empty(self, painter: QPainter, box: QRectF) -> None:
        title, text = self._empty
        middle = box.center().y()
        painter.setPen(QPen(QColor(DARK.hairline), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setFont(look.font("title"))
        painter.setPen(QColor(DARK.soft))
        upper = QRectF(box.left() + 24, middle - 40, box.width() - 48, 28)
        painter.drawText(upper, Qt.AlignmentFlag.AlignCenter, title)
        painter.setFont(look.font("body"))
        painter.setPen(QColor(DARK.faint))
        width = min(460.0, box.width() - 48)
        lower = QRectF(box.center().x() - width / 2, middle - 4, width, 80)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        painter.drawText(lower, int(flags) | int(Qt.TextFlag.TextWordWrap), text)

    def _paint_top(self, painter: QPainter, area: QRectF, scene: Scene) -> None:
        painter.save()
        painter.setClipRect(area)
        scale = min(area.width(), area.height()) / 2 / REACH_M
        # The hands work ahead of the head: it sits low, and the picture is theirs.
        centre = QPointF(area.center().x(), area.center().y() + 0.32 * area.height())

        def at(right: float, ahead: float) -> QPointF:
            return QPointF(centre.x() + right * scale, centre.y() - ahead * scale)

        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(DARK.hairline), 1))
        for ring in (0.25, 0.5, 0.75, 1.0):
            painter.drawEllipse(centre, ring * scale, ring * scale)
        painter.setPen(QPen(QColor(DARK.lifted), 1.5, Qt.PenStyle.DashLine))
        # From below the caption, which it would cross.
        painter.drawLine(centre, QPointF(centre.x(), max(at(0, 3.0).y(), area.top() + 40)))
        self._caption(painter, area, "FROM ABOVE", "rings: 25 cm")
        self._label(painter, at(0.02, 0.93), "ahead", DARK.faint)
        self._paint_trails(painter, scene, lambda p: at(p[0], p[1]))
        if scene.push is not None:
            self._paint_push(painter, scene, scene.push, at)
        if scene.posture.head is not None:
            self._head(painter, at, scene.posture.head, scene.frame, scale)
        for side in SIDES:
            hand = scene.posture.hand(side)
            if hand is None:
                continue
            right, ahead, _ = scene.frame.point(hand.position)
            yaw = yaw_of(hand.quaternion)
            bearing = scene.frame.bearing(yaw) if yaw is not None else 0.0
            spot = at(right, ahead)
            if scene.rays:
                far = at(right + 0.5 * math.sin(bearing), ahead + 0.5 * math.cos(bearing))
                held = hand.trigger >= 0.5
                line = Qt.PenStyle.SolidLine if held else Qt.PenStyle.DashLine
                painter.setPen(QPen(QColor(hand_colour(side)), 3 if held else 1.5, line))
                painter.drawLine(spot, far)
            self._controller(painter, spot, bearing, side, hand, scale, scene.ask_grip == side)
        painter.restore()
        if scene.found is not None:
            turn, spread = scene.found
            painter.setFont(look.font("title"))
            painter.setPen(QColor(DARK.kept if spread <= SPREAD_RAD else DARK.armed))
            corner = area.adjusted(20, 0, -20, -14)
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
            painter.drawText(corner, flags, f"Push: {degrees(turn)}  {spread_words(spread)}")

    def _paint_side(self, painter: QPainter, area: QRectF, scene: Scene) -> None:
        painter.save()
        painter.setClipRect(area)
        scale = min((area.height() - 56) / TOP_M, area.width() / 2 / REACH_M)
        floor = area.bottom() - 20
        left = area.left() + 0.32 * area.width()

        def at(ahead: float, height: float) -> QPointF:
            return QPointF(left + ahead * scale, floor - height * scale)

        painter.setPen(QPen(QColor(DARK.hairline), 1))
        for height in (0.5, 1.0, 1.5):
            y = math.floor(floor - height * scale) + 0.5
            painter.drawLine(QPointF(area.left() + 12, y), QPointF(area.right() - 12, y))
            # At the right, over the line: head and hands are at the left.
            painter.setFont(look.font("caption"))
            words = f"{height:.1f} m"
            wide = painter.fontMetrics().horizontalAdvance(words)
            spot = QPointF(area.right() - 12 - wide, y - 4)
            self._label(painter, spot, words, DARK.faint)
            painter.setPen(QPen(QColor(DARK.hairline), 1))
        painter.setPen(QPen(QColor(DARK.lifted), 1.5))
        painter.drawLine(QPointF(area.left() + 12, floor), QPointF(area.right() - 12, floor))
        self._caption(painter, area, "FROM THE SIDE", "ahead is right")
        self._paint_trails(painter, scene, lambda p: at(p[1], p[2]))
        if scene.posture.head is not None:
            _, ahead, height = scene.frame.point(scene.posture.head.position)
            spot, radius = at(ahead, height), max(9.0, 0.1 * scale)
            painter.setPen(QPen(QColor(DARK.soft), 2))
            painter.setBrush(QColor(DARK.raised))
            painter.drawEllipse(spot, radius, radius)
            visor = QRectF(spot.x() + 0.35 * radius, spot.y() - 0.45 * radius, radius, 0.8 * radius)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(DARK.soft))
            painter.drawRoundedRect(visor, 3, 3)
        for side in SIDES:
            hand = scene.posture.hand(side)
            if hand is None:
                continue
            _, ahead, height = scene.frame.point(hand.position)
            spot = at(ahead, height)
            self._controller(painter, spot, math.pi / 2, side, hand, scale, scene.ask_grip == side)
        painter.restore()

    def _paint_trails(self, painter: QPainter, scene: Scene, at: Callable[[Spot], QPointF]) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for side, trail in scene.trails.items():
            if len(trail) < 2:
                continue
            colour = QColor(hand_colour(side))
            for number in range(1, len(trail)):
                colour.setAlphaF(0.5 * number / len(trail))
                painter.setPen(QPen(colour, 2.5, cap=Qt.PenCapStyle.RoundCap))
                painter.drawLine(at(trail[number - 1]), at(trail[number]))

    def _paint_push(self, painter: QPainter, scene: Scene, push: Push, at: OnPlan) -> None:
        points = [scene.frame.point(p) for p in push.path]
        start, end = at(points[0][0], points[0][1]), at(points[-1][0], points[-1][1])
        path = QPainterPath(start)
        for point in points[1:]:
            path.lineTo(at(point[0], point[1]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        colour = QColor(hand_colour(push.side))
        painter.setPen(QPen(colour, 5, cap=Qt.PenCapStyle.RoundCap))
        painter.drawPath(path)
        painter.setBrush(colour)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(start, 5, 5)
        if push.angle is None or push.yaw is None:
            return
        # Where the controller points, as long as the path: the angle between them is the fault.
        length = math.hypot(end.x() - start.x(), end.y() - start.y())
        bearing = scene.frame.bearing(push.yaw)
        tip = QPointF(
            start.x() + length * math.sin(bearing), start.y() - length * math.cos(bearing)
        )
        painter.setPen(QPen(QColor(DARK.accent), 3, Qt.PenStyle.DashLine))
        painter.drawLine(start, tip)
        radius = 0.6 * length
        arc = QRectF(start.x() - radius, start.y() - radius, 2 * radius, 2 * radius)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(DARK.text), 2))
        begin = 90.0 - math.degrees(bearing)
        painter.drawArc(arc, round(16 * begin), round(-16 * math.degrees(push.angle)))
        painter.setFont(look.font("headline"))
        # Beside the dashed line, on the side away from the path: nothing lies there.
        away = bearing - math.copysign(0.3, push.angle)
        spot = QPointF(
            start.x() + 0.9 * length * math.sin(away), start.y() - 0.9 * length * math.cos(away)
        )
        words = QRectF(spot.x() - 90, spot.y() - 16, 90, 32)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        if math.sin(away - bearing) > 0:
            words.moveLeft(spot.x())
            flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.setPen(QColor(DARK.text))
        painter.drawText(words, flags, degrees(push.angle))
        if push.spread is not None:
            painter.setFont(look.font("title"))
            doubtful = push.spread > SPREAD_RAD
            painter.setPen(QColor(DARK.armed if doubtful else DARK.soft))
            painter.drawText(words.translated(0, 26), flags, spread_words(push.spread))

    def _head(
        self, painter: QPainter, at: OnPlan, head: Controller, frame: Frame, scale: float
    ) -> None:
        right, ahead, _ = frame.point(head.position)
        yaw = yaw_of(head.quaternion)
        painter.save()
        painter.translate(at(right, ahead))
        painter.rotate(math.degrees(frame.bearing(yaw)) if yaw is not None else 0.0)
        radius = max(10.0, 0.1 * scale)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.soft))
        painter.drawRoundedRect(
            QRectF(-0.8 * radius, -1.45 * radius, 1.6 * radius, 0.9 * radius), 4, 4
        )
        painter.setPen(QPen(QColor(DARK.soft), 2))
        painter.setBrush(QColor(DARK.raised))
        painter.drawEllipse(QPointF(0, 0), radius, radius)
        painter.restore()

    def _controller(
        self,
        painter: QPainter,
        spot: QPointF,
        bearing: float,
        side: Side,
        hand: Controller,
        scale: float,
        asked: bool,
    ) -> None:
        colour = QColor(hand_colour(side))
        length, width = max(26.0, 0.16 * scale), max(12.0, 0.06 * scale)
        painter.save()
        painter.translate(spot)
        if asked or hand.grip:
            painter.setPen(QPen(colour if hand.grip else QColor(DARK.text), 3))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(0, 0), 0.95 * length, 0.95 * length)
        painter.rotate(math.degrees(bearing))
        body = QRectF(-width / 2, -0.65 * length, width, length)
        painter.setPen(QPen(colour, 2))
        # Filled while the grip is squeezed: a shape, not the colour, tells it.
        painter.setBrush(colour if hand.grip else QColor(DARK.raised))
        painter.drawRoundedRect(body, width / 2, width / 2)
        painter.restore()
        painter.setFont(look.font("strong"))
        painter.setPen(QColor(DARK.on_bright if hand.grip else DARK.text))
        letter = QRectF(spot.x() - 12, spot.y() - 12, 24, 24)
        painter.drawText(letter, Qt.AlignmentFlag.AlignCenter, side[0].upper())

    def _paint_meter(self, painter: QPainter, area: QRectF, side: Side, scene: Scene) -> None:
        hand = scene.posture.hand(side)
        line = QRectF(area.left() + 20, area.top() + 10, area.width() - 40, 24)
        left = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.setFont(look.font("title"))
        painter.setPen(QColor(hand_colour(side)))
        painter.drawText(line, left, side.capitalize())
        room = painter.fontMetrics().horizontalAdvance("Right") + 14
        held = hand is not None and hand.grip
        painter.setPen(QColor(DARK.text if held else DARK.faint))
        painter.setFont(look.font("title" if held else "body"))
        word = "not posted" if hand is None else "grip held" if held else "grip open"
        painter.drawText(line.adjusted(room, 0, 0, 0), left, word)
        if hand is None:
            return
        bar = QRectF(line.left(), line.bottom() + 8, line.width(), 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(DARK.lifted))
        painter.drawRoundedRect(bar, 4, 4)
        if hand.trigger > 0.01:
            full = QRectF(bar)
            full.setWidth(max(8.0, bar.width() * hand.trigger))
            painter.setBrush(QColor(hand_colour(side)))
            painter.drawRoundedRect(full, 4, 4)
        if line.width() > 230:
            painter.setFont(look.font("caption"))
            painter.setPen(QColor(DARK.faint))
            right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(line, right, f"trigger {hand.trigger:.0%}")

    def _caption(self, painter: QPainter, area: QRectF, title: str, note: str) -> None:
        painter.setFont(look.font("caption"))
        metrics = painter.fontMetrics()
        painter.setPen(QColor(DARK.soft))
        spot = QPointF(area.left() + 20, area.top() + 26)
        painter.drawText(spot, title)
        painter.setPen(QColor(DARK.faint))
        beside = metrics.horizontalAdvance(title) + 12
        if beside + metrics.horizontalAdvance(note) < area.width() - 40:
            painter.drawText(spot + QPointF(beside, 0), note)

    def _label(self, painter: QPainter, spot: QPointF, text: str, colour: str) -> None:
        painter.setFont(look.font("caption"))
        painter.setPen(QColor(colour))
        painter.drawText(spot, text)
