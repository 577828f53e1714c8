"""The station's end of a policy worker's rings: what the policy wants at an instant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from devices.clock import NS_PER_S
from devices.errors import StreamError
from devices.ring import RingReader
from policies.contract import ActionSpace
from policies.serving.follow import ChunkFollower, Counts, Followed, FollowRule

TIMING_COLUMNS = 5
"""Of `policy_X/timing`: observation age, inference, queue rows, uncertainty, react."""
_INFERENCE = 1


def expects_stream(slot: str, felt: str) -> str:
    """Where the policy in a slot tells what it expects of the stream `felt`, a row for each action
    of its chunk; there is none where it offers nothing."""
    return f"{slot}/expects/{felt}"


REACT_STALE_NS = NS_PER_S // 10
"""A fast path that is silent for longer than this has failed [ns]."""


class RingSource:
    """Reads `policy_X/chunk` and, of a policy that reacts, `policy_X/action`. Never waits.

    Args:
        ring: Path of the ring of a stream.
        slot: Which worker.
        space: What its actions mean.
        reacts: Whether the fast path's actions are followed.
        rule: How chunks are followed.
    """

    def __init__(
        self,
        ring: Callable[[str], Path],
        slot: str,
        space: ActionSpace,
        *,
        reacts: bool = False,
        rule: FollowRule = "blend",
    ) -> None:
        self._ring = ring
        self._slot = slot
        self._space = space
        self._reacts = reacts
        self._follower = ChunkFollower(space.width, rule)
        self._begin_ns = 0
        self._readers: dict[str, RingReader] = {}
        self._head = 0
        self._answered = False

    @property
    def counts(self) -> Counts:
        return self._follower.counts

    def begin(self, now_ns: int) -> None:
        """Believe only what the policy says of instants from `now_ns` [ns, monotonic] on."""
        self._begin_ns = now_ns
        self._follower.clear()
        self._answered = False

    def answered(self, now_ns: int) -> bool:
        """Whether there is an action for this instant. Counts no miss."""
        misses = self.counts.misses
        found = self.at(now_ns).row is not None
        self.counts.misses = misses
        return found

    def at(self, now_ns: int) -> Followed:
        chunks = self._reader("chunk")
        if chunks is None:
            return Followed(None, "the policy has not answered yet", 0)
        if not chunks.writer_alive():
            self.counts.misses += 1
            self._follower.clear()
            return Followed(None, "the policy's process is gone", 0)
        head = chunks.head
        if head != self._head:
            self._head = head
            sample = chunks.latest()
            if sample is not None and sample.t_ns >= self._begin_ns:
                self._follower.add(sample.t_ns, self._space.rate_hz, sample.data, now_ns)
        followed = self._follower.at(now_ns)
        if followed.row is None or not self._reacts:
            return followed
        actions = self._reader("action")
        action = None if actions is None else actions.latest()
        if action is None or action.t_ns < self._begin_ns:
            return Followed(None, "the fast path has not answered yet", followed.queue)
        if now_ns - action.t_ns > REACT_STALE_NS:
            self.counts.misses += 1
            late = (now_ns - action.t_ns) / 1e6
            return Followed(None, f"the fast path is late: {late:.0f} ms old", followed.queue)
        return Followed(np.asarray(action.data), "", followed.queue)

    def inference(self) -> tuple[float, int]:
        """What the newest inference took [ms] and when it ended [ns, monotonic]; NaN and 0 while
        there is none."""
        ring = self._reader("timing", TIMING_COLUMNS)
        sample = None if ring is None else ring.latest()
        if sample is None or sample.t_ns < self._begin_ns:
            return float("nan"), 0
        return float(sample.data[_INFERENCE]), sample.t_ns

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _reader(self, name: str, width: int = 0) -> RingReader | None:
        reader = self._readers.get(name)
        if reader is not None:
            return reader
        try:
            reader = RingReader(self._ring(f"{self._slot}/{name}"))
        except StreamError:
            return None
        if not reader.writer_alive() or reader.spec.shape[-1:] != (width or self._space.width,):
            reader.close()  # of a worker that was here before
            return None
        self._readers[name] = reader
        return reader
