"""`teledeck train`: plans from what is in the dataset, trains, and goes on; presets of needs."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from app.cli import main
from app.train import in_words, make_plan
from datasets.dataset import Dataset
from devices.errors import ConfigError, StorageError
from policies import checkpoint
from policies.presets import needs_of, presets, sides_of, space_of
from policies.trainer import Trainer
from policies.training_run import RunFolder, Status
from tests.policies.takes import reaching


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return reaching(tmp_path_factory.mktemp("command") / "set", 3)


def test_a_preset_without_touch_has_none() -> None:
    both = ("left", "right")
    assert {need.stream.split("/")[1] for need in needs_of("state", both)} == {
        "T_world_tool",
        "gap",
    }
    for name in presets():
        needs = needs_of(f"{name}+front", both)
        assert len({need.key for need in needs}) == len(needs)
        assert needs[-1].stream == "front/rgb"
        least = "sent" if name.startswith("sent") else "state"
        assert set(needs_of(least, both)) <= set(needs)
    spans = {need.span for need in needs_of("reactive", ("right",))}
    assert spans == {"window", "chunk"}
    with pytest.raises(ConfigError, match=r"no preset of needs 'smell'.*Allowed: state, touch"):
        needs_of("smell", both)


def test_who_drove_is_looked_up_in_the_takes(dataset: Dataset, tmp_path: Path) -> None:
    assert sides_of(dataset) == ("right",)
    with pytest.raises(StorageError, match="did anybody drive"):
        sides_of(reaching(tmp_path / "still", 1, asked=False))


def test_settings_go_where_they_belong_and_bad_ones_are_named(dataset: Dataset) -> None:
    settings = ["width=32", "space.horizon=4", "plan.stride=3"]
    plan = make_plan(dataset.root, "bc", "touch", settings, steps=7, seed=None)
    assert (plan.config["width"], plan.config["space"]["horizon"]) == (32, 4)
    assert (plan.stride, plan.steps, plan.seed) == (3, 7, 0)
    for setting, said in (
        ("width", "cannot be set"),
        ("robot.x=1", "cannot be set"),
        ("wide=1", "no option 'wide'"),
        ("space.size=1", "has no 'size'"),
        ("space.horizon=0", "cannot be asked for"),
        ("plan.stride=soon", "stride"),
        ("plan.batch=0", "batch is 0"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_plan(dataset.root, "bc", "touch", [setting])
    with pytest.raises(ConfigError, match="telepathy"):
        make_plan(dataset.root, "telepathy", "touch")


def test_the_command_trains_and_goes_on(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["train", "--dataset", str(dataset.root), "--policy", "bc", "--needs", "touch"]
    command += ["--steps", "40", "--set", "width=16", "--hold-out", "0", "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "windows from 3 episodes" in said and "25 of 40" in said and "done after 40" in said
    assert checkpoint.read_card(out / "best").policy == "bc"
    assert main(command) == 0
    assert "25 of 40" not in capsys.readouterr().out
    assert main([*command, "--seed", "5"]) == 2
    assert "holds another training: seed differs" in capsys.readouterr().err


def test_a_training_steps_back_and_its_caller_does_not(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before, seen = niceness(), []
    run = Trainer.run

    def look(trainer: Trainer) -> Status:
        seen.append(niceness())
        return run(trainer)

    monkeypatch.setattr(Trainer, "run", look)
    command = ["train", "--dataset", str(dataset.root), "--policy", "bc", "--set", "width=16"]
    assert main([*command, "--steps", "2", "--hold-out", "0", "--out", str(tmp_path / "x")]) == 0
    assert seen == [min(19, before + 10)] and niceness() == before
    assert main([*command, "--device", "tpu", "--out", str(tmp_path / "y")]) == 1
    assert niceness() == before


def test_the_command_fills_a_queue(dataset: Dataset, tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text(json.dumps({dataset.uids()[0]: 0.5}))
    command = ["train", "--dataset", str(dataset.root), "--policy", "bc", "--weights", str(weights)]
    assert main([*command, "--queue", str(tmp_path / "runs")]) == 0
    plan = RunFolder(tmp_path / "runs" / "0001-bc").plan()
    assert plan.weights == {dataset.uids()[0]: 0.5}
    assert main(["train", "--out", str(tmp_path / "x")]) == 2
    weights.write_text("[]")
    assert main([*command, "--queue", str(tmp_path / "runs")]) == 2


def test_times_are_told_in_words() -> None:
    assert [in_words(s) for s in (4.6, 100, 5400, 12_345)] == [
        "5 s",
        "2 min",
        "1 h 30 min",
        "3 h 26 min",
    ]


def test_a_space_that_cannot_be_is_named() -> None:
    with pytest.raises(ConfigError, match="1000 Hz"):
        space_of(("right",), rate_hz=1000)


def test_bad_input_is_named_with_the_way_out(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    train = ["train", "--dataset", str(dataset.root), "--policy", "bc", "--steps", "2"]
    train += ["--set", "width=16", "--hold-out", "0", "--out", str(out)]
    assert main(train) == 0
    best = out / "best"

    def broken(name: str, content: bytes | None) -> Path:
        place = tmp_path / f"broken-{name}"
        shutil.copytree(best, place)
        (place / name).unlink()
        if content is not None:
            (place / name).write_bytes(content)
        return place

    pickle = tmp_path / "policy.pkl"
    pickle.write_bytes(b"x")
    (out / "plan.json").write_text("{")
    evaluate = ["evaluate", "--scene", "wipe", "-n", "1", "--out", str(tmp_path / "t"), "--policy"]
    for command, said, way in (
        ([*evaluate, str(broken("policy.json", b"{"))], "not valid JSON", "Copy the folder again"),
        ([*evaluate, str(broken("weights.safetensors", None))], "has no weights", "Copy the"),
        ([*evaluate, str(pickle)], "would run whatever code", "Serve it from its own"),
        ([*evaluate, str(tmp_path / "x")], "There is no checkpoint", "Check the path"),
        (train, "plan.json cannot be read", "in another folder"),
        ([*train, "--weights", str(tmp_path / "no.json")], "cannot be read", "must be a JSON file"),
        (["train", "--queue", str(tmp_path / "none")], "no queue at", "Check the path"),
    ):
        assert main(command) in (1, 2), command
        told = capsys.readouterr().err
        assert said in told and way in told, told
    assert not (tmp_path / "none").exists()
