"""An X server in memory, for pictures and measurements on machines without a screen."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from devices.errors import DeviceError


@contextlib.contextmanager
def virtual_display(width: int = 1920, height: int = 1080) -> Iterator[str]:
    """Start Xvfb on a free number, set $DISPLAY, and end it afterwards.

    Args:
        width, height: Of the screen [px].

    Yields:
        Name of the display.

    Raises:
        DeviceError: When Xvfb is missing or does not start.
    """
    if shutil.which("Xvfb") is None:
        raise DeviceError("There is no Xvfb", next_step="sudo apt-get install xvfb")
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        [
            *("Xvfb", "-displayfd", str(write_end), "-nolisten", "tcp"),
            *("-screen", "0", f"{width}x{height}x24"),
        ],
        pass_fds=(write_end,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        number = answer.readline().strip()  # empty at once if the server does not start
    before = os.environ.get("DISPLAY")
    try:
        if not number:
            raise DeviceError("Xvfb does not start", next_step="Try it by hand: Xvfb :99")
        os.environ["DISPLAY"] = f":{number}"
        yield f":{number}"
    finally:
        if before is None:
            os.environ.pop("DISPLAY", None)
        else:
            os.environ["DISPLAY"] = before
        server.terminate()
        server.wait(timeout=10)
