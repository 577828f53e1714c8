"""The recorder process: requests in, episodes out. A take that fails ends in red; the process and
everything already stored live on."""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from app.runtime import priority, takes
from app.runtime.child import Child, run_child
from app.runtime.episode_start import ModelShelf, start_document
from app.runtime.messages import encode
from app.runtime.priority import go_first
from app.runtime.requests import (
    Arm,
    Discard,
    Keep,
    KeepLast,
    Ok,
    OpenDataset,
    Pause,
    Ping,
    Refused,
    Reply,
    Request,
    Shutdown,
    Start,
    Stop,
)
from app.runtime.rings import RingSet
from app.runtime.rollout_buffer import RolloutBuffer
from app.runtime.statuses import (
    CameraStatus,
    Event,
    HeadsetStatus,
    PolicyStatus,
    RecorderStatus,
    StationStatus,
    TakeState,
)
from app.runtime.take import Take
from datasets import layout
from datasets.dataset import Dataset
from datasets.journal import Journal
from datasets.writer import FLUSH_S, RESERVE_BYTES, EpisodeWriter
from devices.clock import NS_PER_S, Clock, ClockAnchor, SystemClock
from devices.errors import ConfigError, StreamError, TeledeckError
from devices.stream import StreamSpec

PREROLL_NS = 2 * NS_PER_S
_STATUS_NS = NS_PER_S // 20
_POLL_S = 0.01
_RATE_NS = 2 * NS_PER_S
_SILENCE_NS = 2 * NS_PER_S

SCRATCH_DRAIN_S, SCRATCH_FLUSH_S = 0.5, 1.0
"""Nobody has asked for a scratch take yet: it is written in larger pieces, which costs a fifth."""


