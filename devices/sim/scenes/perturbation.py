"""The names of the perturbations that every touch scene knows."""

from __future__ import annotations

from devices.errors import ConfigError
from devices.sim.scene import Scene

MOVED = ("moved_before_contact", "moved_after_contact")

BEGUN = "begun"
"""Somebody has done most of the task: what is left is what an operator leaves over last."""


def check(scene: Scene, name: str) -> None:
    """Raises ConfigError for a name that the scene does not know."""
    if name not in scene.perturbations:
        raise ConfigError(
            f"Scene '{scene.name}' has no perturbation '{name}'", allowed=scene.perturbations
        )
