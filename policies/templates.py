"""Trainings that were seen to work on a scene, by name: where to begin there.

What is told here is what `docs/results/touch-matters.md` was made with, no more: a template is not
the best training of its scene, and of other scenes it tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from devices.errors import ConfigError

SMALL = ("widths=[32,64,128]",)
"""A network of about a million parameters: half the time of the default on one core."""

REACTIVE = (*SMALL, "kl=1e-4", "hidden=64", "scale=standard", "plan.pushed=follow")
PLANNING = (*SMALL, "kernel=3", "space.rate_hz=12", "space.horizon=16")
FROM_THE_THING = ("about=glance",)
"""Places told from what an eye sees of the task's thing. Not for lifting, where hands carry it
off."""


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask of a training, but for its takes.

    Attributes:
        name: What it is called.
        scene: Where it was seen to work.
        policy, needs, steps: As in `teledeck train`.
        settings: As in `--set`.
    """

    name: str
    scene: str
    policy: str
    needs: str
    steps: int
    settings: tuple[str, ...]

    def fields(self) -> Mapping[str, str]:
        """Settings by name: "plan.pushed" → "follow"."""
        parts = [setting.partition("=") for setting in self.settings]
        return {name: value for name, _, value in parts}


TEMPLATES: tuple[Template, ...] = (
    Template(
        name="rdp-wipe",
        scene="wipe",
        policy="rdp",
        needs="glance-sent-reactive",
        steps=12_000,
        settings=(*REACTIVE, *FROM_THE_THING),
    ),
    Template(
        name="diffusion-wipe",
        scene="wipe",
        policy="diffusion",
        needs="glance-sent-touch",
        steps=3000,
        settings=(*PLANNING, *FROM_THE_THING),
    ),
    Template(
        name="rdp-lift",
        scene="lift",
        policy="rdp",
        needs="glance-sent-reactive",
        steps=12_000,
        settings=REACTIVE,
    ),
)


NOTHING = Template(name="", scene="", policy="", needs="state", steps=5000, settings=())
"""Where to begin without one."""


def template(name: str) -> Template:
    """The template of that name.

    Raises:
        ConfigError: When there is none.
    """
    for known in TEMPLATES:
        if known.name == name:
            return known
    raise ConfigError(f"There is no template '{name}'", allowed=[known.name for known in TEMPLATES])
