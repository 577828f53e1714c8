"""Policies of ours, trained for a moment on scripted takes, drive in their own processes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from app.fast_collect import fast_collect
from app.runtime.requests import Arm, Keep, PolicyUse, Start, Stop
from app.runtime.station_file import StationFile
from app.train import make_plan
from datasets.dataset import Dataset
from datasets.lock import is_held
from datasets.reader import Episode
from policies import checkpoint
from policies.trainer import Trainer
from policies.training_run import RunFolder
from tests.serving.real_run import RealRun

pytestmark = pytest.mark.slow

SMALL = {
    "rdp": ("reactive", ["widths=[16,32]", "inference_steps=4"]),
    "diffusion": ("touch", ["widths=[16,32]", "inference_steps=4"]),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each, after a few updates: it knows little, but it is one."""
    folder = tmp_path_factory.mktemp("trained")
    fast_collect(StationFile(scene="drawer"), folder / "data", takes=2, say=lambda _: None)
    found = {}
    for name, (needs, settings) in SMALL.items():
        plan = make_plan(folder / "data", name, needs, settings, steps=20, hold_out=0.0)
        run = RunFolder(folder / name)
        run.create(plan)
        assert Trainer(run).run().phase == "done"
        found[name] = folder / name / "best"
    return found


def test_they_drive_and_a_rollout_has_every_inference(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    with RealRun(with_children=("station", "recorder"), module="app.runtime.policy_process") as run:
        run.session.open_dataset(tmp_path / "data", task="drawer")
        slots = {}
        for name, path in trained.items():
            slot = slots[name] = run.load(str(path))
            status = run.session.policies[slot]
            assert status.phase == "ready" and status.name == name, status.text
            assert status.reacts == (name == "rdp")
            assert status.digest == checkpoint.digest(path)
        assert len(set(slots.values())) == 2
        for name, slot in slots.items():
            run.ask(PolicyUse(slot, seed=1))
            run.until(lambda slot=slot: run.phase(slot) == "driving")  # type: ignore[misc]
            run.ask(Arm())
            uid = _started(run, name)
            run.poll(3.0)
            status = run.session.policies[slot]
            assert run.session.recorder is not None
            assert run.session.recorder.state == "recording", run.session.recorder.text
            run.ask(Stop())
            run.ask(Keep("failure"))
            # On a machine that is busy with other things it may hold for a moment.
            run.until(lambda slot=slot: run.phase(slot) == "driving")  # type: ignore[misc]
            assert status.acts > 3 and np.isfinite(status.infer_p99_ms)
            assert np.isfinite(status.react_p99_ms) == (name == "rdp")
            _judge(Dataset.open(tmp_path / "data").episode_path(uid), slot, name, status.digest)


def _started(run: RealRun, name: str) -> str:
    reply = run.session.request(Start(task=name))
    uid = getattr(reply, "uid", "")
    assert uid, reply
    return str(uid)


def _judge(path: Path, slot: str, name: str, digest: str) -> None:
    while is_held(path):
        time.sleep(0.02)
    with Episode.open(path) as episode:
        policy = episode.start["policy"]
        assert (policy["slot"], policy["name"], policy["digest"]) == (slot, name, digest)
        assert policy["seed"] == 1
        timing, chunks = episode[f"{slot}/timing"], episode[f"{slot}/chunk"]
        assert len(timing) > 3 and abs(len(timing) - len(chunks)) <= 1
        assert (timing.values[:, 1] > 0.0).all(), "how long each inference took"
        if name == "rdp":
            assert len(episode[f"{slot}/action"]) > 100
            expected = episode[f"{slot}/expects/right_arm/wrench"]
            assert expected.spec.unit == "N,N m" and np.isfinite(expected.values).all()
            assert expected.values.shape[1:] == (chunks.values.shape[1], 6)
            assert np.isin(expected.t_ns, chunks.t_ns).all(), "of these chunks"
        else:
            assert not [name for name in episode.specs if name.startswith(f"{slot}/expects/")]
        drive = episode["policy/drive"].values
        assert (drive[:, 1] == 1.0).any(), "it is followed"
        seen = drive[np.flatnonzero(np.diff(drive[:, 9])) + 1, 9]
        assert np.isin(timing.values[1:-1, 1], seen).mean() > 0.8, "each inference is there too"
