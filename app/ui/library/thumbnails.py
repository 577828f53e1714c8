"""Makes missing thumbnails on a thread of its own. No Qt: results go to a callback."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.session.reading_thread import ReadingThread
from datasets.dataset import Dataset
from datasets.library import Library
from devices.errors import TeledeckError


class ThumbnailMaker(ReadingThread):
    """Works off a list of episodes without a picture, the newest list first.

    It asks a `Library` of its own, since a library belongs to one thread.

    Args:
        on_made: Called on its thread with the uid of each episode that has a picture now.
    """

    def __init__(self, on_made: Callable[[str], None]) -> None:
        super().__init__("thumbnails")
        self._on_made = on_made
        self._todo: list[tuple[Dataset, str]] = []
        self._failed: set[str] = set()

    def make(self, dataset: Dataset, uids: Sequence[str]) -> None:
        """Replace the list of what is missing."""
        with self._wake:
            self._todo = [(dataset, uid) for uid in uids if uid not in self._failed]
            if self._todo:
                self._wanted_more()

    def _run(self) -> None:
        library: Library | None = None
        while True:
            with self._wake:
                while not (self._ending or self._todo):
                    self._wake.wait()
                if self._ending:
                    return
                dataset, uid = self._todo.pop(0)
            try:
                if library is None or library.dataset.root != dataset.root:
                    library = Library(dataset, mend=False)
                made = library.thumbnail(uid)
            except (TeledeckError, OSError):
                made = None  # the card keeps its icon; the Library tells what is wrong with it
            if made is None:
                with self._wake:
                    self._failed.add(uid)
            else:
                self._on_made(uid)
