"""Poses as networks see them, and where actions are told from.

A pose row becomes nine numbers: x, y, z [m] and the first two columns of its rotation matrix
(Zhou et al. 2019), which unlike a quaternion have no jump. Actions are absolute in the world, or
told from a base: `T_base^-1 T`. What the base is:

    relative            the tool where it was seen last (Reactive Diffusion Policy)
    about               the thing that the task is about, as an eye judges it: place and heading
    about and relative  place and heading of the thing, height of the tool

A chunk that is told from the tool carries an error on; one about the thing goes back to the thing.
Heights are what an eye judges badly, so there the tool is the better base. Where orientation is no
part of the action, the tool as a base turns nothing. The gap [m] stays absolute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from devices.errors import PolicyError
from devices.leader import Side
from devices.stream import FloatArray
from policies.contract import ActionSpace, StreamNeed, Window
from policies.trainable import window_batch

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
    """The need that shows where the tool of `side` is, as measured or as sent.

    Raises:
        PolicyError: When no need does; relative actions are told from there.
    """
    stream = f"{side}_arm/T_world_tool"
    for need in needs:
        if need.stream in (stream, f"{stream}_sent") and need.span == "window":
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
    about: str = "",
    tilt: bool = True,
) -> dict[str, Tensor]:
    """What every policy here does to a batch before it is normalised; the batch stays as it is.

    Poses become features of nine numbers. The actions (if the batch has them) are told from their
    base. With `relative_observation` the tool poses of the window are told from the newest one,
    with `about` from the thing, and the thing's own pose is left out: where it stands in the room
    tells demonstrations apart, and nothing about what to do.

    Args:
        about: Key of a need whose rows begin with a pose (7,); "" for none.
        tilt: Whether the orientation of tools is seen. An arm that gives way tilts its tool when it
            presses, so the orientation tells the force to whoever should not feel.

    Raises:
        PolicyError: When a need that this takes is not there.
    """
    done = dict(batch)
    for need in needs:
        if need.span == "window" and is_pose(need):
            done[need.key] = pose_features(batch[need.key])
    if "actions" in batch and (relative or about):
        bases = bases_of(needs, space, done, relative, about)
        done["actions"] = relative_actions(batch["actions"], space, bases)
    if relative_observation or about:
        bases = bases_of(
            needs, space, done, relative_observation, "" if relative_observation else about
        )
        for side in space.sides:
            key = tool_need(needs, side).key
            done[key] = _pose_from(done[key], bases[side], space.rotation)
    if not tilt:
        for side in space.sides:
            key = tool_need(needs, side).key
            rows = done[key]
            level = torch.eye(3).flatten()[:6].to(rows).expand(*rows.shape[:-1], 6)
            done[key] = torch.cat([rows[..., :3], level], dim=-1)
    if about:
        still = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], dtype=batch[about].dtype)
        rows = batch[about]
        done[about] = torch.cat(
            [still.to(rows.device).expand(*rows.shape[:-1], 7), rows[..., 7:]], dim=-1
        )
    return done


def bases_of(
    needs: Sequence[StreamNeed],
    space: ActionSpace,
    batch: Mapping[str, Tensor],
    relative: bool = True,
    about: str = "",
) -> dict[Side, Tensor]:
    """By side: the base that actions are told from, as pose features (B, 9).

    Args:
        batch: A window batch. Its tool poses are features told in the world, the need `about` is
            raw.
        relative, about: See the module; at least one of them.
    """
    found = {}
    for side in space.sides:
        base = seen_base(needs, batch, about) if about else None
        if relative:
            tool = batch[tool_need(needs, side).key][:, -1]
            if base is not None:
                base = torch.cat([base[:, :2], tool[:, 2:3], base[:, 3:]], dim=-1)
            else:
                base = tool if space.rotation else torch.cat([tool[:, :3], _upright(tool)], dim=-1)
        assert base is not None
        found[side] = base
    return found


def live_bases(
    needs: Sequence[StreamNeed],
    space: ActionSpace,
    window: Window,
    relative: bool,
    about: str = "",
) -> dict[Side, FloatArray]:
    """`bases_of` of a live window, for `absolute_actions`: (9,) a side."""
    batch = window_batch(window, needs)
    raw = {n.key: pose_features(batch[n.key]) for n in needs if n.key in batch and is_pose(n)}
    found = bases_of(needs, space, {**batch, **raw}, relative, about)
    return {side: base[0].double().numpy() for side, base in found.items()}


def seen_base(needs: Sequence[StreamNeed], batch: Mapping[str, Tensor], about: str) -> Tensor:
    """The pose with which the newest row of the need `about` begins, as features (B, 9).

    Raises:
        PolicyError: When there is no such need, or its rows begin with no pose.
    """
    keys = [n.key for n in needs if n.span == "window" and len(n.shape) == 1 and n.shape[0] >= 7]
    if about not in keys:
        raise PolicyError(
            f"Actions cannot be told about '{about}'",
            allowed=keys,
            next_step="Name the key of a need whose rows begin with a pose, such as 'glance'",
        )
    return pose_features(batch[about][:, -1, :7])


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
        start = space.side_columns(side).start
        turn = _rotation(bases[side])  # (3, 3), R_world_base
        for part in range(3 if space.rotation else 1):  # position, first column, second column
            rows = slice(start + 3 * part, start + 3 * part + 3)
            done[..., rows] = actions[..., rows] @ turn.T
        done[..., start : start + 3] += bases[side][:3]
    return done


def _pose_from(pose: Tensor, base: Tensor, rotation: bool) -> Tensor:
    """`T_base^-1 T` of (B, n, 3 or 9) from (B, 9); without `rotation` only the position is told so
    and orientation stays the world's."""
    first, second = base[:, 3:6], base[:, 6:9]
    turn = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)  # R_world_base
    parts = list(pose.split(3, dim=-1))
    parts[0] = parts[0] - base[:, None, :3]
    for index in range(len(parts) if rotation else 1):
        parts[index] = parts[index] @ turn  # row vectors: R^T v
    return torch.cat(parts, dim=-1)


def _upright(like: Tensor) -> Tensor:
    """The columns of no rotation, (B, 6)."""
    return torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).to(like).expand(len(like), 6)


def _rotation(features: FloatArray) -> FloatArray:
    first, second = features[3:6], features[6:9]
    return np.stack([first, second, np.cross(first, second)], axis=-1)
