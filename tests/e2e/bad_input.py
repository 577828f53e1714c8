"""Everything wrong that a user can name: policies, datasets, trainings, devices; in the window with
keys and mouse while a robot is driven, and on the command line.

`python -m tests.e2e.bad_input --out DIR [--only load train command] [--size 1280x800]`

Each bad input is tried where a user would name it. The words that come are read off the screen or
the terminal: they must name the offender and the way out, and stand there uncut. Meanwhile a policy
drives: it must not miss an answer. At the end all processes of the station must be those of the
beginning. Prints a line for each, writes `table.md` and a picture of each; exit status 1 when any
is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from app.virtual_display import virtual_display
from policies.training_queue import TrainingQueue
from policies.training_run import RunFolder
from tests.e2e.bad_things import (
    WAYS,
    Bad,
    BadPolicies,
    changing,
    takes,
    takes_of_another_robot,
    vanishing,
)
from tests.e2e.bad_window import Clumsy, Found, judge
from tests.e2e.seen import seen_window
from tests.e2e.steps import Book

ROOT = Path(__file__).parents[2]
SCENE = "wipe"
PARTS = ("load", "train", "command")


# ------------------------------------------------------------------------------- command line
class Terminal:
    """Commands as a user types them, each a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: list[Found] = []
        self._count = 0

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, bad: Bad, *arguments: str, whole: bool = False) -> None:
        """Run a command that must be refused, or with `whole` may also come true."""
        process = self.start(*arguments)
        _, errors = process.communicate(timeout=170)
        words = errors.strip().removeprefix("teledeck: ").replace(str(self.root), "…")
        done = whole and process.returncode == 0
        words = "(it was read whole)" if done else words
        faults = [] if done else judge(bad, words)
        if process.returncode not in (1, 2) and not done:
            faults.append(f"exit status {process.returncode}")
        self.found.append(Found("command", bad.name, words, tuple(faults)))
        print(f"{'ok    ' if not faults else 'FAILED'} command: {bad.name}\n       {words}")
        for fault in faults:
            print(f"    -> {fault}")
        sys.stdout.flush()

    def evaluate(self, bad: Bad, *, whole: bool = False) -> None:
        line = ["evaluate", "--policy", bad.path, "--scene", SCENE, "-n", "1", "--limit-s", "2"]
        self.run(bad, *line, "--out", str(self.root / "results"), whole=whole)

    def train(self, bad: Bad, *more: str, out: Path | None = None) -> None:
        self._count += 1
        where = out or self.root / f"run{self._count}"
        self.run(bad, *train_line(Path(bad.path)), "--out", str(where), *more)


def train_line(dataset: Path, steps: int = 5) -> list[str]:
    """A small training, but for where it goes."""
    line = ["train", "--dataset", str(dataset), "--policy", "bc", "--set", "width=16"]
    return [*line, "--steps", str(steps)]


def on_the_command_line(root: Path, policies: BadPolicies) -> list[Found]:
    """All of it by `teledeck evaluate` and `teledeck train`."""
    terminal = Terminal(root)
    for bad in policies.all():
        terminal.evaluate(bad)
    with changing(root / "changing", root):
        terminal.evaluate(
            Bad("a folder that changes", str(root / "changing"), "changing", "again"), whole=True
        )
    good = takes(root / "good-takes").root
    for bad, more in bad_trainings(root, good):
        terminal.train(bad, *more)
    terminal.run(
        Bad("a queue that is not there", "", "no-queue", "Check the path"),
        *("train", "--queue", str(root / "no-queue")),
    )
    two_on_one_folder(terminal, root, good)
    return terminal.found


def bad_trainings(root: Path, good: Path) -> Iterator[tuple[Bad, tuple[str, ...]]]:
    """Datasets and options that no training can be made of."""
    for bad in bad_datasets(root):
        yield bad, ()
    name = str(good)
    yield (
        Bad("needs that were not recorded", name, "right_inner_pad/pca", "other needs"),
        (*("--needs", "pca"),),
    )
    yield (
        Bad("a camera that was not recorded", name, "front/rgb", "other needs"),
        (*("--needs", "state+front"),),
    )
    yield Bad("a wrong name of needs", name, "tuch", "touch"), ("--needs", "tuch")
    yield Bad("a wrong name of a policy", name, "rpd", "rdp"), ("--policy", "rpd")
    yield Bad("a wrong option", name, "wide", "width"), ("--set", "wide=3")
    yield Bad("a GPU where there is none", name, "cuda", "cpu"), ("--device", "cuda")
    yield Bad("a device that is none", name, "tpu", "cpu"), ("--device", "tpu")
    yield Bad("a task that nobody showed", name, "fly", "another verdict, task"), ("--task", "fly")
    weights = root / "weights.json"
    weights.write_text('{"nobody": 1.0}')
    yield Bad("a weight for no take", name, "nobody", "(?i)leave"), ("--weights", str(weights))
    full = root / "full"
    full.mkdir(exist_ok=True)
    (full / "letter.txt").write_text("mine")
    yield Bad("a folder that is something else", name, "full", "(?i)choose"), ("--out", str(full))
    yield (
        Bad("a folder below a file", name, "letter.txt", "(?i)choose"),
        (*("--out", str(full / "letter.txt" / "run")),),
    )


