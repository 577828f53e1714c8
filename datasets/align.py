"""Puts streams of different rates on one time axis, by a named rule, and says at what price.

Every stream is stored at its own rate and true times; lining them up happens here, when the data
is read. The skew is how far in time the value that was used lies from the instant it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from datasets.reader import EpisodeStream
from devices.clock import NS_PER_S
from devices.errors import StorageError

Rule = Literal["latest-before", "nearest", "interpolate"]
RULES: tuple[str, ...] = get_args(Rule)
POSE_UNIT_ENDING = "wxyz"

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowMatch:
    """Which row of a stream stands for each instant.

    Attributes:
        rows: Row numbers, shape (n,); -1 where no row is near enough.
        skew_ns: |time of the row - instant| [ns], shape (n,); -1 where there is no row. Under
            "interpolate" the distance to the farther of the two neighbours.
    """

    rows: Times
    skew_ns: Times

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        return self.rows >= 0

    @property
    def max_skew_ns(self) -> int:
        """The worst skew that was accepted [ns]; 0 when nothing was matched."""
        return int(self.skew_ns.max(initial=0))


@dataclass(frozen=True, slots=True)
class Aligned:
    """A stream told at other instants.

    Attributes:
        values: Shape (n, *spec.shape). Where `valid` is False: NaN for floats, else zero - look
            at `valid` first.
        valid: Shape (n,).
        skew_ns: As in RowMatch.
    """

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]
    skew_ns: Times

    @property
    def sentence(self) -> str:
        """How good the alignment is, for people."""
        missing = int((~self.valid).sum())
        worst = int(self.skew_ns.max(initial=0)) / 1e6
        gaps = f", {missing} of {len(self.valid)} instants have no value" if missing else ""
        return f"skew up to {worst:.2f} ms{gaps}"


def match_rows(
    t_ns: Times, at_ns: Times, rule: Rule = "latest-before", tolerance_ns: int | None = None
) -> RowMatch:
    """The row of a stream for each instant.

    Args:
        t_ns: Times of the rows [ns], shape (N,); in any order.
        at_ns: Instants [ns], shape (n,).
        rule: "latest-before": newest row not after the instant, what a policy could have known.
            "nearest": the closest, the earlier of two. "interpolate": the row before the instant,
            valid only if there is one after it too.
        tolerance_ns: Largest skew to accept; None for any.

    Raises:
        StorageError: For an unknown rule.
    """
    if rule not in RULES:
        raise StorageError(f"Unknown alignment rule {rule!r}", allowed=RULES)
    t_ns, at_ns = np.asarray(t_ns, dtype=np.int64), np.asarray(at_ns, dtype=np.int64)
    if not len(t_ns):
        nothing = np.full(len(at_ns), -1, dtype=np.int64)
        return RowMatch(nothing, nothing.copy())
    order = np.argsort(t_ns, kind="stable")
    times = t_ns[order]
    before = np.searchsorted(times, at_ns, side="right") - 1
    after = np.searchsorted(times, at_ns, side="left")
    last = len(times) - 1
    behind = at_ns - times[np.maximum(before, 0)]
    ahead = times[np.minimum(after, last)] - at_ns
    if rule == "latest-before":
        place, skew, valid = before, behind, before >= 0
    elif rule == "nearest":
        later = (before < 0) | ((after <= last) & (ahead < behind))
        place = np.where(later, after, before)
        skew, valid = np.where(later, ahead, behind), np.ones(len(at_ns), dtype=np.bool_)
    else:
        place, skew = before, np.maximum(behind, ahead)
        valid = (before >= 0) & (after <= last)
    if tolerance_ns is not None:
        valid = valid & (skew <= tolerance_ns)
    rows = np.where(valid, order[np.clip(place, 0, last)], -1)
    return RowMatch(rows, np.where(valid, skew, -1))


def align(
    stream: EpisodeStream,
    at_ns: Times,
    rule: Rule = "latest-before",
    tolerance_ns: int | None = None,
) -> Aligned:
    """The values of a stream at other instants.

    "interpolate" is linear between the neighbouring rows; poses (unit ending in "wxyz") turn along
    the shorter arc (Shoemake 1985, slerp).

    Raises:
        StorageError: For an unknown rule, or "interpolate" on a stream that is not of floats.
    """
    at_ns = np.asarray(at_ns, dtype=np.int64)
    spec = stream.spec
    dtype = np.dtype(spec.dtype)
    match = match_rows(stream.t_ns, at_ns, rule, tolerance_ns)
    values = np.zeros((len(at_ns), *spec.shape), dtype=dtype)
    if dtype.kind == "f":
        values[...] = np.nan
    valid = match.valid
    rows = match.rows[valid]
    if rule != "interpolate":
        values[valid] = stream[rows]
    elif dtype.kind != "f":
        raise StorageError(
            f"Stream '{spec.name}' of {spec.dtype} cannot be interpolated",
            allowed=("latest-before", "nearest"),
        )
    elif len(rows):
        values[valid] = _interpolated(stream, at_ns[valid])
    return Aligned(values, valid, match.skew_ns)


def grid_ns(first_ns: int, last_ns: int, rate_hz: float) -> Times:
    """Instants at an even rate, from the first to the last [ns]."""
    count = int((last_ns - first_ns) * rate_hz / NS_PER_S) + 1
    return first_ns + np.round(np.arange(count) * (NS_PER_S / rate_hz)).astype(np.int64)


def _interpolated(stream: EpisodeStream, at_ns: Times) -> npt.NDArray[np.floating[Any]]:
    order = np.argsort(stream.t_ns, kind="stable")
    times = stream.t_ns[order]
    before = np.searchsorted(times, at_ns, side="right") - 1
    after = np.searchsorted(times, at_ns, side="left")
    span = times[after] - times[before]
    share = np.where(span > 0, (at_ns - times[before]) / np.maximum(span, 1), 0.0)
    a, b = stream[order[before]], stream[order[after]]
    weight = share.reshape(-1, *([1] * (a.ndim - 1)))
    mixed = a + (b - a) * weight
    if stream.spec.unit.endswith(POSE_UNIT_ENDING) and stream.spec.shape == (7,):
        mixed[:, 3:] = _slerp(a[:, 3:], b[:, 3:], share[:, None])
    return np.asarray(mixed, dtype=a.dtype)


def _slerp(
    a: npt.NDArray[np.floating[Any]],
    b: npt.NDArray[np.floating[Any]],
    share: npt.NDArray[np.floating[Any]],
) -> npt.NDArray[np.floating[Any]]:
    """Unit quaternions between a and b, shapes (n, 4); share in [0, 1], shape (n, 1)."""
    cosine = np.sum(a * b, axis=1, keepdims=True)
    b = np.where(cosine < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    sine = np.sin(angle)
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    mixed = np.where(
        near,
        a + (b - a) * share,
        (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / safe,
    )
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
