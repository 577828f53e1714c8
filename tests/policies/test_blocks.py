from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from devices.errors import PolicyError
from devices.pose import Pose, matrix_from_quat
from policies.blocks.chunks import spread, weighted
from policies.blocks.frames import (
    absolute_actions,
    bases_of,
    live_bases,
    pose_features,
    prepared,
    relative_actions,
)
from policies.blocks.observation import ObservationEncoder
from policies.blocks.recorded import Recorded
from policies.blocks.schedule import Schedule, draw
from policies.blocks.unet import UNet1d
from policies.blocks.vision import ImageEncoder
from policies.contract import ActionSpace, StreamNeed, Window
from tests.policies.toys import LEFT_POSE, POSE, SPACE, TURNING, poses, random_batch

seeds = st.integers(0, 2**32 - 1)


# -------------------------------------------------------------------------------------- schedule
@settings(deadline=None)
@given(steps=st.integers(2, 200))
def test_noising_goes_from_clean_to_noise(steps: int) -> None:
    kept = Schedule(steps).kept
    assert len(kept) == steps
    assert (kept[1:] < kept[:-1]).all() and kept[-1] < 1e-3 and (kept > 0).all()


def test_the_schedule_is_the_published_one() -> None:
    """Squared cosine, offset 0.008, betas capped at 0.999 (Nichol and Dhariwal 2021)."""
    t = np.arange(101) / 100
    curve = np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
    kept = Schedule(100).kept.numpy()
    assert kept[:-1] == pytest.approx(curve[1:-1] / curve[0], rel=1e-4)


@settings(deadline=None)
@given(count=st.integers(1, 100))
def test_ddim_visits_falling_steps_from_the_noisiest_to_the_first(count: int) -> None:
    visits = Schedule(100).visits(count)
    assert len(visits) == count and visits[0] == 99
    assert visits == sorted(set(visits), reverse=True)
    assert visits[-1] == 0 or count == 1


