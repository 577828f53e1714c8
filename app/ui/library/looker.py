"""Looks for new episodes on a thread of its own. No Qt: results go to a callback."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.session.reading_thread import ReadingThread
from datasets.library import Library
from devices.errors import TeledeckError

TELL_EVERY_S = 0.3
"""How often it tells while it reads many episodes for the first time [s]."""


class Looker(ReadingThread):
    """Has a library look for episodes, the newest wish first.

    Args:
        on_looked: Called on its thread when something has changed (with ""), or when looking
            failed (with why).
    """

    def __init__(self, on_looked: Callable[[str], None]) -> None:
        super().__init__("looker")
        self._on_looked = on_looked
        self._wanted: Library | None = None

    def look(self, library: Library) -> None:
        """Ask it to look; returns at once."""
        with self._wake:
            self._wanted = library
            self._wanted_more()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not (self._ending or self._wanted):
                    self._wake.wait()
                if self._ending:
                    return
                library, self._wanted = self._wanted, None
            assert library is not None
            try:
                if library.look(self._teller()):
                    self._on_looked("")
            except _Enough:
                self._on_looked("")  # what it has read so far
            except TeledeckError as error:
                self._on_looked(str(error))

    def _teller(self) -> Callable[[int, int], None]:
        told = 0.0  # the first one at once

        def progress(done: int, of: int) -> None:
            nonlocal told
            if self._ending or self._wanted is not None:
                raise _Enough
            if time.monotonic() - told > TELL_EVERY_S and done < of:
                told = time.monotonic()
                self._on_looked("")

        return progress


class _Enough(Exception):
    """Somebody wants something else."""
