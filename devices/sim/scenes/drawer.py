"""Pull a drawer open by its bar handle."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.errors import ConfigError
from devices.sim.scene import Touch
from devices.sim.scenes.fixture import SlidingFixture, shove
from devices.sim.scenes.package import PREFIX, borrow
from devices.sim.scenes.room import furnish_room

_CABINET = SlidingFixture(f"{PREFIX}cabinet_drawer", slot=0)
_DRAWER = f"{PREFIX}drawer"
_SLIDE = f"{PREFIX}drawer_slide"
_OPEN = 0.08  # [m] of 0.10: the drawer counts as open
_HANDLE_X = -0.092  # [m] the bar, in the drawer's frame


class Drawer:
    """A small cabinet at the right with one drawer that opens towards the robot.

    `observe`: `handle` (7,) pose of the bar's middle, x into the cabinet, y along the bar, z up;
    `opening` (1,) [m], 0 closed ... 0.10.
    """

    name = "drawer"
    title = "Drawer"
    instruction = "Grasp the handle and pull the drawer open."
    perturbations = ("moved_before_contact", "moved_after_contact")
    force_band: tuple[float, float] | None = None

    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec, front_from=(0.30, -0.98, 1.00), front_at=(0.31, -0.05, 0.49))
        borrow(spec, "articulated_scene.xml", ("cabinet_drawer",))
        _CABINET.free(spec)
        spec.nuserdata = max(spec.nuserdata, 2)
        looks = {"drawer_box": "paper", "drawer_front": "paper"}
        for geom in spec.body(_CABINET.body).find_all("geom"):
            name = geom.name.removeprefix(PREFIX)
            geom.material = looks.get(name, "graphite" if "handle" in name else "teal")
            geom.rgba = [0.5, 0.5, 0.5, 1.0]  # MuJoCo's default: the material decides

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        _CABINET.place(
            model,
            data,
            x=rng.uniform(0.49, 0.54),
            y=rng.uniform(-0.27, -0.15),
            yaw=rng.uniform(-0.2, 0.2),
        )

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        _CABINET.advance(model, data)

    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Nothing changes its looks here."""

    def observe(
        self, model: mujoco.MjModel, data: mujoco.MjData
    ) -> dict[str, npt.NDArray[np.float64]]:
        drawer = data.body(_DRAWER)
        handle = np.empty(7)
        handle[:3] = drawer.xpos + drawer.xmat.reshape(3, 3)[:, 0] * _HANDLE_X
        handle[3:] = drawer.xquat
        return {"handle": handle, "opening": np.array([self._opening(data)])}

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> npt.NDArray[np.float64]:
        """Pose of the handle, shape (7,)."""
        return self.observe(model, data)["handle"]

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        return float(np.clip(self._opening(data) / _OPEN, 0.0, 1.0))

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self._opening(data) >= _OPEN

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        if name == "moved_before_contact":
            _CABINET.push(data, *shove(rng, 0.02, 0.04))
        elif name == "moved_after_contact":
            _CABINET.push(data, *shove(rng, 0.01, 0.025))
        else:
            raise ConfigError(
                f"Scene '{self.name}' has no perturbation '{name}'", allowed=self.perturbations
            )

    def _opening(self, data: mujoco.MjData) -> float:
        return -float(data.joint(_SLIDE).qpos[0])
