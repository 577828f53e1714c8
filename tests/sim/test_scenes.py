"""Every registered scene passes through the same cases."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from devices import plugins
from devices.errors import ConfigError
from devices.sim.build import build
from devices.sim.scenes.perturbation import BEGUN

from .conftest import WorldMaker

SCENES = sorted(plugins.survey("scenes")[0])


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_package_scenes_are_there() -> None:
    assert {"drawer", "peg", "valve", "bottle"} <= set(SCENES)


def test_a_scene_says_what_it_is(make_world: WorldMaker, scene: str) -> None:
    world = make_world(scene)
    told = world.scene
    assert told.name == scene
    assert told.title and told.instruction.endswith(".")
    assert {"moved_before_contact", "moved_after_contact"} <= set(told.perturbations)
    cameras = {world.model.camera(i).name for i in range(world.model.ncam)}
    assert {"front", "wrist_left", "wrist_right"} <= cameras


def test_starts_are_undone_tasks_that_touch_no_finger(make_world: WorldMaker, scene: str) -> None:
    world = make_world(scene)
    for seed in range(12):
        world.reset(seed)
        model, data = world.model, world.data
        assert world.scene.progress(model, data) < 0.2
        assert not world.scene.success(model, data)
        assert all((field == 0).all() for field in world.touch.field.values())
        assert all((wrench == 0).all() for wrench in world.touch.wrench.values())


def test_starts_differ_and_stay(make_world: WorldMaker, scene: str) -> None:
    world = make_world(scene)
    starts = []
    for seed in range(4):
        world.reset(seed)
        before = world.scene.observe(world.model, world.data)
        assert all(np.isfinite(value).all() for value in before.values())
        starts.append(np.concatenate([np.ravel(v) for v in before.values()]))
        world.step(300)
        after = world.scene.observe(world.model, world.data)
        for name, value in before.items():
            if value.shape == (7,):
                assert np.linalg.norm(after[name][:3] - value[:3]) < 0.004, name
        assert 0.0 <= world.scene.progress(world.model, world.data) < 0.2
    assert len({start.tobytes() for start in starts}) == len(starts)


def test_perturbations_move_something(make_world: WorldMaker, scene: str) -> None:
    world = make_world(scene)
    for name in world.scene.perturbations:
        world.reset(1)
        still = world.scene.observe(world.model, world.data)
        known = world.data.userdata.copy()
        world.perturb(name)
        world.step(500)
        if name == BEGUN:
            assert not np.array_equal(world.data.userdata, known)
            continue
        moved = world.scene.observe(world.model, world.data)
        way = [np.abs(moved[k][:3] - still[k][:3]).max() for k in still if still[k].shape == (7,)]
        assert max(way) > 0.001, name
    with pytest.raises(ConfigError, match=world.scene.perturbations[0]):
        world.perturb("no such thing")


def test_dressing_leaves_physics_alone(scene: str) -> None:
    plain, dressed = build("openarm_v2", scene, "minimal"), build("openarm_v2", scene, "minimal")
    told = plugins.load("scenes", scene)()
    ends = []
    for model, dress in ((plain, False), (dressed, True)):
        data = mujoco.MjData(model)
        told.reset(model, data, np.random.default_rng(3))
        for _ in range(60):
            if dress:
                told.dress(model, data)
            mujoco.mj_step(model, data)
        ends.append(data.qpos.tobytes() + data.qvel.tobytes())
    assert ends[0] == ends[1]


def test_what_a_scene_remembers_is_in_the_state(make_world: WorldMaker, scene: str) -> None:
    """A perturbation under way goes on from a stored state."""
    world, other = make_world(scene), make_world(scene, seed=9)
    world.perturb(world.scene.perturbations[0])
    world.step(16)
    other.set_state_vector(world.state_vector())
    for each in (world, other):
        each.step(200)
    assert world.state_vector().tobytes() == other.state_vector().tobytes()
