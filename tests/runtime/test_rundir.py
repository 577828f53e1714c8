"""Run folders: private, shared by locks, gone with their last member."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.runtime.rundir import SOCKET_PATH_LIMIT, RunDir, sweep
from devices.errors import ConfigError


def test_the_last_to_leave_removes_the_folder(tmp_path: Path) -> None:
    first = RunDir.create(tmp_path)
    second = RunDir.join(first.path)
    assert not first.leave() and first.path.exists()
    assert second.leave() and not second.path.exists()
    assert not second.leave()


def test_who_attends_is_known_until_its_process_ends(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from app.runtime.rundir import RunDir\n"
        "here = RunDir.join(Path(sys.argv[1])).attend(); print('there', flush=True)\n"
        "sys.stdin.read(1); os.kill(os.getpid(), 9)\n"
    )
    with RunDir.create(tmp_path) as run:
        assert run.attended() is None
        here = run.attend()
        with subprocess.Popen(
            [sys.executable, "-c", code, str(run.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None and other.stdin is not None
            other.stdout.readline()
            here.end()
            assert run.attended() is True
            other.stdin.write(b"x")
        assert run.attended() is False
        again = run.attend()
        assert run.attended() is True
        again.end()


def test_the_folder_is_private(tmp_path: Path) -> None:
    with RunDir.create(tmp_path) as run:
        for path in (run.path, run.path.parent, run.rings_dir):
            assert path.stat().st_mode & 0o777 == 0o700


def test_sweep_spares_the_living_and_removes_the_dead(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from app.runtime.rundir import RunDir\n"
        "print(RunDir.create(Path(sys.argv[1])).path, flush=True); os.kill(os.getpid(), 9)\n"
    )
    with RunDir.create(tmp_path) as living:
        killed = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, check=False
        )
        dead = Path(killed.stdout.decode().strip())
        assert dead.exists()
        assert sweep(tmp_path) == (dead,)
        assert living.path.exists() and not dead.exists()


def test_joining_what_is_gone_is_told(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path)
    run.leave()
    with pytest.raises(ConfigError, match="no running Teledeck"):
        RunDir.join(run.path)


def test_ring_names_round_trip(tmp_path: Path) -> None:
    with RunDir.create(tmp_path) as run:
        for stream in ("left_arm/q", "sim/state", "a_b/c"):
            run.ring(stream).touch()
        (run.rings_dir / ".new-abc").touch()
        assert list(run.rings()) == ["a_b/c", "left_arm/q", "sim/state"]
        assert run.rings()["left_arm/q"] == run.ring("left_arm/q")


def test_socket_paths_respect_the_limit(tmp_path: Path) -> None:
    home = f"/teledeck-{os.getuid()}"
    room = SOCKET_PATH_LIMIT - len(home) - len("/00000000/recorder.status")
    base = tmp_path / ("x" * (room - len(str(tmp_path)) - 1))
    base.mkdir()
    with RunDir.create(base) as run:
        assert len(run.socket("recorder", "status")) - len("ipc://") == SOCKET_PATH_LIMIT
    longer = base.with_name(base.name + "x")
    longer.mkdir()
    with pytest.raises(ConfigError, match="too long for sockets"):
        RunDir.create(longer)


def test_a_foreign_base_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"teledeck-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="does not belong to you"):
        RunDir.create(tmp_path)
