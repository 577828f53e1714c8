"""Poses as networks see them, and actions relative to the tool.

A pose row becomes nine numbers: x, y, z [m] and the first two columns of its rotation matrix
(Zhou et al. 2019), which unlike a quaternion have no jump. A relative action is told in the tool's
frame of the newest observation (Reactive Diffusion Policy, section on relative actions):
`T_base^-1 T` where orientation is part of the action, a plain difference of positions [m, world]
where it is not. The gap [m] stays absolute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from devices.errors import PolicyError
from devices.leader import Side
from devices.stream import FloatArray
from policies.contract import ActionSpace, StreamNeed

POSE_WIDTH = 9


def is_pose(need: StreamNeed) -> bool:
    """Whether rows are poses x, y, z, qw, qx, qy, qz."""
    return need.shape == (7,) and need.stream.rsplit("/", 1)[-1].startswith("T_")


def pose_features(pose: Tensor) -> Tensor:
    """(..., 7) poses, quaternion wxyz, as (..., 9): position [m], two columns of the rotation."""
    w, x, y, z = torch.nn.functional.normalize(pose[..., 3:7], dim=-1).unbind(-1)
    columns = [
        1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y),
        2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x),
    ]  # fmt: skip
    return torch.cat([pose[..., :3], torch.stack(columns, dim=-1)], dim=-1)


def tool_need(needs: Sequence[StreamNeed], side: Side) -> StreamNeed:
    """The need that shows where the tool of `side` is.

    Raises:
        PolicyError: When no need does; relative actions are told from there.
    """
    stream = f"{side}_arm/T_world_tool"
    for need in needs:
        if need.stream == stream and need.span == "window":
            return need
    raise PolicyError(
        f"Relative actions need the tool pose '{stream}' in the window",
        allowed=[need.stream for need in needs],
        next_step="Add that stream to `needs`, or set `relative` to false",
    )


def prepared(
    needs: Sequence[StreamNeed],
    space: ActionSpace,
    batch: Mapping[str, Tensor],
    relative: bool,
    relative_observation: bool = False,
) -> dict[str, Tensor]:
    """What every policy here does to a batch before it is normalised; the batch stays as it is.

    Poses become features of nine numbers. With `relative` the actions (if the batch has them) are
    told from the newest tool pose, with `relative_observation` the tool poses of the window too.
    """
    done = dict(batch)
    for need in needs:
        if need.span == "window" and is_pose(need):
            done[need.key] = pose_features(batch[need.key])
    bases = bases_of(needs, space, done) if relative or relative_observation else {}
    if relative and "actions" in batch:
        done["actions"] = relative_actions(batch["actions"], space, bases)
    if relative_observation:
        for side in space.sides:
            key = tool_need(needs, side).key
            done[key] = _pose_from(done[key], bases[side], space.rotation)
    return done


def bases_of(
    needs: Sequence[StreamNeed], space: ActionSpace, batch: Mapping[str, Tensor]
) -> dict[Side, Tensor]:
    """By side: the newest tool pose of a window batch whose poses are features, (B, 9)."""
    return {side: batch[tool_need(needs, side).key][:, -1] for side in space.sides}


def relative_actions(actions: Tensor, space: ActionSpace, bases: Mapping[Side, Tensor]) -> Tensor:
    """Absolute actions (B, H, A) told from bases (B, 9)."""
    parts = []
    for side in space.sides:
        part = actions[..., space.side_columns(side)]
        parts += [_pose_from(part[..., :-1], bases[side], space.rotation), part[..., -1:]]
    return torch.cat(parts, dim=-1)


def absolute_actions(
    actions: FloatArray, space: ActionSpace, bases: Mapping[Side, FloatArray]
) -> FloatArray:
    """The inverse of `relative_actions`, for one base (9,) a side: (..., A) to (..., A).

    In numpy: the fast path of a policy calls it at control rate.
    """
    done = np.array(actions, dtype=np.float64)
    for side in space.sides:
        columns = space.side_columns(side)
        base = bases[side]
        if space.rotation:
            turn = _rotation(base)  # (3, 3), R_world_base
            for part in range(3):  # position, first column, second column
                rows = slice(columns.start + 3 * part, columns.start + 3 * part + 3)
                done[..., rows] = actions[..., rows] @ turn.T
        done[..., columns.start : columns.start + 3] += base[:3]
    return done


def _pose_from(pose: Tensor, base: Tensor, rotation: bool) -> Tensor:
    """`T_base^-1 T` of (B, n, 3 or 9) from (B, 9); without `rotation` positions are subtracted."""
    offset = pose[..., :3] - base[:, None, :3]
    if not rotation:
        return torch.cat([offset, pose[..., 3:]], dim=-1)
    first, second = base[:, 3:6], base[:, 6:9]
    turn = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)  # R_world_base
    parts = [offset, *pose[..., 3:].split(3, dim=-1)]
    return torch.cat([part @ turn for part in parts], dim=-1)  # row vectors: R^T v


def _rotation(features: FloatArray) -> FloatArray:
    first, second = features[3:6], features[6:9]
    return np.stack([first, second, np.cross(first, second)], axis=-1)
