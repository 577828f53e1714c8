"""A batch: the same starts for all, resumed where it was, side by side as in one process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.evaluate import BOOK, evaluate
from app.rollout.room import Batch, Room
from datasets.dataset import Dataset
from datasets.reader import Episode
from devices.errors import ConfigError, PolicyError
from policies.checkpoint import digest
from policies.evaluation.trials import TrialBook
from policies.serving import standalone
from tests.serving import served_sine
from tests.serving.test_checkpoint import saved


def batch(out: Path, *policies: str, seeds: tuple[int, ...] = (1,), **more: object) -> Batch:
    return Batch(policies or ("scripted",), "drawer", "", seeds, str(out), **more)  # type: ignore[arg-type]


def test_a_batch_is_resumed_where_it_was(tmp_path: Path) -> None:
    said: list[str] = []
    evaluate(batch(tmp_path, seeds=(1,)), workers=1, say=said.append)
    before = (tmp_path / BOOK).read_bytes()
    evaluate(batch(tmp_path, seeds=(1, 2)), workers=1, say=said.append)
    after = (tmp_path / BOOK).read_bytes()
    assert after.startswith(before) and after.count(b"\n") == 2
    assert any("1 of 2 rollouts are there" in line for line in said)
    assert all(trial.verdict == "success" for trial in TrialBook(tmp_path / BOOK))


def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    policies = ("scripted", "scripted-blind")
    for name, workers in (("one", 1), ("two", 2)):
        run = batch(tmp_path / name, *policies, seeds=(3, 4), limit_s=2.0)
        evaluate(run, workers=workers, say=lambda _: None)

    def facts(name: str) -> set[tuple[object, ...]]:
        book = TrialBook(tmp_path / name / BOOK)
        return {(t.policy, t.seed, t.verdict, t.score, t.seconds, t.peak_n) for t in book}

    assert facts("one") == facts("two") and len(facts("one")) == 4


def test_a_kept_rollout_is_an_ordinary_episode(tmp_path: Path) -> None:
    evaluate(batch(tmp_path, keep=True, limit_s=1.0), workers=1, say=lambda _: None)
    (trial,) = TrialBook(tmp_path / BOOK)
    dataset = Dataset.open(tmp_path / "rollouts")
    with Episode.open(dataset.episode_path(trial.uid)) as episode:
        assert episode.start["seed"] == 1 and episode.start["leader"] == "scripted"
        assert len(episode["sim/state"]) == 500 and len(episode["right_arm/q_sent"]) == 250


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"policies": ("nowhere",)}, "scripted-blind"),
        ({"scene": "wype"}, "wipe"),
        ({"perturb": "eaten"}, "moved_after_contact"),
    ],
)
def test_what_is_unknown_is_refused_by_name(
    tmp_path: Path, change: dict[str, object], names: str
) -> None:
    fields = {
        "policies": ("scripted",),
        "scene": "drawer",
        "perturb": "",
        "seeds": (1,),
        "out": str(tmp_path),
    }
    with pytest.raises(ConfigError, match=names):
        evaluate(Batch(**{**fields, **change}), say=lambda _: None)  # type: ignore[arg-type]


def test_a_worker_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(3)\n")
    with pytest.raises(PolicyError, match="status 3"):
        evaluate(batch(tmp_path / "out", seeds=(1, 2)), workers=2, say=lambda _: None)


def test_a_policy_that_was_replaced_meanwhile_is_not_credited(tmp_path: Path) -> None:
    saved(tmp_path / "best", seed=1)
    place = str(tmp_path / "best")
    known = {place: ("bc best", digest(place)[:16])}
    tried = batch(tmp_path / "out", place, limit_s=0.2)
    assert Room(tried, "", known).trial(place, 1).digest == known[place][1]
    saved(tmp_path / "best", seed=2)
    with pytest.raises(PolicyError, match=r"best changed since.*Copy the folder first"):
        Room(tried, "", known).trial(place, 1)


# ------------------------------------------------------------------------- policies behind servers
@pytest.fixture
def served() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A policy in another process, as a user serves it: its address, and the process."""
    policy = Path(served_sine.__file__)
    process = subprocess.Popen(
        [sys.executable, standalone.__file__, str(policy), "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1], process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_policy_behind_a_server_drives(
    tmp_path: Path, served: tuple[str, subprocess.Popen[str]]
) -> None:
    run = batch(tmp_path, served[0], seeds=(1, 2), limit_s=2.0, keep=True)
    evaluate(run, say=lambda _: None)
    trials = tuple(TrialBook(tmp_path / BOOK))
    assert [(t.policy, t.digest, t.seed) for t in trials] == [
        ("sine (server)", "none", 1),
        ("sine (server)", "none", 2),
    ]
    assert all(t.infer_ms and t.infer_ms > 0 and t.misses == 0 for t in trials)
    with Episode.open(Dataset.open(tmp_path / "rollouts").episode_path(trials[0].uid)) as episode:
        height = episode["right_arm/T_world_tool"].values[:, 2]
    # It is told to swing 2 cm up and down; what the guard lets through of that is a good part.
    assert 0.01 < height.max() - height.min() < 0.05


def test_a_server_of_the_same_weights_is_not_tried_twice(
    tmp_path: Path, served: tuple[str, subprocess.Popen[str]]
) -> None:
    for _ in range(2):
        evaluate(batch(tmp_path, served[0], limit_s=0.5), say=lambda _: None)
    assert len(tuple(TrialBook(tmp_path / BOOK))) == 1


def test_a_server_that_dies_costs_no_verdict(
    tmp_path: Path, served: tuple[str, subprocess.Popen[str]]
) -> None:
    def kill(line: str) -> None:
        if "seed 1 " in line:
            served[1].kill()
            served[1].wait()

    with pytest.raises(PolicyError, match="cannot be reached"):
        evaluate(batch(tmp_path, served[0], seeds=(1, 2), limit_s=0.5), say=kill)
    assert [trial.seed for trial in TrialBook(tmp_path / BOOK)] == [1]


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be reached"):
        evaluate(batch(tmp_path, "ws://127.0.0.1:1"), say=lambda _: None)
    with pytest.raises(PolicyError, match="is not on this machine"):
        evaluate(batch(tmp_path, "ws://10.0.0.5:8000"), say=lambda _: None)
