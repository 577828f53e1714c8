"""Work in pieces: the event loop turns between one and the next."""

from __future__ import annotations

from collections.abc import Iterator

from PyQt6.QtCore import QObject, QTimer

PAUSE_MS = 1
"""Between two pieces [ms]: with none, what waits for its time would wait for all pieces."""


class Steps(QObject):
    """Does a piece of work a turn of the event loop, so that none of them keeps the window."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: Iterator[None] = iter(())
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._next)

    def begin(self, work: Iterator[None]) -> None:
        """Do other work, a piece up to each `yield`; what was left of the last is dropped."""
        self._work = work
        self._timer.start(PAUSE_MS)

    def stop(self) -> None:
        """Drop what is left."""
        self._timer.stop()
        self._work = iter(())

    def _next(self) -> None:
        work = self._work
        if next(work, self) is not self and work is self._work:
            self._timer.start(PAUSE_MS)
