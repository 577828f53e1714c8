"""What is known when an episode begins: its start document and the scene model it was made in."""

from __future__ import annotations

import math
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from app.runtime.requests import OpenDataset, Start
from app.runtime.statuses import CameraStatus, HeadsetStatus, PolicyStatus, StationStatus
from datasets.dataset import Dataset
from devices.errors import StorageError

_PACKAGES = ("teledeck", "mujoco", "numpy", "h5py", "av")


def start_document(
    opened: OpenDataset,
    start: Start,
    t_ns: int,
    station: StationStatus | None,
    cameras: CameraStatus | None,
    station_file: dict[str, Any],
    headset: HeadsetStatus | None = None,
    policy: PolicyStatus | None = None,
) -> dict[str, Any]:
    """The start of an episode, ready for JSON. What nobody told is None, never a default.

    Args:
        opened: Who records what for.
        start: The request that began the take.
        t_ns: First moment of the take [ns, monotonic].
        station: What the station last said.
        cameras: What the renderers last said, with their detail.
        station_file: What the station was started with.
        headset: What the headset's process last said, with the calibration in use.
        policy: The policy that is in hand, None where a human drives.
    """
    return {
        "t_ns": t_ns,
        "task": start.task or opened.task,
        "operator": opened.operator,
        "station": station_file,
        "robot": None if station is None else station.robot,
        "scene": None if station is None else station.scene,
        "instruction": None if station is None else station.instruction,
        "seed": None if station is None else station.seed,
        "leader": None if station is None else station.leader,
        "simulated": None if station is None else station.simulated,
        "force_band": None if station is None else station.force_band,
        "cameras": None if cameras is None else _cameras(cameras),
        "headset": None if headset is None else _headset(headset),
        "policy": None if policy is None else _policy(policy),
        "versions": versions(),
    }


def _policy(status: PolicyStatus) -> dict[str, Any]:
    return {
        "slot": status.slot,
        "name": status.name,
        "path": status.path,
        "digest": status.digest,
        "seed": status.seed,
    }


def versions() -> dict[str, str]:
    """Versions of what made the data; "not installed" for what is not."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


class ModelShelf:
    """Puts the compiled scene that the station announces into datasets, each once.

    Args:
        path: Where the station writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: dict[tuple[Path, int, int], str] = {}

    def put_into(self, dataset: Dataset) -> str | None:
        """The digest of the scene model, now stored in `dataset`; None if the station has none.

        Raises:
            StorageError: If it can be read but not stored.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        key = (dataset.root, status.st_ino, status.st_mtime_ns)
        digest = self._digests.get(key)
        if digest is None or not dataset.model_path(digest).exists():
            try:
                compiled = self._path.read_bytes()
            except OSError as error:
                raise StorageError(f"The scene model {self._path} cannot be read") from error
            digest = self._digests[key] = dataset.add_model(compiled)
        return digest


def _cameras(status: CameraStatus) -> dict[str, Any]:
    return {
        "renderer": status.renderer,
        "detail": status.detail,
        "text": status.text,
        "rates_hz": {health.name: _told(health.rate_hz) for health in status.cameras},
    }


def _headset(status: HeadsetStatus) -> dict[str, Any]:
    """Who drove from a headset, if anybody, and what corrected its frame."""
    calibration = status.calibration
    return {
        "address": status.address or None,
        "simulated": status.simulated,
        "calibration": None if calibration is None else msgspec.to_builtins(calibration),
        "delay_p50_ms": _told(status.delay_p50_ms),
        "delay_p99_ms": _told(status.delay_p99_ms),
        "touch_delay_p99_ms": _told(status.touch_delay_p99_ms),
    }


def _told(value: float) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None
