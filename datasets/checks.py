"""What may be wrong with an episode, as flags and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from datasets.reader import Episode, EpisodeStream
from devices.clock import NS_PER_S
from devices.errors import StorageError

Flag = Literal[
    "recording",
    "interrupted",
    "failed",
    "empty",
    "gaps",
    "low rate",
    "time order",
    "not finite",
    "pictures",
    "derived",
    "unjudged",
    "unreadable",
]

LOW_RATE = 0.9
"""A stream slower than this share of its nominal rate is flagged."""
GAP_PERIODS = 3.0
"""A hole longer than so many nominal periods is a gap."""

_STEADY = ("state", "touch", "image", "scene", "timing")
"""Kinds of stream that always flow; commands and operators only have rows while somebody acts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that may be wrong.

    Attributes:
        flag: In a word.
        text: In a sentence.
        stream: The stream it is about, or "".
    """

    flag: Flag
    text: str
    stream: str = ""


def glance(episode: Episode) -> tuple[Finding, ...]:
    """What the start, the end, the events and the first and last rows tell: milliseconds."""
    findings = [*_ending(episode), *_recorded_gaps(episode)]
    pauses = paused_spans(episode)
    for stream in _steady(episode):
        if finding := _low_rate(stream, pauses):
            findings.append(finding)
    if not any(len(episode[name]) for name in episode):
        findings.append(Finding("empty", "No stream has a row"))
    return tuple(findings)


def inspect(episode: Episode, judged: bool | None = None) -> tuple[Finding, ...]:
    """Everything that can be checked by reading the whole file, pictures included.

    Args:
        episode: Open for reading.
        judged: Whether somebody gave a verdict; None if that does not matter.
    """
    findings = list(glance(episode))
    pauses = paused_spans(episode)
    for name in episode:
        stream = episode[name]
        findings.extend(_time_order(stream))
        if stream.spec.kind == "image":
            findings.extend(_pictures(episode, name))
        else:
            findings.extend(_not_finite(stream))
    for stream in _steady(episode):
        findings.extend(_holes(stream, pauses))
    if judged is False:
        findings.append(Finding("unjudged", "Nobody gave a verdict yet, so it counts as a failure"))
    return tuple(findings)


def paused_spans(episode: Episode) -> tuple[tuple[int, int], ...]:
    """Times in which the operator had paused the take [ns, monotonic]."""
    return tuple(
        (event.t_ns, event.t_ns + round(float(event.data.get("seconds", 0.0)) * NS_PER_S))
        for event in episode.events
        if event.data.get("paused") is True
    )


def _ending(episode: Episode) -> Iterator[Finding]:
    if episode.recording:
        yield Finding("recording", "It is being recorded now")
    elif episode.interrupted:
        yield Finding("interrupted", "The recorder died; the last half second may be missing")
    elif episode.stop is not None and episode.stop.get("how") == "failed":
        yield Finding("failed", f"The take failed: {episode.stop.get('why', '')}")
    if episode.provenance is not None:
        yield Finding("derived", "It was made from other episodes")


def _recorded_gaps(episode: Episode) -> Iterator[Finding]:
    missing: dict[str, int] = {}
    for event in episode.events:
        if event.kind != "gap" or event.data.get("paused") is True:
            continue
        stream = str(event.data.get("stream", ""))
        if not stream:
            yield Finding("gaps", event.text)
        else:
            missing[stream] = missing.get(stream, 0) + int(event.data.get("missing", 0))
    for stream, count in missing.items():
        yield Finding("gaps", f"{stream} lost {count} rows", stream)


def _low_rate(stream: EpisodeStream, pauses: tuple[tuple[int, int], ...]) -> Finding | None:
    if len(stream) < 2:
        return None
    first, last = stream.ends_ns
    paused = sum(max(0, min(end, last) - max(begin, first)) for begin, end in pauses)
    seconds = (last - first - paused) / NS_PER_S
    nominal = stream.spec.rate_hz
    rate = (len(stream) - 1) / seconds if seconds > 0 else float("inf")
    if rate >= LOW_RATE * nominal:
        return None
    text = f"{stream.spec.name} ran at {rate:.1f} Hz instead of {nominal:g} Hz"
    return Finding("low rate", text, stream.spec.name)


def _time_order(stream: EpisodeStream) -> Iterator[Finding]:
    backward = np.flatnonzero(np.diff(stream.t_ns) < 0)
    if len(backward):
        yield Finding(
            "time order",
            f"{stream.spec.name} goes back in time at {len(backward)} rows, "
            f"first at row {backward[0] + 1}",
            stream.spec.name,
        )


def _holes(stream: EpisodeStream, pauses: tuple[tuple[int, int], ...]) -> Iterator[Finding]:
    steps = np.diff(stream.t_ns)
    limit = GAP_PERIODS * NS_PER_S / stream.spec.rate_hz
    holes = [row for row in np.flatnonzero(steps > limit) if not _in_pause(stream, row, pauses)]
    if holes:
        worst = max(holes, key=lambda row: int(steps[row]))
        yield Finding(
            "gaps",
            f"{stream.spec.name} has {len(holes)} holes, the longest {steps[worst] / 1e6:.0f} ms "
            f"after row {worst}",
            stream.spec.name,
        )


def _in_pause(stream: EpisodeStream, row: np.intp, pauses: tuple[tuple[int, int], ...]) -> bool:
    before, after = int(stream.t_ns[row]), int(stream.t_ns[row + 1])
    return any(begin < after and end > before for begin, end in pauses)


def _not_finite(stream: EpisodeStream) -> Iterator[Finding]:
    spec = stream.spec
    if np.dtype(spec.dtype).kind != "f" or not len(stream):
        return
    rows = stream.values.reshape(len(stream), -1)
    bad: npt.NDArray[np.bool_] = ~np.isfinite(rows)
    if spec.kind == "operator":
        bad = np.isinf(rows)  # NaN there means 'not asked', as its spec says
    broken: npt.NDArray[Any] = np.flatnonzero(bad.any(axis=1))
    if len(broken):
        yield Finding(
            "not finite",
            f"{spec.name} has {len(broken)} rows that are not numbers, first at row {broken[0]}",
            spec.name,
        )


def _pictures(episode: Episode, name: str) -> Iterator[Finding]:
    height, width, channels = episode.specs[name].shape
    for row in range(len(episode[name])):
        try:
            picture = episode.frames(name, row)
        except StorageError as error:
            yield Finding("pictures", f"{name} row {row}: {error.what}", name)
            return
        if picture.shape != (height, width, channels):
            yield Finding("pictures", f"{name} row {row} is {picture.shape}", name)
            return


def _steady(episode: Episode) -> list[EpisodeStream]:
    return [episode[name] for name in episode if episode.specs[name].kind in _STEADY]