class Recorder:
    """The recorder without its process: `step` does all the work, in one thread.

    Args:
        child: Folder, bus and the reason to end.
        clock: The clock of the samples.
    """

    def __init__(self, child: Child, clock: Clock) -> None:
        self._child = child
        self._clock = clock
        self._server = child.bus.server("recorder")
        self._publisher = child.bus.publisher("recorder")
        self._others = child.bus.subscriber("station", "cameras", "supervisor", "headset")
        self._rings = RingSet(child.run, clock)
        self._models = ModelShelf(child.run.model_path)
        self._dataset: Dataset | None = None
        self._journal: Journal | None = None
        self._opened = OpenDataset(path="", task="")
        self._station: StationStatus | None = None
        self._cameras: CameraStatus | None = None
        self._headset: HeadsetStatus | None = None
        self._policies: dict[str, PolicyStatus] = {}
        self._events: deque[Event] = deque(maxlen=1000)
        self._state: TakeState = "idle"
        self._practice = False
        self._task = ""
        self._take: Take | None = None
        self._closing: list[Take] = []
        self._buffer: RolloutBuffer | None = None
        policy = child.options.get("station", {}).get("policy", {})
        self._keeps_last = bool(policy.get("keep_last", True))
        self._armed_ns = 0
        self._began_ns = 0
        self._ended_ns = 0
        self._paused_ns = 0
        self._takes = 0
        self._kept = 0
        self._text = "Ready."
        self._fault = False
        self._sizes: deque[tuple[int, int]] = deque()
        self._next_status_ns = 0
        self._reopen()

    # ---------------------------------------------------------------------------------- work
    def step(self) -> None:
        """Answer requests, look after the takes, tell the status."""
        if self._server.poll(self._answer, _POLL_S):
            self._next_status_ns = 0  # who asked shall see at once what came of it
        for heard in self._others.poll():
            match heard:
                case StationStatus():
                    self._station = heard
                case CameraStatus():
                    self._cameras = heard
                case HeadsetStatus():
                    self._headset = heard
                case PolicyStatus():
                    self._policies[heard.slot] = heard
                case Event():
                    self._events.append(heard)
                    if self._take is not None and self._state in takes.RUNNING:
                        self._take.add_event(heard)
                    if self._buffer is not None:
                        self._buffer.add_event(heard)
        self._rings.refresh()
        self._look_after_takes()
        self._look_after_rollouts()
        now = self._clock.now_ns()
        if now >= self._next_status_ns:
            self._next_status_ns = now + _STATUS_NS
            self._publisher.send(self._status(now))

    def close(self, why: str) -> None:
        """End a running take as interrupted, finish what is being written."""
        if self._take is not None and self._state in takes.RUNNING:
            self._take.end("interrupted", why, self._clock.now_ns())
        for take in [*self._closing, *([self._take] if self._take is not None else [])]:
            take.join()
        if self._buffer is not None:
            self._buffer.close()
        self._rings.close()

    # ------------------------------------------------------------------------------- requests
    def _answer(self, request: Request) -> Reply:
        match request:
            case OpenDataset():
                return self._open_dataset(request)
            case Arm():
                return self._arm()
            case Start():
                return self._start(request)
            case Pause(on=on):
                return self._pause(on)
            case Stop():
                return self._stop()
            case Keep():
                return self._keep(request)
            case Discard():
                return self._discard()
            case KeepLast(seconds=seconds):
                return self._keep_last(seconds)
            case Ping():
                return Ok()
            case Shutdown():
                self._child.stop("Teledeck was closed")
                return Ok()
        return Refused(f"The recorder has no {type(request).__name__}.")

    def _open_dataset(self, request: OpenDataset, *, after_crash: bool = False) -> Reply:
        if self._state in takes.RUNNING:
            raise ConfigError(
                "A take is running", next_step="Stop it before opening another dataset"
            )
        if not request.path:
            raise ConfigError("No dataset was named", next_step="Give the path of its folder")
        dataset = Dataset.open_or_create(request.path)
        self._journal = Journal(dataset.journal, request.operator)
        self._dataset = dataset
        self._opened = request
        self._task = request.task
        self._takes = len(dataset.uids())
        self._kept = self._count_kept(self._journal)
        self._take_over()
        if self._buffer is not None:
            self._buffer.close()
            self._buffer = None
        if self._keeps_last:
            scratch = self._scratch_take
            self._buffer = RolloutBuffer(dataset, scratch, self._clock, adopt=after_crash)
        self._open_file.write_bytes(encode(request))
        self._say(f"Recording into {dataset.root.name}.")
        return Ok(self._text)

    @property
    def _open_file(self) -> Path:
        """In the run folder: what is open, for the recorder that comes after a crash."""
        return self._child.run.path / "recorder.open"

    def _reopen(self) -> None:
        """Go on where a recorder that died in this run has left off."""
        if not self._open_file.exists():
            return
        try:
            self._open_dataset(
                msgspec.msgpack.decode(self._open_file.read_bytes(), type=OpenDataset),
                after_crash=True,
            )
        except (TeledeckError, msgspec.DecodeError) as error:
            self._say(f"The recorder was started again. {error}", fault=True)
            return
        self._say(
            "The recorder was started again; a take that ran is stored as interrupted.", fault=True
        )

    def _arm(self) -> Reply:
        after = takes.after(self._state, "arm")
        if self._state != "armed":
            self._take_over()
            self._armed_ns = self._clock.now_ns()
        self._state = after
        self._say("Armed.")
        return Ok(self._text)

    def _start(self, request: Start) -> Reply:
        after = takes.after(self._state, "start")
        if not request.practice and self._dataset is None:
            raise ConfigError("No dataset is open", next_step="Open or create one in the Library")
        now = self._clock.now_ns()
        since = max(now - PREROLL_NS, self._armed_ns)
        rings = self._living_rings()
        uid = layout.new_uid(ClockAnchor.take(self._clock).wall_at(since))
        opens = None if request.practice else self._opens(self._dataset, uid, request, since)
        self._take = Take(uid, rings, since, opens, self._clock)
        for event in self._events:
            self._take.add_event(event)
        self._practice, self._task = request.practice, request.task
        self._began_ns, self._paused_ns, self._ended_ns = since, 0, 0
        self._takes += not request.practice
        self._sizes.clear()
        self._state = after
        without = [name for name in self._rings if name not in rings]
        missing = f", without {', '.join(without)}: nothing fills them" if without else ""
        if self._cameras is not None and not self._cameras.cameras:
            missing += f", without cameras: {self._cameras.text.rstrip('.')}"
        said = "Practising; nothing is saved" if request.practice else "Recording"
        self._say(f"{said}{missing}.")
        return Ok(self._text, uid)

    def _living_rings(self) -> dict[str, Path]:
        """Rings that somebody fills, by stream; also one that came a moment ago: a take holds the
        streams that are there when it begins. Raises StreamError when there is none."""
        self._rings.refresh(at_once=True)
        rings = {name: reader.path for name, reader in self._rings.items() if reader.writer_alive()}
        if not rings:
            raise StreamError("There is nothing to record", next_step="Check that the station runs")
        return rings

    def _opens(
        self,
        target: Dataset | None,
        uid: str,
        request: Start,
        since_ns: int,
        flush_s: float = FLUSH_S,
    ) -> Callable[[Sequence[StreamSpec]], EpisodeWriter]:
        """What makes the file of a take, with all that is known of its beginning now."""
        start = start_document(
            self._opened,
            request,
            since_ns,
            self._station,
            self._cameras,
            self._child.options.get("station", {}),
            self._living_headset(self._clock.now_ns()),
            self._policy_in_hand(),
        )
        dataset, models, clock = self._dataset, self._models, self._clock

        def open_writer(specs: Sequence[StreamSpec]) -> EpisodeWriter:
            assert dataset is not None and target is not None
            model = models.put_into(dataset)
            begin = {**start, "model": model}
            return EpisodeWriter(target, uid, specs, begin, clock, flush_s=flush_s)

        return open_writer

    def _scratch_take(self, scratch: Dataset, since_ns: int) -> Take:
        """A take that nobody asked for, in case somebody does afterwards."""
        rings = self._living_rings()
        uid = layout.new_uid(ClockAnchor.take(self._clock).wall_at(since_ns))
        start = Start(self._opened.task)
        opens = self._opens(scratch, uid, start, since_ns, SCRATCH_FLUSH_S)
        return Take(uid, rings, since_ns, opens, self._clock, SCRATCH_DRAIN_S)

    def _living_headset(self, now: int) -> HeadsetStatus | None:
        """What the headset's process says; None once it has fallen silent."""
        headset = self._headset
        return None if headset is None or now - headset.t_ns > _SILENCE_NS else headset

    def _policy_in_hand(self) -> PolicyStatus | None:
        """The policy that drives or holds, by what the station last said."""
        now = self._clock.now_ns()
        for status in self._policies.values():
            if status.phase in ("driving", "holding") and now - status.t_ns < 3 * NS_PER_S:
                return status
        return None

    def _pause(self, on: bool) -> Reply:
        after = takes.after(self._state, "pause" if on else "resume")
        take, now = self._running(), self._clock.now_ns()
        if on:
            take.pause(now)
            self._ended_ns = now
        else:
            take.resume(now)
            self._paused_ns += now - self._ended_ns
            self._ended_ns = 0
        self._state = after
        self._say("Paused." if on else "Recording.")
        return Ok(self._text, take.uid)

    def _stop(self) -> Reply:
        after = takes.after(self._state, "stop")
        take, now = self._running(), self._clock.now_ns()
        take.end("stopped", "", now)
        self._ended_ns = self._ended_ns or now
        self._state = after
        self._say(
            "Practice ended." if self._practice else "Stopped. Stored as failed until it is kept."
        )
        return Ok(self._text, take.uid)

    def _keep(self, request: Keep) -> Reply:
        after = takes.after(self._state, "keep")
        take = self._running()
        if not self._practice:
            assert self._journal is not None
            self._journal.verdict(take.uid, request.verdict, request.note)
            self._kept = self._count_kept(self._journal)
        self._state = after
        said = "Practice is never saved." if self._practice else f"Kept as {request.verdict}."
        self._take_over()
        self._say(said)
        return Ok(said, take.uid)

    def _discard(self) -> Reply:
        after = takes.after(self._state, "discard")
        take = self._take
        if take is not None:
            take.end("discarded", "Discarded by the operator", self._clock.now_ns())
            if not self._practice:
                assert self._journal is not None
                self._journal.delete(take.uid)
        self._state = after
        self._take_over()
        self._say("Disarmed." if take is None else "Discarded. It can be brought back.")
        return Ok(self._text, "" if take is None else take.uid)

    def _keep_last(self, seconds: float) -> Reply:
        if self._state in takes.RUNNING:
            raise ConfigError("A take runs and has it all", next_step="Stop and keep the take")
        if self._dataset is None:
            raise ConfigError("No dataset is open", next_step="Open or create one in the Library")
        if self._buffer is None:
            raise ConfigError(
                "This station does not keep what policies do outside of takes",
                next_step="Set 'keep_last = true' under [policy] in the station file",
            )
        uid = self._buffer.keep(seconds)
        self._say(f"Keeping the last {seconds:.0f} s.")
        return Ok(self._text, uid)

    def _look_after_rollouts(self) -> None:
        """While a policy is in hand and no take runs, what it does goes into the scratch."""
        if self._buffer is None:
            return
        runs = self._state in takes.RUNNING
        for said in self._buffer.follow(not runs and self._policy_in_hand() is not None):
            self._takes = len(self._dataset.uids()) if self._dataset is not None else 0
            self._say(said.text, fault=said.fault)

    def _running(self) -> Take:
        """The take that the state table says there is."""
        assert self._take is not None
        return self._take

    @staticmethod
    def _count_kept(journal: Journal) -> int:
        """Episodes that somebody decided to keep, as a success or as a failure."""
        states = journal.state.episodes.values()
        return sum(state.judged and not state.deleted for state in states)

    def _take_over(self) -> None:
        """The present take needs no more decisions; it may still be closing its file."""
        if self._take is not None:
            self._closing.append(self._take)
            self._take = None

    # --------------------------------------------------------------------------------- faults
    def _look_after_takes(self) -> None:
        """Notice takes that failed, forget those that are done."""
        take = self._take
        if take is not None and take.failure and self._state in ("recording", "paused", "stopped"):
            self._state = takes.after(self._state, "fault")
            self._ended_ns = self._ended_ns or self._clock.now_ns()
            self._say(take.failure, fault=True)
        for done in [take for take in self._closing if take.finished.is_set()]:
            self._closing.remove(done)
            done.join()
            if done.failure:
                self._say(f"The take {done.uid} is incomplete: {done.failure}", fault=True)

    def _say(self, text: str, *, fault: bool = False) -> None:
        self._text, self._fault = text, fault

    # --------------------------------------------------------------------------------- status
    def _status(self, now: int) -> RecorderStatus:
        take = self._take
        missed = {} if take is None else take.missed
        bytes_per_s = self._measure_bytes_per_s(now, take)
        return RecorderStatus(
            t_ns=now,
            state=self._state,
            practice=self._practice,
            dataset="" if self._dataset is None else str(self._dataset.root),
            task=self._task,
            take=self._takes,
            target=self._opened.target,
            kept=self._kept,
            elapsed_s=self._elapsed_s(now),
            uid="" if take is None else take.uid,
            text=self._text,
            fault=self._fault,
            rows=0 if take is None else take.rows,
            dropped=sum(missed.values()),
            bytes_per_s=bytes_per_s,
            disk_left_s=self._disk_left_s(bytes_per_s),
            streams=self._rings.health(missed),
        )

    def _elapsed_s(self, now: int) -> float:
        """Length of the present take so far, without its pauses [s]."""
        if self._take is None:
            return 0.0
        return ((self._ended_ns or now) - self._began_ns - self._paused_ns) / NS_PER_S

    def _measure_bytes_per_s(self, now: int, take: Take | None) -> float:
        """Growth of the file over the last seconds; that of the last take while none runs."""
        if take is not None and self._state == "recording":
            self._sizes.append((now, take.bytes_on_disk))
            while len(self._sizes) > 2 and now - self._sizes[0][0] > _RATE_NS:
                self._sizes.popleft()
        if len(self._sizes) < 2:
            return 0.0
        (t0, size0), (t1, size1) = self._sizes[0], self._sizes[-1]
        return (size1 - size0) * NS_PER_S / (t1 - t0)

    def _disk_left_s(self, bytes_per_s: float) -> float:
        """How long the disk lasts at this rate [s]; infinite while the rate is unknown."""
        if self._dataset is None or bytes_per_s <= 0:
            return math.inf
        try:
            disk = os.statvfs(self._dataset.root)
        except OSError:
            return 0.0  # the folder is gone, so nothing can be recorded any more
        return max(0, disk.f_bavail * disk.f_frsize - RESERVE_BYTES) / bytes_per_s


def work(child: Child) -> None:
    """Record until the child shall stop."""
    go_first(priority.RECORDER)
    recorder = Recorder(child, SystemClock())
    try:
        while not child.stopping.is_set():
            recorder.step()
    finally:
        recorder.close(child.why or "The recorder met a fault")


if __name__ == "__main__":
    sys.exit(run_child("recorder", work))
