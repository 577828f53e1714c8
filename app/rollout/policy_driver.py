"""A policy that drives an arena: the parts of a running station, on a clock that is stepped.

Windows, chunks, hands are those of the live station (`policies.serving`). What takes time there
takes simulated time here: a chunk that took 60 ms to make is known 60 ms after its window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from app.rollout.arena import Arena
from app.rollout.touch import RolloutTouch
from devices.clock import NS_PER_S
from devices.errors import PolicyError, StreamError
from devices.gelsight import basis
from devices.gelsight.kinds import GELSIGHT_MINI
from devices.gelsight.pca import Transform
from devices.leader import SIDES, LeaderInput, Observation, Side
from devices.stream import FloatArray, Sample, StreamSpec
from policies.contract import ActionChunk, Policy
from policies.serving import checks
from policies.serving.answers import REACT_HZ, checked_chunk, checked_row, pace_s
from policies.serving.follow import ChunkFollower, Counts, Followed
from policies.serving.leader import PolicyLeader
from policies.serving.memory import MemoryStream
from policies.serving.opening import Opened, open_policy
from policies.serving.openpi import RemotePolicy, ServerGone
from policies.serving.windows import LiveWindows

FELT = ("pca", "reading", "markers", "deformation")
"""What is told of a pad by the touch process of a station, and here by `RolloutTouch`."""

PATIENCE_S = 1.0
"""How long a policy may wait for its first window at the start of a rollout [s]."""


class SimulatedSource:
    """The wishes of a policy in this process: what a worker and its rings are for the station.

    Args:
        policy: Who is asked.
        windows: What it sees.
        instruction: What the robot is told to do.
        latency_ms: Simulated time between a window and the chunk made of it [ms]; None: the
            processor time that the call took here; of a server, how long it took to answer.
    """

    def __init__(
        self, policy: Policy, windows: LiveWindows, instruction: str, latency_ms: float | None
    ) -> None:
        self._policy, self._windows = policy, windows
        self._instruction = instruction
        self._latency_ms = latency_ms
        # What a server thinks is no processor time of this process.
        remote = isinstance(policy, RemotePolicy)
        self._stopwatch = time.perf_counter if remote else time.process_time
        self._pace_ns = round(pace_s(policy.space) * NS_PER_S)
        self.begin(0, None)

    def begin(self, now_ns: int, seed: int | None) -> None:
        """Begin anew at `now_ns` [ns, monotonic]."""
        self._policy.reset(seed)
        self._follower = ChunkFollower(self._policy.space.width)
        self._began_ns = self._due_ns = self._react_ns = now_ns
        self._made: ActionChunk | None = None  # made, but not known before `_known_ns`
        self._known_ns = now_ns
        self._chunk: ActionChunk | None = None
        self._row: FloatArray | None = None
        self._fault = ""
        self.infer_ms: list[float] = []

    @property
    def counts(self) -> Counts:
        return self._follower.counts

    def at(self, now_ns: int) -> Followed:
        """As `policies.serving.leader.Source`."""
        if self._made is not None and now_ns >= self._known_ns:
            self._chunk, self._made = self._made, None
            chunk = self._chunk
            self._follower.add(chunk.t0_ns, chunk.rate_hz, np.asarray(chunk.actions), now_ns)
        if self._made is None and now_ns >= self._due_ns:
            self._act(now_ns)
        if self._fault:
            self.counts.misses += 1
            return Followed(None, self._fault, 0)
        if self._chunk is None:
            return Followed(None, "the policy has not answered yet", 0)
        followed = self._follower.at(now_ns)
        if followed.row is None or not self._policy.reacts:
            return followed
        return self._reacted(now_ns, followed)

    def _act(self, now_ns: int) -> None:
        """Ask for a chunk; it will be known when the time that it takes has passed."""
        try:
            window = self._windows.window(now_ns, self._instruction)
        except PolicyError as error:
            if not self.infer_ms and now_ns - self._began_ns < PATIENCE_S * NS_PER_S:
                return  # the first window is not complete yet; on a station streams were before
            self._failed(now_ns, error)
            return
        began = self._stopwatch()
        try:
            made = checked_chunk(self._policy.act(window), self._policy.space)
        except ServerGone:  # no trial can say anything about a policy that is not there
            raise
        except PolicyError as error:
            self._failed(now_ns, error)
            return
        took_ms = 1e3 * (self._stopwatch() - began)
        if self._latency_ms is not None:
            took_ms = self._latency_ms
        self.infer_ms.append(took_ms)
        self._made, self._fault = made, ""
        self._known_ns = now_ns + round(took_ms * 1e6)
        self._due_ns = max(now_ns + self._pace_ns, self._known_ns)

    def _reacted(self, now_ns: int, followed: Followed) -> Followed:
        """The fast path's action, as old as its rate makes it."""
        assert self._chunk is not None
        if self._row is None or now_ns >= self._react_ns:
            self._react_ns = max(self._react_ns, now_ns - 1) + round(NS_PER_S / REACT_HZ)
            space = self._policy.space
            try:
                latest = self._windows.touched(
                    self._chunk.t0_ns, now_ns, space.rate_hz, self._instruction
                )
                self._row = checked_row(self._policy.react(self._chunk, latest), space)
            except PolicyError as error:
                self.counts.misses += 1
                self._row = None
                return Followed(None, f"the fast path did not answer: {error}", followed.queue)
        return Followed(self._row, "", followed.queue)

    def _failed(self, now_ns: int, error: PolicyError) -> None:
        """It could not answer: it holds until it can."""
        self._follower.clear()
        self._chunk = self._row = None
        self.counts.nonsense += 1
        self._fault = f"the policy did not answer: {error}"
        self._due_ns = now_ns + self._pace_ns


