"""A LeRobot checkpoint drives the robot of the real window, from LeRobot's own environment.

`python -m tests.e2e.foreign_by_hand --python ENV/bin/python --checkpoint FOLDER --out DIR`

Serves a checkpoint of docs/examples/lerobot_train.py with policies/serving/standalone.py in that
environment, opens the window under a virtual display, loads the server's address with keys and
mouse (xdotool), lets it open the drawer in recorded rollouts, and kills the server while the arm
moves. Afterwards the server is started again, and the policy goes on. Every step is judged by what
stands in the window and by what is on the disk or in the streams.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from datasets.dataset import Dataset
from policies.evaluation.statistics import wilson
from policies.serving import standalone
from tests.e2e.policies_by_hand import new_user
from tests.e2e.policies_user import User
from tests.e2e.steps import Book

SCENE = "drawer"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "lerobot_act.py"
LONGEST_S = 20.0


class Server:
    """The policy server in the environment of the policy."""

    def __init__(self, python: Path, checkpoint: Path) -> None:
        self._python, self._checkpoint = python, checkpoint
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> str:
        """Start it, at the same port as before. Returns its address."""
        self._process = subprocess.Popen(
            [self._python, standalone.__file__, EXAMPLE, "--port", str(self.port)],
            env={**os.environ, "CHECKPOINT": str(self._checkpoint)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:  # libraries have their say before
            if line.startswith("Serving on "):
                address = line.split()[-1]
                self.port = int(address.rpartition(":")[2])
                return address
        raise RuntimeError(f"the server ended with status {self._process.wait()}")

    def kill(self) -> None:
        """SIGKILL. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def load(user: User, address: str) -> None:
    """Ctrl+L and the address."""
    user.hands.press("5")
    time.sleep(1.0)
    user.hands.press("ctrl+l")
    time.sleep(1.0)
    user.hands.type(address)
    user.book.check(
        "Ctrl+L: the sheet says that this is a server",
        lambda: user.seen.text("^A policy server; it runs in its own environment"),
        picture="sheet",
    )
    user.hands.press("Return")
    user.book.check(
        "it is loaded, and all it needs is there",
        lambda: user.seen.text("^lerobot-act") and user.seen.text("^All .*fit"),
        60.0,
        picture="loaded",
    )


def plan(user: User, starts: int) -> None:
    """Some starts for policy A."""
    user.choose("^Policy$", "A")
    user.fill("^Starts$", starts)
    add = user.seen.find("^Add$")
    if add is not None:
        user.mouse.click(add)
    user.book.check(
        f"{starts} starts are planned for policy A",
        lambda: user.seen.text(rf"{starts} rollouts? to come"),
    )


def rollout(user: User) -> bool:
    """One recorded rollout, judged as the scene proposes. Whether it is a success."""
    before = len(user.trials())
    user.begin("A")
    began = time.monotonic()
    user.book.check(
        "the policy moves the arm",
        lambda: user.robot.way(0.5) > 0.01 and f"{1e3 * user.robot.way(0.5):.0f} mm in 0.5 s",
        picture="drives" if not before else "",
    )
    left_s = LONGEST_S - (time.monotonic() - began)
    if user.seen.wait("^How did it go", left_s) is None:
        user.hands.press("Return")
    user.book.check(
        "it ends when the task is done, or by Enter",
        lambda: user.seen.text("^How did it go"),
        picture="" if before else "end",
    )
    user.hands.press("Return")
    user.book.check(
        "Enter agrees with the scene; the trial is on the disk, with the digest of the weights",
        lambda: len(user.trials()) == before + 1 and user.judged(lambda t: bool(t.digest)),
    )
    return user.trials()[-1].verdict == "success"


def kill_in_motion(user: User, server: Server) -> None:
    """SIGKILL to the server while the arm moves; then it is started again."""
    user.begin("A")
    user.book.check("it moves", lambda: user.robot.way(0.5) > 0.02)
    began_ns = time.monotonic_ns()
    server.kill()
    user.book.check(
        "server killed in motion: the window says that the policy holds, and why",
        lambda: (
            user.seen.text("^A holds$")
            and user.seen.text("^Holds:.*(cannot be reached|connection ended)")
        ),
        8.0,
        picture="killed",
    )
    user.comes_to_rest(began_ns, 5.0)
    began_ns = time.monotonic_ns()
    server.start()
    user.book.check(
        "the server is there again: the policy goes on by itself",
        lambda: (
            user.robot.way(0.5) > 0.01
            and user.seen.text("^Policy A$")
            and f"{(time.monotonic_ns() - began_ns) / 1e9:.0f} s after its start"
        ),
        60.0,
        picture="again",
    )
    user.no_jump("and without a jump", began_ns)
    user.hands.press("x")
    user.book.check("X asks why it is excluded", lambda: user.seen.text("^Why is it"))
    user.hands.type("the server was killed by hand")
    user.hands.press("Return")
    user.book.check(
        "excluded, with the reason, on the disk",
        lambda: user.judged(lambda t: t.verdict == "excluded" and "killed" in t.reason),
    )


@contextlib.contextmanager
def serving(server: Server) -> Iterator[str]:
    try:
        yield server.start()
    finally:
        server.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", type=Path, required=True, help="of the policy's environment")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("-n", type=int, default=1, help="rollouts before the server is killed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it started, too
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    book = Book(out)
    dataset = Dataset.open_or_create(out / "takes").root
    done = 0
    try:
        with (
            serving(server := Server(options.python.absolute(), options.checkpoint)) as address,
            new_user(book, out, dataset, out / "home", scene=SCENE) as user,
        ):
            load(user, address)
            plan(user, options.n + 1)
            done = sum(rollout(user) for _ in range(options.n))
            kill_in_motion(user, server)
    except Exception as error:  # noqa: BLE001 (what was seen so far is told all the same)
        book.check(f"the program goes on: {type(error).__name__}: {error}", lambda: False, 0.0)
    low, high = wilson(done, options.n)
    print(f"\nsuccesses: {done} of {options.n} (95 % {low:.2f} ... {high:.2f})")
    book.write({"cores": os.cpu_count(), "rollouts": options.n, "successes": done})
    print(f"{book.failed} of {len(book.outcomes)} steps failed; see {out}")
    return int(book.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
