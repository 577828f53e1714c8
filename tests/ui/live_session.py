"""A session whose station is a world in this process, stepped by the test."""

from __future__ import annotations

from typing import Any

import numpy as np

from devices import plugins
from devices.clock import FakeClock
from devices.feel import Gel
from devices.feel_hand import moment
from devices.ring import Drained
from devices.sim.build import build
from devices.sim.world import World
from devices.stream import Sample
from devices.touch import MarkerModel
from tests.ui.fake_session import FakeSession, station


class LiveSession(FakeSession):
    """Streams come from a real world; requests are answered as `FakeSession` does.

    Attributes:
        clock: Time of the session; `run` moves it.
        world: The world.
    """

    def __init__(self, scene: str = "drawer") -> None:
        super().__init__()
        self.clock = FakeClock()
        robot, kind = plugins.load("robots", "openarm_v2")(), plugins.load("scenes", scene)()
        self.world = World(
            robot, kind, seed=1, clock=self.clock, model=build("openarm_v2", scene, "minimal")
        )
        self.station = station(scene=scene, force_band=kind.force_band)
        self.kept: dict[str, list[Sample]] = {}
        self.gels: dict[str, Gel] = {}
        self.run(0.1)

    def run(self, seconds: float) -> None:
        """Let the world live for a while."""
        self.clock.advance_s(seconds)
        self.world.advance_to(self.clock.now_ns(), 10_000)
        for sample in self.world.collect():
            self.put(sample)
            self.feel(sample)

    def feel(self, sample: Sample) -> None:
        """What the touch process would publish of a tactile field."""
        pad, _, what = sample.stream.partition("_pad/")
        if what == "tactile":
            gel = self.gels.setdefault(pad, Gel.of(MarkerModel(self.world.robot.pads[pad])))
            for name, data in zip(
                ("deformation", "reading"), moment(gel, sample.data), strict=True
            ):
                self.put(Sample(f"{pad}_pad/{name}", sample.seq, sample.t_ns, data))

    def put(self, sample: Sample) -> None:
        self.kept.setdefault(sample.stream, []).append(sample)
        del self.kept[sample.stream][:-2000]

    def tell(self, stream: str, data: Any) -> None:
        """A sample of now in any stream."""
        self.put(Sample(stream, 0, self.clock.now_ns(), np.asarray(data)))

    def latest(self, stream: str) -> Sample | None:
        return self.kept[stream][-1] if stream in self.kept else None

    def since(self, stream: str, t_ns: int) -> Drained | None:
        if stream not in self.kept:
            return None
        found = [s for s in self.kept[stream] if s.t_ns >= t_ns]
        if not found:
            return Drained(0, np.zeros(0, np.int64), np.zeros((0, 1)), 0)
        times = np.array([s.t_ns for s in found])
        return Drained(found[0].seq, times, np.stack([s.data for s in found]), 0)
