"""What a new user does with policies in the window, with keys and mouse alone, and what is looked
at after each step. See `policies_by_hand`."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from app.runtime.rundir import RunDir
from datasets.dataset import Dataset
from datasets.library import Library
from devices.clock import NS_PER_S
from policies import checkpoint
from policies.evaluation.trials import Trial, TrialBook
from tests.e2e.by_hand import Hands
from tests.e2e.rollout_told import told_in
from tests.e2e.seen import Item, Mouse, Seen
from tests.e2e.steps import PAUSE_S, Book, Robot

BUDGET = {"rdp": 1000, "diffusion": 300}  # updates
BATCH = 32
SEES = {"rdp": "glance-reactive", "diffusion": "glance"}
STARTS = 2
ROLLOUT_S = 8.0
FASTEST = 1.01  # of the guard's speed limits; the rest is rounding


class User:
    """The new user."""

    def __init__(self, book: Book, seen: Seen, run: RunDir, dataset: Path, home: Path) -> None:
        self.book, self.seen, self.robot = book, seen, Robot(run)
        self.hands, self.mouse = Hands(), Mouse()
        self.dataset, self.trainings = dataset, home / "trainings"
        self.trials_path = dataset.with_name(f"{dataset.name}-trials") / "trials.jsonl"

    # --------------------------------------------------------------------------------- training
    def train(self) -> None:
        """Both trainings into the queue, by the sheet."""
        self.hands.press("5")
        self.hands.press("F9")
        self.book.check(
            "Train (5, F9) explains itself while there is no training",
            lambda: self.seen.text(r"^A training makes a policy"),
            picture="train-empty",
        )
        for policy in ("rdp", "diffusion"):
            self._order(policy)
        self.book.check(
            "both are in the queue, and on the disk",
            lambda: len(list(self.trainings.glob("*/plan.json"))) == 2 and self._cards(),
            picture="train-queue",
        )

    def _order(self, policy: str) -> None:
        self.hands.press("n")
        self.book.check(
            f"N opens the sheet; it counts what there is to read ({policy})",
            lambda: self.seen.text(r"windows from"),
            60.0,
        )
        self.choose("^Policy$", policy)
        self.choose("^It sees$", SEES[policy])
        self.fill("^Updates$", BUDGET[policy])
        self.fill("^Batch$", BATCH)
        time.sleep(1.0)
        self.book.check(
            f"{policy}: what it would read, and that it can be added",
            lambda: self._ready_to_add() and self.seen.text(r"windows from"),
            60.0,
            picture=f"sheet-{policy}",
        )
        self.hands.press("ctrl+Return")
        self.book.check(f"{policy} joins the queue", lambda: self.seen.text(r"is in the queue"))

    def _ready_to_add(self) -> bool:
        button = self.seen.find("^Add to the queue")
        return button is not None and button.enabled

    def choose(self, name: str, what: str) -> None:
        """Choose in a list by its first letters, as one does with the keyboard."""
        box = self.seen.find("", kind="QComboBox", name=name)
        if box is None:
            self.book.check(f"there is a field {name}", lambda: False, 0.0)
            return
        if box.text != what:
            self.mouse.click(box)
            # Typed letters go on from the present row: "A" would find "A and B" after it.
            self.hands.press("Home")
            if what != "A":
                self.hands.type(what)
            time.sleep(0.3)
            self.hands.press("Return")
            time.sleep(0.3)
        self.book.check(
            f"{name.strip('^$')}: {what} is chosen",
            lambda: self.seen.find(f"^{what}$", kind="QComboBox", name=name) is not None,
        )

    def fill(self, name: str, value: int) -> None:
        box = self.seen.find("", kind="QSpinBox", name=name)
        if box is None:
            self.book.check(f"there is a field {name}", lambda: False, 0.0)
            return
        self.mouse.click(box)
        self.hands.press("ctrl+a")
        self.hands.type(str(value))
        self.hands.press("Tab")
        time.sleep(0.2)

    def _cards(self) -> str:
        """What the cards of the queue say."""
        items = [item for item in self.seen.look() if item.kind == "QueueList"]
        return " | ".join(item.text for item in items)

    # --------------------------------------------------------------------------------- watching
    def watch(self, policy: str, *, drive: bool) -> None:
        """Follow the folder of a training, chosen in the sheet."""
        self.hands.press("F7")
        time.sleep(PAUSE_S)
        self.hands.press("ctrl+shift+l")
        self.book.check(
            f"Ctrl+Shift+L offers the trainings of the queue ({policy})",
            lambda: self._offered(policy) is not None and self.seen.text("^Watch a training"),
            picture=f"watch-{policy}",
        )
        offered = self._offered(policy)
        if offered is not None:
            self.mouse.click(offered)
        box = self.seen.find("^Let each new best checkpoint drive")
        if box is not None and box.checked != drive:
            self.mouse.click(box)
        button = self.seen.find("^Watch$", kind="Button")
        if button is not None:
            self.mouse.click(button)

    def _offered(self, policy: str) -> Item | None:
        for item in self.seen.look():
            if item.kind.endswith("ListWidget") and policy in item.text:
                return item
        return None

    def checkpoints_load_themselves(self) -> None:
        """The first one drives, the next ones replace it while the robot moves."""
        self.watch("rdp", drive=True)
        self.book.check(
            "the first checkpoint of the running training loads itself and drives",
            self._driver,
            420.0,
            picture="first-checkpoint",
        )
        first = self.book.outcomes[-1].seen
        self.book.check(
            "and the robot moves",
            lambda: self.robot.way(2.0) > 0.01 and f"{100 * self.robot.way(2.0):.0f} cm in 2 s",
            60.0,
        )
        before = self.robot.since(time.monotonic_ns() - 3 * NS_PER_S)
        self.book.check(
            "a later, better one takes its place by itself, while the robot runs",
            lambda: (now := self._driver()) and now[-8:] != first[-8:] and f"{first} -> {now}",
            300.0,
            picture="next-checkpoint",
        )
        after = self.robot.since(time.monotonic_ns() - 3 * NS_PER_S)
        self.book.check(
            "commands went on, and none jumped",
            lambda: (
                after[1] < max(100.0, 2 * before[1]) and after[2] <= FASTEST,
                f"longest pause between commands {after[1]:.0f} ms ({before[1]:.0f} ms before the "
                f"first one drove), fastest joint at {after[2]:.0%} of its limit",
            ),
            0.0,
        )
        self.hands.press("F9")
        self.book.check(
            "meanwhile its curves can be watched (F9)",
            lambda: self.seen.text("updates") and self._cards(),
            picture="train-curves",
        )
        self.book.check("its training ends", lambda: self._finished("rdp"), 420.0)
        self.hands.press("F7")
        self.watch_nothing()

    def watch_nothing(self) -> None:
        """A rollout is one policy's: none shall come to drive in between."""
        self.book.check(
            "the best checkpoint of the training that has ended is in a slot",
            lambda: (slot := self.slot_of("rdp")) and f"policy {slot}",
            60.0,
        )
        self.book.check(
            "while it is watched, the top line says so",
            lambda: self.seen.text("^Watches 000"),
        )
        self.hands.press("ctrl+shift+l")
        button = self.seen.wait("^Watch nothing$", 5.0)
        if button is not None:
            self.mouse.click(button)
        self.book.check(
            "watched no more; what was loading is ready",
            lambda: (
                not self.seen.text("^Watches 000")
                and not self.seen.text("^(Starting|Loading|Checking|Warming up)…$")
            ),
            90.0,
        )

    def _finished(self, policy: str) -> str:
        for folder in self.trainings.glob("*"):
            status = folder / "status.json"
            if policy in folder.name and status.is_file():
                told = json.loads(status.read_text())
                if told["phase"] == "done":
                    return f"{told['step']} updates, hold-out {told['best']:.3g}"
        return ""

    def _driver(self) -> str:
        """Who drives, and the digest on its card; "" if it is no policy."""
        who = self.seen.find("", name="^Who drives$")
        if who is None or not re.match("Policy [AB]$", who.text):
            return ""
        return f"{who.text} {self._digests().get(_letter(who.text), '')}".strip()

    def _digests(self) -> dict[str, str]:
        """By letter: the digest on the card of a policy, read from top to bottom."""
        items = sorted(self.seen.look(), key=lambda item: item.y)
        found, letter = {}, ""
        for item in items:
            if re.fullmatch("Policy [AB]", item.name):
                letter = item.text
            elif letter and re.fullmatch("[0-9a-f]{8}", item.text):
                found[letter] = item.text
        return found

    # --------------------------------------------------------------------------------- rollouts
    def plan(self, letter: str) -> None:
        """Some starts for a policy, disturbed after contact."""
        self.choose("^Policy$", letter)
        self.fill("^Starts$", STARTS)
        disturb = self.seen.find("", kind="QComboBox", name="^Disturbance$")
        if disturb is not None:
            self.mouse.click(disturb)
            self.hands.type("Moved after")
            self.hands.press("Return")
        add = self.seen.find("^Add$")
        if add is not None:
            self.mouse.click(add)
        self.book.check(
            f"{STARTS} starts are planned for policy {letter}",
            lambda: self.seen.text(rf"{STARTS} rollouts to come"),
        )

    def begin(self, letter: str) -> bool:
        """Enter, Enter: reset and start."""
        self.hands.press("Return")
        self.book.check(
            "Enter resets the scene; the next Enter would start",
            lambda: self.seen.find("^Start$", kind="Button") is not None,
            60.0,
        )
        self.hands.press("Return")
        return self.book.check(
            f"Enter starts: policy {letter} drives and is recorded",
            lambda: self.seen.text("^Rollout runs") and self.seen.text(f"^Policy {letter}$"),
            30.0,
        )

    def first_rollout(self, letter: str) -> None:
        """Disturb, take over with the mouse, give back, judge."""
        self.begin(letter)
        self.book.check(
            "the policy moves the arm",
            lambda: self.robot.way(1.0) > 0.005 and f"{1e3 * self.robot.way(1.0):.0f} mm in 1 s",
        )
        self.hands.press("b")
        self.book.check(
            "B disturbs the scene", lambda: self.seen.text("^Disturbed"), picture="disturbed"
        )
        began_ns = time.monotonic_ns()
        self._grab()
        self.book.check(
            "the mouse takes the gripper: the window says that you drive",
            lambda: self.seen.text("^You$") and self.seen.text("G gives back"),
            5.0,
            picture="taken-over",
        )
        self.mouse.by(60, -40)
        self.mouse.up()
        time.sleep(0.5)
        self.no_jump("taken over without a jump", began_ns)
        began_ns = time.monotonic_ns()
        self.hands.press("g")
        self.book.check(
            "G gives back: the policy drives again",
            lambda: self.seen.text(f"^Policy {letter}$"),
            5.0,
            picture="given-back",
        )
        time.sleep(1.0)
        self.no_jump("given back without a jump", began_ns)
        self.hands.press("k")
        self.book.check("K marks the moment: stuck", lambda: self.seen.text(r"stuck \d"))
        self.hands.press("f")
        self.book.check("F: a failure, on the disk", lambda: self.seen.text("^Failure; on the"))
        self.book.check(
            "the book holds it, with takeover, disturbance and moment",
            lambda: self.judged(lambda t: t.takeovers == 1 and t.perturb and t.tags),
        )

    def _grab(self) -> None:
        """Press on the gripper in the view. It moves: whoever misses it tries again."""
        for _ in range(5):
            gripper = self.seen.find("^gripper right$")
            if gripper is None:
                return
            self.mouse.to(gripper.x, gripper.y)
            self.mouse.down()
            if self.seen.wait("^You$", 1.0) is not None:
                return
            self.mouse.up()

    def no_jump(self, what: str, began_ns: int) -> None:
        steps, pause_ms, share = self.robot.since(began_ns)
        self.book.check(
            f"{what} (at most what the guard allows)",
            lambda: (
                share <= FASTEST,
                f"largest step of a joint {np.degrees(steps.max()):.2f} deg, "
                f"{share:.0%} of its speed limit; longest pause {pause_ms:.0f} ms",
            ),
            0.0,
        )

    def plain_rollout(self, letter: str) -> None:
        """Start, let it run, end, and the verdict that the scene proposes."""
        before = len(self.trials())
        self.begin(letter)
        time.sleep(ROLLOUT_S)
        self.hands.press("Return")
        self.book.check("Enter stops it", lambda: self.seen.text("^How did it go"))
        self.hands.press("Return")
        self.book.check(
            "Enter agrees with the scene; the trial is on the disk",
            lambda: len(self.trials()) == before + 1 and self.judged(lambda t: True),
        )

    def trials(self) -> list[Trial]:
        return list(TrialBook(self.trials_path)) if self.trials_path.is_file() else []

    def judged(self, fits: Callable[[Trial], object]) -> str:
        for trial in self.trials()[::-1]:
            if fits(trial):
                return (
                    f"{trial.policy} {trial.digest[:8]} from start {trial.seed}: {trial.verdict}, "
                    f"score {trial.score:.2f}, {trial.takeovers} takeovers, {trial.seconds:.1f} s"
                )
        return ""

    def second_policy(self) -> str:
        """The Diffusion Policy, loaded by watching too, into the slot that is free."""
        self.watch("diffusion", drive=False)
        self.book.check("its training ends", lambda: self._finished("diffusion"), 600.0)
        self.book.check(
            "its best checkpoint is loaded; nobody lets it drive by itself",
            lambda: (slot := self.slot_of("diffusion")) and f"policy {slot}",
            90.0,
            picture="second-policy",
        )
        self.watch_nothing()
        return self.slot_of("diffusion")

    def slot_of(self, policy: str) -> str:
        """Letter of the slot whose card has the digest of the best checkpoint of a training."""
        (run,) = (run for run in self.trainings.glob("*") if run.name.endswith(policy))
        digest = checkpoint.digest(run / "best")[:8]
        return next((slot for slot, told in self._digests().items() if told == digest), "")

    def same_starts(self, letter: str) -> None:
        self.hands.press("shift+b")
        self.book.check(
            "Shift+B plans the same starts for the other policy",
            lambda: self.seen.text(rf"^{STARTS} starts are added"),
        )
        for _ in range(STARTS):
            self.plain_rollout(letter)

    def compare(self) -> None:
        self.hands.press("F8")
        self.book.check(
            "Results (F8) compares the two on shared starts",
            lambda: self.seen.text(r"McNemar p = .*shared start"),
            picture="results",
        )
        self.book.check(
            "and has a row for each policy, with its interval",
            lambda: " | ".join(
                item.text for item in self.seen.look() if item.name == "Success rates"
            ),
        )
        self.hands.press("F7")

    # ------------------------------------------------------------------------------------- kill
    def kill(self, letter: str) -> None:
        """SIGKILL to the policy that drives."""
        self.choose("^Policy$", letter)
        self.fill("^Starts$", 1)
        add = self.seen.find("^Add$")
        if add is not None:
            self.mouse.click(add)
        self.begin(letter)
        self.book.check("it moves", lambda: self.robot.way(0.5) > 0.003)
        pid = self.robot.process_of(f"policy_{letter.lower()}")
        self.book.check("its process is found by ps", lambda: pid and f"process {pid}", 0.0)
        if not pid:
            return
        began_ns = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        self.book.check(
            "killed in motion: the window says that it holds, and why",
            lambda: (
                self.seen.text(f"^{letter} holds$")
                and self.seen.text("process is gone|was killed|ended")
            ),
            5.0,
            picture="killed",
        )
        time.sleep(1.0)
        self.comes_to_rest(began_ns, 3.0)
        self.hands.press("x")
        self.book.check("X asks why it is excluded", lambda: self.seen.text("^Why is it"))
        self.hands.type("the process was killed by hand")
        self.hands.press("Return")
        self.book.check(
            "excluded, with the reason, on the disk",
            lambda: self.judged(lambda t: t.verdict == "excluded" and "killed" in t.reason),
        )

    def comes_to_rest(self, killed_ns: int, patience_s: float) -> None:
        """The arm holds after a kill, and got there as the guard allows."""
        self.book.check(
            "the arm holds",
            lambda: (
                self.robot.way(0.7) < 0.001,
                f"at rest {self.rest_ms(killed_ns):.0f} ms after the kill; in the last 0.7 s it "
                f"moved {1e3 * self.robot.way(0.7):.2f} mm",
            ),
            patience_s,
        )
        self.no_jump("it came to rest without a jump", killed_ns)

    def rest_ms(self, since_ns: int) -> float:
        """When the tool moved for the last time [ms after `since_ns`]: 5 mm/s over 20 ms."""
        found = self.robot.tool.since(since_ns)
        moved = np.linalg.norm(found.data[10:, :3] - found.data[:-10, :3], axis=1)
        seconds = (found.t_ns[10:] - found.t_ns[:-10]) / NS_PER_S
        moving = np.flatnonzero(moved / seconds > 0.005)
        return float(found.t_ns[10:][moving[-1]] - since_ns) / 1e6 if len(moving) else 0.0

    # --------------------------------------------------------------------------------- on disk
    def rollouts_are_episodes(self) -> None:
        """Ordinary episodes, with whose they are and what a person did in them."""
        trials = self.trials()
        self.hands.press("2")
        self.book.check(
            "the Library (2) shows takes and rollouts side by side",
            lambda: self.seen.text("[Tt]akes|episodes"),
            picture="library",
        )
        dataset = Dataset.open(self.dataset)
        cards = {card.uid: card for card in Library(dataset, mend=False).cards()}
        for trial in trials:
            self.book.check(
                f"the episode of {trial.policy} from start {trial.seed} is complete",
                partial(told_in, dataset, trial, trial.uid in cards),
                0.0,
            )


def _letter(who: str) -> str:
    found = re.search(r"\b([AB])\b", who)
    return found[1] if found else ""
