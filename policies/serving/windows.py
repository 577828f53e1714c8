"""Live windows out of rings, by the very rules that line up episodes (`datasets.align`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

import cv2
import numpy as np
import numpy.typing as npt

from datasets.align import align, match_rows
from datasets.reader import EpisodeStream
from datasets.window_rows import instants
from devices.clock import NS_PER_S
from devices.errors import PolicyError, StreamError
from devices.ring import Drained
from devices.stream import StreamSpec
from policies.contract import StreamNeed, Window

Times = npt.NDArray[np.int64]


class StreamReader(Protocol):
    """What is read of `devices.ring.RingReader`."""

    @property
    def spec(self) -> StreamSpec: ...
    def since(self, t_ns: int) -> Drained: ...
    def times(self, since_ns: int) -> tuple[int, Times]: ...
    def row(self, seq: int) -> npt.NDArray[Any] | None: ...
    def age_ns(self, now_ns: int) -> int | None: ...
    def replaced(self) -> bool: ...
    def close(self) -> None: ...


OpenRing = Callable[[str], StreamReader]


class LiveWindows:
    """Reads what a policy needs. Use it from one thread.

    Args:
        needs: What it needs.
        open_ring: Opens the ring of a stream by name; raises StreamError while there is none.
    """

    def __init__(self, needs: Sequence[StreamNeed], open_ring: OpenRing) -> None:
        self.needs = tuple(needs)
        self._open = open_ring
        self._readers: dict[str, StreamReader] = {}

    def window(self, now_ns: int, instruction: str = "") -> Window:
        """What `act` sees at `now_ns` [ns, monotonic], or as much earlier as streams whose rows are
        interpolated need: a row between two needs the later one too. Of a "chunk" need it gets one
        row, that of now: a plan may begin with what is felt already.

        Raises:
            PolicyError: Naming the needs that have no row near enough.
        """
        for need in self.needs:
            if need.rule == "interpolate":
                age_ns = self._reader(need.stream).age_ns(now_ns)
                now_ns -= max(0, age_ns or 0)
        return self._filled(self.needs, now_ns, lambda need: _instants(need, now_ns), instruction)

    def touched(self, t0_ns: int, now_ns: int, rate_hz: float, instruction: str = "") -> Window:
        """What `react` sees: for each "chunk" need the rows at the times of the actions since
        `t0_ns`, at `rate_hz`, up to now.

        Raises:
            PolicyError: As `window`.
        """
        needs = [need for need in self.needs if need.span == "chunk"]
        rows = max(1, int((now_ns - t0_ns) * rate_hz / NS_PER_S) + 1)
        at_ns = t0_ns + np.round(np.arange(rows) * (NS_PER_S / rate_hz)).astype(np.int64)
        return self._filled(needs, now_ns, lambda _: at_ns, instruction)

    def specs(self) -> dict[str, StreamSpec]:
        """What the needed streams are, as far as they are there."""
        found = {}
        for need in self.needs:
            try:
                found[need.stream] = self._reader(need.stream).spec
            except StreamError:
                continue
        return found

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _filled(
        self,
        needs: Iterable[StreamNeed],
        now_ns: int,
        instants_of: Callable[[StreamNeed], Times],
        instruction: str,
    ) -> Window:
        values: dict[str, npt.NDArray[Any]] = {}
        ages: dict[str, int] = {}
        missing: list[str] = []
        for need in needs:
            try:
                rows, age_ns = self._rows(need, instants_of(need), now_ns)
            except (StreamError, PolicyError) as error:
                missing.append(str(error))
                continue
            rows.flags.writeable = False
            values[need.key], ages[need.key] = rows, age_ns
        if missing:
            raise PolicyError("; ".join(missing))
        return Window(now_ns, values, ages, instruction)

    def _rows(self, need: StreamNeed, at_ns: Times, now_ns: int) -> tuple[npt.NDArray[Any], int]:
        reader = self._reader(need.stream)
        tolerance_ns = round(need.tolerance_ms * 1e6)
        since_ns = int(at_ns[0]) - tolerance_ns
        image = reader.spec.kind == "image"
        held = _Held(reader.spec, reader, since_ns, times_only=image)
        if not len(held.t_ns):
            age = reader.age_ns(now_ns)
            raise PolicyError(
                f"'{need.stream}' has no row"
                + ("" if age is None else f" in the last {age / 1e6:.0f} ms")
            )
        if need.rule == "interpolate":
            aligned = align(cast(EpisodeStream, held), at_ns, need.rule, tolerance_ns)
            valid, values = aligned.valid, aligned.values
        else:
            match = match_rows(held.t_ns, at_ns, need.rule, tolerance_ns)
            valid = match.valid
            values = held[match.rows] if valid.all() else np.empty(0)
        if not valid.all():
            raise PolicyError(
                f"'{need.stream}' has no row within {need.tolerance_ms:.0f} ms of "
                f"{int((~valid).sum())} of {len(valid)} instants"
            )
        newest = held.t_ns[held.t_ns <= now_ns]
        age_ns = now_ns - int(newest[-1] if len(newest) else held.t_ns[0])
        if image:
            return np.stack([resized(row, need.shape) for row in values]), age_ns
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise PolicyError(f"'{need.stream}' has values that are not finite")
        return values, age_ns

    def _reader(self, stream: str) -> StreamReader:
        reader = self._readers.get(stream)
        if reader is not None and reader.replaced():
            self._readers.pop(stream).close()
            reader = None
        if reader is None:
            reader = self._readers[stream] = self._open(stream)
        return reader


def _instants(need: StreamNeed, now_ns: int) -> Times:
    """When the rows of a window belong to, oldest first, shape (steps,) [ns, monotonic]; of what
    accompanies a chunk only now, shape (1,)."""
    if need.span == "chunk":
        return np.array([now_ns], dtype=np.int64)
    found: Times = instants(need, np.array([now_ns], dtype=np.int64))[0]
    return found


def resized(picture: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """A picture (height, width, 3) in the size of `shape`, by areas where it gets smaller."""
    if picture.shape == tuple(shape):
        return picture
    height, width = shape[:2]
    made = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(made, dtype=np.uint8)


class _Held:
    """What a ring holds, as `datasets.align` reads a stream. Pictures are copied one by one."""

    def __init__(
        self, spec: StreamSpec, reader: StreamReader, since_ns: int, *, times_only: bool
    ) -> None:
        self.spec = spec
        self._reader = reader
        self._data: npt.NDArray[Any] | None = None
        if times_only:
            self._seq0, self.t_ns = reader.times(since_ns)
        else:
            self._seq0, self.t_ns, self._data, _ = reader.since(since_ns)

    def __len__(self) -> int:
        return len(self.t_ns)

    def __getitem__(self, rows: Times) -> npt.NDArray[Any]:
        if self._data is not None:
            return np.array(self._data[rows])
        found = [self._reader.row(self._seq0 + int(row)) for row in rows]
        if any(row is None for row in found):
            raise PolicyError(f"'{self.spec.name}' was overwritten while it was read")
        return np.stack([row for row in found if row is not None])
