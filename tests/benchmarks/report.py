"""What every benchmark prints and writes: rows of (what, value, unit), percentiles among them."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number.

    Attributes:
        what: What was measured, in words.
        value: The number.
        unit: Its unit.
        note: Under which circumstances.
    """

    what: str
    value: float
    unit: str
    note: str = ""


def percentiles(what: str, values: npt.ArrayLike, unit: str, note: str = "") -> list[Row]:
    """Rows for p50, p99 and the maximum of `values`, shape (n,)."""
    p50, p99, most = np.percentile(np.asarray(values, dtype=np.float64), [50, 99, 100])
    return [
        Row(f"{what} p50", float(p50), unit, note),
        Row(f"{what} p99", float(p99), unit, note),
        Row(f"{what} max", float(most), unit, note),
    ]


def options(description: str, seconds: float) -> argparse.ArgumentParser:
    """A parser with what all benchmarks understand."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=seconds, help=f"default {seconds:g}")
    parser.add_argument("--json", type=Path, help="write the rows there")
    return parser


def tell(title: str, rows: Sequence[Row], path: Path | None) -> None:
    """Print a table; write JSON beside it if asked."""
    width = max(len(row.what) for row in rows)
    print(f"\n{title}")
    for row in rows:
        note = f"   {row.note}" if row.note else ""
        print(f"  {row.what:<{width}}  {row.value:>12.3f} {row.unit:<8}{note}")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(
                {
                    "title": title,
                    "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                    "machine": {
                        "processor": platform.processor() or platform.machine(),
                        "cores": psutil.cpu_count(),
                        "python": platform.python_version(),
                        "mujoco": version("mujoco"),
                    },
                    "rows": [asdict(row) for row in rows],
                },
                indent=1,
            )
        )
