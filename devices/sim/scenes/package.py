"""Furniture from the scenes of the package `openarm-mujoco`, without their robot and room."""

from __future__ import annotations

import mujoco

from devices.errors import DeviceError
from devices.sim.mjlog import quiet_mujoco

PREFIX = "task/"


def borrow(spec: mujoco.MjSpec, scene_file: str, bodies: tuple[str, ...]) -> None:
    """Attach bodies of a package scene to a spec, with the joints and equalities among them.

    Their names get the prefix `task/`. The grasp welds of the package stay behind: here grasps hold
    by friction.

    Args:
        scene_file: Name below the package's pedestal folder ("valve_scene.xml").
        bodies: Names of top-level bodies.

    Raises:
        DeviceError: When the package is missing.
    """
    try:
        from openarm_mujoco import v2
    except ImportError as error:
        raise DeviceError(
            "This scene needs the package openarm-mujoco",
            next_step="Install it with: pip install openarm-mujoco",
        ) from error
    with quiet_mujoco():
        donor = mujoco.MjSpec.from_file(str(v2.asset_path(f"pedestal/{scene_file}")))
        for body in list(donor.worldbody.bodies):
            if body.name not in bodies:
                donor.delete(body)
        for geom in list(donor.worldbody.geoms):
            donor.delete(geom)
        for part in (*donor.keys, *donor.meshes, *donor.materials, *donor.textures):
            donor.delete(part)
        donor.option = spec.option
        frame = spec.worldbody.add_frame()
        for name in bodies:
            frame.attach_body(donor.body(name), PREFIX, "")
