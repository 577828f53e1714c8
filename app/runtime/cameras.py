"""The camera process of a simulated station: draws what the physics is doing.

It never holds anybody up: it runs at a lower priority than the station, keeps a software renderer
from taking all cores, and rests between pictures. What a machine cannot do is told and measured,
never pretended.
"""

from __future__ import annotations

import os
import sys

from app.runtime import priority
from app.runtime.child import Child, run_child


def work(child: Child) -> None:
    """Draw until the child shall stop."""
    priority.stand_back(priority.CAMERAS)
    # OpenGL libraries read these when they are loaded, so they come before the imports.
    os.environ.setdefault("MUJOCO_GL", "egl")
    # With few cores the rasteriser draws in the thread that asks: handing every tile to a worker
    # and waiting for it costs a busy machine more than it gains.
    cores = os.cpu_count() or 1
    os.environ.setdefault("LP_NUM_THREADS", str(0 if cores <= 2 else max(1, cores // 4)))
    from app.runtime.scene_cameras import follow_station

    follow_station(child)


if __name__ == "__main__":
    sys.exit(run_child("cameras", work))
