"""Trains a policy: stage by stage, on a budget of updates, from wherever it was left.

The run folder (`policies.training_run`) is all that it shares with others: it reads the plan there,
looks for a word in `control`, writes curves, status, checkpoints, and the state that it goes on
from after a SIGKILL. On the CPU the result is the same bit by bit with and without interruptions.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from datasets.dataset import Dataset
from datasets.library import EpisodeCard
from datasets.window_choice import Choice, journal_digest
from datasets.window_order import BatchOrder
from datasets.windows import EpisodeDataset
from devices.errors import PolicyError, TeledeckError
from policies import checkpoint
from policies.loading import batches, fit_normaliser, some_batches
from policies.normaliser import Normaliser
from policies.safe_folder import write_file
from policies.schedule import check_shares, schedule, stage_lengths
from policies.trainable import Recipe, TrainablePolicy
from policies.training_run import (
    BEST,
    CONTROL,
    LAST,
    STATE,
    Phase,
    RunFolder,
    Status,
)
from policies.training_state import Averaged, Facts, load_state, restore, save_state

_LOOK_S = 0.5
_TELL_S = 0.25
_RATE_MEMORY = 0.9
_BEGIN_WINDOWS = 4096


class Trainer:
    """One training, run in the thread that calls `run`.

    Args:
        folder: Holds a plan.
        say: Told of every new status.
    """

    def __init__(self, folder: RunFolder, say: Callable[[Status], None] | None = None) -> None:
        self.folder = folder
        self.plan = folder.plan()
        self._say = say or (lambda status: None)
        self._stopping = threading.Event()
        self._status = folder.status()
        self._told = 0.0

    def stop(self) -> None:
        """Ask it to save its state and end; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> Status:
        """Train until the budget is spent, somebody stops it, or it fails.

        Returns:
            The last status: done, stopped or cancelled.

        Raises:
            PolicyError: If another trainer has the folder, there is no GPU where one is asked for,
                a loss is not finite, or the state cannot be used; the status tells of it too.
            ConfigError: If the policy is not installed, or its config does not fit.
            StorageError, StreamError: If the dataset cannot be read.
        """
        with self.folder.locked():
            if self._status.phase in ("done", "cancelled"):
                return self._status
            # A word that was meant for a run before this one is not obeyed. From here on it is
            # somebody's, and may be cancelled before it has read anything.
            write_file(self.folder.path / CONTROL, b"run")
            try:
                return self._run()
            except TeledeckError as error:
                self._tell("failed", error=str(error), left_s=None)
                raise
            except Exception as error:
                self._tell("failed", error=f"{type(error).__name__}: {error}", left_s=None)
                raise

    def _run(self) -> Status:
        plan = self.plan
        device = checkpoint.torch_device(plan.device)
        kind = checkpoint.policy_class(plan.policy)
        config = kind.read_config(plan.config)
        check_shares(kind)
        self._tell("reading", steps=plan.steps, error="", stage=kind.stages[0])
        threads = torch.get_num_threads()
        if plan.threads:
            torch.set_num_threads(plan.threads)
        try:
            with torch.random.fork_rng():
                torch.manual_seed(plan.seed)
                work = _Work(self, kind, config, device)
                return work.run()
        finally:
            torch.set_num_threads(threads)

    def _tell(self, phase: Phase, **changes: Any) -> Status:
        before = self._status.phase
        self._status = msgspec.structs.replace(self._status, phase=phase, **changes)
        # A small network reports many times a second; nobody looks that often.
        if phase != before or time.monotonic() - self._told >= _TELL_S:
            self.folder.write_status(self._status)
            self._told = time.monotonic()
        self._say(self._status)
        return self._status


