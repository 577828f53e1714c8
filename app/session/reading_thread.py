"""A thread that reads for the window, begun at the first wish. No Qt."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from app.runtime import priority


class ReadingThread(ABC):
    """Subclasses change what is wanted, and look at it, with `_wake` held.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._wake = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End the thread. Idempotent."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _wanted_more(self) -> None:
        """Something is wanted: have the thread look at it. Call it with `_wake` held."""
        if self._thread is None and not self._ending:
            self._thread = threading.Thread(target=self._begin, name=self._name)
            self._thread.start()
        self._wake.notify()

    def _begin(self) -> None:
        priority.stand_back(priority.READER)
        self._run()

    @abstractmethod
    def _run(self) -> None:
        """Work off what is wanted until `_ending`."""
