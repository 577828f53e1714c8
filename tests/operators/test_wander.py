"""Hands that are pushed: the operator comes back, and the take tells what was nobody's wish."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fast_collect import fast_collect
from app.rollout.arena import Arena, ScriptedDriver
from app.runtime.station_file import StationFile
from datasets.dataset import Dataset
from datasets.library import Library
from datasets.reader import Episode
from datasets.window_choice import Choice
from datasets.windows import EpisodeDataset
from devices.errors import ConfigError, StorageError
from devices.leaders.scripted import ScriptedLeader
from devices.operators.wander import ASIDE_M, LIFT_M, PAUSE_S, PRESS_M, Wander
from policies.presets import needs_of, space_of


@given(st.integers(0, 2**31), st.sampled_from([0.002, 0.004, 0.02]))
@settings(max_examples=20, deadline=None)
def test_pushes_are_seeded_bounded_apart_and_do_not_depend_on_the_step(
    seed: int, dt: float
) -> None:
    one, same = Wander(seed), Wander(seed)
    total, began, pushes, quiet_s = np.zeros(3), np.zeros(3), 0, 0.0
    for _ in range(round(20.0 / dt)):
        before = one.pushing
        step = one.step(dt)
        np.testing.assert_array_equal(step, same.step(dt))
        total += step
        moved = bool(step.any())
        assert not moved or before or quiet_s >= PAUSE_S - 2 * dt
        quiet_s = 0.0 if moved else quiet_s + dt
        if before and not one.pushing:  # a push has ended
            push = total - began
            assert -PRESS_M[1] - 1e-9 <= push[2] <= LIFT_M[1] + 1e-9
            assert np.linalg.norm(push[:2]) <= ASIDE_M[1] + 1e-9
            began, pushes = total.copy(), pushes + 1
    np.testing.assert_allclose(one.far, total, atol=1e-12)
    assert pushes >= 1


def test_an_operator_that_would_not_come_back_is_not_pushed() -> None:
    with pytest.raises(ConfigError, match="valve"):
        ScriptedLeader("valve", wander=True)


@pytest.mark.parametrize(("scene", "seed"), [("wipe", 11), ("peel", 12)])
def test_a_pushed_operator_still_does_its_task(scene: str, seed: int) -> None:
    trial = Arena(scene).run(ScriptedDriver(scene, wander=True), seed)
    assert trial.success and trial.finished, trial


def test_a_take_tells_the_pushes_and_windows_keep_off_them(tmp_path: Path) -> None:
    fast_collect(StationFile(scene="wipe", seed=3), tmp_path, takes=1, wander=True, say=str)
    dataset = Dataset.open(tmp_path)
    needs, space = needs_of("state", ("right",)), space_of(("right",))
    with Episode.open(dataset.episode_path(Library(dataset).cards()[0].uid)) as episode:
        pushed = np.asarray(episode["leader/right_push"].t_ns)
        far = np.asarray(episode["leader/right_push"].values)
        hand = np.asarray(episode["leader/right"].values)
        hand_ns = np.asarray(episode["leader/right"].t_ns)
        assert not len(episode["leader/left_push"]), "a hand off the clutch is not pushed"
    # The hand moved as it was pushed, within a push and from one row to the next.
    rows = np.searchsorted(hand_ns, pushed)
    # What is left is its own motion, which is as slow as ever.
    together = np.diff(pushed) < 5_000_000
    own = np.diff(hand[rows, :3], axis=0) - np.diff(far, axis=0)
    assert together.sum() > 10 and np.abs(own[together]).max() < 0.3 * 0.004
    windows = EpisodeDataset(dataset, needs, space, Choice(hold_out=0.0))
    length = round(space.horizon / space.rate_hz * 1e9)
    begins = np.array([windows.moment(i)[1] for i in range(len(windows))])
    assert len(begins) > 50
    first = np.searchsorted(pushed, begins)
    assert (first == np.searchsorted(pushed, begins + length)).all()
    assert (begins > pushed[-1]).any() or (first > 0).any(), "what comes after a push is taught"


def test_followed_pushes_leave_the_operators_own_motion(tmp_path: Path) -> None:
    fast_collect(StationFile(scene="wipe", seed=3), tmp_path, takes=1, wander=True, say=str)
    dataset = Dataset.open(tmp_path)
    needs, space = needs_of("state", ("right",)), space_of(("right",))
    kept = EpisodeDataset(dataset, needs, space, Choice(hold_out=0.0))
    all_of = EpisodeDataset(dataset, needs, space, Choice(hold_out=0.0, pushed="follow"))
    batch = all_of.batch(np.arange(len(all_of)))
    pushed = batch["pushed"]
    assert 0 < pushed.sum() < len(all_of) and (~pushed).sum() == len(kept)
    # Where nobody was pushed nothing has changed.
    np.testing.assert_array_equal(
        batch["actions"][~pushed], kept.batch(np.arange(len(kept)))["actions"]
    )
    # Where somebody was, what is left is no faster than a hand that feels its way or lifts.
    steps = np.abs(np.diff(batch["actions"][..., 2], axis=1)) * space.rate_hz
    assert steps[pushed].max() < 0.26
    with pytest.raises(StorageError, match="follow"):
        Choice(pushed="ignore")  # type: ignore[arg-type]
