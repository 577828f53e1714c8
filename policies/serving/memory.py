"""A stream that is held in memory, read like a ring: for rollouts in one process."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from devices.errors import StreamError
from devices.ring import Drained
from devices.stream import StreamSpec

_FIRST = 1024


class MemoryStream:
    """All samples since the last `clear`. Writer and reader are one; use it from one thread.

    Args:
        spec: Of the stream.
    """

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self._t_ns = np.empty(_FIRST, dtype=np.int64)
        self._data = np.empty((_FIRST, *spec.shape), dtype=spec.dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all samples, as when a new rollout begins."""
        self._count = 0

    def publish(self, t_ns: int, data: npt.ArrayLike) -> None:
        """Keep one sample.

        Raises:
            StreamError: If it is older than the one before.
        """
        if self._count and t_ns < self._t_ns[self._count - 1]:
            raise StreamError(f"A sample of '{self.spec.name}' is older than the one before it")
        if self._count == len(self._t_ns):
            self._t_ns = np.concatenate([self._t_ns, np.empty_like(self._t_ns)])
            self._data = np.concatenate([self._data, np.empty_like(self._data)])
        self._t_ns[self._count] = t_ns
        self._data[self._count] = data
        self._count += 1

    # ---------------------------------------------------------- as `devices.ring.RingReader`
    def since(self, t_ns: int) -> Drained:
        """As `RingReader.since`."""
        first, times = self.times(t_ns)
        data = self._data[first : self._count].copy()
        data.flags.writeable = False
        return Drained(first, times, data, 0)

    def times(self, since_ns: int) -> tuple[int, npt.NDArray[np.int64]]:
        """As `RingReader.times`."""
        first = int(np.searchsorted(self._t_ns[: self._count], since_ns))
        times = self._t_ns[first : self._count].copy()
        times.flags.writeable = False
        return first, times

    def row(self, seq: int) -> npt.NDArray[Any] | None:
        """As `RingReader.row`."""
        return self._data[seq].copy() if 0 <= seq < self._count else None

    def age_ns(self, now_ns: int) -> int | None:
        """As `RingReader.age_ns`."""
        return now_ns - int(self._t_ns[self._count - 1]) if self._count else None

    def replaced(self) -> bool:
        """As `RingReader.replaced`; never."""
        return False

    def close(self) -> None:
        """Nothing to release."""
