"""Trials on the running station: a plan of starts, one rollout after the other, each judged.

No Qt and nothing that waits: call `tick` often. A rollout is an ordinary take of the recorder that
a policy drives; its trial is on the disk as soon as it was judged.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from app.runtime.requests import (
    SLOTS,
    Arm,
    Discard,
    Keep,
    Ok,
    Perturb,
    PolicyHold,
    PolicyUse,
    Refused,
    Reply,
    Request,
    ResetScene,
    Start,
    Stop,
)
from app.runtime.statuses import Event, PolicyStatus, RecorderStatus, StationStatus
from devices.clock import NS_PER_S, Clock, SystemClock
from policies.evaluation.trials import Trial, TrialBook, Verdict

Phase = Literal["idle", "resetting", "ready", "starting", "running", "stopping", "judging"]

SETTLE_NS = NS_PER_S // 2
"""After a reset the scene gets this long to come to rest."""

BEFORE_NS = NS_PER_S
AFTER_NS = 2 * NS_PER_S
"""A perturbation "before contact" strikes 1 s after the start, others 2 s after the first touch."""

FAILURES = (
    "missed the object",
    "lost contact",
    "too much force",
    "stuck",
    "wrong place",
    "dropped it",
    "too slow",
    "not safe",
)
"""Kinds of failure that a person can name with one key."""


class Desk(Protocol):
    """What a rollout uses of `app.session.session.Session`."""

    station: StationStatus | None
    recorder: RecorderStatus | None
    policies: dict[str, PolicyStatus]
    events_seen: int

    @property
    def events(self) -> Sequence[Event]: ...

    def ask(self, request: Request, done: Callable[[Reply], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rollout to be made: which policy from which start, disturbed by what ("" for nothing)."""

    slot: str
    seed: int
    perturb: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The rollout that is under way or waits for its verdict.

    Attributes:
        start: What it began with.
        policy, digest: Who drives.
        began_ns: When the policy was let loose [ns, monotonic]; 0 before that.
        ended_ns: When it was stopped; 0 before that.
        contact_ns: When something was first touched; 0 before that.
        perturbed_ns: When the disturbance struck; 0 before that.
        best: Largest progress so far, 0 ... 1.
        takeovers: How often a person took over.
        tags: Kinds of failure with their moment since the beginning [s].
        uid: Its episode, "" until the recorder has told it.
        other: Another policy that came to drive in it, "" for none: a watched training's next
            checkpoint, for instance. Then it is nobody's trial and can only be excluded.
    """

    start: Attempt
    policy: str
    digest: str
    began_ns: int = 0
    ended_ns: int = 0
    contact_ns: int = 0
    perturbed_ns: int = 0
    best: float = 0.0
    takeovers: int = 0
    tags: tuple[tuple[str, float | None], ...] = ()
    uid: str = ""
    other: str = ""


def plan(
    slots: Iterable[str],
    seeds: Iterable[int],
    perturb: str = "",
    order: random.Random | None = None,
) -> tuple[Attempt, ...]:
    """Every policy from every start: all of one start before the next, in drawn order, so that a
    day that gets worse hurts all alike."""
    slots = tuple(slots)
    starts = []
    for seed in seeds:
        mixed = list(slots)
        if order is not None:
            order.shuffle(mixed)
        starts += [Attempt(slot, seed, perturb) for slot in mixed]
    return tuple(starts)


class Rollouts:
    """Makes trials one after the other.

    Args:
        desk: The session.
        say: Told what the user should read.
        clock: Time.
        limit_s: Longest rollout [s].

    Attributes:
        phase: Where the present rollout stands.
        now: The present rollout, None while idle.
        waiting: Starts still to come.
        book: Where trials go, None while no folder was chosen.
        auto_stop: Whether a rollout ends by itself once the task has been done for a second.
    """

    def __init__(
        self,
        desk: Desk,
        say: Callable[[str], None],
        clock: Clock | None = None,
        limit_s: float = 60.0,
    ) -> None:
        self._desk = desk
        self._say = say
        self._clock = clock or SystemClock()
        self.limit_s = limit_s
        self.phase: Phase = "idle"
        self.now: Running | None = None
        self.waiting: tuple[Attempt, ...] = ()
        self.book: TrialBook | None = None
        self.auto_stop = True
        self._since_ns = 0
        self._done_since_ns = 0
        self._led = False  # whether the policy has driven in this rollout
        self._events_seen = desk.events_seen
        self._number = 0  # of the rollout, so that late answers to an earlier one are dropped

    def open_book(self, folder: Path) -> None:
        """Where trials go from now on. Raises StorageError for a file that is no trial book."""
        self.book = TrialBook(folder / "trials.jsonl")

    # -------------------------------------------------------------------------------- wishes
    def add(self, starts: Iterable[Attempt]) -> None:
        """Put starts at the end of the plan."""
        self.waiting = (*self.waiting, *starts)

    def complete(self) -> int:
        """Plan what one of two policies has tried in this scene (or is about to) and the other has
        not, for a paired comparison. Returns how many starts that are."""
        station = self._desk.station
        ready = {
            slot: (status.name, status.digest)
            for slot, status in sorted(self._desk.policies.items())
            if status.phase in ("ready", "driving", "holding")
        }
        if station is None or len(ready) < 2:
            return 0
        there: dict[str, set[tuple[str, int]]] = {slot: set() for slot in ready}
        for trial in self.book or ():
            for slot, known in ready.items():
                if (trial.policy, trial.digest) == known and trial.scene == station.scene:
                    there[slot].add((trial.perturb, trial.seed))
        for start in self.waiting:
            there.setdefault(start.slot, set()).add((start.perturb, start.seed))
        every = sorted(set().union(*there.values()), key=lambda start: start[::-1])
        missing = [
            Attempt(slot, seed, perturb)
            for perturb, seed in every
            for slot in ready
            if (perturb, seed) not in there[slot]
        ]
        self.add(missing)
        return len(missing)

    def clear(self) -> None:
        """Forget the starts that are still to come."""
        self.waiting = ()

    def begin(self) -> bool:
        """Reset the scene for the next start. False, with a word, when that is not possible now."""
        if self.phase != "idle":
            return self._refuse("A rollout is under way")
        if not self.waiting:
            return self._refuse("Nothing is planned; choose a policy and a start")
        if self.book is None:
            return self._refuse("Choose a folder for the results first")
        start = self.waiting[0]
        status = self._desk.policies.get(start.slot)
        if status is None or status.phase not in ("ready", "driving", "holding"):
            return self._refuse(f"The policy in {start.slot} is not ready")
        self.waiting = self.waiting[1:]
        self._number += 1
        self.now = Running(start, status.name, status.digest)
        self._go("resetting")
        self._ask(PolicyUse(""), lambda _: self._ask(ResetScene(start.seed), lambda _: None))
        return True

    def let_loose(self) -> bool:
        """The scene is as it should be: record, and let the policy drive."""
        station = self._desk.station
        if self.phase != "ready" or self.now is None or station is None:
            return self._refuse("Nothing is ready to start")
        start = self.now.start
        self._go("starting")

        def started(reply: Ok) -> None:
            self._change(uid=reply.uid)
            self._ask(PolicyUse(start.slot, seed=start.seed), lambda _: self._started())

        task = station.instruction
        self._ask(Arm(), lambda _: self._ask(Start(task=task), started))
        return True

    def hold(self, on: bool) -> None:
        """The policy holds, or goes on."""
        if self.phase == "running":
            self._ask(PolicyHold(on), lambda _: None)

    def give_back(self) -> None:
        """A person who took over gives the robot back to the policy."""
        if self.phase == "running" and self.now is not None:
            self._ask(PolicyUse(self.now.start.slot), lambda _: None)

    def disturb(self, name: str) -> bool:
        """The disturbance strikes now. A rollout that was planned without one is filed under it."""
        if self.phase != "running" or self.now is None:
            return self._refuse("No rollout runs")
        start = self.now.start if self.now.start.perturb else replace(self.now.start, perturb=name)
        self._change(start=start, perturbed_ns=self._clock.now_ns())
        self._ask(Perturb(name), lambda _: None)
        return True

    def tag(self, kind: str) -> None:
        """Something went wrong just now; the moment is kept."""
        if self.now is None or not self.now.began_ns:
            return
        end_ns = self.now.ended_ns or self._clock.now_ns()
        moment = round((end_ns - self.now.began_ns) / NS_PER_S, 2)
        self._change(tags=(*self.now.tags, (kind, moment)))

    def stop(self) -> None:
        """End the rollout; it waits for its verdict."""
        if self.phase not in ("starting", "running") or self.now is None:
            return
        self._change(ended_ns=self._clock.now_ns())
        self._go("stopping")
        self._ask(PolicyUse(""), lambda _: self._ask(Stop(), lambda _: self._go("judging")))

    def judge(self, verdict: Verdict, score: float, reason: str = "", by: str = "") -> bool:
        """Keep the rollout and write its trial to the disk.

        Args:
            verdict: How it went; "excluded" needs a reason.
            score: Partial success, 0 ... 1.
            reason: Why it is excluded, or a remark.
            by: Who judges.
        """
        now, station = self.now, self._desk.station
        if self.phase != "judging" or now is None or self.book is None or station is None:
            return self._refuse("No rollout waits for a verdict")
        if now.other:
            reason = f"{now.other} drove part of it" + (f"; {reason}" if reason else "")
            verdict = "excluded"
        if verdict == "excluded" and not reason:
            return self._refuse("Say why it is excluded")
        self.book.add(self._trial(now, station, verdict, score, reason, by))
        kept: Literal["success", "failure"] = "success" if verdict == "success" else "failure"
        note = f"excluded: {reason}" if verdict == "excluded" else reason
        self._ask(Keep(kept, note), lambda _: None)
        self._end()
        return True

    def cancel(self) -> None:
        """Give the present rollout up: it goes to the trash, and its start comes again."""
        now = self.now
        if now is None:
            return
        recorded = self.phase in ("starting", "running", "stopping", "judging")
        self._ask(PolicyUse(""), lambda _: None)
        if recorded:
            self._ask(Discard(), lambda _: None)
        self.waiting = (now.start, *self.waiting)
        self._end()

    def correct(self, trial: Trial, verdict: Verdict, score: float, reason: str = "") -> None:
        """A later verdict about a trial that was judged before; a line of its own."""
        if self.book is not None:
            self.book.add(_replaced(trial, verdict, score, reason))

    # ------------------------------------------------------------------------------ following
    def tick(self) -> None:
        """Follow what the station does; call it often."""
        self._hear()
        station, now = self._desk.station, self.now
        if now is None or station is None:
            return
        t_ns = self._clock.now_ns()
        if self.phase == "resetting":
            still = station.seed == now.start.seed and station.phase == "holding"
            if not still:
                self._since_ns = t_ns
            elif t_ns - self._since_ns >= SETTLE_NS:
                self._go("ready")
        elif self.phase == "running":
            self._watch(station, t_ns)

    def _watch(self, station: StationStatus, t_ns: int) -> None:
        assert self.now is not None
        self._change(best=max(self.now.best, station.progress))
        now = self.now
        if now.start.perturb and not now.perturbed_ns:
            before = "before" in now.start.perturb
            due = now.began_ns + BEFORE_NS if before else now.contact_ns + AFTER_NS
            if (before or now.contact_ns) and t_ns >= due:
                self._change(perturbed_ns=t_ns)
                self._ask(Perturb(now.start.perturb), lambda _: None)
        self._led = self._led or station.leader == now.start.slot
        if self._led and station.leader in SLOTS and station.leader != now.start.slot:
            status = self._desk.policies.get(station.leader)
            name = station.leader if status is None else f"{status.name} {status.digest[:8]}"
            self._change(other=name)
            self._say(f"{name} has come to drive; this rollout ends and counts nowhere")
            self.stop()
            return
        if not station.success:
            self._done_since_ns = 0
        elif not self._done_since_ns:
            self._done_since_ns = t_ns
        elif self.auto_stop and t_ns - self._done_since_ns >= NS_PER_S:
            self.stop()
            return
        if t_ns - now.began_ns > self.limit_s * NS_PER_S:
            self._say(f"The rollout was ended after {self.limit_s:.0f} s")
            self.stop()

    def touched(self, t_ns: int) -> None:
        """Something was touched at `t_ns` [ns, monotonic]; the first time counts."""
        if self.phase == "running" and self.now is not None and not self.now.contact_ns:
            self._change(contact_ns=t_ns)

    def _hear(self) -> None:
        fresh = self._desk.events_seen - self._events_seen
        self._events_seen = self._desk.events_seen
        if fresh <= 0 or self.now is None or self.phase != "running":
            return
        takeovers = sum(event.kind == "takeover" for event in list(self._desk.events)[-fresh:])
        if takeovers:
            self._change(takeovers=self.now.takeovers + takeovers)

    # ---------------------------------------------------------------------------------- inside
    def _started(self) -> None:
        self._change(began_ns=self._clock.now_ns())
        self._done_since_ns = 0
        self._led = False
        self._go("running")

    def _go(self, phase: Phase) -> None:
        self.phase = phase
        self._since_ns = self._clock.now_ns()

    def _end(self) -> None:
        self.now = None
        self._number += 1
        self._go("idle")

    def _change(self, **changes: object) -> None:
        assert self.now is not None
        self.now = replace(self.now, **changes)  # type: ignore[arg-type]

    def _ask(self, request: Request, done: Callable[[Ok], None]) -> None:
        """Ask; a refusal is told and brings the rollout back to where a person can decide."""
        number = self._number

        def answered(reply: Reply) -> None:
            if isinstance(reply, Refused):
                self._say(reply.why)
                if number == self._number and self.now is not None:
                    self._fall_back()
            elif number == self._number:
                done(reply)

        self._desk.ask(request, answered)

    def _fall_back(self) -> None:
        if self.phase in ("resetting", "ready", "starting"):
            assert self.now is not None
            self.waiting = (self.now.start, *self.waiting)
            self._end()
        elif self.phase == "stopping":
            self._go("judging")

    def _refuse(self, why: str) -> bool:
        self._say(why)
        return False

    def _trial(
        self,
        now: Running,
        station: StationStatus,
        verdict: Verdict,
        score: float,
        reason: str,
        by: str,
    ) -> Trial:
        status = self._desk.policies.get(now.start.slot)
        infer = None if status is None else status.infer_p50_ms
        return Trial(
            policy=now.policy,
            digest=now.digest,
            scene=station.scene,
            perturb=now.start.perturb,
            seed=now.start.seed,
            verdict=verdict,
            score=min(1.0, max(0.0, score)),
            reason=reason,
            tags=now.tags,
            seconds=round((now.ended_ns - now.began_ns) / NS_PER_S, 2) if now.began_ns else 0.0,
            infer_ms=None if infer is None or infer != infer else infer,
            misses=0 if status is None else status.misses,
            takeovers=now.takeovers,
            uid=now.uid,
            made=datetime.now(tz=UTC).isoformat(timespec="seconds"),
            by=by,
        )


def _replaced(trial: Trial, verdict: Verdict, score: float, reason: str) -> Trial:
    return msgspec.structs.replace(trial, verdict=verdict, score=score, reason=reason)
