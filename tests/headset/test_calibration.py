"""Calibrations come back as they were kept, and what is damaged is refused with a sentence."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.errors import ConfigError, StorageError
from devices.tactar.calibration import (
    MAX_FILE_BYTES,
    Calibration,
    CalibrationStore,
    now_iso,
)

angles = st.floats(-np.pi, np.pi)
ONE = Calibration("10.0.0.7", "bench", "2026-03-01T10:00:00+00:00", True, 0.4, 0.02, -1.0, 1e9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    headset=st.text(max_size=40),
    station=st.text(max_size=60),
    trim=angles,
    yaw=angles,
    swapped=st.booleans(),
)
def test_what_is_kept_comes_back(
    tmp_path: Path, headset: str, station: str, trim: float, yaw: float, swapped: bool
) -> None:
    store = CalibrationStore(tmp_path)
    kept = dataclasses.replace(
        ONE, headset=headset, station=station, trim_rad=trim, yaw_rad=yaw, swapped=swapped
    )
    path = store.save(kept)
    assert path.parent == tmp_path, "no name leads out of the folder"
    assert store.load(headset, station) == kept
    assert not list(tmp_path.glob("*.part"))


def test_none_was_kept(tmp_path: Path) -> None:
    assert CalibrationStore(tmp_path / "no").load("a", "b") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(raw=st.binary(max_size=300))
def test_any_other_bytes_are_refused(tmp_path: Path, raw: bytes) -> None:
    store = CalibrationStore(tmp_path)
    store.path("a", "b").write_bytes(raw)
    with pytest.raises(StorageError, match="set-up"):
        store.load("a", "b")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1", "version = 2"),
        ("trim_rad = 0.4", "trim_rad = nan"),
        ("trim_rad = 0.4", "trim_rad = 100.0"),
        ("trim_rad = 0.4", 'trim_rad = "0.4"'),
        ("trim_rad = 0.4", ""),
        ("swapped = true", "swapped = 1"),
        ('station = "bench"', 'station = "other"'),
        ("2026-03-01T10:00:00+00:00", "yesterday"),
        ("2026-03-01T10:00:00+00:00", "2026-03-01T10:00:00"),
        ("version = 1", f"version = 1\nmore = '{'x' * MAX_FILE_BYTES}'"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, old: str, new: str) -> None:
    store = CalibrationStore(tmp_path)
    path = store.save(ONE)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(StorageError, match="set-up"):
        store.load(ONE.headset, ONE.station)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="could not be kept"):
        CalibrationStore(tmp_path / "deep").save(ONE)


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="could not be kept"):
        CalibrationStore(tmp_path / "taken").save(ONE)


def test_age_and_the_start_of_the_app() -> None:
    now = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)
    assert ONE.age_s(now) == 30.0
    assert ONE.age_s(now - timedelta(days=1)) == 0.0
    assert not ONE.app_restarted(1e9 + 2.0)
    assert ONE.app_restarted(1e9 + 60.0)
    assert dataclasses.replace(ONE, made=now_iso(now)).age_s(now) == 0.0


def test_nonsense_is_no_calibration() -> None:
    with pytest.raises(ConfigError, match="trim_rad"):
        dataclasses.replace(ONE, trim_rad=float("nan"))
