"""The station with policies in one process, stepped by a fake clock; the worker is a puppet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from app.runtime.bus import Inputs
from app.runtime.leaders import Leaders
from app.runtime.messages import Drive, Hand, Heartbeat
from app.runtime.policies import Policies
from app.runtime.requests import Ok, Reply, Request
from app.runtime.rundir import RunDir
from app.runtime.station import Station
from app.runtime.station_file import StationFile
from app.runtime.statuses import Event, PolicyStatus, Published
from devices import plugins
from devices.clock import Clock, FakeClock
from devices.leader import Leader
from devices.mapping.chain import DriveChain
from devices.ring import RingReader, RingWriter
from devices.sim.world import World
from devices.stream import FloatArray, StreamSpec
from policies.contract import ActionSpace
from policies.serving.follow import FollowRule

SCENE = "drawer"
RATE_HZ = 24.0
HORIZON = 12


class PuppetLines:
    """Workers that answer what the test wants, at once."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Request]] = []
        self.heard: list[Published] = []
        self.reply: Reply = Ok()
        self._waiting: list[Callable[[Reply], None]] = []

    def ask(self, child: str, request: Request, done: Callable[[Reply], None]) -> None:
        self.asked.append((child, request))
        self._waiting.append(done)

    def poll(self) -> list[Published]:
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done(self.reply)
        heard, self.heard = self.heard, []
        return heard


class Puppet:
    """A worker: its rings and its status."""

    def __init__(self, bench: Bench, slot: str, space: ActionSpace) -> None:
        self.slot, self.space, self._bench = slot, space, bench
        name = f"{slot}/chunk"
        shape = (HORIZON, space.width)
        spec = StreamSpec(name, shape, "float64", "m", "world", 10.0, kind="command")
        self.ring = RingWriter(bench.run.ring(name), spec, 40)

    def ready(self, phase: str = "ready") -> None:
        self._bench.lines.heard.append(
            PolicyStatus(
                t_ns=self._bench.clock.now_ns(),
                slot=self.slot,
                path=f"/policies/{self.slot}",
                name=f"{self.slot}-policy",
                digest="abc",
                phase=phase,  # type: ignore[arg-type]
                text="",
                sides=self.space.sides,
                rotation=self.space.rotation,
                rate_hz=self.space.rate_hz,
                horizon=HORIZON,
                began_ns=self._bench.clock.now_ns(),
            )
        )

    def answer(self, rows: FloatArray) -> None:
        """A chunk that begins now. One row is repeated."""
        rows = np.broadcast_to(rows, (HORIZON, self.space.width))
        self.ring.publish(self._bench.clock.now_ns(), np.array(rows))


class Bench:
    """A station with its clock, its events and readers of its rings."""

    def __init__(
        self,
        folder: Path,
        factories: Mapping[str, Callable[[Clock], Leader]] | None = None,
        rule: FollowRule = "blend",
    ) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.run = RunDir.create(folder)
        self.robot = plugins.load("robots", "openarm_v2")()
        scene = plugins.load("scenes", SCENE)()
        self.world = World(self.robot, scene, seed=1, clock=self.clock)
        self.chain = DriveChain(self.robot, self.clock)
        self.lines = PuppetLines()
        self.policies = Policies(
            self.run,
            self.lines,
            self.clock,
            self.robot.limits,
            lambda: self.chain.tools_sent,
            self.events.append,
            rule,
        )
        made = {name: partial(_made, make, self.clock) for name, make in (factories or {}).items()}
        self.station = Station(
            StationFile(scene=SCENE),
            self.world,
            self.chain,
            Leaders(made),
            self.run,
            self.clock,
            self.events.append,
            self.policies,
        )
        self._puppets: list[Puppet] = []
        self._seq = 0

    def puppet(self, slot: str = "policy_a", space: ActionSpace | None = None) -> Puppet:
        space = space or ActionSpace(sides=("right",), rate_hz=RATE_HZ, horizon=HORIZON)
        self._puppets.append(Puppet(self, slot, space))
        return self._puppets[-1]

    def tick(self, n: int = 1) -> None:
        for _ in range(n):
            self.clock.advance_s(0.004)
            self.station.feed(Inputs(heartbeat=Heartbeat(self.clock.now_ns())))
            self.station.tick()

    def drive(self, position: FloatArray, clutch: bool = True, side: str = "right") -> None:
        """One reading of the mouse."""
        x, y, z = (float(n) for n in position)
        hand = Hand(clutch=clutch, pose=(x, y, z, 1.0, 0.0, 0.0, 0.0))
        left, right = (hand, None) if side == "left" else (None, hand)
        drive = Drive("mouse", self._seq, self.clock.now_ns(), left=left, right=right)
        self.station.feed(Inputs(drive=drive))
        self._seq += 1

    def squeeze(self, position: FloatArray, clutch: bool = True) -> None:
        """One reading of the headset, right hand."""
        x, y, z = (float(n) for n in position)
        hand = Hand(clutch=clutch, pose=(x, y, z, 1.0, 0.0, 0.0, 0.0))
        drive = Drive("headset", self._seq, self.clock.now_ns(), right=hand)
        self.station.feed(Inputs(headset=drive))
        self._seq += 1

    def tool(self, side: str = "right") -> FloatArray:
        return self.chain.tools_sent[side].position  # type: ignore[index]

    def wish(self, offset: FloatArray, gap: float = 0.05) -> FloatArray:
        """A row that is `offset` [m] from where the right tool was sent."""
        return np.concatenate([self.tool() + offset, [gap]])

    def begin(self, puppet: Puppet, row: FloatArray) -> None:
        """Let a puppet drive, from its first answer on."""
        puppet.ready()
        self.tick()
        reply = self.policies.use(puppet.slot, 3)
        assert isinstance(reply, Ok), reply
        self.tick()
        puppet.answer(row)
        self.tick()
        assert self.policies.mode == "driving"

    def told(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind == kind]

    def rows(self, stream: str) -> FloatArray:
        with RingReader(self.run.ring(stream)) as ring:
            return np.asarray(ring.drain().data)

    def close(self) -> None:
        for puppet in self._puppets:
            puppet.ring.close()
        self.station.close()
        self.run.leave()


def _made(make: Callable[[Clock], Leader], clock: Clock, _episode: str) -> Leader:
    return make(clock)
