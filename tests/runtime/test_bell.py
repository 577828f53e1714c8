"""Bells and the short way of input: nothing waits, nothing is missed, no dead one rings."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.runtime.bell import Bell, BellRope
from app.runtime.fast_line import FastPull, FastPush
from app.runtime.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    made = RunDir.create(tmp_path)
    yield made
    made.leave()


def test_a_bell_wakes_who_waits_and_is_silent_after(run: RunDir) -> None:
    bell, rope = Bell(run, "touch"), BellRope(run, "touch")
    ringer = threading.Timer(0.05, rope.pull)
    ringer.start()
    assert bell.wait(30.0)
    ringer.join()
    assert not bell.wait(0.0) and not bell.hush()
    rope.close()
    bell.close()


def test_a_bell_that_nobody_hears_never_holds_who_rings(run: RunDir) -> None:
    rope = BellRope(run, "touch")
    rope.pull()  # there is none
    bell = Bell(run, "touch")
    for _ in range(10_000):
        rope.pull()
    assert bell.hush() and not bell.hush()
    bell.close()
    rope.pull()
    assert not run.bell("touch").exists()
    rope.close()


def test_a_bell_left_by_the_dead_is_replaced(run: RunDir) -> None:
    dead, rope = Bell(run, "touch"), BellRope(run, "touch")
    living = Bell(run, "touch")
    rope.pull()
    assert living.hush() and not dead.hush()
    dead.close()
    living.close()
    rope.close()


def test_what_does_not_fit_is_told_to_the_sender_and_the_rest_comes_in_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "line"
    push = FastPush(path)
    assert not push.send(b"nobody is there")
    pull = FastPull(path)
    sent = [b"%d" % k for k in range(1000) if push.send(b"%d" % k)]
    assert 0 < len(sent) < 1000
    assert pull.wait(0.0)
    assert [frames[0] for frames in pull.take()] == sent
    assert not pull.wait(0.0)
    assert push.send(b"again")
    push.close()
    pull.close()
    pull.close()
