"""Numbers as people read them."""

from __future__ import annotations

import math
from pathlib import Path


def clock_time(seconds: float) -> str:
    """Elapsed time as "0:07.3" or "1:02:03"."""
    if seconds >= 3600:
        whole = int(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    tenths = math.floor(seconds * 10 + 1e-9)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"


def long_time(seconds: float) -> str:
    """A stretch of time to the nearest useful unit: "40 s", "12 min", "14 h", "6 days"."""
    if not math.isfinite(seconds):
        return "∞"
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    days = seconds / 86_400
    return f"{days:.0f} days" if days < 1000 else "> 2 years"


def size(count: float) -> str:
    """Bytes: "812 B", "3.4 MB", "1.2 GB" (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def plural(count: int, noun: str) -> str:
    """Count and noun: one take, 3 takes."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s".replace(",", "\u202f")


def home_path(path: Path | str) -> str:
    """A path as one types it: "~/takes" for what lies in the user's home."""
    path = Path(path)
    inside = path.is_relative_to(Path.home())
    return str(Path("~") / path.relative_to(Path.home())) if inside else str(path)
