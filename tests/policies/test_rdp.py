from __future__ import annotations

import threading

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import PolicyError
from policies.blocks.fast_path import FastPath
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.rdp import RDPPolicy
from tests.policies.cases import SMALL, PolicyCases
from tests.policies.toys import (
    GAP,
    LEFT_POSE,
    POSE,
    SPACE,
    TOUCH,
    TURNING,
    build,
    pressed,
    random_batch,
    train,
    window_of,
)

NEEDS = (POSE, GAP, TOUCH)


class TestRDP(PolicyCases):
    kind = RDPPolicy
    needs = NEEDS


def made(relative: bool = True) -> tuple[RDPPolicy, ActionChunk, np.ndarray]:
    """A policy, a chunk of it, and touch for all its rows (H, 6) [N]."""
    policy, _ = build(RDPPolicy, NEEDS, SPACE, relative=relative, **SMALL)
    batch = random_batch(NEEDS, SPACE, seed=1)
    assert isinstance(policy, RDPPolicy)
    policy.reset(0)
    return policy, policy.act(window_of(batch, NEEDS)), batch["touch"][0].numpy()


def at(chunk: ActionChunk, row: float, touch: np.ndarray, rows: int | None = None) -> Window:
    """The window of the fast path at a (broken) row of the chunk."""
    count = int(row) + 1 if rows is None else rows
    t_ns = chunk.t0_ns + round(row * 1e9 / chunk.rate_hz) + 1
    return Window(t_ns, {"touch": touch[:count]})


# ------------------------------------------------------------------------------------- fast path
def test_the_fast_path_is_the_decoder() -> None:
    """numpy, row by row, against torch at once."""
    policy = made(relative=False)[0]
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(1, 4, policy.config.latent_channels, generator=generator)
    rows = torch.randn(1, SPACE.horizon, 6, generator=generator)
    with torch.no_grad():
        told = policy.tokenizer(latent, rows)[0].numpy()
        path = FastPath(policy.tokenizer, policy.tokenizer.plan(latent)[0], {})
    for row in range(SPACE.horizon):
        here, _ = path.rows(rows[0].double().numpy()[: row + 1], row, SPACE.horizon - 1)
        assert here == pytest.approx(told[row], abs=1e-5)


@pytest.mark.parametrize("relative", [False, True])
def test_held_touch_gives_the_actions_of_the_chunk(relative: bool) -> None:
    policy, chunk, touch = made(relative)
    held = np.repeat(touch[:1], SPACE.horizon, axis=0)
    for row in range(SPACE.horizon):
        told = policy.react(chunk, at(chunk, row, held))
        assert told == pytest.approx(chunk.actions[row], abs=1e-4)


def test_two_arms_that_turn_react_in_their_own_frames() -> None:
    needs = (POSE, LEFT_POSE, GAP, TOUCH)
    policy, _ = build(RDPPolicy, needs, TURNING, **SMALL)
    batch = random_batch(needs, TURNING, seed=1)
    chunk = policy.act(window_of(batch, needs))
    held = np.repeat(batch["touch"][0, :1].numpy(), TURNING.horizon, axis=0)
    for row in range(TURNING.horizon):
        told = policy.react(chunk, at(chunk, row, held))
        assert told == pytest.approx(chunk.actions[row], abs=1e-4)


def test_touch_that_comes_later_changes_the_rest_and_only_the_rest() -> None:
    policy, chunk, touch = made()
    other = touch.copy()
    other[5:] += 3.0
    twin = made()[1]
    for row in range(SPACE.horizon):
        first = policy.react(chunk, at(chunk, row, touch))
        second = policy.react(twin, at(twin, row, other))
        assert np.allclose(first, second, atol=1e-6) == (row < 5), row


@settings(deadline=None, max_examples=10)
@given(order=st.lists(st.floats(0, 15.99), min_size=1, max_size=8))
def test_what_is_answered_depends_on_the_time_and_not_on_what_was_asked_before(
    order: list[float],
) -> None:
    policy, chunk, touch = made()
    window = window_of(random_batch(NEEDS, SPACE, seed=1), NEEDS)
    for row in order:
        policy.reset(0)
        fresh = policy.act(window)
        told = policy.react(chunk, at(chunk, row, touch))
        assert np.array_equal(told, policy.react(fresh, at(fresh, row, touch)))


