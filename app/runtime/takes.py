"""The states of a take, as one table. Pure; the recorder and the tests both walk it."""

from __future__ import annotations

from typing import Literal, get_args

from app.runtime.statuses import TakeState
from devices.errors import ConfigError

TakeAction = Literal["arm", "start", "pause", "resume", "stop", "keep", "discard", "fault"]

STATES: tuple[TakeState, ...] = get_args(TakeState)
ACTIONS: tuple[TakeAction, ...] = get_args(TakeAction)

RUNNING: tuple[TakeState, ...] = ("recording", "paused")
"""States in which an episode file is open for rows."""

TABLE: dict[tuple[TakeState, TakeAction], TakeState] = {
    ("idle", "arm"): "armed",
    ("armed", "arm"): "armed",
    ("armed", "start"): "recording",
    ("armed", "discard"): "idle",
    ("recording", "pause"): "paused",
    ("recording", "stop"): "stopped",
    ("recording", "discard"): "idle",
    ("recording", "fault"): "failed",
    ("paused", "resume"): "recording",
    ("paused", "stop"): "stopped",
    ("paused", "discard"): "idle",
    ("paused", "fault"): "failed",
    ("stopped", "keep"): "idle",
    ("stopped", "discard"): "idle",
    ("stopped", "arm"): "armed",  # undecided: the take stays stored as failed
    ("stopped", "fault"): "failed",
    ("failed", "arm"): "armed",
    ("failed", "discard"): "idle",
}


def allowed(state: TakeState) -> tuple[TakeAction, ...]:
    """What a person may ask for in `state`."""
    return tuple(a for a in ACTIONS if a != "fault" and (state, a) in TABLE)


def after(state: TakeState, action: TakeAction) -> TakeState:
    """The state that `action` leads to.

    Raises:
        ConfigError: When `state` does not allow `action`; those allowed are listed.
    """
    try:
        return TABLE[state, action]
    except KeyError:
        raise ConfigError(
            f"'{action}' does nothing while the take is {state}", allowed=allowed(state)
        ) from None
