"""The contract of a simulated scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np
import numpy.typing as npt

from devices.leader import Side


@dataclass(frozen=True, slots=True)
class Touch:
    """What the pads feel at one physics step, as told to a scene.

    Attributes:
        field: Per pad ("left_inner", "left_outer", "right_inner", "right_outer"):
            shape (7, 9, 3) [N], normal first.
        pad_pose: Per pad, `T_world_pad` as (7,) [m, wxyz]; z is the outward normal of the pad.
        wrench: Per side, on the tool [N, N m], shape (6,), in the tool frame.
    """

    field: Mapping[str, npt.NDArray[np.float64]]
    pad_pose: Mapping[str, npt.NDArray[np.float64]]
    wrench: Mapping[Side, npt.NDArray[np.float64]]


class Scene(Protocol):
    """Furniture around the robot, a task in it, and how far the task is done.

    A scene keeps no state of its own: whatever changes (ink, cut length, cracks) lives in
    `data.userdata` or in joints, so that the recorded physics state brings it all back.

    Attributes:
        name: The word in station files and on the command line.
        title: The words on a screen.
        instruction: One sentence for the demonstrator and for language-conditioned policies.
        perturbations: Names that `perturb` accepts ("moved_before_contact", "moved_after_contact").
        force_band: Normal force that counts as right contact [N], (low, high), or None.
    """

    name: str
    title: str
    instruction: str
    perturbations: tuple[str, ...]
    force_band: tuple[float, float] | None

    def furnish(self, spec: mujoco.MjSpec) -> None:
        """Add bodies, materials, lights, cameras (`front` among them) and `nuserdata` to a spec
        that already holds the robot on its pedestal."""
        ...

    def reset(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Put the objects where `rng` says. The robot is at its home pose already."""
        ...

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData, touch: Touch) -> None:
        """Called at 125 Hz of simulated time after stepping: what contact does to the world
        (ink goes, skin peels, a cup cracks, pushed furniture slides on). Changes `data.userdata`
        and mocap poses only."""
        ...

    def dress(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Show `data.userdata` in colours and sizes of `model` before rendering. Touches nothing
        that physics reads."""
        ...

    def observe(
        self, model: mujoco.MjModel, data: mujoco.MjData
    ) -> dict[str, npt.NDArray[np.float64]]:
        """What the scene knows about its objects: privileged, for scripted operators."""
        ...

    def glance(self, model: mujoco.MjModel, data: mujoco.MjData) -> npt.NDArray[np.float64]:
        """What an eye would tell of the scene, as numbers of a fixed count: place and heading of
        the objects and what can be seen of their state, never hidden height, weight or softness.
        Poses are (x, y, z, qw, qx, qy, qz) in the world [m]. Recorded as `scene/glance`: the
        low-dimensional stand-in for a camera."""
        ...

    def progress(self, model: mujoco.MjModel, data: mujoco.MjData) -> float:
        """How far the task is done, 0 ... 1."""
        ...

    def success(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        """Whether the task is done now."""
        ...

    def perturb(
        self,
        name: str,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        rng: np.random.Generator,
    ) -> None:
        """Disturb the task. Raises ConfigError for an unknown name, listing the known ones."""
        ...
