"""Empties the trash one episode at a time, between frames: the window has a robot to watch."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.ui import words
from datasets.library import Library
from devices.errors import TeledeckError

EVERY_MS = 20
"""Between two episodes [ms]."""


class Purging(QObject):
    """Works on one library until it is done or stopped.

    Signals:
        changed: An episode is gone, or the work has ended.
        said: What became of it, or why it ended.
    """

    changed = pyqtSignal()
    said = pyqtSignal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._library: Library | None = None
        self._todo: list[str] = []
        self._gone = (0, 0)  # episodes, bytes
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._next)

    @property
    def left(self) -> int:
        """Episodes still to come; 0 while it rests."""
        return len(self._todo)

    @property
    def of(self) -> int:
        """Of how many; 0 while it rests."""
        return len(self._todo) + self._gone[0] if self._todo else 0

    def start(self, library: Library, uids: Sequence[str]) -> None:
        """Remove these for good."""
        self._library, self._todo, self._gone = library, list(uids), (0, 0)
        self._timer.start()

    def stop(self) -> None:
        """End it here; what is left stays in the trash. Idempotent."""
        self._timer.stop()
        (count, size), left = self._gone, len(self._todo)
        self._library, self._todo, self._gone = None, [], (0, 0)
        if count:
            rest = f"; {words.plural(left, 'episode')} left in the trash" if left else ""
            self.said.emit(f"Purged {words.plural(count, 'episode')}, {words.size(size)}{rest}")
            self.changed.emit()

    def _next(self) -> None:
        if self._library is None or not self._todo:
            self.stop()
            return
        try:
            gone = self._library.purge([self._todo.pop(0)])
        except TeledeckError as error:
            self.stop()
            self.said.emit(str(error))
            return
        count, size = self._gone
        self._gone = (count + len(gone), size + sum(item.size_bytes for item in gone))
        self.changed.emit()
