"""Bad input, the quick part: every case on the command line, and one policy that drives on while
others are refused beside it. The whole of it, in the window: `python -m tests.e2e.bad_input`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from app.cli import main
from app.runtime.requests import PolicyUse
from datasets.lock import FileLock
from policies.checkpoint import digest
from policies.training_queue import TrainingQueue
from policies.training_run import LOCK, RunFolder
from tests.e2e.bad_input import SCENE, bad_trainings, train_line
from tests.e2e.bad_things import Bad, BadPolicies, changing, takes
from tests.e2e.bad_window import judge
from tests.serving.real_run import RealRun


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def refuses(bad: Bad, line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command is refused in words that name it, and the way out."""
    assert main(line) in (1, 2), bad.name
    words = capsys.readouterr().err
    assert words.startswith("teledeck: ") and not judge(bad, words), (bad.name, words)


def test_no_bad_policy_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--scene", SCENE, "-n", "1", "--workers", "1", "--out", str(tmp_path / "out")]
    for bad in BadPolicies(tmp_path / "policies").all():
        refuses(bad, ["evaluate", "--policy", bad.path, *out], capsys)
    assert not (tmp_path / "out" / "trials.jsonl").exists()


def test_a_policy_that_changes_is_read_whole_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "changing"
    line = ["evaluate", "--policy", str(place), "--scene", SCENE, "-n", "1", "--workers", "1"]
    with changing(place, tmp_path):
        whole = {digest(tmp_path / f"turn-{turn}")[:16] for turn in (3, 4)}
        code = main([*line, "--limit-s", "0.1", "--out", str(tmp_path / "out")])
    told = capsys.readouterr()
    if code:
        assert not judge(Bad("it changes", str(place), "changing", "(?i)again|copy"), told.err)
    else:
        (book,) = (tmp_path / "out").glob("trials.jsonl")
        assert any(mark in book.read_text() for mark in whole)


def test_no_bad_training_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = takes(tmp_path / "takes", 3).root
    for number, (bad, more) in enumerate(bad_trainings(tmp_path, good)):
        out = () if "--out" in more else ("--out", str(tmp_path / f"run-{number}"))
        refuses(bad, [*train_line(Path(bad.path)), *out, *more], capsys)


def test_a_folder_and_a_queue_belong_to_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = takes(tmp_path / "takes", 2).root
    line = [*train_line(good), "--hold-out", "0"]
    run = tmp_path / "run"
    assert main([*line, "--out", str(run)]) == 0
    (run / "status.json").unlink()  # as if it were at work
    with RunFolder(run).locked():
        mine = Bad("two on one folder", "", f"process {os.getpid()}", "(?i)wait")
        refuses(mine, [*line, "--out", str(run)], capsys)
    other = Bad("another plan", "", "seed differs", "(?i)new folder")
    refuses(other, [*line, "--out", str(run), "--seed", "3"], capsys)
    queue = TrainingQueue(tmp_path / "queue")
    queue.add(RunFolder(run).plan())
    (queue.root / "queue.lock").touch()
    lock = FileLock(queue.root / "queue.lock")
    try:
        second = Bad("two runners", "", "is worked on already", "in turn")
        refuses(second, ["train", "--queue", str(queue.root)], capsys)
    finally:
        lock.release()
    assert (run / LOCK).exists()


def test_a_training_is_cancelled_before_it_has_read_anything(tmp_path: Path) -> None:
    """The word comes right after the folder is somebody's: it is heard."""
    from policies.trainer import Trainer

    good = takes(tmp_path / "takes", 2).root
    line = [*train_line(good, 500_000), "--hold-out", "0"]
    assert main([*line, "--queue", str(tmp_path / "queue")]) == 0
    (folder,) = TrainingQueue(tmp_path / "queue").runs()

    def say(status: object) -> None:
        if getattr(status, "phase", "") == "reading":
            TrainingQueue(tmp_path / "queue").cancel(folder.path.name)

    assert Trainer(folder, say).run().phase == "cancelled"


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_the_old_policy_drives_on_while_others_are_refused(tmp_path: Path) -> None:
    policies = BadPolicies(tmp_path / "policies")
    cases = {bad.name: bad for bad in policies.all()}
    with RealRun(module="app.runtime.policy_process") as run:
        slot = run.drive(str(policies.good))
        before = run.session.policies[slot].misses
        bad = cases["a stream's name is wrong"]
        other = run.load(bad.path)
        status = run.session.policies[other]
        assert other != slot and status.phase == "failed"
        assert not judge(bad, status.text), status.text
        assert run.phase(slot) == "driving"
        assert run.session.policies[slot].misses == before
        refused = run.session.request(PolicyUse(other))
        assert "not ready" in getattr(refused, "why", "")
        assert not run.supervisor.crashes
