"""The whole of it once, short: real window, real keys, a headset in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_S = 280
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(LIMIT_S + 20),
    pytest.mark.skipif(
        not os.environ.get("TELEDECK_SESSIONS"),
        reason="a whole session in real time, minutes of two cores: set TELEDECK_SESSIONS=1",
    ),
]


def _alone() -> list[str]:
    """A network of its own, so that the one port that a headset knows is free."""
    if any(shutil.which(word) is None for word in ("unshare", "ip")):
        return []
    # Without a user namespace first: within one the station may not ask for a higher priority.
    for flag in ("-n", "-rn"):
        line = ["unshare", flag, "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        if subprocess.run([*line, "true"], capture_output=True).returncode == 0:
            return line
    return []


def test_a_new_user_moves_an_arm_records_and_pulls_the_plug(tmp_path: Path) -> None:
    missing = [word for word in ("Xvfb", "xdotool") if shutil.which(word) is None]
    alone = _alone()
    if missing or not alone:
        pytest.skip(f"needs a display, keys and a network of its own: {missing or 'unshare'}")
    line = ["-m", "tests.e2e.through_the_wire", "--scenes", "lift", "--plugs", "1"]
    done = subprocess.run(
        [*alone, sys.executable, *line, "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout and "a fresh squeeze moved them again, 1 times" in done.stdout
