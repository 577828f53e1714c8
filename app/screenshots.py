"""`teledeck screenshots`: the pictures of README and docs, from the real window on a real run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.headless import collect
from app.launch import open_window
from app.runtime.station_file import StationFile
from app.virtual_display import virtual_display

SCENE = "wipe"
TAKES = 3


def take_screenshots(out: Path) -> int:
    """Record a few scripted takes, drive the window through every place, write PNGs.

    Args:
        out: Folder for the pictures; made if missing.

    Returns:
        Exit status of the window.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="teledeck-pictures-") as folder:
        dataset = Path(folder) / "demonstrations"
        for scene in (SCENE, "drawer"):
            collect(StationFile(scene=scene), dataset, takes=TAKES)
        with virtual_display():
            return open_window(StationFile(scene=SCENE), dataset, screenshots=out)
