"""The thread that draws the 3-D view, so that a slow picture never holds up the window."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext

from app.runtime import priority
from app.ui.view3d.painter3d import Painter3D
from app.ui.view3d.quality import Governor, Quality, starting_quality
from app.ui.view3d.shot import DrawingInfo, Frame, Shot, StageSource
from devices.errors import DeviceError
from devices.sim.render import is_software

_PER_THREAD_CLOCK = 0b110  # CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED of Linux's clock ids

Deliver = Callable[[Frame | None, DrawingInfo], None]


@dataclass
class _Job:
    """What the window wants drawn; the newest wins."""

    source: StageSource | None = None
    shot: Shot | None = None
    stop: bool = False
    fresh: bool = False


class DrawingThread(threading.Thread):
    """Draws the newest shot, again and again, in an OpenGL context of its own.

    MuJoCo and OpenGL run outside Python's lock, so the window stays at its own pace whatever a
    picture costs. On a software renderer the rasteriser's workers are given less of the machine:
    the robot comes first, then recorder, window and cameras, then this picture. The thread itself
    stays before the cameras: at times it holds Python's lock, and the window must not wait for
    somebody who waits for a core.

    Args:
        surface: Made on the GUI thread, as Qt wants it; alive as long as the thread.
        deliver: Called on this thread with each new picture, or None with news about drawing.
    """

    def __init__(self, surface: QOffscreenSurface, deliver: Deliver) -> None:
        super().__init__(name="view3d", daemon=True)
        self._surface = surface
        self._deliver = deliver
        self._change = threading.Condition()
        self._job = _Job()
        self._info = DrawingInfo()
        self._times: deque[float] = deque(maxlen=120)
        self._costs: deque[float] = deque(maxlen=30)
        self._rasteriser: tuple[int, ...] = ()

    # ------------------------------------------------------------------------- from the window
    def show_stage(self, source: StageSource | None) -> None:
        """Draw another scene from now on."""
        with self._change:
            self._job.source = source
            self._job.fresh = True
            self._change.notify()

    def draw(self, shot: Shot) -> None:
        """Draw this next; a shot not yet begun is dropped."""
        with self._change:
            self._job.shot = shot
            self._job.fresh = True
            self._change.notify()

    def close(self) -> None:
        """End the thread and free what it holds. Returns when it has ended."""
        with self._change:
            self._job.stop = True
            self._change.notify()
        if self.is_alive():
            self.join()

    # -------------------------------------------------------------------------- on the thread
    def run(self) -> None:
        priority.stand_back(priority.BEHIND_WINDOW)
        context = QOpenGLContext()
        try:
            if not context.create() or not context.makeCurrent(self._surface):
                raise DeviceError(
                    "This display offers no OpenGL",
                    next_step="Install the Mesa drivers (apt install libgl1-mesa-dri) or run "
                    "'teledeck doctor'",
                )
            self._introduce()
            self._work(context)
        except Exception as error:  # noqa: BLE001 (told on screen; the window lives on)
            self._tell(fault=str(error) or type(error).__name__, busy="")
        finally:
            context.doneCurrent()

    def _introduce(self) -> None:
        from OpenGL import GL

        renderer = GL.glGetString(GL.GL_RENDERER)
        name = renderer.decode() if renderer else "unknown renderer"
        software = is_software(name)
        if software:
            self._rasteriser = _rasteriser()
            for thread in self._rasteriser:
                with contextlib.suppress(OSError):  # a thread may end while we look
                    os.setpriority(os.PRIO_PROCESS, thread, priority.RASTERISER)
        self._tell(renderer=name, software=software)

    def _work(self, context: QOpenGLContext) -> None:
        source: StageSource | None = None
        painter: Painter3D | None = None
        governor: Governor | None = None
        resting = True
        try:
            while True:
                shot, wanted, stop = self._next(wait=resting)
                if stop:
                    return
                if not context.makeCurrent(self._surface):
                    raise DeviceError("The OpenGL context was lost", next_step="Restart the view")
                if wanted is not source:
                    if painter is not None:
                        painter.close()
                        painter = None
                    source, governor = wanted, None
                    if source is not None:
                        first = starting_quality(self._info.renderer, source.details)
                        software = self._info.software
                        governor = Governor(first, source.details, software=software)
                if source is None or governor is None or shot is None:
                    resting = True
                    continue
                painter = self._fitting(painter, source, governor.quality)
                began, began_work = time.perf_counter(), self._work_s()
                frame = painter.paint(shot)
                took = time.perf_counter() - began
                # On a GPU the time that passes is the cost. Without one the processor's time is:
                # a picture that had to wait for others would not be any faster in less detail.
                work = self._work_s() - began_work if self._info.software else took
                resting = frame is None
                if frame is not None:
                    if not painter.refining:
                        governor.note(1e3 * work)
                        self._costs.append(took)
                    self._times.append(time.monotonic())
                    self._info = self._measured(painter.quality, painter.refining)
                    self._deliver(frame, self._info)
                    time.sleep(governor.quality.wait_s(took, work))
        finally:
            if painter is not None:
                painter.close()

    def _next(self, *, wait: bool) -> tuple[Shot | None, StageSource | None, bool]:
        """The newest job. While the picture can still be refined, there is no need to wait."""
        with self._change:
            if wait:
                self._change.wait_for(lambda: self._job.fresh or self._job.stop)
            self._job.fresh = False
            return self._job.shot, self._job.source, self._job.stop

    def _fitting(
        self, painter: Painter3D | None, source: StageSource, quality: Quality
    ) -> Painter3D:
        """The painter for a quality: the present one where it will do."""
        if painter is not None:
            have = painter.quality
            if replace(have, scale=quality.scale) == quality:
                if have.scale != quality.scale:
                    painter.rescale(quality)
                return painter
            painter.close()
        self._tell(busy="Preparing the scene")
        made = Painter3D(source.build(quality.detail), quality)
        self._tell(busy="")
        return made

    def _work_s(self) -> float:
        """Processor time of this thread and its rasteriser so far [s]."""
        return time.thread_time() + sum(_thread_s(thread) for thread in self._rasteriser)

    def _measured(self, quality: Quality, still: bool) -> DrawingInfo:
        now = time.monotonic()
        costs = sorted(self._costs)
        return replace(
            self._info,
            detail=quality.detail,
            scale=1.0 if still else quality.scale,
            still=still,
            fps=float(sum(1 for t in self._times if now - t < 1.0)),
            frame_ms=1e3 * costs[len(costs) // 2] if costs else 0.0,
        )

    def _tell(self, **news: object) -> None:
        self._info = replace(self._info, **news)  # type: ignore[arg-type]
        self._deliver(None, self._info)


def _rasteriser() -> tuple[int, ...]:
    """Mesa's rasteriser threads in this process (Linux; elsewhere none are found)."""
    found = []
    for task in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # a thread may end while we look
            if (task / "comm").read_text().startswith("llvmpipe-"):
                found.append(int(task.name))
    return tuple(found)


def _thread_s(thread: int) -> float:
    """Processor time of a thread of this process [s]; zero once it has ended."""
    try:
        return time.clock_gettime((~thread << 3) | _PER_THREAD_CLOCK)
    except OSError:
        return 0.0
