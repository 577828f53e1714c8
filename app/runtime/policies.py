"""The station's side of policies: two slots, and who drives.

A checkpoint is loaded into the slot that does not drive. Who drives goes on until the new policy
has answered; then it changes between two ticks. Whatever a policy does wrong holds the arms that
it drives, is said once, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import numpy as np

from app.runtime.holds import Holds, meaning
from app.runtime.policy_source import RingSource
from app.runtime.policy_watch import FolderWatch
from app.runtime.requests import (
    SLOTS,
    Ok,
    PolicyUse,
    Refused,
    Reply,
    Request,
    Restart,
    SetInstruction,
    Slot,
    StopChild,
)
from app.runtime.rundir import RunDir
from app.runtime.statuses import Event, PolicyStatus, Published
from devices.clock import NS_PER_S, Clock
from devices.errors import PolicyError
from devices.follower import ArmLimits
from devices.leader import LeaderInput, Observation, Side
from devices.pose import Pose
from devices.stream import FloatArray
from policies.contract import ActionSpace
from policies.serving.follow import FollowRule
from policies.serving.leader import PolicyLeader

ANSWER_NS = 10 * NS_PER_S
"""How long a policy that shall drive may take for its first answer [ns]."""

_SILENT_NS = 2 * NS_PER_S
_STATUS_NS = NS_PER_S // 10
_ON_ITS_WAY = ("starting", "loading", "checking", "warming")

Mode = Literal["none", "driving", "held", "taken"]


class Lines(Protocol):
    """See `app.runtime.policy_lines.PolicyLines`."""

    def ask(self, child: str, request: Request, done: Callable[[Reply], None]) -> None: ...
    def poll(self) -> list[Published]: ...


@dataclass(slots=True)
class _InHand:
    """A policy that drives, drove, or is about to."""

    slot: Slot
    status: PolicyStatus
    leader: PolicyLeader
    source: RingSource
    seed: int | None
    asked_ns: int


class Policies:
    """Loads, starts, swaps, holds and drops policies. Nothing in here waits.

    Args:
        run: The run folder.
        lines: To the workers and the supervisor.
        clock: Time.
        limits: Of the arms.
        sent: `T_world_tool` per side as last sent.
        tell: Where events go.
        rule: How chunks are followed.

    Attributes:
        mode: "driving"; "held" by somebody; "taken" over by a human; or "none".
        instruction: What the robot is told to do; "" for what the scene says.
    """

    def __init__(
        self,
        run: RunDir,
        lines: Lines,
        clock: Clock,
        limits: Mapping[Side, ArmLimits],
        sent: Callable[[], Mapping[Side, Pose]],
        tell: Callable[[Event], None],
        rule: FollowRule = "blend",
    ) -> None:
        self._run = run
        self._lines = lines
        self._clock = clock
        self._limits = limits
        self._sent = sent
        self._tell = tell
        self._rule: FollowRule = rule
        self._statuses: dict[Slot, PolicyStatus] = {}
        self._not_before_ns: dict[Slot, int] = {}
        self._used_ns: dict[Slot, int] = {}  # when it was loaded or last in hand
        self._in_hand: _InHand | None = None
        self._pending: _InHand | None = None
        self._watch: FolderWatch | None = None
        self._use_when_ready: Slot | None = None
        self._watched: Slot | None = None  # where the watched folder's last checkpoint went
        self._next_status_ns = 0
        self._holds = Holds()
        self.mode: Mode = "none"
        self.instruction = ""

    # -------------------------------------------------------------------------------- questions
    @property
    def driving(self) -> bool:
        """Whether the robot is the policy's: it drives, or holds while nobody else drives."""
        return self._in_hand is not None and self.mode in ("driving", "held")

    @property
    def name(self) -> str:
        """Of the policy in hand, as a device; "" without one."""
        return "" if self._in_hand is None else self._in_hand.leader.name

    @property
    def leader(self) -> PolicyLeader | None:
        return None if self._in_hand is None else self._in_hand.leader

    @property
    def watching(self) -> tuple[str, bool]:
        """The folder that is watched, "" for none, and whether its checkpoints drive at once."""
        return ("", False) if self._watch is None else (str(self._watch.path), self._watch.use)

    def told(self) -> dict[str, float | str | bool | None]:
        """Which policy is in hand, for events."""
        one = self._in_hand
        if one is None:
            return {}
        status = one.status
        return {
            "slot": one.slot,
            "policy": status.name,
            "path": status.path,
            "digest": status.digest,
            "seed": None if one.seed is None else float(one.seed),
        }

    # --------------------------------------------------------------------------------- requests
    def load(self, path: str) -> Reply:
        """Load into the slot that nobody needs: that of an earlier checkpoint from the same place,
        an empty or failed one, or that of the policy that was neither loaded nor driven for
        longest. The reply's text is the slot."""
        if not path:
            raise PolicyError("No policy was named", next_step="Give the path of a checkpoint")
        busy = {one.slot for one in (self._in_hand, self._pending) if one is not None}
        free = [slot for slot in SLOTS if slot not in busy]
        if not free:
            return Refused("Both policies are in use; wait until the new one drives.")

        def needed(slot: Slot) -> tuple[int, int]:
            status = self._statuses.get(slot)
            if status is not None and status.path == path:
                return 0, 0
            return 1 + (self._phase(slot) not in ("empty", "failed")), self._used_ns.get(slot, 0)

        slot = min(free, key=needed)
        options: dict[str, str | int | float] = {"path": path, "instruction": self.instruction}
        now_ns = self._not_before_ns[slot] = self._used_ns[slot] = self._clock.now_ns()
        self._statuses[slot] = PolicyStatus(
            now_ns, slot, path, "", "", "starting", "The process of the policy starts."
        )

        def done(reply: Reply) -> None:
            if isinstance(reply, Refused):
                self._failed(slot, reply.why)

        self._lines.ask("supervisor", Restart(slot, options), done)
        return Ok(slot)

    def use(self, slot: str, seed: int | None = None) -> Reply:
        """Let a policy drive as soon as it has answered; "" lets none."""
        if not slot:
            self._release("No policy drives any more")
            return Ok("No policy drives.")
        known = _slot(slot)
        status = self._statuses.get(known)
        if status is None or status.phase != "ready":
            phase = self._phase(known)
            why = "" if status is None else f" {status.text}"
            return Refused(f"The policy in {slot} is {phase}, not ready.{why}")
        now_ns = self._clock.now_ns()
        space = ActionSpace(
            sides=tuple(side for side in self._limits if side in status.sides),
            rotation=status.rotation,
            rate_hz=status.rate_hz,
            horizon=status.horizon,
        )
        source = RingSource(self._run.ring, known, space, reacts=status.reacts, rule=self._rule)
        source.begin(now_ns)
        leader = PolicyLeader(known, space, source, self._limits, self._sent)
        self._drop_pending()
        self._pending = _InHand(known, status, leader, source, seed, now_ns)

        def done(reply: Reply) -> None:
            if isinstance(reply, Refused):
                self._give_up(reply.why)
            elif self._pending is not None and self._pending.slot == known:
                # What it said before it began anew does not count.
                self._pending.source.begin(self._clock.now_ns())

        self._lines.ask(known, PolicyUse(known, seed), done)
        return Ok(f"{status.name or slot} drives as soon as it has answered.")

    def hold(self, on: bool, why: str = "") -> Reply:
        """Hold the policy in hand, or let it go on."""
        one = self._in_hand
        if one is None:
            return Refused("No policy is in hand.")
        if self.mode == "taken":
            return Refused("A human drives; give back first.") if not on else Ok("A human drives.")
        if on == (self.mode == "held"):
            return Ok("Held." if on else "It drives.")
        self.mode = "held" if on else "driving"
        one.leader.holding = on
        said = f"The policy {'holds' if on else 'goes on'}" + (f": {why}" if why else "")
        self._tell(Event(self._clock.now_ns(), "note", said, self.told()))
        return Ok(f"{said}.")

    def begin_anew(self, seed: int | None, why: str) -> None:
        """The scene was reset: policies are reset too, and the one in hand holds."""
        one = self._in_hand
        if one is None:
            return
        if self.mode == "driving":
            self.hold(True, why)
        one.seed = seed
        source = one.source
        source.begin(self._clock.now_ns())

        def done(reply: Reply) -> None:
            if isinstance(reply, Ok):
                source.begin(self._clock.now_ns())

        self._lines.ask(one.slot, PolicyUse(one.slot, seed), done)

    def drop(self, slot: str) -> Reply:
        """End the worker of a slot; the policy that drives from it holds and is let go."""
        known = _slot(slot)
        if self._pending is not None and self._pending.slot == known:
            self._drop_pending()
        if self._in_hand is not None and self._in_hand.slot == known:
            self._release("The policy was dropped")
        self._lines.ask("supervisor", StopChild(known), lambda _: None)
        now_ns = self._not_before_ns[known] = self._clock.now_ns()
        self._statuses[known] = PolicyStatus(now_ns, known, "", "", "", "empty", "Dropped.")
        return Ok(f"{slot} is dropped.")

    def instruct(self, text: str) -> Reply:
        """Tell the robot what to do, without loading anything anew."""
        self.instruction = text
        for slot in SLOTS:
            if self._phase(slot) not in ("empty", "failed"):
                self._lines.ask(slot, SetInstruction(text), lambda _: None)
        self._tell(Event(self._clock.now_ns(), "note", f"Instruction: {text}", {"text": text}))
        return Ok(text)

    def watch(self, path: str, use: bool) -> Reply:
        """Load each new best checkpoint of a folder; "" ends that."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if not path:
            return Ok("No folder is watched.")
        self._watch = FolderWatch(Path(path), use)
        return Ok(f"Watching {path}.")

    def taken(self, who: str) -> None:
        """A human took over; the policy goes on answering, and is not followed."""
        one = self._in_hand
        assert one is not None
        self.mode = "taken"
        one.leader.connect()
        self._drop_pending()
        text = f"{who} takes over from the policy {one.status.name or one.slot}"
        about = {**self.told(), "who": who}
        self._tell(Event(self._clock.now_ns(), "takeover", text, about))

    # ----------------------------------------------------------------------------------- a tick
    def step(self) -> bool:
        """Hear the workers, look whether a new policy has answered. True if from this tick on
        another one drives."""
        now_ns = self._clock.now_ns()
        for message in self._lines.poll():
            self._hear(message)
        self._look_at_folder()
        pending = self._pending
        if pending is None:
            return False
        if pending.source.answered(now_ns):
            self._swap(pending)
            return True
        if now_ns - pending.asked_ns > ANSWER_NS:
            self._give_up(f"{pending.slot} has not answered for {ANSWER_NS / NS_PER_S:.0f} s")
        return False

    def read(self, observation: Observation) -> LeaderInput | None:
        """The policy's hands; None while no policy is in hand."""
        one = self._in_hand
        if one is None:
            return None
        reading = one.leader.read(observation)
        if self.mode == "driving":
            self._tell_holds(observation.t_ns, one)
        return reading

    def row(self, now_ns: int) -> FloatArray | None:
        """What to record of the policy in hand at this tick, in the order of
        `policy_drive.DRIVE_COLUMNS`; None
        without one."""
        one = self._in_hand
        if one is None:
            return None
        status = self._statuses.get(one.slot, one.status)
        counts = one.source.counts
        infer_ms, ended_ns = one.source.inference()
        return np.array(
            [
                SLOTS.index(one.slot) + 1,
                self.mode == "driving" and not any(one.leader.holds.values()),
                self.mode == "taken",
                one.leader.queue,
                counts.misses,
                counts.stale + counts.nonsense,
                status.observation_age_ms,
                status.infer_p50_ms,
                status.infer_p99_ms,
                infer_ms,
                (now_ns - ended_ns) / 1e6 if ended_ns else np.nan,
            ],
            dtype=np.float64,
        )

    def statuses(self) -> tuple[PolicyStatus, ...]:
        """What to tell the screen now, at 10 Hz: the workers' words and what the station knows."""
        now_ns = self._clock.now_ns()
        if now_ns < self._next_status_ns:
            return ()
        self._next_status_ns = now_ns + _STATUS_NS
        return tuple(self._merged(status, now_ns) for status in self._statuses.values())

    def close(self) -> None:
        """Let go of all rings. Idempotent."""
        if self._watch is not None:
            self._watch.close()
        self._drop_pending()
        if self._in_hand is not None:
            self._in_hand.source.close()
            self._in_hand = None
        self.mode = "none"

    # ----------------------------------------------------------------------------------- inside
    def _hear(self, message: Published) -> None:
        if isinstance(message, PolicyStatus) and message.slot in SLOTS:
            slot = _slot(message.slot)
            before = self._statuses.get(slot)
            if message.began_ns < self._not_before_ns.get(slot, 0):
                return  # last words of the worker that was here before
            self._statuses[slot] = message
            if message.phase == "failed" and self._use_when_ready == slot:
                self._use_when_ready = None
            if message.phase == "failed" and (before is None or before.phase != "failed"):
                text = f"Policy {slot[-1].upper()} cannot be used: {message.text}"
                self._tell(Event(self._clock.now_ns(), "fault", text, {"slot": slot}))
            if message.phase == "ready" and self._use_when_ready == slot:
                self._use_when_ready = None
                self.use(slot)
        elif isinstance(message, Event):
            child = message.data.get("child")
            if child in SLOTS and message.t_ns >= self._not_before_ns.get(_slot(str(child)), 0):
                self._failed(_slot(str(child)), message.text)

    def _failed(self, slot: Slot, why: str) -> None:
        """A worker is gone, or never came."""
        before = self._statuses.get(slot)
        if before is not None and before.phase == "empty":
            return
        path = "" if before is None else before.path
        if self._use_when_ready == slot:
            self._use_when_ready = None
        self._statuses[slot] = PolicyStatus(self._clock.now_ns(), slot, path, "", "", "failed", why)
        if self._pending is not None and self._pending.slot == slot:
            self._give_up(why)

    def _swap(self, new: _InHand) -> None:
        old, self._in_hand, self._pending = self._in_hand, new, None
        if old is not None:
            old.source.close()
            if old.slot != new.slot:
                self._lines.ask(old.slot, PolicyUse(""), lambda _: None)
        self.mode = "driving"
        self._holds.clear()
        text = f"The policy {new.status.name or new.slot} drives"
        self._tell(Event(self._clock.now_ns(), "leader", text, self.told()))

    def _give_up(self, why: str) -> None:
        """The policy that should drive does not; who drives goes on."""
        if self._pending is None:
            return
        slot = self._pending.slot
        self._drop_pending()
        text = f"The policy in {slot} does not drive: {why}"
        self._tell(Event(self._clock.now_ns(), "fault", text, {"slot": slot}))

    def _drop_pending(self) -> None:
        if self._pending is not None:
            self._pending.source.close()
            self._pending = None

    def _release(self, why: str) -> None:
        one, self._in_hand = self._in_hand, None
        self._drop_pending()
        self.mode = "none"
        if one is None:
            return
        self._used_ns[one.slot] = self._clock.now_ns()
        one.source.close()
        self._lines.ask(one.slot, PolicyUse(""), lambda _: None)
        self._tell(Event(self._clock.now_ns(), "leader", why, {"slot": one.slot}))

    def _tell_holds(self, now_ns: int, one: _InHand) -> None:
        """Say once why a side holds, and that it follows again."""
        status = self._statuses.get(one.slot)
        said = status.text if status is not None and status.faults else ""
        for side, why, text in self._holds.news(one.leader.holds, said, now_ns):
            about = {**self.told(), "side": side, "why": why}
            if said:
                about["worker"] = said
            self._tell(Event(now_ns, "fault", text, about))

    def _merged(self, status: PolicyStatus, now_ns: int) -> PolicyStatus:
        one = self._in_hand if self._in_hand and self._in_hand.slot == status.slot else None
        changes: dict[str, object] = {"follow": self._rule}
        if status.phase in ("failed", "empty"):
            changes["t_ns"] = now_ns  # nobody else tells of it any more
        elif now_ns - status.t_ns > _SILENT_NS and status.phase != "starting":
            silent = (now_ns - status.t_ns) / NS_PER_S
            changes |= {"t_ns": now_ns, "text": f"The policy has been silent for {silent:.0f} s."}
        if one is not None:
            counts = one.source.counts
            changes |= {
                "queue": one.leader.queue,
                "misses": counts.misses,
                "stale_dropped": counts.stale + counts.nonsense,
            }
            if status.phase == "ready":
                held = self.mode != "driving" or any(one.leader.holds.values())
                changes["phase"] = "holding" if held else "driving"
                why = next((why for why in one.leader.holds.values() if why), "")
                if self.mode == "taken":
                    changes["text"] = "A human drives; give back to go on."
                elif why:
                    said = status.text if status.faults else ""
                    changes["text"] = f"Holds: {why}. {said}".rstrip()
                    if meaning(why, said):
                        changes["text"] = f"Holds: {said[:1].lower()}{said[1:]}"
        return msgspec.structs.replace(status, **changes)

    def _look_at_folder(self) -> None:
        if self._watch is None or self._pending is not None or self._use_when_ready is not None:
            return
        if self._watched is not None and self._phase(self._watched) in _ON_ITS_WAY:
            return  # checkpoints that come faster than they load would else never be ready
        found = self._watch.newest()
        if found is None:
            return
        reply = self.load(str(found))
        if isinstance(reply, Ok):
            self._watched = _slot(reply.text)
            self._tell(Event(self._clock.now_ns(), "note", f"New checkpoint {found}", {}))
            if self._watch.use:
                self._use_when_ready = self._watched

    def _phase(self, slot: Slot) -> str:
        status = self._statuses.get(slot)
        return "empty" if status is None else status.phase


def _slot(name: str) -> Slot:
    for slot in SLOTS:
        if slot == name:
            return slot
    raise PolicyError(f"There is no slot '{name}' for a policy", allowed=SLOTS)
