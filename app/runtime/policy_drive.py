"""The stream `policy/drive`: which policy is in hand at each tick, and how it does."""

from __future__ import annotations

from devices.stream import StreamSpec

DRIVE_COLUMNS = (
    *("slot", "follows", "taken", "queue_rows", "misses", "dropped"),
    *("observation_age_ms", "infer_p50_ms", "infer_p99_ms"),
    *("infer_ms", "infer_age_ms"),
)
"""Of the stream `policy/drive`: slot 1 or 2; whether the policy is followed at this tick, and
whether a human has taken over from it; then as in PolicyStatus; last what the newest inference
took and how long ago it ended, NaN while there is none. So a take has every inference, also of a
policy whose own streams came after the take had begun."""


def drive_spec(rate_hz: float) -> StreamSpec:
    """The stream that tells at each tick which policy is in hand and how it does."""
    shape = (len(DRIVE_COLUMNS),)
    return StreamSpec("policy/drive", shape, "float64", "1", "", rate_hz, kind="timing")