def bad_datasets(root: Path) -> Iterator[Bad]:
    """Folders that no training can read."""
    yield Bad("no such dataset", str(root / "no-takes"), "no-takes does not exist", "(?i)choose")
    empty = root / "no-dataset"
    empty.mkdir(exist_ok=True)
    yield Bad("a folder that is no dataset", str(empty), "not a dataset", "(?i)choose")
    spoilt = takes(root / "spoilt-takes", 1)
    (spoilt.root / "dataset.toml").write_text("schema = ")
    yield Bad("dataset.toml is spoilt", str(spoilt.root), "dataset.toml", "(?i)mend")
    other = takes_of_another_robot(root / "other-takes")
    yield Bad("takes of another robot", str(other.root), "right_arm/T_world_tool", "another robot")
    cut = takes(root / "cut-takes", 3)
    path = cut.episode_path(cut.uids()[1])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    yield Bad("a take that is cut short", str(cut.root), path.stem, "(?i)restore")


def two_on_one_folder(terminal: Terminal, root: Path, good: Path) -> None:
    """A second training in a folder, a second runner on a queue, another plan in a folder."""
    shared = root / "shared-run"
    line = [*train_line(good, 500_000), "--out", str(shared)]
    first = terminal.start(*line)
    try:
        _until(lambda: RunFolder(shared).is_locked())
        bad = Bad("two trainings on one folder", str(good), f"process {first.pid}", "(?i)wait")
        terminal.run(bad, *line)
        other = Bad("another plan in its folder", str(good), "seed differs", "(?i)new folder")
        terminal.run(other, *line, "--seed", "7")
    finally:
        _end(first)
    queue = root / "shared-queue"
    TrainingQueue(queue).add(RunFolder(shared).plan())
    runner = terminal.start("train", "--queue", str(queue))
    try:
        _until(lambda: TrainingQueue(queue).is_worked_on())
        bad = Bad("two runners on one queue", "", "shared-queue is worked on", "in turn")
        terminal.run(bad, "train", "--queue", str(queue))
        run = queue / "0001-bc"
        _until(lambda: RunFolder(run).is_locked())
        bad = Bad("a training of a queue by hand", "", "trained already, by process", "(?i)wait")
        terminal.run(bad, *train_line(good, 500_000), "--out", str(run))
    finally:
        _end(runner)


# --------------------------------------------------------------------------------- the window
def in_the_window(
    book: Book, root: Path, size: tuple[int, int], parts: Sequence[str]
) -> list[Found]:
    """All of it in the places Test ("load") and Train ("train"), while a policy drives."""
    home = root / "home"
    os.environ["XDG_CONFIG_HOME"] = str(root / "config")
    os.environ["TELEDECK_HOME"] = str(home)
    good = takes(root / "good-takes").root
    policies = BadPolicies(root / "policies")
    with served() as address, virtual_display(*size), seen_window(SCENE, good) as (run, seen):
        book.check(
            "the window opens, and the robot wakes",
            lambda: run.ring("right_arm/q_sent").exists() and not seen.text("^Waking the robot"),
            150.0,
        )
        time.sleep(4.0)
        clumsy = Clumsy(book, seen, run)
        try:
            if clumsy.drive(address):
                before = _station(run.path)
                if "load" in parts:
                    _load_all(clumsy, policies, root)
                if "train" in parts:
                    _train_all(clumsy, root, home / "trainings", good)
                after = _station(run.path)
                book.check(
                    "nothing crashed: the processes are those of the beginning",
                    lambda: (before == after, f"{len(before)} processes"),
                    0.0,
                )
                mistakes = [item.text for item in seen.look() if "mistake in" in item.text]
                book.check("no mistake in the window was told", lambda: not mistakes, 0.0)
        finally:
            clumsy.close()
            _end_trainings(home / "trainings")
    return clumsy.found


def _load_all(clumsy: Clumsy, policies: BadPolicies, root: Path) -> None:
    for bad in policies.all():
        clumsy.load(bad)
    changed = Bad("a folder that changes", str(root / "changing"), "changing", "again")
    with changing(root / "changing", root):
        clumsy.load_changing(changed)
    free = f"ws://127.0.0.1:{_free_port()}"
    clumsy.load(Bad("a server that is not there", free, free, "(?i)start|check"))
    clumsy.watch(Bad("watch: no such folder", str(root / "gone"), "gone", "(?i)check"))
    watched = root / "watched"
    watched.mkdir()
    (watched / "plan.json").write_text("{}")
    shutil.copytree(root / "policies" / "cut-weights", watched / "best")
    clumsy.watch(Bad("watch: its best one is cut short", str(watched), "is cut short", "(?i)copy"))


