"""Where the tools are for given joint angles, and how far the arms are from hitting something.

One light model for the mapping and the guard: the robot alone, every moving body wrapped in a
capsule, fingers and furniture left out. It never shares data with the simulated world.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.follower import ArmLimits
from devices.leader import SIDES, Side
from devices.pose import Pose
from devices.stream import FloatArray


class RobotModel(Protocol):
    """What mapping and guard need to know about a robot with up to two arms.

    Attributes:
        name: The word for messages.
        joint_names: Per side, base to tip.
        tool_site: Per side, the site that is the tool frame.
        home: Per side, joint angles of the home pose [rad].
        limits: Per side.
    """

    name: str

    @property
    def joint_names(self) -> Mapping[Side, tuple[str, ...]]: ...
    @property
    def tool_site(self) -> Mapping[Side, str]: ...
    @property
    def home(self) -> Mapping[Side, FloatArray]: ...
    @property
    def limits(self) -> Mapping[Side, ArmLimits]: ...

    def spec(self) -> mujoco.MjSpec:
        """A fresh spec of the robot alone, on its base."""
        ...


@dataclass(frozen=True, slots=True)
class Nearness:
    """Two bodies that are close.

    Attributes:
        distance: Between their capsules [m]; negative inside.
        first, second: Names of the bodies.
        geoms: Ids of their geoms in the light model.
        points: Nearest points (x, y, z) on both [m, world], shape (6,).
    """

    distance: float
    first: str
    second: str
    geoms: tuple[int, int]
    points: FloatArray


class Kinematics:
    """The light model of one robot, with one configuration at a time.

    Joint vectors are whole: left joints, then right joints, as in `columns`.

    Args:
        robot: Description of the robot.

    Raises:
        ConfigError: When a joint or site that the description names is not in its spec.
    """

    def __init__(self, robot: RobotModel) -> None:
        self.robot = robot
        self.sides: tuple[Side, ...] = tuple(s for s in SIDES if s in robot.joint_names)
        self.model = _light_model(robot)
        self.data = mujoco.MjData(self.model)
        self.columns: dict[Side, slice] = {}
        start = 0
        for side in self.sides:
            stop = start + len(robot.joint_names[side])
            self.columns[side] = slice(start, stop)
            start = stop
        names = [name for side in self.sides for name in robot.joint_names[side]]
        self.joint_names = tuple(names)
        order = [int(self.model.joint(name).qposadr[0]) for name in names]
        if order != list(range(self.model.nq)):
            raise ConfigError(
                f"Robot '{robot.name}' has its arm joints in the order {order}",
                next_step="Name the joints from left base to right tip, as the model has them",
            )
        self.site_ids = {side: self.model.site(robot.tool_site[side]).id for side in self.sides}
        self.pairs = _pairs(self.model, robot, self.sides)
        first, second = self.pairs[:, 0], self.pairs[:, 1]
        self._first, self._second = np.ascontiguousarray(first), np.ascontiguousarray(second)
        self._reach = self.model.geom_rbound[first] + self.model.geom_rbound[second]
        self._ends = [(int(a), int(b)) for a, b in self.pairs]
        self._names = [self._body(geom) for geom in range(self.model.ngeom)]
        self._points = np.zeros(6)
        self._tools: tuple[bytes, dict[Side, Pose]] | None = None  # of the angles last asked about
        mujoco.mj_kinematics(self.model, self.data)

    def stack(self, q: Mapping[Side, FloatArray]) -> FloatArray:
        """Whole joint vector [rad], shape (nq,), of the angles per side."""
        return np.concatenate([q[side] for side in self.sides])

    def split(self, q: FloatArray) -> dict[Side, FloatArray]:
        """Joint angles per side [rad] of a whole vector."""
        return {side: q[self.columns[side]].copy() for side in self.sides}

    def place(self, q: FloatArray) -> None:
        """Put the light model at the whole joint vector `q` [rad], shape (nq,)."""
        here = self.data.qpos
        # Frames always belong to the joint angles; who asks again about the same ones has them.
        if here.tobytes() != q.tobytes():
            here[:] = q
            mujoco.mj_kinematics(self.model, self.data)

    def tool_here(self, side: Side) -> Pose:
        """`T_world_tool` of the configuration last placed."""
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, self.data.site_xmat[self.site_ids[side]])
        return Pose(self.data.site_xpos[self.site_ids[side]], quat)

    def tools(self, q: FloatArray) -> dict[Side, Pose]:
        """`T_world_tool` per side at the whole joint vector `q` [rad], shape (nq,)."""
        self.place(q)
        key = q.tobytes()
        if self._tools is None or self._tools[0] != key:
            self._tools = key, {side: self.tool_here(side) for side in self.sides}
        return self._tools[1].copy()

    def near(self, within: float) -> list[Nearness]:
        """Pairs closer than `within` [m] in the configuration last placed."""
        found = []
        for first, second, distance in self._closer(within):
            found.append(
                Nearness(
                    distance,
                    self._names[first],
                    self._names[second],
                    (first, second),
                    self._points.copy(),
                )
            )
        return found

    def clearance(self, q: FloatArray, within: float = 0.02) -> tuple[float, str]:
        """Least distance between any watched pair [m] at `q`, and the two bodies' names.

        When all are farther apart than `within` [m], that and "" are returned.
        """
        self.place(q)
        worst = min(self._closer(within), key=lambda pair: pair[2], default=None)
        if worst is None:
            return within, ""
        first, second, distance = worst
        return distance, f"{self._names[first]} and {self._names[second]}"

    def _closer(self, within: float) -> Iterator[tuple[int, int, float]]:
        """Pairs of geoms closer than `within` [m] and their distance [m]; while one is looked at,
        `_points` holds its nearest points."""
        centers = self.data.geom_xpos
        gaps = centers.take(self._first, axis=0) - centers.take(self._second, axis=0)
        near = np.einsum("ij,ij->i", gaps, gaps) <= (self._reach + within) ** 2
        for index in np.flatnonzero(near).tolist():
            first, second = self._ends[index]
            distance = mujoco.mj_geomDistance(
                self.model, self.data, first, second, within, self._points
            )
            if distance < within:
                yield first, second, distance

    def _body(self, geom: int) -> str:
        name = str(self.model.body(self.model.geom_bodyid[geom]).name)
        return "the base" if name == "world" else name


def _light_model(robot: RobotModel) -> mujoco.MjModel:
    """The robot's bodies and arm joints; capsules instead of meshes; fingers welded as drawn."""
    full = robot.spec().compile()
    keep = {name for side in robot.joint_names for name in robot.joint_names[side]}
    tools = set(robot.tool_site.values())
    known = {full.joint(i).name for i in range(full.njnt)}
    known |= {full.site(i).name for i in range(full.nsite)}
    missing = sorted((keep | tools) - known)
    if missing:
        raise ConfigError(
            f"Robot '{robot.name}' names {', '.join(missing)}, which its model has not",
            next_step="Correct the names in the robot's description",
        )
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    bodies = [spec.worldbody]
    for index in range(1, full.nbody):
        source = full.body(index)
        body = bodies[int(source.parentid[0])].add_body(
            name=source.name, pos=source.pos, quat=source.quat
        )
        bodies.append(body)
        # Dynamics play no part here; a body that moves must weigh something to compile.
        body.explicitinertial = True
        body.mass, body.inertia = 1.0, [1.0, 1.0, 1.0]
        capsule = _capsule(full, index) if full.body_weldid[index] else None
        if capsule is not None:
            start, stop, radius = capsule
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_CAPSULE, fromto=[*start, *stop], size=[radius, 0, 0]
            )
    for index in range(full.njnt):
        joint = full.joint(index)
        if joint.name in keep:
            bodies[int(joint.bodyid[0])].add_joint(
                name=joint.name, type=int(joint.type[0]), axis=joint.axis, pos=joint.pos
            )
    for index in range(full.nsite):
        site = full.site(index)
        if site.name in tools:
            bodies[int(site.bodyid[0])].add_site(name=site.name, pos=site.pos, quat=site.quat)
    for geom in range(full.ngeom):
        # What stands still keeps the hull of its shape: a capsule around a column with a foot
        # would swallow the arms' home.
        index = int(full.geom_bodyid[geom])
        if not full.body_weldid[index] and full.geom_contype[geom]:
            mesh = spec.add_mesh(name=f"base{geom}")
            mesh.uservert = _vertices(full, geom).ravel()
            mesh.maxhullvert = 64
            bodies[index].add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name)
    return spec.compile()


