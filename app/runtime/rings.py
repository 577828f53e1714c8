"""All rings of a run, as they come and go, and how well they are."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping

from app.runtime.rundir import RunDir
from app.runtime.statuses import StreamHealth
from devices.clock import NS_PER_S, Clock
from devices.errors import StreamError
from devices.ring import RingReader
from devices.stream import StreamSpec

RING_SECONDS = 4.0
"""How long a ring remembers: the pre-roll, and as much again for an encoder that is late."""

_REFRESH_NS = NS_PER_S // 5
_RATE_WINDOW_NS = NS_PER_S


def ring_capacity(spec: StreamSpec) -> int:
    """Samples that a ring must keep so that it remembers RING_SECONDS."""
    return max(2, math.ceil(RING_SECONDS * spec.rate_hz))


class RingSet(Mapping[str, RingReader]):
    """Readers of the rings in a run folder, by stream name. Use it from one thread.

    Rings of a process that starts again take the place of the old ones; rings whose file is gone
    disappear. Rings that cannot be read are kept in `broken` with the reason.

    Args:
        run: The run folder.
        clock: The clock of the samples.
    """

    def __init__(self, run: RunDir, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._readers: dict[str, RingReader] = {}
        self._marks: dict[str, deque[tuple[int, int]]] = {}
        self._next_refresh_ns = 0
        self.broken: dict[str, str] = {}

    def refresh(self, *, at_once: bool = False) -> None:
        """Look which rings there are, five times a second or `at_once`; cheap enough to be called
        often."""
        now = self._clock.now_ns()
        if now < self._next_refresh_ns and not at_once:
            return
        self._next_refresh_ns = now + _REFRESH_NS
        there = self._run.rings()
        for name in list(self._readers):
            if name not in there or self._readers[name].replaced():
                self._readers.pop(name).close()
                self._marks.pop(name)
        self.broken.clear()
        for name, path in there.items():
            if name in self._readers:
                continue
            try:
                self._readers[name] = RingReader(path)
                self._marks[name] = deque()
            except StreamError as error:
                self.broken[name] = str(error)
        for name, reader in self._readers.items():
            marks = self._marks[name]
            marks.append((now, reader.head))
            while len(marks) > 2 and now - marks[1][0] >= _RATE_WINDOW_NS:
                marks.popleft()

    def health(self, dropped: Mapping[str, int]) -> tuple[StreamHealth, ...]:
        """Rate over the last second and age of every stream.

        Args:
            dropped: Rows that the caller knows to be lost, by stream name.
        """
        return tuple(
            StreamHealth(
                name=name,
                rate_hz=self._rate_hz(name),
                nominal_hz=reader.spec.rate_hz,
                age_ms=self._age_ms(reader),
                dropped=dropped.get(name, 0),
            )
            for name, reader in self.items()
        )

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._marks.clear()

    def __getitem__(self, name: str) -> RingReader:
        return self._readers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._readers))

    def __len__(self) -> int:
        return len(self._readers)

    def _rate_hz(self, name: str) -> float:
        """NaN while there is too little to tell."""
        (t0, head0), (t1, head1) = self._marks[name][0], self._marks[name][-1]
        return (head1 - head0) * NS_PER_S / (t1 - t0) if t1 > t0 else math.nan

    def _age_ms(self, reader: RingReader) -> float:
        """Infinite while there was no sample."""
        age_ns = reader.age_ns(self._clock.now_ns())
        return math.inf if age_ns is None else age_ns / 1e6
