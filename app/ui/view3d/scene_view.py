"""The 3-D view: shows the newest picture of the drawing thread, turns mouse into looking."""

from __future__ import annotations

import time

from PyQt6.QtCore import QPointF, QRect, Qt, QTimer, pyqtSignal
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

from app.ui.view3d.drawing_thread import DrawingThread
from app.ui.view3d.shot import DrawingInfo, Frame, Ghost, Shot, StageSource
from app.ui.view3d.viewpoint import PRESETS, Viewpoint
from devices.stream import FloatArray

GLIDE_S = 0.35  # from one preset to the next


class SceneView(QWidget):
    """Draws a scene from physics states; never holds a device.

    Signals:
        info_changed: A new `DrawingInfo`, at most once a frame.
    """

    info_changed = pyqtSignal(object)
    _arrived = pyqtSignal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(320, 240)
        self.info = DrawingInfo()
        self.viewpoint = PRESETS["operator"]
        self.preset = "operator"
        self._frame: Frame | None = None
        self._image = QImage()
        self._state: FloatArray | None = None
        self._start: FloatArray | None = None
        self._ghosts: tuple[Ghost, ...] = ()
        self._source: StageSource | None = None
        self._glide: tuple[Viewpoint, Viewpoint, float] | None = None
        self._grabbed: tuple[Qt.MouseButton, QPointF] | None = None
        self._arrived.connect(self._receive)
        self._surface = QOffscreenSurface()
        self._surface.create()
        self._thread = DrawingThread(self._surface, self._arrived.emit)
        self._thread.start()
        self._glide_timer = QTimer(self)
        self._glide_timer.setInterval(16)
        self._glide_timer.timeout.connect(self._glide_on)

    # ------------------------------------------------------------------------------- values in
    def set_stage(self, source: StageSource | None) -> None:
        """Show another scene. None shows nothing."""
        if source is not None and self._source is not None and source.key == self._source.key:
            return
        self._source = source
        self._state = None
        self._thread.show_stage(source)
        if source is None:
            self._frame = None
            self.update()

    def set_state(self, state: FloatArray | None, ghosts: tuple[Ghost, ...] = ()) -> None:
        """The physics state to show (`sim/state`) and the grippers asked for."""
        self._state = state
        self._ghosts = ghosts
        self._ask()

    def set_start(self, start: FloatArray | None) -> None:
        """State of the reference start to show as a ghost, or None."""
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

    def close_view(self) -> None:
        """End the drawing thread. Idempotent."""
        self._glide_timer.stop()
        self._thread.close()

    # --------------------------------------------------------------------------------- drawing
    def _ask(self) -> None:
        ratio = self.devicePixelRatioF()
        self._thread.draw(
            Shot(
                viewpoint=self.viewpoint,
                width=max(16, round(self.width() * ratio)),
                height=max(16, round(self.height() * ratio)),
                state=self._state,
                ghosts=self._ghosts,
                start=self._start,
            )
        )

    def _receive(self, frame: Frame | None, info: DrawingInfo) -> None:
        if frame is not None:
            self._frame = frame
            height, width = frame.pixels.shape[:2]
            # The image borrows the frame's memory; the frame lives as long as the image.
            self._image = QImage(
                frame.pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32
            )
            self.update()
        if info != self.info:
            self.info = info
            self.info_changed.emit(info)
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802 (Qt's name)
        painter = QPainter(self)
        if self._frame is None:
            painter.fillRect(self.rect(), QColor("#0e1115"))
            return
        painter.drawImage(QRect(0, 0, self.width(), self.height()), self._image)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._ask()

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802
        self.close_view()
        super().closeEvent(event)

    # --------------------------------------------------------------------------------- looking
    def _move_eye(self, viewpoint: Viewpoint) -> None:
        self.viewpoint = viewpoint
        self._ask()

    def _glide_on(self) -> None:
        if self._glide is None:
            self._glide_timer.stop()
            return
        start, goal, began = self._glide
        s = (time.monotonic() - began) / GLIDE_S
        if s >= 1.0:
            self._glide = None
            self._glide_timer.stop()
        s = min(1.0, s)
        self._move_eye(start.towards(goal, s * s * (3.0 - 2.0 * s)))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is not None and event.button() in (
            Qt.MouseButton.RightButton,
            Qt.MouseButton.MiddleButton,
        ):
            self._grabbed = (event.button(), event.position())
            self._glide = None

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is None or self._grabbed is None:
            return
        button, last = self._grabbed
        moved = event.position() - last
        self._grabbed = (button, event.position())
        if button is Qt.MouseButton.RightButton:
            self._move_eye(self.viewpoint.orbit(moved.x(), moved.y()))
        else:
            self._move_eye(self.viewpoint.pan(moved.x(), moved.y(), self.height()))
        self.preset = ""

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is not None and self._grabbed is not None and event.button() == self._grabbed[0]:
            self._grabbed = None

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        if event is not None:
            self._glide = None
            self._move_eye(self.viewpoint.zoom(event.angleDelta().y() / 120.0))
