"""Lift: both arms raise a soft cup between two paddles without dropping or crushing it.

After the bimanual lifting task of Reactive Diffusion Policy (Xue et al., RSS 2025). Held too
loosely the cup slips, by plain friction; held too hard it creases and at last collapses. The eye
misjudges how wide it is.
"""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np
import numpy.typing as npt

from devices.leader import SIDES, Side
from devices.pose import quat_from_rotvec, quat_rotate
from devices.sim.scene import Touch
from devices.sim.scenes import contact, handheld, looks
from devices.sim.scenes.perturbation import MOVED, check
from devices.sim.scenes.room import TABLE_TOP, furnish_room

FloatArray = npt.NDArray[np.float64]

_HOME = (0.405, 0.0)  # [m] x, y
_RADIUS, _HEIGHT = 0.036, 0.095  # [m]
_MASS = 0.20  # [kg]
_FACE = (0.024, 0.004, 0.028)  # [m] half size of a paddle's rubber: forward, across, up
_INWARD = 0.048  # [m] from the middle of the pads to the rubber's face
_FORWARD, _DOWN = 0.036, 0.012  # [m] from the middle of the pads to the rubber's middle

# userdata
_SEEN_RADIUS, _SEEN_Y, _CRUSH, _HELD_S, _FILLED = 0, 1, 2, 3, 4
_SLOTS = 5

_STEP_S = 1 / 125
_CREASE_N = 8.0  # a harder squeeze creases the wall
_COLLAPSE = 2.0  # [N s] squeeze above that, added up, at which the cup has collapsed
_RAISED = 0.08  # [m] above the table
_LEVEL = np.radians(12.0)
_HOLD_S = 1.0
_FILLING_N = 1.6  # weight of the beans
_DENTS = (0.0, 0.06, 0.14, 0.24, 0.40)  # share of the radius, one look each


