"""Detail levels change what is seen and nothing else; built models are cached by content."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from devices.errors import ConfigError
from devices.sim.build import build, cache_folder
from devices.sim.detail import DETAILS, Detail

STATE = mujoco.mjtState.mjSTATE_INTEGRATION


@pytest.fixture(scope="module")
def models() -> dict[Detail, mujoco.MjModel]:
    return {detail: build("openarm_v2", "drawer", detail) for detail in DETAILS}


def test_lower_detail_has_fewer_triangles(models: dict[Detail, mujoco.MjModel]) -> None:
    seen = [models[detail].mesh_facenum.sum() for detail in ("full", "reduced", "minimal")]
    assert seen[0] > 2 * seen[1] and seen[1] > seen[2]


@pytest.mark.parametrize("detail", ["reduced", "minimal"])
def test_names_and_numbers_stay(models: dict[Detail, mujoco.MjModel], detail: Detail) -> None:
    full, other = models["full"], models[detail]
    for count in ("nq", "nv", "nu", "nbody", "ngeom", "nsite", "ncam", "nmesh", "nuserdata"):
        assert getattr(full, count) == getattr(other, count), count
    assert full.names == other.names
    collides = (full.geom_contype | full.geom_conaffinity) != 0
    for array in ("geom_pos", "geom_quat", "geom_size", "geom_friction", "geom_solref"):
        assert np.array_equal(getattr(full, array)[collides], getattr(other, array)[collides])
    for array in ("body_mass", "body_inertia", "body_ipos", "dof_damping", "actuator_gainprm"):
        assert np.array_equal(getattr(full, array), getattr(other, array)), array


def test_trajectories_are_equal_bit_by_bit(models: dict[Detail, mujoco.MjModel]) -> None:
    ends = []
    for model in models.values():
        data = mujoco.MjData(model)
        rng = np.random.default_rng(0)
        for _ in range(400):
            data.ctrl[:] = rng.uniform(-0.5, 0.5, model.nu)  # rough: arms hit table and each other
            mujoco.mj_step(model, data)
        state = np.empty(mujoco.mj_stateSize(model, STATE))
        mujoco.mj_getState(model, data, state, STATE)
        ends.append(state.tobytes())
    assert len(set(ends)) == 1


def test_a_cached_model_is_the_built_model(models: dict[Detail, mujoco.MjModel]) -> None:
    files = list(cache_folder().glob("*.mjb"))
    assert files
    again = build("openarm_v2", "drawer", "full")
    assert again.names == models["full"].names
    assert np.array_equal(again.mesh_vert, models["full"].mesh_vert)
    assert list(cache_folder().glob("*.tmp")) == []


def test_a_broken_cache_is_built_again(models: dict[Detail, mujoco.MjModel]) -> None:
    (cached,) = cache_folder().glob("openarm_v2-drawer-minimal-*.mjb")
    cached.write_bytes(b"not a model")
    assert build("openarm_v2", "drawer", "minimal").names == models["minimal"].names
    assert cached.stat().st_size > 1_000_000


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(ConfigError, match="full, reduced, minimal"):
        build("openarm_v2", "drawer", "ultra")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="drawer"):
        build("openarm_v2", "wype")
    with pytest.raises(ConfigError, match="openarm_v2"):
        build("openarm_v3", "drawer")


def test_building_says_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MuJoCo writes warnings to stderr and to a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    build("openarm_v2", "valve", "full")
    told = capfd.readouterr()
    assert told.out == "" and told.err == ""
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
