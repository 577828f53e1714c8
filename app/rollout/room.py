"""The rollouts of a batch: in this process, or in several that get orders in JSON lines."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from app.rollout.arena import Arena, Driver, Outcome, ScriptedDriver
from app.rollout.sink import EpisodeSink
from datasets.dataset import Dataset
from devices.errors import PolicyError, TeledeckError
from policies.evaluation.trials import Trial
from policies.serving.opening import Opened, open_policy

SCRIPTS = ("scripted", "scripted-blind")


class Batch(msgspec.Struct, frozen=True):
    """What to try.

    Attributes:
        policies: Checkpoint folders, names of scripts, or policy servers: an address, or a JSON
            file that describes one.
        scene: The task.
        perturb: What disturbs it, "" for nothing.
        seeds: The starts.
        out: Folder of the results.
        limit_s: Longest rollout [s].
        latency_ms: Simulated inference time [ms]; None: as measured here.
        keep: Whether rollouts are kept as episodes.
    """

    policies: tuple[str, ...]
    scene: str
    perturb: str
    seeds: tuple[int, ...]
    out: str
    limit_s: float = 40.0
    latency_ms: float | None = None
    keep: bool = False


class Room:
    """Where trials are made: a scene, and the policies that were needed so far.

    Args:
        batch: What to try.
        perturb: As the scene calls it, "" for none.
        known: Name and digest of each policy of the batch.
        opener: Opens what drives; another one for studies that take something from a policy.
    """

    def __init__(
        self,
        batch: Batch,
        perturb: str,
        known: Mapping[str, tuple[str, str]],
        opener: Callable[[str], Opened] = open_policy,
    ) -> None:
        self._batch = batch
        self._perturb = perturb
        self._known = known
        self._opener = opener
        self._arena = Arena(batch.scene)
        self._drivers: dict[str, Driver] = {}

    def trial(self, policy: str, seed: int) -> Trial:
        """One rollout, judged by the scene's own test."""
        batch, arena = self._batch, self._arena
        if policy not in self._drivers:
            self._drivers[policy] = self._driver(policy)
        driver = self._drivers[policy]
        sink = None
        if batch.keep:
            dataset = Dataset.open_or_create(Path(batch.out) / "rollouts")
            about = {
                "task": arena.scene.instruction,
                "instruction": arena.scene.instruction,
                "scene": batch.scene,
                "robot": arena.robot.name,
                "seed": seed,
                "leader": driver.name,
                "perturb": self._perturb,
                "policy": {"path": policy, "digest": self._known[policy][1]},
            }
            sink = EpisodeSink(dataset, arena.specs, arena.clock, about)
        try:
            outcome = arena.run(
                driver,
                seed,
                perturb=self._perturb or None,
                limit_s=batch.limit_s,
                hold_s=1.0,
                sink=sink,
            )
            if sink is not None:
                sink.stop("The rollout has ended")
        except BaseException:
            if sink is not None:
                sink.abandon()
            raise
        return self._judged(policy, driver, outcome, sink.uid if sink is not None else "")

    def close(self) -> None:
        """Let go of policies in other processes. Idempotent."""
        for driver in self._drivers.values():
            if close := getattr(driver, "close", None):
                close()
        self._drivers.clear()

    def _judged(self, policy: str, driver: Driver, outcome: Outcome, uid: str) -> Trial:
        name, digest = self._known[policy]
        return Trial(
            policy=name,
            digest=digest,
            scene=self._batch.scene,
            perturb=self._perturb,
            seed=outcome.seed,
            verdict="success" if outcome.success else "failure",
            score=outcome.progress,
            seconds=outcome.sim_s,
            peak_n=outcome.peak_n,
            held_n=outcome.held_n,
            infer_ms=getattr(driver, "infer_ms", None),
            misses=getattr(driver, "misses", 0),
            interventions=sum(outcome.interventions.values()),
            uid=uid,
            made=datetime.now(tz=UTC).isoformat(timespec="seconds"),
        )

    def _driver(self, policy: str) -> Driver:
        if policy in SCRIPTS:
            return ScriptedDriver(self._batch.scene, touch=policy == "scripted")
        from app.rollout.policy_driver import PolicyDriver

        driver = PolicyDriver(policy, self._arena, self._batch.latency_ms, self._opener)
        if not driver.digest.startswith(self._known[policy][1]):
            raise PolicyError(
                f"{policy} changed since the evaluation began, so its trials would be of two "
                "policies",
                next_step="Copy the folder first: a training puts its next best checkpoint there",
            )
        return driver


class _Order(msgspec.Struct):
    """To a worker: try this."""

    policy: str
    seed: int


class _Answer(msgspec.Struct):
    """From a worker: the trial, or why there is none."""

    trial: Trial | None
    why: str = ""


class _Setting(msgspec.Struct):
    """What a worker must know before its first order."""

    batch: Batch
    perturb: str
    known: dict[str, tuple[str, str]]


class Pool:
    """Workers side by side. Use as a context manager: it ends them all, whatever happens."""

    def __init__(
        self, batch: Batch, perturb: str, known: Mapping[str, tuple[str, str]], count: int
    ) -> None:
        setting = msgspec.json.encode(_Setting(batch, perturb, dict(known))) + b"\n"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._workers: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(count):
                worker = subprocess.Popen(
                    [sys.executable, "-m", "app.rollout.room"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=environment,
                )
                self._workers.append(worker)
                _in(worker).write(setting)
                _in(worker).flush()
        except BaseException:
            self.close()
            raise

    def run(self, orders: Sequence[tuple[str, int]]) -> Iterator[Trial]:
        """All the trials, as they end.

        Raises:
            PolicyError: When one cannot be made, or a worker dies.
        """
        waiting = deque(orders)
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if waiting:
                    _order(worker, waiting.popleft())
                    selector.register(_out(worker), selectors.EVENT_READ, worker)
            while selector.get_map():
                for key, _ in selector.select():
                    worker = key.data
                    line = _out(worker).readline()
                    if not line:
                        raise PolicyError(
                            f"A worker of the evaluation ended with status {worker.wait()}",
                            next_step="Start the evaluation again; it goes on where it was",
                        )
                    answer = msgspec.json.decode(line, type=_Answer)
                    if answer.trial is None:
                        raise PolicyError(answer.why)
                    if waiting:
                        _order(worker, waiting.popleft())
                    else:
                        selector.unregister(_out(worker))
                    yield answer.trial

    def close(self) -> None:
        """End all workers. Idempotent."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _in(worker: subprocess.Popen[bytes]) -> IO[bytes]:
    assert worker.stdin is not None
    return worker.stdin


def _out(worker: subprocess.Popen[bytes]) -> IO[bytes]:
    assert worker.stdout is not None
    return worker.stdout


def _order(worker: subprocess.Popen[bytes], order: tuple[str, int]) -> None:
    _in(worker).write(msgspec.json.encode(_Order(*order)) + b"\n")
    _in(worker).flush()


def main() -> int:
    """A worker: settings, then orders, on standard input; answers on standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    setting = msgspec.json.decode(sys.stdin.buffer.readline(), type=_Setting)
    room = Room(setting.batch, setting.perturb, setting.known)
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=_Order)
        try:
            answer = _Answer(room.trial(order.policy, order.seed))
        except TeledeckError as error:
            answer = _Answer(None, str(error))
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
