"""A session without processes: it answers requests by the rules of a take, and nothing moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from app.runtime.requests import (
    Arm,
    ClearEStop,
    Discard,
    EStop,
    GraspBaseline,
    Keep,
    Ok,
    OpenDataset,
    Pause,
    PolicyDrop,
    PolicyHold,
    PolicyLoad,
    PolicyUse,
    Refused,
    Reply,
    Request,
    ResetScene,
    Restart,
    SetInstruction,
    Start,
    Stop,
    UseLeader,
)
from app.runtime.statuses import (
    ArmStatus,
    CameraStatus,
    Event,
    HeadsetStatus,
    LoopBudget,
    NeedCheck,
    PolicyStatus,
    RecorderStatus,
    StationStatus,
    StreamHealth,
    TouchStatus,
)
from devices.leader import LeaderInput
from devices.ring import Drained
from devices.stream import Sample
from tests.ui import fake_headset


def station(**changes: Any) -> StationStatus:
    loop = LoopBudget(250.0, 4.0, 0.02, 0.61, 0.08, 0.03, 0.9, 0.2, 0.11, 0.64, 1.9)
    made = StationStatus(
        t_ns=0,
        phase="holding",
        why="Nobody holds the robot",
        robot="openarm_v2",
        scene="wipe",
        instruction="Wipe the ink off the vase",
        seed=7,
        leader="window",
        leaders={"window": "ready", "gamepad": "not connected", "scripted": "ready"},
        arms=(ArmStatus("left", False, "clutch open"), ArmStatus("right", False, "clutch open")),
        progress=0.35,
        success=False,
        realtime_factor=1.0,
        loop=loop,
        perturbations=("move_before_contact", "move_after_contact"),
        force_band=(2.0, 8.0),
    )
    return msgspec.structs.replace(made, **changes)


def recorder(**changes: Any) -> RecorderStatus:
    made = RecorderStatus(
        t_ns=0,
        state="idle",
        practice=False,
        dataset="",
        task="",
        take=0,
        target=0,
        kept=0,
        elapsed_s=0.0,
        uid="",
        text="",
        fault=False,
        rows=0,
        dropped=0,
        bytes_per_s=2.4e6,
        disk_left_s=51_000.0,
        streams=(
            StreamHealth("left_arm/q", 499.6, 500.0, 1.2, 0),
            StreamHealth("left_inner_pad/tactile", 124.9, 125.0, 5.0, 0),
            StreamHealth("front/rgb", 29.4, 30.0, 21.0, 0),
        ),
    )
    return msgspec.structs.replace(made, **changes)


def policy(slot: str, **changes: Any) -> PolicyStatus:
    made = PolicyStatus(
        t_ns=0,
        slot=slot,
        path=f"/runs/{slot}/best",
        name="rdp" if slot == "policy_a" else "diffusion",
        digest=("a" if slot == "policy_a" else "b") * 64,
        phase="ready",
        text="",
        checks=(
            NeedCheck("right_arm/wrench", "rate", "at least 60 Hz", "125 Hz", True),
            NeedCheck("front/rgb", "shape", "96 x 96 x 3", "480 x 640 x 3, made to fit", True),
        ),
        infer_p50_ms=41.0,
        infer_p95_ms=52.0,
        infer_p99_ms=66.0,
        react_p99_ms=3.1,
        observation_age_ms=14.0,
        queue=19,
        misses=2,
        uncertainty=0.21,
        memory_mb=412.0,
        sides=("right",),
        rate_hz=24.0,
        horizon=24,
        reacts=True,
    )
    return msgspec.structs.replace(made, **changes)


class FakeSession:
    """Behaves as `app.session.session.Session` towards a window."""

    def __init__(self, dataset: str = "") -> None:
        self.station: StationStatus | None = station()
        self.recorder: RecorderStatus | None = recorder(dataset=dataset)
        self.camera: CameraStatus | None = CameraStatus(
            0, "llvmpipe", "reduced", (StreamHealth("front/rgb", 29.4, 30.0, 21.0, 0),)
        )
        self.headset: HeadsetStatus | None = None
        self.touch: TouchStatus | None = None
        self.policies: dict[str, PolicyStatus] = {}
        self.events: deque[Event] = deque(maxlen=500)
        self.events_seen = 0
        self.library: Any = None
        self.asked: list[Request] = []
        self.driven: list[LeaderInput] = []
        self.polls = 0
        self.refuse = ""
        self.samples: dict[str, Sample] = {}

    @property
    def model_key(self) -> tuple[str, str] | None:
        return None if self.station is None else (self.station.robot, self.station.scene)

    def latest(self, stream: str) -> Sample | None:
        return self.samples.get(stream)

    def set_policy(self, slot: str, **changes: Any) -> None:
        self.policies[slot] = msgspec.structs.replace(
            self.policies.get(slot) or policy(slot), **changes
        )

    def take_over(self) -> None:
        """What the station tells when a hand has taken the robot from the policy."""
        for slot, status in self.policies.items():
            if status.phase == "driving":
                self.set_policy(slot, phase="holding", text="A human drives; give back to go on.")
        self.set_station(leader="window", phase="driving")
        self.happen(Event(0, "takeover", "mouse takes over", {"who": "mouse"}))

    def since(self, stream: str, t_ns: int) -> Drained | None:
        return None

    def drive(self, reading: LeaderInput) -> None:
        self.driven.append(reading)

    def poll(self) -> None:
        self.polls += 1

    def ask(self, request: Request, done: Callable[[Reply], None]) -> None:
        done(self.request(request))

    def open_dataset(self, path: Path, task: str = "", target: int = 0) -> Reply:
        return self.request(OpenDataset(str(path), task=task, target=target))

    def load_scene(self, scene: str) -> Reply:
        return self.request(Restart("station", {"scene": scene}))

    def happen(self, event: Event) -> None:
        self.events.append(event)
        self.events_seen += 1

    def set_recorder(self, **changes: Any) -> None:
        assert self.recorder is not None
        self.recorder = msgspec.structs.replace(self.recorder, **changes)

    def set_station(self, **changes: Any) -> None:
        assert self.station is not None
        self.station = msgspec.structs.replace(self.station, **changes)

    def request(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.refuse:
            return Refused(self.refuse)
        if self.headset is not None:
            self.headset = fake_headset.answer(self.headset, request)
        match request:
            case EStop(why=why):
                self.set_station(phase="estop", why=why)
            case ClearEStop():
                self.set_station(phase="holding", why="")
            case UseLeader(name=name):
                self.set_station(leader=name)
            case ResetScene(seed=seed) if self.station is not None:
                self.set_station(seed=self.station.seed + 1 if seed is None else seed)
            case Restart(child=_, options=options):
                scene = str(options.get("scene", "wipe"))
                self.station = station(scene=scene)
            case OpenDataset(path=path, task=task, target=target):
                self.set_recorder(dataset=path, task=task, target=target)
            case PolicyLoad(path=path):
                slot = "policy_b" if "policy_a" in self.policies else "policy_a"
                self.policies[slot] = policy(slot, path=path)
            case PolicyUse(slot=slot):
                for other in self.policies:
                    self.set_policy(other, phase="driving" if other == slot else "ready")
                self.set_station(leader=slot or "window", phase="driving" if slot else "holding")
            case PolicyHold(on=on):
                for slot, status in self.policies.items():
                    if status.phase in ("driving", "holding"):
                        self.set_policy(slot, phase="holding" if on else "driving")
            case PolicyDrop(slot=slot):
                self.policies.pop(slot, None)
            case SetInstruction(text=text):
                self.set_station(instruction=text)
            case Arm():
                self.set_recorder(state="armed")
            case Start(task=_, practice=practice):
                self.set_recorder(state="recording", practice=practice, elapsed_s=2.0)
            case Pause(on=on):
                self.set_recorder(state="paused" if on else "recording")
            case Stop():
                self.set_recorder(state="stopped")
            case Keep() if self.recorder is not None:
                self.set_recorder(state="idle", kept=self.recorder.kept + 1)
            case GraspBaseline(on=on) if self.touch is not None:
                self.touch = msgspec.structs.replace(self.touch, baseline_on=on)
            case Discard():
                self.set_recorder(state="idle")
        return Ok()
