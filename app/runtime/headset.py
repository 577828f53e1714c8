"""The headset's process: `python -m app.runtime.headset RUN`.

It listens on the TactAR port once it is asked to, hands the posts of the confirmed headset to the
station at once, and sends that headset what robot and fingers do. Nothing waits for it: if it
dies, the station has no news from the headset and holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs

from app.runtime import priority, station_file
from app.runtime.bell import Bell
from app.runtime.child import Child, run_child
from app.runtime.hands import as_drive
from app.runtime.headset_numbers import Numbers
from app.runtime.headset_panels import Panels
from app.runtime.headset_pilot import Pilot
from app.runtime.headset_posters import Posters
from app.runtime.headset_show import RobotPads, Show
from app.runtime.outlet import Outlet
from app.runtime.priority import go_first
from app.runtime.real_time import RealTime
from app.runtime.requests import (
    HeadsetCapture,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Ok,
    Ping,
    Refused,
    Reply,
    Request,
    Shutdown,
)
from app.runtime.rings import RingSet
from app.runtime.statuses import Event, HeadsetStatus, StationStatus
from devices import plugins
from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import ConfigError, DeviceError, StorageError, TeledeckError
from devices.leader import SIDES
from devices.stream import StreamSpec
from devices.tactar.calibration import CalibrationStore, now_iso
from devices.tactar.listener import Listener
from devices.tactar.overlay import PRESETS
from devices.tactar.sender import Sender
from devices.tactar.session_file import SessionHeader, SessionWriter
from devices.tactar.wire import POST_PORT, Controller, Ports, Post

STATUS_NS: Final = NS_PER_S // 15
POST_HZ: Final = 60.0
_IDLE_S: Final = 0.02
WARNING: Final = (
    "The TactAR protocol has no protection: whoever is in this network can read what is sent and "
    "pose as a headset. Open it in a network that you trust."
)


class Headset:
    """The process without its event loop's start: `run` does all the work.

    Args:
        child: Folder, bus, options and the reason to end. Options: `station`, and for tests
            `headset` with `folder` (of calibrations) and `ports` (base of the UDP ports).
        clock: Time.
        robot: For the size of its pads.
    """

    def __init__(self, child: Child, clock: Clock, robot: RobotPads) -> None:
        mine: dict[str, Any] = child.options.get("headset", {})
        config = station_file.from_fields(child.options.get("station", {}), where="station file")
        folder = mine.get("folder") or platformdirs.user_config_path("teledeck") / "headsets"
        self._child = child
        self._clock = clock
        self._ports = Ports.from_base(int(mine["ports"])) if "ports" in mine else Ports()
        self._server = child.bus.server("headset")
        self._publisher = child.bus.publisher("headset")
        self._station = child.bus.input_push("station")
        self._others = child.bus.subscriber("station")
        self._rings = RingSet(child.run, clock)
        self._bell = Bell(child.run, "headset")
        self._robot = robot
        self._pilot = Pilot(config.name, CalibrationStore(Path(folder)), self._publisher.send)
        self._posters = Posters()
        self._panels = Panels(self._rings)
        self._listener: Listener | None = None
        self._opening: asyncio.Task[None] | None = None
        self._sender: Sender | None = None
        self._show: Show | None = None
        self._outlet: Outlet | None = None
        self._capture: SessionWriter | None = None
        self._port = POST_PORT
        self._fault = ""
        self._station_status: StationStatus | None = None
        self._numbers = Numbers()
        self._silent = False
        self._counts: Counter[str] = Counter()
        self._next_status_ns = 0

    # -------------------------------------------------------------------------------- life time
    async def run(self, turned: Callable[[], None] = lambda: None) -> None:
        """Serve until the child shall stop.

        Args:
            turned: Called after each turn.
        """
        loop = asyncio.get_running_loop()
        loop.add_reader(self._bell.fd, self._rung)
        try:
            while not self._child.stopping.is_set():
                self._server.poll(self._answer)
                self._hear_others()
                self._show_step()
                now_ns = self._clock.now_ns()
                if now_ns >= self._next_status_ns:
                    self._next_status_ns = now_ns + STATUS_NS
                    self._watch_silence(now_ns)
                    self._publisher.send(self.status(now_ns))
                    gc.collect(0)
                turned()
                await asyncio.sleep(self._rest_s())
        finally:
            loop.remove_reader(self._bell.fd)
            self._bell.close()
            if self._opening is not None:
                await asyncio.gather(self._opening, return_exceptions=True)
            await self._close_port()
            self._rings.close()

    def _hear_others(self) -> None:
        for heard in self._others.poll():
            if isinstance(heard, StationStatus):
                self._station_status = heard
                if self._show is not None:
                    self._show.band = heard.force_band
        self._rings.refresh()

    def _rest_s(self) -> float:
        """Until something is due [s]. Posts and the bell of touch are served in between."""
        if self._sender is None or self._show is None:
            return _IDLE_S
        return min(max(0.0, (self._show.due_ns - self._clock.now_ns()) / NS_PER_S), _IDLE_S)

    def _rung(self) -> None:
        """Touch has written: send it at once, but one pad at a time, so that no post waits long."""
        self._bell.hush()
        if self._sender is None or self._show is None:
            return
        try:
            if self._show.pad(self._sender):
                asyncio.get_running_loop().call_soon(self._rung)
        except TeledeckError as error:
            self._tell_fault(str(error))

    def _show_step(self) -> None:
        if self._sender is None or self._show is None:
            return
        try:
            calibration = self._pilot.calibration
            self._show.step(self._sender, calibration)
            self._panels.step(self._sender, calibration, self._clock.now_ns())
        except TeledeckError as error:
            self._tell_fault(str(error))

    # --------------------------------------------------------------------------------- requests
    def _answer(self, request: Request) -> Reply:
        now_ns = self._clock.now_ns()
        match request:
            case HeadsetListen(on=on, port=port):
                return self._listen(on, port)
            case HeadsetConfirm(address=address):
                return self._confirm(address)
            case HeadsetSetUp(step=step):
                return Ok(self._pilot.move(step, now_ns))
            case HeadsetPanels(preset=name):
                self._panels.choose(name)
                return Ok(f"Panels: {name}.")
            case HeadsetCapture(path=path):
                return self._capture_to(path)
            case Ping():
                return Ok()
            case Shutdown():
                self._child.stop("The headset's process was asked to end")
                return Ok()
        return Refused(f"The headset has no {type(request).__name__}.")

    def _listen(self, on: bool, port: int) -> Reply:
        if self._opening is not None and not self._opening.done():
            raise DeviceError("The port is being opened or closed", next_step="Try again at once")
        loop = asyncio.get_running_loop()
        if not on:
            self._fault = ""
            self._opening = loop.create_task(self._close_port())
            return Ok("The TactAR port is closed.")
        if self._listener is not None:
            return Ok(f"Listening on port {self._listener.port} already. {WARNING}")
        if not 0 <= port <= 65535:
            raise ConfigError(f"There is no TCP port {port}", allowed=["0 to 65535"])
        self._port = port
        try:
            _refuse_taken(port)
        except DeviceError as error:
            self._fault = str(error)  # stays on the page until the port opens, or is given up
            raise
        self._opening = loop.create_task(self._open_port(port))
        return Ok(f"Listening on port {port}. {WARNING}")

    async def _open_port(self, port: int) -> None:
        listener = Listener(
            self._on_post,
            port=port,
            clock=self._clock,
            accepts=self._accepts,
            gripper_state=self._gripper_state,
            on_seen=self._on_stranger,
        )
        try:
            await listener.start()
            self._outlet = Outlet(self._child.run, _specs())
            self._show = Show(self._child.run, self._rings, self._robot, self._clock)
        except TeledeckError as error:
            await listener.stop()
            self._close_outlets()
            self._tell_fault(str(error))
            return
        self._listener, self._port, self._fault = listener, listener.port, ""
        self._publisher.send(Event(self._clock.now_ns(), "leader", WARNING, {"headset": "port"}))

    async def _close_port(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.stop()
        await self._panels.close()
        self._close_sender()
        self._close_outlets()
        self._end_capture()
        self._pilot.confirm("")
        self._posters.clear()

    def _close_outlets(self) -> None:
        for one in (self._outlet, self._show):
            if one is not None:
                one.close()
        self._outlet = self._show = None

    def _close_sender(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _confirm(self, address: str) -> Reply:
        if self._listener is None:
            raise ConfigError("The port is closed", next_step="Open it first")
        now_ns = self._clock.now_ns()
        if address and self._posters.silent_ns(address, now_ns) is None:
            known = [poster.address for poster in self._posters.told("", now_ns)]
            raise ConfigError(f"Nothing was posted from '{address}'", allowed=known)
        if address == self._pilot.address:
            return Ok(self._pilot.confirm(address))
        self._close_sender()
        before = self._pilot.address
        said = self._pilot.confirm(address)
        if before:
            self._listener.close_connections_of(before)
        self._numbers = Numbers()
        self._silent = False
        if address:
            self._sender = Sender(address, self._clock, ports=self._ports)
            if self._show is not None:
                self._show.again()
            self._panels.again()
        self._publisher.send(Event(now_ns, "leader", said, {"headset": address or None}))
        return Ok(said)

    def _capture_to(self, path: str) -> Reply:
        self._end_capture()
        if not path:
            return Ok("The capture ended.")
        note = self._pilot.address or "no headset was confirmed"
        self._capture = SessionWriter(_capture_path(path), SessionHeader(now_iso(), note))
        return Ok(f"Capturing into {path}.")

    def _end_capture(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            try:
                capture.close()
            except StorageError as error:
                self._tell_fault(str(error))

    # ------------------------------------------------------------------------------------ posts
    def _accepts(self, address: str) -> bool:
        """The confirmed one; while there is none, one that is alone, so that it can be seen."""
        if self._pilot.address:
            return address == self._pilot.address
        return self._posters.only(self._clock.now_ns()) == address

    def _on_stranger(self, post: Post, address: str, t_ns: int) -> None:
        if self._posters.saw(address, t_ns, post) and self._pilot.address:
            self._counts["strangers"] += 1
            text = f"{address} posts too; it is ignored, {self._pilot.address} drives"
            self._publisher.send(Event(t_ns, "fault", text, {"headset": "second"}))

    def _on_post(self, post: Post, address: str, arrival_ns: int) -> None:
        taken = self._pilot.take(post, arrival_ns)
        if taken.reading is not None:
            self._station.send(as_drive(taken.reading))
        # Whoever drives is served; now what may take its time.
        self._posters.saw(address, arrival_ns, post)
        if taken.hands is not None and self._outlet is not None:
            for side in SIDES:
                row = _row(taken.hands[side])
                self._outlet.publish(f"headset/{side}_controller", arrival_ns, row)
            if post.head is not None:
                self._outlet.publish("headset/head", arrival_ns, post.head)
        if taken.panels_cleared:
            self._panels.again()
        if self._capture is not None:
            try:
                self._capture.posted(post, address, arrival_ns)
            except StorageError as error:
                self._end_capture()
                self._tell_fault(str(error))

    def _gripper_state(self) -> dict[str, bool]:
        if self._show is None:
            raise DeviceError("The state of the grippers is not known")
        return dict(self._show.gripper_state())

    def _watch_silence(self, now_ns: int) -> None:
        """Say once that the confirmed headset fell silent, and once that it is back."""
        address = self._pilot.address
        silent_ns = self._posters.silent_ns(address, now_ns) if address else None
        silent = silent_ns is not None and silent_ns > NS_PER_S // 2
        if silent and not self._silent:
            self._counts["silences"] += 1
            text = f"Nothing comes from {address} any more; the robot holds"
            self._publisher.send(Event(now_ns, "fault", text, {"headset": "silent"}))
        self._silent = silent

    def _tell_fault(self, text: str) -> None:
        if text != self._fault:
            self._fault = text
            self._publisher.send(Event(self._clock.now_ns(), "fault", text, {"headset": "fault"}))

    # ----------------------------------------------------------------------------------- status
    def status(self, now_ns: int) -> HeadsetStatus:
        """How things stand, for the screen."""
        pilot, listener = self._pilot, self._listener
        self._collect_delays()
        text, fault = self._sentence(now_ns)
        self._numbers.count(self._sender, () if self._show is None else self._show.delays_ms)
        return HeadsetStatus(
            t_ns=now_ns,
            listening=listener is not None,
            port=self._port,
            address=pilot.address,
            posters=self._posters.told(pilot.address, now_ns),
            calibration=pilot.told(),
            set_up=pilot.set_up_state(),
            panels=self._panels.name,
            panel_presets=tuple(PRESETS),
            streams=self._numbers.streams,
            counters=self._counters(),
            delay_p50_ms=self._numbers.input_p50_ms,
            delay_p99_ms=self._numbers.input_p99_ms,
            touch_delay_p99_ms=self._numbers.touch_p99_ms,
            battery=math.nan,
            capturing="" if self._capture is None else str(self._capture.path),
            text=text,
            fault=fault,
            simulated=bool(
                listener is not None and pilot.address and listener.simulated(pilot.address)
            ),
            calibrating=bool(pilot.address) and pilot.hands.calibrating,
            holds=pilot.holds() if pilot.address else {},
        )

    def _sentence(self, now_ns: int) -> tuple[str, bool]:
        if self._fault:
            return self._fault, True
        if self._listener is None:
            return "The TactAR port is closed.", False
        address = self._pilot.address
        if not address and not self._posters.told("", now_ns):
            return f"Listening on port {self._port}; nobody posts. {WARNING}", False
        text, fault = self._pilot.text(self._posters.silent_ns(address, now_ns))
        if not address or fault:
            return text, fault
        if self._panels.fault:
            return self._panels.fault, True
        missing = "" if self._show is None else self._show.missing()
        if self._panels.missing:
            missing = f"{missing} No picture from {', '.join(self._panels.missing)}.".strip()
        return f"{text} {missing}".strip(), False

    def _collect_delays(self) -> None:
        """Delays of what this headset asked for; those of other devices are not ours."""
        ring = self._rings.get("station/input_delay")
        if ring is None:
            return
        drained = ring.drain()
        station = self._station_status
        if station is not None and station.leader == "headset" and len(drained.data):
            self._numbers.delays_ms.extend(np.asarray(drained.data).reshape(-1).tolist())

    def _counters(self) -> dict[str, int]:
        counts: dict[str, int] = {**self._pilot.hands.counters, **self._counts}
        if self._listener is not None:
            told = asdict(self._listener.counters())
            counts |= {name: value for name, value in told.items() if isinstance(value, int)}
        return counts


def _row(hand: Controller) -> list[float]:
    """A row of `headset/S_controller`: position, quaternion, trigger, five buttons."""
    return [*hand.position, *hand.quat, hand.trigger, *(float(one) for one in hand.buttons)]


def _specs() -> tuple[StreamSpec, ...]:
    """The operator's streams (docs/contracts.md). Nobody has measured how old a pose is when the
    app posts it, so they declare no latency."""
    hands = (
        StreamSpec(
            f"headset/{side}_controller", (13,), "float64", "m", "unity", POST_HZ, kind="operator"
        )
        for side in SIDES
    )
    return (
        *hands,
        StreamSpec("headset/head", (7,), "float64", "m", "unity", POST_HZ, kind="operator"),
    )


def _capture_path(text: str) -> Path:
    """Where a capture goes. Raises ConfigError for a path that must not be written."""
    path = Path(text).expanduser()
    problem = ""
    if not path.is_absolute():
        problem = "is not absolute"
    elif not path.parent.is_dir():
        problem = f"lies in '{path.parent}', which is no folder"
    elif path.exists() or path.is_symlink():
        problem = "exists already"
    elif not os.access(path.parent, os.W_OK):
        problem = f"lies in '{path.parent}', which may not be written"
    if problem:
        raise ConfigError(
            f"The capture '{text}' {problem}", next_step="Name a new file in a folder that exists"
        )
    return path


def _refuse_taken(port: int) -> None:
    """Raises DeviceError at once for a port that another program has; opening comes later."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            raise DeviceError(
                f"TCP port {port} cannot be opened: {error.strerror}",
                next_step=f"End the program that uses it (see 'ss -ltnp sport = :{port}'); the "
                "TactAR app knows no other port",
            ) from error


def work(child: Child) -> None:
    """Serve the headset until the child shall stop."""
    go_first(priority.HEADSET)
    config = station_file.from_fields(child.options.get("station", {}), where="station file")
    robot: RobotPads = plugins.load("robots", config.robot)()
    headset = Headset(child, SystemClock(), robot)
    # A collection while a post waits is the longest pause: do it after the status instead.
    gc.collect()
    gc.freeze()
    gc.disable()
    with contextlib.closing(RealTime(priority.HEADSET_RANK)) as real_time:
        asyncio.run(headset.run(real_time.keep))


if __name__ == "__main__":
    sys.exit(run_child("headset", work))
