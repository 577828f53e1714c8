"""The cup creases only above its limit, and counts as lifted only when held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.sim.scene import Touch
from devices.sim.scenes.lift import Lift
from devices.sim.world import World
from tests.scenes.conftest import MakeWorld

calm = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def advance(world: World, squeeze: tuple[float, float], touch: Touch, times: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lift, "_squeeze", lambda *_: squeeze)
        for _ in range(times):
            world.scene.advance(world.model, world.data, touch)


def crush(world: World) -> float:
    return float(world.scene.observe(world.model, world.data)["crush"][0])


@calm
@given(st.floats(0, 8.0), st.floats(0, 40.0))
def test_one_gentle_hand_is_enough(
    make_world: MakeWorld, no_touch: Touch, gentle: float, other: float
) -> None:
    world = make_world("lift", 0)
    advance(world, (gentle, other), no_touch, 100)
    assert crush(world) == 0.0


def test_a_hard_squeeze_collapses_it_for_good(make_world: MakeWorld, no_touch: Touch) -> None:
    world = make_world("lift", 0)
    advance(world, (12.0, 12.0), no_touch, 30)
    assert 0.0 < crush(world) < 1.0
    advance(world, (12.0, 12.0), no_touch, 200)
    assert crush(world) == 1.0
    world.data.joint("cup_free").qpos[2] += 0.1
    advance(world, (4.0, 4.0), no_touch, 200)
    assert not world.scene.success(world.model, world.data)


def test_it_must_be_held_up_for_a_second(make_world: MakeWorld, no_touch: Touch) -> None:
    world = make_world("lift", 0)
    world.data.joint("cup_free").qpos[2] += 0.1
    advance(world, (4.0, 4.0), no_touch, 120)
    assert not world.scene.success(world.model, world.data)
    advance(world, (0.0, 0.0), no_touch, 1)  # let go: the second starts anew
    advance(world, (4.0, 4.0), no_touch, 120)
    assert not world.scene.success(world.model, world.data)
    advance(world, (4.0, 4.0), no_touch, 10)
    assert world.scene.success(world.model, world.data)


def test_a_loose_cup_falls(make_world: MakeWorld) -> None:
    world = make_world("lift", 0)
    world.data.joint("cup_free").qpos[2] += 0.1
    world.step(400)
    assert not world.scene.success(world.model, world.data)
    assert np.isclose(world.data.joint("cup_free").qpos[2], 0.4 + 0.0475, atol=0.004)
