"""Wipe: ink on a white board goes only where an eraser rubs with the right force.

After the wiping task of Reactive Diffusion Policy (Xue et al., RSS 2025): too light leaves the ink,
too hard smears it. The right hand holds the eraser; the board stands at a height and tilt that the
eye judges badly and the hand feels at once.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.pose import Pose, quat_from_rotvec, quat_multiply
from devices.sim.scene import Touch
from devices.sim.scenes import contact, handheld, looks, stage
from devices.sim.scenes.handwriting import write
from devices.sim.scenes.perturbation import BEGUN, MOVED, check
from devices.sim.scenes.room import furnish_room

FloatArray = npt.NDArray[np.float64]

_BOARD = "board"
_HOME = Pose(np.array([0.405, -0.17, 0.428]), np.array([1.0, 0.0, 0.0, 0.0]))
_HALF = (0.105, 0.155, 0.006)  # [m] forward, left, thickness
_FELT = (0.019, 0.036, 0.006)  # [m] half size of the eraser's felt
_DROP = 0.052  # [m] from the middle of the pads down to the felt's face

_MARKS = 176  # most marks that a word can have
_MARK_PITCH = 0.0045  # [m]
_WORD = 0.20  # [m] length of the writing

# userdata: seed of the writing, height of the board as it is seen [m], then the ink of every mark:
# 0 gone ... 1 fresh ... _SMEARED rubbed in by pressing too hard.
_SEED, _SEEN_Z, _INK = 0, 1, 2
_SMEARED = 1.6
_RUB = 0.030  # [m] rubbing at the right force that takes a fresh mark away
_STEP_S = 1 / 125
_SLOWEST = 0.005  # [m/s] slower motion does not rub


class Wipe:
    """See the module's first lines."""

    name = "wipe"
    title = "Wipe the board"
    instruction = "Wipe all the ink off the white board, pressing neither too lightly nor too hard."
    perturbations: tuple[str, ...] = (*MOVED, BEGUN)
    force_band: tuple[float, float] | None = (2.0, 8.0)

    def __init__(self) -> None:
        self._written: dict[int, FloatArray] = {}  # writing by seed: derived, never state

    # ---------------------------------------------------------------- furniture
    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec, front_from=(0.99, -0.10, 0.93), front_at=(0.33, -0.08, 0.49))
        spec.nuserdata = _INK + _MARKS
        self._board(spec)
        self._eraser(spec)

    def _board(self, spec: mujoco.MjSpec) -> None:
        face = looks.paint(spec, "board_face", (0.80, 0.81, 0.825), specular=0.35, shininess=0.9)
        rim = looks.paint(spec, "board_rim", (0.66, 0.68, 0.71), specular=0.9, shininess=0.7)
        corner = looks.paint(spec, "board_corner", (0.13, 0.14, 0.16), specular=0.3)
        board = stage.add_stage(spec, _BOARD, _HOME)
        spec.add_exclude(bodyname1=_BOARD, bodyname2="table")
        hx, hy, hz = _HALF
        board.add_geom(
            name="board_face",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=_HALF,
            pos=[0, 0, -hz],
            material=face,
            friction=[0.25, 0.005, 0.0001],
            mass=0,
        )
        w = 0.007
        for sign in (-1, 1):
            looks.box(board, (hx + w, w / 2, hz + 0.001), (0, sign * (hy + w / 2), -hz), rim)
            looks.box(board, (w / 2, hy + w, hz + 0.001), (sign * (hx + w / 2), 0, -hz), rim)
            for other in (-1, 1):
                at = (sign * (hx + 0.001), other * (hy + 0.001))
                looks.box(board, (0.011, 0.011, hz + 0.002), (*at, -hz), corner)
                looks.cylinder(
                    board, 0.009, 0.03, (at[0] * 0.9, at[1] * 0.9, -2 * hz - 0.03), corner
                )
        self._tray(spec, board, rim)
        mark = _mark_mesh(spec)
        for i in range(_MARKS):
            board.add_geom(
                name=f"ink_{i}",
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=mark,
                **looks.MOVABLE,
                rgba=[0, 0, 0, 0],
                contype=0,
                conaffinity=0,
                group=looks.GROUP,
                mass=0,
            )

    def _tray(self, spec: mujoco.MjSpec, board: mujoco.MjsBody, rim: str) -> None:
        x = _HALF[0] + 0.020
        looks.box(board, (0.014, 0.125, 0.002), (x, 0, -0.011), rim)
        looks.box(board, (0.0015, 0.125, 0.005), (x + 0.0145, 0, -0.007), rim)
        white = looks.paint(spec, "pen_body", (0.93, 0.93, 0.94), specular=0.6)
        for name, y, rgb in (("blue", 0.062, _FRESH), ("red", -0.060, (0.75, 0.10, 0.12))):
            ink = looks.paint(spec, f"pen_{name}", rgb, specular=0.5)
            looks.rod(board, (x, y - 0.040, -0.003), (x, y + 0.028, -0.003), 0.0065, white)
            looks.rod(board, (x, y + 0.028, -0.003), (x, y + 0.052, -0.003), 0.0072, ink)
            looks.rod(board, (x, y - 0.045, -0.003), (x, y - 0.040, -0.003), 0.0060, ink)

    def _eraser(self, spec: mujoco.MjSpec) -> None:
        shell = looks.paint(spec, "eraser_shell", (0.10, 0.32, 0.62), specular=0.5, shininess=0.6)
        band = looks.paint(spec, "eraser_band", (0.95, 0.76, 0.22), specular=0.4)
        felt = looks.paint(spec, "eraser_felt", (0.24, 0.25, 0.28), specular=0.0)
        body = handheld.mount(spec, "right", "eraser", tilt_stiffness=2.0)
        handheld.add_handle(body, shell)
        fx, fy, fz = _FELT
        top = -handheld.HANDLE[2]
        deck = -_DROP + 2 * fz  # underside of the shell
        looks.box(body, (0.008, 0.009, (top - deck) / 2), (0, 0, (top + deck) / 2), shell)
        looks.box(body, (fx, fy, 0.007), (0, 0, deck + 0.007), shell)
        looks.box(body, (fx + 0.0006, 0.006, 0.0074), (0, 0, deck + 0.007), band)
        body.add_geom(
            name="eraser_felt",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=_FELT,
            pos=[0, 0, -_DROP + fz],
            material=felt,
            mass=0.05,
            friction=[0.25, 0.005, 0.0001],
            solref=[0.012, 1.0],
        )
        body.add_site(name="eraser_face", pos=[0, 0, -_DROP], size=[0.002] * 3, rgba=[0] * 4)

    # -------------------------------------------------------------------- state
    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        lean = quat_from_rotvec(np.radians([*rng.uniform(-2.5, 2.5, 2), 0.0]))
        turn = quat_from_rotvec(np.array([0.0, 0.0, np.radians(rng.uniform(-15, 15))]))
        offset = rng.uniform([-0.012, -0.03, -0.008], [0.012, 0.03, 0.008])
        target = Pose(_HOME.position + offset, quat_multiply(turn, lean))
        stage.place(model, data, _BOARD, target)
        data.userdata[:] = 0.0
        data.userdata[_SEED] = rng.integers(1 << 31)
        data.userdata[_SEEN_Z] = target.position[2] + rng.uniform(-0.008, 0.008)
        data.userdata[_INK : _INK + len(self._writing(data))] = 1.0

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        assert self.force_band is not None
        force = contact.normal_force(model, data, "eraser_felt", "board_face")
        if force < self.force_band[0]:
            return
        speed = contact.sliding_speed(model, data, "eraser_felt", _BOARD)
        if speed < _SLOWEST:
            return
        ink = data.userdata[_INK : _INK + len(self._writing(data))]
        under = self._under_felt(data)
        rub = speed * _STEP_S / _RUB
        if force <= self.force_band[1]:
            ink[under] = np.maximum(0.0, ink[under] - rub)
        else:
            inked = under & (ink > 0.02)
            ink[inked] = np.minimum(_SMEARED, ink[inked] + rub / 2)

    def _under_felt(self, data: mujoco.MjData) -> npt.NDArray[np.bool_]:
        """Which marks lie under the felt, shape (n,)."""
        marks = self._writing(data)
        board, face = stage.pose(data, _BOARD), data.site("eraser_face")
        world = board.position + np.column_stack([marks[:, :2], np.zeros(len(marks))]) @ (
            board.to_matrix()[:3, :3].T
        )
        local = (world - face.xpos) @ face.xmat.reshape(3, 3)
        return (
            (np.abs(local[:, 0]) < _FELT[0])
            & (np.abs(local[:, 1]) < _FELT[1])
            & (np.abs(local[:, 2]) < 0.005)
        )

    def _writing(self, data: mujoco.MjData) -> FloatArray:
        """Middle and heading of the marks in the board's frame, shape (n, 3) [m, m, rad]."""
        seed = int(data.userdata[_SEED])
        if seed not in self._written:
            marks = write(np.random.default_rng(seed), _WORD, _MARK_PITCH, _MARKS)
            # Written by somebody who faces the robot: along +y of the board, up along -x.
            self._written = {
                seed: np.column_stack([-marks[:, 1], marks[:, 0], marks[:, 2] + np.pi / 2])
            }
        return self._written[seed]

    # --------------------------------------------------------------------- look
    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        marks = self._writing(data)
        ink = np.zeros(_MARKS)
        ink[: len(marks)] = data.userdata[_INK : _INK + len(marks)]
        first = model.geom("ink_0").id
        geoms = slice(first, first + _MARKS)
        smear = np.clip((ink - 1.0) / (_SMEARED - 1.0), 0, 1)[:, None]
        model.geom_rgba[geoms, :3] = (1 - smear) * np.array(_FRESH) + smear * np.array(_RUBBED_IN)
        model.geom_rgba[geoms, 3] = np.where(ink > 0.02, 0.12 + 0.88 * np.clip(ink, 0, 1), 0.0)
        model.geom_pos[geoms] = 0.0
        model.geom_pos[first : first + len(marks)] = np.column_stack(
            [marks[:, :2], np.full(len(marks), 0.0002)]
        )
        model.geom_quat[geoms] = [1.0, 0.0, 0.0, 0.0]
        mesh = model.mesh_quat[model.geom_dataid[first]]  # MuJoCo turns meshes to their main axes
        cosine, sine = np.cos(marks[:, 2:] / 2), np.sin(marks[:, 2:] / 2)
        w, x, y, z = mesh
        model.geom_quat[first : first + len(marks)] = cosine * mesh + sine * [-z, -y, x, w]

    # --------------------------------------------------------------------- task
    def observe(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, FloatArray]:
        """`surface`: the board's pose; `surface_seen`: as an eye from above judges it, level and at
        the height it seemed to have at first; `tip`: the felt's face; `ink`: x, y [m, board frame]
        and ink left of every mark, shape (n, 3); `force_band` [N]."""
        assert self.force_band is not None
        board, marks = stage.pose(data, _BOARD), self._writing(data)
        ink = data.userdata[_INK : _INK + len(marks)]
        return {
            "surface": board.to_array(),
            "surface_seen": stage.seen_from_above(board, data.userdata[_SEEN_Z]).to_array(),
            "tip": contact.site_pose(data, "eraser_face").to_array(),
            "ink": np.column_stack([marks[:, :2], ink]),
            "force_band": np.array(self.force_band),
        }

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
        """Board as it is seen (7,), then the share of ink in a grid of 2 (along its x) by 8 cells
        (along its y), row-major, shape (23,)."""
        board, marks = stage.pose(data, _BOARD), self._writing(data)
        seen = stage.seen_from_above(board, data.userdata[_SEEN_Z]).to_array()
        row = (marks[:, 0] > 0).astype(int)
        column = np.clip((marks[:, 1] / _WORD + 0.5) * 8, 0, 7).astype(int)
        ink = np.zeros((2, 8))
        np.add.at(ink, (row, column), np.minimum(data.userdata[_INK : _INK + len(marks)], 1.0))
        return np.concatenate([seen, ink.ravel() / (len(marks) / 16)])

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        ink = data.userdata[_INK : _INK + len(self._writing(data))]
        return float(1.0 - np.minimum(ink, 1.0).mean())

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self.progress(model, data) >= 0.95

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        check(self, name)
        if name == BEGUN:
            self._leave_bits(data, rng)
            return
        aside, depth = (0.03, 0.014) if name == MOVED[0] else (0.02, 0.012)
        stage.nudge(model, data, _BOARD, rng, aside=aside, depth=depth, turn=np.radians(8))

    def _leave_bits(self, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Wipe all ink but one to three bits of up to 5 cm, or but a few marks all over."""
        marks = self._writing(data)
        if rng.random() < 0.5:
            left = rng.random(len(marks)) < rng.uniform(0.04, 0.4)
        else:
            left = np.zeros(len(marks), dtype=bool)
            for _ in range(rng.integers(1, 4)):
                middle = marks[rng.integers(len(marks)), :2]
                half = rng.uniform([0.006, 0.005], [0.02, 0.025])
                left |= (np.abs(marks[:, :2] - middle) <= half).all(axis=1)
        left[rng.integers(len(marks))] = True
        ink = data.userdata[_INK : _INK + len(marks)]
        ink[:] = np.where(left, np.minimum(ink, rng.uniform(0.3, 1.0, len(marks))), 0.0)


_FRESH = (0.07, 0.15, 0.52)
_RUBBED_IN = (0.42, 0.47, 0.66)


def _mark_mesh(spec: mujoco.MjSpec) -> str:
    """One short stroke of a pen: a flat bar with rounded ends along x, few triangles."""
    length, width, height = 0.0034, 0.0015, 0.00025  # half sizes [m]
    outline = [
        (length, width * 0.5), (length - width * 0.6, width), (-length + width * 0.6, width),
        (-length, width * 0.5), (-length, -width * 0.5), (-length + width * 0.6, -width),
        (length - width * 0.6, -width), (length, -width * 0.5),
    ]  # fmt: skip
    points = [(x, y, z) for z in (-height, height) for x, y in outline]
    spec.add_mesh(name="ink_mark", uservert=np.array(points).ravel())
    return "ink_mark"
