"""The checkpoint folder: comes back as it was, and whatever is wrong with it is said by name."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from devices.errors import ConfigError, PolicyError
from policies import checkpoint, safe_folder
from policies.bc import BehaviourCloning
from policies.contract import Window
from policies.normaliser import Normaliser
from tests.policies.takes import NEEDS, SPACE


def policy(seed: int = 0, **options: object) -> BehaviourCloning:
    config = BehaviourCloning.configure(NEEDS, SPACE, **{"width": 16, "layers": 1, **options})
    rng = np.random.default_rng(0)
    batch = {
        "pose": rng.normal(size=(20, 2, 7)),
        "target": rng.normal(size=(20, 2, 3)),
        "touch": rng.normal(size=(20, 8, 6)),
        "actions": rng.normal(size=(20, 8, 4)),
    }
    normaliser = Normaliser.fit([batch], BehaviourCloning.modes(config))
    torch.manual_seed(seed)
    return BehaviourCloning(config, normaliser).eval()


def window() -> Window:
    rng = np.random.default_rng(1)
    return Window(5, {"pose": rng.normal(size=(2, 7)), "target": rng.normal(size=(2, 3))})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint.save(tmp_path / "c", policy(), step=7, seeds={"training": 3})
    return tmp_path / "c"


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / checkpoint.POLICY_FILE
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields))


def test_it_acts_as_before_it_was_saved(saved: Path) -> None:
    loaded = checkpoint.load(saved)
    assert np.array_equal(loaded.act(window()).actions, policy().act(window()).actions)
    assert loaded.needs == NEEDS and loaded.space == SPACE
    card = checkpoint.read_card(saved)
    assert (card.policy, card.step, card.seeds) == ("bc", 7, {"training": 3})
    assert card.code and card.created
    assert sorted(path.name for path in saved.iterdir()) == ["policy.json", "weights.safetensors"]


def test_loading_leaves_chance_alone(saved: Path) -> None:
    torch.manual_seed(0)
    before = torch.rand(3)
    torch.manual_seed(0)
    checkpoint.load(saved)
    assert torch.equal(torch.rand(3), before)


def test_the_digest_tells_policies_apart(saved: Path, tmp_path: Path) -> None:
    first = checkpoint.digest(saved)
    assert first == checkpoint.digest(saved)
    checkpoint.save(tmp_path / "d", policy(1))
    assert checkpoint.digest(tmp_path / "d") != first


@pytest.mark.parametrize("name", ["policy.json", "weights.safetensors"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(PolicyError, match=name):
        checkpoint.load(saved)


def test_truncated_weights_are_named_at_every_length(saved: Path) -> None:
    path = saved / checkpoint.WEIGHTS_FILE
    whole = path.read_bytes()
    for length in (0, 7, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(PolicyError, match=f"cut short: {length} of {len(whole)}"):
            checkpoint.load(saved)


def test_weights_that_changed_are_named(saved: Path) -> None:
    path = saved / checkpoint.WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(PolicyError, match="damaged, or changed while it was read"):
        checkpoint.load(saved)


def test_weights_of_another_config_are_named(saved: Path, tmp_path: Path) -> None:
    edit(saved, lambda fields: fields["config"].update(width=8))  # type: ignore[attr-defined]
    with pytest.raises(PolicyError, match=r"'net\.0\.bias' is \(16,\), not \(8,\)|and \d+ more"):
        checkpoint.load(saved)
    edit(saved, lambda fields: fields["config"].update(width=16, layers=2))  # type: ignore[attr-defined]
    with pytest.raises(PolicyError, match="is missing"):
        checkpoint.load(saved)
    nan = policy()
    with torch.no_grad():
        next(nan.parameters())[0] = torch.nan
    checkpoint.save(tmp_path / "nan", nan)
    with pytest.raises(PolicyError, match="not finite"):
        checkpoint.load(tmp_path / "nan")


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.ckpt", "x.pkl", "x"])
def test_a_pickle_is_refused_by_name_and_never_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / "given" / name
    path.parent.mkdir()
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(PolicyError, match=r"is a pickle.* would run"):
        checkpoint.load(path)
    if path.suffix:
        with pytest.raises(PolicyError, match=rf"{name}, a pickle"):
            checkpoint.load(path.parent)


def test_a_pickle_under_the_name_of_weights_is_refused(saved: Path) -> None:
    import hashlib

    torch.save({"a": torch.zeros(3)}, saved / checkpoint.WEIGHTS_FILE)
    blob = (saved / checkpoint.WEIGHTS_FILE).read_bytes()
    own = {"weights_bytes": len(blob), "weights_sha256": hashlib.sha256(blob).hexdigest()}
    edit(saved, lambda fields: fields.update(own))
    with pytest.raises(PolicyError, match="not safetensors"):
        checkpoint.load(saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 99}, "schema 99; this program reads up to"),
        ({"schema": "1"}, "schema '1'"),
        ({"schema": 0}, "schema 0, which can no longer be read"),
        ({"config": {}}, "needs"),
        ({"normaliser": {}}, "nothing normalises 'pose'"),
        ({"normaliser": {"pose": {}}}, "'pose' cannot be read"),
        ({"step": "many"}, "not as it should be"),
    ],
)
def test_a_card_that_is_wrong_is_named(saved: Path, change: dict[str, object], said: str) -> None:
    edit(saved, lambda fields: fields.update(change))
    with pytest.raises(PolicyError, match=said):
        checkpoint.load(saved)


def test_a_policy_that_is_not_installed_is_named(saved: Path) -> None:
    edit(saved, lambda fields: fields.update(policy="telepathy"))
    with pytest.raises(PolicyError, match=r"policy\.json: Unknown policy 'telepathy'.*Allowed: bc"):
        checkpoint.load(saved)


def test_other_things_are_not_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="There is no checkpoint"):
        checkpoint.load(tmp_path / "nowhere")
    (tmp_path / "note").write_text("hello")
    with pytest.raises(PolicyError, match="a checkpoint is a folder"):
        checkpoint.load(tmp_path / "note")
    checkpoint.save(tmp_path / "run" / "best", policy())
    with pytest.raises(PolicyError, match=r"Choose .*/run/best"):
        checkpoint.load(tmp_path / "run")
    (tmp_path / "run" / "best" / "policy.json").write_text("{")
    with pytest.raises(PolicyError, match="not valid JSON"):
        checkpoint.load(tmp_path / "run" / "best")


def test_old_schemas_migrate_step_by_step_and_newer_ones_are_refused() -> None:
    table = {1: lambda f: {**f, "a": 1}, 2: lambda f: {**f, "b": f["a"] + 1}}
    assert checkpoint.migrate({"schema": 1}, "x", table, 3) == {"schema": 3, "a": 1, "b": 2}
    with pytest.raises(PolicyError, match="schema 4; this program reads up to 3"):
        checkpoint.migrate({"schema": 4}, "x", table, 3)
    with pytest.raises(PolicyError, match="schema 0, which can no longer be read"):
        checkpoint.migrate({"schema": 0}, "x", table, 3)


def test_a_reader_sees_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """While one thread replaces a checkpoint, another loads it again and again."""
    ones = [policy(seed) for seed in range(2)]
    expected = [each.act(window()).actions for each in ones]
    checkpoint.save(tmp_path / "c", ones[0])
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            checkpoint.save(tmp_path / "c", ones[turn % 2])

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    try:
        for _ in range(60):
            try:
                found = checkpoint.load(tmp_path / "c").act(window()).actions
            except PolicyError as error:
                # The folder that was opened may be swept away before it was read.
                assert "has no" in str(error)
                continue
            seen.add([np.array_equal(found, each) for each in expected].index(True))
    finally:
        stop.set()
        writer.join()
    assert seen == {0, 1}


def test_what_a_kill_left_beside_a_folder_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".c.99.draft").mkdir()
    safe_folder.write_folder(tmp_path / "c", {"a": b"1"})
    safe_folder.write_folder(tmp_path / "c", {"b": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert safe_folder.read_folder(tmp_path / "c", ["b"], 10) == {"b": b"2"}
    (tmp_path / "c").rename(tmp_path / ".c.99.old")  # killed between two renames
    safe_folder.write_folder(tmp_path / "c", {"d": b"3"})
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    with pytest.raises(PolicyError, match="more than 0"):
        safe_folder.read_folder(tmp_path / "c", ["d"], 0)


def test_options_come_as_texts_and_unknown_ones_are_named() -> None:
    config = BehaviourCloning.configure(NEEDS, SPACE, width="64", lr="3e-4")
    assert (config.width, config.lr) == (64, 3e-4)  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="no option 'size'"):
        BehaviourCloning.configure(NEEDS, SPACE, size=3)
    with pytest.raises(ConfigError, match="width"):
        BehaviourCloning.configure(NEEDS, SPACE, width="wide")
    again = BehaviourCloning.read_config(json.loads(msgspec.json.encode(config)))
    assert again == config


def test_a_device_that_is_not_there_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PolicyError, match="no usable GPU"):
        checkpoint.load(saved, "cuda")
    with pytest.raises(PolicyError, match="Unknown device 'gpu'"):
        checkpoint.load(saved, "gpu")
    assert checkpoint.load(saved, "auto").device.type == "cpu"
