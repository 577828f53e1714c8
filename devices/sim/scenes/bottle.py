"""Unscrew the cap of a bottle."""

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

_BOTTLE = SlidingFixture(f"{PREFIX}bottle", slot=0)
_CAP = f"{PREFIX}bottle_cap"
_TURN = f"{PREFIX}cap_turn"
_GOAL = 4.0 * math.pi  # [rad] two turns; the thread ends at 2.1


class Bottle:
    """A clamped bottle; its cap turns on a thread of 15 mm a turn.

    `observe`: `cap` (7,) pose of the cap's middle, z up, turning with the cap; `turn` (1,) [rad].
    """

    name = "bottle"
    title = "Bottle cap"
    instruction = "Unscrew the cap: two turns counter-clockwise."
    perturbations = ("moved_before_contact", "moved_after_contact")
    force_band: tuple[float, float] | None = None

    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec)
        borrow(spec, "bottle_scene.xml", ("bottle",))
        _BOTTLE.free(spec)
        spec.nuserdata = max(spec.nuserdata, 2)
        looks = {"bottle_clamp": "graphite", "cap_grip": "coral", "cap_mark": "amber"}
        for geom in spec.body(_BOTTLE.body).find_all("geom"):
            geom.material = looks.get(geom.name.removeprefix(PREFIX), "teal")
            geom.rgba = [0.5, 0.5, 0.5, 1.0]  # MuJoCo's default: the material decides

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        _BOTTLE.place(
            model,
            data,
            x=rng.uniform(0.40, 0.46),
            y=rng.uniform(-0.22, -0.06),
            yaw=rng.uniform(-0.5, 0.5),
        )

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        _BOTTLE.advance(model, data)

    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Nothing changes its looks here."""

    def observe(
        self, model: mujoco.MjModel, data: mujoco.MjData
    ) -> dict[str, npt.NDArray[np.float64]]:
        cap = data.body(_CAP)
        return {
            "cap": np.concatenate([cap.xpos, cap.xquat]),
            "turn": np.array([self._turn(data)]),
        }

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> npt.NDArray[np.float64]:
        """Pose of the cap, shape (7,)."""
        return self.observe(model, data)["cap"]

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        return float(np.clip(self._turn(data) / _GOAL, 0.0, 1.0))

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self._turn(data) >= _GOAL

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        if name == "moved_before_contact":
            _BOTTLE.push(data, *shove(rng, 0.02, 0.04))
        elif name == "moved_after_contact":
            _BOTTLE.push(data, *shove(rng, 0.01, 0.02))
        else:
            raise ConfigError(
                f"Scene '{self.name}' has no perturbation '{name}'", allowed=self.perturbations
            )

    def _turn(self, data: mujoco.MjData) -> float:
        return float(data.joint(_TURN).qpos[0])
