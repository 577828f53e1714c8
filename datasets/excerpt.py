"""A span of time out of episodes that follow one another, as an episode of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.reader import Episode, EpisodeEvent, ImageStream
from datasets.video import Packet
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S
from devices.stream import StreamSpec

_ROWS_AT_ONCE = 2000
RATES = "Achieved rates"
"""Text of the event that tells rows and rates of a take; an excerpt has its own."""


def common_specs(episodes: Sequence[Episode]) -> list[StreamSpec]:
    """Streams of all episodes; where one has changed its kind, as the last has it."""
    found: dict[str, StreamSpec] = {}
    for episode in episodes:
        found.update(episode.specs)
    return [found[name] for name in sorted(found)]


def excerpt(
    episodes: Sequence[Episode], since_ns: int, until_ns: int, writer: EpisodeWriter
) -> None:
    """Copy the rows and events of a span. Times stay true; pictures are not encoded again.

    A camera begins with the first key frame in the span, so up to a third of a second later.

    Args:
        episodes: One after the other in time, none overlapping, on the same clock.
        since_ns, until_ns: First and last moment [ns, monotonic].
        writer: Of an episode with the streams of `common_specs`.

    Raises:
        StorageError: When something cannot be read or written.
    """
    shifts: dict[tuple[int, str], int] = {}  # by which row numbers change, told in gap events
    for spec in common_specs(episodes):
        for number, episode in enumerate(episodes):
            if episode.specs.get(spec.name) != spec:
                continue
            stream = episode[spec.name]
            first = int(np.searchsorted(stream.t_ns, since_ns, side="left"))
            last = int(np.searchsorted(stream.t_ns, until_ns, side="right"))
            done = writer.rows[spec.name]
            if isinstance(stream, ImageStream) and done == 0:
                keys = stream.keyframes[stream.keyframes >= first]
                first = int(keys[0]) if len(keys) else last
            shifts[number, spec.name] = done - first
            for row in range(first, last, _ROWS_AT_ONCE):
                end = min(row + _ROWS_AT_ONCE, last)
                data: Any
                if isinstance(stream, ImageStream):
                    marks = stream.table[row:end, 2]
                    packets = stream.packets(row, end - 1)
                    data = [Packet(p, bool(k)) for p, k in zip(packets, marks, strict=True)]
                else:
                    data = stream[row:end]
                seq0 = writer.rows[spec.name]
                writer.append(spec.name, stream.t_ns[row:end], data, seq0)
    for number, episode in enumerate(episodes):
        for event in episode.events:
            if since_ns <= event.t_ns <= until_ns and event.text != RATES:
                writer.event(event.kind, event.text, event.t_ns, _told(event, number, shifts))
    seconds = (until_ns - since_ns) / NS_PER_S
    rates = {
        name: {"rows": rows, "rate_hz": round(rows / seconds, 3) if seconds > 0 else None}
        for name, rows in writer.rows.items()
    }
    writer.event("note", RATES, until_ns, rates)


def _told(event: EpisodeEvent, number: int, shifts: dict[tuple[int, str], int]) -> dict[str, Any]:
    """An event's data, with the row that it names under its new number."""
    data = dict(event.data)
    shift = shifts.get((number, str(data.get("stream", ""))))
    if "row" in data and shift is not None:
        data["row"] = int(data["row"]) + shift
    return data
