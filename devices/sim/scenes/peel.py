"""Peel: a blade takes the skin off a cucumber in one strip, as long as it is pressed just right.

After the peeling task of Reactive Diffusion Policy (Xue et al., RSS 2025): the score is the length
of the strip. Too light and the blade glides over the skin; too hard and it cuts into the flesh;
both end the strip. The cucumber lies at a height and slope that the eye judges badly.
"""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

from devices.pose import Pose, quat_from_rotvec, quat_multiply
from devices.sim.scene import Touch
from devices.sim.scenes import contact, cucumber, handheld, looks, stage
from devices.sim.scenes.cucumber import CELL, CELLS, LANES
from devices.sim.scenes.perturbation import MOVED, check
from devices.sim.scenes.room import furnish_room

FloatArray = npt.NDArray[np.float64]

_STAGE = "cucumber"
_HOME = Pose(np.array([0.405, -0.17, 0.462]), np.array([1.0, 0.0, 0.0, 0.0]))
_DROP = 0.042  # [m] from the middle of the pads down to the blade's edge
_BLADE = (0.0015, 0.008)  # [m] radius and half length of the blade

# userdata: height of the crest as it is seen [m], number of the strip being cut, lane and cell
# where it was cut last; then every cell: 0 skin, n > 0 cut in strip n, _GOUGED cut too deep.
_SEEN_Z, _STRIP, _LANE, _LAST, _CELLS = 0, 1, 2, 3, 4
_GOUGED = -1.0
_REACH = 2  # cells that a strip may bridge
_LONGEST = 40  # cells in one strip: done
_SLOWEST = 0.004  # [m/s]


