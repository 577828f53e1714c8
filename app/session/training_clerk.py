"""The process that reads datasets and policies for the training page: lines of JSON in and out.

A process and no thread, so that importing torch and opening fifty files never costs the window a
frame. A question that comes in while an older one of the same kind is being answered ends that one.
It ends with its standard input, and so with the window.
"""

from __future__ import annotations

import inspect
import os
import re
import select
import sys
import tempfile
import time
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from app.runtime import priority
from app.session.training_draft import (
    Answer,
    Ask,
    Catalogue,
    Counted,
    Draft,
    Measured,
    OptionField,
    PolicyKind,
    TakeRow,
    Takes,
)
from datasets.dataset import Dataset
from datasets.library import EpisodeCard, Library
from datasets.window_choice import Choice
from datasets.windows import EpisodeDataset
from devices import plugins
from devices.errors import TeledeckError
from policies.training_run import Plan, RunFolder, Status

TRIAL_S = 3.0
_NICE = 10


class _Outdated(Exception):
    """A newer question waits."""


class _Clerk:
    def __init__(self) -> None:
        self._buffer = b""
        self._ended = False

    def work(self) -> None:
        """Answer until standard input ends."""
        while (ask := self._next()) is not None:
            try:
                answer = self._answer(ask)
            except _Outdated:
                continue
            except TeledeckError as error:
                answer = Answer(number=ask.number, error=str(error))
            except Exception as error:  # noqa: BLE001 (whatever a plug-in does: told, and the clerk stays)
                text = f"{type(error).__name__}: {error}"
                answer = Answer(number=ask.number, error=text)
            self._say(answer)

    def _answer(self, ask: Ask) -> Answer:
        number = ask.number
        if ask.what == "catalogue":
            return Answer(number=number, catalogue=catalogue())
        if ask.what == "takes":
            return Answer(number=number, takes=self._takes(ask))
        if ask.draft is None:
            return Answer(number=number, error=f"'{ask.what}' needs a draft")
        if ask.what == "count":
            return Answer(number=number, counted=self._count(ask, ask.draft))
        return Answer(number=number, measured=measure(plan_of(ask.draft)))

    # ---------------------------------------------------------------------------------- the pipe
    def _next(self) -> Ask | None:
        """The newest question that waits; older ones are dropped unless they differ in kind."""
        while b"\n" not in self._buffer:
            if self._ended or not self._fill(None):
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return msgspec.json.decode(line, type=Ask)

    def _fill(self, timeout: float | None) -> bool:
        ready, _, _ = select.select([0], [], [], timeout)
        if not ready:
            return False
        more = os.read(0, 1 << 16)
        self._ended = not more
        self._buffer += more
        return bool(more)

    def _say(self, answer: Answer) -> None:
        os.write(1, msgspec.json.encode(answer) + b"\n")

    def _progress(self, ask: Ask, done: int, of: int) -> None:
        self._fill(0.0)
        if self._ended or any(
            msgspec.json.decode(line, type=Ask).what == ask.what
            for line in self._buffer.split(b"\n")[:-1]
        ):
            raise _Outdated
        self._say(Answer(number=ask.number, done=done, of=of))

    # ---------------------------------------------------------------------------------- reading
    def _takes(self, ask: Ask) -> Takes:
        dataset = Dataset.open(Path(ask.dataset))
        library = Library(
            dataset, progress=lambda done, of: self._progress(ask, done, of), mend=False
        )
        cards = library.cards()
        cameras: set[str] = set(cards[0].facts.cameras) if cards else set()
        for card in cards:
            cameras &= set(card.facts.cameras)
        names = tuple(sorted(name.removesuffix("/rgb") for name in cameras))
        scenes = {card.facts.scene for card in cards}
        return Takes(
            dataset=str(dataset.root),
            rows=tuple(map(_row, cards)),
            cameras=names,
            scene=scenes.pop() if len(scenes) == 1 else "",
        )

    def _count(self, ask: Ask, draft: Draft) -> Counted:
        plan = plan_of(draft)
        read = {}
        for half, split in enumerate(("train", "hold-out")):
            read[split] = _read(
                plan, split, lambda d, n, h=half: self._progress(ask, d + h * n, 2 * n)
            )
        train, held = read["train"].reading, read["hold-out"].reading
        return Counted(
            windows=train.windows,
            episodes=train.episodes,
            refused=train.refused,
            held_windows=held.windows,
            held_episodes=held.episodes,
            sentences=train.sentences[1:],
            plan=plan,
        )


def _row(card: EpisodeCard) -> TakeRow:
    return TakeRow(
        uid=card.uid,
        number=card.number,
        task=card.task,
        verdict=card.verdict if card.judged else "undecided",
        length_s=card.length_s,
        flags=tuple(flag for flag in card.flags if flag != "unjudged"),
    )


def plan_of(draft: Draft) -> Plan:
    """The plan of a draft, by the same way as the command line's.

    Raises:
        ConfigError: For an option that does not fit.
        StorageError: If the dataset cannot be read, or nobody drove in it.
    """
    from app.train import make_plan

    settings = [f"{name}={text}" for name, text in draft.settings.items()]
    plan = make_plan(
        Path(draft.dataset),
        draft.policy,
        draft.preset,
        settings,
        steps=draft.steps,
        batch=draft.batch,
        seed=draft.seed,
        hold_out=draft.hold_out,
        task=draft.task or None,
        weights=draft.weights,
        device=draft.device,
        threads=draft.threads,
    )
    verdict = None if draft.verdict == "any" else draft.verdict
    return msgspec.structs.replace(plan, verdict=verdict, judge_every=draft.judge_every)


