"""Asking without waiting: answers come with `poll`, in order, and silence is an answer too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.runtime.bus import Bus, RequestServer
from app.runtime.requests import Arm, Keep, Ok, Refused, Reply, Request, Stop
from app.runtime.rundir import RunDir
from app.session.session import Session
from devices.clock import FakeClock


class Desk:
    """A session, and the recorder's end of the wire in the test's own hands."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.run = RunDir.create(folder)
        self.bus = Bus(self.run)
        self.server: RequestServer = self.bus.server("recorder")
        self.session = Session(RunDir.join(self.run.path), self.clock)
        self.heard: list[Request] = []
        self.answers: list[str] = []

    def answer(self, request: Request) -> Reply:
        self.heard.append(request)
        return Ok(type(request).__name__)

    def note(self, reply: Reply) -> None:
        self.answers.append(reply.text if isinstance(reply, Ok) else f"refused: {reply.why}")

    def turn(self, times: int = 20) -> None:
        for _ in range(times):
            self.server.poll(self.answer, 0.005)
            self.session.poll()

    def close(self) -> None:
        self.session.close()
        self.bus.close()
        self.run.leave()


@pytest.fixture
def desk() -> Iterator[Desk]:
    folder = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))  # short: sockets live in it
    desk = Desk(folder)
    yield desk
    desk.close()
    shutil.rmtree(folder)


def test_answers_come_in_the_order_of_asking(desk: Desk) -> None:
    desk.session.ask(Stop(), desk.note)
    desk.session.ask(Keep("success"), desk.note)
    assert desk.answers == [], "asking waits for nobody"
    desk.turn()
    assert desk.heard == [Stop(), Keep("success")]
    assert desk.answers == ["Stop", "Keep"]


def test_silence_is_told_and_the_next_request_goes_through(desk: Desk) -> None:
    desk.session.ask(Arm(), desk.note)
    desk.clock.advance_s(1.5)
    desk.session.poll()
    assert len(desk.answers) == 1 and "recorder does not answer" in desk.answers[0]
    desk.session.ask(Stop(), desk.note)
    desk.turn()
    assert desk.answers[1:] == ["Stop"], "the late answer to Arm is nobody's any more"


def test_a_refusal_is_an_answer(desk: Desk) -> None:
    desk.session.ask(Arm(), desk.note)
    for _ in range(20):
        desk.server.poll(lambda _: Refused("not now"), 0.005)
        desk.session.poll()
    assert desk.answers == ["refused: not now"]
