"""Turn a lever valve by a quarter turn."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.sim.scene import Touch
from devices.sim.scenes.fixture import SlidingFixture, shove
from devices.sim.scenes.package import PREFIX, borrow
from devices.sim.scenes.room import furnish_room

_BASE = SlidingFixture(f"{PREFIX}valve_base", slot=0)
_VALVE = f"{PREFIX}valve"
_TURN = f"{PREFIX}valve_turn"
_LEVER = 0.062  # [m] the upright grip's distance from the axis
_GOAL = math.pi / 2  # [rad]


class Valve:
    """A pipe with a lever; an upright grip stands at the lever's end.

    `observe`: `grip` (7,) pose of the grip's middle, x away from the axis, z up along the grip;
    `axis` (7,) pose of the valve's axis in the turning plane; `angle` (1,) [rad].
    """

    name = "valve"
    title = "Valve"
    instruction = "Turn the valve counter-clockwise by a quarter turn."
    perturbations = ("moved_before_contact", "moved_after_contact")
    force_band: tuple[float, float] | None = None

    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec)
        borrow(spec, "valve_scene.xml", ("valve_base",))
        _BASE.free(spec)
        spec.nuserdata = max(spec.nuserdata, 2)
        looks = {"valve_pipe": "steel", "valve_lever": "coral", "valve_grip": "graphite"}
        for geom in spec.body(_BASE.body).find_all("geom"):
            geom.material = looks.get(geom.name.removeprefix(PREFIX), "slate")
            geom.rgba = [0.5, 0.5, 0.5, 1.0]  # MuJoCo's default: the material decides

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        _BASE.place(
            model,
            data,
            x=rng.uniform(0.36, 0.42),
            y=rng.uniform(-0.20, -0.08),
            yaw=rng.uniform(-0.7, 0.7),
        )

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        _BASE.advance(model, data)

    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Nothing changes its looks here."""

    def observe(
        self, model: mujoco.MjModel, data: mujoco.MjData
    ) -> dict[str, npt.NDArray[np.float64]]:
        valve = data.body(_VALVE)
        grip = valve.xpos + valve.xmat.reshape(3, 3)[:, 0] * _LEVER
        return {
            "grip": np.concatenate([grip, valve.xquat]),
            "axis": np.concatenate([valve.xpos, valve.xquat]),
            "angle": np.array([self._angle(data)]),
        }

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> npt.NDArray[np.float64]:
        """Poses of lever and axis, shape (14,)."""
        return np.concatenate([self.observe(model, data)[name] for name in ("grip", "axis")])

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        return float(np.clip(self._angle(data) / _GOAL, 0.0, 1.0))

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self._angle(data) >= _GOAL

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        if name == "moved_before_contact":
            _BASE.push(data, *shove(rng, 0.02, 0.04))
        elif name == "moved_after_contact":
            _BASE.push(data, *shove(rng, 0.01, 0.02))
        else:
            raise ConfigError(
                f"Scene '{self.name}' has no perturbation '{name}'", allowed=self.perturbations
            )

    def _angle(self, data: mujoco.MjData) -> float:
        return float(data.joint(_TURN).qpos[0])
