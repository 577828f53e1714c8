from __future__ import annotations

import numpy as np
import pytest
import torch

from devices.errors import PolicyError
from policies.contract import Window
from policies.diffusion import DiffusionPolicy
from tests.policies.cases import SMALL, PolicyCases
from tests.policies.toys import GAP, POSE, SPACE, TOUCH, around, build, random_batch, train

NEEDS = [POSE, GAP]


class TestDiffusion(PolicyCases):
    kind = DiffusionPolicy
    needs = NEEDS


@pytest.mark.slow
def test_it_takes_one_of_two_ways() -> None:
    chance = np.random.default_rng(1)
    policy, _ = build(
        DiffusionPolicy, [GAP], SPACE, around(chance, 256), widths=[32, 64], kernel=3, samples=64
    )
    train(policy, around, {"policy": 300}, size=32)
    policy.reset(0)
    chunk = policy.act(Window(0, {"gap": np.full((2, 1), 0.04)}))
    assert chunk.samples is not None
    beside = np.concatenate([chunk.actions[None], chunk.samples])[:, 7:9, 1].mean(axis=1)
    # The mean of the demonstrations goes through the obstacle, at y = 0.
    assert np.mean(np.abs(np.abs(beside) - 1.0) < 0.25) > 0.8, np.sort(beside)
    assert 0.15 < np.mean(beside > 0) < 0.85, "both ways are known"
    assert chunk.uncertainty is not None and chunk.uncertainty > 0.1


def test_a_rare_long_way_does_not_make_millimetres_next_to_nothing() -> None:
    """By deviation, two actions a millimetre apart stay apart where one row in a hundred is far."""
    chance = np.random.default_rng(0)
    batch = random_batch(NEEDS, SPACE, 200)
    near = torch.from_numpy(chance.normal(0.0, 0.002, batch["actions"].shape)).float()
    far = torch.from_numpy(chance.random(near.shape[:2]) < 0.01)[..., None]
    batch["actions"] = torch.where(far, near + 0.3, near)
    apart, clips = {}, []
    for scale in ("range", "standard"):
        policy, _ = build(DiffusionPolicy, NEEDS, SPACE, batch, scale=scale, **SMALL)
        rows = policy.normaliser.normalise("actions", np.array([[0.0] * 4, [0.001] * 4]))
        apart[scale] = float(rows[1, 2] - rows[0, 2])
        clips.append(policy.schedule.clip)
    assert clips == [1.0, 5.0]
    assert apart["range"] < 0.01 and apart["standard"] > 3 * apart["range"]


def test_touch_of_the_chunk_is_refused() -> None:
    with pytest.raises(PolicyError, match="no fast path"):
        build(DiffusionPolicy, [POSE, TOUCH], SPACE)


def test_it_has_no_fast_path() -> None:
    policy, _ = build(DiffusionPolicy, NEEDS, SPACE, **SMALL)
    assert not policy.reacts


def test_sizes_are_checked() -> None:
    with pytest.raises(PolicyError, match="inference steps"):
        build(DiffusionPolicy, NEEDS, SPACE, inference_steps=101)
    with pytest.raises(PolicyError, match="horizon"):
        odd = type(SPACE)(sides=("right",), horizon=18)
        build(DiffusionPolicy, NEEDS, odd, random_batch(NEEDS, odd), widths=[16, 16, 16])


def test_without_tilt_how_the_tool_is_turned_changes_nothing() -> None:
    policy, _ = build(DiffusionPolicy, NEEDS, SPACE, tilt=False, **SMALL)
    batch = random_batch(NEEDS, SPACE)
    turned = {**batch, "pose": batch["pose"].clone()}
    turned["pose"][..., 3:] = torch.tensor([0.0, 0.0, 1.0, 0.0])
    one, other = (policy.prepare(policy.config, b) for b in (batch, turned))
    for key in one:
        assert torch.equal(one[key], other[key]), key
    assert torch.equal(one["pose"][..., :3], batch["pose"][..., :3])
