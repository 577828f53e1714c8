"""A policy in an arena: the same rollout for the same seed, on time, safe when it is not well."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.rollout.arena import Arena
from app.rollout.policy_driver import PolicyDriver
from devices.errors import PolicyError
from devices.stream import FloatArray
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.serving.opening import Opened

POSE = StreamNeed(stream="right_arm/T_world_tool", key="pose", shape=(7,))
TOUCH = StreamNeed(stream="right_arm/wrench", key="touch", shape=(6,), span="chunk")


class Lowering:
    """Goes down from where the tool is, trembling by chance; notes what it is shown."""

    needs: tuple[StreamNeed, ...] = (POSE, TOUCH)
    space = ActionSpace(sides=("right",), horizon=16, rate_hz=20.0)

    def __init__(self, reacts: bool = False, ill: float = 0.0) -> None:
        self.reacts, self.ill = reacts, ill
        self.seen: list[Window] = []
        self.felt: list[tuple[ActionChunk, Window]] = []

    def reset(self, seed: int | None = None) -> None:
        self.chance = np.random.default_rng(seed)
        self.seen, self.felt = [], []

    def act(self, window: Window) -> ActionChunk:
        self.seen.append(window)
        if self.chance.random() < self.ill:
            raise PolicyError("It is not well")
        rows = np.arange(self.space.horizon)[:, None]
        start = np.append(window.values["pose"][-1, :3], 0.03)
        actions = start + rows * np.array([0.0, 0.0, -0.002, 0.0])
        actions[:, :2] += self.chance.normal(0.0, 0.002, (len(rows), 2))
        return ActionChunk(window.t_ns, self.space.rate_hz, actions, window.t_ns)

    def react(self, chunk: ActionChunk, latest: Window) -> FloatArray:
        self.felt.append((chunk, latest))
        return np.asarray(chunk.actions[min(len(latest.values["touch"]), 16) - 1])


class Pressing(Lowering):
    """Wants to go 0.4 m straight down at 0.1 m/s, whatever is in the way."""

    def act(self, window: Window) -> ActionChunk:
        self.seen.append(window)
        passed_s = (window.t_ns - self.seen[0].t_ns) * 1e-9
        at_s = passed_s + np.arange(self.space.horizon)[:, None] / self.space.rate_hz
        start = np.append(self.seen[0].values["pose"][-1, :3], 0.03)
        actions = start - np.minimum(0.1 * at_s, 0.4) * np.array([0.0, 0.0, 1.0, 0.0])
        return ActionChunk(window.t_ns, self.space.rate_hz, actions, window.t_ns)


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena("drawer")


def driver(arena: Arena, policy: Lowering, latency_ms: float | None = 60.0) -> PolicyDriver:
    return PolicyDriver(Path("here"), arena, latency_ms, lambda _: Opened(policy, "lowering", ""))


@pytest.mark.parametrize("reacts", [False, True])
def test_a_rollout_of_a_seed_repeats_exactly(arena: Arena, reacts: bool) -> None:
    one = driver(arena, Lowering(reacts))
    ends, states = [], []
    for seed in (3, 4, 3):
        ends.append(arena.run(one, seed, limit_s=1.5))
        states.append(arena.world.state_vector())
    np.testing.assert_array_equal(states[0], states[2])
    assert not np.array_equal(states[0], states[1])
    assert (ends[0].peak_n, ends[0].best) == (ends[2].peak_n, ends[2].best)
    assert ends[0].sim_s == 1.5 and not ends[0].finished
    assert one.infer_ms == 60.0 and one.misses == 0


def test_a_chunk_is_known_after_the_time_it_took(arena: Arena) -> None:
    moved = []
    for latency_ms in (20.0, 400.0):
        begin_ns = arena.clock.now_ns()
        one = driver(arena, policy := Lowering(), latency_ms)
        said: list[tuple[int, bool]] = []
        read = one.read

        def spy(observation, read=read, said=said):  # type: ignore[no-untyped-def]
            reading = read(observation)
            said.append((observation.t_ns, reading.right.clutch))
            return reading

        one.read = spy  # type: ignore[method-assign]
        arena.run(one, 5, limit_s=1.2)
        known = next(t_ns for t_ns, clutch in said if clutch)
        assert 0 <= known - policy.seen[0].t_ns - latency_ms * 1e6 <= 4_000_000
        moved.append(known - begin_ns)
        gaps = np.diff([window.t_ns for window in policy.seen]) / 1e6
        assert (gaps >= max(200.0, latency_ms) - 0.01).all() and (gaps <= 404.01).all()
    assert moved[1] - moved[0] == pytest.approx(380e6, abs=4.1e6)


def test_measured_time_counts_where_none_is_given(arena: Arena) -> None:
    one = driver(arena, Lowering(), None)
    arena.run(one, 5, limit_s=0.5)
    assert one.infer_ms is not None and 0.0 < one.infer_ms < 50.0


def test_the_fast_path_gets_the_touch_of_each_action_so_far(arena: Arena) -> None:
    policy = Lowering(reacts=True)
    arena.run(driver(arena, policy), 5, limit_s=1.0)
    asked = np.diff([latest.t_ns for _, latest in policy.felt]) / 1e6
    assert np.median(asked) == 8.0
    for chunk, latest in policy.felt:
        age_s = (latest.t_ns - chunk.t0_ns) * 1e-9
        assert len(latest.values["touch"]) == int(age_s * 20.0 + 1e-9) + 1
    assert all(window.values["touch"].shape == (1, 6) for window in policy.seen)


def test_a_policy_that_cannot_answer_holds_and_is_counted(arena: Arena) -> None:
    one = driver(arena, policy := Lowering(ill=1.0))
    before = arena.robot.home["right"]
    arena.run(one, 5, limit_s=0.8)
    assert one.misses > 50 and "not well" in one.holds["right"]
    np.testing.assert_allclose(arena.world.data.ctrl[arena.world._ctrl["right"][:-1]], before)
    policy.ill = 0.0
    arena.run(one, 5, limit_s=0.8)
    assert one.misses == 0 and one.holds["right"] == ""


def test_who_asks_for_what_was_sent_sees_it(arena: Arena) -> None:
    policy = Lowering()
    sent = msgspec.structs.replace(POSE, stream="right_arm/T_world_tool_sent")
    policy.needs = (sent, TOUCH)
    arena.run(driver(arena, policy), 3, limit_s=0.5)
    last = policy.seen[-1].values["pose"][-1]
    tool = arena.chain.tools_sent["right"].to_array()
    assert 0.0 < np.abs(last[:3] - tool[:3]).max() < 0.05
    np.testing.assert_allclose(np.linalg.norm(last[3:]), 1.0)


@pytest.mark.parametrize(
    ("need", "names"),
    [
        (StreamNeed(stream="front/rgb", key="a", shape=(96, 96, 3)), "front/rgb"),
        (StreamNeed(stream="scene/glance", key="a", shape=(3,)), "scene/glance"),
        (StreamNeed(stream="station/loop", key="a", shape=(8,)), "station/loop"),
    ],
)
def test_what_the_arena_does_not_have_is_named(arena: Arena, need: StreamNeed, names: str) -> None:
    policy = Lowering()
    policy.needs = (need,)
    with pytest.raises(PolicyError, match=names):
        driver(arena, policy)


def test_what_the_touch_process_tells_is_told_in_an_arena_too(arena: Arena) -> None:
    policy = Lowering()
    names = ("pca", "deformation", "markers")
    shapes = ((15,), (63, 3), (63, 2))
    policy.needs = (
        POSE,
        *(
            StreamNeed(stream=f"right_inner_pad/{name}", key=name, shape=shape)
            for name, shape in zip(names, shapes, strict=True)
        ),
    )
    one = driver(arena, policy)
    arena.run(one, 5, limit_s=0.6)
    assert one.misses == 0 and len(policy.seen) >= 2
    for name, shape in zip(names, shapes, strict=True):
        rows = policy.seen[-1].values[name]
        assert rows.shape[1:] == shape and np.isfinite(rows).all()


def test_a_reading_is_felt_but_not_while_a_part_of_it_cannot_be_told(arena: Arena) -> None:
    """The drawer asks for no force, so its band is NaN: refused as on the station, by window."""
    policy = Lowering()
    policy.needs = (POSE, StreamNeed(stream="right_inner_pad/reading", key="felt", shape=(8,)))
    one = driver(arena, policy)
    arena.run(one, 5, limit_s=1.2)
    assert not policy.seen and "right_inner_pad/reading" in one.holds["right"]
    assert "not finite" in one.holds["right"]


def test_the_guard_of_an_arena_feels_what_the_robot_feels(arena: Arena) -> None:
    """A policy that wants to be deep in the table is let no deeper than the limit of force; it is
    told apart from a blow."""
    one = driver(arena, Pressing())
    free = arena.run(one, 5, limit_s=0.3)
    pressed = arena.run(one, 5, limit_s=5.0)
    limit = arena.robot.limits["right"].tool_force_max
    assert free.held_n <= free.peak_n and "force" not in free.interventions
    assert pressed.interventions["force"] > 0
    # When it bumps into the drawer the force is above the limit for a moment; it does not stay so.
    assert 0.5 * limit < pressed.held_n <= 1.1 * limit
    assert pressed.held_n < pressed.peak_n
