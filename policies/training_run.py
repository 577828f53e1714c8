"""The folder of one training: what was asked, how far it is, its curves, and a word to it.

plan.json       what was asked; what decides the result never changes
status.json     what it does now, replaced whole
metrics.jsonl   one line each report
control         "run", "pause" or "cancel", written by whoever wants it
lock            held while a trainer lives
state/          everything to go on from
best/ last/     checkpoints
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from datasets.lock import FileLock, is_held
from devices.errors import ConfigError, PolicyError
from policies.safe_folder import write_file

PLAN = "plan.json"
STATUS = "status.json"
METRICS = "metrics.jsonl"
CONTROL = "control"
LOCK = "lock"
STATE = "state"
BEST = "best"
LAST = "last"

Command = Literal["run", "pause", "cancel"]
COMMANDS: tuple[str, ...] = get_args(Command)

Phase = Literal[
    "waiting", "reading", "training", "paused", "stopped", "cancelled", "done", "failed"
]
"""waiting: in a queue; stopped: can go on, nobody works on it; failed: see `error`."""

Place = tuple[int, int]
"""In a file of metrics: its inode and an offset in bytes."""

LIVE: tuple[Phase, ...] = ("reading", "training", "paused")


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked of a training.

    Attributes:
        dataset: Folder of the dataset.
        policy: Name of the policy.
        config: Its config, plain values, with needs and space.
        steps: Updates in all stages together.
        batch: Windows in an update.
        seed: Of weights, order and noise.
        hold_out, hold_out_seed: Which episodes are kept for judging, see `datasets.Choice`.
        verdict: Only episodes with this verdict; None for any.
        task: Only episodes of this task; None for any.
        stride, span, idle, pushed: See `datasets.Choice`.
        weights: Of episodes, by uid; 0 leaves one out.
        device: "cpu", "cuda" or "auto".
        threads: CPU threads for torch; 0 for as many as there are.
        workers: Threads that decode pictures ahead.
        log_every: Updates between lines of metrics.
        judge_every: Updates between judgements on the hold-out.
        judge_windows: Most windows of a judgement.
        save_every_s: Seconds between states to go on from.
    """

    dataset: str
    policy: str
    config: dict[str, Any]
    steps: int = 5000
    batch: int = 64
    seed: int = 0
    hold_out: float = 0.1
    hold_out_seed: int = 0
    verdict: Literal["success", "failure"] | None = "success"
    task: str | None = None
    stride: int = 1
    span: Literal["drove", "all"] = "drove"
    idle: Literal["moved", "keep"] = "moved"
    pushed: Literal["leave-out", "follow"] = "leave-out"
    weights: dict[str, float] = {}
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    log_every: int = 25
    judge_every: int = 250
    judge_windows: int = 512
    save_every_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every", "judge_every", "judge_windows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be 1 or more")
        for name in ("threads", "workers", "save_every_s", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be 0 or more")


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a training does now.

    Attributes:
        phase: In a word.
        step, steps: Updates done, and asked for.
        stage: The stage it is in.
        loss: Of the last report.
        hold_out: Loss on the hold-out of the last judgement; None without one.
        best: The lowest of the last stage.
        steps_per_s: Lately.
        left_s: Estimate of the time to go [s]; None where nothing is known yet.
        wall_s: When this was written, Unix time [s].
        pid: Of the trainer.
        error: Why it failed.
        reading: What was read of the dataset, sentences.
    """

    phase: Phase
    step: int = 0
    steps: int = 0
    stage: str = ""
    loss: float | None = None
    hold_out: float | None = None
    best: float | None = None
    steps_per_s: float | None = None
    left_s: float | None = None
    wall_s: float = 0.0
    pid: int = 0
    error: str = ""
    reading: tuple[str, ...] = ()


class RunFolder:
    """One training on disk, for the trainer and for whoever watches it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()

    # --------------------------------------------------------------------------------- planning
    def create(self, plan: Plan) -> None:
        """Write the plan into a new folder, or accept the same plan again.

        Of a plan that is there, only what does not decide the result may change.

        Raises:
            ConfigError: If the folder holds another training, or something else.
        """
        if (self.path / PLAN).exists():
            there, here = (
                {name: msgspec.json.encode(getattr(each, name)) for name in Plan.__struct_fields__}
                for each in (self.plan(), plan)
            )
            changed = [name for name in here if name not in _FREE and there[name] != here[name]]
            if changed:
                raise ConfigError(
                    f"{self.path} holds another training: {', '.join(changed)} "
                    f"{'differs' if len(changed) == 1 else 'differ'}",
                    next_step="Choose a new folder, or ask for the same as before to go on",
                )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ConfigError(
                f"{self.path} exists and is not a training", next_step="Choose a new folder"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_file(self.path / PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=1))
        except OSError as error:
            raise ConfigError(
                f"No training can be made at {self.path}: {(error.strerror or str(error)).lower()}",
                next_step="Choose a folder that you may write to",
            ) from error

    def plan(self) -> Plan:
        """Raises PolicyError if there is none, or it cannot be read."""
        path = self.path / PLAN
        try:
            return msgspec.json.decode(path.read_bytes(), type=Plan)
        except FileNotFoundError as error:
            raise PolicyError(f"{self.path} is not a training: there is no {PLAN}") from error
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise PolicyError(
                f"{path} cannot be read: {error}",
                next_step="Plan the training anew in another folder; what it has learnt stays in "
                "this one",
            ) from error

    # --------------------------------------------------------------------------------- watching
    def status(self) -> Status:
        """What it does now; "stopped" where a trainer died at work."""
        try:
            content = (self.path / STATUS).read_bytes()
            status = msgspec.json.decode(content, type=Status)
        except FileNotFoundError:
            return Status(phase="waiting")
        except (OSError, msgspec.MsgspecError) as error:
            raise PolicyError(
                f"{self.path / STATUS} cannot be read: {error}",
                next_step=f"Delete {STATUS}: it goes on from its last state then",
            ) from error
        if status.phase in LIVE and not self.is_locked():
            return msgspec.structs.replace(status, phase="stopped", left_s=None)
        return status

    def metrics(self, place: Place = (0, 0)) -> tuple[list[dict[str, Any]], Place]:
        """Lines of metrics from a place on, and the place after them.

        A resume takes back what came after its state by writing a new file; then all lines come
        again from the first, and the inode in the returned place is another.
        """
        try:
            with open(self.path / METRICS, "rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                offset = place[1] if place[0] == inode else 0
                file.seek(offset)
                content = file.read()
        except FileNotFoundError:
            return [], (0, 0)
        end = content.rfind(b"\n") + 1
        lines = []
        for raw in content[:end].splitlines():
            with contextlib.suppress(ValueError):
                line = json.loads(raw)
                if isinstance(line, dict):
                    lines.append(line)
        return lines, (inode, offset + end)

    def is_locked(self) -> bool:
        """Whether a trainer lives."""
        try:
            return is_held(self.path / LOCK)
        except FileNotFoundError:
            return False

    # -------------------------------------------------------------------------------- commanding
    def command(self, word: Command) -> None:
        """Ask the trainer for something; it answers within a second, at the end of an update."""
        if word not in COMMANDS:
            raise ConfigError(f"A training does not know '{word}'", allowed=COMMANDS)
        if not (self.path / PLAN).exists():
            raise PolicyError(f"{self.path} is not a training")
        write_file(self.path / CONTROL, word.encode(), sync=False)

    def commanded(self) -> Command:
        try:
            word = (self.path / CONTROL).read_text().strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return "run"
        return word if word in COMMANDS else "run"  # type: ignore[return-value]

    # ---------------------------------------------------------------------------------- training
    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder. Raises PolicyError if another trainer has it."""
        path = self.path / LOCK
        path.touch()
        try:
            lock = FileLock(path)
        except OSError as error:
            holder = path.read_text(errors="replace").strip() or "unknown"
            raise PolicyError(
                f"{self.path} is being trained already, by process {holder}",
                next_step="Wait for it, cancel it, or choose another folder",
            ) from error
        try:
            os.ftruncate(lock.fd, 0)
            os.pwrite(lock.fd, str(os.getpid()).encode(), 0)
            yield
        finally:
            lock.release()

    def write_status(self, status: Status) -> None:
        filled = msgspec.structs.replace(status, wall_s=time.time(), pid=os.getpid())
        write_file(self.path / STATUS, msgspec.json.encode(filled), sync=False)

    def add_metrics(self, line: Mapping[str, Any]) -> None:
        with open(self.path / METRICS, "ab") as file:
            file.write(json.dumps(line).encode() + b"\n")

    def cut_metrics(self, step: int) -> None:
        """Take back the lines after a step, when a training goes on from there."""
        lines, _ = self.metrics()
        kept = [line for line in lines if line.get("step", 0) <= step]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in kept)
        write_file(self.path / METRICS, content)


_FREE = frozenset(("device", "threads", "workers", "log_every", "save_every_s"))
