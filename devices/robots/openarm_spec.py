"""The MuJoCo model of OpenArm v2: the package's arms, and what Teledeck mounts on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from devices.errors import DeviceError
from devices.pose import quat_from_matrix
from devices.robots import openarm as mount
from devices.stream import FloatArray
from devices.touch import PadGeometry

if TYPE_CHECKING:
    from devices.robots.openarm import OpenArmV2

# Gains of the position servos: (kp [N m/rad], kv [N m s/rad]) a joint. With them a joint is at 95 %
# of a small step after 0.1 s and overshoots by less than 3 %, and a hand pressing 1 mm too far
# pushes with a few newtons only.
_GAINS = {
    1: (600.0, 22.0),
    2: (600.0, 22.0),
    3: (400.0, 15.0),
    4: (400.0, 15.0),
    5: (100.0, 2.0),
    6: (100.0, 2.0),
    7: (100.0, 2.0),
}
_GRIPPER_GAIN = (60.0, 1.0)

# The pedestal as boxes, low and high corner [m]: a foot, a slender column and the shoulders' block,
# measured on the package's collision mesh. The mesh itself would collide as its convex hull, which
# fills the space beside the column where elbows go.
_PEDESTAL_BOXES = {
    "foot": ((-0.155, -0.095, 0.0), (0.095, 0.095, 0.047)),
    "column": ((-0.032, -0.032, 0.047), (0.032, 0.032, 0.600)),
    "block": ((-0.085, -0.080, 0.600), (0.065, 0.080, 0.773)),
}

_VISUAL_GROUP, _COLLISION_GROUP, _SITE_GROUP = 2, 3, 4

# Friction of silicone gel on smooth solids: sliding [1], torsional and rolling [m].
_GEL_FRICTION = (1.2, 0.006, 0.0002)
# Softer than the hard parts: contact builds up over a few milliseconds and a fraction of a mm.
_GEL_SOLREF = (0.008, 1.0)
_GEL_SOLIMP = (0.90, 0.98, 0.0015, 0.5, 2.0)


def dress(robot: OpenArmV2) -> mujoco.MjSpec:
    """See `OpenArmV2.spec`."""
    spec = _package_arms()
    _servos(spec, robot)
    _materials(spec)
    for side in robot.sides:
        base = spec.body(robot.tool_body[side])
        _tool(base, robot.tool_site[side])
        _wrist_camera(spec, side)
    for jaw in robot.mounted():
        _pad(spec, jaw, robot.pads[jaw.pad])
    return spec


def _package_arms() -> mujoco.MjSpec:
    """The package's two arms on its pedestal, feet on the floor."""
    try:
        from openarm_mujoco import v2
    except ImportError as error:
        raise DeviceError(
            "The robot 'openarm_v2' needs the package openarm-mujoco",
            next_step="Install it with: pip install openarm-mujoco",
        ) from error
    spec = mujoco.MjSpec.from_file(str(v2.asset_path("openarm_bimanual.xml")))
    spec.modelname = "openarm_v2"
    spec.option.timestep = 0.001
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    lift = np.array([0.0, 0.0, mount._PEDESTAL_TOP])
    for body in spec.worldbody.bodies:
        body.pos = body.pos + lift
    for site in list(spec.worldbody.sites):
        spec.delete(site)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0  # the real controller feeds the arm's weight forward

    black = spec.add_material(name="pedestal", rgba=[0.23, 0.245, 0.265, 1], specular=0.35)
    looks = spec.add_mesh(
        name="pedestal",
        file=str(v2.asset_path("assets/visual/body/body_link0.stl")),
        scale=[0.001] * 3,
    )
    body = spec.worldbody.add_body(name="pedestal")
    body.add_geom(
        name="pedestal_visual",
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=looks.name,
        material=black.name,
        contype=0,
        conaffinity=0,
        group=_VISUAL_GROUP,
        mass=0,
    )
    for part, corners in _PEDESTAL_BOXES.items():
        low, high = np.array(corners)
        body.add_geom(
            name=f"pedestal_{part}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=(high - low) / 2,
            pos=(high + low) / 2,
            group=_COLLISION_GROUP,
            priority=1,
            condim=3,
            mass=0,
        )
    return spec


