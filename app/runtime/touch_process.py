"""The touch process: what the fingers feel, from the newest samples, for screen and headset.

It follows the station's rings and writes rings of its own with the samples' own times. Nothing
waits for it; if it ends, the robot, the recording of the raw fields and the window go on.
"""

from __future__ import annotations

import os
import sys

from app.runtime import priority
from app.runtime.child import Child, run_child
from app.runtime.priority import go_first


def work(child: Child) -> None:
    """Feel until the child shall stop."""
    # Read when the library is loaded, so before the imports. The matrices are small: a pool of
    # threads for them would only take cores away from the station.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from app.runtime.touch_pads import follow_station

    go_first(priority.TOUCH)
    follow_station(child)


if __name__ == "__main__":
    sys.exit(run_child("touch", work))
