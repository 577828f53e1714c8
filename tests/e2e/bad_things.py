"""Bad inputs for a policy and for a training, made in a folder: each with what must be named, and
the way out that must be told."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from datasets import layout
from datasets.dataset import Dataset
from datasets.journal import Journal
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock
from devices.stream import StreamSpec
from policies import checkpoint
from policies.bc import BehaviourCloning
from policies.contract import ActionSpace, StreamNeed
from policies.normaliser import Normaliser
from policies.safe_folder import write_folder
from tests.policies.takes import reaching

POSE = StreamNeed(
    stream="right_arm/T_world_tool", key="tool", shape=(7,), unit="m,wxyz", frame="world"
)
SPACE = ActionSpace(sides=("right",), rate_hz=24.0, horizon=24)
WAYS = "(?i)copy|choose|check|serve|train|load|record|use |wait|name|look|delete|drop|start|plan"
"""Beginnings of a way out, for those cases whose way is not known more exactly."""


@dataclass(frozen=True, slots=True)
class Bad:
    """A bad input.

    Attributes:
        name: What is wrong, in a few words.
        path: What the user names.
        offender: What must be named, as a pattern.
        way: The way out, as a pattern.
        sheet: What the sheet says before anything is loaded, as a pattern; "" where it cannot know.
    """

    name: str
    path: str
    offender: str
    way: str = WAYS
    sheet: str = ""


def policy(place: Path, needs: Sequence[StreamNeed] = (POSE,), seed: int = 0) -> Path:
    """A checkpoint that learnt nothing: its actions lie in the middle of its workspace."""
    low = torch.tensor([0.25, -0.25, 0.3, 0.02])
    generator = torch.Generator().manual_seed(seed)
    batch = {
        "actions": low + 0.1 * torch.rand(50, SPACE.horizon, 4, generator=generator),
        "mask": torch.ones(50, SPACE.horizon, dtype=torch.bool),
        "weight": torch.ones(50),
    }
    for need in needs:
        batch[need.key] = torch.rand(50, need.steps, *need.shape, generator=generator)
    config = BehaviourCloning.configure(needs, SPACE, width=32, layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = BehaviourCloning(config, Normaliser.fit([batch], BehaviourCloning.modes(config)))
    checkpoint.save(place, made)
    return place


class BadPolicies:
    """Checkpoints, and what is none.

    Args:
        root: A new folder for all of them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.good = policy(root / "good" / "best")

    def all(self) -> tuple[Bad, ...]:
        """In the order of the issue."""
        return (
            *self._missing(),
            *self._cut(),
            *self._foreign(),
            *self._code(),
        )

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.good, self.root / name))

    def _missing(self) -> Iterator[Bad]:
        gone = self.root / "gone"
        yield Bad("no such folder", str(gone), "gone", "(?i)check the path", "no such folder")
        empty = self.root / "empty"
        empty.mkdir()
        yield Bad("an empty folder", str(empty), "empty", sheet="no policy.json")
        training = self.root / "good"
        yield Bad("a training, not its checkpoint", str(training), "good", "best", "best")
        lone = self._copy("no-weights")
        (lone / "weights.safetensors").unlink()
        yield Bad("weights missing", str(lone), "no weights.safetensors", "(?i)copy the folder")

    def _cut(self) -> Iterator[Bad]:
        cut = self._copy("cut-weights")
        weights = cut / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        yield Bad("safetensors cut short", str(cut), "weights.safetensors is cut", "(?i)copy the")
        half = self._copy("cut-json")
        card = half / "policy.json"
        card.write_bytes(card.read_bytes()[: card.stat().st_size // 2])
        yield Bad("policy.json cut short", str(half), "policy.json is not valid", "(?i)copy the")
        mixed = self._copy("mixed")
        other = policy(self.root / "other", seed=1)
        shutil.copy(other / "weights.safetensors", mixed)
        yield Bad("weights of another checkpoint", str(mixed), "does not belong", "(?i)copy the")
        newer = self._copy("newer")
        _edit(newer, schema=99)
        yield Bad("made by a newer program", str(newer), "schema 99", "(?i)update")

    def _foreign(self) -> Iterator[Bad]:
        six = StreamNeed(stream="right_arm/q", key="q", shape=(6,), unit="rad")
        robot = policy(self.root / "other-robot", (POSE, six))
        yield Bad("another robot: six joints", str(robot), "right_arm/q.*6", "(?i)another robot")
        base = StreamNeed(stream="base/velocity", key="base", shape=(3,), unit="m/s")
        wheels = policy(self.root / "wheels", (POSE, base))
        yield Bad("another robot: it has wheels", str(wheels), "base/velocity", "(?i)another robot")
        torso = self._copy("torso")
        config = json.loads((torso / "policy.json").read_text())["config"]
        _edit(torso, config={**config, "space": {**config["space"], "sides": ["torso"]}})
        yield Bad("another robot: it moves a torso", str(torso), "torso", "(?i)another robot")
        typo = StreamNeed(stream="right_arm/T_world_tol", key="tool", shape=(7,))
        wrong = policy(self.root / "wrong-name", (typo,))
        yield Bad("a stream's name is wrong", str(wrong), "T_world_tol", "T_world_tool")
        strange = self._copy("strange")
        _edit(strange, policy="telepathy")
        yield Bad("a policy that is not installed", str(strange), "telepathy", "bc")

    def _code(self) -> Iterator[Bad]:
        file = self.root / "policy.pt"
        file.write_bytes(pickle.dumps({"weights": [1.0]}))
        yield Bad("a pickle", str(file), "policy.pt", "(?i)serve it", "policy.pt")
        folder = self.root / "torch-run"
        folder.mkdir()
        shutil.copy(file, folder / "model.ckpt")
        yield Bad("a folder with a pickle", str(folder), "model.ckpt", "(?i)serve it", "model.ckpt")
        disguise = self._copy("disguise")
        content = pickle.dumps({"weights": list(range(5000))})
        (disguise / "weights.safetensors").write_bytes(content)
        yield Bad(
            "a pickle that is called safetensors",
            str(disguise),
            "weights.safetensors is a pickle",
            "(?i)serve it",
        )
        lerobot = self.root / "lerobot"
        lerobot.mkdir()
        (lerobot / "config.json").write_text('{"type": "act"}')
        (lerobot / "model.safetensors").write_bytes(b"x")
        yield Bad(
            "a foreign checkpoint", str(lerobot), "lerobot", "(?i)serve it", "lerobot|foreign"
        )


@contextlib.contextmanager
def changing(place: Path, root: Path) -> Iterator[None]:
    """A checkpoint whose files are written one by one, over and over, by somebody who does not do
    it all at once."""
    policies = [policy(root / f"turn-{turn}", seed=turn) for turn in (3, 4)]
    files = [{f.name: f.read_bytes() for f in each.iterdir()} for each in policies]
    write_folder(place, files[0])
    ending = threading.Event()

    def run() -> None:
        turn = 0
        while not ending.wait(0.002):
            turn += 1
            for name, content in files[turn % 2].items():
                (place / name).write_bytes(content)
                if ending.wait(0.002):
                    break
        for name, content in files[0].items():
            (place / name).write_bytes(content)

    thread = threading.Thread(target=run, name="changes")
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


# ------------------------------------------------------------------------------------- datasets
def takes(place: Path, count: int = 4) -> Dataset:
    """Takes that can be trained on: a hand that reaches for something."""
    return reaching(place, count)


def takes_of_another_robot(place: Path) -> Dataset:
    """Takes of a robot with one arm of six joints that tells no pose of its tool."""
    dataset = Dataset.create(place, "Other robot")
    specs = [
        StreamSpec("right_arm/q", (6,), "float64", "rad", "", 100.0),
        StreamSpec("right_arm/T_world_tool_requested", (7,), "float64", "m", "world", 100.0),
        StreamSpec("right_gripper/gap_requested", (1,), "float64", "m", "", 100.0),
    ]
    for number in range(2):
        uid = layout.new_uid((1_790_000_000 + number) * NS_PER_S)
        clock = FakeClock()
        t_ns = clock.now_ns() + np.arange(200) * (NS_PER_S // 100)
        pose = np.tile([0.3, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0], (200, 1))
        pose[:, 0] += np.linspace(0.0, 0.2, 200)
        rows = (np.zeros((200, 6)), pose, np.full((200, 1), 0.04))
        with EpisodeWriter(dataset, uid, specs, {"task": "reach"}, clock) as writer:
            for spec, data in zip(specs, rows, strict=True):
                writer.append(spec.name, t_ns, data, 0)
            clock.advance_s(2.0)
            writer.stop("stopped", "it was made so")
        Journal(dataset.journal, "test").verdict(uid, "success")
    return dataset


@contextlib.contextmanager
def vanishing(dataset: Dataset) -> Iterator[None]:
    """Takes that somebody moves away and back again, over and over."""
    ending = threading.Event()
    away = dataset.root / "away"
    away.mkdir()
    paths = [dataset.episode_path(uid) for uid in dataset.uids()]

    def run() -> None:
        while not ending.is_set():
            for path in paths:
                path.rename(away / path.name)
                ending.wait(0.02)
                (away / path.name).rename(path)
                ending.wait(0.005)

    thread = threading.Thread(target=run, name="moves takes")
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        away.rmdir()


def _edit(place: Path, **fields: object) -> None:
    card = place / "policy.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), **fields}))
