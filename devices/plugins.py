"""Plug-ins: one file, one entry point. Built-ins use the same door as everybody else's."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from devices.errors import ConfigError

PluginKind = Literal["devices", "robots", "scenes", "operators", "policies", "rules", "formats"]


def one(kind: PluginKind) -> str:
    """What one plug-in of a kind is called: "policies" are many, a "policy" is one."""
    return f"{kind[:-3]}y" if kind.endswith("ies") else kind[:-1]


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plug-in that could not be imported; it is reported by name and skipped."""

    kind: str
    name: str
    reason: str


def names(kind: PluginKind) -> tuple[str, ...]:
    """Names registered under the entry-point group `teledeck.<kind>`, sorted."""
    return tuple(sorted({point.name for point in _points(kind)}))


def load(kind: PluginKind, name: str) -> Any:
    """The object that a plug-in registers.

    Raises:
        ConfigError: For an unknown name (the known ones are listed) or a plug-in that will not
            import (its error is told).
    """
    for point in _points(kind):
        if point.name == name:
            try:
                return point.load()
            except Exception as error:
                raise ConfigError(
                    f"The {one(kind)} plug-in '{name}' ({point.value}) does not load: {error}",
                    next_step="Mend or uninstall the package that registers it",
                ) from error
    raise ConfigError(f"Unknown {one(kind)} '{name}'", allowed=names(kind))


def survey(kind: PluginKind) -> tuple[dict[str, Any], tuple[BrokenPlugin, ...]]:
    """All plug-ins of a kind that load, and those that do not."""
    found: dict[str, Any] = {}
    broken: list[BrokenPlugin] = []
    for name in names(kind):
        try:
            found[name] = load(kind, name)
        except ConfigError as error:
            broken.append(BrokenPlugin(kind, name, error.what))
    return found, tuple(broken)


def _points(kind: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=f"teledeck.{kind}"))