@pytest.mark.parametrize("count", [2, 4, 8, 16, 100])
def test_ddim_draws_around_the_middle_of_what_was_shown(count: int) -> None:
    """With the best predictor there is for normal samples, known in closed form."""
    schedule, middle, sd = Schedule(100), 0.5, 0.2
    noise = draw((20_000, 1), torch.Generator().manual_seed(0), torch.empty(0))

    def predict(x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        kept = schedule.kept[step][:, None]
        return (1 - kept).sqrt() * (x - kept.sqrt() * middle) / (kept * sd**2 + 1 - kept)

    found = schedule.sample(noise, predict, count)
    assert float(found.mean()) == pytest.approx(middle, abs=0.005)


@settings(deadline=None)
@given(seed=seeds, count=st.integers(1, 20))
def test_ddim_with_a_perfect_predictor_finds_the_sample(seed: int, count: int) -> None:
    schedule = Schedule(100)
    generator = torch.Generator().manual_seed(seed)
    noise = draw((3, 8, 2), generator, torch.empty(0))
    clean = draw((3, 8, 2), generator, torch.empty(0)).clamp(-1, 1)

    def predict(x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        kept = schedule.kept[step][:, None, None]
        return (x - kept.sqrt() * clean) / (1 - kept).sqrt()

    assert torch.allclose(schedule.sample(noise, predict, count), clean, atol=1e-3)


def test_ddim_cuts_at_what_demonstrations_span() -> None:
    found = Schedule(100).sample(torch.randn(2, 8, 2), lambda x, _: -5.0 * torch.ones_like(x), 4)
    assert found.abs().max() <= 1.0 + 1e-6


# ------------------------------------------------------------------------------------------- net
@pytest.mark.parametrize("widths", [(16,), (16, 32), (16, 32, 64)])
def test_the_unet_keeps_the_shape_and_hears_step_and_observation(widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = UNet1d(5, 7, widths).eval()
    rows, step, seen = torch.randn(3, 8, 5), torch.tensor([0, 1, 50]), torch.randn(3, 7)
    told = net(rows, step, seen)
    assert told.shape == rows.shape
    assert not torch.allclose(told, net(rows, step + 1, seen))
    assert not torch.allclose(told, net(rows, step, seen + 1))
    assert torch.allclose(told[1], net(rows[1:2], step[1:2], seen[1:2])[0], atol=1e-5)


def test_lengths_that_do_not_halve_are_refused() -> None:
    net = UNet1d(4, 4, (16, 16, 16))
    net.check_length(12, "The horizon")
    with pytest.raises(PolicyError, match=r"The horizon is 18.*Allowed: 16, 20"):
        net.check_length(18, "The horizon")


# ---------------------------------------------------------------------------------------- vision
def test_pictures_become_features_without_batch_statistics() -> None:
    encoder = ImageEncoder(width=16)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in encoder.modules())
    pictures = torch.randint(0, 256, (2, 3, 40, 48, 3), dtype=torch.uint8)
    features = encoder(pictures)
    assert features.shape == (2, 3 * 128)
    assert torch.allclose(features[:1], encoder(pictures[:1]), atol=1e-5)


@settings(deadline=None)
@given(seed=seeds)
def test_crops_are_parts_of_the_picture_and_the_same_for_a_window(seed: int) -> None:
    encoder = ImageEncoder(width=16, crop=0.9)
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(30), indexing="ij")
    picture = torch.stack([rows, columns, rows], dim=-1).to(torch.uint8)
    pictures = picture.expand(4, 2, 40, 30, 3)
    cut = encoder._cropped(pictures, torch.Generator().manual_seed(seed))
    assert cut.shape == (4, 2, 36, 27, 3)
    assert torch.equal(cut[:, 0], cut[:, 1])
    for one in cut[:, 0]:
        top, left = int(one[0, 0, 0]), int(one[0, 0, 1])
        assert torch.equal(one, picture[top : top + 36, left : left + 27])
    centre = encoder._cropped(pictures, None)
    assert centre[0, 0, 0, 0].tolist() == [2, 1, 2]


# ---------------------------------------------------------------------------------------- frames
@settings(deadline=None)
@given(seed=seeds)
def test_pose_features_are_position_and_two_columns(seed: int) -> None:
    pose = poses(np.random.default_rng(seed), (3,))
    told = pose_features(torch.tensor(pose)).numpy()
    for row, features in zip(pose, told, strict=True):
        matrix = matrix_from_quat(row[3:])
        assert features[:3] == pytest.approx(row[:3])
        assert features[3:6] == pytest.approx(matrix[:, 0])
        assert features[6:9] == pytest.approx(matrix[:, 1])
    other = pose * np.array([1, 1, 1, -1, -1, -1, -1])
    assert pose_features(torch.tensor(other)).numpy() == pytest.approx(told)


@settings(deadline=None)
@given(seed=seeds, rotation=st.booleans())
def test_relative_and_absolute_are_inverse(seed: int, rotation: bool) -> None:
    space = ActionSpace(sides=("left", "right"), rotation=rotation, horizon=8)
    needs = [LEFT_POSE, POSE]
    batch = random_batch(needs, space, seed=seed)
    told = prepared(needs, space, batch, relative=True)
    bases = bases_of(needs, space, told)
    for row in range(len(batch["actions"])):
        back = absolute_actions(
            told["actions"][row].numpy(), space, {s: b[row].numpy() for s, b in bases.items()}
        )
        assert back == pytest.approx(batch["actions"][row].numpy(), abs=1e-5)


@settings(deadline=None)
@given(seed=seeds)
def test_relative_with_rotation_is_the_pose_in_the_tool(seed: int) -> None:
    chance = np.random.default_rng(seed)
    base, goal = (Pose.from_array(row) for row in poses(chance, (2,)))
    space = ActionSpace(sides=("right",), rotation=True)
    action = torch.tensor(space.row({"right": goal}, {"right": 0.03}))[None, None]
    features = pose_features(torch.tensor(base.to_array()))[None]
    told = relative_actions(action, space, {"right": features})[0, 0].numpy()
    assert told == pytest.approx(space.row({"right": base.inverse() @ goal}, {"right": 0.03}))


def test_relative_without_rotation_is_a_difference_and_gaps_stay() -> None:
    batch = random_batch([POSE], SPACE)
    told = prepared([POSE], SPACE, batch, relative=True)
    newest = batch["pose"][:, -1:, :3]
    assert torch.allclose(told["actions"][..., :3], batch["actions"][..., :3] - newest)
    assert torch.equal(told["actions"][..., 3], batch["actions"][..., 3])


def test_relative_observations_end_at_the_origin() -> None:
    needs = [LEFT_POSE, POSE]
    told = prepared(needs, TURNING, random_batch(needs, TURNING), True, relative_observation=True)
    for need in needs:
        here = torch.tensor([0.0, 0, 0, 1, 0, 0, 0, 1, 0])
        assert torch.allclose(told[need.key][:, -1], here.expand(6, 9), atol=1e-5)


GLANCE = StreamNeed(stream="scene/glance", key="glance", shape=(9,), unit="mixed", steps=1)


def seen(batch: dict[str, torch.Tensor], shift: Pose, yaw: float) -> dict[str, torch.Tensor]:
    """A batch in which the thing stands where `shift` and a heading [rad] say."""
    turn = np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])
    told = dict(batch)
    told["glance"] = batch["glance"].clone()
    told["glance"][..., :7] = torch.tensor(np.concatenate([shift.position, turn]))
    return told


@settings(deadline=None)
@given(seed=seeds, rotation=st.booleans(), relative=st.booleans())
def test_actions_about_a_thing_come_back(seed: int, rotation: bool, relative: bool) -> None:
    space = ActionSpace(sides=("left", "right"), rotation=rotation, horizon=8)
    needs = [LEFT_POSE, POSE, GLANCE]
    chance = np.random.default_rng(seed)
    batch = seen(
        random_batch(needs, space, seed=seed),
        Pose.from_array(poses(chance, (1,))[0]),
        chance.uniform(-3, 3),
    )
    told = prepared(needs, space, batch, relative=relative, about="glance")
    for row in range(len(batch["actions"])):
        window = Window(0, {n.key: batch[n.key][row].numpy() for n in needs}, {}, "")
        bases = live_bases(needs, space, window, relative, "glance")
        back = absolute_actions(told["actions"][row].numpy(), space, bases)
        assert back == pytest.approx(batch["actions"][row].numpy(), abs=1e-5)


