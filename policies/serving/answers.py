"""What a policy answers, checked; and how often it is asked. One truth for the worker of a running
station and for rollouts on a clock that is stepped."""

from __future__ import annotations

import numpy as np

from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.contract import ActionChunk, ActionSpace

ACT_HZ = 10.0
"""No policy is asked for chunks more often than this [Hz]."""

REACT_HZ = 125.0
"""How often a fast path is asked [Hz]: as often as touch is measured."""


def pace_s(space: ActionSpace) -> float:
    """Time between chunks [s]: a quarter of a horizon, but no more than `ACT_HZ` a second."""
    return max(1.0 / ACT_HZ, space.horizon / space.rate_hz / 4.0)


def checked_chunk(chunk: ActionChunk, space: ActionSpace) -> ActionChunk:
    """The chunk, if it is one.

    Raises:
        PolicyError: Saying what it is instead.
    """
    actions = np.asarray(chunk.actions, dtype=np.float64)
    if actions.ndim != 2 or actions.shape[1] != space.width or not len(actions):
        raise PolicyError(f"It answered a chunk of {actions.shape}, not (rows, {space.width})")
    if not np.isfinite(actions).all():
        raise PolicyError("It answered numbers that are not finite")
    if abs(chunk.rate_hz - space.rate_hz) > 1e-6:
        raise PolicyError(f"It answered rows at {chunk.rate_hz} Hz, not {space.rate_hz} Hz")
    return chunk


def checked_row(row: object, space: ActionSpace) -> FloatArray:
    """An answer of the fast path as an action, shape (A,). Raises PolicyError for another shape."""
    numbers = np.asarray(row, dtype=np.float64)
    if numbers.shape != (space.width,):
        raise PolicyError(f"The fast path answered {numbers.shape}, not ({space.width},)")
    return numbers
