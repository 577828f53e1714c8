"""Threads that are made before they are needed, to keep the priority of that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SpareThread:
    """Waits for its work. Without privileges niceness only rises, and a thread inherits that of
    its maker: whoever shall be nicer than another later has to be made before.

    Args:
        name: Of the thread.
        place: Called in it at once: puts the thread where it shall stand among others.
    """

    def __init__(self, name: str, place: Callable[[], object]) -> None:
        self._work: Callable[[], object] | None = None
        self._given = threading.Event()
        self._place = place
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """What the system calls it."""
        return self._thread.native_id or 0

    def begin(self, work: Callable[[], object]) -> None:
        """Let it do `work`, once."""
        self._work = work
        self._given.set()

    def join(self, timeout_s: float | None) -> None:
        """Wait until its work is done, at most `timeout_s` [s] or None; one that has none ends."""
        self._given.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._place()
        self._given.wait()
        if self._work is not None:
            self._work()
