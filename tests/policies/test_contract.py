"""Every registered policy keeps the same promises; one that is added is tried by itself."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from devices import plugins
from devices.errors import ConfigError, PolicyError
from policies.checkpoint import policy_class
from policies.trainable import TrainablePolicy
from tests.policies.toys import GAP, POSE, SPACE, TOUCH, build, random_batch, window_of

POLICIES = plugins.names("policies")
NEEDS = (POSE, GAP, TOUCH)
WRENCH = msgspec.structs.replace(TOUCH, key="wrench", span="window")


@pytest.fixture(params=POLICIES)
def kind(request: pytest.FixtureRequest) -> type[TrainablePolicy]:
    return policy_class(request.param)


def needs_of(kind: type[TrainablePolicy]) -> tuple:
    """Touch along the chunk for those that react, in the window for the others."""
    return NEEDS if kind.reacts else (POSE, GAP, WRENCH)


def test_ours_are_registered() -> None:
    assert {"bc", "diffusion", "flow", "rdp"} <= set(POLICIES)


def test_it_says_what_it_is(kind: type[TrainablePolicy]) -> None:
    assert plugins.load("policies", kind.name) is kind
    assert set(kind.share) == set(kind.stages)
    assert sum(kind.share.values()) == pytest.approx(1.0)
    config = kind.configure(needs_of(kind), SPACE)
    assert config.needs == needs_of(kind) and config.space == SPACE
    again = kind.read_config(msgspec.to_builtins(config))
    assert again == config, "a config goes through a checkpoint unchanged"
    with pytest.raises(ConfigError, match="no option 'colour'"):
        kind.configure(needs_of(kind), SPACE, colour="blue")


def test_every_stage_trains_something_and_only_that(kind: type[TrainablePolicy]) -> None:
    policy, _ = build(kind, needs_of(kind), SPACE)
    batch = random_batch(needs_of(kind), SPACE)
    prepared = kind.prepare(policy.config, batch)
    generator = torch.Generator().manual_seed(1)
    for stage in kind.stages:
        policy.begin(stage, [prepared], generator)
        policy.zero_grad(set_to_none=True)
        losses = policy.loss(prepared, stage, generator)
        assert losses["loss"].ndim == 0 and torch.isfinite(losses["loss"])
        losses["loss"].backward()
        own = {id(parameter) for parameter in policy.parameters_of(stage)}
        assert own and all(
            (parameter.grad is not None) == (id(parameter) in own)
            for parameter in policy.parameters()
        )


def test_it_answers_a_chunk_that_its_space_can_read(kind: type[TrainablePolicy]) -> None:
    policy, _ = build(kind, needs_of(kind), SPACE)
    policy.reset(0)
    window = window_of(random_batch(needs_of(kind), SPACE), needs_of(kind))
    chunk = policy.act(window)
    assert chunk.actions.shape == (SPACE.horizon, SPACE.width)
    assert chunk.rate_hz == SPACE.rate_hz and chunk.t0_ns == window.t_ns
    assert np.isfinite(chunk.actions).all() and not chunk.actions.flags.writeable
    policy.reset(0)
    np.testing.assert_array_equal(policy.act(window).actions, chunk.actions)
    if not kind.reacts:
        with pytest.raises(PolicyError, match="does not react"):
            policy.react(chunk, window)


def test_a_window_without_what_it_needs_is_refused_by_name(kind: type[TrainablePolicy]) -> None:
    policy, _ = build(kind, needs_of(kind), SPACE)
    window = window_of(random_batch(needs_of(kind), SPACE), needs_of(kind))
    values = {key: value for key, value in window.values.items() if key != "pose"}
    with pytest.raises(PolicyError, match="pose"):
        policy.act(replace(window, values=values))
