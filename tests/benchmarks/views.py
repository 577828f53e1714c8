"""What a picture of the 3-D view costs, per scene and detail level.

`python -m tests.benchmarks.views [--scene NAME ...] [--size WxH] [--json PATH]`

The robot sways, so that every picture is a new one; the view's own painter draws it in an OpenGL
context like the window's. The rate is that of drawing alone, at full resolution: the window draws
less often, to leave room for the robot.
"""

from __future__ import annotations

import time

import numpy as np

from app.ui.view3d.painter3d import Painter3D
from app.ui.view3d.quality import Quality
from app.ui.view3d.shot import RobotParts, Shot, Stage
from app.ui.view3d.viewpoint import PRESETS
from app.virtual_display import virtual_display
from devices import plugins
from devices.clock import FakeClock
from devices.sim.build import build
from devices.sim.detail import DETAILS
from devices.sim.world import World
from devices.stream import FloatArray
from tests.benchmarks.report import Row, options, tell

_PICTURES = 12
_TOO_SLOW_S = 8.0


def main() -> None:
    parser = options(__doc__ or "", 0.0)
    parser.add_argument("--scene", nargs="+", default=list(plugins.names("scenes")))
    parser.add_argument("--size", default="860x590", help="of the view, default as at 1280x800")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    with virtual_display():
        from PyQt6.QtGui import QOffscreenSurface, QOpenGLContext

        from app.ui.app import make_application

        application = make_application()
        surface, context = QOffscreenSurface(), QOpenGLContext()
        surface.create()
        context.create()
        context.makeCurrent(surface)
        rows = [
            _measured(scene, detail, width, height)
            for scene in arguments.scene
            for detail in DETAILS
        ]
        context.doneCurrent()
        del application
    tell(f"3-D view, {arguments.size}", rows, arguments.json)


def _measured(scene_name: str, detail: str, width: int, height: int) -> Row:
    robot = plugins.load("robots", "openarm_v2")()
    scene = plugins.load("scenes", scene_name)()
    model = build("openarm_v2", scene_name, detail)  # type: ignore[arg-type]
    states = _swaying(robot, scene, model)
    quality = Quality(detail, samples=0, shadows=detail == "full")
    painter = Painter3D(Stage(model, scene, RobotParts.of(robot)), quality)
    costs: list[float] = []
    began = time.monotonic()
    for state in states:
        start = time.perf_counter()
        painter.paint(Shot(PRESETS["operator"], width, height, state))
        costs.append(1e3 * (time.perf_counter() - start))
        if time.monotonic() - began > _TOO_SLOW_S:
            break
    painter.close()
    middle = float(np.median(costs[1:] or costs))
    return Row(f"{scene_name}, {detail} detail", 1e3 / middle, "Hz", f"{middle:.0f} ms a picture")


def _swaying(robot: object, scene: object, model: object) -> list[FloatArray]:
    """State vectors of a world whose arms move a little between pictures."""
    world = World(robot, scene, seed=1, clock=FakeClock(), model=model)  # type: ignore[arg-type]
    states = []
    for _ in range(_PICTURES):
        world.step(20)
        world.data.qpos[:7] += 0.01
        states.append(world.state_vector())
    return states


if __name__ == "__main__":
    main()
