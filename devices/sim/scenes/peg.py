"""Put a peg into a socket."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.sim.scene import Touch
from devices.sim.scenes.fixture import SlidingFixture, shove
from devices.sim.scenes.package import PREFIX, borrow
from devices.sim.scenes.room import TABLE_TOP, furnish_room

_SOCKET = SlidingFixture(f"{PREFIX}socket", slot=0)
_PEG = f"{PREFIX}peg"
_PEG_JOINT = f"{PREFIX}peg_free"
_PEG_HALF = 0.045  # [m] half the peg's length
_RIM = 0.05  # [m] height of the socket's rim above the table
_CATCH = 0.008  # [m] the peg's axis is over the hole within this distance
_LIFT = 0.06  # [m] height that counts as lifted
_UPRIGHT = 0.95  # cosine of the tilt up to which the peg goes in
_APART = 0.10  # [m] least distance of peg and socket at the start


class Peg:
    """A standing peg and a ring-shaped socket at the right.

    `observe`: `peg` (7,) pose of the peg's middle, z along the peg; `socket` (7,) pose of the
    middle of the socket's rim; `depth` (1,) [m] how deep the peg is in, 0 ... 0.05.
    """

    name = "peg"
    title = "Peg in hole"
    instruction = "Pick up the peg and put it into the socket."
    perturbations = ("moved_before_contact", "moved_after_contact")
    force_band: tuple[float, float] | None = None

    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec)
        borrow(spec, "peg_socket_scene.xml", ("peg", "socket"))
        _SOCKET.free(spec)
        spec.nuserdata = max(spec.nuserdata, 2)
        for body, material in ((_PEG, "coral"), (_SOCKET.body, "steel")):
            for geom in spec.body(body).geoms:
                geom.material = material
                geom.rgba = [0.5, 0.5, 0.5, 1.0]  # MuJoCo's default: the material decides
        for site in spec.body(_SOCKET.body).sites:
            site.group = 4

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        socket = np.array([rng.uniform(0.38, 0.46), rng.uniform(-0.30, -0.14)])
        while True:
            peg = np.array([rng.uniform(0.38, 0.48), rng.uniform(-0.26, -0.02)])
            if np.linalg.norm(peg - socket) >= _APART:
                break
        _SOCKET.place(model, data, socket[0], socket[1], 0.0)
        self._stand(data, peg)

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        _SOCKET.advance(model, data)

    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Nothing changes its looks here."""

    def observe(
        self, model: mujoco.MjModel, data: mujoco.MjData
    ) -> dict[str, npt.NDArray[np.float64]]:
        peg, socket = data.body(_PEG), data.body(_SOCKET.body)
        rim = socket.xpos + np.array([0.0, 0.0, _RIM])
        return {
            "peg": np.concatenate([peg.xpos, peg.xquat]),
            "socket": np.concatenate([rim, socket.xquat]),
            "depth": np.array([self._depth(data)]),
        }

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> npt.NDArray[np.float64]:
        """Poses of peg and socket, shape (14,)."""
        return np.concatenate([self.observe(model, data)[name] for name in ("peg", "socket")])

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """Half for carrying the peg over the hole, half for how deep it is in."""
        depth = self._depth(data)
        if depth > 0.0:
            return float(min(1.0, 0.5 + 0.5 * depth / (0.9 * _RIM)))
        peg = data.body(_PEG).xpos
        lifted = np.clip((peg[2] - TABLE_TOP - _PEG_HALF) / _LIFT, 0.0, 1.0)
        near = np.clip(1.0 - self._offset(data) / 0.2, 0.0, 1.0)
        return float(lifted * (0.25 + 0.25 * near))

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self._depth(data) >= 0.9 * _RIM

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        if name == "moved_before_contact":
            peg = data.body(_PEG).xpos
            standing = abs(peg[2] - TABLE_TOP - _PEG_HALF) < 0.003
            if standing and self._offset(data) > _APART and not _touched(model, data, _PEG):
                away = peg[:2] - data.body(_SOCKET.body).xpos[:2]
                shift = away / np.linalg.norm(away) * rng.uniform(0.015, 0.03)
                self._stand(data, peg[:2] + shift)
            else:
                _SOCKET.push(data, *shove(rng, 0.015, 0.03))
        elif name == "moved_after_contact":
            _SOCKET.push(data, *shove(rng, 0.015, 0.03))
        else:
            raise ConfigError(
                f"Scene '{self.name}' has no perturbation '{name}'", allowed=self.perturbations
            )

    def _stand(self, data: mujoco.MjData, at: npt.NDArray[np.float64]) -> None:
        joint = data.joint(_PEG_JOINT)
        joint.qpos[:] = [at[0], at[1], TABLE_TOP + _PEG_HALF, 1.0, 0.0, 0.0, 0.0]
        joint.qvel[:] = 0.0

    def _offset(self, data: mujoco.MjData) -> float:
        """Horizontal distance of peg and socket [m]."""
        way = data.body(_PEG).xpos[:2] - data.body(_SOCKET.body).xpos[:2]
        return math.hypot(way[0], way[1])

    def _depth(self, data: mujoco.MjData) -> float:
        """How deep the peg's lower end is below the rim, inside the hole [m]."""
        peg = data.body(_PEG)
        if self._offset(data) > _CATCH or abs(peg.xmat[8]) < _UPRIGHT:
            return 0.0
        tip = peg.xpos[2] - _PEG_HALF
        return float(np.clip(TABLE_TOP + _RIM - tip, 0.0, _RIM))


def _touched(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> bool:
    """Whether anything but the world's fixed furniture touches a body."""
    index = model.body(body).id
    bodies = model.geom_bodyid[data.contact.geom]
    mine = (bodies == index).any(axis=1)
    other = np.where(bodies[:, 0] == index, bodies[:, 1], bodies[:, 0])
    return bool((mine & (model.body_weldid[other] != 0)).any())
