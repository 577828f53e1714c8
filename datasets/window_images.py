"""Pictures of windows, by random access into many episode files at once.

A row is decoded from the key frame before it, never from the beginning of its file. Packets are
read at their place in the file, which is looked up once: opening an episode for each picture would
cost more than decoding it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from datasets import layout
from datasets.reader import Episode, ImageStream
from datasets.video import GROUP, FrameReader, ImageArray, PacketStore
from devices.errors import StorageError

DECODERS = 8
"""Decoders that one thread keeps standing where they are. A window's rows lie close together."""

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Packets(PacketStore):
    """Where the packets of one image stream lie. Immutable, so that threads may share it.

    Attributes:
        path: The episode file.
        stream: Name of the stream.
        table: Offset, size and key-frame mark of each packet, shape (N, 3).
        keyframes: Rows where decoding can begin, ascending.
        places: Offset in the file of each piece of the packet bytes, shape (C,); empty where they
            are stored compressed (by another program), then HDF5 reads them.
        piece: Bytes in a piece.
    """

    path: Path
    stream: str
    table: Times
    keyframes: Times
    places: Times
    piece: int

    @classmethod
    def of(cls, episode: Episode, stream: str) -> Packets:
        images = episode.images(stream)
        places, piece = _places(images)
        return cls(episode.path, stream, images.table, images.keyframes, places, piece)

    def keyframe_at_or_before(self, row: int) -> int:
        place = int(np.searchsorted(self.keyframes, row, side="right")) - 1
        if place < 0:
            raise StorageError(f"Stream '{self.stream}' of {self.path} has no key frame at {row}")
        return int(self.keyframes[place])

    def packets(self, first: int, last: int) -> list[bytes]:
        if not len(self.places):
            with Episode.open(self.path) as episode:
                return episode.images(self.stream).packets(first, last)
        begin, end = int(self.table[first, 0]), int(self.table[last, 0] + self.table[last, 1])
        blob = self._bytes(begin, end)
        return [
            blob[offset - begin : offset - begin + size]
            for offset, size, _ in self.table[first : last + 1].tolist()
        ]

    def _bytes(self, begin: int, end: int) -> bytes:
        parts = []
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                while begin < end:
                    number, within = divmod(begin, self.piece)
                    count = min(end - begin, self.piece - within)
                    if number >= len(self.places):
                        raise StorageError(f"{self.path} lacks packets of '{self.stream}'")
                    parts.append(os.pread(fd, count, int(self.places[number]) + within))
                    if len(parts[-1]) != count:
                        raise StorageError(f"{self.path} is shorter than it was")
                    begin += count
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be read any more: {error.strerror}",
                next_step="Do not purge or move episodes while they are read",
            ) from error
        return b"".join(parts)


class Pictures:
    """Pictures of one need, resized, out of all episodes. May be used by many threads.

    Args:
        packets: Of each episode.
        size: Height and width to resize to [px].
        cache_bytes: How much memory resized pictures may take; shuffled reading comes back to
            every picture once an epoch, so what fits is decoded once.
    """

    def __init__(self, packets: list[Packets], size: tuple[int, int], cache_bytes: int) -> None:
        self._packets = packets
        self._size = size
        self._most = max(0, cache_bytes // (size[0] * size[1] * 3))
        self._kept: OrderedDict[tuple[int, int], ImageArray] = OrderedDict()
        self._lock = threading.Lock()
        self._local = threading.local()

    def read(self, episodes: Times, rows: Times) -> ImageArray:
        """Pictures for windows.

        Args:
            episodes: Which episode, shape (B,).
            rows: Rows of its stream, shape (B, steps).

        Returns:
            Shape (B, steps, height, width, 3), RGB.
        """
        pictures = np.empty((*rows.shape, *self._size, 3), dtype=np.uint8)
        # In the order of the files, so that a decoder that stands right is not sent away.
        for b in np.lexsort((rows[:, 0], episodes)):
            for step in np.argsort(rows[b], kind="stable"):
                pictures[b, step] = self._picture(int(episodes[b]), int(rows[b, step]))
        return pictures

    def _picture(self, episode: int, row: int) -> ImageArray:
        place = (episode, row)
        with self._lock:
            kept = self._kept.get(place)
            if kept is not None:
                self._kept.move_to_end(place)
                return kept
        whole = self._reader(episode).frame(row)
        height, width = self._size
        small = whole
        if whole.shape[:2] != self._size:
            resized = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
            small = np.asarray(resized, dtype=np.uint8)
        if self._most:
            with self._lock:
                self._kept[place] = small
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return small

    def _reader(self, episode: int) -> FrameReader:
        readers: OrderedDict[int, FrameReader] | None = getattr(self._local, "readers", None)
        if readers is None:
            readers = self._local.readers = OrderedDict()
        if episode not in readers:
            readers[episode] = FrameReader(self._packets[episode], keep=2)
            while len(readers) > DECODERS:
                readers.popitem(last=False)
        readers.move_to_end(episode)
        return readers[episode]


def longest_group(packets: list[Packets]) -> int:
    """The most packets that one access has to decode, over all episodes."""
    longest = 0
    for each in packets:
        edges = np.append(each.keyframes, len(each.table))
        longest = max(longest, int(np.diff(edges).max(initial=0)))
    return longest or GROUP


def _places(images: ImageStream) -> tuple[Times, int]:
    data: Any = images._group[layout.PACKETS]
    if data.chunks is None or data.id.get_create_plist().get_nfilters():
        return np.empty(0, dtype=np.int64), 1
    piece = int(data.chunks[0])
    places = np.full(-(-len(data) // piece), -1, dtype=np.int64)

    def note(info: Any) -> None:
        number = info.chunk_offset[0] // piece
        if number < len(places):
            places[number] = info.byte_offset

    data.id.chunk_iter(note)
    return (np.empty(0, dtype=np.int64), 1) if (places < 0).any() else (places, piece)
