"""What the policy in hand predicts now, out of its rings, as paths for the view. No Qt."""

from __future__ import annotations

import numpy as np

from app.runtime.requests import SLOTS
from app.runtime.statuses import PolicyStatus
from app.ui.place import SessionPort
from app.ui.view3d.paths import GhostPath
from devices.clock import NS_PER_S
from devices.leader import Side
from devices.stream import FloatArray
from policies.contract import ActionSpace

OLD_NS = NS_PER_S  # a chunk that has ended this long ago is history
ACTING_NS = NS_PER_S // 4
_SAMPLES = 12  # more cannot be told apart


def in_hand(session: SessionPort) -> PolicyStatus | None:
    """The policy that drives, holds, or was taken over from; None while none is in hand."""
    station = session.station
    for slot in SLOTS:
        status = session.policies.get(slot)
        if status is None:
            continue
        if (station is not None and station.leader == slot) or status.phase in (
            "driving",
            "holding",
        ):
            return status
    return None


def predicted(session: SessionPort, now_ns: int) -> tuple[GhostPath, ...]:
    """The newest chunk of the policy in hand, a path for each tool that it drives.

    Args:
        now_ns: [ns, monotonic].
    """
    status = in_hand(session)
    if status is None or not status.sides:
        return ()
    chunk = session.latest(f"{status.slot}/chunk")
    space = space_of(status)
    if chunk is None or space is None or chunk.data.shape != (space.horizon, space.width):
        return ()
    if not np.isfinite(chunk.data).all():
        return ()
    row = (now_ns - chunk.t_ns) / NS_PER_S * space.rate_hz
    if row - (space.horizon - 1) > OLD_NS / NS_PER_S * space.rate_hz:
        return ()
    samples = session.latest(f"{status.slot}/samples")
    other = None
    if samples is not None and samples.t_ns == chunk.t_ns:
        other = _other(np.asarray(samples.data, dtype=np.float64), space)
    action = session.latest(f"{status.slot}/action") if status.reacts else None
    acting = None
    if action is not None and abs(now_ns - action.t_ns) < ACTING_NS:
        acting = np.asarray(action.data, dtype=np.float64)
    made = []
    for side in space.sides:
        columns = slice(space.side_columns(side).start, space.side_columns(side).start + 3)
        made.append(
            GhostPath(
                side=side,
                points=np.asarray(chunk.data[:, columns], dtype=np.float64),
                now=float(np.clip(row, 0.0, space.horizon - 1)),
                samples=None if other is None else other[..., columns],
                acting=None if acting is None else acting[columns],
            )
        )
    return tuple(made)


def space_of(status: PolicyStatus) -> ActionSpace | None:
    """What the rows of a policy's chunk mean; None before it has said so."""
    sides: tuple[Side, ...] = tuple(
        side
        for side in ("left", "right")
        if side in status.sides  # type: ignore[misc]
    )
    if not sides or not np.isfinite(status.rate_hz) or status.horizon < 1:
        return None
    ordered = tuple(sorted(sides, key=status.sides.index))
    return ActionSpace(
        sides=ordered,
        rotation=status.rotation,
        rate_hz=status.rate_hz,
        horizon=status.horizon,
    )


def _other(samples: FloatArray, space: ActionSpace) -> FloatArray | None:
    """Draws that are whole, (k, H, A); None without any."""
    if samples.ndim != 3 or samples.shape[1:] != (space.horizon, space.width):
        return None
    whole = samples[np.isfinite(samples).all(axis=(1, 2))][:_SAMPLES]
    return whole if len(whole) else None
