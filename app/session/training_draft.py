"""What the sheet of a new training asks of its clerk, and what the clerk answers. Plain values."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Literal

import msgspec

from policies.templates import Template
from policies.training_run import Plan

VerdictChoice = Literal["success", "failure", "any"]


class TakeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One episode, as the sheet lists it.

    Attributes:
        uid, number, task: As in the Library.
        verdict: "success", "failure" or "undecided".
        length_s: What counts of it after trimming [s].
        flags: Of the checks.
    """

    uid: str
    number: int
    task: str
    verdict: str
    length_s: float
    flags: tuple[str, ...] = ()


class OptionField(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a policy's config.

    Attributes:
        name: Of the field.
        kind: "bool", "int", "float", "choice" or "json" (typed as JSON: lists and the like).
        default: Its default, a plain value.
        doc: What its class says about it.
        choices: For kind "choice".
        least, most: Limits, where there are any.
    """

    name: str
    kind: Literal["bool", "int", "float", "choice", "json"]
    default: Any
    doc: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


class PolicyKind(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that trains here.

    Attributes:
        name: Of its entry point.
        title: First sentence of its file.
        preset: The needs to begin with.
        stages: What is trained one after the other.
        options: Fields of its config, without needs and space.
    """

    name: str
    title: str
    preset: str
    stages: tuple[str, ...]
    options: tuple[OptionField, ...]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """What can be trained here.

    Attributes:
        policies: Those that load.
        templates: Of these.
        broken: Names of those that do not, and why.
        presets: Names of needs.
        devices: "cpu", and "cuda" where there is a GPU.
        device_words: The GPU's name, or why there is none.
        cores: Of the processor.
    """

    policies: tuple[PolicyKind, ...]
    templates: tuple[Template, ...]
    broken: tuple[str, ...]
    presets: tuple[str, ...]
    devices: tuple[str, ...]
    device_words: str
    cores: int


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """The episodes of a dataset.

    Attributes:
        dataset: Its folder.
        rows: All that are not in the trash, in the order of recording.
        cameras: Cameras that every one of them has.
        scene: Where all of them were made; "" where that is not one scene, or unknown.
    """

    dataset: str
    rows: tuple[TakeRow, ...]
    cameras: tuple[str, ...]
    scene: str = ""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan would read.

    Attributes:
        windows, episodes, refused: For training.
        held_windows, held_episodes: On the hold-out.
        sentences: What was refused and why.
        plan: The whole plan.
    """

    windows: int
    episodes: int
    refused: int
    held_windows: int
    held_episodes: int
    sentences: tuple[str, ...]
    plan: Plan


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A short trial.

    Attributes:
        steps_per_s: Updates a second.
        updates: How many were made.
        seconds: In what time [s].
        stage: In which stage.
    """

    steps_per_s: float
    updates: int
    seconds: float
    stage: str


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What the sheet says.

    Attributes:
        dataset: Folder of the dataset.
        policy: Name of the policy.
        preset: Name of its needs, with cameras ("state+front").
        settings: Options that are not the default, name → JSON text; also of the action space and
            the plan, as in `--set` ("plan.pushed").
        verdict, task: Which takes; task "" for any.
        weights: Of takes, only such as are not 1; 0 leaves one out.
        steps, judge_every, batch, seed, hold_out, device, threads: As in `Plan`.
    """

    dataset: str
    policy: str
    preset: str = "state"
    settings: dict[str, str] = {}
    verdict: VerdictChoice = "success"
    task: str = ""
    weights: dict[str, float] = {}
    steps: int = 5000
    judge_every: int = 250
    batch: int = 64
    seed: int = 0
    hold_out: float = 0.1
    device: str = "cpu"
    threads: int = 1

    def command(self, queue: Path) -> str:
        """The command line that puts the same training into a queue.

        Weights are named by a file, which the reader has to write.
        """
        folders = ("--dataset", _typed(self.dataset), "--queue", _typed(queue))
        parts = ["--policy", self.policy, "--needs", self.preset, "--steps", str(self.steps)]
        for name, value, usual in (
            ("--batch", self.batch, 64),
            ("--seed", self.seed, 0),
            ("--hold-out", self.hold_out, 0.1),
            ("--task", self.task, ""),
            ("--device", self.device, "cpu"),
            ("--threads", self.threads, 1),
        ):
            if value != usual:
                parts += [name, str(value)]
        if self.weights:
            parts += ["--weights", "weights.json"]
        for name, text in self.settings.items():
            parts += ["--set", f"{name}={text}"]
        if self.judge_every != 250:
            parts += ["--set", f"plan.judge_every={self.judge_every}"]
        if self.verdict != "success":
            chosen = "null" if self.verdict == "any" else "failure"
            parts += ["--set", f"plan.verdict={chosen}"]
        return " ".join(("teledeck train", *folders, shlex.join(parts)))


def _typed(path: Path | str) -> str:
    """A path for a shell, which knows "~" only unquoted."""
    path, mine = Path(path), Path.home()
    if path.is_relative_to(mine) and path != mine:
        return f"~/{shlex.quote(str(path.relative_to(mine)))}"
    return shlex.quote(str(path))


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the clerk.

    Attributes:
        number: Counts up; an answer carries the same.
        what: Which question.
        dataset: For "takes".
        draft: For "count" and "measure".
    """

    number: int
    what: Literal["catalogue", "takes", "count", "measure"]
    dataset: str = ""
    draft: Draft | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A line from the clerk: how far it is, or exactly one of the results, or an error.

    Attributes:
        number: Of the question.
        done, of: How far, while it works.
        error: Why there is no answer.
    """

    number: int
    done: int = 0
    of: int = 0
    error: str = ""
    catalogue: Catalogue | None = None
    takes: Takes | None = None
    counted: Counted | None = None
    measured: Measured | None = None

    @property
    def final(self) -> bool:
        found = (self.catalogue, self.takes, self.counted, self.measured)
        return bool(self.error) or any(each is not None for each in found)