class Lift:
    """See the module's first lines."""

    name = "lift"
    title = "Lift the soft cup"
    instruction = "Lift the soft cup with both hands, level, and hold it; do not crush it."
    perturbations: tuple[str, ...] = (*MOVED, "filled")
    force_band: tuple[float, float] | None = (2.5, 7.0)

    # ---------------------------------------------------------------- furniture
    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec, front_from=(1.04, 0.0, 0.88), front_at=(0.32, 0.0, 0.52))
        spec.nuserdata = _SLOTS
        self._coaster(spec)
        self._cup(spec)
        for side in SIDES:
            self._paddle(spec, side)

    def _coaster(self, spec: mujoco.MjSpec) -> None:
        cork = looks.paint(spec, "cork", (0.60, 0.43, 0.28), specular=0.05)
        felt = looks.paint(spec, "mat", (0.20, 0.27, 0.31), specular=0.05)
        table = spec.body("table")
        x = _HOME[0] - table.pos[0]
        plate = looks.plate(spec, "place_mat", (0.12, 0.19, 0.0010), 0.02)
        looks.mesh(table, plate, (x, 0, 0.0002), felt)
        looks.cylinder(table, 0.052, 0.0010, (x, 0, 0.0006), cork)

    def _cup(self, spec: mujoco.MjSpec) -> None:
        body = spec.worldbody.add_body(name="cup", pos=[*_HOME, TABLE_TOP + _HEIGHT / 2])
        body.add_freejoint(name="cup_free")
        body.add_geom(
            name="cup_wall",
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[_RADIUS, _HEIGHT / 2, 0],
            mass=_MASS,
            rgba=[0, 0, 0, 0],
            condim=4,
            friction=[0.5, 0.01, 0.0002],
            solref=[0.02, 1.0],
            solimp=[0.5, 0.95, 0.006, 0.5, 2.0],
            group=3,
        )
        paper = looks.paint(spec, "cup_paper", (0.955, 0.94, 0.91), specular=0.25)
        sleeve = looks.paint(spec, "cup_sleeve", (0.86, 0.36, 0.27), specular=0.2)
        beans = looks.paint(spec, "cup_beans", (0.23, 0.13, 0.08), specular=0.5)
        for level, dent in enumerate(_DENTS):
            for part, profile, material in (
                ("wall", _WALL, paper),
                ("sleeve", _SLEEVE, sleeve),
            ):
                name = f"cup_{part}_{level}"
                points, faces = _lathe(np.array(profile), dent)
                spec.add_mesh(name=name, uservert=points.ravel(), userface=faces.ravel())
                geom = looks.mesh(body, name, (0, 0, 0), material)
                geom.name = name
        filling = looks.cylinder(body, _RADIUS - 0.004, 0.001, (0, 0, 0.026), beans)
        filling.name = "cup_filling"
        for i in range(14):
            angle, radius = 2.4 * i, 0.0078 * np.sqrt(i)
            body.add_geom(
                name=f"cup_bean_{i}",
                type=mujoco.mjtGeom.mjGEOM_ELLIPSOID,
                size=[0.0055, 0.0038, 0.003],
                pos=[radius * np.cos(angle), radius * np.sin(angle), 0.0275],
                quat=quat_from_rotvec(np.array([0.3 * np.sin(5 * i), 0.3, 1.7 * i])),
                material=beans,
                contype=0,
                conaffinity=0,
                group=looks.GROUP,
                mass=0,
            )

    def _paddle(self, spec: mujoco.MjSpec, side: Side) -> None:
        inward = -1.0 if side == "left" else 1.0
        if side == "left":
            looks.paint(spec, "paddle_grip", (0.14, 0.15, 0.17), specular=0.3)
            looks.paint(spec, "paddle_arm", (0.74, 0.76, 0.79), specular=0.9, shininess=0.8)
            looks.paint(spec, "paddle_back", (0.90, 0.91, 0.92), specular=0.5)
            looks.paint(spec, "paddle_rubber", (0.10, 0.47, 0.49), specular=0.1)
        body = handheld.mount(spec, side, f"{side}_paddle", tilt_stiffness=3.0)
        handheld.add_handle(body, "paddle_grip")
        hx, hy, hz = _FACE
        face = inward * (_INWARD - hy)
        front = handheld.HANDLE[0]
        elbow = (_FORWARD, 0.0, -_DOWN)
        for start, end in (
            ((front, 0.0, 0.0), (_FORWARD - 0.006, 0.0, -_DOWN)),
            (elbow, (_FORWARD, face - inward * 0.006, -_DOWN)),
        ):
            looks.rod(body, start, end, 0.0045, "paddle_arm", rounded=True)
        plate = looks.plate(spec, f"{side}_plate", (hx, hz, 0.0035), 0.007)
        back = looks.mesh(
            body, plate, (_FORWARD, face - inward * (hy + 0.0025), -_DOWN), "paddle_back"
        )
        back.quat = quat_from_rotvec(np.array([np.pi / 2, 0.0, 0.0]))
        body.add_geom(
            name=f"{side}_rubber",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[hx - 0.002, hy, hz - 0.002],
            pos=[_FORWARD, face, -_DOWN],
            material="paddle_rubber",
            mass=0.03,
            condim=4,
            friction=[0.5, 0.01, 0.0002],
        )
        body.add_site(
            name=f"{side}_face",
            pos=[_FORWARD, inward * _INWARD, -_DOWN],
            size=[0.002] * 3,
            rgba=[0] * 4,
        )

    # -------------------------------------------------------------------- state
    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        qpos = data.joint("cup_free").qpos
        qpos[:2] = np.array(_HOME) + rng.uniform([-0.02, -0.035], [0.02, 0.035])
        qpos[2] = TABLE_TOP + _HEIGHT / 2
        qpos[3:] = quat_from_rotvec(np.array([0.0, 0.0, rng.uniform(-0.6, 0.6)]))
        data.userdata[:] = 0.0
        data.userdata[_SEEN_RADIUS] = _RADIUS + rng.uniform(-0.007, 0.007)
        data.userdata[_SEEN_Y] = rng.uniform(-0.004, 0.004)

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        left, right = self._squeeze(model, data)
        hard = min(left, right) - _CREASE_N
        if hard > 0.0:
            crush = data.userdata[_CRUSH] + hard * _STEP_S / _COLLAPSE
            data.userdata[_CRUSH] = min(1.0, crush)
        if data.userdata[_HELD_S] >= _HOLD_S:
            return
        held = (
            min(left, right) > 0.2 and self._raised(data) >= _RAISED and self._tilt(data) < _LEVEL
        )
        data.userdata[_HELD_S] = data.userdata[_HELD_S] + _STEP_S if held else 0.0

    def _squeeze(self, model: mujoco.MjModel, data: mujoco.MjData) -> tuple[float, float]:
        """Normal force of each paddle on the cup [N], left and right."""
        left, right = (
            contact.normal_force(model, data, f"{side}_rubber", "cup_wall") for side in SIDES
        )
        return left, right

    def _raised(self, data: mujoco.MjData) -> float:
        """Height of the cup's middle above where it stands [m]."""
        return float(data.joint("cup_free").qpos[2]) - TABLE_TOP - _HEIGHT / 2

    def _tilt(self, data: mujoco.MjData) -> float:
        """Angle between the cup's axis and the vertical [rad]."""
        up = quat_rotate(data.joint("cup_free").qpos[3:], np.array([0.0, 0.0, 1.0]))
        return float(np.arccos(np.clip(up[2], -1.0, 1.0)))

    # --------------------------------------------------------------------- look
    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        crush = data.userdata[_CRUSH]
        shown = int(np.ceil(crush * (len(_DENTS) - 1) - 1e-9))
        for level in range(len(_DENTS)):
            for part in ("wall", "sleeve"):
                model.geom(f"cup_{part}_{level}").rgba[:] = (
                    _paled(part, crush) if level == shown else 0.0
                )
        filled = float(data.userdata[_FILLED] > 0.0)
        for name in ("cup_filling", *(f"cup_bean_{i}" for i in range(14))):
            model.geom(name).rgba[3] = filled

    # --------------------------------------------------------------------- task
    def observe(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, FloatArray]:
        """`cup`: its pose, origin in the middle; `cup_seen`: as the eye places it; `radius_seen`
        [m]; `left_face`, `right_face`: the paddles' faces; `crush`: 0 sound ... 1 collapsed;
        `force_band` [N]."""
        assert self.force_band is not None
        cup = data.joint("cup_free").qpos.copy()
        seen = cup.copy()
        seen[1] += data.userdata[_SEEN_Y]
        return {
            "cup": cup,
            "cup_seen": seen,
            "radius_seen": data.userdata[_SEEN_RADIUS : _SEEN_RADIUS + 1].copy(),
            "left_face": contact.site_pose(data, "left_face").to_array(),
            "right_face": contact.site_pose(data, "right_face").to_array(),
            "crush": data.userdata[_CRUSH : _CRUSH + 1].copy(),
            "force_band": np.array(self.force_band),
        }

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
        """Cup as the eye places it (7,) and its radius as it is judged [m], shape (8,)."""
        seen = data.joint("cup_free").qpos.copy()
        seen[1] += data.userdata[_SEEN_Y]
        return np.append(seen, data.userdata[_SEEN_RADIUS])

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        raised = 1.0 if self._held(data) else np.clip(self._raised(data) / _RAISED, 0.0, 1.0)
        done = 0.7 * raised + 0.3 * min(1.0, data.userdata[_HELD_S] / _HOLD_S)
        return float(done * (0.5 if self._collapsed(data) else 1.0))

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self._held(data) and not self._collapsed(data)

    def _held(self, data: mujoco.MjData) -> bool:
        return bool(data.userdata[_HELD_S] >= _HOLD_S)

    def _collapsed(self, data: mujoco.MjData) -> bool:
        return bool(data.userdata[_CRUSH] >= 1.0)

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        check(self, name)
        joint = data.joint("cup_free")
        if name == "filled":
            data.userdata[_FILLED] = 1.0
            data.xfrc_applied[model.body("cup").id, 2] = -_FILLING_N
        elif name == MOVED[0]:
            joint.qpos[:2] += rng.uniform([-0.02, -0.03], [0.02, 0.03])
        else:
            # A knock: the cup is hit aside and downwards while it is held.
            joint.qvel[1] += rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.35)
            joint.qvel[2] -= rng.uniform(0.4, 0.6)


