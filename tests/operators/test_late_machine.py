"""A machine that stalls makes the mapping let go; a script takes hold again as a person would."""

from __future__ import annotations

import pytest

from devices import plugins
from devices.clock import FakeClock
from devices.guard import Measured
from devices.leaders.scripted import ScriptedLeader
from devices.mapping.chain import DriveChain
from devices.sim.world import World


@pytest.mark.parametrize("scene_name", ["wipe", "drawer"])
def test_a_script_finishes_its_task_on_a_machine_that_stalls(scene_name: str) -> None:
    clock = FakeClock()
    robot = plugins.load("robots", "openarm_v2")()
    scene = plugins.load("scenes", scene_name)()
    world = World(robot, scene, seed=5, clock=clock)
    chain = DriveChain(robot, clock)
    chain.start(robot.home, dict.fromkeys(robot.home, robot.home_gap))
    leader = ScriptedLeader(scene_name)
    let_go = 0
    for number in range(15_000):
        clock.advance_s(0.2 if number % 400 == 399 else 0.004)
        observation = world.observation(clock.now_ns())
        tick = chain.tick(leader.read(observation), Measured(observation.wrench))
        let_go += number % 400 == 399 and tick.phase == "holding"
        world.command(tick.command)
        world.advance_to(clock.now_ns(), 40)
        world.collect()
        if leader.finished:
            break
    assert leader.finished
    assert scene.success(world.model, world.data)
    assert let_go > 0, "the stalls never mattered, so this test shows nothing"
