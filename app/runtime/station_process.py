"""The station's process: `python -m app.runtime.station_process RUN`."""

from __future__ import annotations

import contextlib
import gc
import sys
from functools import cache, partial
from typing import Any

import mujoco

from app.runtime import priority, station_file
from app.runtime.child import Child, run_child
from app.runtime.leaders import LeaderFactory, Leaders
from app.runtime.policies import Policies
from app.runtime.policy_lines import PolicyLines
from app.runtime.priority import go_first
from app.runtime.station import Station
from app.runtime.station_file import StationFile
from app.runtime.statuses import Event
from devices import plugins
from devices.clock import NS_PER_S, SystemClock
from devices.errors import ConfigError
from devices.leader import Leader
from devices.mapping.chain import DriveChain
from devices.sim.build import build_for
from devices.sim.world import World

STATUS_NS = NS_PER_S // 20
_ROOM_NS = 1_500_000
_SWITCH_S = 0.0001
"""After which another thread of this process, of which there is hardly one, gives way to a tick;
Python's own 5 ms are longer than a period."""


def main() -> int:
    return run_child("station", _work)


def _work(child: Child) -> None:
    if not go_first(priority.STATION):
        sys.stderr.write("The station runs at normal priority.\n")
    config = _config(child.options)
    clock = SystemClock()
    robot = plugins.load("robots", config.robot)()
    scene = plugins.load("scenes", config.scene)()
    model = build_for(robot, scene, "reduced")
    mujoco.mj_saveModel(model, str(child.run.model_path), None)
    world = World(robot, scene, seed=config.seed, clock=clock, model=model)
    chain = DriveChain(robot, clock, rate_hz=config.control_hz)
    publisher = child.bus.publisher("station")
    server = child.bus.server("station")
    inputs = child.bus.input_pull("station")
    leaders = Leaders(_factories(config))
    policies = Policies(
        child.run,
        PolicyLines(child.bus, clock),
        clock,
        robot.limits,
        lambda: chain.tools_sent,
        publisher.send,
        config.policy.follow,
    )
    station = Station(config, world, chain, leaders, child.run, clock, publisher.send, policies)
    priority.keep_apart("robot")
    priority.go_before_all()
    priority.stay_in_memory()
    sys.setswitchinterval(_SWITCH_S)
    # A collection in the middle of a tick is the longest pause of the loop: do it when idle.
    gc.collect()
    gc.freeze()
    gc.disable()
    status_ns = clock.now_ns()
    try:
        while not (child.stopping.is_set() or station.stopping):
            station.feed(inputs.poll())
            if clock.now_ns() < station.tick_ns or station.follows_first:
                station.follow()
            else:
                server.poll(station.handle)
                station.tick()
                for told in station.policy_statuses():
                    publisher.send(told)
            now_ns = clock.now_ns()
            rest_ns = station.due_ns - now_ns
            # What may wait does so for a rest that is long enough, if one comes soon.
            if now_ns >= status_ns and (rest_ns > _ROOM_NS or now_ns > status_ns + STATUS_NS // 2):
                publisher.send(station.status())
                status_ns = max(status_ns + STATUS_NS, now_ns)
                gc.collect(0)
            inputs.wait((station.due_ns - clock.now_ns()) / NS_PER_S)
        why = child.why or station.stopping
        publisher.send(Event(clock.now_ns(), "note", why))
        publisher.send(station.status())
    finally:
        station.close()


def _config(options: dict[str, Any]) -> StationFile:
    """The station file that the supervisor passed, with what a restart changed."""
    fields = dict(options.get("station", {}))
    fields |= {name: options[name] for name in ("scene", "seed") if name in options}
    return station_file.from_fields(fields, where="station file")


def _factories(config: StationFile) -> dict[str, LeaderFactory]:
    """Devices that live in the station process."""

    @cache
    def device(name: str) -> Any:
        """Found once: to look through all installed packages takes longer than a tick."""
        return plugins.load("devices", name)

    with contextlib.suppress(ConfigError):  # told when somebody asks for it
        device("gamepad")  # looked for whenever a policy begins to drive

    def scripted(touch: bool, _episode: str) -> Leader:
        leader: Leader = device("scripted")(config.scene, touch=touch)
        return leader

    def gamepad(_episode: str) -> Leader:
        leader: Leader = device("gamepad")()
        return leader

    return {
        "gamepad": gamepad,
        "scripted": partial(scripted, True),
        "scripted-blind": partial(scripted, False),
        "replay": _replay,
    }


def _replay(path: str) -> Leader:
    """A recorded episode as a device."""
    if not path:
        raise ConfigError("Replay needs an episode", next_step="Choose one in the Library")
    from app.runtime.replay_source import recording

    leader: Leader = plugins.load("devices", "replay")(recording=recording(path))
    return leader


if __name__ == "__main__":
    sys.exit(main())
