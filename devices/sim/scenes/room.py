"""The room that all scenes share: light, floor, table, background and the front camera."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.pose import quat_from_matrix
from devices.stream import FloatArray

TABLE_TOP = 0.40  # [m] above the floor
TABLE_CENTER = (0.47, 0.0)  # [m] x, y in the world
TABLE_HALF = (0.41, 0.55)  # [m]
_TABLE_THICKNESS = 0.035  # [m]

FRONT_FROM = (1.10, 0.0, 0.96)  # [m]
FRONT_AT = (0.27, 0.0, 0.53)  # [m]
_FRONT_FOVY = 42.0  # [deg]

# One palette for everything that scenes put on the table.
PALETTE: dict[str, tuple[float, float, float, float]] = {
    "paper": (0.93, 0.92, 0.89, 1.0),
    "slate": (0.24, 0.27, 0.31, 1.0),
    "graphite": (0.13, 0.14, 0.16, 1.0),
    "steel": (0.62, 0.65, 0.69, 1.0),
    "teal": (0.10, 0.47, 0.49, 1.0),
    "coral": (0.86, 0.36, 0.27, 1.0),
    "amber": (0.91, 0.64, 0.22, 1.0),
    "sage": (0.52, 0.63, 0.50, 1.0),
    "sky": (0.42, 0.62, 0.80, 1.0),
}


def furnish_room(
    spec: mujoco.MjSpec,
    *,
    front_from: tuple[float, float, float] = FRONT_FROM,
    front_at: tuple[float, float, float] = FRONT_AT,
) -> None:
    """Add floor, table, lights, sky, the camera `front` and the palette's materials to a spec.

    The table's body is `table`, its collision geom `table_top`. Materials: `wood`, `floor` and one
    a colour of PALETTE, by its name.

    Args:
        front_from: Where the front camera stands [m, world].
        front_at: What it looks at [m, world].
    """
    _materials(spec)
    _light(spec)
    world = spec.worldbody
    world.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.05], material="floor"
    )
    _table(spec)
    camera = world.add_camera(name="front", pos=front_from, fovy=_FRONT_FOVY)
    camera.quat = look_at(np.array(front_from), np.array(front_at))
    camera.resolution = [640, 480]
    spec.stat.center = [0.30, 0.0, 0.50]
    spec.stat.extent = 1.2
    spec.stat.meansize = 0.05


def look_at(eye: FloatArray, target: FloatArray) -> FloatArray:
    """Quaternion (4,) wxyz of a MuJoCo camera (looks along -z, y up) at `eye` facing `target`."""
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    return quat_from_matrix(np.stack([right, np.cross(back, right), back], axis=1))


def _materials(spec: mujoco.MjSpec) -> None:
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.46, 0.50, 0.55],
        rgb2=[0.20, 0.225, 0.26],
        width=256,
        height=256,
    )
    _textured(spec, "wood", _wood(512, 1024), specular=0.25, shininess=0.35)
    _textured(spec, "floor", _concrete(512), specular=0.1, shininess=0.1, repeat=(0.5, 0.5))
    for name, rgba in PALETTE.items():
        metal = name == "steel"
        spec.add_material(
            name=name,
            rgba=rgba,
            specular=0.8 if metal else 0.35,
            shininess=0.75 if metal else 0.45,
        )


def _textured(
    spec: mujoco.MjSpec,
    name: str,
    picture: npt.NDArray[np.uint8],
    *,
    specular: float,
    shininess: float,
    repeat: tuple[float, float] | None = None,
) -> None:
    """A material from a picture (height, width, 3); with `repeat`, tiles per metre."""
    texture = spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        width=picture.shape[1],
        height=picture.shape[0],
        nchannel=3,
    )
    texture.data = picture.tobytes()
    material = spec.add_material(name=name, specular=specular, shininess=shininess)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture.name
    if repeat is not None:
        material.texuniform = True
        material.texrepeat = list(repeat)


def _light(spec: mujoco.MjSpec) -> None:
    """A warm key from the upper left that casts the shadows, a cool fill from the right."""
    look = spec.visual
    look.headlight.ambient = [0.22, 0.22, 0.235]
    look.headlight.diffuse = [0.22, 0.22, 0.22]
    look.headlight.specular = [0.08, 0.08, 0.08]
    look.quality.shadowsize = 4096
    look.quality.offsamples = 4
    look.map.znear = 0.02
    look.map.zfar = 30.0
    look.global_.offwidth = 1920
    look.global_.offheight = 1200
    look.rgba.haze = [0.30, 0.33, 0.37, 1]
    world = spec.worldbody
    spot = mujoco.mjtLightType.mjLIGHT_SPOT
    world.add_light(
        name="key",
        type=spot,
        pos=[1.1, 0.9, 2.2],
        dir=[-0.42, -0.45, -0.95],
        diffuse=[0.60, 0.575, 0.535],
        specular=[0.35, 0.34, 0.32],
        cutoff=55,
        exponent=1.0,
        castshadow=True,
    )
    world.add_light(
        name="fill",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0.5, -1.5, 1.6],
        dir=[-0.25, 0.75, -0.6],
        diffuse=[0.24, 0.265, 0.31],
        specular=[0.05, 0.05, 0.06],
        castshadow=False,
    )
    world.add_light(
        name="rim",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[-1.2, 0.3, 2.0],
        dir=[0.75, -0.15, -0.6],
        diffuse=[0.24, 0.25, 0.27],
        specular=[0.30, 0.31, 0.34],
        castshadow=False,
    )


def _table(spec: mujoco.MjSpec) -> None:
    x, y = TABLE_CENTER
    body = spec.worldbody.add_body(name="table", pos=[x, y, TABLE_TOP])
    half = _TABLE_THICKNESS / 2
    body.add_geom(
        name="table_top",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[*TABLE_HALF, half],
        pos=[0, 0, -half],
        material="wood",
        friction=[1.0, 0.005, 0.0001],
    )
    inset = 0.05
    for i, (sx, sy) in enumerate(((1, 1), (1, -1), (-1, 1), (-1, -1))):
        height = (TABLE_TOP - _TABLE_THICKNESS) / 2
        body.add_geom(
            name=f"table_leg_{i}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[0.02, 0.02, height],
            pos=[
                sx * (TABLE_HALF[0] - inset),
                sy * (TABLE_HALF[1] - inset),
                -_TABLE_THICKNESS - height,
            ],
            material="graphite",
            contype=0,
            conaffinity=0,
        )


def _noise(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int]) -> FloatArray:
    """Smooth tileable noise in [0, 1], shape (height, width), with `cells` bumps a side."""
    grid = rng.random(cells)
    y = np.linspace(0, cells[0], height, endpoint=False)
    x = np.linspace(0, cells[1], width, endpoint=False)
    y0, x0 = y.astype(int), x.astype(int)
    fy, fx = y - y0, x - x0
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    y1, x1 = (y0 + 1) % cells[0], (x0 + 1) % cells[1]
    top = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x1] * fx
    bottom = grid[y1][:, x0] * (1 - fx) + grid[y1][:, x1] * fx
    return np.asarray(top * (1 - fy[:, None]) + bottom * fy[:, None])


def _wood(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Pale oak boards, grain along the picture's width. Same picture every time."""
    rng = np.random.default_rng(7)
    boards = 6
    board = np.arange(height) * boards // height
    shift = rng.integers(0, width, boards)[board]
    columns = (np.arange(width)[None, :] + shift[:, None]) % width
    fine = _noise(rng, height, width, (256, 6))
    fibre = _noise(rng, height, width, (128, 24))
    cloud = _noise(rng, height, width, (24, 2))
    grain = np.take_along_axis(0.5 * fine + 0.2 * fibre + 0.3 * cloud, columns, axis=1)
    tone = rng.uniform(-0.03, 0.03, boards)[board][:, None]
    light = 0.93 + tone - 0.17 * (grain - 0.5)
    seam = np.minimum(np.arange(height) * boards % height, -np.arange(height) * boards % height)
    light = light * np.where(seam < boards * 1.1, 0.84, 1.0)[:, None]
    color = light[..., None] * np.array([0.77, 0.665, 0.545])
    return np.asarray(np.clip(color * 255, 0, 255), dtype=np.uint8)


def _concrete(size: int) -> npt.NDArray[np.uint8]:
    """A calm grey floor. Same picture every time."""
    rng = np.random.default_rng(11)
    cloud = 0.6 * _noise(rng, size, size, (6, 6)) + 0.4 * _noise(rng, size, size, (40, 40))
    light = 0.40 + 0.05 * (cloud - 0.5)
    color = light[..., None] * np.array([0.96, 0.99, 1.04])
    return np.asarray(np.clip(color * 255, 0, 255), dtype=np.uint8)