def _servos(spec: mujoco.MjSpec, robot: OpenArmV2) -> None:
    for side in robot.sides:
        for index, name in enumerate(robot.actuators[side], start=1):
            kp, kv = _GAINS.get(index, _GRIPPER_GAIN)
            actuator = spec.actuator(name)
            actuator.gainprm[0] = kp
            actuator.biasprm[1] = -kp
            actuator.biasprm[2] = -kv


def _materials(spec: mujoco.MjSpec) -> None:
    """The package's materials, graded so that the robot reads as anodised metal and satin black."""
    looks = {
        "matte_black": ([0.185, 0.195, 0.21, 1], 0.45, 0.35),
        "pale_silver": ([0.70, 0.72, 0.75, 1], 0.6, 0.6),
        "metal_silver": ([0.58, 0.60, 0.63, 1], 0.9, 0.8),
    }
    for name, (rgba, specular, shininess) in looks.items():
        material = spec.material(name)
        material.rgba = rgba
        material.specular = specular
        material.shininess = shininess
        material.reflectance = 0.0
    spec.add_material(name="pad_housing", rgba=[0.07, 0.075, 0.085, 1], specular=0.5, shininess=0.6)
    texture = spec.add_texture(
        name="pad_gel",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        width=_GEL_PIXELS[1],
        height=_GEL_PIXELS[0],
        nchannel=3,
    )
    texture.data = _gel_picture(mount._PAD).tobytes()
    gel = spec.add_material(name="pad_gel", rgba=[1, 1, 1, 1], specular=0.6, shininess=0.8)
    gel.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture.name


_GEL_PIXELS = (192, 256)  # rows, columns
_GEL_COLOR = (0.90, 0.76, 0.71, 1.0)


def _gel_picture(pad: PadGeometry) -> np.ndarray:
    """The gel's face: warm translucent silicone with its black markers, one a taxel.

    Returns:
        RGB, shape (rows, columns, 3), uint8.
    """
    height, width = _GEL_PIXELS
    y = (np.arange(height) + 0.5) / height - 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    rim = np.minimum(0.5 - np.abs(y)[:, None], 0.5 - np.abs(x)[None, :])
    glow = np.clip(rim / 0.16, 0, 1)[..., None]
    picture = (1 - glow) * np.array([196, 150, 140]) + glow * np.array([240, 214, 204])
    markers_y = pad.row_positions / pad.height
    markers_x = pad.column_positions / pad.width
    dy = np.abs(y[:, None] - markers_y[None, :]).min(axis=1) * pad.height
    dx = np.abs(x[:, None] - markers_x[None, :]).min(axis=1) * pad.width
    distance = np.hypot(dy[:, None], dx[None, :])
    ink = np.clip((0.00052 - distance) / 0.00012, 0, 1)[..., None]
    return ((1 - ink) * picture + ink * np.array([38, 34, 36])).astype(np.uint8)


def _tool(base: mujoco.MjsBody, name: str) -> None:
    rotation = np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, -1]])
    base.add_site(
        name=name,
        pos=[mount._JAW_X, 0.0, -(mount._JAW_PIVOT_Z + mount._PAD_REACH)],
        quat=quat_from_matrix(rotation),
        size=[0.004] * 3,
        rgba=[0.1, 0.8, 0.9, 0.0],
        group=_SITE_GROUP,
    )


