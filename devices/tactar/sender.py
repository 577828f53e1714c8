"""The four UDP streams to the headset: one socket, constant arrow counts, panels at a walk."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from devices.clock import Clock, SystemClock
from devices.errors import DeviceError, WireError
from devices.leader import Side
from devices.stream import FloatArray
from devices.tactar.stream_meter import StreamMeter, StreamStats
from devices.tactar.wire import (
    ARROW_SCALE,
    DEVICE_IDS,
    HIDDEN_SCALE,
    Panel,
    Ports,
    force_document,
    framed,
    image_document,
    robot_document,
    tactile_document,
)

PANEL_GAP_NS = 250_000
"""Between two datagrams of a panel message [ns]: 5.6 MB/s, which a wireless link still buffers."""

# A late thread may catch up by so many datagrams, not by a whole picture at once.
_BURST = 4
_TRIES = 5


class Sender:
    """Sends to one headset. No call blocks, and no network error raises: they are counted.

    Robot, tactile and force messages leave in the caller's thread, at once. Panel messages are cut
    into datagrams that a thread of the sender lets go one after the other, so that they neither
    overflow the receiver nor hold up what the fingers feel. A panel message that comes while
    another is on its way waits; a third takes its place (`panels_skipped`).

    Args:
        address: IPv4 address of the headset.
        clock: Tells the times of the statistics, paces the panels.
        ports: UDP ports on the headset.
        arrow_counts: Arrows per device id, where they are known before the first message. The app
            keeps the count of its first message for good.

    Raises:
        DeviceError: If `address` is no IPv4 address.
    """

    def __init__(
        self,
        address: str,
        clock: Clock | None = None,
        ports: Ports | None = None,
        *,
        arrow_counts: Mapping[str, int] | None = None,
    ) -> None:
        try:
            socket.inet_pton(socket.AF_INET, address)
        except OSError as error:
            raise DeviceError(
                f"{address!r} is not an IPv4 address", next_step="Confirm a headset that posts"
            ) from error
        self.address = address
        self._clock = clock or SystemClock()
        self._ports = ports or Ports()
        self._counts = dict(arrow_counts or {})
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._robot = StreamMeter("robot", self._ports.robot)
        self._tactile = StreamMeter("tactile", self._ports.tactile)
        self._panels = StreamMeter("panels", self._ports.panels)
        self._force = StreamMeter("force", self._ports.force)
        self._waiting: list[bytes] | None = None
        self._change = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self.panels_skipped = 0
        self.last_error = ""

    # ------------------------------------------------------------------------------- the streams
    def send_robot(
        self,
        left: npt.ArrayLike | None,
        right: npt.ArrayLike | None,
        left_gripper: npt.ArrayLike = (0.0, 0.0),
        right_gripper: npt.ArrayLike = (0.0, 0.0),
    ) -> bool:
        """Tool poses (7,), calibrated Unity frame; None for an arm that is not there.

        Returns whether it went. Raises WireError for numbers that are not finite.
        """
        document = robot_document(left, right, left_gripper, right_gripper)
        return self._send(document, self._robot)

    def send_tactile(
        self,
        device_id: str,
        starts: npt.ArrayLike,
        ends: npt.ArrayLike,
        scale: npt.ArrayLike = ARROW_SCALE,
    ) -> bool:
        """Arrows (n, 3) [m] in the frame of the anchor `device_id`; fewer than at first are filled
        up with hidden ones.

        Returns whether it went. Raises WireError for an unknown id, more arrows than at first, or
        numbers that are not finite.
        """
        first, second, width = self._filled(device_id, starts, ends, scale)
        document = tactile_document(device_id, first, second, width)
        self._counts.setdefault(device_id, len(first))
        return self._send(document, self._tactile, device_id)

    def send_force(
        self,
        side: Side,
        start: npt.ArrayLike,
        end: npt.ArrayLike,
        scale: npt.ArrayLike = ARROW_SCALE,
    ) -> bool:
        """One arrow [m], calibrated Unity frame. The app never hides it again: send zero length
        and `HIDDEN_SCALE` for none.

        Returns whether it went. Raises WireError for numbers that are not finite.
        """
        return self._send(force_document(side, start, end, scale), self._force, side)

    def send_panels(self, panels: Sequence[Panel]) -> None:
        """All panels, in one message.

        Raises WireError for what the app could not hang, and for more than it could read.
        """
        if not panels:
            return
        datagrams = framed(image_document(panels))
        with self._change:
            if self._closing:
                return
            if self._waiting is not None:
                self.panels_skipped += 1
            self._waiting = datagrams
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._walk, name="tactar-panels", daemon=True
                )
                self._thread.start()
            self._change.notify()

    def statistics(self) -> tuple[StreamStats, ...]:
        """Robot, tactile, force, panels."""
        now_ns = self._clock.now_ns()
        meters = (self._robot, self._tactile, self._force, self._panels)
        return tuple(meter.stats(now_ns) for meter in meters)

    def close(self) -> None:
        """Stop sending. Idempotent."""
        with self._change:
            self._closing = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._socket.close()

    # ------------------------------------------------------------------------------- the inside
    def _send(self, data: bytes, meter: StreamMeter, source: str = "") -> bool:
        port = meter.port
        try:
            self._socket.sendto(data, (self.address, port))
        except OSError as error:
            # Full buffers, no route, a headset that went away: the next message may go.
            self.last_error = f"UDP {port}: {error.strerror or error}"
            meter.fail()
            return False
        meter.note(self._clock.now_ns(), source)
        return True

    def _filled(
        self, device_id: str, starts: npt.ArrayLike, ends: npt.ArrayLike, scale: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray, npt.ArrayLike]:
        first = np.asarray(starts, dtype=np.float64)
        second = np.asarray(ends, dtype=np.float64)
        count = self._counts.get(device_id)
        if device_id not in DEVICE_IDS or count is None or first.shape != second.shape:
            return first, second, scale
        missing = count - len(first)
        if missing < 0:
            raise WireError(
                f"{len(first)} arrows for {device_id}, {count} in its first message",
                next_step="The app cannot draw more than at first: give the most in `arrow_counts`",
            )
        if missing == 0:
            return first, second, scale
        if not len(first):
            zeros = np.zeros((count, 3))
            return zeros, zeros, HIDDEN_SCALE
        # Of no length, and inside the ball of an arrow that is shown: not to be seen.
        hidden = np.repeat(second[-1:], missing, axis=0)
        return np.concatenate([first, hidden]), np.concatenate([second, hidden]), scale

    def _walk(self) -> None:
        """Thread: panel messages, one after the other."""
        while True:
            with self._change:
                while self._waiting is None and not self._closing:
                    self._change.wait()
                if self._closing:
                    return
                datagrams, self._waiting = self._waiting, None
            assert datagrams is not None
            self._walk_through(datagrams)

    def _walk_through(self, datagrams: list[bytes]) -> None:
        due_ns = self._clock.now_ns()
        for datagram in datagrams:
            self._clock.sleep_until_ns(due_ns)
            if self._closing:
                return
            if not self._send_part(datagram):
                # Without this part the rest is worth nothing; the app finds the next message.
                self._panels.fail()
                return
            due_ns = max(due_ns, self._clock.now_ns() - _BURST * PANEL_GAP_NS) + PANEL_GAP_NS
        self._panels.note(self._clock.now_ns())

    def _send_part(self, datagram: bytes) -> bool:
        for _ in range(_TRIES):
            try:
                self._socket.sendto(datagram, (self.address, self._ports.panels))
            except BlockingIOError:
                self._clock.sleep_until_ns(self._clock.now_ns() + PANEL_GAP_NS)
                continue
            except OSError as error:
                self.last_error = f"UDP {self._ports.panels}: {error.strerror or error}"
                return False
            return True
        self.last_error = f"UDP {self._ports.panels}: the network takes no more"
        return False
