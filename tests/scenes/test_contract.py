"""Every registered scene keeps the same promises."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from devices import plugins
from devices.errors import ConfigError
from devices.sim.scenes.perturbation import BEGUN
from devices.sim.world import World
from tests.scenes.conftest import MakeWorld

SCENES = plugins.names("scenes")


def looks(world: World) -> np.ndarray:
    """All that a scene may change before rendering, as one vector."""
    model = world.model
    world.scene.dress(model, world.data)
    return np.concatenate(
        [model.geom_rgba.ravel(), model.geom_pos.ravel(), model.geom_size.ravel()]
    ).astype(np.float64)


@pytest.mark.parametrize("name", SCENES)
def test_it_says_what_it_is(make_world: MakeWorld, name: str) -> None:
    scene = make_world(name, 0).scene
    assert scene.name == name
    assert scene.title and scene.instruction.endswith(".")
    assert {"moved_before_contact", "moved_after_contact"} <= set(scene.perturbations)
    if scene.force_band is not None:
        assert 0.0 < scene.force_band[0] < scene.force_band[1]


@pytest.mark.parametrize("name", SCENES)
def test_a_seed_is_one_start_and_seeds_differ(make_world: MakeWorld, name: str) -> None:
    first = make_world(name, 3).state_vector()
    np.testing.assert_array_equal(make_world(name, 3).state_vector(), first)
    assert not np.array_equal(make_world(name, 4).state_vector(), first)


@pytest.mark.parametrize("name", SCENES)
def test_it_starts_undone_and_stays_so_untouched(make_world: MakeWorld, name: str) -> None:
    world = make_world(name, 1)
    world.step(300)
    assert 0.0 <= world.scene.progress(world.model, world.data) < 0.05
    assert not world.scene.success(world.model, world.data)
    for key, value in world.scene.observe(world.model, world.data).items():
        assert np.isfinite(value).all(), key


@pytest.mark.parametrize("name", SCENES)
def test_a_glance_has_one_shape_and_no_hidden_height(make_world: MakeWorld, name: str) -> None:
    world = make_world(name, 1)
    first = world.scene.glance(world.model, world.data)
    surface = world.scene.observe(world.model, world.data).get("surface")
    other = make_world(name, 2)
    second = other.scene.glance(other.model, other.data)
    assert first.shape == second.shape and first.ndim == 1
    assert np.isfinite(first).all() and not np.array_equal(first, second)
    if surface is not None:
        assert not np.isclose(first[2], surface[2], atol=1e-5), "the eye misjudges the height"
        np.testing.assert_allclose(first[:2], surface[:2], atol=1e-9)


@pytest.mark.parametrize("name", SCENES)
def test_an_unknown_perturbation_is_refused_by_name(make_world: MakeWorld, name: str) -> None:
    world = make_world(name, 0)
    before = world.state_vector()
    with pytest.raises(ConfigError) as refused:
        world.perturb("painted_green")
    assert "painted_green" in str(refused.value)
    assert refused.value.allowed == world.scene.perturbations
    np.testing.assert_array_equal(world.state_vector(), before)


@pytest.mark.parametrize("name", SCENES)
def test_perturbations_really_change_the_world(make_world: MakeWorld, name: str) -> None:
    for perturbation in make_world(name, 2).scene.perturbations:
        world = make_world(name, 2)
        world.step(600)
        calm = world.data.qpos.copy(), world.data.mocap_pos.copy()
        known = world.data.userdata.copy()
        world = make_world(name, 2)
        world.perturb(perturbation)
        world.step(600)
        moved = np.abs(world.data.qpos - calm[0]).max(initial=0.0)
        slid = np.abs(world.data.mocap_pos - calm[1]).max(initial=0.0)
        loaded = np.abs(world.data.xfrc_applied).max()
        told = perturbation == BEGUN and not np.array_equal(world.data.userdata, known)
        assert max(moved, slid) > 1e-3 or loaded > 0.5 or told, perturbation


@pytest.mark.parametrize("name", SCENES)
def test_dressing_changes_no_physics(make_world: MakeWorld, name: str) -> None:
    world = make_world(name, 5)
    world.step(200)
    plain = world.state_vector()
    world = make_world(name, 5)
    for _ in range(20):
        world.scene.dress(world.model, world.data)
        world.step(10)
    np.testing.assert_array_equal(world.state_vector(), plain)


@pytest.mark.parametrize("name", SCENES)
def test_the_state_brings_the_look_back(make_world: MakeWorld, name: str) -> None:
    world = make_world(name, 6)
    rng = np.random.default_rng(0)
    fresh = looks(world)
    state = world.state_vector()
    # Something happens ...
    world.data.userdata[4:] = rng.uniform(0, 1, len(world.data.userdata[4:]))
    later = looks(world)
    later_state = world.state_vector()
    # ... somebody else looks at another start of the scene, and both are shown again.
    looks(make_world(name, 7))
    world.set_state_vector(later_state)
    np.testing.assert_array_equal(looks(world), later)
    world.set_state_vector(state)
    np.testing.assert_array_equal(looks(world), fresh)


@pytest.mark.parametrize("name", SCENES)
def test_the_cameras_are_there(make_world: MakeWorld, name: str) -> None:
    model = make_world(name, 0).model
    for camera in ("front", "wrist_left", "wrist_right"):
        assert mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, camera) >= 0
