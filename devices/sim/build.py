"""From names to one compiled MuJoCo model of robot, scene and look."""

from __future__ import annotations

from typing import Any, Literal, get_args

import mujoco

from devices import plugins
from devices.errors import ConfigError
from devices.sim.mjlog import quiet_mujoco

Detail = Literal["full", "reduced", "minimal"]
DETAILS: tuple[Detail, ...] = get_args(Detail)


def build(robot_name: str, scene_name: str, detail: Detail = "full") -> mujoco.MjModel:
    """The model of a robot in a scene, by the names of their plug-ins.

    Args:
        detail: How finely the robot's looks are drawn. Physics is the same at every level: states
            of one level are states of all.

    Raises:
        ConfigError: For an unknown robot, scene or detail level.
    """
    return build_for(plugins.load("robots", robot_name)(), plugins.load("scenes", scene_name)(), detail)


def build_for(robot: Any, scene: Any, detail: Detail = "full") -> mujoco.MjModel:
    """Like `build`, from a robot and a scene."""
    if detail not in DETAILS:
        raise ConfigError(f"Unknown detail level '{detail}'", allowed=DETAILS)
    with quiet_mujoco():
        spec = robot.spec()
        scene.furnish(spec)
        return spec.compile()
