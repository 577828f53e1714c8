"""From MuJoCo's contacts to what pads and wrists feel. See docs/decisions/0001-tactile-field.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import mujoco
import numpy as np
import numpy.typing as npt

from devices.leader import Side
from devices.sim.patch import PatchSampler
from devices.sim.scene import Touch
from devices.stream import FloatArray
from devices.touch import PadGeometry

# How far the gel spreads the force of a point [m]: about half its 4 mm depth.
GEL_SPREAD = 0.0021
_LEAST_GYRATION = 1e-7  # [m^2] patches smaller than this cannot carry torsion as a swirl


class TouchingRobot(Protocol):
    """What the readout must know about a robot."""

    sides: tuple[Side, ...]
    pad_names: tuple[str, ...]
    pads: Mapping[str, PadGeometry]
    tool_site: Mapping[Side, str]
    tool_body: Mapping[Side, str]


class SpreadTable:
    """Weights that spread a unit force at a point over one row of taxels.

    The weights are a Gaussian, tilted (`w_j exp(tilt p_j)`) so that they sum to one and their mean
    is the point itself: total force and centre of pressure survive. They are tabulated; linear
    interpolation between two nodes keeps both properties exactly.

    Args:
        positions: Middles of the taxels [m], shape (n,), evenly spaced.
        spread: Standard deviation of the Gaussian [m].
    """

    NODES_PER_PITCH = 8
    MARGIN = 0.2  # of a pitch: nearest approach to the outermost taxel's middle

    def __init__(self, positions: FloatArray, spread: float) -> None:
        pitch = float(positions[1] - positions[0])
        self.low = float(positions[0]) + self.MARGIN * pitch
        self.high = float(positions[-1]) - self.MARGIN * pitch
        nodes = (len(positions) - 1) * self.NODES_PER_PITCH + 1
        at = np.linspace(self.low, self.high, nodes)
        self._scale = (nodes - 1) / (self.high - self.low)
        self._rows = np.stack([_tilted(positions, point, spread) for point in at])
        self._steps = np.diff(self._rows, axis=0)

    def clip(self, points: FloatArray) -> FloatArray:
        """Points [m] within what the taxels can tell."""
        return np.minimum(np.maximum(points, self.low), self.high)

    def weights(self, points: FloatArray) -> FloatArray:
        """Weights of points [m], shape (m,); points beyond the rim count at the rim.

        Returns:
            Shape (m, n); each row sums to one.
        """
        index = (self.clip(points) - self.low) * self._scale
        left = np.minimum(index.astype(np.intp), len(self._rows) - 2)
        part = (index - left)[:, None]
        return self._rows.take(left, axis=0) + part * self._steps.take(left, axis=0)


def _tilted(positions: FloatArray, point: float, spread: float) -> FloatArray:
    """The tilted Gaussian of SpreadTable, by Newton's method on the tilt."""
    base = -0.5 * ((positions - point) / spread) ** 2
    offset = (positions - point) / spread
    tilt = 0.0
    for _ in range(60):
        exponent = base + tilt * offset
        weight = np.exp(exponent - exponent.max())
        weight /= weight.sum()
        mean = float(weight @ offset)
        if abs(mean) < 1e-13:
            break
        variance = float(weight @ offset**2) - mean**2
        tilt -= float(np.clip(mean / max(variance, 1e-6), -2.0, 2.0))
    return weight


