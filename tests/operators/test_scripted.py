"""Scripted operators complete their scenes through mapping and guard, like a person would."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from app.rollout.arena import Arena, ScriptedDriver
from devices import plugins
from devices.errors import ConfigError
from devices.leader import Observation
from devices.leaders.scripted import ScriptedLeader
from devices.pose import Pose


@pytest.fixture(scope="module")
def arena() -> Callable[[str], Arena]:
    return cache(Arena)


@pytest.mark.parametrize(
    ("scene", "seed"), [("wipe", 11), ("peel", 12), ("lift", 13), ("drawer", 14)]
)
def test_it_completes_the_scene(arena: Callable[[str], Arena], scene: str, seed: int) -> None:
    trial = arena(scene).run(ScriptedDriver(scene), seed)
    assert trial.success and trial.finished, trial
    assert not trial.interventions, "a careful hand gives the guard nothing to do"


def test_touch_copes_with_a_cucumber_that_moves(arena: Callable[[str], Arena]) -> None:
    trial = arena("peel").run(ScriptedDriver("peel"), 3, perturb="moved_before_contact")
    assert trial.success and trial.perturbed_s is not None, trial


def test_an_unknown_perturbation_is_refused(arena: Callable[[str], Arena]) -> None:
    with pytest.raises(ConfigError, match="moved_before_contact"):
        arena("peel").run(ScriptedDriver("peel"), 0, perturb="eaten")


def test_an_unknown_scene_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="wipe"):
        ScriptedLeader("wype")


@pytest.mark.parametrize("scene", plugins.names("operators"))
def test_hands_are_smooth_and_slow(arena: Callable[[str], Arena], scene: str) -> None:
    """The hand's own motion over the first seconds, before anything is touched."""
    world = arena(scene).world
    world.reset(0)
    leader = ScriptedLeader(scene)
    before: dict[str, Pose] = {}
    for k in range(300):
        observation = world.observation(round(k * 4e6))
        reading = leader.read(observation)
        assert reading is not None and reading.seq == k and reading.deadman
        for side in ("left", "right"):
            hand = reading.hand(side)
            if hand is None or not hand.clutch:
                continue
            if side in before:
                step = np.linalg.norm(hand.pose.position - before[side].position)
                assert step / 0.004 < 0.26
            before[side] = hand.pose
    assert before, "no hand ever took hold"


def test_blind_hands_do_not_feel(arena: Callable[[str], Arena]) -> None:
    """The same sights with other forces move a blind operator in the same way."""
    world = arena("wipe").world
    world.reset(0)
    sights = [world.observation(round(k * 4e6)) for k in range(900)]
    numb, hurt = ScriptedLeader("wipe", touch=False), ScriptedLeader("wipe", touch=False)
    for sight in sights:
        pressed = Observation(
            t_ns=sight.t_ns,
            tool=sight.tool,
            gripper=sight.gripper,
            tactile={pad: field + 1.0 for pad, field in sight.tactile.items()},
            wrench={side: wrench + 9.0 for side, wrench in sight.wrench.items()},
            scene=sight.scene,
            progress=sight.progress,
        )
        a, b = numb.read(sight), hurt.read(pressed)
        assert a is not None and b is not None and a.right is not None and b.right is not None
        np.testing.assert_array_equal(a.right.pose.to_array(), b.right.pose.to_array())


def test_it_begins_anew_after_a_reset(arena: Callable[[str], Arena]) -> None:
    world = arena("drawer").world
    world.reset(0)
    leader = ScriptedLeader("drawer")
    for k in range(10):
        leader.read(world.observation(round(k * 4e6)))
    sight = world.observation(round(10 * 4e6))
    away = {s: Pose(p.position + np.array([0.1, 0, 0]), p.quat) for s, p in sight.tool.items()}
    jumped = Observation(
        sight.t_ns, away, sight.gripper, sight.tactile, sight.wrench, sight.scene, 0.0
    )
    reading = leader.read(jumped)
    assert reading is not None and reading.right is not None and not reading.right.clutch
