"""What corrects the headset's frame, how it is kept, and whether it still holds.

The app sends orientations in the frame that the operator aligned in it, but positions turned the
other way: for a frame turned by theta about the vertical a position comes as `R p + t` where
`R^-1 (p - t)` was meant. Motions therefore arrive turned by the *trim* of 2 theta, which is found
by a push straight ahead (`devices.tactar.set_up`) and undone here. The app forgets its frame when
it starts again and moves it silently when the headset is recentred; then the trim may be wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from devices.errors import ConfigError, StorageError
from devices.pose import Pose, quat_from_rotvec
from devices.stream import FloatArray
from devices.tactar.frames import hand_to_world, trimmed

VERSION = 1
MAX_FILE_BYTES = 4096
APP_START_SLACK_S = 5.0
"""Two guesses of when the app started that lie closer than this are the same start."""


def wrapped(angle: float) -> float:
    """The same angle [rad] in -pi ... pi."""
    return math.remainder(angle, 2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The corrections of one headset at one station.

    Attributes:
        headset: Address that it posts from.
        station: Name of the station.
        made: When, ISO 8601 with time zone.
        swapped: What the app calls left is the operator's right hand.
        trim_rad: By how much translations arrive turned about the vertical (2 theta above).
        residual_rad: Spread of the push and the pointing that it was made from.
        yaw_rad: Turn from the app's aligned frame to the world, about the world's z. The origins
            are the same: the operator puts the app's axes on the origin of the station.
        app_started_s: Unix time at which the app started, as well as its time stamps tell.
    """

    headset: str
    station: str
    made: str
    swapped: bool
    trim_rad: float
    residual_rad: float
    yaw_rad: float
    app_started_s: float

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value}"
            for name, limit in (
                ("trim_rad", math.pi),
                ("residual_rad", math.pi),
                ("yaw_rad", math.pi),
                ("app_started_s", 1e11),
            )
            if not (math.isfinite(value := getattr(self, name)) and abs(value) <= limit)
        ]
        try:
            if datetime.fromisoformat(self.made).tzinfo is None:
                problems.append(f"made is {self.made!r}, without a time zone")
        except ValueError:
            problems.append(f"made is {self.made!r}")
        if problems:
            raise ConfigError(
                f"This is no calibration of a headset: {', '.join(problems)}",
                next_step="Run the set-up of the headset again",
            )

    @property
    def T_world_headset(self) -> Pose:
        """From the app's aligned frame, told in the world's axes, to the world."""
        return Pose(np.zeros(3), quat_from_rotvec(np.array([0.0, 0.0, self.yaw_rad])))

    def age_s(self, now: datetime) -> float:
        """How old it is [s]; never below 0, clocks may be set back."""
        return max(0.0, (now - datetime.fromisoformat(self.made)) / timedelta(seconds=1))

    def hand_in_world(self, position: FloatArray, quat: FloatArray) -> Pose:
        """`T_world_hand` of a controller as posted; the origin is free, changes are true.

        Args:
            position: As posted (3,) [m], Unity.
            quat: As posted, wxyz (4,), Unity.
        """
        return self.T_world_headset @ hand_to_world(trimmed(position, self.trim_rad), quat)

    def app_restarted(self, app_started_s: float) -> bool:
        """Whether the app has been started again since, judged by its time stamps."""
        return abs(app_started_s - self.app_started_s) > APP_START_SLACK_S


def now_iso(now: datetime | None = None) -> str:
    """The present moment as `Calibration.made` wants it."""
    return (now or datetime.now(tz=UTC)).isoformat(timespec="seconds")


class CalibrationStore:
    """Calibrations on disk, one small TOML file for each headset and station.

    Args:
        folder: Where; made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, headset: str, station: str) -> Path:
        """The file of one pair. Names go in as a digest: they come from outside."""
        digest = hashlib.sha256(f"{headset}\n{station}".encode()).hexdigest()[:16]
        return self.folder / f"headset-{digest}.toml"

    def load(self, headset: str, station: str) -> Calibration | None:
        """What was kept for this pair; None if nothing was.

        Raises:
            StorageError: For a file that is damaged, too large, newer than this program or of
                another pair.
        """
        path = self.path(headset, station)
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, str(error.strerror)) from error
        if len(raw) > MAX_FILE_BYTES:
            raise _unusable(path, f"it is larger than {MAX_FILE_BYTES} bytes")
        try:
            fields = tomllib.loads(raw.decode("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise _unusable(path, f"it is not TOML ({error})") from error
        calibration = _from_fields(fields, path)
        if (calibration.headset, calibration.station) != (headset, station):
            raise _unusable(path, f"it is of {calibration.headset} at '{calibration.station}'")
        return calibration

    def save(self, calibration: Calibration) -> Path:
        """Keep one in place of the old one, whole or not at all.

        Raises:
            StorageError: If it cannot be written.
        """
        path = self.path(calibration.headset, calibration.station)
        text = tomli_w.dumps({"version": VERSION, **asdict(calibration)}).encode()
        temporary = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fd, temporary = tempfile.mkstemp(dir=self.folder, prefix=path.stem, suffix=".part")
            with os.fdopen(fd, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            raise StorageError(
                f"The calibration could not be kept in {self.folder}: {error.strerror}",
                next_step="It holds until Teledeck is closed; free some space and finish again",
            ) from error
        return path


_TYPES: dict[str, type] = {
    "headset": str,
    "station": str,
    "made": str,
    "swapped": bool,
    "trim_rad": float,
    "residual_rad": float,
    "yaw_rad": float,
    "app_started_s": float,
}


def _from_fields(fields: dict[str, Any], path: Path) -> Calibration:
    version = fields.pop("version", None)
    if version != VERSION:
        raise _unusable(path, f"it has version {version!r}, this program reads {VERSION}")
    if fields.keys() != _TYPES.keys():
        odd = ", ".join(sorted(fields.keys() ^ _TYPES.keys()))
        raise _unusable(path, f"these entries are missing or unknown: {odd}")
    for name, kind in _TYPES.items():
        if type(fields[name]) is not kind:
            raise _unusable(path, f"'{name}' is {fields[name]!r}")
    try:
        return Calibration(**fields)
    except ConfigError as error:
        raise _unusable(path, error.what) from error


def _unusable(path: Path, why: str) -> StorageError:
    return StorageError(
        f"The stored calibration {path} cannot be used: {why}",
        next_step="Run the set-up of the headset again; it replaces the file",
    )
