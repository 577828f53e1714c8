"""From chunks to the action of this instant, by a named rule. Pure: chunks and a time go in.

A row belongs to an instant, not to a place in a queue. A chunk that took 80 ms to make is entered
80 ms after its first row, because that is what the clock says; no constant latency is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from devices.clock import NS_PER_S
from devices.errors import ConfigError
from devices.stream import FloatArray

FollowRule = Literal["newest", "blend", "ensemble"]
RULES: tuple[str, ...] = get_args(FollowRule)

BLEND_NS = 150_000_000
ENSEMBLE_NS = 200_000_000
_KEPT = 8
_FUTURE_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Plan:
    """A chunk as it is followed.

    Attributes:
        t0_ns: Time of the first row [ns, monotonic].
        rate_hz: Rows a second [Hz].
        actions: (H, A), finite.
    """

    t0_ns: int
    rate_hz: float
    actions: FloatArray

    @property
    def last_ns(self) -> int:
        """Time of the last row [ns, monotonic]."""
        return self.t0_ns + round((len(self.actions) - 1) * NS_PER_S / self.rate_hz)

    @property
    def end_ns(self) -> int:
        """Until when the chunk says something: a row stands until the next would come."""
        return self.t0_ns + round(len(self.actions) * NS_PER_S / self.rate_hz)

    def at(self, t_ns: int) -> FloatArray:
        """The action at `t_ns`, linear between rows, shape (A,)."""
        place = (t_ns - self.t0_ns) * self.rate_hz / NS_PER_S
        place = min(max(place, 0.0), len(self.actions) - 1.0)
        row = min(int(place), max(0, len(self.actions) - 2))
        after = min(row + 1, len(self.actions) - 1)
        here: FloatArray = self.actions[row]
        return here + (place - row) * (self.actions[after] - here)


@dataclass(frozen=True, slots=True)
class Followed:
    """What to do now.

    Attributes:
        row: The action (A,), None to hold.
        hold: Why there is none, as words; "" where there is one.
        queue: Rows of the newest chunk that are still to come.
    """

    row: FloatArray | None
    hold: str
    queue: int


@dataclass(slots=True)
class Counts:
    """What did not go as it should, since the follower was made.

    Attributes:
        chunks: Chunks that were taken.
        stale: Chunks dropped because all of their rows, or a newer chunk, lay before them.
        nonsense: Chunks dropped because they were no chunk: shape, numbers, times.
        misses: Instants that wanted an action and had none.
    """

    chunks: int = 0
    stale: int = 0
    nonsense: int = 0
    misses: int = 0


@dataclass(slots=True)
class ChunkFollower:
    """Follows the chunks of one policy.

    Rules: "newest" enters a new chunk at once. "blend" fades over `blend_ns` from what it followed
    to the new chunk. "ensemble" averages all chunks that cover the instant, each weighed by
    exp(-age / `ensemble_ns`) (temporal ensembling, Zhao et al. 2023, with the newest heaviest).

    Attributes:
        width: Numbers in a row, A.
        rule: One of RULES.
        blend_ns, ensemble_ns: Of the rules [ns].
        counts: What happened so far.
    """

    width: int
    rule: FollowRule = "blend"
    blend_ns: int = BLEND_NS
    ensemble_ns: int = ENSEMBLE_NS
    counts: Counts = field(default_factory=Counts)
    _plans: list[Plan] = field(default_factory=list)
    _from: Plan | None = None
    _since_ns: int = 0
    _trouble: str = ""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"Chunks cannot be followed by the rule '{self.rule}'", allowed=RULES)

    def clear(self) -> None:
        """Forget all chunks, as when the policy begins anew."""
        self._plans.clear()
        self._from = None
        self._trouble = ""

    def add(self, t0_ns: int, rate_hz: float, actions: FloatArray, now_ns: int) -> str:
        """Take a chunk. Returns why it was dropped, "" if it is followed."""
        actions = np.asarray(actions, dtype=np.float64)
        if actions.ndim != 2 or not len(actions) or actions.shape[1] != self.width:
            return self._refuse(f"a chunk of {actions.shape}, not (rows, {self.width})")
        if not np.isfinite(actions).all(axis=1).any():
            # Which columns of which rows are usable is for the leader to judge, side by side.
            return self._refuse("nothing")
        if not (np.isfinite(rate_hz) and rate_hz > 0.0) or t0_ns - now_ns > _FUTURE_NS:
            return self._refuse("a chunk with times that make no sense")
        plan = Plan(int(t0_ns), float(rate_hz), actions)
        if plan.end_ns <= now_ns or (self._plans and plan.t0_ns <= self._plans[-1].t0_ns):
            self.counts.stale += 1
            return f"stale: it ended {max(0, now_ns - plan.end_ns) / 1e6:.0f} ms ago"
        if self._plans and self._plans[-1].end_ns > now_ns:
            self._from, self._since_ns = self._plans[-1], now_ns
        else:
            self._from = None
        self._plans = [*self._plans[-_KEPT + 1 :], plan]
        self._trouble = ""
        self.counts.chunks += 1
        return ""

    def at(self, now_ns: int) -> Followed:
        """The action for `now_ns` [ns, monotonic], or why there is none."""
        plan = self._plans[-1] if self._plans else None
        if plan is None or now_ns >= plan.end_ns:
            self.counts.misses += 1
            if self._trouble:
                return Followed(None, f"the policy answered {self._trouble}", 0)
            if plan is None:
                return Followed(None, "the policy has not answered yet", 0)
            late = (now_ns - plan.end_ns) / 1e6
            return Followed(None, f"the policy is late: its chunk ended {late:.0f} ms ago", 0)
        queue = max(0, round((plan.last_ns - now_ns) * plan.rate_hz / NS_PER_S))
        return Followed(self._mixed(plan, now_ns), "", queue)

    def _mixed(self, plan: Plan, now_ns: int) -> FloatArray:
        row = plan.at(now_ns)
        if self.rule == "blend" and self._from is not None:
            share = (now_ns - self._since_ns) / max(1, self.blend_ns)
            if share >= 1.0 or now_ns >= self._from.end_ns:
                self._from = None
                return row
            old = self._from.at(now_ns)
            return old + max(0.0, share) * (row - old)
        if self.rule == "ensemble":
            covering = [p for p in self._plans if p.t0_ns <= now_ns < p.end_ns] or [plan]
            newest = covering[-1].t0_ns
            weights = np.array([np.exp((p.t0_ns - newest) / self.ensemble_ns) for p in covering])
            rows = np.stack([p.at(now_ns) for p in covering])
            mixed: FloatArray = weights @ rows / weights.sum()
            return mixed
        return row

    def _refuse(self, what: str) -> str:
        # Who answers nonsense now is not to be trusted with what it said before.
        self.clear()
        self.counts.nonsense += 1
        self._trouble = what
        return what
