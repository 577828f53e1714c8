"""The cameras of one simulated scene."""

from __future__ import annotations

import contextlib
import time
from typing import Final

from app.runtime import station_file
from app.runtime.camera_outlet import CameraOutlet
from app.runtime.camera_plan import SOFTWARE_FLOOR_HZ, Pace, Plan, plans
from app.runtime.child import Child
from app.runtime.station_file import Cameras
from app.runtime.statuses import StationStatus
from devices import plugins
from devices.clock import Clock, SystemClock
from devices.errors import StreamError
from devices.ring import RingReader
from devices.sim.build import build
from devices.sim.render import CameraRenderer, gl_renderer, is_software

STATE_STREAM: Final = "sim/state"
_WAIT_S: Final = 0.05
_STATE_PAUSE_S: Final = 0.005
_TRIAL_PICTURES: Final = 6


class SceneCameras:
    """The cameras of one scene, from the first state to the end of its station.

    Args:
        station: What the station says it simulates.
        state: Ring of the physics state.
        wish: What the station file asks for.
        outlet: Where pictures go.
        clock: Time.

    Raises:
        DeviceError: When this machine cannot draw.
        ConfigError: For a camera that the scene does not have.
    """

    def __init__(
        self,
        station: StationStatus,
        state: RingReader,
        wish: Cameras,
        outlet: CameraOutlet,
        clock: Clock,
    ) -> None:
        self._station = station
        self._state = state
        self._wish = wish
        self._outlet = outlet
        self._clock = clock
        self._last_seq = -1
        software = is_software(gl_renderer())
        floor_hz = min(wish.rate_hz, SOFTWARE_FLOOR_HZ) if software else wish.rate_hz
        self._pace = Pace(wish.rate_hz)
        ladder = plans(wish, software)
        for plan in ladder:
            self._renderer = self._make(plan)
            rate_hz = self._pace.rate_hz(self._try())
            if rate_hz >= floor_hz or plan is ladder[-1]:
                break
            self._renderer.close()
        outlet.open(wish.names, plan.width, plan.height, rate_hz)
        outlet.renderer, outlet.detail = self._renderer.renderer, plan.detail
        outlet.text = plan.sentence(wish, rate_hz, self._renderer.renderer)

    def step(self) -> float:
        """Draw the newest state, if there is a new one. Returns how long to rest [s]."""
        sample = self._state.latest()
        if sample is None or sample.seq == self._last_seq:
            return _STATE_PAUSE_S
        self._last_seq = sample.seq
        began, began_cpu = self._clock.now_ns(), time.process_time_ns()
        # Each picture leaves as soon as it is drawn; all of them show the same instant.
        for camera in self._wish.names:
            self._outlet.publish(sample.t_ns, self._renderer.render(sample.data, (camera,)))
        return self._pace.rest_s(began, self._clock.now_ns(), time.process_time_ns() - began_cpu)

    def close(self) -> None:
        self._outlet.close_rings()
        self._renderer.close()
        self._state.close()

    def _make(self, plan: Plan) -> CameraRenderer:
        model = build(self._station.robot, self._station.scene, plan.detail)
        scene = plugins.load("scenes", self._station.scene)()
        return CameraRenderer(model, plan.width, plan.height, plan.detail, dress=scene.dress)

    def _try(self) -> int:
        """Processor time that one picture of every camera costs here, after warming up [ns]."""
        sample = self._state.latest()
        assert sample is not None  # the caller has waited for one
        costs = []
        for _ in range(_TRIAL_PICTURES):
            began = time.process_time_ns()
            self._renderer.render(sample.data, self._wish.names)
            costs.append(time.process_time_ns() - began)
        return sorted(costs[1:])[len(costs[1:]) // 2]


def follow_station(child: Child) -> None:
    """Draw until the child shall stop; go with the station through its restarts."""
    clock = SystemClock()
    wish = station_file.from_fields(child.options["station"], where="station file").cameras
    statuses = child.bus.subscriber("station")
    with contextlib.closing(CameraOutlet(child, clock)) as outlet:
        while not child.stopping.is_set():
            outlet.text = "Waiting for the station."
            state = _wait_for_state(child, outlet)
            if state is None:
                return
            statuses.poll()  # what was said before may be about another scene
            station = None
            while station is None and not child.stopping.is_set():
                outlet.serve()
                said = [one for one in statuses.poll(_WAIT_S) if isinstance(one, StationStatus)]
                station = said[-1] if said else None
                if state.replaced():
                    break
            if station is None or state.replaced():
                state.close()
                continue
            with contextlib.closing(SceneCameras(station, state, wish, outlet, clock)) as cameras:
                while not (child.stopping.is_set() or state.replaced()):
                    rest_s = cameras.step()
                    outlet.serve()
                    child.stopping.wait(rest_s)


def _wait_for_state(child: Child, outlet: CameraOutlet) -> RingReader | None:
    """The ring of the physics state with something in it; None when it is time to end."""
    while not child.stopping.is_set():
        outlet.serve()
        try:
            reader = RingReader(child.run.ring(STATE_STREAM))
        except StreamError:
            child.stopping.wait(_WAIT_S)
            continue
        if reader.writer_alive() and reader.head > 0:
            return reader
        reader.close()
        child.stopping.wait(_WAIT_S)
    return None