_H = _HEIGHT / 2
_WALL = (
    (0.0, -_H + 0.004), (0.030, -_H + 0.004), (0.0315, -_H), (0.0345, -_H), (0.0352, -_H + 0.006),
    (_RADIUS, -0.02), (_RADIUS, 0.02), (0.0362, _H - 0.004), (0.0376, _H - 0.002), (0.0372, _H),
    (0.0350, _H), (0.0335, _H - 0.010), (0.0325, -_H + 0.010), (0.0, -_H + 0.006),
)  # fmt: skip
_SLEEVE = (
    (0.0355, -0.026), (0.0366, -0.0262), (0.0368, -0.010), (0.0368, 0.010), (0.0366, 0.0238),
    (0.0355, 0.024),
)  # fmt: skip


def _paled(part: str, crush: float) -> tuple[float, float, float, float]:
    """Multiplies the material: creased paper is greyer."""
    shade = 1.0 - 0.25 * crush
    rgb = (0.955, 0.94, 0.91) if part == "wall" else (0.86, 0.36, 0.27)
    return (rgb[0] * shade, rgb[1] * shade, rgb[2] * shade, 1.0)


def _lathe(profile: FloatArray, dent: float) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """A surface of revolution, pressed in from both sides (along y) by a share of its radius.

    Args:
        profile: Radius and height from the outside bottom to the inside bottom, shape (n, 2) [m].
        dent: 0 round ... 1 flat.

    Returns:
        Vertices, shape (m, 3), and triangles, shape (k, 3).
    """
    sectors = 36
    angle = np.linspace(0, 2 * np.pi, sectors, endpoint=False)
    # Subdivide long walls so that they can bend.
    rows: list[FloatArray] = []
    for a, b in pairwise(profile):
        count = max(1, int(abs(b[1] - a[1]) / 0.008))
        rows += [a + (b - a) * t for t in np.linspace(0, 1, count, endpoint=False)]
    rings = np.array([*rows, profile[-1]])
    radius, z = np.maximum(rings[:, 0], 1e-4), rings[:, 1]
    x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    bell = np.exp(-((z / 0.030) ** 2))[:, None]
    creases = 1.0 + 0.35 * np.sin(7 * angle + 90.0 * z[:, None]) * np.abs(np.sin(angle))
    y = y * (1.0 - dent * bell * creases)
    x = x * (1.0 + 0.35 * dent * bell)
    points = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1).reshape(-1, 3)
    faces = []
    for i in range(len(rings) - 1):
        for j in range(sectors):
            a, b = i * sectors + j, i * sectors + (j + 1) % sectors
            c, d = a + sectors, b + sectors
            faces += [(a, b, c), (b, d, c)]
    return points, np.array(faces)
