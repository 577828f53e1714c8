"""What a screen or a script needs of the running station: no Qt, no thread, nothing that waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from app.runtime.bus import Bus
from app.runtime.messages import Drive, Hand, Heartbeat
from app.runtime.requests import (
    Arm,
    Discard,
    GraspBaseline,
    HeadsetCapture,
    HeadsetConfirm,
    HeadsetListen,
    HeadsetPanels,
    HeadsetSetUp,
    Keep,
    KeepLast,
    Ok,
    OpenDataset,
    Pause,
    Refused,
    Reply,
    Request,
    Restart,
    RezeroTouch,
    Start,
    Stop,
    StopChild,
)
from app.runtime.rundir import RunDir
from app.runtime.statuses import (
    CameraStatus,
    Event,
    HeadsetStatus,
    PolicyStatus,
    Published,
    RecorderStatus,
    StationStatus,
    TouchStatus,
)
from datasets.dataset import Dataset
from datasets.library import Library
from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import DeviceError, StreamError, TeledeckError
from devices.leader import HandInput, LeaderInput
from devices.ring import Drained, RingReader
from devices.stream import Sample

HEARTBEAT_NS = NS_PER_S // 10
SILENCE_NS = NS_PER_S
_EVENTS_KEPT = 500
# The station tells of policies: it knows what their workers say and what it does with it.
_HEARD = ("station", "recorder", "cameras", "supervisor", "headset", "touch")
_ASKED = ("station", "recorder", "supervisor", "headset", "touch")
_TO_RECORDER = (OpenDataset, Arm, Start, Pause, Stop, Keep, Discard, KeepLast)
_TO_HEADSET = (HeadsetListen, HeadsetConfirm, HeadsetSetUp, HeadsetPanels, HeadsetCapture)
_TO_TOUCH = (RezeroTouch, GraspBaseline)


@dataclass
class _Asked:
    """A request on its way. `deadline_ns` is 0 until it was sent."""

    request: Request
    done: Callable[[Reply], None]
    deadline_ns: int = 0


class Session:
    """One screen's view of one run.

    Call `poll` often (a window does at 60 Hz); everything else answers from what it has heard.
    The station holds the robot when `poll` stops being called: it carries the heartbeat. It stops
    when the process has ended (`RunDir.attend`), not when it is merely silent.

    Args:
        run: The run folder, joined; the session leaves it in `close`.
        clock: Time.

    Attributes:
        station, recorder, camera, headset, touch: Newest status, None while none has come or after
            a silence.
        policies: The same of each policy worker, by slot.
        events: The last 500, oldest first.
        library: The open dataset's library, None while none is open.
        closed_by_supervisor: True when the run has ended.
    """

    def __init__(self, run: RunDir, clock: Clock | None = None) -> None:
        self.run = run
        self._clock = clock if clock is not None else SystemClock()
        self._attendance = run.attend()
        self._bus = Bus(run)
        self._statuses = self._bus.subscriber(*_HEARD)
        self._input = self._bus.input_push()
        self._clients = {child: self._bus.client(child) for child in _ASKED}
        self._asked: dict[str, deque[_Asked]] = {child: deque() for child in self._clients}
        self._readers: dict[str, RingReader] = {}
        self._heard_ns: dict[type, int] = {}
        self._beat_ns = 0
        self.station: StationStatus | None = None
        self.recorder: RecorderStatus | None = None
        self.camera: CameraStatus | None = None
        self.headset: HeadsetStatus | None = None
        self.touch: TouchStatus | None = None
        self.policies: dict[str, PolicyStatus] = {}
        self.events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self.events_seen = 0
        self.library: Library | None = None

    # ------------------------------------------------------------------------------ listening
    def poll(self, timeout_s: float = 0.0) -> None:
        """Take in what has been said, and say that we live. Waits up to `timeout_s` [s]."""
        now_ns = self._clock.now_ns()
        if now_ns - self._beat_ns >= HEARTBEAT_NS:
            self._input.send(Heartbeat(now_ns))
            self._beat_ns = now_ns
        for message in self._statuses.poll(timeout_s):
            self._hear(message)
        for child in self._asked:
            self._go_on_asking(child)
        self._forget_the_silent()

    def _hear(self, message: Published) -> None:
        self._heard_ns[type(message)] = self._clock.now_ns()
        if isinstance(message, StationStatus):
            self.station = message
        elif isinstance(message, RecorderStatus):
            self.recorder = message
        elif isinstance(message, CameraStatus):
            self.camera = message
        elif isinstance(message, HeadsetStatus):
            self.headset = message
        elif isinstance(message, TouchStatus):
            self.touch = message
        elif isinstance(message, PolicyStatus):
            self.policies[message.slot] = message
        else:
            self.events.append(message)
            self.events_seen += 1

    def _forget_the_silent(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._heard_ns.get(StationStatus, now_ns) > SILENCE_NS:
            self.station = None
        if now_ns - self._heard_ns.get(RecorderStatus, now_ns) > SILENCE_NS:
            self.recorder = None
        if now_ns - self._heard_ns.get(CameraStatus, now_ns) > 3 * SILENCE_NS:
            self.camera = None
        if now_ns - self._heard_ns.get(HeadsetStatus, now_ns) > SILENCE_NS:
            self.headset = None
        if now_ns - self._heard_ns.get(TouchStatus, now_ns) > SILENCE_NS:
            self.touch = None
        for slot, status in tuple(self.policies.items()):
            if now_ns - status.t_ns > 3 * SILENCE_NS:
                del self.policies[slot]

    @property
    def model_key(self) -> tuple[str, str] | None:
        """(robot, scene) of the running station, None while there is none."""
        return None if self.station is None else (self.station.robot, self.station.scene)

    # -------------------------------------------------------------------------------- streams
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that exist now."""
        return tuple(self.run.rings())

    def latest(self, stream: str) -> Sample | None:
        """The newest sample, None while the stream has none or does not exist."""
        reader = self._reader(stream)
        return None if reader is None else reader.latest()

    def since(self, stream: str, t_ns: int) -> Drained | None:
        """What the last seconds hold from `t_ns` [ns] on; None if the stream does not exist."""
        reader = self._reader(stream)
        return None if reader is None else reader.since(t_ns)

    def _reader(self, stream: str) -> RingReader | None:
        reader = self._readers.get(stream)
        if reader is not None and reader.replaced():
            reader.close()
            del self._readers[stream]
            reader = None
        if reader is None:
            try:
                reader = RingReader(self.run.ring(stream))
            except StreamError:
                return None
            self._readers[stream] = reader
        return reader

    # --------------------------------------------------------------------------------- asking
    def drive(self, reading: LeaderInput) -> None:
        """Send one reading of the window's input device to the station."""
        self._input.send(
            Drive(
                device=reading.device,
                seq=reading.seq,
                t_ns=reading.t_ns,
                left=_hand(reading.left),
                right=_hand(reading.right),
                deadman=reading.deadman,
            )
        )

    def request(self, request: Request, timeout_s: float = 1.0) -> Reply:
        """Ask the station or the recorder, whoever it concerns. Silence becomes Refused."""
        child = _addressee(request)
        while self._asked[child]:
            self._go_on_asking(child)
            time.sleep(0.001)
        try:
            return self._clients[child].request(request, timeout_s)
        except DeviceError as error:
            return Refused(str(error))

    def ask(self, request: Request, done: Callable[[Reply], None]) -> None:
        """Like `request`, without waiting: `poll` calls `done` with the answer. What is asked of
        one child is answered in the order of asking."""
        child = _addressee(request)
        self._asked[child].append(_Asked(request, done))
        self._go_on_asking(child)

    def _go_on_asking(self, child: str) -> None:
        """Send what is next in the queue, or take the answer to what was sent."""
        queue, client = self._asked[child], self._clients[child]
        while queue:
            head = queue[0]
            if not head.deadline_ns:
                client.post(head.request)
                head.deadline_ns = self._clock.now_ns() + SILENCE_NS
            try:
                reply = client.receive()
            except DeviceError as error:
                reply = Refused(str(error))
            if reply is None and self._clock.now_ns() > head.deadline_ns:
                client.reset()
                reply = Refused(f"The {child} does not answer.")
            if reply is None:
                return
            queue.popleft()
            head.done(reply)

    def load_scene(self, scene: str, seed: int = 1) -> Reply:
        """Start the station anew with another scene; rings and models change with it."""
        return self.request(Restart("station", {"scene": scene, "seed": seed}), timeout_s=10.0)

    def open_dataset(self, path: Path, task: str = "", target: int = 0) -> Reply:
        """Open or create a dataset for the next takes and for the Library, which has not looked for
        its episodes yet."""
        try:
            library = Library(Dataset.open_or_create(path), look=False)
        except TeledeckError as error:
            return Refused(str(error))
        reply = self.request(OpenDataset(str(path), task=task, target=target))
        if isinstance(reply, Ok):
            self.library = library
        return reply

    def close(self) -> None:
        """Leave the run. The station holds, and stops by itself. Idempotent."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self._bus.close()
        self._attendance.end()
        self.run.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _addressee(request: Request) -> str:
    """Which child a request concerns."""
    if isinstance(request, Restart | StopChild):
        return "supervisor"
    if isinstance(request, _TO_HEADSET):
        return "headset"
    if isinstance(request, _TO_TOUCH):
        return "touch"
    return "recorder" if isinstance(request, _TO_RECORDER) else "station"


def _hand(hand: HandInput | None) -> Hand | None:
    if hand is None:
        return None
    x, y, z, qw, qx, qy, qz = hand.pose.to_array().tolist()
    return Hand(clutch=hand.clutch, pose=(x, y, z, qw, qx, qy, qz), grip=hand.grip)