def _read(plan: Plan, split: Any, progress: Any) -> EpisodeDataset:
    from policies.checkpoint import policy_class

    config: Any = policy_class(plan.policy).read_config(plan.config)
    choice = Choice(
        split=split,
        hold_out=plan.hold_out,
        seed=plan.hold_out_seed,
        verdict=plan.verdict,
        task=plan.task,
        stride=plan.stride,
        span=plan.span,
        idle=plan.idle,
        pushed=plan.pushed,
    )
    return EpisodeDataset(
        Dataset.open(Path(plan.dataset)),
        config.needs,
        config.space,
        choice,
        weights=plan.weights,
        progress=progress,
    )


def measure(plan: Plan, seconds: float = TRIAL_S) -> Measured:
    """Train for some seconds in a folder that is thrown away, as the real training would.

    Raises:
        PolicyError: If it was too slow to tell; and whatever a training raises.
    """
    from devices.errors import PolicyError
    from policies.trainer import Trainer

    with tempfile.TemporaryDirectory(prefix="teledeck-trial-") as folder:
        run = RunFolder(Path(folder) / "run")
        never = max(plan.steps, 10) * 10
        run.create(msgspec.structs.replace(plan, log_every=5, judge_every=never, save_every_s=1e9))
        began = [0.0]

        def look(status: Status) -> None:
            if status.phase == "training":
                began[0] = began[0] or time.monotonic()
                if time.monotonic() - began[0] > seconds:
                    trainer.stop()

        trainer = Trainer(run, look)
        trainer.run()
        lines = [line for line in run.metrics()[0] if line["kind"] == "train"]
    # The first report counts what is only paid once.
    lines = lines[1:] or lines
    if not lines:
        raise PolicyError("The trial was too slow to tell: not five updates were made")
    counted = [line for line in lines if line["stage"] == lines[0]["stage"]]
    spent = sum(5 / line["steps_per_s"] for line in counted)
    updates = 5 * len(counted)
    return Measured(
        steps_per_s=updates / spent, updates=updates, seconds=spent, stage=counted[0]["stage"]
    )


# ------------------------------------------------------------------------------------- catalogue
def catalogue() -> Catalogue:
    """What can be trained here."""
    import torch

    from policies.presets import GLANCES, presets
    from policies.templates import TEMPLATES
    from policies.trainable import TrainablePolicy

    found, broken = plugins.survey("policies")
    trainable = [
        kind
        for kind in found.values()
        if isinstance(kind, type) and issubclass(kind, TrainablePolicy)
    ]
    gpu = torch.cuda.is_available()
    return Catalogue(
        policies=tuple(describe(kind) for kind in trainable),
        templates=tuple(each for each in TEMPLATES if each.policy in found),
        broken=tuple(f"{each.name}: {each.reason}" for each in broken),
        presets=(*presets(), *GLANCES),
        devices=("cpu", "cuda") if gpu else ("cpu",),
        device_words=torch.cuda.get_device_name(0) if gpu else "No GPU was found here",
        cores=os.cpu_count() or 1,
    )


def describe(kind: Any) -> PolicyKind:
    """A policy class as the sheet needs it: options from the fields of its config."""
    module = inspect.getdoc(sys.modules[kind.__module__]) or kind.__doc__ or kind.name
    docs = field_docs(kind.Config)
    options = []
    for each in msgspec.structs.fields(kind.Config):
        if each.name in ("needs", "space"):
            continue
        default = each.default
        if default is msgspec.NODEFAULT:
            default = each.default_factory()
        options.append(_option(each.name, each.type, default, docs.get(each.name, "")))
    return PolicyKind(
        name=kind.name,
        title=" ".join(module.split("\n\n")[0].split()).rstrip("."),
        preset="reactive" if kind.reacts else "state",
        stages=kind.stages,
        options=tuple(options),
    )


def _option(name: str, declared: Any, default: Any, doc: str) -> OptionField:
    least = most = None
    if typing.get_origin(declared) is typing.Annotated:
        declared, *metas = typing.get_args(declared)
        for meta in metas:
            if isinstance(meta, msgspec.Meta):
                least = meta.ge if meta.ge is not None else meta.gt
                most = meta.le if meta.le is not None else meta.lt
    choices: tuple[str, ...] = ()
    kind: Any = {bool: "bool", int: "int", float: "float"}.get(declared, "json")
    if typing.get_origin(declared) is typing.Literal:
        kind, choices = "choice", tuple(map(str, typing.get_args(declared)))
    elif isinstance(declared, types.UnionType):
        kind = "json"
    return OptionField(
        name=name,
        kind=kind,
        default=msgspec.to_builtins(default),
        doc=doc,
        choices=choices,
        least=least,
        most=most,
    )


def field_docs(config: type) -> dict[str, str]:
    """What the docstring of a config says about each field, under "Attributes:"."""
    found: dict[str, str] = {}
    for names, text in _entries(inspect.getdoc(config) or ""):
        for name in names:
            found[name] = text
    return found


def _entries(doc: str) -> Iterator[tuple[list[str], str]]:
    names: list[str] = []
    words: list[str] = []
    _, _, rest = doc.partition("Attributes:")
    for line in rest.splitlines():
        match = re.match(r"^\s*((?:[a-z_0-9]+, )*[a-z_0-9]+): (.*)$", line)
        if match:
            if names:
                yield names, " ".join(words)
            names, words = match[1].split(", "), [match[2]]
        elif line.strip():
            words.append(line.strip())
    if names:
        yield names, " ".join(words)


if __name__ == "__main__":
    priority.be_nice_as_session(_NICE)
    _Clerk().work()