def test_rows_are_found_by_the_clock() -> None:
    """However late a chunk is taken up: the first answer is for now, not for the first row."""
    policy, chunk, touch = made()
    late = policy.react(chunk, at(chunk, 9, touch))
    steady = made()[1]
    for row in range(9):
        policy.react(steady, at(steady, row, touch))
    assert np.array_equal(late, policy.react(steady, at(steady, 9, touch)))


def test_between_rows_actions_move_evenly() -> None:
    policy, chunk, touch = made()
    held = np.repeat(touch[:1], SPACE.horizon, axis=0)
    told = [policy.react(chunk, at(chunk, 3 + part, held)) for part in (0, 0.25, 0.5, 0.75, 1)]
    assert np.diff(told, axis=0) == pytest.approx(np.diff(told, axis=0)[:1].repeat(4, 0), abs=1e-5)


def test_chunks_that_overlap_do_not_disturb_each_other() -> None:
    policy, chunk, touch = made()
    other = policy.act(window_of(random_batch(NEEDS, SPACE, seed=2), NEEDS))
    alone = [policy.react(made()[1], at(chunk, row, touch)) for row in (2, 6, 9)]
    mixed = []
    for row in (2, 6, 9):
        policy.react(other, at(other, row, touch[::-1].copy()))
        mixed.append(policy.react(chunk, at(chunk, row, touch)))
    assert np.array_equal(alone, mixed)


def test_rows_that_are_not_there_yet_are_told_with_the_newest_and_told_again() -> None:
    policy, chunk, touch = made()
    held = np.concatenate([touch[:4], np.repeat(touch[3:4], 12, axis=0)])
    early = policy.react(chunk, at(chunk, 6, touch, rows=4))
    twin = made()[1]
    assert np.array_equal(early, policy.react(twin, at(twin, 6, held)))
    later = policy.react(chunk, at(chunk, 6, touch))
    fresh = made()[1]
    assert np.array_equal(later, policy.react(fresh, at(fresh, 6, touch)))


def test_act_may_run_beside_react() -> None:
    policy, chunk, touch = made()
    twin = made()[1]
    alone = [policy.react(twin, at(twin, row, touch)) for row in range(16)]
    window = window_of(random_batch(NEEDS, SPACE, seed=3), NEEDS)
    stop, failed = threading.Event(), []

    def plan() -> None:
        try:
            while not stop.is_set():
                policy.act(window)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=plan)
    thread.start()
    try:
        for _ in range(20):
            beside = [policy.react(chunk, at(chunk, row, touch)) for row in range(16)]
            assert np.array_equal(alone, beside)
    finally:
        stop.set()
        thread.join()
    assert not failed


def test_what_cannot_be_answered_is_refused() -> None:
    policy, chunk, touch = made()
    with pytest.raises(PolicyError, match="is over"):
        policy.react(chunk, at(chunk, 16, touch))
    with pytest.raises(PolicyError, match="behind the chunk"):
        policy.react(chunk, at(chunk, 12, touch, rows=2))
    with pytest.raises(PolicyError, match="right_arm/wrench"):
        policy.react(chunk, Window(chunk.t0_ns, {}))
    with pytest.raises(PolicyError, match="not finite"):
        policy.react(chunk, at(chunk, 3, np.full((16, 6), np.nan)))
    foreign = ActionChunk(0, 24.0, chunk.actions, 0)
    with pytest.raises(PolicyError, match="not made by"):
        policy.react(foreign, at(foreign, 0, touch))


# ------------------------------------------------------------------------------------- slow path
def test_without_touch_it_is_refused() -> None:
    with pytest.raises(PolicyError, match="touch stream"):
        build(RDPPolicy, (POSE, GAP), SPACE)
    with pytest.raises(PolicyError, match="multiple of 4"):
        odd = ActionSpace(sides=("right",), horizon=18)
        build(RDPPolicy, NEEDS, odd, random_batch(NEEDS, odd))


