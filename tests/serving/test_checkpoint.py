"""A checkpoint of ours, from the trainer's format to a robot that it drives; and a folder that is
watched while checkpoints appear in it."""

from __future__ import annotations

import json
import math
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.runtime.policy_watch import newest_checkpoint
from app.runtime.requests import PolicyWatch
from devices.errors import PolicyError
from policies import checkpoint
from policies.bc import BehaviourCloning
from policies.contract import ActionSpace
from policies.normaliser import Normaliser
from policies.serving.opening import open_policy
from tests.serving.real_run import RealRun
from tests.serving.scripted import NEED

SPACE = ActionSpace(sides=("right",), rate_hz=24.0, horizon=24)


def saved(place: Path, seed: int = 0, **about: Any) -> None:
    """A policy that learnt nothing: its actions lie in the middle of its workspace."""
    low = torch.tensor([0.25, -0.25, 0.3, 0.02])
    rows = low + 0.1 * torch.rand(200, SPACE.horizon, 4)
    batch = {
        "tool": torch.rand(200, NEED.steps, 7),
        "actions": rows,
        "mask": torch.ones(200, SPACE.horizon, dtype=torch.bool),
        "weight": torch.ones(200),
    }
    torch.manual_seed(seed)
    config = BehaviourCloning.configure([NEED], SPACE, width=32, layers=1)
    modes = BehaviourCloning.modes(config)
    policy = BehaviourCloning(config, Normaliser.fit([batch], modes))
    checkpoint.save(place, policy, **about)


def test_it_opens_and_its_damage_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "best")
    opened = open_policy(str(tmp_path / "best"))
    assert len(opened.digest) == 64 and opened.policy.space == SPACE
    assert open_policy(str(tmp_path / "best" / "policy.json")).digest == opened.digest
    weights = tmp_path / "best" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(PolicyError, match="cut short"):
        open_policy(str(tmp_path / "best"))


def test_how_it_was_made_is_told(tmp_path: Path) -> None:
    metrics = {"hold_out": {"loss": 0.0213, "action": 0.01}, "train_loss": 0.02}
    saved(tmp_path / "best", step=1500, steps=2000, metrics=metrics)
    opened = open_policy(str(tmp_path / "best"))
    assert (opened.step, opened.steps, opened.hold_out) == (1500, 2000, 0.0213)
    assert datetime.fromisoformat(opened.created).tzinfo is not None
    saved(tmp_path / "last", metrics={"hold_out": None})
    assert math.isnan(open_policy(str(tmp_path / "last")).hold_out)


def test_a_checkpoint_that_changes_while_it_is_read_is_one_or_the_other_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "best"
    for number in (1, 2):
        saved(tmp_path / f"kept{number}", number, step=number)
    marks = {checkpoint.digest(tmp_path / f"kept{number}"): number for number in (1, 2)}
    load = checkpoint.load
    swaps = [1]

    def swapped(path: Path) -> Any:
        policy = load(path)
        if swaps:
            shutil.rmtree(place)
            shutil.copytree(tmp_path / f"kept{swaps.pop(0) + 1}", place)
        return policy

    monkeypatch.setattr(checkpoint, "load", swapped)
    shutil.copytree(tmp_path / "kept1", place)
    opened = open_policy(str(place))
    assert opened.step == marks[opened.digest] == 2
    # One that fails because it changed in the midst is read again, too.
    swaps[:] = []
    broken = [place / "weights.safetensors"]

    def torn(path: Path) -> Any:
        if broken:
            broken.pop().write_bytes(b"half")
            try:
                return load(path)
            finally:
                shutil.rmtree(place)
                shutil.copytree(tmp_path / "kept1", place)
        return load(path)

    monkeypatch.setattr(checkpoint, "load", torn)
    assert open_policy(str(place)).step == 1
    monkeypatch.setattr(checkpoint, "load", swapped)
    swaps[:] = [1, 0, 1, 0, 1, 0]
    with pytest.raises(PolicyError, match="changed each time"):
        open_policy(str(place))


def test_the_newest_best_is_found(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({}))
    saved(tmp_path / "last")
    assert newest_checkpoint(tmp_path) is None, "a training has no best one yet"
    saved(tmp_path / "best")
    assert newest_checkpoint(tmp_path) == tmp_path / "best"


def test_a_watched_training_drives_by_itself(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({}))
    with RealRun(module="app.runtime.policy_process") as run:
        run.ask(PolicyWatch(str(tmp_path), use=True))
        run.poll(0.5)
        assert not run.session.policies
        saved(tmp_path / "best")
        run.until(lambda: "driving" in [s.phase for s in run.session.policies.values()])
        first = next(iter(run.session.policies.values()))
        run.poll(0.5)
        assert run.moving()
        time.sleep(0.05)
        saved(tmp_path / "best", seed=1)
        run.until(
            lambda: any(
                s.phase == "driving" and s.digest != first.digest
                for s in run.session.policies.values()
            )
        )
        assert np.isfinite(run.session.policies[first.slot].memory_mb)
