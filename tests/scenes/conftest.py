"""Scenes are built once a session; every test resets its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import mujoco
import numpy as np
import pytest

from devices import plugins
from devices.clock import FakeClock
from devices.sim.build import build_for
from devices.sim.scene import Scene, Touch
from devices.sim.world import World

MakeWorld = Callable[[str, int], World]


@pytest.fixture(scope="session")
def make_world() -> MakeWorld:
    """A world of a scene, freshly reset by a seed. One world a scene: use one at a time."""
    robot = plugins.load("robots", "openarm_v2")()

    @cache
    def built(name: str) -> World:
        scene: Scene = plugins.load("scenes", name)()
        model: mujoco.MjModel = build_for(robot, scene, "minimal")
        return World(robot, scene, seed=0, clock=FakeClock(), model=model)

    def make(name: str, seed: int) -> World:
        world = built(name)
        world.reset(seed)
        return world

    return make


@pytest.fixture
def no_touch() -> Touch:
    """Nothing is felt anywhere."""
    return Touch(field={}, pad_pose={}, wrench={"left": np.zeros(6), "right": np.zeros(6)})
