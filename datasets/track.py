"""The datasets of one stream inside an episode file that is being written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from datasets import layout
from datasets.video import CODEC, Packet
from devices.errors import StreamError
from devices.stream import StreamSpec

Times = npt.NDArray[np.int64]

_CHUNK_S = 0.5
_CHUNK_BYTES = 256 << 10
_PACKET_CHUNK = 64 << 10


class Track(ABC):
    """Rows of one stream: first in memory, then in the file.

    Args:
        parent: The `/streams` group.
        spec: The contract of the stream; its group carries it as attributes.
    """

    def __init__(self, parent: h5py.Group, spec: StreamSpec) -> None:
        self.spec = spec
        self.rows = 0
        self.missing = 0
        self._next_seq: int | None = None
        self._written = 0
        self._pending_times: list[Times] = []
        self._group = parent.create_group(spec.name)
        for key, value in spec.to_dict().items():
            self._group.attrs[key] = value
        chunk = max(1, round(_CHUNK_S * spec.rate_hz))
        self._times = _growing(self._group, layout.TIMES, (), "i8", max(chunk, 64))

    def append(self, times: Times, data: Any, seq0: int) -> int:
        """Take rows into memory; returns how many are missing before them."""
        self._keep(data)
        self._pending_times.append(times)
        missing = 0 if self._next_seq is None else max(0, seq0 - self._next_seq)
        self._next_seq = seq0 + len(times)
        self.missing += missing
        self.rows += len(times)
        return missing

    def write(self) -> None:
        """Write what waits in memory."""
        if not self._pending_times:
            return
        self._write_data()
        extend(self._times, np.concatenate(self._pending_times), self._written)
        self._written = self.rows
        self._pending_times.clear()

    @abstractmethod
    def _keep(self, data: Any) -> None: ...

    @abstractmethod
    def _write_data(self) -> None: ...


class ArrayTrack(Track):
    """A stream of numbers: `data` has shape (N, *spec.shape)."""

    def __init__(self, parent: h5py.Group, spec: StreamSpec) -> None:
        super().__init__(parent, spec)
        chunk = max(1, min(round(_CHUNK_S * spec.rate_hz), _CHUNK_BYTES // spec.nbytes))
        self._data = _growing(self._group, layout.ROWS, spec.shape, spec.dtype, chunk)
        self._pending: list[npt.NDArray[Any]] = []

    def _keep(self, data: npt.NDArray[Any]) -> None:
        spec = self.spec
        if data.shape[1:] != spec.shape or data.dtype != np.dtype(spec.dtype):
            raise StreamError(
                f"Stream '{spec.name}' got rows of {data.shape[1:]} {data.dtype}",
                allowed=[f"{spec.shape} {spec.dtype}"],
            )
        self._pending.append(np.array(data))

    def _write_data(self) -> None:
        extend(self._data, np.concatenate(self._pending), self._written)
        self._pending.clear()


class PacketTrack(Track):
    """A stream of encoded pictures: `packets` holds their bytes back to back, `data` where each
    begins, how long it is and whether it is a key frame."""

    def __init__(self, parent: h5py.Group, spec: StreamSpec) -> None:
        super().__init__(parent, spec)
        columns = layout.PACKET_COLUMNS
        self._data = _growing(self._group, layout.ROWS, (len(columns),), "i8", 64)
        self._data.attrs["columns"] = list(columns)
        self._packets = _growing(self._group, layout.PACKETS, (), "u1", _PACKET_CHUNK)
        self._packets.attrs["codec"] = CODEC
        self._size = 0
        self._end = 0
        self._pending: list[Packet] = []

    def _keep(self, data: Sequence[Packet]) -> None:
        if not all(isinstance(packet, Packet) and packet.data for packet in data):
            raise StreamError(
                f"Stream '{self.spec.name}' holds pictures",
                next_step="Append packets from datasets.video.VideoEncoder",
            )
        if not self.rows and not data[0].keyframe:
            raise StreamError(
                f"Stream '{self.spec.name}' begins with a picture that needs an earlier one",
                next_step="Begin an episode with a new encoder",
            )
        self._pending.extend(data)

    def _write_data(self) -> None:
        table = np.empty((len(self._pending), len(layout.PACKET_COLUMNS)), dtype=np.int64)
        for row, packet in zip(table, self._pending, strict=True):
            row[:] = self._end, len(packet.data), packet.keyframe
            self._end += len(packet.data)
        blob = b"".join(packet.data for packet in self._pending)
        extend(self._packets, np.frombuffer(blob, dtype=np.uint8), self._size)
        self._size = self._end
        extend(self._data, table, self._written)
        self._pending.clear()


def extend(dataset: h5py.Dataset, rows: npt.NDArray[Any], at: int) -> None:
    """Make a dataset longer and write the new rows. Nothing that was written changes."""
    dataset.resize(at + len(rows), axis=0)
    dataset[at:] = rows


def _growing(
    group: h5py.Group, name: str, shape: tuple[int, ...], dtype: str, chunk: int
) -> h5py.Dataset:
    return group.create_dataset(
        name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(chunk, *shape)
    )
