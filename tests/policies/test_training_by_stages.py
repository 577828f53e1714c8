"""The trainer takes every policy of ours from takes on disk to a checkpoint that acts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from devices import plugins
from policies import checkpoint
from policies.contract import Window
from policies.trainer import Trainer
from policies.training_run import Plan, RunFolder
from tests.policies.takes import NEEDS, SPACE, reaching


@pytest.mark.parametrize("name", ["diffusion", "flow", "rdp"])
def test_takes_become_a_policy(name: str, tmp_path: Path) -> None:
    data = reaching(tmp_path / "set")
    needs = [need for need in NEEDS if need.span == "window" or name == "rdp"]
    kind = plugins.load("policies", name)
    config = kind.configure(needs, SPACE, widths=[16, 32], inference_steps=2)
    plan = Plan(
        dataset=str(data.root),
        policy=name,
        config=msgspec.to_builtins(config),
        steps=20,
        batch=16,
        hold_out=0.3,
        log_every=10,
        judge_every=10,
        judge_windows=32,
    )
    folder = RunFolder(tmp_path / "run")
    folder.create(plan)
    Trainer(folder).run()
    policy = checkpoint.load(folder.path / "best")
    values = {need.key: np.zeros((need.steps, *need.shape), np.float32) for need in needs}
    values["pose"][:, 3] = 1.0
    policy.reset(0)
    chunk = policy.act(Window(0, values))
    assert chunk.actions.shape == (SPACE.horizon, SPACE.width)
    if policy.reacts:
        assert policy.latent_reach.ne(1.0).all(), "the range of the latents was fitted"
        assert np.isfinite(policy.react(chunk, Window(1, {"touch": values["touch"]}))).all()
