"""The 3-D view: shows the newest picture of the drawing thread, turns the mouse into intents."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from PyQt6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import (
    QCloseEvent,
    QColor,
    QImage,
    QMouseEvent,
    QOffscreenSurface,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QWidget

from app.ui import look
from app.ui.look import DARK, SIZES
from app.ui.view3d import drag
from app.ui.view3d.ar import Box, TouchView
from app.ui.view3d.ar_painter import ArPainter, ArScene
from app.ui.view3d.drag import Grip, Handles
from app.ui.view3d.drawing_thread import DrawingThread
from app.ui.view3d.paths import GhostPath
from app.ui.view3d.shot import DrawingInfo, Frame, Ghost, RobotParts, Shot, StageSource
from app.ui.view3d.viewpoint import PRESETS, Viewpoint
from devices.leader import Side
from devices.pose import Pose
from devices.stream import FloatArray

GLIDE_S = 0.35  # from one preset to the next
HANDLES_PX = 130.0  # the handles of a hand stay open while the pointer is this near

_LEFT, _RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


@dataclass
class _Drag:
    """A button that is down: what it does, where it began, where it was last."""

    button: Qt.MouseButton
    grip: Grip | None
    began: QPointF
    last: QPointF


class SceneView(QWidget):
    """Draws a scene from physics states and lets one take the grippers; never holds a device.

    Signals:
        info_changed: A new `DrawingInfo`, at most once a frame.
        grabbed: The pointer took the hand of a side.
        stepped: The pointer moved the hand it holds: a `drag.Step` in world axes.
        released: The pointer let go.
    """

    info_changed = pyqtSignal(object)
    grabbed = pyqtSignal(str)
    stepped = pyqtSignal(object)
    released = pyqtSignal()
    _arrived = pyqtSignal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(320, 240)
        self.setAccessibleName("3-D view")
        self.info = DrawingInfo()
        self.viewpoint = PRESETS["operator"]
        self.preset = "operator"
        self._frame: Frame | None = None
        self._image = QImage()
        self._state: FloatArray | None = None
        self._start: FloatArray | None = None
        self._asked: dict[Side, Pose] = {}
        self._ar = ArScene()
        self._source: StageSource | None = None
        self._glide: tuple[Viewpoint, Viewpoint, float] | None = None
        self._drag: _Drag | None = None
        self._hover: Grip | None = None
        self._open: Side | None = None
        self._arrived.connect(self._receive)
        self._surface = QOffscreenSurface()
        self._surface.create()
        self._thread = DrawingThread(self._surface, self._arrived.emit)
        self._thread.start()
        self._glide_timer = QTimer(self)
        self._glide_timer.setInterval(16)
        self._glide_timer.timeout.connect(self._glide_on)

    # ------------------------------------------------------------------------------- values in
    def set_stage(self, source: StageSource | None, parts: RobotParts | None = None) -> None:
        """Show another scene, with the robot whose parts are given. None shows nothing."""
        if source is not None and self._source is not None and source.key == self._source.key:
            return
        self._source = source
        self._state = self._start = None
        self._let_go()
        self._ar = replace(
            self._ar,
            pads=dict(parts.pads) if parts else {},
            pad_side=dict(parts.pad_side) if parts else {},
            touch=TouchView(),
        )
        self._thread.show_stage(source)
        if source is None:
            self._frame = None
            self.update()

    def set_state(self, state: FloatArray | None, asked: Mapping[Side, Pose] | None = None) -> None:
        """The physics state to show (`sim/state`), and `T_world_tool` that each hand asks for."""
        self._state = state
        self._asked = dict(asked or {})
        self._ask()

    def set_touch(self, touch: TouchView) -> None:
        """What is felt now."""
        self._ar = replace(self._ar, touch=touch)
        if self.info.still:  # else the next picture brings it along
            self.update()

    def set_paths(self, paths: tuple[GhostPath, ...]) -> None:
        """Where a policy wants to go now; () for nowhere."""
        if paths or self._ar.paths:
            self._ar = replace(self._ar, paths=paths)
            if self.info.still:
                self.update()

    def set_boxes(self, boxes: Mapping[Side, Box]) -> None:
        """The workspace of each arm."""
        self._ar = replace(self._ar, boxes=dict(boxes))

    def set_layers(self, layers: frozenset[str]) -> None:
        """AR layers to show, by the names in `ar.LAYER_NAMES`."""
        if layers != self._ar.layers:
            self._ar = replace(self._ar, layers=layers)
            self._ask()
            self.update()

    def set_driven(self, side: Side | None) -> None:
        """The hand that the keys drive."""
        if side != self._ar.driven:
            self._ar = replace(self._ar, driven=side)
            self._ask()

    def set_start(self, start: FloatArray | None) -> None:
        """State of the reference start, for the layer "start"; None when there is none."""
        if start is not self._start:
            self._start = start
            self._ask()

    def look_from(self, preset: str) -> None:
        """Glide to a preset of `viewpoint.PRESETS`, or to the "next" one."""
        if preset == "next":
            names = list(PRESETS)
            at = names.index(self.preset) if self.preset in names else -1
            preset = names[(at + 1) % len(names)]
        self.preset = preset
        self._glide = (self.viewpoint, PRESETS[preset], time.monotonic())
        self._glide_timer.start()

    def let_go(self) -> None:
        """End a drag from outside (focus lost, emergency stop)."""
        self._let_go()

    def close_view(self) -> None:
        """End the drawing thread. Idempotent."""
        self._glide_timer.stop()
        self._thread.close()

    @property
    def tools(self) -> dict[Side, Pose]:
        """`T_world_tool` as drawn; empty until there is a picture."""
        return dict(self._frame.tools) if self._frame is not None else {}

    # --------------------------------------------------------------------------------- drawing
    def _ask(self) -> None:
        ratio = self.devicePixelRatioF()
        self._thread.draw(
            Shot(
                viewpoint=self.viewpoint,
                width=max(16, round(self.width() * ratio)),
                height=max(16, round(self.height() * ratio)),
                state=self._state,
                ghosts=self._ghosts(),
                start=self._start if "start" in self._ar.layers else None,
            )
        )

    def _ghosts(self) -> tuple[Ghost, ...]:
        """Grippers to draw see-through: the held one, the one under the pointer, and those whose
        hand asks for more than the robot has done yet."""
        if self._frame is None:
            return ()
        made = []
        for side, tool in self._frame.tools.items():
            asked = self._asked.get(side)
            grip = self._drag.grip if self._drag is not None else None
            if grip is not None and grip.side == side:
                made.append(Ghost(side, asked or tool, "held"))
            elif self._hover is not None and self._hover.side == side:
                made.append(Ghost(side, asked or tool, "hover"))
            elif asked is not None and "ghosts" in self._ar.layers:
                made.append(Ghost(side, asked, "resting"))
        return tuple(made)

    def _receive(self, frame: Frame | None, info: DrawingInfo) -> None:
        if frame is not None:
            self._frame = frame
            height, width = frame.pixels.shape[:2]
            # The image borrows the frame's memory; the frame lives as long as the image.
            self._image = QImage(  # type: ignore[call-overload]  # any buffer will do
                frame.pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32
            )
            self.update()
        if info != self.info:
            self.info = info
            self.info_changed.emit(info)
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        try:
            self._paint(painter)
        finally:
            # A painter that an error's traceback keeps alive would bring the whole program down.
            painter.end()

    def _paint(self, painter: QPainter) -> None:
        if self._frame is None:
            painter.fillRect(self.rect(), QColor(DARK.floor))
        else:
            painter.drawImage(QRect(0, 0, self.width(), self.height()), self._image)
            marks = self._handles()
            grip = self._drag.grip if self._drag is not None else self._hover
            scene = replace(
                self._ar,
                handles=marks,
                grip=grip,
                held=self._drag is not None and self._drag.grip is not None,
            )
            ArPainter(painter, self._frame, self.width(), self.height()).paint(scene)
        self._badge(painter)

    def _badge(self, painter: QPainter) -> None:
        """How the view draws, or why it does not, in the lower right corner."""
        info = self.info
        if info.fault:
            self._say(painter, f"The 3-D view cannot draw: {info.fault}", DARK.fault, middle=True)
        elif info.busy or (self._frame is None and self._source is not None):
            self._say(painter, (info.busy or "Preparing the scene") + "…", DARK.soft, middle=True)
        elif info.software:
            words = f"Software rendering · {info.detail} detail"
            if info.scale < 1.0:
                words += f" · {info.scale:.0%} resolution"
            rate = "at rest" if info.still else f"{info.fps:.0f} fps"
            self._say(painter, f"{words} · {rate}", DARK.faint)

    def _say(self, painter: QPainter, text: str, colour: str, *, middle: bool = False) -> None:
        painter.setFont(look.font("title" if middle else "caption"))
        width = painter.fontMetrics().horizontalAdvance(text) + 20
        height = painter.fontMetrics().height() + 8
        x, y = self.width() - width - SIZES.unit, self.height() - height - SIZES.unit
        if middle:
            x, y = max(SIZES.gap, (self.width() - width) // 2), (self.height() - height) // 2
        box = QRectF(x, y, min(width, self.width() - 2 * SIZES.unit), height)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(14, 17, 21, 170))
        painter.drawRoundedRect(box, SIZES.radius_small, SIZES.radius_small)
        painter.setPen(QColor(colour))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._ask()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        self.close_view()
        super().closeEvent(event)

    # -------------------------------------------------------------------------------- grippers
    def _targets(self) -> dict[Side, Pose]:
        """Where a hand is taken: at what it asks for while it asks, else at the tool."""
        if self._frame is None:
            return {}
        return {side: self._asked.get(side, tool) for side, tool in self._frame.tools.items()}

    def _handles(self) -> tuple[Side, Handles] | None:
        side = self._open
        if self._drag is not None:
            side = self._drag.grip.side if self._drag.grip is not None else None
        if side is None or side not in self._targets():
            return None
        marks = drag.handles(self.viewpoint, self._targets()[side], self.width(), self.height())
        return None if marks is None else (side, marks)

    def _point_at(self, at: QPointF) -> None:
        """The pointer moves over the picture with no button down."""
        targets = self._targets()
        size = (self.width(), self.height())
        grip = drag.pick(self.viewpoint, targets, at.x(), at.y(), *size, self._open)
        if grip is not None:
            self._open = grip.side
        elif self._open is not None and self._open in targets:
            marks = drag.handles(self.viewpoint, targets[self._open], *size)
            if marks is None or (
                (marks.centre[0] - at.x()) ** 2 + (marks.centre[1] - at.y()) ** 2 > HANDLES_PX**2
            ):
                self._open = None
                self.update()
        if grip != self._hover:
            self._hover = grip
            self.setCursor(Qt.CursorShape.OpenHandCursor if grip else Qt.CursorShape.ArrowCursor)
            self._ask()
            self.update()

    def _drag_hand(self, grip: Grip, at: QPointF, held: Qt.KeyboardModifier) -> None:
        assert self._drag is not None
        tool = self._targets().get(grip.side)
        if tool is None:
            return
        moved = at - self._drag.last
        size = (self.width(), self.height())
        depth = float(self.viewpoint.project(tool.position, *size)[2])
        if grip.part != "body":
            began = (self._drag.began.x(), self._drag.began.y())
            step = drag.axis_step(
                self.viewpoint, tool, grip.part, began, moved.x(), moved.y(), *size
            )
        elif held & Qt.KeyboardModifier.ControlModifier:
            step = drag.trackball_step(self.viewpoint, moved.x(), moved.y())
        elif held & Qt.KeyboardModifier.ShiftModifier:
            step = drag.depth_step(self.viewpoint, depth, moved.y(), size[1])
        else:
            step = drag.plane_step(self.viewpoint, depth, moved.x(), moved.y(), size[1])
        self.stepped.emit(step)

    def _let_go(self) -> None:
        held = self._drag is not None and self._drag.grip is not None
        self._drag = None
        if held:
            self.setCursor(Qt.CursorShape.ArrowCursor)
            self.released.emit()
            self._ask()

    # ----------------------------------------------------------------------------------- mouse
    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or self._drag is not None:
            return
        at, button = event.position(), event.button()
        grip = None
        if button == _LEFT:
            self._point_at(at)
            grip = self._hover
        self._drag = _Drag(button, grip, at, at)
        self._glide = None
        if grip is not None:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.grabbed.emit(grip.side)
            self._ask()
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        at = event.position()
        if self._drag is None:
            self._point_at(at)
            return
        moved = at - self._drag.last
        if self._drag.grip is not None:
            self._drag_hand(self._drag.grip, at, event.modifiers())
            self.update()
        elif self._drag.button in (_LEFT, _RIGHT):
            self._move_eye(self.viewpoint.orbit(moved.x(), moved.y()))
        else:
            self._move_eye(self.viewpoint.pan(moved.x(), moved.y(), self.height()))
        self._drag.last = at

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and self._drag is not None and event.button() == self._drag.button:
            self._let_go()
            self._point_at(event.position())

    def leaveEvent(self, event: QEvent | None) -> None:
        if self._drag is None:
            self._hover = self._open = None
            self._ask()
            self.update()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is None:
            return
        notches = event.angleDelta().y() / 120.0
        if self._drag is not None and self._drag.grip is not None:
            self.stepped.emit(drag.wheel_step(self.viewpoint, notches))
        else:
            self._glide = None
            self._move_eye(self.viewpoint.zoom(notches))

    def _move_eye(self, viewpoint: Viewpoint) -> None:
        self.viewpoint = viewpoint
        self.preset = self.preset if self._glide is not None else ""
        self._ask()

    def _glide_on(self) -> None:
        if self._glide is None:
            self._glide_timer.stop()
            return
        start, goal, began = self._glide
        s = min(1.0, (time.monotonic() - began) / GLIDE_S)
        self._move_eye(start.towards(goal, s * s * (3.0 - 2.0 * s)))
        if s >= 1.0:
            self._glide = None
            self._glide_timer.stop()
