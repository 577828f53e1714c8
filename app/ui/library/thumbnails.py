"""Makes missing thumbnails on a thread of its own. No Qt: results go to a callback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from app.runtime import priority
from datasets.dataset import Dataset
from datasets.library import Library
from devices.errors import TeledeckError


class ThumbnailMaker:
    """Works off a list of episodes without a picture, the newest list first.

    It asks a `Library` of its own, since a library belongs to one thread.

    Args:
        on_made: Called on its thread with the uid of each episode that has a picture now.
    """

    def __init__(self, on_made: Callable[[str], None]) -> None:
        self._on_made = on_made
        self._wake = threading.Condition()
        self._todo: list[tuple[Dataset, str]] = []
        self._failed: set[str] = set()
        self._ending = False
        self._thread: threading.Thread | None = None

    def make(self, dataset: Dataset, uids: Sequence[str]) -> None:
        """Replace the list of what is missing."""
        with self._wake:
            self._todo = [(dataset, uid) for uid in uids if uid not in self._failed]
            if self._todo and self._thread is None and not self._ending:
                self._thread = threading.Thread(target=self._run, name="thumbnails")
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """End the thread. Idempotent."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        priority.stand_back(priority.READER)
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
