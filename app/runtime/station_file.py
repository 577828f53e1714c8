"""The station file: which robot, which scene, which devices, at which rates."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from devices import plugins
from devices.errors import ConfigError, ManyErrors, TeledeckError

SCHEMA = 1


class Driving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How hands move tools.

    Attributes:
        translation_scale: Tool metres per hand metre.
        rotation_scale: Tool radians per hand radian.
    """

    translation_scale: float = 1.0
    rotation_scale: float = 1.0


class Cameras(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Simulated cameras: wished size and rate; what was achieved is measured and recorded."""

    names: tuple[str, ...] = ("front", "wrist_left", "wrist_right")
    width: int = 640
    height: int = 480
    rate_hz: float = 30.0
    detail: Literal["auto", "full", "reduced", "minimal"] = "auto"


class Touch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the fingers feel, and from what.

    Attributes:
        source: "field": the simulated pads' forces; "pictures": marker pictures made of them, and
            the whole path of a real sensor after that.
        sensors: Identity of a real sensor by pad; it takes the place of the simulated pad.
        pca: Folder with the published embedding (`pca_transform_matrix.npy`,
            `pca_mean_matrix.npy`); "" for none.
        rate_hz: Wished pictures a second of each pad; what was achieved is told.
        subtract_grasp: Whether a held grasp is taken off what is shown.
    """

    source: Literal["field", "pictures"] = "field"
    sensors: dict[str, str] = msgspec.field(default_factory=dict)
    pca: str = ""
    rate_hz: float = 30.0
    subtract_grasp: bool = True


class PolicyChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How policies are followed.

    Attributes:
        follow: What becomes of the old chunk when a new one comes, see `policies.serving.follow`.
        keep_last: Whether the last minute of what a policy does outside of takes is kept, so that
            an episode can be made of it afterwards.
    """

    follow: Literal["blend", "newest", "ensemble"] = "blend"
    keep_last: bool = True


class StationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One station. Every field has the default of the embedded simulation.

    Attributes:
        schema: Version of this layout.
        name: What people call the station.
        robot: Plug-in of the group `teledeck.robots`.
        scene: Plug-in of the group `teledeck.scenes`.
        seed: First seed of the scene's reset.
        control_hz: Rate of the control loop.
        leader: Device that drives at the start.
    """

    schema: int = SCHEMA
    name: str = "Simulated OpenArm"
    robot: str = "openarm_v2"
    scene: str = "wipe"
    seed: int = 1
    control_hz: float = 250.0
    leader: str = "window"
    driving: Driving = msgspec.field(default_factory=Driving)
    cameras: Cameras = msgspec.field(default_factory=Cameras)
    touch: Touch = msgspec.field(default_factory=Touch)
    policy: PolicyChoice = msgspec.field(default_factory=PolicyChoice)


def load(path: Path) -> StationFile:
    """Read and check a station file.

    Raises:
        ConfigError, ManyErrors: All that is wrong with it, together.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The station file '{path}' cannot be read: {error}",
            next_step="Give the path of a TOML file, or none for the built-in simulation",
        ) from error
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The station file '{path}' is not TOML: {error}",
            next_step="Mend that line; docs/station-file.md shows a whole file",
        ) from error
    return from_fields(fields, where=f"station file '{path}'")


def from_fields(fields: dict[str, Any], *, where: str) -> StationFile:
    """Check the fields of a station file and give it.

    Args:
        fields: As TOML gives them.
        where: What they came from, for the error's title.
    """
    problems: list[TeledeckError] = []
    schema = fields.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA or schema < 1:
        raise ConfigError(
            f"The {where} has schema {schema!r}",
            allowed=[SCHEMA],
            next_step="Update Teledeck to read newer files",
        )
    checked: dict[str, Any] = {}
    for field in msgspec.structs.fields(StationFile):
        if field.name in fields:
            try:
                checked[field.name] = msgspec.convert(fields[field.name], type=field.type)
            except msgspec.ValidationError as error:
                problems.append(ConfigError(f"'{field.name}' = {fields[field.name]!r}: {error}"))
    known = [field.name for field in msgspec.structs.fields(StationFile)]
    problems += [
        ConfigError(f"Unknown entry '{name}'", allowed=known)
        for name in fields
        if name not in known
    ]
    station = StationFile(**checked)
    problems += _unusable(station)
    if problems:
        raise ManyErrors(f"The {where} cannot be used", problems)
    return station


def _unusable(station: StationFile) -> list[TeledeckError]:
    problems: list[TeledeckError] = []
    wanted: tuple[tuple[plugins.PluginKind, str], ...] = (
        ("robots", station.robot),
        ("scenes", station.scene),
    )
    for kind, value in wanted:
        allowed = plugins.names(kind)
        if value not in allowed:
            problems.append(ConfigError(f"Unknown {plugins.one(kind)} '{value}'", allowed=allowed))
    ranges: tuple[tuple[str, float, float, float], ...] = (
        ("control_hz", station.control_hz, 200.0, 1000.0),
        ("driving.translation_scale", station.driving.translation_scale, 0.05, 4.0),
        ("driving.rotation_scale", station.driving.rotation_scale, 0.05, 4.0),
        ("cameras.width", station.cameras.width, 64, 1920),
        ("cameras.height", station.cameras.height, 48, 1080),
        ("cameras.rate_hz", station.cameras.rate_hz, 1.0, 60.0),
        ("touch.rate_hz", station.touch.rate_hz, 1.0, 120.0),
        ("seed", station.seed, 0, 2**31 - 1),
    )
    for name, number, low, high in ranges:
        if not low <= number <= high:
            problems.append(ConfigError(f"'{name}' = {number}", allowed=[f"{low} to {high}"]))
    return problems
