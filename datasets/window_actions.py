"""What the operator asked for, as rows of actions on an even grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from datasets.align import match_rows
from datasets.checks import paused_spans
from datasets.reader import Episode, EpisodeStream
from datasets.window_choice import Idle, Span
from devices.clock import NS_PER_S
from devices.errors import StreamError
from devices.leader import Side

Times = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

IDLE_LEAD_S = 0.25
"""How much stillness before the first motion is kept [s]: the start of a reaching motion is part
of what is taught, the waiting before it is not."""

_MOVED_M = 2e-3
_MOVED_RAD = np.deg2rad(1.0)
_MOVED_GAP = 1e-3


class Space(Protocol):
    """What is read of `policies.contract.ActionSpace`."""

    @property
    def sides(self) -> tuple[Side, ...]: ...
    @property
    def rotation(self) -> bool: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def horizon(self) -> int: ...


def driven_sides(episode: Episode) -> tuple[Side, ...]:
    """The hands that somebody asked for motion of, left before right."""
    sides: tuple[Side, ...] = ("left", "right")
    return tuple(side for side in sides if _requested(episode, side, "pose") is not None)


def spans(
    episode: Episode,
    sides: Sequence[Side],
    span: Span,
    idle: Idle,
    trim_ns: tuple[int, int] | None,
) -> tuple[tuple[int, int], ...]:
    """The parts of an episode that count: first and last instant of each [ns, monotonic].

    A pause parts an episode: the operator moved on in between without the robot. Empty when
    nobody asked for motion of these sides.
    """
    first, last = episode.span_ns
    if span == "drove":
        asked = [s for side in sides if (s := _requested(episode, side, "pose")) is not None]
        if not asked:
            return ()
        first = min(int(stream.t_ns[0]) for stream in asked)
        last = max(int(stream.t_ns[-1]) for stream in asked)
        if idle == "moved":
            moved = [t for side in sides if (t := _first_motion(episode, side)) is not None]
            if moved:
                first = max(first, min(moved) - round(IDLE_LEAD_S * NS_PER_S))
    if trim_ns is not None:
        first, last = max(first, trim_ns[0]), min(last, trim_ns[1])
    parts = []
    for begin, end in sorted(paused_spans(episode)):
        if end > first and begin < last:
            parts.append((first, begin))
            first = end
    parts.append((first, last))
    return tuple((begin, end) for begin, end in parts if end > begin)


def action_rows(episode: Episode, space: Space, at_ns: Times) -> FloatArray:
    """Actions at given instants, shape (n, A), in the layout of the action space.

    The newest request at each instant; before the first one the tool pose that was measured and
    the gap that was sent, so that asking for nothing means staying.

    Raises:
        StreamError: If a stream that is needed is not there.
    """
    columns: list[FloatArray] = []
    for side in space.sides:
        pose = _latest(episode, side, "pose", at_ns)
        columns.append(pose[:, :3])
        if space.rotation:
            columns.append(rotation_columns(pose[:, 3:]))
        columns.append(_latest(episode, side, "gap", at_ns))
    return np.concatenate(columns, axis=1)


def rotation_columns(quats: FloatArray) -> FloatArray:
    """The first two columns of the rotation matrices of unit quaternions wxyz (n, 4): (n, 6)."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    return np.stack(
        [
            1 - 2 * (y * y + z * z),
            2 * (x * y + w * z),
            2 * (x * z - w * y),
            2 * (x * y - w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z + w * x),
        ],
        axis=1,
    )


def pushed_within(
    episode: Episode, sides: Sequence[Side], at_ns: Times, length_ns: int
) -> npt.NDArray[np.bool_]:
    """Whether a hand is pushed between an instant and `length_ns` later, shape (n,): then what is
    asked for is not what the operator meant."""
    found = np.zeros(len(at_ns), dtype=np.bool_)
    for side in sides:
        pushes = _pushes(episode, side)
        if pushes is not None:
            times = pushes.t_ns
            found |= np.searchsorted(times, at_ns) < np.searchsorted(times, at_ns + length_ns)
    return found


def push_rows(episode: Episode, space: Space, at_ns: Times) -> FloatArray | None:
    """How far hands had been pushed at given instants, in the layout of the action space, shape
    (n, A); zero where it does not apply. None where nobody was ever pushed."""
    found = np.zeros((len(at_ns), _width(space)))
    anybody = False
    for number, side in enumerate(space.sides):
        pushes = _pushes(episode, side)
        if pushes is None:
            continue
        anybody = True
        match = match_rows(pushes.t_ns, at_ns)
        begin = number * _width(space) // len(space.sides)
        found[match.valid, begin : begin + 3] = pushes.values[match.rows[match.valid]]
    return found if anybody else None


def _width(space: Space) -> int:
    return (10 if space.rotation else 4) * len(space.sides)


def _pushes(episode: Episode, side: Side) -> EpisodeStream | None:
    name = f"leader/{side}_push"
    stream = episode[name] if name in episode.specs else None
    return stream if stream is not None and len(stream) else None


_NAMES = {
    "pose": ("{}_arm/T_world_tool_requested", "{}_arm/T_world_tool"),
    "gap": ("{}_gripper/gap_requested", "{}_gripper/gap_sent"),
}


def _requested(episode: Episode, side: Side, what: str) -> EpisodeStream | None:
    """The stream of requests, or None if there is none or it has no rows."""
    name = _NAMES[what][0].format(side)
    stream = episode[name] if name in episode.specs else None
    return stream if stream is not None and len(stream) else None


def _latest(episode: Episode, side: Side, what: str, at_ns: Times) -> FloatArray:
    requested = _requested(episode, side, what)
    fallback = episode[_NAMES[what][1].format(side)]
    if not len(fallback) and requested is None:
        raise StreamError(f"Episode {episode.uid} does not say where the {side} hand was")
    values = np.zeros((len(at_ns), *fallback.spec.shape))
    missing = np.ones(len(at_ns), dtype=np.bool_)
    if requested is not None:
        match = match_rows(requested.t_ns, at_ns)
        missing = ~match.valid
        values[match.valid] = requested.values[match.rows[match.valid]]
    if missing.any():
        # "nearest", for an instant before the very first row: then the first row is all there is.
        stays = match_rows(fallback.t_ns, at_ns[missing], "nearest")
        values[missing] = fallback.values[stays.rows]
    return values


def _first_motion(episode: Episode, side: Side) -> int | None:
    """When a request first differed from the first one [ns, monotonic]; None if it never did."""
    times: list[int] = []
    pose, gap = _requested(episode, side, "pose"), _requested(episode, side, "gap")
    if pose is not None:
        rows: npt.NDArray[Any] = pose.values
        moved = np.linalg.norm(rows[:, :3] - rows[0, :3], axis=1) > _MOVED_M
        cosine = np.abs(rows[:, 3:] @ rows[0, 3:])
        moved |= 2 * np.arccos(np.clip(cosine, 0.0, 1.0)) > _MOVED_RAD
        times += pose.t_ns[moved][:1].tolist()
    if gap is not None:
        values = gap.values[:, 0]
        times += gap.t_ns[np.abs(values - values[0]) > _MOVED_GAP][:1].tolist()
    return min(times) if times else None