def _capsule(model: mujoco.MjModel, body: int) -> tuple[FloatArray, FloatArray, float] | None:
    """The capsule around all collision meshes of a body, in the body's frame [m].

    Its axis is the longest side of their common box. Fingers belong to their hand's neighbours
    in `_pairs`, so that each body has one capsule at most.
    """
    clouds = []
    for geom in range(model.ngeom):
        if model.geom_bodyid[geom] == body and model.geom_contype[geom]:
            clouds.append(_vertices(model, geom))
    if not clouds:
        return None
    cloud = np.concatenate(clouds)
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    axis = int(np.argmax(high - low))
    center = (low + high) / 2.0
    others = [i for i in range(3) if i != axis]
    off_axis = np.linalg.norm(cloud[:, others] - center[others], axis=1)
    radius = float(off_axis.max())
    # A vertex at distance r from the axis lies inside the cap if it is within sqrt(R^2 - r^2)
    # of the cap's centre along the axis.
    cap = np.sqrt(radius**2 - off_axis**2)
    start, stop = center.copy(), center.copy()
    start[axis] = min(center[axis] - 1e-3, float((cloud[:, axis] + cap).min()))
    stop[axis] = max(center[axis] + 1e-3, float((cloud[:, axis] - cap).max()))
    return start, stop, radius


