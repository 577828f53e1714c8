"""The command as a user types it: real processes and files, sentences instead of tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import psutil
import pytest

from app.cli import main
from app.runtime.rundir import default_base

ROOT = Path(__file__).parents[2]


def teledeck(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def runs() -> set[Path]:
    """Run folders that exist now."""
    return set((default_base() / f"teledeck-{os.getuid()}").glob("*"))


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_headless_takes_are_stored_and_nothing_else_is_left(tmp_path: Path) -> None:
    dataset, before = tmp_path / "takes", runs()
    done = teledeck(
        "collect", "--headless", "--scene", "peel", "-n", "1", "--dataset", str(dataset)
    )
    assert done.returncode == 0, done.stderr
    assert "1 takes" in done.stdout and str(dataset) in done.stdout
    (path,) = (dataset / "episodes").glob("*.h5")
    with h5py.File(path) as file:
        streams = file["streams"]
        assert len(streams["right_arm/q/t_ns"]) > 500
        assert len(streams["right_inner_pad/tactile/t_ns"]) > 100
        assert "stop" in file.attrs
    listed = teledeck("episodes", "--dataset", str(dataset))
    assert "success" in listed.stdout or "failure" in listed.stdout
    assert not runs() - before


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_station_killed_in_a_take_is_told_and_the_take_survives(tmp_path: Path) -> None:
    dataset, before = tmp_path / "takes", runs()
    command = ["collect", "--headless", "--scene", "peel", "-n", "3", "--dataset", str(dataset)]
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list((dataset / "episodes").glob("*.h5")) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2.0)
        (station,) = [
            child
            for child in psutil.Process(process.pid).children()
            if "app.runtime.station_process" in child.cmdline()
        ]
        station.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 1
    assert "SIGKILL" in errors and "Traceback" not in errors
    for path in (dataset / "episodes").glob("*.h5"):
        with h5py.File(path) as file:
            assert len(file["streams/right_arm/q/t_ns"]) > 0
    assert not runs() - before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["collect", "--headless", "--scene", "wype"], ["wype", "wipe", "drawer"]),
        (["--station", "nowhere.toml"], ["nowhere.toml", "TOML"]),
        (["episodes", "--dataset", "/proc/self/cmdline"], ["/proc/self/cmdline", "dataset"]),
        (["collect", "--headless", "--seed", "-1"], ["seed", "-1"]),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) in (1, 2)
    told = capsys.readouterr()
    assert told.err.startswith("teledeck: ")
    for word in words:
        assert word in told.err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for word in ("collect", "doctor", "episodes", "screenshots", "--scene", "examples"):
        assert word in text


def test_doctor_says_what_the_machine_can_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--dataset", str(tmp_path)]) in (0, 1)
    text = capsys.readouterr().out
    for topic in (
        "OpenGL",
        "Disk",
        "Shared memory",
        "Port",
        "Scenes",
        "Gamepad",
        "Touch",
        "Embedding",
    ):
        assert topic in text
    assert not list(tmp_path.iterdir()), "the disk probe cleans up"
