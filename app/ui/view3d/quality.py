"""How finely the 3-D view draws, and when it takes less. No Qt, no OpenGL."""

from __future__ import annotations

from dataclasses import dataclass, replace

from devices.sim.render import is_software


@dataclass(frozen=True, slots=True)
class Quality:
    """What one frame is drawn with.

    Attributes:
        detail: Name of the model's detail level.
        scale: Pixels drawn per pixel shown, along each side.
        samples: Multisamples a pixel.
        shadows: Shadows and reflections.
        max_fps: The thread draws no more often [Hz].
        duty: Largest share of one core that drawing may take; the rest belongs to the robot, the
            recorder, the window and the cameras.
    """

    detail: str
    scale: float = 1.0
    samples: int = 4
    shadows: bool = True
    max_fps: float = 60.0
    duty: float = 1.0

    def wait_s(self, frame_s: float, work_s: float | None = None) -> float:
        """How long to rest after a frame.

        Args:
            frame_s: Time that passed while it was drawn [s].
            work_s: Processor time it took, of all threads [s]. Less than `frame_s` when others
                were busy too, and then there is no need to rest for them. None: all of it.
        """
        work_s = frame_s if work_s is None else work_s
        return max(1.0 / self.max_fps - frame_s, work_s / self.duty - frame_s, 0.0)


def starting_quality(renderer: str, details: tuple[str, ...]) -> Quality:
    """A first guess for a renderer; `Governor` corrects it.

    Args:
        renderer: GL_RENDERER.
        details: Detail levels of the model, finest first, at least one.
    """
    if is_software(renderer):
        detail = details[min(1, len(details) - 1)]
        return Quality(detail, scale=0.8, samples=0, shadows=False, max_fps=20.0, duty=0.4)
    return Quality(details[0])


class Governor:
    """Lowers quality while frames stay too slow, and raises resolution again when there is room.

    Detail goes down only: building a model takes longer than any frame, and a level that was too
    slow once will be again. Only the middle of the last frames counts, so one hiccup (a page of
    swap, another program) changes nothing.
    """

    WINDOW = 20  # frames looked at
    FEWEST, PATIENCE_MS = 7, 1500.0  # fewer will do when they took this long
    STEP = 0.8  # of the resolution, along each side
    LOWEST_SCALE = 0.5

    def __init__(self, quality: Quality, details: tuple[str, ...], *, software: bool) -> None:
        self.quality = quality
        self._details = details
        # 33 ms of work with a duty of 0.4 give 12 Hz; a GPU should hold 60.
        self._slow_ms = 33.0 if software else 15.0
        self._recent: list[float] = []

    def note(self, frame_ms: float) -> Quality:
        """Take what a frame took [ms] and say with what to draw the next one."""
        self._recent.append(frame_ms)
        enough = self.FEWEST if sum(self._recent) > self.PATIENCE_MS else self.WINDOW
        if len(self._recent) < enough:
            return self.quality
        middle = sorted(self._recent)[len(self._recent) // 2]
        self._recent.clear()
        if middle > self._slow_ms:
            self.quality = self._lower()
        elif middle < 0.45 * self._slow_ms and self.quality.scale < 1.0:
            scale = min(1.0, self.quality.scale / self.STEP)
            self.quality = replace(self.quality, scale=scale)
        return self.quality

    def _lower(self) -> Quality:
        now = self.quality
        if now.samples:
            return replace(now, samples=0)
        if now.shadows:
            return replace(now, shadows=False)
        at = self._details.index(now.detail)
        if at + 1 < len(self._details):
            return replace(now, detail=self._details[at + 1])
        return replace(now, scale=max(self.LOWEST_SCALE, now.scale * self.STEP))
