"""The window's end of the clerk: asks without waiting, hears answers when polled."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.runtime import priority
from app.session.training_draft import Answer, Ask, Draft

Heard = Callable[[Answer], None]


class TrainingClerk:
    """Starts the clerk's process with the first question. Not thread-safe.

    Attributes:
        starts: How often a process was started.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._number = 0
        self._waiting: dict[int, tuple[str, Heard]] = {}
        self.starts = 0

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._waiting)

    def catalogue(self, heard: Heard) -> None:
        """What can be trained here."""
        self._ask("catalogue", heard)

    def takes(self, dataset: Path, heard: Heard) -> None:
        """The episodes of a dataset."""
        self._ask("takes", heard, dataset=str(dataset))

    def count(self, draft: Draft, heard: Heard) -> None:
        """How many windows a draft gives; a newer count takes the place of this one."""
        self._ask("count", heard, draft=draft)

    def measure(self, draft: Draft, heard: Heard) -> None:
        """How fast it would train, by a trial of some seconds."""
        self._ask("measure", heard, draft=draft)

    def poll(self) -> None:
        """Hear what was answered since. Returns at once."""
        process = self._process
        if process is None or process.stdout is None:
            return
        with contextlib.suppress(BlockingIOError):
            while more := os.read(process.stdout.fileno(), 1 << 16):
                self._buffer += more
            self._died(process)
            return
        *lines, self._buffer = self._buffer.split(b"\n")
        self._hear(lines)

    def close(self) -> None:
        """End the process; nothing more is heard."""
        self._waiting.clear()
        process, self._process = self._process, None
        self._buffer = b""
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    # ------------------------------------------------------------------------------------ inside
    def _ask(self, what: str, heard: Heard, **about: object) -> None:
        if self._process is None:
            self._start()
        self._number += 1
        # An older question of the same kind is not wanted any more.
        self._waiting = {n: each for n, each in self._waiting.items() if each[0] != what}
        self._waiting[self._number] = (what, heard)
        ask = Ask(number=self._number, what=what, **about)  # type: ignore[arg-type]
        process = self._process
        assert process is not None and process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its death is heard by poll
            process.stdin.write(msgspec.json.encode(ask) + b"\n")
            process.stdin.flush()

    def _start(self) -> None:
        self._process = priority.from_behind(
            lambda: subprocess.Popen(
                [sys.executable, "-m", "app.session.training_clerk"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        self.starts += 1
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    def _hear(self, lines: list[bytes]) -> None:
        for line in lines:
            answer = msgspec.json.decode(line, type=Answer)
            found = self._waiting.get(answer.number)
            if found is None:
                continue
            if answer.final:
                del self._waiting[answer.number]
            found[1](answer)

    def _died(self, process: subprocess.Popen[bytes]) -> None:
        waiting, code = self._waiting, process.wait()
        *lines, _ = self._buffer.split(b"\n")
        self._hear(lines)
        waiting = dict(self._waiting)
        self.close()
        for number, (what, heard) in waiting.items():
            text = f"The process that reads datasets ended with {code} at '{what}'; ask again"
            heard(Answer(number=number, error=text))
