"""Behaviour cloning: fits a toy, counts only steps that exist, and refuses what it cannot see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from devices.errors import ConfigError, PolicyError
from policies.bc import BehaviourCloning
from policies.contract import ActionSpace, StreamNeed, Window
from policies.normaliser import Normaliser

NEEDS = (StreamNeed(stream="a/b", key="x", shape=(2,), steps=1),)
SPACE = ActionSpace(sides=("left",), horizon=3)


def toy(count: int, seed: int) -> dict[str, torch.Tensor]:
    """Actions that are a bent function of what is seen."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, 2, generator=chance) * 2 - 1
    base = torch.stack([x[:, 0, 0].sin(), x[:, 0, 1] ** 2, x.prod(2)[:, 0], x.sum(2)[:, 0]], 1)
    actions = base[:, None] * torch.arange(1, 4)[None, :, None]
    mask = torch.ones(count, 3, dtype=torch.bool)
    return {"x": x, "actions": actions, "mask": mask, "weight": torch.ones(count)}


def made(**options: object) -> BehaviourCloning:
    config = BehaviourCloning.configure(NEEDS, SPACE, **{"width": 64, "layers": 2, **options})
    torch.manual_seed(0)
    fitted = Normaliser.fit([toy(500, 0)], BehaviourCloning.modes(config))
    return BehaviourCloning(config, fitted)


def test_it_fits_a_toy() -> None:
    policy, chance = made(), torch.Generator()
    optimizer = torch.optim.AdamW(policy.parameters_of("policy"), lr=3e-3)
    for step in range(300):
        loss = policy.loss(toy(128, step), "policy", chance)["loss"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    seen, policy = toy(64, 9999), policy.eval()
    assert policy.loss(seen, "policy", chance)["error"] < 0.05
    chunk = policy.act(Window(7, {"x": seen["x"][0].numpy()}))
    assert chunk.t0_ns == 7 and chunk.actions.shape == (3, 4)
    np.testing.assert_allclose(chunk.actions, seen["actions"][0].numpy(), atol=0.25)


def test_steps_after_the_end_and_windows_without_weight_do_not_count() -> None:
    policy, chance = made(), torch.Generator()
    batch = toy(8, 1)
    batch["mask"][:4, 1:] = False
    batch["weight"][6:] = 0.0
    spoilt = {**batch, "actions": batch["actions"].clone()}
    spoilt["actions"][:4, 1:] = 1e3
    spoilt["actions"][6:] = -1e3
    one, other = (policy.loss(b, "policy", chance)["loss"] for b in (batch, spoilt))
    assert torch.equal(one, other)


def test_what_it_cannot_look_at_is_named() -> None:
    picture = StreamNeed(stream="front/rgb", key="front", shape=(8, 8, 3))
    config = BehaviourCloning.configure([*NEEDS, picture], SPACE)
    with pytest.raises(ConfigError, match="cannot look at pictures"):
        BehaviourCloning(config, Normaliser({}))
    policy = made().eval()
    with pytest.raises(PolicyError, match="no 'x'"):
        policy.act(Window(0, {}))
    with pytest.raises(PolicyError, match="not finite"):
        policy.act(Window(0, {"x": np.full((1, 2), np.nan)}))
    with pytest.raises(PolicyError, match=r"is \(2, 2\)"):
        policy.act(Window(0, {"x": np.zeros((2, 2))}))
