"""From what a network says to what a policy answers: draws and their spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.contract import ActionChunk, ActionSpace, Window


def spread(draws: FloatArray) -> float | None:
    """How far draws of one chunk lie apart, 0 (all the same) to 1. None for a single draw.

    Args:
        draws: Normalised actions (K, H, A), so that -1 ... 1 is what demonstrations span; a
            deviation of 1 is half of the draws at each end.
    """
    if len(draws) < 2:
        return None
    return float(np.clip(np.sqrt(np.mean(np.var(draws, axis=0))), 0.0, 1.0))


def weighted(errors: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """The mean of errors (B, ...), weighted by the windows' weights.

    Rows past the end of an episode repeat its last action and count, as in the papers: so a policy
    learns to stay where the demonstration ended.
    """
    weight = batch["weight"]
    return (weight * errors.flatten(1).mean(dim=1)).sum() / weight.sum().clamp_min(1e-12)


def chunk_of(
    window: Window,
    space: ActionSpace,
    draws: FloatArray,
    uncertainty: float | None,
    carry: Any = None,
    expects: Mapping[str, FloatArray] | None = None,
) -> ActionChunk:
    """The first draw is the chunk (a mean would lie between ways that only work alone).

    Args:
        draws: Absolute actions (K, H, A).

    Raises:
        PolicyError: When the network answered something that is not finite.
    """
    draws = np.array(draws, dtype=np.float64)
    if not np.isfinite(draws).all():
        raise PolicyError(
            "The network answered numbers that are not finite",
            next_step="Load another checkpoint; look at the loss of this training",
        )
    draws.flags.writeable = False
    return ActionChunk(
        t0_ns=window.t_ns,
        rate_hz=space.rate_hz,
        actions=draws[0],
        observed_ns=window.t_ns,
        samples=draws[1:] if len(draws) > 1 else None,
        uncertainty=uncertainty,
        expects=expects or {},
        carry=carry,
    )