def test_the_plan_moves_with_the_tool() -> None:
    """Relative throughout: the same scene a metre to the side gives the same plan, there."""
    policy, _ = build(RDPPolicy, NEEDS, SPACE, relative_observation=True, **SMALL)
    window = window_of(random_batch(NEEDS, SPACE), NEEDS)
    aside = window.values["pose"] + np.array([1.0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    policy.reset(0)
    here = policy.act(window)
    policy.reset(0)
    there = policy.act(Window(window.t_ns, {**window.values, "pose": aside}))
    assert there.actions == pytest.approx(here.actions + np.array([1.0, 0, 0, 0]), abs=1e-4)


def test_latents_are_brought_to_one() -> None:
    for posterior in ("mean", "sample"):
        policy, batch = build(RDPPolicy, NEEDS, SPACE, posterior=posterior, **SMALL)
        assert isinstance(policy, RDPPolicy)
        policy.begin("latent", [batch], torch.Generator().manual_seed(0))
        latent = policy._target(batch, torch.Generator().manual_seed(0))
        scaled = (latent - policy.latent_middle) / policy.latent_reach
        assert scaled.abs().amax(dim=(0, 1)).tolist() == pytest.approx([1 / 1.05] * 16, rel=1e-3)
        assert {"latent_middle", "latent_reach"} <= set(policy.state_dict())


def test_present_touch_may_come_as_a_window() -> None:
    """A slow path that looks at the touch itself needs no second row of it."""
    felt = type(TOUCH)(stream=TOUCH.stream, key="felt", shape=TOUCH.shape, unit="N")
    needs = (POSE, GAP, TOUCH, felt)
    policy, _ = build(RDPPolicy, needs, SPACE, **SMALL)
    window = window_of(random_batch(needs, SPACE), needs)
    values = {**window.values, "touch": window.values["felt"][-1:]}
    policy.reset(0)
    both = policy.act(Window(0, values)).actions
    policy.reset(0)
    del values["touch"]
    assert np.array_equal(both, policy.act(Window(0, values)).actions)


def test_a_policy_that_does_not_feel_answers_the_same_whatever_is_felt() -> None:
    felt = StreamNeed(stream=TOUCH.stream, key="lately", shape=(6,))
    needs = (GAP, felt, TOUCH)
    answers = []
    for feels in (True, False):
        batch = random_batch(needs, SPACE, 16)
        policy, _ = build(RDPPolicy, needs, SPACE, batch, relative=False, feels=feels, **SMALL)
        for push in (0.0, 30.0):
            policy.reset(0)
            touch = np.full((4, 6), push)
            seen = {"gap": np.full((2, 1), 0.04), "lately": touch[:2], "touch": touch[:1]}
            chunk = policy.act(Window(0, seen))
            answers.append(np.append(chunk.actions, policy.react(chunk, at(chunk, 3, touch))))
        told = [policy.loss(policy.prepare(policy.config, batch), "tokenizer", torch.Generator())]
        assert torch.isfinite(told[0]["loss"])
    assert not np.array_equal(answers[0], answers[1]), "it feels"
    np.testing.assert_array_equal(answers[2], answers[3])


# ------------------------------------------------------------------------------------------- toy
@pytest.mark.slow
def test_it_answers_a_touch_that_nothing_foretold() -> None:
    """The tool is to go up from the touch on. A policy that answers with a chunk, however good,
    does not know when that will be: its best guess is the median of all demonstrations."""
    chance = np.random.default_rng(1)
    needs = (GAP, TOUCH)
    policy, _ = build(
        RDPPolicy, needs, SPACE, pressed(chance, 256), relative=False, widths=[16, 32]
    )
    train(policy, pressed, {"tokenizer": 400, "latent": 100}, rate=5e-3)
    test = pressed(np.random.default_rng(2), 20)
    heights = test["actions"][..., 2].numpy()  # (20, H)
    blind = np.abs(heights - np.median(heights, axis=0)).mean()
    policy.reset(0)
    errors = []
    for height, touch in zip(heights, test["touch"].numpy(), strict=True):
        chunk = policy.act(Window(0, {"gap": np.full((2, 1), 0.04), "touch": touch[:1]}))
        told = [policy.react(chunk, at(chunk, row, touch))[2] for row in range(SPACE.horizon)]
        errors.append(np.abs(np.array(told) - height).mean())
    assert np.mean(errors) < 0.4 * blind, (np.mean(errors), blind)


# ------------------------------------------------------------------------------ expected touch
def leaning(chance: np.random.Generator, size: int) -> dict[str, torch.Tensor]:
    """How hard one presses follows from how far the motion goes and from where it is made."""
    far, where = chance.uniform(0.0, 0.3, (2, size, 1))
    actions = np.zeros((size, SPACE.horizon, 4))
    actions[..., 0] = far * np.linspace(0.0, 1.0, SPACE.horizon)
    touch = np.zeros((size, SPACE.horizon, 6))
    touch[..., 2] = 10.0 * far + 20.0 * where
    batch = {"actions": actions, "touch": touch, "gap": np.repeat(where[:, None], GAP.steps, 1)}
    made = {key: torch.tensor(value, dtype=torch.float32) for key, value in batch.items()}
    made["mask"] = torch.ones(size, SPACE.horizon, dtype=torch.bool)
    made["weight"] = torch.ones(size)
    return made


def test_it_expects_the_touch_that_went_with_such_a_motion_from_there() -> None:
    batch = leaning(np.random.default_rng(1), 64)
    policy, _ = build(RDPPolicy, (GAP, TOUCH), SPACE, batch, relative=False, **SMALL)
    train(policy, leaning, {"tokenizer": 500, "latent": 2})
    assert isinstance(policy, RDPPolicy) and policy.expectation is not None
    with torch.no_grad():
        actions = policy.normaliser.normalise("actions", batch["actions"])
        plan = policy.tokenizer.plan(policy.tokenizer.posterior(actions)[0])
        told = policy.expectation(plan, policy._place(batch, plan))
    told = policy.normaliser.denormalise("touch", told)[..., 2]
    felt = batch["touch"][..., 2]
    wrong, guessed = (told - felt).abs().mean(), (felt.mean() - felt).abs().mean()
    assert wrong < 0.4 * guessed, (wrong, guessed)


def test_a_chunk_tells_it_by_stream_in_its_unit() -> None:
    chunk = made()[1]
    assert set(chunk.expects) == {"right_arm/wrench"}
    rows = chunk.expects["right_arm/wrench"]
    assert rows.shape == (SPACE.horizon, 6) and np.isfinite(rows).all()
    low, high = -50.0, 50.0
    assert low < rows.min() and rows.max() < high, "newtons, not what the network says"
    without, _ = build(RDPPolicy, NEEDS, SPACE, expects=False, **SMALL)
    without.reset(0)
    batch = random_batch(NEEDS, SPACE, seed=1)
    assert without.act(window_of(batch, NEEDS)).expects == {}


def test_the_head_changes_nothing_of_what_drives() -> None:
    """Same first weights, same gradients."""
    found = []
    for expects in (True, False):
        policy, batch = build(RDPPolicy, NEEDS, SPACE, expects=expects, **SMALL)
        policy.loss(batch, "tokenizer", torch.Generator().manual_seed(0))["loss"].backward()
        assert isinstance(policy, RDPPolicy)
        weights = {n: w for n, w in policy.named_parameters() if "expectation" not in n}
        gradients = [weight.grad for weight in policy.tokenizer.parameters()]
        found.append((weights, gradients))
    (with_it, its), (without, others) = found
    assert with_it.keys() == without.keys()
    for name, weight in with_it.items():
        assert torch.equal(weight, without[name]), name
    for one, other in zip(its, others, strict=True):
        assert one is not None and other is not None and torch.allclose(one, other, atol=1e-7)


def test_what_was_stored_before_there_was_a_head_is_read_without_one() -> None:
    new = RDPPolicy.configure(NEEDS, SPACE)
    assert new.expects is True  # type: ignore[attr-defined]
    fields = msgspec.to_builtins(new)
    del fields["expects"]
    assert RDPPolicy.read_config(fields).expects is False  # type: ignore[attr-defined]
