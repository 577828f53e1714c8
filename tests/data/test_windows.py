"""Reading for training: what comes out of a window can be foretold from how the take was made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from datasets.dataset import Dataset
from datasets.library import Library
from datasets.reader import Episode
from datasets.window_actions import IDLE_LEAD_S, rotation_columns
from datasets.window_choice import Choice, is_held_out
from datasets.window_order import BatchOrder
from datasets.windows import EpisodeDataset
from devices.errors import StorageError, StreamError
from devices.pose import matrix_from_quat, normalized
from policies.contract import ActionSpace, StreamNeed
from policies.loading import batches, tensors
from tests.data.recording import read_barcode
from tests.policies.takes import FRONT, NEEDS, SPACE, WAIT_S, ends, pose_at, reaching, record

ALL = Choice(split="all")
CAMERA = StreamNeed(stream=FRONT.name, key="front", shape=(48, 64, 3), rate_hz=10.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return reaching(tmp_path_factory.mktemp("windows") / "set", 4, pictures=True)


def begun(dataset: Dataset, uid: str) -> int:
    with Episode.open(dataset.episode_path(uid)) as episode:
        return int(episode.span_ns[0])


def test_windows_and_chunks_are_what_was_recorded(dataset: Dataset) -> None:
    data = EpisodeDataset(dataset, NEEDS, SPACE, ALL)
    batch = data.batch(np.arange(len(data)))
    for i in range(len(data)):
        uid, t_ns = data.moment(i)
        at = (t_ns - begun(dataset, uid)) / 1e9
        start, target = ends(dataset.uids().index(uid))
        seen = pose_at(start, target, at - np.array([1 / 12, 0.0]))
        np.testing.assert_allclose(batch["pose"][i, :, :3], seen, atol=0.2 * 0.003)
        times = np.minimum(at + np.arange(8) / 10.0, 2.4)
        wanted = pose_at(start, target, times)
        kept = batch["mask"][i]
        np.testing.assert_allclose(batch["actions"][i, kept, :3], wanted[kept], atol=0.2 * 0.005)
        np.testing.assert_allclose(batch["touch"][i, kept, 0], np.sin(times[kept]), atol=0.009)
        assert np.array_equal(batch["target"][i], np.tile(target.astype(np.float32), (2, 1)))


def test_windows_begin_shortly_before_the_hand_moves_and_end_with_the_requests(
    dataset: Dataset,
) -> None:
    data = EpisodeDataset(dataset, NEEDS, SPACE, ALL)
    whole = EpisodeDataset(dataset, NEEDS, SPACE, Choice(split="all", idle="keep"))
    assert len(whole) > len(data)
    for uid in dataset.uids():
        times = [data.moment(i)[1] for i in range(len(data)) if data.moment(i)[0] == uid]
        first, last = ((t - begun(dataset, uid)) / 1e9 for t in (min(times), max(times)))
        assert WAIT_S - IDLE_LEAD_S <= first <= WAIT_S - IDLE_LEAD_S + 0.05
        assert 2.3 - 0.1 <= last <= 2.4


def test_the_mask_ends_with_the_take_and_the_last_action_stays(dataset: Dataset) -> None:
    batch = EpisodeDataset(dataset, NEEDS, SPACE, ALL).batch(np.arange(22))
    assert batch["mask"][:, 0].all() and not batch["mask"].all()
    for actions, mask in zip(batch["actions"], batch["mask"], strict=True):
        count = int(mask.sum())
        assert mask[:count].all() and not mask[count:].any()
        assert np.array_equal(actions[count:], np.tile(actions[count - 1], (8 - count, 1)))


def test_pictures_belong_to_their_instant(dataset: Dataset) -> None:
    data = EpisodeDataset(dataset, [*NEEDS, CAMERA], SPACE, ALL, picture_cache=0)
    order = np.random.default_rng(0).permutation(len(data))[:20]
    batch = data.batch(order)
    for i, pictures in zip(order, batch["front"], strict=True):
        uid, t_ns = data.moment(int(i))
        at = (t_ns - begun(dataset, uid)) / 1e9 - np.array([0.1, 0.0])
        shown = [read_barcode(picture) for picture in pictures]
        assert shown == np.floor(at * 30.0 + 1e-6).astype(int).tolist()


def test_pictures_are_resized_and_the_memory_of_them_changes_nothing(dataset: Dataset) -> None:
    small = StreamNeed(stream=FRONT.name, key="front", shape=(24, 32, 3))
    plain = EpisodeDataset(dataset, [small], SPACE, ALL, picture_cache=0)
    kept = EpisodeDataset(dataset, [small], SPACE, ALL, picture_cache=20 * 24 * 32 * 3)
    rng = np.random.default_rng(1)
    for _ in range(5):
        order = rng.integers(0, len(plain), 8)
        a, b = plain.batch(order)["front"], kept.batch(order)["front"]
        assert a.shape == (8, 2, 24, 32, 3) and a.dtype == np.uint8 and np.array_equal(a, b)


def test_skew_is_told_and_what_is_out_of_tolerance_is_refused(dataset: Dataset) -> None:
    slow = StreamNeed(stream="target/position", key="target", shape=(3,), steps=1)
    space = ActionSpace(sides=("right",), horizon=8, rate_hz=7.0)  # in no step with 50 Hz
    reading = EpisodeDataset(dataset, [slow], space, ALL).reading
    assert reading.refused == 0 and 15.0 < reading.skews[0].max_ms <= 20.0
    strict = StreamNeed(
        stream="target/position", key="target", shape=(3,), steps=1, tolerance_ms=10.0
    )
    data = EpisodeDataset(dataset, [strict], space, ALL)
    refused = data.reading.skews[0].refused
    assert refused == {"nearest row out of tolerance": data.reading.refused}
    assert data.reading.skews[0].max_ms <= 10.0
    assert len(data) + data.reading.refused == reading.windows
    assert f"{data.reading.refused} windows refused" in " ".join(data.reading.sentences)


def test_interpolated_rows_lie_between_their_neighbours(dataset: Dataset) -> None:
    need = StreamNeed(
        stream="right_arm/T_world_tool", key="pose", shape=(7,), rule="interpolate", rate_hz=7.0
    )
    data = EpisodeDataset(dataset, [need], SPACE, ALL)
    batch = data.batch(np.arange(len(data)))
    for i in range(0, len(data), 7):
        uid, t_ns = data.moment(i)
        at = (t_ns - begun(dataset, uid)) / 1e9 - np.array([1 / 7.0, 0.0])
        wanted = pose_at(*ends(dataset.uids().index(uid)), at)
        np.testing.assert_allclose(batch["pose"][i, :, :3], wanted, atol=1e-4)


def test_values_that_are_not_finite_refuse_their_windows(tmp_path: Path) -> None:
    dataset = reaching(tmp_path / "set", 1, nan_touch=True)
    data = EpisodeDataset(dataset, NEEDS, SPACE, Choice(split="all", hold_out=0.0))
    batch = data.batch(np.arange(len(data)))
    assert all(np.isfinite(values).all() for values in batch.values())
    assert data.reading.skews[2].refused == {"values that are not finite": data.reading.refused}
    assert data.reading.refused > 5


def test_only_what_people_kept_is_read(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "set")
    good = record(dataset, 1)
    record(dataset, 2, verdict="failure")
    record(dataset, 3, verdict=None)
    gone = record(dataset, 4)
    Library(dataset).delete(gone)
    keep = Choice(hold_out=0.0)
    data = EpisodeDataset(dataset, NEEDS, SPACE, keep)
    assert [source.uid for source in data.sources] == [good]
    assert len(EpisodeDataset(dataset, NEEDS, SPACE, Choice(hold_out=0.0, verdict=None)).uids) == 3
    by_path = EpisodeDataset([dataset.episode_path(good)], NEEDS, SPACE, keep)
    assert len(by_path) == len(data)
    first = begun(dataset, good)
    Library(dataset).trim(good, (first + 1_000_000_000, first + 1_500_000_000))
    trimmed = EpisodeDataset(dataset, NEEDS, SPACE, keep)
    assert len(trimmed) == 6 and trimmed.digest != data.digest


def test_where_nobody_drove_there_is_no_window(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "set")
    still, moved = record(dataset, 1, asked=False), record(dataset, 2)
    data = EpisodeDataset(dataset, NEEDS, SPACE, Choice(hold_out=0.0))
    assert data.reading.left_out == {still: "nobody asked for motion of the right hand"}
    assert {data.moment(i)[0] for i in range(len(data))} == {moved}
    # Asked for all of it: before anything is requested, the action is to stay.
    whole = EpisodeDataset(dataset, NEEDS[:2], SPACE, Choice(hold_out=0.0, span="all"))
    stays = [i for i in range(len(whole)) if whole.moment(i)[0] == still]
    batch = whole.batch(np.array(stays))
    np.testing.assert_allclose(batch["actions"][:, 0, :3], batch["pose"][:, 1, :3], atol=1e-3)
    assert np.allclose(batch["actions"][..., 3], 0.04)


def test_weights_are_given_and_what_weighs_nothing_is_left_out(dataset: Dataset) -> None:
    one, two, *_ = dataset.uids()

    def late(uid: str, t_ns: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(t_ns)) < 3, 0.0, 2.0)

    data = EpisodeDataset(
        dataset, NEEDS, SPACE, ALL, weights={one: 0.0, two: 0.5}, window_weights=late
    )
    plain = EpisodeDataset(dataset, NEEDS, SPACE, ALL)
    assert one not in data.uids
    weight = data.batch(np.arange(len(data)))["weight"]
    for i in range(len(data)):
        assert weight[i] == (1.0 if data.moment(i)[0] == two else 2.0)
    counts = [sum(plain.moment(i)[0] != one for i in range(len(plain))), len(data)]
    assert counts[0] - counts[1] == 3 * 3
    with pytest.raises(StorageError, match="not there"):
        EpisodeDataset(dataset, NEEDS, SPACE, ALL, weights={"20260101T000000000Z-aaaaaa": 1.0})
    with pytest.raises(StorageError, match="cannot weigh -1"):
        EpisodeDataset(dataset, NEEDS, SPACE, ALL, weights={one: -1.0})


@given(st.sets(st.integers(0, 10**6), max_size=60), st.integers(0, 10**6), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_new_episodes_move_no_old_one_across(uids: set[int], new: int, seed: int) -> None:
    before = {uid: is_held_out(str(uid), 0.2, seed) for uid in uids}
    after = {uid: is_held_out(str(uid), 0.2, seed) for uid in uids | {new}}
    assert all(after[uid] == held for uid, held in before.items())


def test_about_the_share_is_held_out_and_no_episode_is_on_both_sides(dataset: Dataset) -> None:
    held = sum(is_held_out(str(n), 0.2, 0) for n in range(5000))
    assert 900 < held < 1100
    uids = dataset.uids()
    seed = next(n for n in range(99) if 0 < sum(is_held_out(u, 0.5, n) for u in uids) < len(uids))
    choice = {"hold_out": 0.5, "seed": seed}
    train = EpisodeDataset(dataset, NEEDS, SPACE, Choice(split="train", **choice))
    other = EpisodeDataset(dataset, NEEDS, SPACE, Choice(split="hold-out", **choice))
    one, two = ({source.uid for source in data.sources} for data in (train, other))
    assert not one & two and one | two == set(uids)


@given(st.integers(1, 50), st.integers(1, 70), st.integers(0, 10**6), st.integers(0, 30))
@settings(deadline=None, max_examples=60)
def test_the_order_can_be_entered_anywhere(count: int, batch: int, seed: int, at: int) -> None:
    order = BatchOrder(count, batch, seed)
    walked = order.since(0)
    several = [next(walked) for _ in range(at + 1)]
    assert np.array_equal(several[at], BatchOrder(count, batch, seed)[at])
    flat = np.concatenate(several)
    for epoch in range(len(flat) // count):
        whole = flat[epoch * count : (epoch + 1) * count]
        assert sorted(whole.tolist()) == list(range(count))


def test_read_ahead_changes_nothing(dataset: Dataset) -> None:
    data = EpisodeDataset(dataset, [*NEEDS, CAMERA], SPACE, ALL, picture_cache=0)
    order = BatchOrder(len(data), 5, 7)
    sources = [batches(data, order, 3, workers=workers) for workers in (0, 1, 3)]
    for _ in range(6):
        one, *others = (next(source) for source in sources)
        for other in others:
            assert all(torch.equal(one[key], other[key]) for key in one)
    for source in sources:
        source.close()


def test_a_torch_loader_works_on_top(dataset: Dataset) -> None:
    data = EpisodeDataset(dataset, NEEDS, SPACE, ALL)
    order = BatchOrder(len(data), 16, 0)
    loader = DataLoader(
        data,  # type: ignore[arg-type]
        batch_sampler=[order[n].tolist() for n in range(3)],
        collate_fn=tensors,
    )
    found = list(loader)
    assert len(found) == 3 and found[1]["pose"].shape == (16, 2, 7)
    assert torch.equal(found[1]["pose"], torch.from_numpy(data.batch(order[1])["pose"]))
    assert data[-1]["actions"].shape == (8, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stream": "left_arm/T_world_tool"}, "no stream 'left_arm/T_world_tool' .4 of 4"),
        ({"shape": (6,)}, r"rows of \(7,\), not \(6,\)"),
        ({"unit": "mm"}, "told in 'm,wxyz', not 'mm'"),
        ({"frame": "base"}, "in the frame 'world', not 'base'"),
        ({"key": "actions"}, "would be called 'actions'"),
    ],
)
def test_what_does_not_fit_is_named(dataset: Dataset, change: dict[str, object], said: str) -> None:
    fields = {"stream": "right_arm/T_world_tool", "key": "pose", "shape": (7,), **change}
    with pytest.raises(StreamError, match=said):
        EpisodeDataset(dataset, [StreamNeed(**fields)], SPACE, ALL)  # type: ignore[arg-type]


def test_nothing_to_train_on_is_said_with_the_reasons(dataset: Dataset) -> None:
    strict = StreamNeed(stream="target/position", key="t", shape=(3,), tolerance_ms=0.0, steps=9)
    with pytest.raises(StorageError, match="No window can be made from 4 episodes"):
        EpisodeDataset(dataset, [strict], SPACE, ALL)
    with pytest.raises(StorageError, match="no episode to train on"):
        EpisodeDataset(dataset, NEEDS, SPACE, Choice(task="dance"))
    bad: list[Callable[[], Choice]] = [
        lambda: Choice(hold_out=1.0),
        lambda: Choice(stride=0),
        lambda: Choice(split="half"),  # type: ignore[arg-type]
    ]
    for make in bad:
        with pytest.raises(StorageError):
            make()


def test_a_stride_leaves_windows_out_and_chunks_dense(dataset: Dataset) -> None:
    one = EpisodeDataset(dataset, NEEDS, SPACE, ALL)
    three = EpisodeDataset(dataset, NEEDS, SPACE, Choice(split="all", stride=3))
    times = [one.moment(i) for i in range(len(one))]
    for i in range(len(three)):
        j = times.index(three.moment(i))
        assert np.array_equal(one[j]["actions"], three[i]["actions"])
    assert len(one) / 3 <= len(three) <= len(one) / 3 + 4


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
@settings(deadline=None, max_examples=40)
def test_rotations_are_told_as_the_action_space_says(quat: list[float]) -> None:
    unit = normalized(np.array(quat))
    matrix = matrix_from_quat(unit)
    columns = rotation_columns(unit[None])[0]
    np.testing.assert_allclose(columns, np.concatenate([matrix[:, 0], matrix[:, 1]]), atol=1e-12)


def test_turning_actions_have_their_columns(dataset: Dataset) -> None:
    space = ActionSpace(sides=("right",), rotation=True, horizon=4)
    data = EpisodeDataset(dataset, NEEDS, space, ALL)
    actions = data.batch(np.arange(3))["actions"]
    assert actions.shape == (3, 4, space.width)
    assert np.allclose(actions[..., 3:9], [1, 0, 0, 0, 1, 0])
