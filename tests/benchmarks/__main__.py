"""`make bench`: every measurement once, one table, raw JSON in bench-out/.

`python -m tests.benchmarks [--only NAME ...] [--out DIR]`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS: dict[str, tuple[str, ...]] = {
    "rings": (),
    "wire": (),
    "loop": ("--seconds", "10"),
    "recorder": ("--seconds", "60"),
    "headset": ("--seconds", "60"),
    "views": (),
    "window": (),
    "markers": (),
    "touch": (),
    "swap": (),
    "policies": ("--seconds", "3"),
    "reading": (),
    "training": ("--rounds", "3", "--steps", "800"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, help="some of them")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder of the JSON")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    table: list[tuple[str, str, float, str, str]] = []
    for name in options.only or PROGRAMS:
        path = options.out / f"{name}.json"
        path.unlink(missing_ok=True)
        began = time.monotonic()
        print(f"measuring {name} ...", flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.{name}", *PROGRAMS[name]]
        done = subprocess.run(
            [*command, "--json", str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode or not path.exists():
            failed.append(name)
            print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
            continue
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
        for row in json.loads(path.read_text())["rows"]:
            table.append((name, row["what"], row["value"], row["unit"], row["note"]))
    width = max((len(row[1]) for row in table), default=0)
    print()
    for name, what, value, unit, note in table:
        print(f"{name:<9} {what:<{width}} {value:>12.3f} {unit:<9} {note}")
    print(f"\nRaw numbers: {options.out}/*.json")
    if failed:
        print(f"FAILED: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