class TouchReader:
    """Reads contact forces of a model into tactile fields and wrist wrenches.

    Every contact force on a gel (face or rounded tip) is spread over the taxels around its point,
    so the sum over a field is the force that MuJoCo's solver put on that pad. A wrist's wrench is
    the sum of the contact forces on everything below the wrist, about the tool's origin: it knows
    neither weight nor inertia of the gripper, like a sensor that is tared and compensated.

    Raises:
        ValueError: For a model with a pyramidal friction cone, whose forces read differently.
    """

    def __init__(self, model: mujoco.MjModel, robot: TouchingRobot) -> None:
        if model.opt.cone != mujoco.mjtCone.mjCONE_ELLIPTIC:
            raise ValueError("TouchReader reads forces of elliptic friction cones only")
        self._sides = tuple(robot.sides)
        self._pads = tuple(robot.pad_names)
        self._pad_sites = np.array([model.site(f"{name}_pad").id for name in self._pads])
        self._tool_sites = np.array([model.site(robot.tool_site[s]).id for s in self._sides])
        self._shape = [(robot.pads[n].rows, robot.pads[n].columns) for n in self._pads]
        self._tables = [
            (
                SpreadTable(robot.pads[name].row_positions, GEL_SPREAD),
                SpreadTable(robot.pads[name].column_positions, GEL_SPREAD),
            )
            for name in self._pads
        ]
        self._patch = PatchSampler()
        self._pad_of_geom = np.full(model.ngeom + 1, -1)
        for index, name in enumerate(self._pads):
            for part in ("gel", "tip"):
                self._pad_of_geom[model.geom(f"{name}_{part}").id] = index
        self._side_of_geom = np.full(model.ngeom + 1, -1)
        for index, side in enumerate(self._sides):
            below = _subtree(model, model.body(robot.tool_body[side]).id)
            self._side_of_geom[:-1][np.isin(model.geom_bodyid, below)] = index
        # The same as lists: for one number at a time they are ten times as fast.
        self._pad_list: list[int] = self._pad_of_geom.tolist()
        self._side_list: list[int] = self._side_of_geom.tolist()

    def read(self, data: mujoco.MjData, pads: bool = True) -> Touch:
        """What is felt at the instant that `data`'s last forward pass stands for.

        Args:
            data: After a step.
            pads: Whether pads are read too; without, the touch tells of wrists only.
        """
        pad_position = data.site_xpos[self._pad_sites]
        pad_rotation = data.site_xmat[self._pad_sites].reshape(-1, 3, 3)
        fields = [np.zeros((*shape, 3)) for shape in self._shape] if pads else []
        wrench = np.zeros((len(self._sides), 6))
        if data.ncon:
            self._contacts(data, pad_position, pad_rotation, fields, wrench)
        if not pads:
            wrench.setflags(write=False)
            return Touch(field={}, pad_pose={}, wrench=dict(zip(self._sides, wrench, strict=True)))
        poses = np.empty((len(self._pads), 7))
        poses[:, :3] = pad_position
        for index, site in enumerate(self._pad_sites):
            mujoco.mju_mat2Quat(poses[index, 3:], data.site_xmat[site])
        for array in (*fields, poses, wrench):
            array.setflags(write=False)
        return Touch(
            field=dict(zip(self._pads, fields, strict=True)),
            pad_pose=dict(zip(self._pads, poses, strict=True)),
            wrench=dict(zip(self._sides, wrench, strict=True)),
        )

    def _contacts(
        self,
        data: mujoco.MjData,
        pad_position: FloatArray,
        pad_rotation: FloatArray,
        fields: Sequence[FloatArray],
        wrench: FloatArray,
    ) -> None:
        contact = data.contact
        geoms = contact.geom  # (n, 2); -1 for a flex, which the tables' last entry maps to nobody
        mine = (self._side_of_geom[geoms].max(axis=1) >= 0) & (contact.efc_address >= 0)
        use = np.flatnonzero(mine)
        if not len(use):
            return
        point = contact.pos[use]
        force = self._forces(data, use)
        patches: dict[tuple[int, int], list[tuple[int, float]]] = {}
        wrists: dict[int, list[tuple[int, float]]] = {}
        pads, sides = self._pad_list, self._side_list
        # Force acts on the second geom of a contact and reacts on the first.
        for n, (first, second) in enumerate(geoms[use].tolist()):
            for geom, other, sign in ((first, second, -1.0), (second, first, 1.0)):
                pad, side = pads[geom], sides[geom]
                if pad >= 0 and fields:
                    patches.setdefault((pad, other), []).append((n, sign))
                if side >= 0 and sides[other] != side:
                    wrists.setdefault(side, []).append((n, sign))
        for (pad, _), rows in patches.items():
            push, where = _told_in(pad_position[pad], pad_rotation[pad], force, point, rows)
            self._imprint(pad, where[:, :2], push, fields[pad])
        for side, rows in wrists.items():
            site = self._tool_sites[side]
            position, rotation = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
            push, arm = _told_in(position, rotation, force, point, rows)
            wrench[side, :3] = push.sum(axis=0)
            wrench[side, 3:] = _cross(arm, push).sum(axis=0)

    @staticmethod
    def _forces(data: mujoco.MjData, use: npt.NDArray[np.intp]) -> FloatArray:
        """Forces on the second geoms of the contacts `use`, world frame [N], shape (m, 3)."""
        contact = data.contact
        rows = contact.efc_address[use][:, None] + np.arange(3)
        flat = contact.dim[use] < 3  # without friction: the normal only
        local = data.efc_force[np.minimum(rows, len(data.efc_force) - 1)]
        local[flat, 1:] = 0.0
        return np.asarray((local[:, None, :] @ contact.frame[use].reshape(-1, 3, 3))[:, 0])

    def _imprint(self, pad: int, where: FloatArray, push: FloatArray, field: FloatArray) -> None:
        """Add what one object does to a pad: forces `push` (m, 3) at points `where` (m, 2), both
        in the pad's frame."""
        load = -push[:, 2]
        if len(load) == 1 or load.min() < 0.0 or not load.any():
            channels = push[:, ::-1].copy()
            channels[:, 0] = load
            field += self._spread(pad, where, channels)
            return
        along_rows, along_columns = self._tables[pad]
        total = load.sum()
        center = load @ where / total
        felt = np.empty_like(where)
        felt[:, 0], felt[:, 1] = along_columns.clip(where[:, 0]), along_rows.clip(where[:, 1])
        places, shares = self._patch.samples(felt, center)
        shear = push.sum(axis=0)
        channels = shares[:, None] * np.array([total, shear[1], shear[0]])
        # What shear turns about the centre of pressure: a swirl that adds no force.
        arm, reach = where - center, places - center
        torsion = arm[:, 0] @ push[:, 1] - arm[:, 1] @ push[:, 0]
        gyration = shares @ (reach * reach).sum(axis=1)
        if gyration > _LEAST_GYRATION:
            swirl = shares * (torsion / gyration)
            channels[:, 1] += swirl * reach[:, 0]
            channels[:, 2] -= swirl * reach[:, 1]
        field += self._spread(pad, places, channels)

    def _spread(self, pad: int, where: FloatArray, channels: FloatArray) -> FloatArray:
        """Field of point forces `channels` (m, 3) at `where` (m, 2)."""
        along_rows, along_columns = self._tables[pad]
        by_row = along_rows.weights(where[:, 1])
        by_column = along_columns.weights(where[:, 0])
        columns = by_column[:, :, None] * channels[:, None, :]
        flat = by_row.T @ columns.reshape(len(where), -1)
        return np.asarray(flat.reshape(by_row.shape[1], by_column.shape[1], 3))


def _told_in(
    position: FloatArray,
    rotation: FloatArray,
    force: FloatArray,
    point: FloatArray,
    rows: Sequence[tuple[int, float]],
) -> tuple[FloatArray, FloatArray]:
    """Signed forces and points of some contacts, told in a frame; shapes (m, 3)."""
    index = [row for row, _ in rows]
    sign = np.array([[sign] for _, sign in rows])
    push, where = sign * force.take(index, axis=0), point.take(index, axis=0) - position
    return push @ rotation, where @ rotation


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """As `np.cross` of two (m, 3), which takes ten times as long for a few rows."""
    product = np.empty_like(a)
    product[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    product[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    product[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return product


def _subtree(model: mujoco.MjModel, root: int) -> npt.NDArray[np.intp]:
    """Ids of a body and all bodies below it (children come after parents in MuJoCo)."""
    inside = np.zeros(model.nbody, dtype=bool)
    inside[root] = True
    for body in range(root + 1, model.nbody):
        inside[body] = inside[model.body_parentid[body]]
    return np.flatnonzero(inside)
