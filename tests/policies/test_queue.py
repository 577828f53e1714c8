"""Several trainings: one at a time, in order, whoever is killed; and the page that watches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.session.training import TrainingDesk
from app.train import work_through
from datasets.dataset import Dataset
from devices.errors import ConfigError, PolicyError
from policies import checkpoint
from policies.trainer import Trainer
from policies.training_queue import TrainingQueue
from policies.training_run import Phase, Plan, RunFolder, Status
from tests.policies.takes import reaching
from tests.policies.test_trainer import plan_for, same, weights


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return reaching(tmp_path_factory.mktemp("queue") / "set", 4)


@pytest.fixture
def plan(dataset: Dataset) -> Plan:
    return plan_for(dataset, hold_out=0.0, steps=20, save_every_s=60.0)


def in_here(folder: RunFolder) -> Status:
    return Trainer(folder).run()


def test_trainings_are_run_in_order_and_a_bad_one_does_not_stop_the_rest(
    tmp_path: Path, dataset: Dataset, plan: Plan
) -> None:
    queue = TrainingQueue(tmp_path / "runs")
    first = queue.add(plan)
    bad = queue.add(plan_for(dataset, task="nobody did this"), "bad")
    last = queue.add(plan)
    names = ["0001-bc", "0002-bad", "0003-bc"]
    assert [folder.path.name for folder in queue.runs()] == names
    assert [folder.path.name for folder in queue.work(in_here)] == names
    assert [f.status().phase for f in (first, bad, last)] == ["done", "failed", "done"]
    assert queue.work(in_here) == ()
    queue.again("0002-bad")
    assert [f.path.name for f in queue.work(in_here)] == ["0002-bad"]


@pytest.mark.parametrize(("phase", "ask"), [("stopped", "resume"), ("failed", "again")])
def test_first_come_first_served_also_for_what_somebody_lets_go_on_meanwhile(
    tmp_path: Path, plan: Plan, phase: Phase, ask: str
) -> None:
    """A runner that saw a training stop or fail takes it up again before those behind it, as soon
    as somebody asks."""
    desk = TrainingDesk(tmp_path / "runs")
    desk.start = lambda: None  # type: ignore[method-assign]  # a runner lives: below
    queue = desk.queue
    first, second, third = (queue.add(plan) for _ in range(3))
    tries: list[str] = []

    def train(folder: RunFolder) -> Status:
        tries.append(folder.path.name)
        again = tries.count(folder.path.name) > 1
        if folder.path == second.path:
            getattr(desk, ask)(first.path.name)
        status = Status(phase=phase if folder.path == first.path and not again else "done")
        with folder.locked():
            folder.write_status(status)
        return status

    queue.work(train)
    assert tries == [first.path.name, second.path.name, first.path.name, third.path.name]


def test_a_training_that_stays_ready_is_not_tried_again_unasked(tmp_path: Path, plan: Plan) -> None:
    alone = TrainingQueue(tmp_path / "alone")
    alone.add(plan)
    tried: list[RunFolder] = []

    def train(folder: RunFolder) -> Status:
        tried.append(folder)
        return folder.status()

    alone.work(train)
    assert len(tried) == 1


def test_a_training_whose_process_dies_at_its_start_has_failed_and_waits_for_nobody(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = TrainingQueue(tmp_path / "runs")
    first = queue.add(plan)
    # A process that dies before it could write anything: out of memory, say.
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert work_through(queue.root) == 1
    status = first.status()
    assert status.phase == "failed" and "ended with 1 before it began" in status.error


def test_a_status_that_cannot_be_read_stops_only_its_own(tmp_path: Path, plan: Plan) -> None:
    queue = TrainingQueue(tmp_path / "runs")
    first, second = queue.add(plan), queue.add(plan)
    (first.path / "status.json").write_text('{"phase":')
    assert [folder.path.name for folder in queue.work(in_here)] == [second.path.name]
    with pytest.raises(PolicyError, match=r"status\.json cannot be read.*Delete status\.json"):
        first.status()


def test_many_add_at_once_and_every_number_is_given_once(tmp_path: Path, plan: Plan) -> None:
    queue = TrainingQueue(tmp_path / "runs")
    names = ("bc", "other")
    threads = [
        threading.Thread(target=lambda name=name: [queue.add(plan, name) for _ in range(10)])
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [folder.path.name.split("-")[0] for folder in queue.runs()]
    assert numbers == [f"{number:04}" for number in range(1, 21)]


def test_one_runner_a_queue(tmp_path: Path, plan: Plan) -> None:
    queue = TrainingQueue(tmp_path / "runs")
    queue.add(plan)

    def train(folder: RunFolder) -> Status:
        assert queue.is_worked_on()
        with pytest.raises(PolicyError, match="worked on already"):
            TrainingQueue(queue.root).work(in_here)
        return in_here(folder)

    queue.work(train)
    assert not queue.is_worked_on()


def test_names_that_are_no_folder_names_are_refused(tmp_path: Path, plan: Plan) -> None:
    queue = TrainingQueue(tmp_path / "runs")
    for name in ("../x", "a/b", "Big", ".x", "-x"):
        with pytest.raises(ConfigError, match="cannot be called"):
            queue.add(plan, name)
    with pytest.raises(ConfigError, match="no training 'x'"):
        queue.cancel("x")


@pytest.mark.timeout(400)  # trainings step back: ten seconds of work take minutes beside others
def test_a_queue_whose_runner_is_killed_goes_on(tmp_path: Path, dataset: Dataset) -> None:
    slow = plan_for(dataset, hold_out=0.0, steps=600, save_every_s=0.3, judge_every=600)
    desk = TrainingDesk(tmp_path / "runs")
    queue = desk.queue
    first, second = queue.add(slow), queue.add(plan_for(dataset, hold_out=0.0, steps=20))
    command = [sys.executable, "-m", "app.cli", "train", "--queue", str(queue.root)]
    runner = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(lambda: first.status().step >= 20, 120.0)
        assert desk.working and desk.runs()[0].can == {"pause", "cancel"}
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    _wait(lambda: not first.is_locked())  # the training ends with its runner
    assert first.status().phase == "stopped" and second.status().phase == "waiting"
    assert not desk.working
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [view.status.phase for view in desk.runs()] == ["done", "done"]
    whole = RunFolder(tmp_path / "whole")
    whole.create(slow)
    Trainer(whole).run()
    assert same(weights(whole.path / "last"), weights(first.path / "last"))


def test_the_desk_follows_curves_through_a_resume(tmp_path: Path, plan: Plan) -> None:
    desk = TrainingDesk(tmp_path / "runs")
    folder = desk.add(plan)
    assert [view.status.phase for view in desk.runs()] == ["waiting"]
    assert desk.curves("0001-bc") == {}
    folder.add_metrics({"kind": "train", "stage": "policy", "step": 5, "loss": 3.0})
    folder.add_metrics({"kind": "train", "stage": "policy", "step": 10, "loss": 2.0})
    curve = desk.curves("0001-bc")["train", "policy", "loss"]
    assert curve.steps.tolist() == [5, 10] and curve.values.tolist() == [3.0, 2.0]
    folder.add_metrics({"kind": "train", "stage": "policy", "step": 15, "loss": 1.0})
    assert desk.curves("0001-bc")["train", "policy", "loss"].values.tolist() == [3.0, 2.0, 1.0]
    folder.cut_metrics(5)
    folder.add_metrics({"kind": "train", "stage": "policy", "step": 8, "loss": 2.5})
    assert desk.curves("0001-bc")["train", "policy", "loss"].values.tolist() == [3.0, 2.5]


def test_the_desk_pauses_cancels_and_names_what_it_cannot_read(
    tmp_path: Path, dataset: Dataset, plan: Plan
) -> None:
    desk = TrainingDesk(tmp_path / "runs")
    desk.add(plan)
    desk.add(plan)
    desk.cancel("0001-bc")
    assert [view.status.phase for view in desk.runs()] == ["cancelled", "waiting"]
    assert [f.path.name for f in desk.queue.work(in_here)] == ["0002-bc"]
    view = desk.runs()[1]
    assert view.share == 1.0 and view.checkpoint is not None
    assert checkpoint.load(view.checkpoint).name == "bc"
    (view.path / "plan.json").write_text(json.dumps({"policy": 3}))
    assert len(desk.runs()) == 1 and "plan.json cannot be read" in desk.complaints[0]


def _wait(happened: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_only_watches_is_never_in_the_way(tmp_path: Path) -> None:
    """The window looks at the locks many times a second while trainers and runners take them."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    queue = TrainingQueue(tmp_path / "queue")
    over = threading.Event()
    seen: set[tuple[bool, bool]] = set()

    def watch() -> None:
        while not over.is_set():
            seen.add((folder.is_locked(), queue.is_worked_on()))

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(300):
            with folder.locked():
                assert folder.is_locked()
                with pytest.raises(PolicyError, match="being trained already"), folder.locked():
                    pass
            with queue._locked():
                assert queue.is_worked_on()
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    assert not folder.is_locked() and not queue.is_worked_on()
    assert (False, False) in seen
