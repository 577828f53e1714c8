"""The headset in a few words, for header and status bar. No Qt."""

from __future__ import annotations

import math

from app.runtime.statuses import HeadsetStatus
from app.ui.headset.guide import SILENT_MS, confirmed
from app.ui.look import Tone


def headset_chip(headset: HeadsetStatus | None) -> tuple[str, Tone | None]:
    """What the header says of the headset; "" while there is nothing to say.

    An open port is a reason to look, so it is never shown in a quiet colour.
    """
    if headset is None or not (headset.listening or headset.fault):
        return "", None
    if not headset.listening:
        return "Headset: fault", "fault"
    poster = confirmed(headset)
    if poster is None:
        count = len(headset.posters)
        return (
            f"Port {headset.port} open · confirm a headset"
            if count
            else f"Port {headset.port} open"
        ), "armed"
    if poster.age_ms > SILENT_MS:
        return f"Port {headset.port} open · headset silent", "armed"
    if headset.calibration is not None and headset.calibration.doubt:
        return f"Port {headset.port} open · set-up in doubt", "armed"
    if headset.fault:
        return f"Port {headset.port} open · fault", "fault"
    return f"Port {headset.port} open · {poster.rate_hz:.0f} Hz", "armed"


def headset_reading(headset: HeadsetStatus | None) -> tuple[str, Tone | None]:
    """Rate of the posts and delay to the command, for the status bar; "" without a headset."""
    if headset is None or not headset.listening:
        return "", None
    poster = confirmed(headset)
    if poster is None:
        return "open", "armed"
    if poster.age_ms > SILENT_MS:
        return "silent", "armed"
    late = headset.delay_p99_ms
    words = f"{poster.rate_hz:.0f} Hz · {late:.1f} ms" if math.isfinite(late) else ""
    return words or f"{poster.rate_hz:.0f} Hz", "armed" if late > 5.0 else None