def _wrist_camera(spec: mujoco.MjSpec, side: str) -> None:
    """Above the palm, in the middle, looking down between the pads; up is the gripper's +x."""
    camera = spec.camera(f"camera_wrist_{side}")
    camera.name = f"wrist_{side}"
    camera.resolution = [640, 480]
    camera.fovy = 62.0
    eye, target = np.array([0.086, 0.0, -0.082]), np.array([mount._JAW_X, 0.0, -0.182])
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([1.0, 0.0, 0.0], back)
    right /= np.linalg.norm(right)
    camera.pos = eye
    camera.quat = quat_from_matrix(np.stack([right, np.cross(back, right), back], axis=1))
    camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT


def _pad(spec: mujoco.MjSpec, jaw: mount._Jaw, pad: PadGeometry) -> None:
    """Gel, rounded tip, housing and frame of one pad, on the inner side of its jaw's tip."""
    finger = spec.body(jaw.body)
    position, rotation = _pad_in_finger(jaw)
    quat = quat_from_matrix(rotation)

    def at(x: float, y: float, z: float) -> FloatArray:
        return position + rotation @ np.array([x, y, z])

    finger.add_site(
        name=f"{jaw.pad}_pad",
        pos=position,
        quat=quat,
        size=[0.002] * 3,
        rgba=[1, 1, 1, 0],
        group=_SITE_GROUP,
    )
    touch = {
        "contype": 1,
        "conaffinity": 1,
        "condim": 4,
        "priority": 2,
        "friction": _GEL_FRICTION,
        "solref": _GEL_SOLREF,
        "solimp": _GEL_SOLIMP,
        "mass": 0.0,
        "group": _VISUAL_GROUP,
    }
    half_width, half_height, half_depth = pad.width / 2, pad.height / 2, mount._GEL_DEPTH / 2
    radius = mount._TIP_RADIUS
    finger.add_geom(
        name=f"{jaw.pad}_gel",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half_width, half_height, half_depth],
        pos=at(0, 0, -half_depth),
        quat=quat,
        rgba=_GEL_COLOR,
        **touch,
    )
    # The printed markers: a film on the face, because a texture covers all sides of a box.
    finger.add_geom(
        name=f"{jaw.pad}_markers",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half_width, half_height, 1e-4],
        pos=at(0, 0, 0),
        quat=quat,
        material="pad_gel",
        contype=0,
        conaffinity=0,
        mass=0,
        group=_VISUAL_GROUP,
    )
    # The tip: the gel goes round the edge, so that pressing with closed fingers is felt.
    along_x = rotation @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    finger.add_geom(
        name=f"{jaw.pad}_tip",
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        size=[radius, half_width - radius, 0],
        pos=at(0, half_height, -radius),
        quat=quat_from_matrix(along_x),
        rgba=_GEL_COLOR,
        **touch,
    )
    depth = 0.0042
    finger.add_geom(
        name=f"{jaw.pad}_housing",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[half_width + 0.0015, half_height + 0.001, depth],
        pos=at(0, 0, -mount._GEL_DEPTH + 0.0012 - depth),
        quat=quat,
        material="pad_housing",
        contype=0,
        conaffinity=0,
        mass=0,
        group=_VISUAL_GROUP,
    )


def _pad_in_finger(jaw: mount._Jaw) -> tuple[FloatArray, FloatArray]:
    """Position (3,) [m] and rotation (3, 3) of a pad in its finger's body.

    The finger's frame has the axes of the gripper base when the jaw is at angle zero; at the
    parallel angle the pad looks straight across the gripper, `sign * y` away from the middle.
    """
    s = jaw.sign
    rotation = np.array([[-s, 0, 0], [0, 0, -s], [0, -1, 0]])  # columns: x, y, z of the pad
    position = np.array(
        [0.0, s * (mount._PARALLEL_GAP / 2 - mount._JAW_PIVOT_Y), -mount._PAD_REACH]
    )
    turn = -s * mount._PARALLEL_ANGLE
    c, t = math.cos(turn), math.sin(turn)
    back = np.array([[1, 0, 0], [0, c, -t], [0, t, c]])
    return back @ position, back @ rotation
