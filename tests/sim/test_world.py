"""The world tells what the contracts table promises, at the rates it promises."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import plugins
from devices.clock import NS_PER_S, FakeClock
from devices.errors import ConfigError, DeviceError
from devices.follower import ArmCommand, RobotCommand
from devices.robots.openarm import OpenArmV2
from devices.sim.build import build
from devices.sim.world import World

from .conftest import WorldMaker

MS = NS_PER_S // 1000

# Names, shapes and rates of docs/contracts.md.
TABLE = {
    **{
        f"{s}_arm/{n}": ((7,), "float64", 500)
        for s in ("left", "right")
        for n in ("q", "qd", "tau")
    },
    **{f"{s}_arm/T_world_tool": ((7,), "float64", 500) for s in ("left", "right")},
    **{f"{s}_gripper/gap": ((1,), "float64", 500) for s in ("left", "right")},
    **{f"{s}_arm/wrench": ((6,), "float64", 125) for s in ("left", "right")},
    **{
        f"{s}_{f}_pad/tactile": ((7, 9, 3), "float32", 125)
        for s in ("left", "right")
        for f in ("inner", "outer")
    },
    **{
        f"{s}_{f}_pad/pose": ((7,), "float64", 125)
        for s in ("left", "right")
        for f in ("inner", "outer")
    },
    "scene/progress": ((2,), "float64", 25),
}


def wiggle(world: World, i: int) -> RobotCommand:
    """A command that depends on nothing but its number."""
    q = {
        side: world.robot.home[side] + 0.1 * np.sin(0.03 * i + np.arange(7))
        for side in world.robot.sides
    }
    gap = 0.02 + 0.03 * np.sin(0.05 * i)  # below zero: the pads press on each other
    return RobotCommand(0, ArmCommand(q["left"], gap), ArmCommand(q["right"], gap))


def test_the_specs_are_the_contracts_table(make_world: WorldMaker) -> None:
    specs = {spec.name: spec for spec in make_world().specs}
    for name, (shape, dtype, rate) in TABLE.items():
        assert (specs[name].shape, specs[name].dtype, specs[name].rate_hz) == (shape, dtype, rate)
    assert set(specs) == {*TABLE, "sim/state", "scene/glance"}


def test_samples_come_at_their_rates_with_their_shapes(make_world: WorldMaker) -> None:
    clock = FakeClock()
    world = make_world(clock=clock)
    start = world.t_ns
    seen = defaultdict(list)
    for _ in range(250):
        world.step(4)
        for sample in world.collect():
            seen[sample.stream].append(sample)
    for spec in world.specs:
        samples = seen[spec.name]
        assert [s.seq for s in samples] == list(range(int(spec.rate_hz)))
        times = np.array([s.t_ns for s in samples])
        assert times[0] == start
        assert (np.diff(times) == round(NS_PER_S / spec.rate_hz)).all()
        for sample in samples:
            assert sample.data.shape == spec.shape and sample.data.dtype == spec.dtype
            assert not sample.data.flags.writeable
            assert np.isfinite(sample.data).all()
    assert world.collect() == []


def test_a_state_sample_is_the_state_of_its_time(make_world: WorldMaker) -> None:
    """Joint angles and tool pose of one sample belong together."""
    world = make_world()
    for i in range(60):
        world.command(wiggle(world, 40 + i))
        world.step(4)
    told = defaultdict(dict)
    for sample in world.collect():
        told[sample.t_ns][sample.stream] = sample.data
    other = make_world()
    for t_ns in list(told)[-6:]:
        samples = told[t_ns]
        other.set_state_vector(samples["sim/state"])
        pose = other.observation(0).tool["left"]
        assert np.allclose(pose.position, samples["left_arm/T_world_tool"][:3], atol=1e-12)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 120), st.sampled_from(["drawer", "peg"]))
def test_a_state_and_its_commands_replay_bit_by_bit(seed: int, until: int, scene: str) -> None:
    def world() -> World:
        return World(
            OpenArmV2(),
            plugins.load("scenes", scene)(),
            seed=seed,
            clock=FakeClock(),
            model=build("openarm_v2", scene, "minimal"),
        )

    original = world()
    for i in range(until):
        original.command(wiggle(original, i))
        original.step(4)
    copy = world()
    copy.set_state_vector(original.state_vector())
    for i in range(until, until + 40):
        for each in (original, copy):
            each.command(wiggle(each, i))
            each.step(4)
        assert original.state_vector().tobytes() == copy.state_vector().tobytes()


def test_the_same_seed_is_the_same_start(make_world: WorldMaker) -> None:
    world = make_world(seed=5)
    first = world.state_vector()
    world.step(40)
    world.reset(6)
    assert not np.array_equal(world.state_vector(), first)
    world.reset(5)
    assert np.array_equal(world.state_vector(), first)


def test_time_follows_the_clock_while_the_machine_keeps_up(make_world: WorldMaker) -> None:
    clock = FakeClock()
    world = make_world(clock=clock)
    for _ in range(100):
        clock.advance_s(0.004)
        assert world.advance_to(clock.now_ns(), max_steps=20) == 0
        assert 0 < world.t_ns - clock.now_ns() <= MS, "each step whose instant has come is made"
    assert world.realtime_factor == pytest.approx(1.0, rel=0.02)


def test_a_machine_that_falls_behind_moves_the_epoch_and_says_so(make_world: WorldMaker) -> None:
    clock = FakeClock()
    world = make_world(clock=clock)
    slipped = 0
    for _ in range(50):
        clock.advance_s(0.040)
        slipped += world.advance_to(clock.now_ns(), max_steps=20)
        assert 0 < world.t_ns - clock.now_ns() <= MS, "each step whose instant has come is made"
    assert slipped == (50 * 20 + 1) * MS  # the instant of the very beginning is one more
    assert world.realtime_factor == pytest.approx(0.5, rel=0.05)
    times = [s.t_ns for s in world.collect() if s.stream == "left_arm/q"]
    assert (np.diff(times) >= 2 * MS).all()


def test_stamps_never_go_back_over_a_reset(make_world: WorldMaker) -> None:
    world = make_world()  # the clock stands still: worse than any real one
    times = []
    for seed in range(3):
        world.step(10)
        times += [s.t_ns for s in world.collect() if s.stream == "sim/state"]
        world.reset(seed)
    world.step(10)
    times += [s.t_ns for s in world.collect() if s.stream == "sim/state"]
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize(
    "command",
    [
        ArmCommand(np.full(7, np.nan), 0.02),
        ArmCommand(np.zeros(7), float("inf")),
        ArmCommand(np.zeros(6), 0.02),
    ],
    ids=["nan", "infinite gap", "six joints"],
)
def test_bad_commands_are_refused_whole(make_world: WorldMaker, command: ArmCommand) -> None:
    world = make_world()
    before = world.state_vector()
    good = ArmCommand(np.zeros(7), 0.02)
    with pytest.raises(DeviceError, match="right"):
        world.command(RobotCommand(0, left=good, right=command))
    assert np.array_equal(world.state_vector(), before)


def test_an_absent_side_keeps_its_target(make_world: WorldMaker) -> None:
    world = make_world()
    target = world.robot.home["left"] + 0.2
    world.command(RobotCommand(0, left=ArmCommand(target, 0.05)))
    world.command(RobotCommand(0, right=ArmCommand(world.robot.home["right"], 0.05)))
    world.step(1500)
    q = [s.data for s in world.collect() if s.stream == "left_arm/q"][-1]
    assert np.allclose(q, target, atol=0.02)


def test_the_servos_hold_the_arms_without_sagging(make_world: WorldMaker) -> None:
    world = make_world()
    world.step(1000)
    for side in world.robot.sides:
        q = [s.data for s in world.collect() if s.stream == f"{side}_arm/q"]
        if q:
            assert np.abs(q[-1] - world.robot.home[side]).max() < 1e-3


def test_a_foreign_state_is_refused(make_world: WorldMaker) -> None:
    with pytest.raises(DeviceError, match="drawer"):
        make_world("drawer").set_state_vector(make_world("peg").state_vector())


def test_an_unknown_perturbation_lists_the_known(make_world: WorldMaker) -> None:
    with pytest.raises(ConfigError, match="moved_before_contact"):
        make_world().perturb("earthquake")


@given(heard=st.sets(st.sampled_from([*TABLE, "sim/state", "scene/glance"])))
@settings(max_examples=12, deadline=None)
def test_who_hears_less_hears_the_same(heard: set[str]) -> None:
    def told(streams: set[str] | None) -> dict[tuple[str, int], bytes]:
        world = World(OpenArmV2(), plugins.load("scenes", "wipe")(), seed=3, clock=FakeClock())
        world.listen(streams)
        world.collect()
        for i in range(20):
            world.command(wiggle(world, i))
            world.step(4)
        return {(s.stream, s.t_ns): s.data.tobytes() for s in world.collect()}

    whole = told(None)
    assert told(heard) == {key: data for key, data in whole.items() if key[0] in heard}
