"""Where the station's samples go: one ring a stream."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable

import numpy.typing as npt

from app.runtime.rundir import RunDir
from devices.errors import StreamError
from devices.ring import RingWriter
from devices.stream import Sample, StreamSpec

# The 2 s of pre-roll, a recorder that was busy for a moment, and as much again.
RING_SECONDS = 4.0


class Outlet:
    """The writing ends of a fixed set of streams.

    Args:
        rundir: Folder of this run.
        specs: All streams; a name may come once only.
    """

    def __init__(self, rundir: RunDir, specs: Iterable[StreamSpec]) -> None:
        self._rings: dict[str, RingWriter] = {}
        try:
            for spec in specs:
                if spec.name in self._rings:
                    raise StreamError(
                        f"Two devices publish the stream '{spec.name}'",
                        next_step="Give one of them another name in the station file",
                    )
                capacity = max(8, math.ceil(spec.rate_hz * RING_SECONDS))
                self._rings[spec.name] = RingWriter(rundir.ring(spec.name), spec, capacity)
        except BaseException:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._rings)

    def publish(self, stream: str, t_ns: int, data: npt.ArrayLike) -> None:
        """One sample of a stream that was declared."""
        self._rings[stream].publish(t_ns, data)

    def publish_all(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            self._rings[sample.stream].publish(sample.t_ns, sample.data)

    def close(self) -> None:
        """Release and remove all rings. Idempotent."""
        for ring in self._rings.values():
            with contextlib.suppress(OSError):
                ring.close()
