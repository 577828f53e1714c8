"""LeRobot's ACT by the examples of the docs: what they read here, and the whole way where LeRobot
is there (LEROBOT_PYTHON names the python of its environment)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import main
from app.evaluate import BOOK, evaluate
from app.rollout.room import Batch
from datasets.dataset import Dataset
from datasets.journal import Journal
from datasets.reader import Episode
from datasets.window_actions import action_rows
from devices.errors import StorageError
from policies.contract import ActionSpace
from policies.evaluation.trials import TrialBook
from policies.serving import standalone

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PYTHON = os.environ.get("LEROBOT_PYTHON", "")


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """The trainer, which imports LeRobot only when it trains."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield import_module("lerobot_train")
    finally:
        sys.path.remove(str(EXAMPLES))
        for name in ("lerobot_train", "lerobot_act"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    place = tmp_path_factory.mktemp("lerobot") / "takes"
    call = ["collect", "--headless", "--fast", "--scene", "drawer", "--seed", "1", "-n", "1"]
    assert main([*call, "--dataset", str(place)]) == 0
    return Dataset.open(place)


def test_the_example_reads_what_our_own_trainings_read(example: ModuleType, takes: Dataset) -> None:
    (uid,) = takes.uids()
    ((path, trim),) = example.successes(takes.root)
    assert path == takes.episode_path(uid) and trim is None
    read = example.read(path, ["right"], 12.0, None)
    with Episode.open(path) as episode:
        first = int(episode["right_arm/T_world_tool_requested"].t_ns[0])
        count = len(read["action"])
        at_ns = first + np.arange(count) * round(1e9 / 12.0)
        space = ActionSpace(sides=("right",), rotation=True, rate_hz=12.0)
        np.testing.assert_allclose(read["action"], action_rows(episode, space, at_ns), atol=1e-12)
    assert read["observation.state"].shape == (count, 8) and count > 60
    assert read["observation.environment_state"].shape == (count, 7)
    made = example.windows([read], 16)
    assert made["action"].shape == (count, 16, 10)
    assert made["action_is_pad"].sum(1).tolist() == [max(0, n + 16 - count) for n in range(count)]


MOVES: dict[str, Callable[[Journal, str], object]] = {
    "good": lambda journal, uid: journal.verdict(uid, "success"),
    "bad": lambda journal, uid: journal.verdict(uid, "failure"),
    "delete": lambda journal, uid: journal.delete(uid),
    "restore": lambda journal, uid: journal.restore(uid),
    "trim": lambda journal, uid: journal.trim(uid, (5, 9)),
    "whole": lambda journal, uid: journal.trim(uid, None),
    "undo": lambda journal, uid: journal.undo(),
    "redo": lambda journal, uid: journal.redo(),
}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.sampled_from("ab")), max_size=12))
def test_the_example_counts_the_takes_that_count(
    example: ModuleType,
    tmp_path_factory: pytest.TempPathFactory,
    moves: list[tuple[str, str]],
) -> None:
    root = tmp_path_factory.mktemp("journal")
    uids = {"a": "20260101T000000000Z-aaaaaa", "b": "20260101T000000000Z-bbbbbb"}
    journal = Journal(root / "journal.jsonl", by="test")
    journal.note(uids["a"], "begun")
    for move, which in moves:
        try:
            MOVES[move](journal, uids[which])
        except StorageError:  # nothing to undo
            continue
    state = journal.state
    wanted = [
        (root / "episodes" / f"{uid}.h5", state.of(uid).trim_ns)
        for uid in uids.values()
        if state.of(uid).verdict == "success" and not state.of(uid).deleted
    ]
    assert example.successes(root) == wanted


@pytest.mark.skipif(
    not PYTHON, reason="LEROBOT_PYTHON names no python with lerobot 0.4.4 (docs/policy-server.md)"
)
def test_a_checkpoint_that_lerobot_trained_drives(takes: Dataset, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    line = [PYTHON, EXAMPLES / "lerobot_train.py", takes.root, checkpoint]
    subprocess.run([*line, "--updates", "5"], check=True, stdout=subprocess.DEVNULL)
    assert json.loads((checkpoint / "config.json").read_text())["type"] == "act"
    process = subprocess.Popen(
        [PYTHON, standalone.__file__, EXAMPLES / "lerobot_act.py", "--port", "0"],
        env={**os.environ, "CHECKPOINT": str(checkpoint)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = next(x.split()[-1] for x in iter(process.stdout.readline, "") if "Serving" in x)
        run = Batch((address,), "drawer", "", (1,), str(tmp_path / "out"), limit_s=2.0)
        evaluate(run, say=lambda _: None)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    (trial,) = TrialBook(tmp_path / "out" / BOOK)
    assert trial.policy == "lerobot-act (server)" and len(trial.digest) == 16
    assert trial.misses == 0 and trial.infer_ms and trial.infer_ms > 0
