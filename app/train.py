"""`teledeck train`: plans a training, runs it in this process, prints its curves as they come."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.runtime import priority
from datasets.dataset import Dataset
from devices.errors import ConfigError, TeledeckError
from policies.training_run import LAST, Phase, Plan, RunFolder, Status

if TYPE_CHECKING:
    from types import FrameType

_POLITE = 10
"""How much a training steps back before the station's loop, see nice(2)."""

_NEXT: dict[Phase, str] = {
    "stopped": "The same command goes on from here.",
    "failed": "Mend that, then the same command goes on from the last state.",
}


def make_plan(
    dataset: Path,
    policy: str,
    preset: str,
    settings: Sequence[str] = (),
    **fields: Any,
) -> Plan:
    """What `teledeck train` asks for.

    Args:
        dataset: Folder of the dataset.
        policy: Name of the policy.
        preset: Name of the needs, see `policies.presets`.
        settings: "name=value": fields of the policy's config, or "space.name=value" of the action
            space, or "plan.name=value" of the plan.
        fields: Other fields of `Plan`; None for the default.

    Raises:
        ConfigError: For a setting that does not exist or a value that does not fit.
        StorageError: If the dataset cannot be read, or nobody drove in it.
    """
    from policies.checkpoint import policy_class
    from policies.presets import glance_shape, needs_of, sides_of, space_of

    kind = policy_class(policy)
    options: dict[str, dict[str, Any]] = {"": {}, "space": {}, "plan": {}}
    for setting in settings:
        name, equals, text = setting.partition("=")
        room, _, field = name.rpartition(".")
        if not equals or not field or room not in options:
            raise ConfigError(
                f"'{setting}' cannot be set",
                allowed=("name=value", "space.name=value", "plan.name=value"),
            )
        options[room][field] = _value(text)
    opened = Dataset.open(dataset)
    weighed = {name: value for name, value in fields.items() if value is not None}
    sides = sides_of(opened)
    space = space_of(sides, **options["space"])
    config = kind.configure(needs_of(preset, sides, glance_shape(opened)), space, **options[""])
    plan = {
        "dataset": str(opened.root),
        "policy": policy,
        "config": msgspec.to_builtins(config),
        **weighed,
        **options["plan"],
    }
    try:
        return msgspec.convert(plan, Plan)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"A training cannot be planned so: {error}") from error


def train(folder: Path) -> Status:
    """Run the training of a folder in this process, printing as it goes; in a thread of its own,
    which steps back, while the caller stays as it is.

    SIGINT and SIGTERM stop it where it can go on later.
    """
    from policies.trainer import Trainer

    printer = _Printer(RunFolder(folder))
    trainer = Trainer(RunFolder(folder), printer.tell)
    with _signals(trainer.stop):
        status = _from_behind(trainer.run)
    printer.tell(status)
    print(f"{status.phase} after {status.step} of {status.steps} updates. {_next(status, folder)}")
    return status


def _from_behind(work: Callable[[], Status]) -> Status:
    """Do it in a thread behind others. A second Ctrl+C does not wait for that thread."""
    told: queue.SimpleQueue[Status | BaseException] = queue.SimpleQueue()

    def run() -> None:
        priority.be_nice_as_session(_POLITE)
        try:
            told.put(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was asked for
            told.put(error)

    threading.Thread(target=run, name="training", daemon=True).start()
    answer = told.get()
    if isinstance(answer, BaseException):
        raise answer
    return answer


def work_through(root: Path) -> int:
    """Train what waits in a queue, one after the other, each in a process of its own.

    What one of them does to its process (out of memory, a crash in a library) stays its own. Only
    this process hears SIGINT and SIGTERM; it passes them on.

    Returns:
        0 if all that was run is done, else 1; 130 if it was stopped.

    Raises:
        ConfigError: When there is no such folder.
    """
    from policies.training_queue import READY, TrainingQueue

    if not root.expanduser().is_dir():
        raise ConfigError(
            f"There is no queue at {root}",
            next_step="Check the path, or put a training into it: add --dataset and --policy",
        )
    stopping = threading.Event()
    child: list[subprocess.Popen[bytes]] = []

    def stop() -> None:
        stopping.set()
        for process in child:
            process.terminate()

    def run(folder: RunFolder) -> Status:
        print(f"--- {folder.path.name}", flush=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "app.train", str(folder.path), str(os.getpid())],
            start_new_session=True,
        )
        child[:] = [process]
        if stopping.is_set():
            process.terminate()
        code = process.wait()
        child.clear()
        status = folder.status()
        if code and status.phase in READY and not stopping.is_set():
            # Also one that died before it could say a word: it would wait behind the others.
            died = f"its process ended with {code}"
            died += " before it began" if status.phase == "waiting" else ""
            with folder.locked():
                status = msgspec.structs.replace(status, phase="failed", error=died)
                folder.write_status(status)
        return status

    with _signals(stop):
        ran = TrainingQueue(root).work(run, stopping)
    if stopping.is_set():
        return 130
    if not ran:
        print("Nothing waits there.")
    return int(any(folder.status().phase != "done" for folder in ran))


def main() -> int:
    """`python -m app.train FOLDER RUNNER`: one training of a queue.

    It ends with its runner (a process id), which may be killed, so that the next runner finds the
    folder free.
    """
    folder, runner = Path(sys.argv[1]), int(sys.argv[2])

    def watch() -> None:
        while os.getppid() == runner:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="runner-watch", daemon=True).start()
    try:
        train(folder)
    except TeledeckError as error:
        print(f"teledeck: {error}", file=sys.stderr)
        return 1
    return 0


def _next(status: Status, folder: Path) -> str:
    if status.phase in ("done", "cancelled") and (folder / LAST).exists():
        return f"Checkpoints: {folder}/best and {folder}/last"
    return _NEXT.get(status.phase, "")


class _Printer:
    """Prints what is new in a run folder: what was read, then a line for each report."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._read: tuple[str, ...] = ()
        self._step = -1

    def tell(self, status: Status) -> None:
        if status.reading != self._read:
            self._read = status.reading
            print(*self._read, sep="\n", flush=True)
        if status.phase == "paused":
            print("paused", flush=True)
        if status.loss is None or status.step == self._step or status.phase != "training":
            return
        self._step = status.step
        held = "" if status.hold_out is None else f"   hold-out {status.hold_out:.5f}"
        rate = "" if status.steps_per_s is None else f"   {status.steps_per_s:.1f} updates/s"
        left = "" if status.left_s is None else f"   {in_words(status.left_s)} left"
        print(
            f"{status.step:>7} of {status.steps}  {status.stage:<10}  loss {status.loss:.5f}"
            f"{held}{rate}{left}",
            flush=True,
        )


def in_words(seconds: float) -> str:
    """A time span for people: "45 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def read_weights(path: Path) -> Mapping[str, float]:
    """Weights of episodes from a JSON file: {"uid": weight}."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"Weights cannot be read from {path}: {error}",
            next_step='It must be a JSON file of weights by uid: {"uid": 0.5}',
        ) from error


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


@contextlib.contextmanager
def _signals(stop: Any) -> Iterator[None]:
    """Call `stop` on SIGINT and SIGTERM, once; a second SIGINT interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        print("\nstopping where it can go on ...", file=sys.stderr, flush=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
