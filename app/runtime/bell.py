"""Bells: who waits for a ring of another process sleeps until it is rung, instead of looking again
and again.

Ringing never waits and needs nobody to listen; a bell that nobody hears, or that has rung often
enough already, is no fault. What there is to know is in the shared-memory rings: a bell only says
that it is worth to look.
"""

from __future__ import annotations

from app.runtime.fast_line import FastPull, FastPush
from app.runtime.rundir import RunDir


class Bell:
    """The end that listens; a bell left by a dead process is replaced.

    Args:
        run: The run folder.
        child: Who listens.
    """

    def __init__(self, run: RunDir, child: str) -> None:
        self._line = FastPull(run.bell(child))

    @property
    def fd(self) -> int:
        """Readable while it has rung and nobody has called `hush` or `wait`."""
        return self._line.fd

    def wait(self, timeout_s: float) -> bool:
        """Sleep until it rings, but not longer than `timeout_s` [s]. Whether it rang."""
        return self._line.wait(timeout_s) and self.hush()

    def hush(self) -> bool:
        """Forget how often it rang. Whether it did at all."""
        return any([bool(frames) for frames in self._line.take()])

    def close(self) -> None:
        """Idempotent."""
        self._line.close()


class BellRope:
    """The end that rings.

    Args:
        run: The run folder.
        child: Who may listen; it need not be there.
    """

    def __init__(self, run: RunDir, child: str) -> None:
        self._line = FastPush(run.bell(child))

    def pull(self) -> None:
        """Ring. Never waits."""
        self._line.send(b"!")  # nobody there, or it rings already: there is no more to be done

    def close(self) -> None:
        """Idempotent."""
        self._line.close()
