"""The whole way of a new user with policies: collect, train, load, drive, take over, compare, kill.

`python -m tests.e2e.policies_by_hand --out DIR [--takes DATASET] [--kill HOME]`

Records 30 scripted takes of *wipe* from the command line, opens the real window on them under a
virtual display, and from then on uses keys and mouse alone (xdotool): puts a Reactive Diffusion
Policy and a Diffusion Policy into the queue, lets the checkpoints of the running training load
themselves while the robot moves, disturbs, takes over with the mouse, gives back, judges, tries the
other policy from the same starts, reads the comparison, and kills a policy's process while it
drives. Every step is judged by what stands in the window and by what is on the disk or in the
streams. The budgets are far too small for a policy that can wipe: the machinery is judged, not it.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.virtual_display import virtual_display
from datasets.dataset import Dataset
from datasets.library import Library
from policies.training_queue import TrainingQueue
from tests.e2e.policies_user import BATCH, BUDGET, User
from tests.e2e.seen import seen_window
from tests.e2e.steps import Book

SCREEN = (1600, 960)
TAKES = 30


def collect(book: Book, dataset: Path) -> None:
    """30 takes by the command of the README."""
    line = [sys.executable, "-m", "app.cli", "collect", "--headless", "--fast"]
    line += ["--operator", "scripted", "--scene", "wipe", "-n", str(TAKES)]
    done = subprocess.run([*line, "--dataset", str(dataset)], capture_output=True, text=True)
    book.check(
        f"teledeck collect --headless --fast makes {TAKES} takes of wipe",
        lambda: done.returncode == 0 and done.stdout.strip().splitlines()[-2],
        0.0,
    )


@contextmanager
def new_user(
    book: Book, out: Path, dataset: Path, home: Path, scene: str = "wipe"
) -> Iterator[User]:
    """Somebody before the window of whom nothing is remembered but what lies in `home`."""
    os.environ["XDG_CONFIG_HOME"] = str(out / "config")
    os.environ["TELEDECK_HOME"] = str(home)
    with virtual_display(*SCREEN), seen_window(scene, dataset) as (run, seen):
        book.check(
            "the window opens on it, and the robot wakes",
            lambda: run.ring("right_arm/q_sent").exists() and not seen.text("^Waking the robot"),
            90.0,
            picture="window",
        )
        time.sleep(4.0)
        user = User(book, seen, run, dataset, home)
        try:
            yield user
        finally:
            user.robot.close()


def session(book: Book, out: Path, takes: Path | None) -> None:
    """The whole way."""
    out.mkdir(parents=True, exist_ok=True)
    dataset = out / "takes" if takes is None else takes
    if takes is None:
        collect(book, dataset)
    count = len(Library(Dataset.open(dataset), mend=False).cards(verdict="success"))
    book.check("they are successes", lambda: count and f"{count} of {TAKES}", 0.0)
    with new_user(book, out, dataset, out / "home") as user:
        user.train()
        user.checkpoints_load_themselves()
        book.check(
            "its best checkpoint is in a slot",
            lambda: (slot := user.slot_of("rdp")) and f"policy {slot}",
            30.0,
        )
        letter = user.slot_of("rdp")
        user.plan(letter)
        user.first_rollout(letter)
        user.plain_rollout(letter)
        other = user.second_policy()
        user.same_starts(other)
        user.compare()
        user.kill(other)
        user.rollouts_are_episodes()


def last_part(book: Book, out: Path, takes: Path, home: Path) -> None:
    """Load the Diffusion Policy that an earlier run has trained, and kill it in motion."""
    out.mkdir(parents=True, exist_ok=True)
    with new_user(book, out, takes, home) as user:
        user.hands.press("5")  # Test
        user.kill(user.second_policy())


def _end_trainings(queue: Path) -> None:
    """What still trains after a failure would outlast this program, as it outlasts a window."""
    for run in TrainingQueue(queue).runs() if queue.is_dir() else ():
        if run.status().phase not in ("done", "failed", "cancelled"):
            TrainingQueue(queue).cancel(run.path.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp(prefix="policies-")))
    parser.add_argument("--takes", type=Path, help="a dataset of wipe that is there already")
    parser.add_argument(
        "--kill", type=Path, metavar="HOME", help="only the last part, with an earlier run's home"
    )
    options = parser.parse_args()
    if options.kill is not None and options.takes is None:
        parser.error("--kill needs --takes")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it started, too
    began = time.monotonic()
    book = Book(options.out.absolute())
    try:
        if options.kill is not None:
            last_part(book, options.out.absolute(), options.takes, options.kill)
        else:
            session(book, options.out.absolute(), options.takes)
    except Exception as error:  # noqa: BLE001 (what was seen so far is told all the same)
        book.check(f"the program goes on: {type(error).__name__}: {error}", lambda: False, 0.0)
    finally:
        _end_trainings(options.out.absolute() / "home" / "trainings")
    minutes = (time.monotonic() - began) / 60
    book.write(
        {
            "minutes": round(minutes, 1),
            "updates": BUDGET,
            "batch": BATCH,
            "cores": os.cpu_count(),
            "machine": platform.processor() or platform.machine(),
        }
    )
    count = len(book.outcomes)
    print(f"\n{book.failed} of {count} steps failed, {minutes:.1f} minutes; see {options.out}")
    return int(book.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
