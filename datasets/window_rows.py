"""Rows of one need for every window of many episodes, and what it cost to line them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from datasets.align import Rule, align, match_rows
from datasets.reader import Episode
from devices.clock import NS_PER_S
from devices.errors import StreamError

Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NO_ROW = "no row before it"
TOO_FAR = "nearest row out of tolerance"
NOT_FINITE = "values that are not finite"


class Need(Protocol):
    """What is read of `policies.contract.StreamNeed`."""

    @property
    def stream(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def unit(self) -> str: ...
    @property
    def frame(self) -> str: ...
    @property
    def steps(self) -> int: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def tolerance_ms(self) -> float: ...
    @property
    def span(self) -> Literal["window", "chunk"]: ...


@dataclass(frozen=True, slots=True)
class Skew:
    """How well one key could be lined up.

    Attributes:
        key, stream, rule: Of the need.
        p99_ms, max_ms: Distance in time between a row and the instant it stands for, over all
            rows of all windows that were accepted [ms].
        refused: Windows that this key refused, by reason.
    """

    key: str
    stream: str
    rule: str
    p99_ms: float
    max_ms: float
    refused: Mapping[str, int]

    @property
    def sentence(self) -> str:
        text = f"{self.key}: skew p99 {self.p99_ms:.1f} ms, at most {self.max_ms:.1f} ms"
        for reason, count in self.refused.items():
            text += f"; {count} windows refused, {reason}"
        return text


@dataclass(slots=True)
class Lined:
    """One need at the instants of one episode.

    Attributes:
        values: Rows that are used, float32 (R, *shape); None for images.
        rows: For each instant its row in `values`, or in the stream for images; shape (n,).
        skew_ns: Shape (n,).
        reason: Why an instant has no row, "" where it has one; shape (n,).
    """

    values: npt.NDArray[np.float32] | None
    rows: Times
    skew_ns: Times
    reason: npt.NDArray[Any]

    @property
    def valid(self) -> Mask:
        valid: Mask = self.reason == ""
        return valid


def mismatch(episode: Episode, need: Need) -> str:
    """Why a need cannot be read from an episode; "" if it can."""
    if need.stream not in episode.specs:
        return f"there is no stream '{need.stream}'"
    spec = episode.specs[need.stream]
    if spec.kind == "image":
        if len(need.shape) != 3 or need.shape[2] != 3:
            return f"'{need.stream}' has pictures, and {need.shape} is no size of a picture"
        if need.rule == "interpolate":
            return f"'{need.stream}' has pictures, which cannot be interpolated"
    elif spec.shape != tuple(need.shape):
        return f"'{need.stream}' has rows of {spec.shape}, not {tuple(need.shape)}"
    if need.unit and need.unit != spec.unit:
        return f"'{need.stream}' is told in '{spec.unit}', not '{need.unit}'"
    if need.frame and need.frame != spec.frame:
        return f"'{need.stream}' is told in the frame '{spec.frame}', not '{need.frame}'"
    return ""


def instants(need: Need, at_ns: Times) -> Times:
    """When the rows of a window belong to, oldest first: (W,) → (W, steps)."""
    back = np.arange(need.steps - 1, -1, -1) * (NS_PER_S / need.rate_hz)
    return at_ns[:, None] - np.round(back).astype(np.int64)


def line_up(episode: Episode, need: Need, at_ns: Times) -> Lined:
    """The rows of a need at instants, shape (n,) [ns, monotonic]."""
    stream = episode[need.stream]
    reason = np.full(len(at_ns), "", dtype="U32")
    match = match_rows(stream.t_ns, at_ns, need.rule)
    reason[~match.valid] = NO_ROW
    reason[match.valid & (match.skew_ns > need.tolerance_ms * 1e6)] = TOO_FAR
    rows = np.where(reason == "", match.rows, 0)
    if stream.spec.kind == "image":
        return Lined(None, rows, match.skew_ns, reason)
    if need.rule == "interpolate":
        values = align(stream, at_ns, need.rule).values.astype(np.float32)
        used, rows = values, np.arange(len(at_ns))
    else:
        unique, rows = np.unique(rows, return_inverse=True)
        used = stream.values[unique].astype(np.float32) if len(stream) else _nothing(need)
    finite = np.asarray(np.isfinite(used.reshape(len(used), -1)).all(axis=1))
    if len(stream):
        reason[(reason == "") & ~finite[rows]] = NOT_FINITE
    return Lined(used, rows, match.skew_ns, reason)


def skew_of(need: Need, skews: list[Times], refused: Counter[str]) -> Skew:
    """The skews of accepted rows [ns] as a report."""
    accepted = np.concatenate(skews) if skews else np.empty(0, dtype=np.int64)
    p99, most = (0.0, 0.0)
    if len(accepted):
        p99, most = float(np.percentile(accepted, 99)) / 1e6, float(accepted.max()) / 1e6
    return Skew(need.key, need.stream, need.rule, p99, most, dict(refused))


def refuse_mismatches(found: Mapping[str, list[str]], episodes: int) -> None:
    """Raise for what does not fit, all of it at once. `found`: sentence → uids of episodes."""
    if not found:
        return
    parts = [
        f"{text} ({len(uids)} of {episodes} episodes, first {uids[0]})"
        for text, uids in found.items()
    ]
    raise StreamError(
        f"The needs cannot be read from these episodes: {'; '.join(parts)}",
        next_step="Choose other needs, or leave out these episodes: they were recorded without "
        "these streams, or on another robot",
    )


def _nothing(need: Need) -> npt.NDArray[np.float32]:
    return np.zeros((1, *need.shape), dtype=np.float32)