class PolicyDriver:
    """See `app.rollout.arena.Driver`. A policy never comes to an end: the limits of `Arena.run` do.

    Args:
        path: The folder of a checkpoint, or what else `policies.serving.opening` opens.
        arena: Where it shall drive.
        latency_ms: Simulated inference time [ms]; None: the processor time measured here. With a
            number, a rollout of a seed repeats exactly.
        opener: Opens what `path` names.
        embedding: That of `P_pad/pca`; None for the one that Teledeck brings along.

    Attributes:
        name: Of the policy.
        hears: The streams that it is told.
        digest: Of its weights.

    Raises:
        PolicyError: When the policy cannot be opened, or the arena does not have what it needs.
    """

    finished = False

    def __init__(
        self,
        path: Path | str,
        arena: Arena,
        latency_ms: float | None = None,
        opener: Callable[[str], Opened] = open_policy,
        embedding: Transform | None = None,
    ) -> None:
        opened = opener(str(path))
        self.name, self.digest = opened.name, opened.digest
        self._arena = arena
        self._policy = policy = opened.policy
        specs = {spec.name: spec for spec in arena.specs}
        self._touch: RolloutTouch | None = None
        if any(need.stream.rpartition("/")[2] in FELT for need in policy.needs):
            # Only for those who ask: feeling takes longer than a step of the simulation.
            self._touch = RolloutTouch(
                arena.robot, arena.scene.force_band, embedding or basis.own(GELSIGHT_MINI)
            )
            specs |= {spec.name: spec for spec in self._touch.specs}
        try:
            _refuse(policy, arena, specs)
        except BaseException:
            self.close()
            raise
        self._streams = {n.stream: MemoryStream(specs[n.stream]) for n in policy.needs}
        # The touch of pads is made of what their world tells.
        felt = [s.name for s in arena.world.specs] if self._touch is not None else []
        self.hears = frozenset((*self._streams, *felt))
        windows = LiveWindows(policy.needs, self._stream)
        self._source = SimulatedSource(policy, windows, arena.scene.instruction, latency_ms)
        self._leader = PolicyLeader(
            opened.name,
            policy.space,
            self._source,
            arena.robot.limits,
            lambda: arena.chain.tools_sent,
        )

    @property
    def infer_ms(self) -> float | None:
        """Median time of an inference in this rollout [ms], None before the first."""
        times = self._source.infer_ms
        return round(float(np.median(times)), 2) if times else None

    @property
    def misses(self) -> int:
        """Ticks of this rollout that wanted an action and had none, since the first answer."""
        return self._source.counts.misses

    @property
    def holds(self) -> dict[Side, str]:
        """Per driven side, why it holds; "" while it follows."""
        return self._leader.holds

    def start(self, seed: int) -> None:
        for stream in self._streams.values():
            stream.clear()
        if self._touch is not None:
            self._touch.reset()
        self._source.begin(self._arena.clock.now_ns(), seed)
        self._leader.connect()

    def hear(self, samples: Sequence[Sample]) -> None:
        felt = self._touch.feel(samples) if self._touch is not None else ()
        for sample in (*samples, *felt):
            stream = self._streams.get(sample.stream)
            if stream is not None:
                stream.publish(sample.t_ns, sample.data)

    def read(self, observation: Observation) -> LeaderInput | None:
        return self._leader.read(observation)

    def close(self) -> None:
        """End the connection to a server, if there is one. Idempotent."""
        if isinstance(self._policy, RemotePolicy):
            self._policy.close()

    def _stream(self, name: str) -> MemoryStream:
        if name not in self._streams:
            raise StreamError(f"There is no stream '{name}'", allowed=self._streams)
        return self._streams[name]


def _refuse(policy: Policy, arena: Arena, specs: Mapping[str, StreamSpec]) -> None:
    """Raise PolicyError, naming what the arena does not have or tells in another way."""
    rates = {name: spec.rate_hz for name, spec in specs.items()}
    sides = [side for side in SIDES if f"{side}_arm/q" in specs]
    found = checks.compare(policy.needs, specs, rates)
    found += checks.compare_actions(policy.space, sides)
    if bad := checks.refused(found):
        raise PolicyError(
            f"The policy does not fit scene '{arena.scene.name}': {bad}",
            next_step="Cameras are not simulated here; try it on the station"
            if any(not check.fits and check.stream.endswith("/rgb") for check in found)
            else checks.way_out(found),
        )