class _Work:
    """What lives only while a training runs."""

    def __init__(
        self, trainer: Trainer, kind: type[TrainablePolicy], config: Any, device: torch.device
    ) -> None:
        self._trainer, self._kind, self._config, self._device = trainer, kind, config, device
        self._folder, self._plan = trainer.folder, trainer.plan
        plan = self._plan
        there = (self._folder.path / STATE).exists()
        facts, tensors = load_state(self._folder.path / STATE) if there else (None, None)
        if facts is not None and facts.policy != plan.policy:
            raise PolicyError(f"The state of {self._folder.path} is of policy '{facts.policy}'")
        dataset = Dataset.open(plan.dataset)
        self._read(dataset, facts)
        self._journal = journal_digest(dataset)
        if facts is None:
            normaliser = fit_normaliser(kind, config, self._data, plan.seed)
        else:
            normaliser = Normaliser.from_json(facts.normaliser)
        self._policy = kind(config, normaliser).to(device)
        self._order = BatchOrder(len(self._data), plan.batch, plan.seed)
        self._lengths = stage_lengths(kind, plan.steps)
        self._step = facts.step if facts else 0
        self._stage = facts.stage if facts else 0
        self._best = facts.best if facts else None
        self._elapsed_s = facts.elapsed_s if facts else 0.0
        self._hold_out_loss: float | None = None
        self._rate: float | None = None
        self._folder.cut_metrics(self._step)
        self._begin(tensors)

    def run(self) -> Status:
        plan = self._plan
        self._policy.train()
        looked = saved = ticked = time.monotonic()
        sums: dict[str, Tensor] = {}
        counted = 0
        self._trainer._tell("training", step=self._step, stage=self._stage_name, best=self._best)
        with closing(self._batches()) as source:
            while self._step < plan.steps:
                losses = self._update(next(source))
                for name, value in losses.items():
                    sums[name] = sums[name] + value if name in sums else value
                counted += 1
                at_end = self._stage_step == self._lengths[self._stage]
                if self._stage_step % plan.log_every == 0 or at_end:
                    now = time.monotonic()
                    self._report(sums, counted, now - ticked)
                    ticked, sums, counted = now, {}, 0
                if self._stage_step % plan.judge_every == 0 or at_end:
                    began = time.monotonic()
                    self._judge()
                    ticked += time.monotonic() - began
                if at_end and self._stage + 1 < len(self._lengths):
                    self._next_stage()
                    saved = looked = ticked = time.monotonic()
                now = time.monotonic()
                if now - saved >= plan.save_every_s and self._step < plan.steps:
                    self._save()
                    saved = time.monotonic()
                    ticked += saved - now
                    now = saved
                if now - looked >= _LOOK_S or self._trainer._stopping.is_set():
                    ended = self._obey()
                    if ended is not None:
                        return ended
                    looked = time.monotonic()
                    ticked += looked - now
        self._save()
        return self._trainer._tell("done", step=self._step, left_s=0.0)

    # ----------------------------------------------------------------------------------- reading
    def _read(self, dataset: Dataset, facts: Facts | None) -> None:
        plan, config = self._plan, self._config
        where: Callable[[EpisodeCard], bool] | None = None
        if facts is not None:
            pinned = frozenset(facts.uids)

            def where(card: EpisodeCard) -> bool:
                return card.uid in pinned

        def read(split: Any) -> EpisodeDataset:
            choice = Choice(
                split=split,
                hold_out=plan.hold_out,
                seed=plan.hold_out_seed,
                verdict=None if facts else plan.verdict,
                task=None if facts else plan.task,
                stride=plan.stride,
                span=plan.span,
                idle=plan.idle,
                pushed=plan.pushed,
            )
            return EpisodeDataset(
                dataset, config.needs, config.space, choice, weights=plan.weights, where=where
            )

        self._data, self._held = read("train"), read("hold-out")
        self._uids = tuple(
            sorted(source.uid for data in (self._data, self._held) for source in data.sources)
        )
        if facts is not None and self._data.digest != facts.data:
            gone = sorted(set(facts.uids) - set(self._uids))
            what = f"{', '.join(gone[:3])} gone" if gone else "trims or weights are different"
            raise PolicyError(
                f"The episodes that {self._folder.path} was trained on have changed: {what}",
                next_step="Take them out of the trash, or start anew in another folder",
            )
        self._trainer._tell("reading", reading=self._data.reading.sentences)

    def _batches(self) -> Generator[dict[str, Tensor], None, None]:
        pictures = bool(self._data._pictures)
        return batches(
            self._data,
            self._order,
            self._step,
            workers=self._plan.workers if pictures else 0,
            device=self._device,
        )

    # ------------------------------------------------------------------------------------ stages
    @property
    def _stage_name(self) -> str:
        return self._kind.stages[self._stage]

    @property
    def _stage_step(self) -> int:
        """Updates done in this stage."""
        return self._step - sum(self._lengths[: self._stage])

    def _begin(self, tensors: Mapping[str, Tensor] | None) -> None:
        """Make ready for a stage: from its beginning, or from where a state was saved."""
        stage, plan = self._stage_name, self._plan
        self._generator = torch.Generator(self._device)
        self._generator.manual_seed(plan.seed * 1000 + self._stage)
        trained = self._policy.parameters_of(stage)
        chosen = {id(parameter) for parameter in trained}
        for parameter in self._policy.parameters():
            parameter.requires_grad_(id(parameter) in chosen)
        self._recipe: Recipe = self._policy.recipe(stage)
        self._trained = trained
        self._optimizer = torch.optim.AdamW(
            trained,
            lr=self._recipe.lr,
            betas=self._recipe.betas,
            weight_decay=self._recipe.weight_decay,
            fused=True,
        )
        if tensors is None:
            seen = some_batches(
                self._kind,
                self._config,
                self._data,
                windows=_BEGIN_WINDOWS,
                batch=plan.batch,
                seed=plan.seed,
                device=self._device,
            )
            self._policy.begin(stage, seen, self._generator)
        self._averaged = Averaged(self._policy) if self._recipe.ema else None
        if tensors is not None:
            restore(tensors, self._policy, self._optimizer, self._averaged, self._generator)

    def _next_stage(self) -> None:
        if self._averaged is not None:
            self._averaged.exchange()  # the next stage stands on what was judged
        self._stage += 1
        self._best = self._hold_out_loss = None
        self._begin(None)
        self._policy.train()
        self._save()

    # ----------------------------------------------------------------------------------- updates
    def _update(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        recipe = self._recipe
        losses = self._policy.loss(
            self._kind.prepare(self._config, batch), self._stage_name, self._generator
        )
        self._optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        if math.isfinite(recipe.clip):
            torch.nn.utils.clip_grad_norm_(self._trained, recipe.clip, foreach=True)
        self._rate_now = recipe.lr * schedule(
            self._stage_step, self._lengths[self._stage], recipe.warm_up
        )
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate_now
        self._optimizer.step()
        if self._averaged is not None:
            self._averaged.update()
        self._step += 1
        return {name: value.detach() for name, value in losses.items()}

    def _report(self, sums: Mapping[str, Tensor], count: int, seconds: float) -> None:
        """A line of metrics and a new status."""
        curves = {name: float(value) / count for name, value in sums.items()}
        if not all(math.isfinite(value) for value in curves.values()):
            raise self._diverged("loss")
        lately = count / max(seconds, 1e-9)
        old = self._rate
        self._rate = lately if old is None else _RATE_MEMORY * old + (1 - _RATE_MEMORY) * lately
        self._elapsed_s += seconds
        left_s = (self._plan.steps - self._step) / self._rate
        self._folder.add_metrics(
            {
                "kind": "train",
                "step": self._step,
                "stage": self._stage_name,
                **curves,
                "lr": self._rate_now,
                "epoch": self._step * self._plan.batch / len(self._data),
                "wall_s": time.time(),
                "elapsed_s": round(self._elapsed_s, 3),
                "steps_per_s": lately,
                "left_s": left_s,
            }
        )
        self._trainer._tell(
            "training",
            step=self._step,
            stage=self._stage_name,
            loss=curves["loss"],
            steps_per_s=self._rate,
            left_s=left_s,
        )

    @torch.no_grad()
    def _judge(self) -> None:
        """Loss on the hold-out with the weights that would drive; new checkpoints."""
        curves: dict[str, float] = {}
        if len(self._held):
            # The same noise every time, so that curves compare; and none taken from training.
            chance = torch.Generator(self._device).manual_seed(self._plan.seed)
            sums: dict[str, float] = {}
            weight = 0
            with self._driving():
                for batch in some_batches(
                    self._kind,
                    self._config,
                    self._held,
                    windows=self._plan.judge_windows,
                    batch=self._plan.batch,
                    seed=self._plan.seed,
                    device=self._device,
                ):
                    size = len(batch["weight"])
                    for name, value in self._policy.loss(batch, self._stage_name, chance).items():
                        sums[name] = sums.get(name, 0.0) + float(value) * size
                    weight += size
            curves = {name: value / weight for name, value in sums.items()}
            self._hold_out_loss = curves["loss"]
            self._folder.add_metrics(
                {
                    "kind": "hold-out",
                    "step": self._step,
                    "stage": self._stage_name,
                    **curves,
                    "wall_s": time.time(),
                }
            )
        loss = self._hold_out_loss
        better = loss is None or self._best is None or loss < self._best
        if better:
            self._best = loss
        if self._stage == len(self._lengths) - 1:
            for name, wanted in ((LAST, True), (BEST, better)):
                if wanted:
                    self._save_checkpoint(self._folder.path / name, curves)
        self._trainer._tell("training", step=self._step, hold_out=loss, best=self._best)

    def _driving(self) -> _Driving:
        return _Driving(self._policy, self._averaged)

    # ------------------------------------------------------------------------------------ saving
    def _diverged(self, what: str) -> PolicyError:
        return PolicyError(
            f"The {what} of '{self._plan.policy}' is not finite after {self._step} updates",
            next_step="Lower the learning rate, or look for odd values in the data; what was saved "
            "before is good",
        )

    def _save(self) -> None:
        # What was saved last must stay good: a number that is not finite never goes away again.
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self._trained):
            raise self._diverged("network")
        facts = Facts(
            policy=self._plan.policy,
            data=self._data.digest,
            uids=self._uids,
            step=self._step,
            stage=self._stage,
            best=self._best,
            elapsed_s=self._elapsed_s,
            normaliser=self._policy.normaliser.to_json(),
        )
        save_state(
            self._folder.path / STATE,
            facts,
            self._policy,
            self._optimizer,
            self._averaged,
            self._generator,
        )

    def _save_checkpoint(self, path: Path, curves: Mapping[str, float]) -> None:
        plan = self._plan
        checkpoint.save(
            path,
            self._policy,
            None if self._averaged is None else self._averaged.state_dict(),
            dataset={
                "path": plan.dataset,
                "data_sha256": self._data.digest,
                "journal_sha256": self._journal,
                "episodes": len(self._data.sources),
                "held_out": [source.uid for source in self._held.sources],
                "windows": len(self._data),
                "verdict": plan.verdict,
                "task": plan.task,
            },
            seeds={"training": plan.seed, "hold_out": plan.hold_out_seed},
            metrics={
                "hold_out": dict(curves) or None,
                "train_loss": self._trainer._status.loss,
                "elapsed_s": round(self._elapsed_s, 1),
            },
            stage=self._stage_name,
            step=self._step,
            steps=plan.steps,
        )

    def _obey(self) -> Status | None:
        """Do what was asked for; returns the last status if that is the end."""
        trainer = self._trainer
        word = self._folder.commanded()
        if word == "pause" and not trainer._stopping.is_set():
            self._save()
            trainer._tell("paused", step=self._step, left_s=None)
            while word == "pause" and not trainer._stopping.wait(0.1):
                word = self._folder.commanded()
            trainer._tell("training")
        if word == "cancel":
            self._save()
            if self._stage == len(self._lengths) - 1:
                self._save_checkpoint(self._folder.path / LAST, {})
            return trainer._tell("cancelled", step=self._step, left_s=None)
        if trainer._stopping.is_set():
            self._save()
            return trainer._tell("stopped", step=self._step, left_s=None)
        return None


class _Driving:
    """While it lasts, the policy is as it would drive: averaged weights, nothing dropped out."""

    def __init__(self, policy: TrainablePolicy, averaged: Averaged | None) -> None:
        self._policy, self._averaged = policy, averaged

    def __enter__(self) -> None:
        if self._averaged is not None:
            self._averaged.exchange()
        self._policy.eval()

    def __exit__(self, *_: object) -> None:
        self._policy.train()
        if self._averaged is not None:
            self._averaged.exchange()
