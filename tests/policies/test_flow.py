from __future__ import annotations

import msgspec
import numpy as np
import pytest

from policies.contract import Window
from policies.flow import FlowPolicy
from tests.policies.cases import PolicyCases
from tests.policies.toys import GAP, POSE, SPACE, around, build, train


class TestFlow(PolicyCases):
    kind = FlowPolicy
    needs = (POSE, GAP)


@pytest.mark.slow
def test_one_step_goes_through_the_middle_and_many_take_one_of_two_ways() -> None:
    chance = np.random.default_rng(1)
    policy, _ = build(
        FlowPolicy, [GAP], SPACE, around(chance, 256), widths=[32, 64], kernel=3, samples=64
    )
    train(policy, around, {"policy": 300}, size=32)

    def beside(steps: int) -> np.ndarray:
        """Sideways, where the obstacle is, of 64 draws [m]."""
        policy.config = msgspec.structs.replace(policy.config, inference_steps=steps)
        policy.reset(0)
        chunk = policy.act(Window(0, {"gap": np.full((2, 1), 0.04)}))
        assert chunk.samples is not None
        return np.concatenate([chunk.actions[None], chunk.samples])[:, 7:9, 1].mean(axis=1)

    # One step is the mean of all demonstrations, as behaviour cloning is.
    assert np.mean(np.abs(beside(1)) < 0.5) > 0.9, np.sort(beside(1))
    found = beside(10)
    assert np.mean(np.abs(np.abs(found) - 1.0) < 0.25) > 0.75, np.sort(found)
    assert 0.15 < np.mean(found > 0) < 0.85, "both ways are known"
