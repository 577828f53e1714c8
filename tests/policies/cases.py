"""What Diffusion Policy, flow and RDP all promise; each test file runs these on its policy."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from devices.errors import ConfigError, PolicyError
from policies.contract import StreamNeed, Window
from policies.trainable import TrainablePolicy
from tests.policies.toys import LEFT_POSE, POSE, SPACE, TURNING, build, random_batch, window_of

SMALL = {"widths": [16, 32], "inference_steps": 3, "image_width": 16}


class PolicyCases:
    """Subclasses set the policy and its needs."""

    kind: type[TrainablePolicy]
    needs: Sequence[StreamNeed]

    def test_a_chunk_has_the_shape_of_its_action_space(self) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, **SMALL)
        window = window_of(random_batch(self.needs, SPACE), self.needs)
        chunk = policy.act(window)
        assert chunk.actions.shape == (SPACE.horizon, SPACE.width)
        assert np.isfinite(chunk.actions).all() and not chunk.actions.flags.writeable
        assert chunk.t0_ns == chunk.observed_ns == window.t_ns
        assert chunk.samples is None and chunk.uncertainty is None

    @pytest.mark.parametrize("relative", [False, True])
    def test_two_arms_that_turn(self, relative: bool) -> None:
        needs = [*self.needs, LEFT_POSE]
        policy, _ = build(self.kind, needs, TURNING, relative=relative, **SMALL)
        chunk = policy.act(window_of(random_batch(needs, TURNING), needs))
        assert chunk.actions.shape == (TURNING.horizon, 20)

    def test_a_seed_repeats_what_follows(self) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, **SMALL)
        window = window_of(random_batch(self.needs, SPACE), self.needs)

        def two(seed: int) -> list[np.ndarray]:
            policy.reset(seed)
            return [policy.act(window).actions, policy.act(window).actions]

        first, again, other = two(3), two(3), two(4)
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        assert not np.array_equal(first[0], first[1])

    def test_samples_and_their_spread(self) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, samples=5, **SMALL)
        chunk = policy.act(window_of(random_batch(self.needs, SPACE), self.needs))
        assert chunk.samples is not None and chunk.samples.shape == (4, *chunk.actions.shape)
        assert chunk.uncertainty is not None and 0.0 < chunk.uncertainty <= 1.0

    def test_acting_changes_neither_window_nor_weights(self) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, **SMALL)
        before = copy.deepcopy(policy.state_dict())
        window = window_of(random_batch(self.needs, SPACE), self.needs)
        values = {key: value.copy() for key, value in window.values.items()}
        policy.act(window)
        assert all(np.array_equal(values[key], window.values[key]) for key in values)
        after = policy.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)

    def test_preparing_leaves_the_batch_as_it_is(self) -> None:
        batch = random_batch(self.needs, SPACE)
        before = {key: value.clone() for key, value in batch.items()}
        config = self.kind.configure(self.needs, SPACE, relative=True)
        self.kind.prepare(config, batch)
        assert all(torch.equal(before[key], batch[key]) for key in before)

    def test_weights_survive_a_file(self, tmp_path: Path) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, seed=1, **SMALL)
        save_file(policy.state_dict(), tmp_path / "weights.safetensors")
        other, _ = build(self.kind, self.needs, SPACE, seed=2, **SMALL)
        window = window_of(random_batch(self.needs, SPACE), self.needs)

        def said(by: TrainablePolicy) -> np.ndarray:
            by.reset(0)
            return by.act(window).actions

        assert not np.array_equal(said(policy), said(other))
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        assert np.array_equal(said(policy), said(other))

    def test_a_copy_answers_alike(self) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, **SMALL)
        twin = copy.deepcopy(policy)
        window = window_of(random_batch(self.needs, SPACE), self.needs)
        policy.reset(0), twin.reset(0)
        assert np.array_equal(policy.act(window).actions, twin.act(window).actions)

    def test_the_loss_reaches_what_the_stage_trains_and_nothing_else(self) -> None:
        policy, batch = build(self.kind, self.needs, SPACE, **SMALL)
        policy.train()
        trained = set()
        for stage in policy.stages:
            policy.zero_grad(set_to_none=True)
            generator = torch.Generator().manual_seed(0)
            policy.begin(stage, [batch], generator)
            losses = policy.loss(batch, stage, generator)
            assert losses["loss"].shape == () and torch.isfinite(losses["loss"])
            losses["loss"].backward()
            own = {id(parameter) for parameter in policy.parameters_of(stage)}
            for name, parameter in policy.named_parameters():
                if id(parameter) in own:
                    assert parameter.grad is not None and parameter.grad.any(), (stage, name)
                else:
                    assert parameter.grad is None, (stage, name)
            trained |= own
        assert trained == {id(parameter) for parameter in policy.parameters()}
        assert sum(policy.share.values()) == pytest.approx(1.0)
        assert set(policy.share) == set(policy.stages)

    def test_the_loss_is_repeatable_and_follows_weights(self) -> None:
        policy, batch = build(self.kind, self.needs, SPACE, **SMALL)
        policy.train()
        for stage in policy.stages:

            def told(weight: list[float], stage: str = stage) -> float:
                generator = torch.Generator().manual_seed(5)
                weighted = {**batch, "weight": torch.tensor(weight)}
                return float(policy.loss(weighted, stage, generator)["loss"].detach())

            assert told([1.0] * 6) == told([1.0] * 6)
            assert told([1.0] * 6) == pytest.approx(told([2.0] * 6), rel=1e-5)
            alone = [told([float(i == j) for j in range(6)]) for i in range(6)]
            # The KL term of a tokenizer is the same for all; it is too small to be seen here.
            assert np.mean(alone) == pytest.approx(told([1.0] * 6), rel=1e-3)

    def test_cameras_are_looked_at(self) -> None:
        from tests.policies.toys import CAMERA

        needs = [*self.needs, CAMERA]
        policy, batch = build(self.kind, needs, SPACE, **SMALL)
        window = window_of(random_batch(needs, SPACE), needs)
        policy.reset(0)
        seen = policy.act(window).actions
        darker = {**window.values, "camera": window.values["camera"] // 4}
        policy.reset(0)
        assert not np.array_equal(seen, policy.act(Window(window.t_ns, darker)).actions)
        policy.train()
        stage = policy.stages[-1]
        policy.loss(batch, stage, torch.Generator().manual_seed(0))["loss"].backward()
        cameras = [p for name, p in policy.named_parameters() if ".cameras." in name]
        assert cameras and all(p.grad is not None and p.grad.any() for p in cameras)

    def test_what_does_not_fit_is_refused_by_name(self) -> None:
        with pytest.raises(ConfigError, match="'heads'"):
            self.kind.configure(self.needs, SPACE, heads=3)
        with pytest.raises(ConfigError, match="samples"):
            self.kind.configure(self.needs, SPACE, samples=0)
        with pytest.raises(PolicyError, match="multiple of 8"):
            build(self.kind, self.needs, SPACE, widths=[10, 20])
        with pytest.raises(PolicyError, match="right_arm/T_world_tool"):
            without = [need for need in self.needs if need.stream != POSE.stream]
            build(self.kind, without, SPACE, relative=True)
        policy, _ = build(self.kind, self.needs, SPACE, **SMALL)
        window = window_of(random_batch(self.needs, SPACE), self.needs)
        with pytest.raises(PolicyError, match="pose"):
            gone = {key: value for key, value in window.values.items() if key != "pose"}
            policy.act(Window(0, gone))
        with pytest.raises(PolicyError, match="not finite"):
            policy.act(Window(0, {**window.values, "gap": np.full((2, 1), np.nan)}))

    def test_broken_weights_are_no_action(self) -> None:
        policy, _ = build(self.kind, self.needs, SPACE, **SMALL)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.fill_(torch.nan)
        with pytest.raises(PolicyError, match="not finite"):
            policy.act(window_of(random_batch(self.needs, SPACE), self.needs))
