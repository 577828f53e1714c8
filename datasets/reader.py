"""Reads one episode: streams at their own rates, events, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from datasets import files, layout
from datasets.video import FrameReader, PacketStore
from devices.errors import StorageError, StreamError
from devices.stream import StreamSpec

Times = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class EpisodeEvent:
    """Something that happened once.

    Attributes:
        t_ns: When [ns, monotonic].
        kind: gap, label, takeover, guard, fault, note, scene or leader.
        text: A sentence for people.
        data: More about it.
    """

    t_ns: int
    kind: str
    text: str
    data: Mapping[str, Any]


class EpisodeStream:
    """One stream of an open episode. Arrays are read when asked for, and read-only."""

    def __init__(self, spec: StreamSpec, file: h5py.File, rows: int) -> None:
        self.spec = spec
        self._file = file
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    @cached_property
    def _group(self) -> h5py.Group:
        return self._file[layout.STREAMS][self.spec.name]

    @cached_property
    def t_ns(self) -> Times:
        """When each row was measured [ns, monotonic], shape (N,)."""
        return _read_only(self._group[layout.TIMES][: self._rows])

    @cached_property
    def ends_ns(self) -> tuple[int, int]:
        """First and last time [ns, monotonic], without reading those between.

        Raises:
            StreamError: If the stream has no rows.
        """
        if not self._rows:
            raise StreamError(f"Stream '{self.spec.name}' has no rows")
        times = self._group[layout.TIMES]
        return int(times[0]), int(times[self._rows - 1])

    @cached_property
    def values(self) -> Rows:
        """All rows, shape (N, *spec.shape). Not for images: ask the episode for `frames`."""
        self._refuse_images()
        return _read_only(self._group[layout.ROWS][: self._rows])

    def __getitem__(self, rows: int | slice | Sequence[int] | Rows) -> Rows:
        """Some rows, without reading all the others: one row, a slice, or many row numbers."""
        self._refuse_images()
        if "values" in self.__dict__:
            return _read_only(self.values[rows])
        data = self._group[layout.ROWS]
        if isinstance(rows, slice):
            return _read_only(data[slice(*rows.indices(self._rows))])
        wanted = checked_rows(rows, self._rows, self.spec.name)
        if wanted.ndim == 0:
            return _read_only(data[int(wanted)])
        if not len(wanted):
            return _read_only(np.empty((0, *self.spec.shape), dtype=self.spec.dtype))
        first = int(wanted.min())
        return _read_only(data[first : int(wanted.max()) + 1][wanted - first])

    def _refuse_images(self) -> None:
        if self.spec.kind == "image":
            raise StreamError(
                f"Stream '{self.spec.name}' holds encoded pictures",
                next_step="Read them with Episode.frames",
            )


class ImageStream(EpisodeStream, PacketStore):
    """A stream of pictures: its rows are packets."""

    @cached_property
    def table(self) -> npt.NDArray[np.int64]:
        """Offset, size and key-frame mark of each packet, shape (N, 3)."""
        return _read_only(self._group[layout.ROWS][: self._rows])

    @cached_property
    def keyframes(self) -> Times:
        """Rows where decoding can begin, ascending."""
        return _read_only(np.flatnonzero(self.table[:, 2]))

    @cached_property
    def reader(self) -> FrameReader:
        return FrameReader(self)

    def keyframe_at_or_before(self, row: int) -> int:
        place = int(np.searchsorted(self.keyframes, row, side="right")) - 1
        if place < 0:
            raise StorageError(f"Stream '{self.spec.name}' has no key frame before row {row}")
        return int(self.keyframes[place])

    def packets(self, first: int, last: int) -> list[bytes]:
        table = self.table
        begin, end = int(table[first, 0]), int(table[last, 0] + table[last, 1])
        blob = self._group[layout.PACKETS][begin:end].tobytes()
        if len(blob) != end - begin:
            raise StorageError(f"Stream '{self.spec.name}' lacks the packets of row {last}")
        return [
            blob[offset - begin : offset - begin + size]
            for offset, size, _ in table[first : last + 1].tolist()
        ]


class Episode:
    """One recorded episode, open for reading. Not thread-safe.

    Use `Episode.open`, or `with Episode.open(path) as episode`.

    Attributes:
        path: Its file.
        uid: Its name.
        schema: Version of the layout.
        start: What was known at the start.
        stop: How and why it ended, or None while it is recorded and after a crash.
        provenance: Only in derived episodes: what it was made from.
        recording: Whether a living writer was adding rows when it was opened.
        specs: The contracts of its streams, by name.
    """

    def __init__(self, path: Path, file: h5py.File, recording: bool) -> None:
        self.path = path
        self._file = file
        self.recording = recording
        self.schema = int(file.attrs["schema"])
        self.uid = str(file.attrs.get("uid", path.stem))
        self.start: Mapping[str, Any] = MappingProxyType(_parsed(path, file.attrs.get("start")))
        stop = files.stop_text(file)
        self.stop: Mapping[str, Any] | None = _parsed(path, stop) if stop else None
        self.provenance: Mapping[str, Any] | None = None
        if layout.PROVENANCE in file:
            self.provenance = _parsed(path, file[layout.PROVENANCE].attrs.get("json"))
        if files.is_marked_open(path):
            files.check_lengths(file)
        self._event_bytes, rows = files.committed(file)
        self._streams: dict[str, EpisodeStream] = {}
        for spec in _specs(path, file):
            if spec.name not in rows:
                raise StorageError(f"{path}: stream '{spec.name}' is declared but not there")
            kind = ImageStream if spec.kind == "image" else EpisodeStream
            self._streams[spec.name] = kind(spec, file, rows[spec.name])
        self.specs = MappingProxyType({name: s.spec for name, s in self._streams.items()})

    @classmethod
    def open(cls, path: Path | str) -> Episode:
        """Open an episode in any state.

        Raises:
            StorageError: If it is missing, empty, foreign, truncated, unreadable or newer.
        """
        path = Path(path)
        file = files.open_file(path)
        try:
            return cls(path, file, files.living_writer(path))
        except (OSError, RuntimeError, KeyError) as error:
            file.close()
            raise StorageError(
                f"{path} is damaged: {error}", next_step="Restore it from a backup"
            ) from error
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Idempotent."""
        self._file.close()

    def __enter__(self) -> Episode:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> EpisodeStream:
        """One stream.

        Raises:
            StreamError: For an unknown name, listing the known ones.
        """
        try:
            return self._streams[name]
        except KeyError:
            raise StreamError(
                f"Episode {self.uid} has no stream '{name}'", allowed=self._streams
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def interrupted(self) -> bool:
        """Whether its recorder died: the end is where the last flush was."""
        if self.stop is None:
            return not self.recording
        return self.stop.get("how") == "interrupted"

    @cached_property
    def span_ns(self) -> tuple[int, int]:
        """Earliest first and latest last row [ns, monotonic]; twice the start without rows."""
        ends = [stream.ends_ns for stream in self._streams.values() if len(stream)]
        if not ends:
            t_ns = int(self.start.get("t_ns", 0))
            return t_ns, t_ns
        return min(first for first, _ in ends), max(last for _, last in ends)

    @property
    def length_s(self) -> float:
        first, last = self.span_ns
        return (last - first) / 1e9

    @cached_property
    def events(self) -> tuple[EpisodeEvent, ...]:
        """All events in the order in which they were recorded."""
        if layout.EVENTS not in self._file:
            return ()
        lines = self._file[layout.EVENTS][: self._event_bytes].tobytes().splitlines()
        found = []
        for line in lines:
            fields = _parsed(self.path, line)
            found.append(
                EpisodeEvent(
                    int(fields["t_ns"]),
                    str(fields["kind"]),
                    str(fields["text"]),
                    MappingProxyType(fields.get("data", {})),
                )
            )
        return tuple(found)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the image streams."""
        return tuple(name for name, spec in self.specs.items() if spec.kind == "image")

    def frames(self, stream: str, rows: int | Sequence[int] | Rows) -> npt.NDArray[np.uint8]:
        """Pictures of some rows, RGB, read-only.

        Args:
            stream: Name of an image stream.
            rows: One row number, or n of them in any order.

        Returns:
            Shape (height, width, 3), or (n, height, width, 3).
        """
        images = self.images(stream)
        wanted = checked_rows(rows, len(images), stream)
        if wanted.ndim == 0:
            return images.reader.frame(int(wanted))
        pictures = np.empty((len(wanted), *images.spec.shape), dtype=np.uint8)
        for place in np.argsort(wanted, kind="stable"):
            pictures[place] = images.reader.frame(int(wanted[place]))
        return _read_only(pictures)

    def images(self, stream: str) -> ImageStream:
        """An image stream. Raises StreamError for any other, listing the image streams."""
        found = self[stream]
        if not isinstance(found, ImageStream):
            raise StreamError(f"Stream '{stream}' holds no pictures", allowed=self.cameras)
        return found


def checked_rows(rows: int | Sequence[int] | Rows, count: int, stream: str) -> Times:
    """Row numbers as an array, negative ones counted from the end.

    Raises:
        StreamError: If one lies outside the stream.
    """
    wanted = np.asarray(rows)
    if wanted.dtype == np.bool_:
        wanted = np.flatnonzero(wanted)
    wanted = wanted.astype(np.int64)
    if wanted.size and (wanted.min() < -count or wanted.max() >= count):
        raise StreamError(f"Stream '{stream}' has {count} rows; asked for {rows}")
    return np.where(wanted < 0, wanted + count, wanted)


def _specs(path: Path, file: h5py.File) -> list[StreamSpec]:
    """The contracts of all streams, sorted by name."""
    listed = file.attrs.get("streams")
    try:
        if listed is not None:
            described = json.loads(listed)
        else:
            described = [
                {key: _plain(value) for key, value in group.attrs.items()}
                for group in files.stream_groups(file).values()
            ]
        known = StreamSpec.__dataclass_fields__
        specs = [
            StreamSpec.from_dict({key: fields[key] for key in fields.keys() & known.keys()})
            for fields in described
        ]
    except (AttributeError, TypeError, ValueError, KeyError, StreamError) as error:
        raise StorageError(
            f"{path} does not say what its streams are: {error}",
            next_step="Restore it from a backup",
        ) from error
    return sorted(specs, key=lambda spec: spec.name)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _parsed(path: Path, text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError) as error:
        raise StorageError(f"{path} holds broken JSON: {error}") from error
    if not isinstance(value, dict):
        raise StorageError(f"{path} holds {value!r} where an object is expected")
    return value


def _read_only(array: Any) -> Any:
    array = np.asarray(array)
    array.flags.writeable = False
    return array
