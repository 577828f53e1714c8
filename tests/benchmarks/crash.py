"""`python -m tests.benchmarks.crash --kills 200`: kill recorders at random moments."""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from pathlib import Path

from datasets.dataset import Dataset
from tests.benchmarks.results import spread, write
from tests.data.crashing import Survivor, WriteKiller, kill_once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--streams", type=int, default=35, help="streams beside three checked ones")
    parser.add_argument("--longest-s", type=float, default=1.7, help="latest kill [s]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every-write", action="store_true", help="kill at each write instead")
    options = parser.parse_args()
    if options.every_write:
        kill_at_every_write()
        return
    rng = random.Random(options.seed)
    survivors: list[Survivor] = []
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="teledeck-crash-") as folder:
        dataset = Dataset.create(Path(folder) / "set")
        for kill in range(options.kills):
            try:
                survivors.append(kill_once(dataset, rng, options.streams, options.longest_s))
            except Exception as error:  # noqa: BLE001 - every failure is counted and told
                failures.append(f"kill {kill}: {type(error).__name__}: {error}")
                print(failures[-1], flush=True)
    open_ones = [survivor for survivor in survivors if survivor.was_open]
    write(
        "crash",
        {
            "kills": options.kills,
            "survived": len(survivors),
            "met_an_open_episode": len(open_ones),
            "rows_kept": sum(survivor.rows for survivor in survivors),
            "lost_s": spread([survivor.lost_s for survivor in open_ones]),
            "lost_more_than_half_a_second": sum(s.lost_s > 0.5 for s in open_ones),
            "failures": failures,
        },
    )


def kill_at_every_write() -> None:
    """Kill at each write of a short take, before it and half through it."""
    endings: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="teledeck-crash-") as folder:
        killer = WriteKiller(Path(folder))
        for write_number in range(1, killer.writes + 1):
            for half in (False, True):
                try:
                    ending = killer.kill(write_number, half)
                    endings[ending or "no file yet"] += 1
                except Exception as error:  # noqa: BLE001 - every failure is counted and told
                    failures.append(f"write {write_number}, half {half}: {error}")
                    print(failures[-1], flush=True)
    write("crash-every-write", {"writes": killer.writes, **endings, "failures": failures})


if __name__ == "__main__":
    main()
