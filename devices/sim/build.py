"""From names to one compiled MuJoCo model of robot, scene and look."""

from __future__ import annotations

import hashlib
import inspect
import os
import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import Protocol

import mujoco
import platformdirs

from devices import plugins
from devices.sim.detail import Detail, check_detail, simplify
from devices.sim.mjlog import quiet_mujoco
from devices.sim.scene import Scene


class HasSpec(Protocol):
    """What a model can be built from: a robot."""

    def spec(self) -> mujoco.MjSpec: ...


def cache_folder() -> Path:
    """Where built models are kept; deletable at any time."""
    return Path(platformdirs.user_cache_dir("teledeck")) / "models"


def build(robot_name: str, scene_name: str, detail: Detail = "full") -> mujoco.MjModel:
    """The model of a robot in a scene, by the names of their plug-ins.

    Compiled models are cached by the content of everything that they are made from.

    Args:
        detail: How finely the robot's looks are drawn. Physics is the same at every level: states
            of one level are states of all.

    Raises:
        ConfigError: For an unknown robot, scene or detail level.
    """
    check_detail(detail)
    robot, scene = plugins.load("robots", robot_name), plugins.load("scenes", scene_name)
    family = f"{robot_name}-{scene_name}-{detail}"
    path = cache_folder() / f"{family}-{_key(robot, scene, detail)}.mjb"
    cached = _load(path)
    if cached is not None:
        return cached
    model = build_for(robot(), scene(), detail)
    _store(path, model)
    for older in path.parent.glob(f"{family}-*.mjb"):
        if older != path:
            older.unlink(missing_ok=True)
    return model


def build_for(robot: HasSpec, scene: Scene, detail: Detail = "full") -> mujoco.MjModel:
    """Like `build`, from a robot and a scene themselves; compiles afresh."""
    with quiet_mujoco():
        spec = robot.spec()
        scene.furnish(spec)
        simplify(spec, detail, cache_folder() / "meshes")
        return spec.compile()


def _key(robot: type, scene: type, detail: Detail) -> str:
    """Hash of all that a model is made from: sources, packages, names, level."""
    told = hashlib.sha256()
    for package in ("mujoco", "openarm-mujoco", "numpy"):
        told.update(f"{package} {_version(package)}\n".encode())
    for part in (robot, scene):
        told.update(f"{part.__module__}.{part.__qualname__}\n".encode())
    told.update(detail.encode())
    devices = Path(__file__).parents[1]
    folders = [devices, devices / "robots", devices / "sim", devices / "sim" / "scenes"]
    folders += [Path(inspect.getfile(part)).parent for part in (robot, scene)]
    for folder in dict.fromkeys(folders):
        for source in sorted(folder.glob("*.py")):
            told.update(source.read_bytes())
    return told.hexdigest()[:32]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def _load(path: Path) -> mujoco.MjModel | None:
    """A cached model; None when there is none that can be read, so that it is built again."""
    if not path.is_file():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what is wrong with a broken file
        try:
            with quiet_mujoco():
                return mujoco.MjModel.from_binary_path(str(path))
        except ValueError:
            return None


def _store(path: Path, model: mujoco.MjModel) -> None:
    """Write beside and rename, so that two processes may build at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    os.close(handle)
    mujoco.mj_saveModel(model, temporary)
    os.replace(temporary, path)
