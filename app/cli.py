"""The command `teledeck`."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from app.home import default_dataset
from devices.errors import ConfigError, TeledeckError

if TYPE_CHECKING:
    from app.runtime.station_file import StationFile

_WIDTH = min(100, shutil.get_terminal_size((100, 20)).columns)

_ABOUT = """\
Teach robots by hand: drive with touch feedback, record demonstrations, judge and replay them.

Without a command, the window opens on a live simulated station.
"""

_EXAMPLES = """\
examples:
  teledeck                                    open the window
  teledeck --scene drawer --dataset ~/takes   another scene, another folder
  teledeck collect --headless --operator scripted --scene wipe -n 20 --dataset ~/takes
  teledeck train --dataset ~/takes --policy bc --out ~/runs/bc
  teledeck episodes --dataset ~/takes         what is in a dataset
  teledeck evaluate --policy runs/rdp --policy runs/dp --scene wipe --perturb after-contact -n 100
  teledeck doctor                             what this machine can do
"""


_FAKE_QUEST = """\
Be a SIMULATED headset. It posts hands sixty times a second as the TactAR app does (no content type,
left and right exchanged, the app's calibration fault), decodes the four UDP streams that come back
and says every second what arrives and what is wrong with it. In a terminal, typed words change
what it does: circle, push, squeeze, still, held, restart, recentre, lose, quit.
"""

_ABOUT_TRAIN = """\
Train a policy on the takes that were kept. The same command goes on where it was stopped or killed.

  teledeck train --dataset ~/takes --policy bc --needs touch --out ~/runs/bc
  teledeck train --dataset ~/takes --policy bc --set width=512 --queue ~/runs
  teledeck train --queue ~/runs       work through the queue
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 not done, 2 a mistake in the call."""
    _refuse_foreign_datasets()
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except TeledeckError as error:
        print(f"teledeck: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        print("\nteledeck: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = _new_parser(prog="teledeck", description=_ABOUT, epilog=_EXAMPLES)
    _station_options(parser)
    parser.set_defaults(command=_run)
    commands = parser.add_subparsers(title="commands", metavar="")

    run = commands.add_parser("run", help="open the window (the default)", **_style("Open it."))
    _station_options(run)
    run.set_defaults(command=_run)

    collect = commands.add_parser(
        "collect",
        help="record takes, with or without the window",
        **_style("Record takes. With --headless no window is needed and a script drives."),
    )
    _station_options(collect)
    collect.add_argument("--headless", action="store_true", help="no window")
    collect.add_argument(
        "--operator",
        choices=("scripted", "scripted-blind"),
        default="scripted",
        help="who drives a headless collection; scripted-blind ignores touch",
    )
    collect.add_argument("-n", type=_positive, default=1, metavar="N", help="takes (default 1)")
    collect.add_argument(
        "--fast",
        action="store_true",
        help="with --headless: in simulated time, as fast as the machine can, without pictures",
    )
    collect.add_argument("--perturb", metavar="NAME", help="disturb each take (see the scene)")
    collect.add_argument(
        "--wander",
        action="store_true",
        help="with --fast: push the script's hands now and then, so that it shows how to recover",
    )
    collect.set_defaults(command=_collect)

    _evaluate_parser(commands)

    train = commands.add_parser(
        "train",
        help="train a policy on a dataset, or work through a queue of trainings",
        **_style(_ABOUT_TRAIN),
    )
    _train_options(train)
    train.set_defaults(command=_train)

    episodes = commands.add_parser(
        "episodes", help="list what is in a dataset", **_style("List the episodes of a dataset.")
    )
    _dataset_option(episodes)
    episodes.set_defaults(command=_episodes)

    doctor = commands.add_parser(
        "doctor",
        help="what this machine can do, and what to do about what is missing",
        **_style("Examine this machine: graphics, devices, ports, disk, plug-ins."),
    )
    _dataset_option(doctor)
    doctor.set_defaults(command=_doctor)

    quest = commands.add_parser(
        "fake-quest",
        help="a SIMULATED headset: posts like the TactAR app, checks what it is sent",
        **_style(_FAKE_QUEST),
    )
    quest.add_argument(
        "--to", default="127.0.0.1", metavar="HOST", help="who listens (this machine)"
    )
    quest.add_argument("--port", type=_port, default=8082, help="TCP port there (default 8082)")
    quest.add_argument(
        "--motion",
        default="circle",
        metavar="WHAT",
        help="circle, push, squeeze, still, held, or a captured session FILE (default circle)",
    )
    quest.add_argument(
        "--heading",
        type=float,
        default=0.0,
        metavar="DEG",
        help="yaw of the app's calibration; its fault turns translations by twice that (default 0)",
    )
    quest.add_argument("--seconds", type=float, metavar="S", help="stop then (default: Ctrl-C)")
    quest.add_argument(
        "--check",
        action="store_true",
        help="exit with 1 unless all four streams came and were right",
    )
    quest.add_argument(
        "--device",
        default="",
        metavar="ADDR[:BASE]",
        help="its own address, and its UDP ports as BASE + 1, 2, 4, 5; 127.0.0.2 is a second "
        "headset on this machine",
    )
    quest.set_defaults(command=_fake_quest)

    shots = commands.add_parser(
        "screenshots",
        help="drive the window through every place and write pictures",
        **_style("Write the pictures that README and docs show."),
    )
    shots.add_argument("--out", type=Path, default=Path("docs/images"), metavar="DIR")
    shots.add_argument("--only", choices=["headset", "train"], default="", help="these alone")
    shots.set_defaults(command=_screenshots)
    return parser


def _evaluate_parser(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="try policies on the same simulated starts",
        **_style(
            "Try policies on the same simulated starts, as fast as the machine can. What is done "
            "already is not done again."
        ),
    )
    evaluate.add_argument(
        "--policy",
        action="append",
        required=True,
        metavar="NAME",
        help="a checkpoint folder, a server (ws://...), 'scripted' or 'scripted-blind'; "
        "again for another",
    )
    evaluate.add_argument("--scene", required=True, metavar="NAME", help="the task")
    evaluate.add_argument(
        "--perturb", default="", metavar="NAME", help="before-contact, after-contact, ..."
    )
    evaluate.add_argument("-n", type=_positive, default=20, metavar="N", help="starts (default 20)")
    evaluate.add_argument("--first", type=int, default=None, metavar="SEED", help="first start")
    evaluate.add_argument("--workers", type=_positive, default=None, help="rollouts at a time")
    evaluate.add_argument(
        "--latency-ms",
        type=float,
        default=None,
        help="inference time to simulate (default: measured)",
    )
    evaluate.add_argument("--limit-s", type=float, default=40.0, help="longest rollout")
    evaluate.add_argument("--keep", action="store_true", help="keep rollouts as episodes")
    evaluate.add_argument(
        "--out", type=Path, default=Path("evaluation"), metavar="DIR", help="folder of the results"
    )
    evaluate.set_defaults(command=_evaluate)


def _train_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--policy", metavar="NAME", help="what to train (bc, diffusion, rdp, ...)")
    what.add_argument("--template", metavar="NAME", help="what worked: rdp-wipe, rdp-lift, ...")
    parser.add_argument(
        "--needs",
        metavar="PRESET",
        help="what it sees: state, touch, reactive, pca, reading, sent, sent-touch, sent-reactive, "
        "the same with glance- before them, and cameras (touch+front); default state",
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, metavar="DIR", help="folder of this training")
    place.add_argument(
        "--queue", type=Path, metavar="DIR", help="with --policy: wait there; without: work there"
    )
    parser.add_argument("--steps", type=_positive, metavar="N", help="updates (default 5000)")
    parser.add_argument("--batch", type=_positive, metavar="N", help="windows in one (default 64)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of weights, order, noise (default 0)"
    )
    parser.add_argument(
        "--hold-out", type=float, metavar="SHARE", help="episodes kept for judging (default 0.1)"
    )
    parser.add_argument("--task", metavar="TEXT", help="only takes of this task")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help='JSON of weights: {"uid": weight}'
    )
    parser.add_argument("--device", metavar="NAME", help="cpu (default), cuda or auto")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="CPU threads (default 1; 0: as many as there are)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the policy, of the action space (space.horizon=16) or the plan (plan.stride=2)",
    )


def _style(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "formatter_class": lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, width=_WIDTH, max_help_position=28
        ),
    }


def _new_parser(*, prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, width=_WIDTH, max_help_position=28
        ),
    )


def _station_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("station")
    group.add_argument("--station", type=Path, metavar="FILE", help="station file (TOML)")
    group.add_argument("--scene", metavar="NAME", help="scene, instead of the station file's")
    group.add_argument("--seed", type=int, metavar="N", help="first seed of the scene's reset")
    _dataset_option(parser)


def _dataset_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset",
        type=Path,
        default=None,
        metavar="DIR",
        help=f"dataset folder (default {default_dataset()})",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return number


# ------------------------------------------------------------------------------------- commands
def _run(options: argparse.Namespace) -> int:
    from app.doctor import has_display

    if not has_display():
        from app.headless import collect

        print("There is no display, so no window can open. Recording three scripted takes instead.")
        return collect(_station(options), _dataset(options), takes=3)
    from app.launch import open_window

    return open_window(_station(options), _dataset(options))


def _collect(options: argparse.Namespace) -> int:
    if options.wander and not (options.headless and options.fast):
        raise ConfigError(
            "Only a script in simulated time can be made to wander",
            next_step="Add --headless --fast, or leave --wander out",
        )
    if not options.headless:
        from app.launch import open_window

        return open_window(_station(options), _dataset(options))
    if options.fast:
        from app.fast_collect import fast_collect

        return fast_collect(
            _station(options),
            _dataset(options),
            takes=options.n,
            touch=options.operator == "scripted",
            perturb=options.perturb,
            wander=options.wander,
        )
    from app.headless import collect

    return collect(
        _station(options),
        _dataset(options),
        takes=options.n,
        operator=options.operator,
        perturb=options.perturb,
    )


def _evaluate(options: argparse.Namespace) -> int:
    from app.evaluate import FIRST_SEED, evaluate
    from app.rollout.room import Batch

    first = FIRST_SEED if options.first is None else options.first
    batch = Batch(
        policies=tuple(dict.fromkeys(options.policy)),
        scene=options.scene,
        perturb=options.perturb,
        seeds=tuple(range(first, first + options.n)),
        out=str(options.out.expanduser().absolute()),
        limit_s=options.limit_s,
        latency_ms=options.latency_ms,
        keep=options.keep,
    )
    return evaluate(batch, workers=options.workers)


def _train(options: argparse.Namespace) -> int:
    from app.train import make_plan, read_weights, train, work_through
    from policies.templates import NOTHING, template
    from policies.training_queue import TrainingQueue
    from policies.training_run import RunFolder

    if options.policy is None and options.template is None:
        if options.queue is None:
            raise ConfigError("What to train was not said", next_step="Name --policy or --template")
        return work_through(options.queue)
    known = template(options.template) if options.template else NOTHING
    said = ("batch", "seed", "hold_out", "task", "device", "threads")
    plan = make_plan(
        _dataset(options),
        options.policy or known.policy,
        options.needs or known.needs,
        (*known.settings, *options.set),
        steps=options.steps or known.steps,
        weights=read_weights(options.weights) if options.weights else None,
        **{name: getattr(options, name) for name in said},
    )
    if options.queue is not None:
        folder = TrainingQueue(options.queue).add(plan)
        print(f"{folder.path.name} waits in {options.queue}")
        return 0
    RunFolder(options.out).create(plan)
    status = train(RunFolder(options.out).path)
    return {"done": 0, "stopped": 130}.get(status.phase, 1)


def _episodes(options: argparse.Namespace) -> int:
    from datasets.dataset import Dataset
    from datasets.library import Library

    library = Library(Dataset.open(_dataset(options)))
    cards = library.cards()
    if not cards:
        print(f"No episodes in {_dataset(options)}.")
    for card in cards:
        flags = ", ".join(card.flags)
        print(f"{card.number:>5}  {card.verdict:<8} {card.length_s:7.1f} s  {card.task}  {flags}")
        for finding in card.facts.findings:
            for line in textwrap.wrap(finding, _WIDTH - 7):
                print(f"       {line}")
    for complaint in library.complaints:
        print(f"teledeck: {complaint}", file=sys.stderr)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from app.doctor import examine

    marks = {"good": "ok  ", "note": "note", "bad": "BAD "}
    worst = 0
    for finding in examine(_dataset(options)):
        text = textwrap.wrap(finding.text, _WIDTH - 22) or [""]
        print(f"{marks[finding.level]}  {finding.topic:<14}  {text[0]}")
        for line in text[1:]:
            print(" " * 22 + line)
        if finding.next_step:
            for line in textwrap.wrap(finding.next_step + ".", _WIDTH - 25):
                print(" " * 22 + "-> " + line)
        worst = max(worst, finding.level == "bad")
    print()
    print("Something will not work; see BAD." if worst else "Ready: 'teledeck' opens the window.")
    return int(worst)


def _fake_quest(options: argparse.Namespace) -> int:
    from app.fake_quest import FakeQuestOptions, device, run

    address, ports = device(options.device, options.to)
    wanted = FakeQuestOptions(
        to=options.to,
        port=options.port,
        motion=options.motion,
        heading_deg=options.heading,
        seconds=options.seconds,
        check=options.check,
        address=address,
        ports=ports,
    )
    return run(wanted, lambda text: print(text, flush=True))


def _screenshots(options: argparse.Namespace) -> int:
    from app.screenshots import take_screenshots

    return take_screenshots(options.out, options.only)


def _station(options: argparse.Namespace) -> StationFile:
    """The station file, with what the command line says instead."""
    from app.runtime import station_file

    station = station_file.load(options.station) if options.station else station_file.StationFile()
    changes = {
        name: value
        for name, value in (("scene", options.scene), ("seed", options.seed))
        if value is not None
    }
    fields = {**msgspec.to_builtins(station), **changes}
    return station_file.from_fields(fields, where="command line")


def _dataset(options: argparse.Namespace) -> Path:
    chosen: Path = options.dataset or default_dataset()
    return chosen.expanduser().absolute()


def _refuse_foreign_datasets() -> None:
    """Hugging Face's `datasets` has the same import name; the two cannot share an environment."""
    import datasets

    if not hasattr(datasets, "__teledeck__"):
        raise SystemExit(
            f"teledeck: the package 'datasets' at {Path(datasets.__file__).parent} is not "
            "Teledeck's. Install Teledeck in an environment of its own (make run does)."
        )


if __name__ == "__main__":
    sys.exit(main())