class Peel:
    """See the module's first lines."""

    name = "peel"
    title = "Peel the cucumber"
    instruction = "Peel one long strip off the cucumber with steady pressure, without stopping."
    perturbations: tuple[str, ...] = MOVED
    force_band: tuple[float, float] | None = (1.5, 6.0)

    # ---------------------------------------------------------------- furniture
    def furnish(self, spec: mujoco.MjSpec) -> None:
        furnish_room(spec, front_from=(0.97, -0.10, 0.90), front_at=(0.33, -0.08, 0.50))
        spec.nuserdata = _CELLS + LANES * CELLS
        body = stage.add_stage(spec, _STAGE, _HOME)
        spec.add_exclude(bodyname1=_STAGE, bodyname2="table")
        cucumber.grow(spec, body)
        self._cradle(spec, body)
        self._peeler(spec)

    def _cradle(self, spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        """Two forked rests on a cutting board; they move with the cucumber."""
        dark = looks.paint(spec, "cradle", (0.36, 0.22, 0.13), specular=0.3)
        low = cucumber.underside()
        for y in (-0.055, 0.055):
            for sign in (-1, 1):
                looks.rod(
                    body,
                    (sign * 0.006, y, low - 0.010),
                    (sign * 0.021, y, low + 0.014),
                    0.0042,
                    dark,
                    rounded=True,
                )
            looks.box(body, (0.013, 0.006, 0.010), (0, y, low - 0.014), dark)
        looks.box(body, (0.026, 0.085, 0.004), (0, 0, low - 0.022), dark)
        maple = looks.paint(spec, "maple", (0.80, 0.62, 0.42), specular=0.2, shininess=0.2)
        x, y, _ = _HOME.position
        table = spec.body("table")
        plate = looks.plate(spec, "cutting_board", (0.085, 0.145, 0.006), 0.018)
        looks.mesh(table, plate, (x - table.pos[0], y - table.pos[1], 0.006), maple)
        groove = looks.paint(spec, "groove", (0.62, 0.45, 0.28), specular=0.1)
        hole = (x - table.pos[0], y - table.pos[1] + 0.128)
        looks.cylinder(table, 0.007, 0.0002, (*hole, 0.0121), groove)

    def _peeler(self, spec: mujoco.MjSpec) -> None:
        grip = looks.paint(spec, "peeler_grip", (0.14, 0.15, 0.17), specular=0.3)
        accent = looks.paint(spec, "peeler_accent", (0.90, 0.36, 0.16), specular=0.5)
        steel = looks.paint(spec, "peeler_steel", (0.74, 0.76, 0.79), specular=1.0, shininess=0.9)
        body = handheld.mount(spec, "right", "peeler", tilt_stiffness=3.0)
        handheld.add_handle(body, grip)
        bottom = -handheld.HANDLE[2]
        radius, half = _BLADE
        edge = -_DROP + radius
        looks.box(body, (0.0114, 0.0129, 0.0025), (0, 0, bottom + 0.004), accent)
        looks.rod(body, (0, 0, bottom), (0, 0, bottom - 0.006), 0.006, grip)
        for sign in (-1, 1):
            knee = (sign * (half + 0.003), 0, bottom - 0.010)
            looks.rod(body, (0, 0, bottom - 0.005), knee, 0.0018, steel, rounded=True)
            looks.rod(
                body, knee, (sign * (half + 0.003), 0, edge + 0.001), 0.0018, steel, rounded=True
            )
        body.add_geom(
            name="blade",
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[-half, 0, edge, half, 0, edge],
            size=[radius, 0, 0],
            material=steel,
            mass=0.03,
            friction=[0.2, 0.005, 0.0001],
            solref=[0.012, 1.0],
        )
        body.add_site(name="blade_edge", pos=[0, 0, -_DROP], size=[0.002] * 3, rgba=[0] * 4)

    # -------------------------------------------------------------------- state
    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        lean = quat_from_rotvec(np.radians([rng.uniform(-4, 4), rng.uniform(-2, 2), 0.0]))
        turn = quat_from_rotvec(np.array([0.0, 0.0, np.radians(rng.uniform(-15, 15))]))
        offset = rng.uniform([-0.012, -0.025, -0.008], [0.012, 0.025, 0.008])
        target = Pose(_HOME.position + offset, quat_multiply(turn, lean))
        stage.place(model, data, _STAGE, target)
        data.userdata[:] = 0.0
        data.userdata[_LAST] = -1.0
        data.userdata[_SEEN_Z] = target.position[2] + rng.uniform(-0.008, 0.008)

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        assert self.force_band is not None
        touching = contact.normal_forces(model, data, "blade", "cucumber_skin")
        force = sum(newtons for newtons, _ in touching)
        if force < self.force_band[0]:
            return
        if contact.sliding_speed(model, data, "blade", _STAGE) < _SLOWEST:
            return
        middle = np.sum([newtons * point for newtons, point in touching], axis=0) / force
        where = cucumber.cell_at(stage.in_stage(stage.pose(data, _STAGE), middle[None])[0])
        if where is None:
            return
        lane, cell = where
        cells = data.userdata[_CELLS:].reshape(LANES, CELLS)
        if force > self.force_band[1]:
            if cells[lane, cell] == 0.0:
                cells[lane, cell] = _GOUGED
            data.userdata[_LAST] = -1.0
        else:
            self._cut(data.userdata, cells, lane, cell)

    def _cut(self, userdata: FloatArray, cells: FloatArray, lane: int, cell: int) -> None:
        """Take the skin off a cell, in the running strip if it reaches there, else in a new one."""
        last = int(userdata[_LAST])
        goes_on = last >= 0 and int(userdata[_LANE]) == lane and abs(cell - last) <= _REACH
        if goes_on and cell == last:
            return
        if not goes_on:
            if cells[lane, cell] != 0.0:
                return
            userdata[_STRIP] += 1.0
            new = [cell]
        else:
            step = 1 if cell > last else -1
            new = list(range(last + step, cell + step, step))
        for index in new:
            if cells[lane, index] == 0.0:
                cells[lane, index] = userdata[_STRIP]
        userdata[_LANE], userdata[_LAST] = lane, cell

    # --------------------------------------------------------------------- look
    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        cells = data.userdata[_CELLS:]
        first = model.geom("flesh_0_0").id
        rgba = model.geom_rgba[first : first + LANES * CELLS]
        ripple = 0.5 + 0.5 * np.sin(2.1 * np.arange(LANES * CELLS))[:, None]
        flesh = np.array(cucumber.FLESH) + ripple * np.array([-0.035, -0.02, -0.06])
        rgba[:, :3] = np.where(cells[:, None] == _GOUGED, np.array(cucumber.PULP), flesh)
        rgba[:, 3] = np.where(cells != 0.0, 1.0, 0.0)
        self._dress_curl(model, data)

    def _dress_curl(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """The strip rolls up at the blade while it is being cut, and is gone when it has torn."""
        lane, last = int(data.userdata[_LANE]), int(data.userdata[_LAST])
        strip = data.userdata[_CELLS:].reshape(LANES, CELLS)[lane] == data.userdata[_STRIP]
        first = model.geom("curl_0").id
        pieces = slice(first, first + cucumber.CURL)
        length = int(strip.sum()) if last >= 0 and data.userdata[_STRIP] > 0 else 0
        heading = 1.0 if strip[: max(last, 0)].sum() >= length / 2 else -1.0
        places, turns = cucumber.curl(length, max(last, 0), lane, heading)
        model.geom_pos[pieces], model.geom_quat[pieces] = places, turns
        model.geom_rgba[pieces, :3] = cucumber.PEEL
        model.geom_rgba[pieces, 3] = np.arange(cucumber.CURL) < length

    # --------------------------------------------------------------------- task
    def observe(self, model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, FloatArray]:
        """`surface`: the cucumber's pose, origin at the crest's middle, y along it; `surface_seen`:
        as an eye from above judges it, level and at the height it seemed to have at first; `tip`:
        the blade's edge; `crest`: the crest, shape (n, 3) [m, cucumber's frame]; `cells`: shape
        (lanes, n), see the module; `force_band` [N]."""
        assert self.force_band is not None
        body = stage.pose(data, _STAGE)
        return {
            "surface": body.to_array(),
            "surface_seen": stage.seen_from_above(body, data.userdata[_SEEN_Z]).to_array(),
            "tip": contact.site_pose(data, "blade_edge").to_array(),
            "crest": cucumber.crest(),
            "cells": data.userdata[_CELLS:].reshape(LANES, CELLS).copy(),
            "cell_length": np.array([CELL]),
            "force_band": np.array(self.force_band),
        }

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> FloatArray:
        """Cucumber as it is seen (7,), then the share of each lane that is peeled, shape
        (7 + LANES,)."""
        body = stage.pose(data, _STAGE)
        seen = stage.seen_from_above(body, data.userdata[_SEEN_Z]).to_array()
        cells = data.userdata[_CELLS:].reshape(LANES, CELLS)
        return np.concatenate([seen, (cells > 0).mean(axis=1)])

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        return min(1.0, _longest(data.userdata[_CELLS:].reshape(LANES, CELLS)) / _LONGEST)

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return self.progress(model, data) >= 1.0

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        check(self, name)
        aside, depth = (0.03, 0.014) if name == MOVED[0] else (0.006, 0.012)
        stage.nudge(model, data, _STAGE, rng, aside=aside, depth=depth, turn=np.radians(6))


def _longest(cells: FloatArray) -> int:
    """Length of the longest unbroken strip, in cells."""
    best = 0
    for lane in cells:
        run, strip = 0, 0.0
        for cell in lane:
            run = run + 1 if cell > 0.0 and cell == strip else int(cell > 0.0)
            strip = cell
            best = max(best, run)
    return best
