"""The worker of one policy; `app.runtime.policy_process` is its process.

Four threads. The main one answers and tells; one loads, checks and warms up, and ends; one acts at
the policy's pace; where the policy has a fast path, one reacts beside it. What the policy answers
goes into rings; the station reads them and waits for nobody. A policy that hangs, crashes, eats
memory or answers nonsense does so in here.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

import numpy as np

from app.runtime import priority
from app.runtime.child import Child, run_child
from app.runtime.policy_source import TIMING_COLUMNS, expects_stream
from app.runtime.real_time import RealTime
from app.runtime.requests import (
    Ok,
    Ping,
    PolicyUse,
    Refused,
    Reply,
    Request,
    SetInstruction,
    Shutdown,
)
from app.runtime.rings import RING_SECONDS
from app.runtime.spare_thread import SpareThread
from app.runtime.statuses import NeedCheck, PolicyStatus
from devices.clock import NS_PER_S, Clock, SystemClock
from devices.errors import PolicyError, StreamError, TeledeckError
from devices.leader import SIDES
from devices.ring import RingReader, RingWriter
from devices.stream import StreamKind, StreamSpec
from policies.contract import ActionChunk, ActionSpace, StreamNeed, Window
from policies.serving import checks
from policies.serving.answers import ACT_HZ, REACT_HZ, checked_chunk, checked_row, pace_s
from policies.serving.opening import Opened
from policies.serving.windows import LiveWindows

Phase = Literal["starting", "loading", "checking", "warming", "ready", "failed"]
Opener = Callable[[str], Opened]

STATUS_S = 0.1
_WARM_UPS = 3
_RATE_S = 0.6  # how long rates are measured at least
_WAIT_S = 5.0  # for streams that have just begun
_TIMES_KEPT = 200
_END_S = 1.0  # of a fast path that works on and on, before all others
_SWITCH_S = 0.0005  # between threads: the slow path must not hold the fast one


class PolicyWorker:
    """The worker without its process. `run` does all the work and returns when it shall end.

    Args:
        child: Folder, bus, options: `slot`, `path`, `instruction`, `act_hz` (0: by the policy),
            `react_hz`.
        opener: Opens what `path` names.
        clock: The clock of the samples.
        load, act, react: Threads that wait for their work: the last two are the slow and the fast
            path.
    """

    def __init__(
        self,
        child: Child,
        opener: Opener,
        clock: Clock,
        load: SpareThread,
        act: SpareThread,
        react: SpareThread,
    ) -> None:
        self._child = child
        self._opener = opener
        self._clock = clock
        self._load_spare, self._act_spare, self._react_spare = load, act, react
        self._slot = str(child.options.get("slot", child.name))
        self._path = str(child.options.get("path", ""))
        self._act_hz = float(child.options.get("act_hz", 0.0))
        self._react_hz = float(child.options.get("react_hz", REACT_HZ))
        self._instruction = str(child.options.get("instruction", ""))
        self._server = child.bus.server(self._slot)
        self._publisher = child.bus.publisher(self._slot)
        self._began_ns = clock.now_ns()
        self._phase: Phase = "starting"
        self._text = ""
        self._ready = "Ready."
        self._opened: Opened | None = None
        self._checks: tuple[NeedCheck, ...] = ()
        self._use: PolicyUse | None = None  # a wish to begin anew, until the policy thread takes it
        self._active = threading.Event()
        self._seed: int | None = None
        self._chunk: ActionChunk | None = None
        self._rings: dict[str, RingWriter] = {}
        self._infer_ms: deque[float] = deque(maxlen=_TIMES_KEPT)
        self._react_ms: deque[float] = deque(maxlen=_TIMES_KEPT * 5)
        self._observed_ms = float("nan")
        self._uncertainty = float("nan")
        self._acts = self._faults = 0

    def run(self) -> None:
        """Serve until the child shall stop."""
        self._load_spare.begin(self._load_thread)
        due = time.monotonic()
        fast = RealTime(
            priority.FAST_PATH_RANK, self._clock, thread=self._react_spare.number, end_s=_END_S
        )
        while not self._child.stopping.is_set():
            self._server.poll(self._answer, 0.02)
            fast.keep()
            if time.monotonic() >= due:
                self._publisher.send(self._status())
                due = max(due + STATUS_S, time.monotonic())
        fast.close()
        self._active.set()
        for thread in (self._load_spare, self._act_spare, self._react_spare):
            thread.join(0.5)  # one that hangs ends with the process
        for ring in self._rings.values():
            ring.close()

    # ------------------------------------------------------------------------------ main thread
    def _answer(self, request: Request) -> Reply:
        match request:
            case PolicyUse(slot=slot, seed=seed):
                if not slot:
                    self._active.clear()
                    return Ok("Idle.")
                if self._phase != "ready":
                    return Refused(f"The policy in {self._slot} is {self._phase}. {self._text}")
                self._seed = seed
                self._use = request
                self._active.set()
                return Ok("Begins anew.")
            case SetInstruction(text=text):
                self._instruction = text
                return Ok()
            case Ping():
                return Ok()
            case Shutdown():
                self._child.stop("The policy was dropped")
                return Ok()
        return Refused(f"A policy has no {type(request).__name__}.")

    def _status(self) -> PolicyStatus:
        opened = self._opened
        space = opened.policy.space if opened is not None else None
        infer = (
            np.percentile(self._infer_ms, [50, 95, 99]) if self._infer_ms else [float("nan")] * 3
        )
        react = tuple(self._react_ms)
        return PolicyStatus(
            t_ns=self._clock.now_ns(),
            slot=self._slot,
            path=self._path,
            name=opened.name if opened is not None else "",
            digest=opened.digest if opened is not None else "",
            step=opened.step if opened is not None else 0,
            steps=opened.steps if opened is not None else 0,
            hold_out=opened.hold_out if opened is not None else float("nan"),
            created=opened.created if opened is not None else "",
            phase=self._phase,
            text=self._text,
            checks=self._checks,
            infer_p50_ms=float(infer[0]),
            infer_p95_ms=float(infer[1]),
            infer_p99_ms=float(infer[2]),
            react_p99_ms=float(np.percentile(react, 99)) if react else float("nan"),
            observation_age_ms=self._observed_ms,
            uncertainty=self._uncertainty,
            memory_mb=_memory_mb(),
            sides=space.sides if space is not None else (),
            rotation=space.rotation if space is not None else False,
            rate_hz=space.rate_hz if space is not None else float("nan"),
            horizon=len(self._chunk.actions) if self._chunk is not None else 0,
            reacts=opened.policy.reacts if opened is not None else False,
            seed=self._seed,
            acts=self._acts,
            faults=self._faults,
            began_ns=self._began_ns,
        )

    # ------------------------------------------------------------------------------ load thread
    def _load_thread(self) -> None:
        try:
            if not self._path:
                raise PolicyError("No policy was named", next_step="Load a checkpoint folder")
            self._phase = "loading"
            self._opened = self._opener(self._path)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(1)
            windows = LiveWindows(self._opened.policy.needs, self._ring)
            try:
                self._prepare(self._opened, windows)
            finally:
                windows.close()
        except TeledeckError as error:
            self._fail(str(error))
            return
        except (Exception, MemoryError) as error:  # noqa: BLE001 - foreign code may raise anything
            self._fail(_sentence("The policy cannot be loaded", error))
            return
        gc.collect()
        gc.freeze()
        self._phase, self._text = "ready", self._ready
        if self._opened.policy.reacts:
            self._react_spare.begin(self._react_thread)
        self._act_spare.begin(self._act_thread)

    def _fail(self, why: str) -> None:
        """The policy cannot be used. The process stays, so that the reason and the table do."""
        self._text, self._phase = why, "failed"

    def _prepare(self, opened: Opened, windows: LiveWindows) -> None:
        """Check needs against what is live, warm up, open the rings."""
        policy, space = opened.policy, opened.policy.space
        self._phase = "checking"
        found = self._compared(opened, windows)
        self._tell(found)
        if bad := checks.refused(found):
            raise PolicyError(
                f"The policy does not fit the station: {bad}", next_step=checks.way_out(found)
            )
        self._phase = "warming"
        policy.reset(0)
        window = self._first_window(windows)
        found += checks.compare_values(window, policy.needs, policy)
        self._tell(found)
        if doubts := checks.doubts(found):
            self._ready = f"Ready. Unlike what it was trained on: {doubts}."
        for _ in range(_WARM_UPS):
            self._chunk = self._acted(opened, self._first_window(windows))
        chunk = self._chunk
        assert chunk is not None
        if policy.reacts:
            latest = windows.touched(
                chunk.t0_ns, self._clock.now_ns(), space.rate_hz, self._instruction
            )
            checked_row(policy.react(chunk, latest), space)
        self._infer_ms.clear()
        self._open_rings(chunk, space)

    def _first_window(self, windows: LiveWindows) -> Window:
        """A window, once the streams have had the time to be what they are: a machine that is busy
        with starting something has pauses that say nothing about driving."""
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                return windows.window(self._clock.now_ns(), self._instruction)
            except PolicyError:
                if time.monotonic() > deadline or self._child.stopping.wait(0.1):
                    raise

    def _compared(self, opened: Opened, windows: LiveWindows) -> list[checks.Check]:
        """The table, once every needed stream has had the time to show its rate."""
        policy = opened.policy
        deadline = time.monotonic() + _WAIT_S
        while True:
            rates = self._rates_hz([need.stream for need in policy.needs])
            there = self._child.run.rings()
            sides = [side for side in SIDES if f"{side}_arm/q_sent" in there]
            found = checks.compare(policy.needs, windows.specs(), rates, there)
            found += checks.compare_actions(policy.space, sides)
            if not checks.refused(found) or time.monotonic() > deadline:
                return found

    def _rates_hz(self, streams: list[str]) -> dict[str, float]:
        """Rates of streams, measured over a moment [Hz]."""
        before: dict[str, tuple[int, float]] = {}
        readers: dict[str, RingReader] = {}
        for stream in dict.fromkeys(streams):
            try:
                readers[stream] = self._ring(stream)
            except StreamError:
                continue
            before[stream] = (readers[stream].head, time.monotonic())
        self._child.stopping.wait(_RATE_S)
        rates = {}
        for stream, reader in readers.items():
            head, since = before[stream]
            rates[stream] = (reader.head - head) / (time.monotonic() - since)
            reader.close()
        return rates

    def _tell(self, found: list[checks.Check]) -> None:
        self._checks = tuple(NeedCheck(c.stream, c.what, c.needed, c.live, c.fits) for c in found)

    def _open_rings(self, chunk: ActionChunk, space: ActionSpace) -> None:
        shapes: dict[str, tuple[tuple[int, ...], float, StreamKind]] = {
            "chunk": (chunk.actions.shape, ACT_HZ, "command"),
            "timing": ((TIMING_COLUMNS,), ACT_HZ, "timing"),
        }
        if chunk.samples is not None:
            shapes["samples"] = (chunk.samples.shape, ACT_HZ, "command")
        if self._opened is not None and self._opened.policy.reacts:
            shapes["action"] = ((space.width,), self._react_hz, "command")
        for name, (shape, rate_hz, kind) in shapes.items():
            stream = f"{self._slot}/{name}"
            unit, frame = ("ms", "") if name == "timing" else ("m", "world")
            spec = StreamSpec(stream, shape, "float64", unit, frame, rate_hz, kind=kind)
            self._rings[name] = self._ring_of(spec)
        for felt, rows in chunk.expects.items():
            stream = expects_stream(self._slot, felt)
            need = next((need for need in self._needs() if need.stream == felt), None)
            unit, frame = ("", "") if need is None else (need.unit, need.frame)
            spec = StreamSpec(
                stream, np.shape(rows), "float64", unit, frame, ACT_HZ, kind="command"
            )
            self._rings[f"expects/{felt}"] = self._ring_of(spec)

    def _ring_of(self, spec: StreamSpec) -> RingWriter:
        capacity = max(8, round(RING_SECONDS * spec.rate_hz))
        return RingWriter(self._child.run.ring(spec.name), spec, capacity)

    def _needs(self) -> tuple[StreamNeed, ...]:
        return () if self._opened is None else self._opened.policy.needs

    # -------------------------------------------------------------------------------- slow path
    def _act_thread(self) -> None:
        """Act while somebody wants it, each time at the pace of the policy."""
        opened = self._opened
        assert opened is not None
        windows = LiveWindows(opened.policy.needs, self._ring)
        space = opened.policy.space
        every_s = 1.0 / self._act_hz if self._act_hz > 0.0 else pace_s(space)
        while not self._child.stopping.is_set():
            self._active.wait()
            if self._child.stopping.is_set():
                break
            began = time.monotonic()
            try:
                use, self._use = self._use, None
                if use is not None:
                    self._chunk = None
                    opened.policy.reset(use.seed)
                window = windows.window(self._clock.now_ns(), self._instruction)
                before = self._chunk
                chunk = self._acted(opened, window)
                if self._use is None:  # else it was made before the policy shall begin anew
                    self._chunk = chunk
                    self._publish(chunk, before, window.age_ns)
                    self._text = self._ready
            except (Exception, MemoryError) as error:  # noqa: BLE001 - whatever it is, it costs ticks only
                self._fault(error)
            self._child.stopping.wait(max(0.0, every_s - (time.monotonic() - began)))
        windows.close()

    def _acted(self, opened: Opened, window: object) -> ActionChunk:
        """A chunk that is one. Raises PolicyError for anything else."""
        began = time.perf_counter()
        chunk = opened.policy.act(window)  # type: ignore[arg-type]
        self._infer_ms.append(1e3 * (time.perf_counter() - began))
        self._acts += 1
        checked_chunk(chunk, opened.policy.space)
        known = self._rings["chunk"].spec.shape if "chunk" in self._rings else None
        shape = np.shape(chunk.actions)
        if known is not None and shape != known:
            raise PolicyError(f"It answered a chunk of {shape}, earlier ones were {known}")
        return chunk

    def _publish(self, chunk: ActionChunk, before: ActionChunk | None, ages_ns: object) -> None:
        now_ns = self._clock.now_ns()
        self._rings["chunk"].publish(chunk.t0_ns, chunk.actions)
        if "samples" in self._rings:
            shape = self._rings["samples"].spec.shape
            samples = np.full(shape, np.nan)
            if chunk.samples is not None and chunk.samples.shape[1:] == shape[1:]:
                drawn = min(len(samples), len(chunk.samples))
                samples[:drawn] = chunk.samples[:drawn]
            self._rings["samples"].publish(chunk.t0_ns, samples)
        for name, ring in self._rings.items():
            if name.startswith("expects/"):
                told = np.full(ring.spec.shape, np.nan)
                rows = chunk.expects.get(name.removeprefix("expects/"))
                # What it expects is only shown: nonsense costs the picture, not the motion.
                if rows is not None and np.shape(rows) == told.shape:
                    told[:] = rows
                ring.publish(chunk.t0_ns, told)
        ages = list(ages_ns.values()) if isinstance(ages_ns, dict) else []
        self._observed_ms = max(ages, default=0) / 1e6 + (now_ns - chunk.observed_ns) / 1e6
        self._uncertainty = float("nan") if chunk.uncertainty is None else chunk.uncertainty
        queue = 0.0
        if before is not None:
            queue = len(before.actions) - (now_ns - before.t0_ns) * before.rate_hz / NS_PER_S
        react = self._react_ms[-1] if self._react_ms else float("nan")
        row = [self._observed_ms, self._infer_ms[-1], max(0.0, queue), self._uncertainty, react]
        self._rings["timing"].publish(now_ns, row)

    def _fault(self, error: BaseException) -> None:
        """It could not answer: the station hears it at once, by a chunk that is none."""
        self._faults += 1
        self._chunk = None
        self._text = _sentence("The policy did not answer", error)
        ring = self._rings["chunk"]
        ring.publish(self._clock.now_ns(), np.full(ring.spec.shape, np.nan))

    # -------------------------------------------------------------------------------- fast path
    def _react_thread(self) -> None:
        opened = self._opened
        assert opened is not None
        policy, space, ring = opened.policy, opened.policy.space, self._rings["action"]
        windows = LiveWindows(policy.needs, self._ring)
        period_ns = round(NS_PER_S / self._react_hz)
        due_ns = self._clock.now_ns()
        while not self._child.stopping.is_set():
            chunk = self._chunk
            if chunk is None or not self._active.is_set():
                self._child.stopping.wait(0.005)
                due_ns = self._clock.now_ns()
                continue
            now_ns = self._clock.now_ns()
            began = time.perf_counter()
            try:
                latest = windows.touched(chunk.t0_ns, now_ns, space.rate_hz, self._instruction)
                row = checked_row(policy.react(chunk, latest), space)
            except (Exception, MemoryError) as error:  # noqa: BLE001 - as the slow path
                self._faults += 1
                self._text = _sentence("The fast path did not answer", error)
                row = np.full(space.width, np.nan)
            ring.publish(now_ns, row)
            self._react_ms.append(1e3 * (time.perf_counter() - began))
            due_ns = max(due_ns + period_ns, self._clock.now_ns() - period_ns)
            self._clock.sleep_until_ns(due_ns)
        windows.close()

    def _ring(self, stream: str) -> RingReader:
        return RingReader(self._child.run.ring(stream))


def _sentence(what: str, error: BaseException) -> str:
    if isinstance(error, TeledeckError):
        return f"{what}: {error}"
    if isinstance(error, MemoryError):
        return f"{what}: it wanted more memory than it may have."
    return f"{what}: {type(error).__name__}: {str(error)[:300]}"


def _memory_mb() -> float:
    """Resident memory of this process [MB]."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def serve(
    name: str, opener: Opener, load: SpareThread, act: SpareThread, react: SpareThread
) -> int:
    """Main function of a policy's process, once all is imported."""
    sys.setswitchinterval(_SWITCH_S)
    return run_child(
        name, lambda child: PolicyWorker(child, opener, SystemClock(), load, act, react).run()
    )
