"""The way of one stream from its ring into the episode file."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.runtime import priority
from datasets.video import Packet, VideoEncoder
from devices.errors import StorageError, StreamError, TeledeckError
from devices.ring import RingReader

_FRAMES_AT_ONCE = 4
_IDLE_S = 0.01


class Cuts:
    """Which moments belong to a take: from the start to the first pause, from resuming to the
    next, ... One thread cuts, others ask.

    Args:
        since_ns: First moment of the take [ns, monotonic].
    """

    def __init__(self, since_ns: int) -> None:
        self._edges = np.array([since_ns], dtype=np.int64)

    @property
    def open(self) -> bool:
        """Whether the present belongs to the take."""
        return len(self._edges) % 2 == 1

    @property
    def last_ns(self) -> int:
        """Moment of the last cut [ns, monotonic]."""
        return int(self._edges[-1])

    def inside_ns(self, now_ns: int) -> int:
        """How much of the time up to `now_ns` [ns, monotonic] belongs to the take [ns]."""
        edges = np.minimum(self._edges, now_ns)
        if len(edges) % 2:
            edges = np.append(edges, now_ns)
        return int((edges[1::2] - edges[::2]).sum())

    def cut(self, t_ns: int) -> None:
        """From `t_ns` [ns, monotonic] on it is the other way round."""
        # A new array, so that a reader in another thread sees either the old or the new one.
        self._edges = np.append(self._edges, max(t_ns, self.last_ns))

    def keep(self, t_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of the moments (n,) [ns, monotonic] belong to the take; a cut at `t` still keeps
        what was measured at `t` when it ends, and not when it begins again."""
        edges = self._edges
        inside: npt.NDArray[np.bool_] = np.searchsorted(edges[1:], t_ns, side="left") % 2 == 0
        return inside & (t_ns >= edges[0])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows ready for the file: `data` are numbers (n, ...) or n packets."""

    t_ns: npt.NDArray[np.int64]
    data: npt.NDArray[Any] | list[Packet]
    seq0: int


class Feed:
    """Drains one ring. Numbering is that of the file: without what was cut, with what was lost.

    Args:
        path: The ring.
        cuts: What belongs to the take.
        since_ns: Where to begin [ns, monotonic].

    Attributes:
        rows: Rows passed on so far.
        missed: Rows that were overwritten before they could be read.
        newest_ns: Time of the newest row seen [ns, monotonic].
    """

    def __init__(self, path: Path, cuts: Cuts, since_ns: int) -> None:
        self.reader = RingReader(path)
        self.reader.seek(since_ns)
        self.spec = self.reader.spec
        self.rows = 0
        self.missed = 0
        self.newest_ns = -1
        self._cuts = cuts

    @property
    def dead(self) -> bool:
        """The process that filled the ring is gone, and all it wrote is read."""
        return not self.reader.writer_alive() and self.reader.backlog == 0

    def take(self, limit: int | None = None) -> Rows | None:
        """The next rows that belong to the take, or None."""
        drained = self.reader.drain(limit)
        self.missed += drained.missed
        if not drained:
            return None
        self.newest_ns = int(drained.t_ns[-1])
        keep = self._cuts.keep(drained.t_ns)
        kept = int(np.count_nonzero(keep))
        if kept == 0:
            return None
        seq0 = self.rows + self.missed
        self.rows += kept
        if kept == len(keep):
            return Rows(drained.t_ns, drained.data, seq0)
        return Rows(drained.t_ns[keep], drained.data[keep], seq0)

    def renew(self) -> bool:
        """Go on with the ring that has taken the place of a dead one; False while there is none, or
        one of another kind."""
        if not self.reader.replaced():
            return False
        try:
            reader = RingReader(self.reader.path)
        except StreamError:
            return False  # nobody has made it anew yet
        if reader.spec != self.spec:
            reader.close()
            return False
        reader.seek(self.newest_ns + 1)
        self.reader.close()
        self.reader = reader
        return True

    def close(self) -> None:
        self.reader.close()


class CameraFeed(Feed):
    """A feed that encodes in its own thread. The ring itself is the queue: nothing is lost while
    the encoder is less than the ring's length behind."""

    def __init__(self, path: Path, cuts: Cuts, since_ns: int) -> None:
        super().__init__(path, cuts, since_ns)
        height, width, _ = self.spec.shape
        self._encoder = VideoEncoder(width, height, self.spec.rate_hz)
        self._done: deque[Rows] = deque()
        self._finish = threading.Event()
        self._error: TeledeckError | None = None
        self._thread = threading.Thread(target=self._run, name=f"encode {self.spec.name}")
        self._thread.start()

    @property
    def dead(self) -> bool:
        return super().dead and not self._done

    def encoded(self) -> list[Rows]:
        """What has been encoded since the last call.

        Raises:
            StorageError: When the encoder failed.
        """
        if self._error is not None:
            raise self._error
        return [self._done.popleft() for _ in range(len(self._done))]

    def finish(self) -> list[Rows]:
        """Encode what the ring holds, end the thread, return the rest."""
        self._finish.set()
        self._thread.join()
        return self.encoded()

    def close(self) -> None:
        self._finish.set()
        self._thread.join()
        super().close()

    def _run(self) -> None:
        priority.stand_back(priority.CAMERAS)
        try:
            while True:
                ending = self._finish.is_set()
                rows = self.take(_FRAMES_AT_ONCE)
                if rows is not None:
                    packets = [self._encoder.encode(frame) for frame in rows.data]  # type: ignore
                    self._done.append(Rows(rows.t_ns, packets, rows.seq0))
                elif self.reader.backlog == 0:
                    if ending:
                        return
                    self._finish.wait(_IDLE_S)
        except TeledeckError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - FFmpeg has many; the take must end by each
            self._error = StorageError(f"The encoder of '{self.spec.name}' failed: {error}")
