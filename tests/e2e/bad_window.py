"""What a user does wrong in the window, with keys and mouse alone, and what is looked at each time.
See `bad_input`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.runtime.policy_drive import DRIVE_COLUMNS
from app.runtime.rundir import RunDir
from devices.clock import NS_PER_S
from devices.ring import RingReader
from tests.e2e.bad_things import Bad
from tests.e2e.by_hand import Hands
from tests.e2e.seen import Item, Mouse, Seen
from tests.e2e.steps import Book, Robot

PATIENCE_S = 180.0
"""For a policy that is loaded beside a window, a station and whatever else a machine does [s]."""

_MISSES = DRIVE_COLUMNS.index("misses")
_FOLLOWS = DRIVE_COLUMNS.index("follows")


@dataclass(frozen=True, slots=True)
class Found:
    """One bad input and what came of it.

    Attributes:
        where: "load", "watch", "train" or "command".
        name: What was wrong.
        words: What the user reads.
        faults: What is wrong with that; empty if nothing is.
        drives: How the old policy went on, in words; "" where no station ran.
        picture: Of the screen.
    """

    where: str
    name: str
    words: str
    faults: tuple[str, ...]
    drives: str = ""
    picture: str = ""


def judge(bad: Bad, words: str) -> list[str]:
    """What is wrong with the words for a bad input."""
    faults = []
    if not words:
        faults.append("nothing is said")
    else:
        if not re.search(bad.offender, words, re.DOTALL):
            faults.append(f"does not name {bad.offender!r}")
        if not re.search(bad.way, words, re.DOTALL):
            faults.append(f"tells no way out ({bad.way!r})")
    for ugly in ("Traceback", "Error:", "Errno", "None", "PosixPath"):
        if ugly in words:
            faults.append(f"not for people: {ugly}")
    return faults


class Onward:
    """How the policy that drives goes on while something else goes wrong."""

    def __init__(self, run: RunDir, robot: Robot) -> None:
        self._robot = robot
        self._drive = RingReader(run.ring("policy/drive"))
        self.begin()

    def begin(self) -> None:
        """What happens from now on counts."""
        self._began_ns = time.monotonic_ns()
        self._misses = self.misses()
        self._let_go = 0
        self._rows = 0
        self._pause_ms = 0.0
        self._seen_ns = self._began_ns
        self._sent_ns = self._began_ns

    def misses(self) -> int:
        """Missed answers of the policy in hand, since it drives."""
        sample = self._drive.latest()
        return -1 if sample is None else int(sample.data[_MISSES])

    def look(self) -> None:
        """Rings hold some seconds only: look at least every two."""
        rows = self._drive.since(self._seen_ns)
        if len(rows.t_ns):
            self._seen_ns = int(rows.t_ns[-1]) + 1
            self._rows += len(rows.t_ns)
            self._let_go += int((rows.data[:, _FOLLOWS] == 0).sum())
        sent = self._robot.sent.since(self._sent_ns)
        if len(sent.t_ns) > 1:
            self._pause_ms = max(self._pause_ms, float(np.diff(sent.t_ns).max()) / 1e6)
            self._sent_ns = int(sent.t_ns[-1])

    def end(self) -> tuple[str, list[str]]:
        """In words how it went on, and what is wrong with that."""
        self.look()
        missed = self.misses() - self._misses
        seconds = (time.monotonic_ns() - self._began_ns) / NS_PER_S
        faults = []
        if missed or self._let_go:
            faults.append(f"the old policy missed {missed} answers, held at {self._let_go} ticks")
        if self._rows < 100 * seconds:
            faults.append(f"only {self._rows} ticks in {seconds:.1f} s")
        if self._robot.way(2.0) < 0.002:
            faults.append("the robot stands still")
        said = (
            f"{self._rows} ticks, {missed} missed, longest pause {self._pause_ms:.0f} ms, "
            f"{1e3 * self._robot.way(2.0):.0f} mm in the last 2 s"
        )
        return said, faults

    def close(self) -> None:
        self._drive.close()


class Clumsy:
    """Who does everything wrong.

    Args:
        book: Takes pictures.
        seen, run: The window.
    """

    def __init__(self, book: Book, seen: Seen, run: RunDir) -> None:
        self.book, self.seen, self.run = book, seen, run
        self.hands, self.mouse = Hands(), Mouse()
        self.robot = Robot(run)
        self.onward: Onward | None = None
        self.found: list[Found] = []

    # ---------------------------------------------------------------------------------- driving
    def drive(self, address: str) -> bool:
        """Load a good policy and let it drive."""
        self.hands.press("5")
        self.hands.press("F7")
        self._open("ctrl+l", address)
        self.hands.press("Return")
        ready = self.book.check(
            "the good policy is ready", lambda: self.seen.text("^Ready$"), PATIENCE_S
        )
        self.hands.press("ctrl+1")
        drives = self.book.check("it drives", lambda: self.seen.text("^Policy A$"), 20.0)
        moves = self.book.check("and the robot moves", lambda: self.robot.way(2.0) > 0.005, 20.0)
        self.onward = Onward(self.run, self.robot)
        return ready and drives and moves

    def wait(self, true: Callable[[], object], seconds: float) -> bool:
        """Wait until something is true, looking at how the robot goes on meanwhile."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                return False
            if self.onward is not None:
                self.onward.look()
            time.sleep(0.2)
        return True

    # ---------------------------------------------------------------------------------- loading
    def load(self, bad: Bad) -> None:
        """Name it in the sheet; if the sheet lets it through, look at what its card says."""
        self._begin()
        self._open("ctrl+l", bad.path)
        button = self.seen.find("^Load$", kind="Button")
        if button is not None and not button.enabled:
            # The sheet knows: nothing is loaded at all.
            items = self._labels(bad.offender)
            picture = self._picture("load", bad)
            self._close()
            self._note("load", bad, items, picture, "(in the sheet) ")
            return
        self.hands.press("Return")
        items = self._labels(bad.offender) if self._refused(bad) else []
        picture = self._picture("load", bad)
        self._note("load", bad, items, picture)

    def load_changing(self, bad: Bad) -> None:
        """A folder that changes while it is read: whole, or refused by name; never half."""
        self._begin()
        self._open("ctrl+l", bad.path)
        self.hands.press("Return")
        self.wait(lambda: self._failed(bad) or self._ready(bad), PATIENCE_S)
        if self._failed(bad):
            self._note("load", bad, self._labels(bad.offender), self._picture("load", bad))
        else:
            self._add(
                "load", bad.name, "(it was read whole: Ready)", [], self._picture("load", bad)
            )

    def watch(self, bad: Bad) -> None:
        """Watch it."""
        self._begin()
        self._open("ctrl+shift+l", bad.path)
        button = self.seen.find("^Watch$", kind="Button")
        if button is not None and not button.enabled:
            items, picture = self._labels(bad.offender), self._picture("watch", bad)
            self._close()
            self._note("watch", bad, items, picture, "(in the sheet) ")
            return
        self.hands.press("Return")
        self._refused(bad)
        self._note("watch", bad, self._labels(bad.offender), self._picture("watch", bad))
        self.hands.press("ctrl+shift+l")
        nothing = self.seen.wait("^Watch nothing$", 5.0)
        if nothing is not None:
            self.mouse.click(nothing)

    def _open(self, key: str, path: str) -> None:
        self.hands.press(key)
        self.seen.wait("^(Load a policy|Watch a training)$", 5.0)
        self.hands.press("ctrl+a")
        self.hands.type(path)
        time.sleep(0.5)

    def _close(self) -> None:
        """By mouse: Escape would stop the robot."""
        button = self.seen.find("", kind="Button", name="^Close$")
        if button is not None:
            self.mouse.click(button)

    def _refused(self, bad: Bad, seconds: float = PATIENCE_S) -> bool:
        """Wait until its card says that it failed, and why; or that alone for a while."""
        if not self.wait(lambda: self._failed(bad), seconds):
            return False
        self.wait(lambda: self._labels(bad.offender), 10.0)
        return True

    def _failed(self, bad: Bad) -> bool:
        items = self.seen.look()
        shown = any(item.tip == bad.path and item.kind == "ElidedText" for item in items)
        watched = any(Path(item.tip).parent == Path(bad.path) for item in items if item.tip)
        return (shown or watched) and any(item.text == "Failed" for item in items)

    def _ready(self, bad: Bad) -> bool:
        items = self.seen.look()
        shown = any(item.tip == bad.path and item.kind == "ElidedText" for item in items)
        return shown and any(item.text == "Ready" for item in items)

    # --------------------------------------------------------------------------------- training
    def sheet(self, bad: Bad, *, preset: str = "", whole: bool = False) -> None:
        """Name a dataset in the sheet of a new training; with `whole` it may also be read."""
        self._begin()
        self.hands.press("F9")
        self.hands.press("n")
        self.seen.wait("^New training$", 10.0)
        field = self.seen.find("", kind="QLineEdit", name="^Folder of the dataset$")
        if field is not None:
            self.mouse.click(field)
            self.hands.press("ctrl+a")
            self.hands.type(bad.path)
            self.hands.press("Tab")
        if preset:
            self._choose("^It sees$", preset)
        self.wait(lambda: self._labels(bad.offender), PATIENCE_S)
        button = self.seen.find("^Add to the queue")
        faults: list[str] = []
        counted = self.seen.text("windows from") if whole else ""
        if counted:
            self._add("train", bad.name, f"(it was read whole: {counted})", [], "")
        elif button is not None and button.enabled:
            faults.append("it can be added all the same")
        if not counted:
            picture = self._picture("train", bad)
            self._note("train", bad, self._labels(bad.offender), picture, "", faults)
        if preset:
            self._choose("^It sees$", "state")
        self._close()
        self.wait(lambda: self.seen.find("^New training$") is None, 5.0)

    def queue(self, bad: Bad, picture: str = "") -> None:
        """Look at what the Train tab says of a training of the queue."""
        self._begin()
        self.hands.press("F9")
        for item in self.seen.look():
            if "QueueList" in item.kind and bad.path in item.text:
                self.mouse.click(item)
                break
        self.wait(lambda: self._labels(bad.offender), PATIENCE_S)
        self._note("train", bad, self._labels(bad.offender), self._picture("train", bad))

    def start_queue(self) -> None:
        """Have what waits be trained."""
        self.hands.press("F9")
        button = self.seen.wait("^Start the queue$", 10.0)
        if button is not None:
            self.mouse.click(button)

    def _choose(self, name: str, what: str) -> None:
        box = self.seen.find("", kind="QComboBox", name=name)
        if box is not None and box.text != what:
            self.mouse.click(box)
            self.hands.press("Home")
            self.hands.type(what)
            time.sleep(0.3)
            self.hands.press("Return")
            time.sleep(0.3)

    # ---------------------------------------------------------------------------------- looking
    def _labels(self, pattern: str) -> list[Item]:
        """Sentences on the screen that match; no fields, no rows."""
        kinds = ("Text", "QLabel", "ElidedText", "Chip")
        return [
            item
            for item in self.seen.look()
            if item.kind in kinds and re.search(pattern, item.text) and " " in item.text
        ]

    def _begin(self) -> None:
        if self.onward is not None:
            self.onward.begin()

    def _picture(self, where: str, bad: Bad) -> str:
        name = re.sub("[^a-z0-9]+", "-", f"{where} {bad.name}".lower()).strip("-")
        return self.book.picture(f"{len(self.found):02}-{name}")

    def _note(
        self,
        where: str,
        bad: Bad,
        items: list[Item],
        picture: str,
        before: str = "",
        faults: list[str] | None = None,
    ) -> None:
        """The longest of the sentences that name it is the one to be judged; none may be cut."""
        told = max(items, key=lambda item: len(item.text), default=None)
        words = "" if told is None else told.text
        wrong = [*(faults or ()), *judge(bad, words)]
        # A line that gives way to others tells all in its tip, and is not what is read.
        read = [item for item in items if item is told or item.kind != "ElidedText"]
        wrong += [f"cut on the screen: {item.text[:40]}…" for item in read if item.cut]
        self._add(where, bad.name, before + words, wrong, picture)

    def _add(self, where: str, name: str, words: str, faults: list[str], picture: str) -> None:
        drives = ""
        if self.onward is not None:
            self.wait(lambda: self.robot.way(2.0) > 0.002, 3.0)
            drives, wrong = self.onward.end()
            faults = [*faults, *wrong]
            if not self.seen.text("^Policy A$") and where in ("load", "watch"):
                faults.append("the window does not say that policy A drives")
        self.found.append(Found(where, name, words, tuple(faults), drives, picture))
        print(f"{'ok    ' if not faults else 'FAILED'} {where}: {name}", flush=True)
        print(f"       {words}", flush=True)
        for fault in faults:
            print(f"    -> {fault}", flush=True)
        if drives:
            print(f"       {drives}", flush=True)

    def close(self) -> None:
        if self.onward is not None:
            self.onward.close()
        self.robot.close()
