"""A simulated headset on somebody's head, in a process of its own (`app.wearer`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


class Worn:
    """Starts the process, tells it what to do, and keeps what it told last.

    Args:
        run: Folder of the run whose robot the wearer looks at.
        scene: The scene of that run.
        address: Own address; on one machine 127.0.0.2 is another headset than 127.0.0.1.
        port: TCP port to post to.
        base: Of the UDP ports that it listens on; 0 for those of the app.
        grip: How far the triggers are pulled at first, 0 ... 1.

    Attributes:
        told: What it told last, {} before it told anything.
    """

    def __init__(
        self,
        run: Path,
        scene: str,
        *,
        address: str = "127.0.0.7",
        port: int = 8082,
        base: int = 0,
        grip: float = 1.0,
    ) -> None:
        line = [sys.executable, "-m", "app.wearer", str(run), "--scene", scene]
        line += ["--address", address, "--port", str(port), "--base", str(base)]
        line += ["--grip", str(grip)]
        self._process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def say(self, word: str) -> None:
        """What to do from now on, see `app.wearer`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def pull(self) -> int:
        """Pull the plug; the answer is when [ns, monotonic]."""
        os.kill(self._process.pid, signal.SIGSTOP)
        return time.monotonic_ns()

    def plug_in(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Take the headset off. Idempotent."""
        if self._process.poll() is None:
            self.plug_in()
            with contextlib.suppress(BrokenPipeError):
                self.say("quit")
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told = json.loads(line)