def _train_all(clumsy: Clumsy, root: Path, queue: Path, good: Path) -> None:
    clumsy.hands.press("F9")
    for bad in bad_datasets(root):
        clumsy.sheet(bad)
    name = str(good)
    needs = Bad("needs that were not recorded", name, "right_inner_pad/pca", "other needs")
    clumsy.sheet(needs, preset="pca")
    from datasets.dataset import Dataset

    moving = Bad(
        "takes that vanish while they are read", name, "There is no episode|windows from", WAYS
    )
    with vanishing(Dataset.open(good)):
        clumsy.sheet(moving, whole=True)
    terminal = Terminal(root)
    line = [*train_line(good, 500_000), "--queue", str(queue)]
    for more in (("--device", "cuda"), ()):
        terminal.start(*line, *more).communicate(timeout=170)
    clumsy.start_queue()
    clumsy.queue(Bad("a GPU where there is none", "0001-bc", "cuda", "cpu"))
    _until(lambda: RunFolder(queue / "0002-bc").is_locked())
    terminal.run(
        Bad("the window's training by hand, too", "", "trained already, by process", "(?i)wait"),
        *(*train_line(good, 500_000), "--out", str(queue / "0002-bc")),
    )
    terminal.run(
        Bad("a second runner on the window's queue", "", "is worked on already", "in turn"),
        *("train", "--queue", str(queue)),
    )
    clumsy.found += terminal.found
    TrainingQueue(queue).cancel("0002-bc")
    _until(lambda: not RunFolder(queue / "0002-bc").is_locked())
    away = root / "taken-away"
    gone = takes(away)
    terminal.start(*train_line(gone.root), "--queue", str(queue)).communicate(timeout=170)
    shutil.rmtree(away)
    clumsy.start_queue()
    clumsy.queue(Bad("its dataset was taken away", "0003-bc", "taken-away", "(?i)choose"))
    spoilt = queue / "0004-bc"
    spoilt.mkdir()
    (spoilt / "plan.json").write_text('{"dataset"')
    clumsy.queue(Bad("a plan that is spoilt", "0004-bc", "plan.json cannot be read", "(?i)plan"))


# -------------------------------------------------------------------------------------- helpers
@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of a policy that sways, in a process of its own: it moves as long as it is
    followed, and is not one of those that go wrong."""
    port = _free_port()
    script = ROOT / "policies" / "serving" / "standalone.py"
    made = ROOT / "tests" / "serving" / "served_sway.py"
    process = subprocess.Popen([sys.executable, str(script), str(made), "--port", str(port)])
    try:
        _until(lambda: _listens(port))
        yield f"ws://127.0.0.1:{port}"
    finally:
        _end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _station(run: Path) -> dict[str, int]:
    """Processes of a run by their module, without those of policies, which come and go."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            text = " ".join(line)
            if str(run) in text and "policy_process" not in text and "-m" in line:
                found[line[line.index("-m") + 1]] = process.pid
    return found


def _until(true: object, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError("it does not come true")
        time.sleep(0.1)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=30)


def _end_trainings(queue: Path) -> None:
    for run in TrainingQueue(queue).runs() if queue.is_dir() else ():
        with contextlib.suppress(Exception):
            if run.status().phase not in ("done", "failed", "cancelled"):
                TrainingQueue(queue).cancel(run.path.name)


def table(found: Sequence[Found], root: Path) -> str:
    """What was seen, for the docs."""
    lines = ["| where | what was wrong | what the user reads | |", "|---|---|---|---|"]
    for each in found:
        words = each.words.replace(str(root), "…").replace("|", "\\|").replace("\n", " ")
        words = re.sub(r"\d{8}T\d{9}Z-[0-9a-f]{6}", "<take>", words)
        words = re.sub(r"process \d+", "process <pid>", words)
        lines.append(f"| {each.where} | {each.name} | {words} | {'; '.join(each.faults) or 'ok'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp(prefix="bad-input-")))
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--size", default="1280x800", help="of the screen [px]")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out: Path = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    width, height = map(int, options.size.split("x"))
    book, found = Book(out), []
    root = Path(tempfile.mkdtemp(prefix="bad-"))
    try:
        if "command" in options.only:
            room = root / "command"
            room.mkdir()
            found += on_the_command_line(room, BadPolicies(room / "policies"))
        if {"load", "train"} & set(options.only):
            room = root / "window"
            room.mkdir()
            found += in_the_window(book, room, (width, height), options.only)
    finally:
        told = table(found, root / "window").replace(str(root / "command"), "…")
        (out / "table.md").write_text(told)
        book.write({"size": options.size, "found": [str(each) for each in found]})
        shutil.rmtree(root, ignore_errors=True)
    wrong = sum(bool(each.faults) for each in found)
    print(f"\n{wrong} of {len(found)} are wrong, {book.failed} steps failed; see {out}")
    return int(wrong > 0 or book.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