@settings(deadline=None)
@given(seed=seeds, relative=st.booleans())
def test_a_scene_moved_as_a_whole_is_told_alike(seed: int, relative: bool) -> None:
    """Thing, tool and actions carried and turned about the vertical together."""
    space = ActionSpace(sides=("right",), rotation=True, horizon=8)
    needs, chance = [POSE, GLANCE], np.random.default_rng(seed)
    here = seen(random_batch(needs, space, seed=seed), Pose(np.zeros(3), np.eye(4)[0]), 0.0)
    yaw, offset = chance.uniform(-3, 3), chance.uniform(-1, 1, 3)
    move = Pose(offset, np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]))
    turn = torch.tensor(matrix_from_quat(move.quat), dtype=torch.float32)
    there = seen(here, move, yaw)
    there["pose"] = torch.tensor(
        np.array(
            [[(move @ Pose.from_array(row)).to_array() for row in rows] for rows in here["pose"]]
        ),
        dtype=torch.float32,
    )
    parts = [here["actions"][..., 3 * i : 3 * i + 3] @ turn.T for i in range(3)]
    parts[0] = parts[0] + torch.tensor(offset, dtype=torch.float32)
    there["actions"] = torch.cat([*parts, here["actions"][..., 9:]], dim=-1)
    first = prepared(needs, space, here, relative=relative, about="glance")
    second = prepared(needs, space, there, relative=relative, about="glance")
    for key in ("pose", "glance", "actions"):
        assert torch.allclose(first[key], second[key], atol=1e-4), key


def test_heights_are_told_from_the_tool_and_places_from_the_thing() -> None:
    needs = [POSE, GLANCE]
    batch = seen(random_batch(needs, SPACE), Pose(np.array([0.4, 0.1, 0.5]), np.eye(4)[0]), 0.0)
    told = prepared(needs, SPACE, batch, relative=True, about="glance")["actions"][..., :3]
    offset = batch["actions"][..., :3] - told
    assert torch.allclose(offset[..., :2], torch.tensor([0.4, 0.1]), atol=1e-5)
    assert torch.allclose(offset[..., 2], batch["pose"][:, -1:, 2], atol=1e-5)


def test_what_is_not_seen_is_named() -> None:
    with pytest.raises(PolicyError, match=r"about 'cup'.*glance"):
        prepared([POSE, GLANCE], SPACE, random_batch([POSE, GLANCE], SPACE), False, about="cup")


# ---------------------------------------------------------------------------------------- chunks
def test_spread_is_zero_for_one_opinion_and_one_for_opposites() -> None:
    one = np.full((4, 8, 2), 0.3)
    assert spread(one) == 0.0
    assert spread(np.concatenate([np.ones((2, 8, 2)), -np.ones((2, 8, 2))])) == 1.0
    assert spread(one[:1]) is None


def test_weighted_means_leave_out_what_weighs_nothing() -> None:
    errors = torch.tensor([[1.0, 1.0], [5.0, 7.0]])
    assert weighted(errors, {"weight": torch.tensor([1.0, 0.0])}) == 1.0
    assert weighted(errors, {"weight": torch.tensor([1.0, 1.0])}) == 3.5


def test_seeing_nothing_is_refused() -> None:
    with pytest.raises(PolicyError, match="see nothing"):
        ObservationEncoder([], None, 16, 0.9)  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------- recorded
@given(st.integers(1, 4), st.sampled_from([4, 8]), st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_a_recorded_network_answers_what_the_network_does(batch: int, rows: int, seed: int) -> None:
    net, recorded = _recorded()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, rows, 3, generator=generator)
    condition = torch.randn(batch, 5, generator=generator)
    step = torch.full((batch,), seed % 100)
    with torch.inference_mode():
        assert torch.equal(recorded(x, step, condition), net(x, step, condition))
        assert torch.equal(recorded(-x, step + 1, condition), net(-x, step + 1, condition))


def test_a_recorded_network_has_the_weights_of_the_network_and_a_copy_those_of_the_copy() -> None:
    net, recorded = _recorded()
    inputs = torch.ones(1, 8, 3), torch.tensor([7]), torch.ones(1, 5)
    with torch.no_grad():
        first = recorded(*inputs)
        twin = copy.deepcopy(recorded)
        for weight in net.parameters():
            weight.mul_(1.5)
        assert not torch.equal(recorded(*inputs), first)
        assert torch.equal(recorded(*inputs), net(*inputs))
        assert torch.equal(twin(*inputs), first)


def _recorded() -> tuple[UNet1d, Recorded]:
    torch.manual_seed(0)
    net = UNet1d(3, 5, (8, 16), kernel=3).eval()
    return net, Recorded(net)
