"""What intents ask of station and recorder, as requests. Says what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.runtime.requests import (
    Arm,
    ClearEStop,
    Discard,
    EStop,
    GoHome,
    GraspBaseline,
    Keep,
    KeepLast,
    Ok,
    OpenDataset,
    Pause,
    Perturb,
    PolicyDrop,
    PolicyHold,
    PolicyLoad,
    PolicyUse,
    PolicyWatch,
    Refused,
    Reply,
    Request,
    ResetScene,
    Restart,
    RezeroTouch,
    SetInstruction,
    Start,
    Stop,
    UseLeader,
    Verdict,
)
from app.runtime.statuses import PolicyStatus
from app.ui.action import Intent
from app.ui.headset_commands import HeadsetCommands
from app.ui.look import Tone
from app.ui.place import SessionPort
from datasets.reader import Episode
from devices.errors import TeledeckError

SCALES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Steps of the scale from hand to tool."""


@dataclass(frozen=True, slots=True)
class Said:
    """What to tell the user. `undo` offers to take it back."""

    text: str
    tone: Tone = "idle"
    undo: bool = False


class Commands:
    """Performs the intents that concern station and recorder.

    Args:
        session: Whom to ask.
        say: Told what came of each request that is worth a word.
    """

    def __init__(self, session: SessionPort, say: Callable[[Said], None]) -> None:
        self._session = session
        self._say = say
        self.practice = False
        self.headset = HeadsetCommands(
            session, self._ask, self._ask_quietly, lambda text: say(Said(text))
        )
        self._handlers: dict[str, Callable[[str], object]] = {
            "estop": self._estop,
            "clear_estop": lambda _: self._ask(ClearEStop(), "The robot may move again"),
            "home": lambda _: self._ask(GoHome(), "Going home"),
            "reset_scene": self._reset,
            "load_scene": self._load_scene,
            "perturb": lambda name: self._ask(Perturb(name), f"Disturbed: {name}"),
            "use_leader": lambda name: self._ask(UseLeader(name)),
            "show_me": self._show_me,
            "drive_scale": self._drive_scale,
            "restart_station": self._restart,
            "rezero_touch": lambda _: self._later(RezeroTouch()),
            "subtract_grasp": self._subtract_grasp,
            "policy_ask_load": lambda path: self._later(PolicyLoad(path), f"Loading {path}"),
            "policy_ask_watch": lambda path: self._later(PolicyWatch(path)),
            "policy_ask_watch_use": lambda path: self._later(PolicyWatch(path, use=True)),
            "policy_use": self._use_policy,
            "policy_hold": self._hold_policy,
            "policy_give_back": lambda _: self._give_back(),
            "policy_drop": lambda slot: self._later(PolicyDrop(slot)),
            "instruct": lambda text: self._later(SetInstruction(text), f"Told: {text}"),
            "take_arm": lambda _: self._later(Arm()),
            "take_start": self._start,
            "take_stop": lambda _: self._later(Stop()),
            "take_success": lambda _: self._keep("success"),
            "take_failure": lambda _: self._keep("failure"),
            "take_discard": self._discard,
            "take_pause": self._pause,
            "keep_last": lambda _: self._later(KeepLast(), "The last 30 s are being kept"),
            "take_practice": self._practice,
        }

    def perform(self, intent: Intent) -> bool:
        """Ask for what `intent` names. False if that is nobody's business here."""
        handler = self._handlers.get(intent.name) or self.headset.handlers.get(intent.name)
        if handler is None:
            return False
        handler(intent.argument)
        return True

    def set_task(self, task: str, operator: str, target: int) -> None:
        """What the next takes of the open dataset demonstrate."""
        recorder = self._session.recorder
        if recorder is not None and recorder.dataset:
            request = OpenDataset(recorder.dataset, task=task, operator=operator, target=target)
            self._ask(request, f"Task: {task}")

    def open_dataset(self, folder: Path) -> bool:
        """Open or create; True when it is open."""
        recorder = self._session.recorder
        task = recorder.task if recorder is not None else ""
        reply = self._session.open_dataset(folder, task=task)
        self._tell(reply, f"Opened {folder.name}")
        return isinstance(reply, Ok)

    # ------------------------------------------------------------------------------ the robot
    def _estop(self, argument: str) -> None:
        self._ask(EStop(argument or "Escape key"))

    def _reset(self, which: str) -> None:
        station = self._session.station
        seed = station.seed if which == "same" and station is not None else None
        self._ask(ResetScene(seed), "Resetting the scene")

    def _load_scene(self, name: str) -> None:
        self.headset.forget()
        self._tell(self._session.load_scene(name), f"Loading {name}")

    def _show_me(self, _: str) -> None:
        station = self._session.station
        scripted = station is not None and station.leader.startswith("scripted")
        self._ask(UseLeader("window" if scripted else "scripted"))

    def _drive_scale(self, way: str) -> None:
        nearest = min(range(len(SCALES)), key=lambda i: abs(SCALES[i] - self.headset.scale))
        index = min(max(nearest + (1 if way == "up" else -1), 0), len(SCALES) - 1)
        self.headset.set_scale(SCALES[index])

    def _restart(self, _: str) -> None:
        self.headset.forget()
        self._ask(Restart("station"), "Starting the station again")

    def _subtract_grasp(self, _: str) -> None:
        touch = self._session.touch
        self._later(GraspBaseline(on=touch is None or not touch.baseline_on))

    def replay(self, path: Path) -> bool:
        """Let a recorded episode drive the robot from its own start; True when it does."""
        station = self._session.station
        try:
            with Episode.open(path) as episode:
                scene, seed = episode.start.get("scene"), episode.start.get("seed")
        except TeledeckError as error:
            self._say(Said(str(error), "fault"))
            return False
        if station is None or scene != station.scene:
            self._say(Said(f"It was recorded in the scene '{scene}': load that scene first"))
            return False
        if isinstance(seed, int) and not self._ask(ResetScene(seed)):
            return False
        return self._ask(UseLeader("replay", episode=str(path)), "The episode drives the robot")

    # ------------------------------------------------------------------------------- policies
    def _in_hand(self) -> PolicyStatus | None:
        found = self._session.policies.values()
        return next((one for one in found if one.phase in ("driving", "holding")), None)

    def _use_policy(self, slot: str) -> None:
        self._later(PolicyUse(slot))

    def _hold_policy(self, which: str) -> None:
        station, one = self._session.station, self._in_hand()
        driven = station is not None and one is not None and station.leader == one.slot
        # Held by a person or for a reason of its own: only the first is let go by the same key.
        held = driven and one is not None and one.phase == "holding"
        self._later(PolicyHold(on=not held if which == "toggle" else which == "on"))

    def _give_back(self) -> None:
        one = self._in_hand()
        if one is not None:
            self._later(PolicyUse(one.slot))

    # ------------------------------------------------------------------------------- the take
    def _start(self, _: str) -> None:
        recorder, station = self._session.recorder, self._session.station
        task = recorder.task if recorder is not None else ""
        if not task and station is not None:
            task = station.instruction
        self._later(Start(task=task, practice=self.practice))

    def _keep(self, verdict: Verdict) -> None:
        recorder = self._session.recorder
        runs = recorder is not None and recorder.state in ("recording", "paused")
        if runs:
            self._later(Stop())
        self._later(Keep(verdict), f"Kept as {verdict}", "kept")

    def _discard(self, _: str) -> None:
        self._later(Discard(), "Discarded", undo=True)

    def _pause(self, _: str) -> None:
        recorder = self._session.recorder
        self._later(Pause(on=recorder is not None and recorder.state != "paused"))

    def _practice(self, _: str) -> None:
        self.practice = not self.practice
        self._say(Said("Practice: nothing is saved" if self.practice else "Takes are saved again"))

    # --------------------------------------------------------------------------------- asking
    def _ask(self, request: Request, done: str = "") -> bool:
        reply = self._session.request(request)
        self._tell(reply, done)
        return isinstance(reply, Ok)

    def _ask_quietly(self, request: Request, _: str = "") -> bool:
        reply = self._session.request(request)
        if isinstance(reply, Refused):
            self._say(Said(reply.why, "fault"))
        return isinstance(reply, Ok)

    def _later(
        self, request: Request, done: str = "", tone: Tone = "idle", *, undo: bool = False
    ) -> None:
        """Ask without waiting: a take begins and ends while everything else goes on."""
        self._session.ask(request, lambda reply: self._tell(reply, done, tone, undo=undo))

    def _tell(self, reply: Reply, done: str, tone: Tone = "idle", *, undo: bool = False) -> None:
        if isinstance(reply, Refused):
            self._say(Said(reply.why, "fault"))
        elif reply.text or done:
            self._say(Said(reply.text or done, tone, undo))
