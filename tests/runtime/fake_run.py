"""A whole run with light fake children: `python -m tests.runtime.fake_run BASE`.

Also the fake child itself: `python -m tests.runtime.fake_run RUN --lifeline FD --options {...}`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.runtime.child import Child, run_child
from app.runtime.requests import Ok, Reply, Request, Shutdown
from app.runtime.rundir import RunDir
from app.runtime.supervisor import ChildSpec, Supervisor
from devices.errors import DeviceError

MODULE = "tests.runtime.fake_run"
ROLES = ("station", "recorder", "cameras", "window")


def specs() -> list[ChildSpec]:
    return [
        ChildSpec("station", MODULE, {"role": "station"}),
        ChildSpec("recorder", MODULE, {"role": "recorder"}, restarts=3),
        ChildSpec("cameras", MODULE, {"role": "cameras"}, restarts=3),
        ChildSpec("window", MODULE, {"role": "window"}, essential=True),
    ]


def supervise(base: Path) -> None:
    with Supervisor(RunDir.create(base), specs(), crash_dir=base / "crashes") as supervisor:
        supervisor.start()
        sys.stdout.write(f"{supervisor.run.path}\n")
        sys.stdout.flush()
        supervisor.serve()


def work(child: Child) -> None:
    """Holds a ring-like file and its sockets until told to end; can be told to misbehave."""
    mine = child.run.rings_dir / f"{child.options['role']}.ring"
    mine.touch()
    server = child.bus.server(child.options["role"])
    publisher = child.bus.publisher(child.options["role"])
    del publisher

    def answer(request: Request) -> Reply:
        if isinstance(request, Shutdown):
            child.stop("Asked to")
        return Ok(child.options.get("say", ""))

    match child.options.get("mood", ""):
        case "raise":
            raise ZeroDivisionError("the fake child divides by zero")
        case "refuse":
            raise DeviceError("There is no camera 'x'", next_step="Plug it in")
        case "deaf":
            while True:
                child.stopping.wait()
        case "short":
            return
    while not child.stopping.is_set():
        server.poll(answer, timeout_s=0.05)
    mine.unlink()


if __name__ == "__main__":
    if "--options" in sys.argv:
        name = next(role for role in ROLES if f'"{role}"' in sys.argv[-1])
        sys.exit(run_child(name, work))
    supervise(Path(sys.argv[1]))
