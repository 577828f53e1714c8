"""The trainer: learns, stops, goes on, and comes out the same whatever happened in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from datasets.dataset import Dataset
from devices.errors import ConfigError, PolicyError, StorageError
from policies import checkpoint
from policies import trainer as trainer_module
from policies.bc import BehaviourCloning
from policies.schedule import schedule, stage_lengths
from policies.trainer import Trainer, _Work
from policies.training_run import Plan, RunFolder, Status
from policies.training_state import load_state
from tests.policies.takes import NEEDS, SPACE, reaching, record


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return reaching(tmp_path_factory.mktemp("reach") / "set")


def plan_for(dataset: Dataset, **changes: object) -> Plan:
    options = changes.pop("options", {"width": 32, "layers": 1, "dropout": 0.1})
    config = BehaviourCloning.configure(NEEDS, SPACE, **options)  # type: ignore[arg-type]
    plan = Plan(
        dataset=str(dataset.root),
        policy="bc",
        config=msgspec.to_builtins(config),
        steps=60,
        batch=16,
        hold_out=0.3,
        log_every=10,
        judge_every=20,
        judge_windows=64,
        save_every_s=0.0,
    )
    return msgspec.structs.replace(plan, **changes)


def run(folder: Path, plan: Plan) -> Status:
    there = RunFolder(folder)
    there.create(plan)
    return Trainer(there).run()


def run_until(folder: RunFolder, step: int) -> Status:
    """Train on until the first report at or after a step."""

    def say(status: Status) -> None:
        if status.step >= step:
            trainer.stop()

    trainer = Trainer(folder, say)
    return trainer.run()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoint.load(folder).state_dict())


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_and_leaves_a_checkpoint_that_acts(dataset: Dataset, tmp_path: Path) -> None:
    plan = plan_for(dataset, steps=400, save_every_s=60.0, judge_every=100)
    status = run(tmp_path / "run", plan)
    assert status.phase == "done" and status.step == 400 and status.left_s == 0.0
    lines, _ = RunFolder(tmp_path / "run").metrics()
    trained = [line["loss"] for line in lines if line["kind"] == "train"]
    judged = [line["loss"] for line in lines if line["kind"] == "hold-out"]
    assert trained[-1] < trained[0] / 5 and judged[-1] < 0.8 * judged[0]
    card = checkpoint.read_card(tmp_path / "run" / "best")
    assert card.dataset["episodes"] + len(card.dataset["held_out"]) == 8
    assert card.steps == 400 and card.metrics["hold_out"]["loss"] == min(judged)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    dataset: Dataset, tmp_path: Path
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(tmp_path / name, plan_for(dataset, seed=seed, steps=40, save_every_s=60.0))
    a, b, c = (weights(tmp_path / name / "last") for name in "abc")
    assert same(a, b) and not same(a, c)


def test_whoever_stops_it_it_comes_out_the_same(dataset: Dataset, tmp_path: Path) -> None:
    plan = plan_for(dataset)
    run(tmp_path / "whole", plan)
    folder = RunFolder(tmp_path / "parts")
    folder.create(plan)
    phases = []
    for at in (10, 30, 50, 1000):
        phases.append(run_until(folder, at).phase)
    assert phases == ["stopped", "stopped", "stopped", "done"]
    for name in ("best", "last"):
        assert same(weights(tmp_path / "whole" / name), weights(tmp_path / "parts" / name))
    whole, _ = RunFolder(tmp_path / "whole").metrics()
    parts, _ = folder.metrics()
    of = [(line["step"], line["loss"]) for line in whole if line["kind"] == "hold-out"]
    assert of == [(line["step"], line["loss"]) for line in parts if line["kind"] == "hold-out"]


class _SlowDisk:
    """A clock on which an update takes 10 ms, and whatever else is done two seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(trainer_module.time, "monotonic", lambda: self.now)
        for owner, name, seconds in (
            (_Work, "_update", 0.01),
            (_Work, "_save", 2.0),
            (_Work, "_judge", 2.0),
            (_Work, "_begin", 2.0),
        ):
            monkeypatch.setattr(owner, name, self._taking(getattr(owner, name), seconds))

    def _taking(self, do: Any, seconds: float) -> Any:
        def done(*args: Any) -> Any:
            answer = do(*args)
            self.now += seconds
            return answer

        return done


def test_updates_a_second_are_those_of_updating_whatever_else_takes_long(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _SlowDisk(monkeypatch)
    folder = RunFolder(tmp_path / "run")
    folder.create(plan_for(dataset, steps=60, save_every_s=0.0))
    run_until(folder, 27)
    assert Trainer(folder).run().phase == "done"
    lines = [line for line in folder.metrics()[0] if line["kind"] == "train"]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50, 60]
    assert [line["steps_per_s"] for line in lines] == pytest.approx([100.0] * 6)


_CHILD = """
import sys
from policies.trainer import Trainer
from policies.training_run import RunFolder
Trainer(RunFolder(sys.argv[1])).run()
"""