def _vertices(model: mujoco.MjModel, geom: int) -> FloatArray:
    """Corners of a geom in its body's frame [m], shape (n, 3): mesh vertices or box corners."""
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = model.geom_dataid[geom]
        first = model.mesh_vertadr[mesh]
        points = model.mesh_vert[first : first + model.mesh_vertnum[mesh]].astype(np.float64)
    else:
        center, half = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
        signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
        points = center + signs * half
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    return points @ rotation.reshape(3, 3).T + model.geom_pos[geom]


def _pairs(
    model: mujoco.MjModel, robot: RobotModel, sides: Sequence[Side]
) -> npt.NDArray[np.int64]:
    """Geom pairs to keep apart, shape (n, 2): arm against arm, and lower arm against the base.

    An arm's own links cannot reach each other beyond neighbours within their joint ranges, and
    the upper arm cannot reach the base it hangs on, so only links beyond the third joint are
    watched.
    """
    links: dict[Side, list[int]] = {}
    for side in sides:
        joints = robot.joint_names[side]
        roots = [int(model.joint(name).bodyid[0]) for name in joints[2:]]
        links[side] = [
            geom
            for geom in range(model.ngeom)
            if any(_below(model, int(model.geom_bodyid[geom]), root) for root in roots[:1])
        ]
    base = [geom for geom in range(model.ngeom) if not model.body_weldid[model.geom_bodyid[geom]]]
    pairs = [(a, b) for a in links.get("left", []) for b in links.get("right", [])]
    far = [geom for side in sides for geom in links[side] if geom not in links[side][:1]]
    pairs += [(a, b) for a in base for b in far]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _below(model: mujoco.MjModel, body: int, root: int) -> bool:
    while body:
        if body == root:
            return True
        body = int(model.body_parentid[body])
    return False