def test_a_kill_at_any_moment_costs_nothing_but_time(dataset: Dataset, tmp_path: Path) -> None:
    plan = plan_for(dataset, steps=1000, judge_every=200, log_every=50, save_every_s=0.2)
    run(tmp_path / "whole", plan)
    folder = RunFolder(tmp_path / "killed")
    folder.create(plan)
    rng = np.random.default_rng(0)
    kills = 0
    while kills < 3:
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(folder.path)])
        try:
            while child.poll() is None and folder.status().phase != "training":
                time.sleep(0.01)
            time.sleep(float(rng.uniform(0.1, 0.8)))
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert child.returncode == -signal.SIGKILL, "it was done before it could be killed"
        assert folder.status().phase == "stopped"
        kills += 1
    assert 0 < load_state(folder.path / "state")[0].step < 1000
    assert Trainer(folder).run().phase == "done"
    assert same(weights(tmp_path / "whole" / "last"), weights(folder.path / "last"))
    assert same(weights(tmp_path / "whole" / "best"), weights(folder.path / "best"))
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_pause_and_cancel(dataset: Dataset, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(plan_for(dataset, steps=100_000, log_every=1))
    seen: list[str] = []

    def say(status: Status) -> None:
        seen.append(status.phase)
        if status.phase == "training" and status.step == 3:
            folder.command("pause")
        if status.phase == "paused":
            folder.command("cancel")

    status = Trainer(folder, say).run()
    assert "paused" in seen and status.phase == "cancelled" and 3 <= status.step < 100_000
    assert checkpoint.load(folder.path / "last").name == "bc"
    assert Trainer(folder).run().phase == "cancelled"


def test_two_trainings_on_one_folder_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(plan_for(dataset))
    with folder.locked():
        assert folder.is_locked()
        with pytest.raises(PolicyError, match=f"by process {os.getpid()}"):
            Trainer(folder).run()
    assert not folder.is_locked()


def test_a_gpu_that_is_not_there_is_named(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PolicyError, match="no usable GPU"):
        run(tmp_path / "run", plan_for(dataset, device="cuda"))
    status = RunFolder(tmp_path / "run").status()
    assert status.phase == "failed" and "no usable GPU" in status.error


def test_a_folder_of_another_training_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create(plan_for(dataset))
    folder.create(plan_for(dataset, log_every=5))
    with pytest.raises(ConfigError, match=r"batch, seed differ"):
        folder.create(plan_for(dataset, seed=9, batch=2))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ConfigError, match="is not a training"):
        RunFolder(tmp_path / "full").create(plan_for(dataset))


def test_takes_that_come_later_do_not_come_into_a_training(tmp_path: Path) -> None:
    dataset = reaching(tmp_path / "set", 4)
    folder = RunFolder(tmp_path / "run")
    folder.create(plan_for(dataset, hold_out=0.0))
    trainer = Trainer(folder, lambda status: trainer.stop())
    assert trainer.run().phase == "stopped"
    record(dataset, 99)
    assert Trainer(folder).run().phase == "done"
    assert checkpoint.read_card(folder.path / "best").dataset["episodes"] == 4


def test_takes_that_are_gone_are_named(tmp_path: Path) -> None:
    dataset = reaching(tmp_path / "set", 4)
    folder = RunFolder(tmp_path / "run")
    folder.create(plan_for(dataset, hold_out=0.0))
    trainer = Trainer(folder, lambda status: trainer.stop())
    trainer.run()
    uid = dataset.uids()[1]
    from datasets.library import Library

    Library(dataset).delete(uid)
    with pytest.raises(PolicyError, match=f"{uid} gone"):
        Trainer(folder).run()


def test_without_anything_to_train_on_it_says_so(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "set")
    with pytest.raises(StorageError, match="no episode to train on"):
        run(tmp_path / "run", plan_for(dataset))
    status = RunFolder(tmp_path / "run").status()
    assert status.phase == "failed" and "no episode" in status.error


def test_a_loss_that_is_not_finite_ends_it_and_the_state_stays_good(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = BehaviourCloning.loss

    def loss(self: BehaviourCloning, *args: object) -> dict[str, torch.Tensor]:
        found = plain(self, *args)  # type: ignore[arg-type]
        return {name: value * float("nan") for name, value in found.items()}

    monkeypatch.setattr(BehaviourCloning, "loss", loss)
    with pytest.raises(PolicyError, match="is not finite after"):
        run(tmp_path / "run", plan_for(dataset))
    monkeypatch.undo()
    assert Trainer(RunFolder(tmp_path / "run")).run().phase == "done"


def test_the_rate_goes_up_and_comes_down() -> None:
    rates = [schedule(step, 1000, 100) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == 1.0 and rates[-1] < 1e-5
    assert np.all(np.diff(rates[:100]) > 0) and np.all(np.diff(rates[100:]) <= 0)


def test_stages_share_the_budget() -> None:
    class Two(BehaviourCloning):
        stages = ("one", "two")
        share = MappingProxyType({"one": 0.25, "two": 0.75})

    assert stage_lengths(Two, 1001) == (250, 751)
    assert stage_lengths(Two, 2) == (1, 1)
    with pytest.raises(ConfigError, match="2 stages"):
        stage_lengths(Two, 1)


def test_metrics_are_json_lines_with_time_and_time_left(dataset: Dataset, tmp_path: Path) -> None:
    run(tmp_path / "run", plan_for(dataset))
    raw = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in raw]
    trained = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in trained] == [10, 20, 30, 40, 50, 60]
    assert trained[-1]["left_s"] == 0.0 and all(line["steps_per_s"] > 0 for line in trained)
    assert abs(trained[-1]["wall_s"] - time.time()) < 600
