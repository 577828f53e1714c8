"""`teledeck fake-quest`: a SIMULATED headset, for trying things out and for finding faults."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

from devices.errors import ConfigError
from devices.tactar.fake_quest import FakeQuest, QuestReport
from devices.tactar.headset_app import HeadsetApp
from devices.tactar.motions import SCRIPTS, Motion, named
from devices.tactar.stream_meter import StreamStats
from devices.tactar.wire import Ports

HELP_TYPED = "circle, push, squeeze, still, held, restart, recentre, lose, quit"

# Least messages a second that `--check` takes for a working stream: three quarters of what is
# promised for robot and force (120), tactile (24 to 60) and panels.
_LEAST_HZ = {"robot": 90.0, "tactile": 18.0, "force": 90.0}


@dataclass(frozen=True, slots=True)
class FakeQuestOptions:
    """What the command line says.

    Attributes:
        to, port: Where to post.
        motion: Name of a script, or path of a session file.
        heading_deg: Yaw of the app's calibration [deg]: how wrong translations are, halved.
        seconds: How long; None until interrupted.
        check: Exit with 1 unless everything arrived and was right.
        address, ports: Own address and UDP ports.
    """

    to: str
    port: int
    motion: str
    heading_deg: float
    seconds: float | None
    check: bool
    address: str
    ports: Ports


def device(text: str, to: str) -> tuple[str, Ports]:
    """Address and ports of `--device ADDRESS[:BASE]`; "" is chosen by where the posts go."""
    address, _, base = text.partition(":")
    if not address:
        address = "127.0.0.1" if to.startswith("127.") or to == "localhost" else "0.0.0.0"
    if base and not (base.isdigit() and 1 <= int(base) <= 65530):
        raise ConfigError(
            f"--device {text}: '{base}' is no port", next_step="Give ADDRESS or ADDRESS:10000"
        )
    return address, Ports.from_base(int(base)) if base else Ports()


def run(options: FakeQuestOptions, say: Callable[[str], None]) -> int:
    """Run until the time is up or somebody interrupts. Returns the exit status."""
    motion = named(options.motion)
    return asyncio.run(_run(options, motion, say))


async def _run(options: FakeQuestOptions, motion: Motion, say: Callable[[str], None]) -> int:
    quest = FakeQuest(
        motion,
        to=options.to,
        port=options.port,
        address=options.address,
        ports=options.ports,
        app=HeadsetApp(heading=math.radians(options.heading_deg)),
    )
    await quest.start()
    say(
        f"SIMULATED headset at {options.address}: posts to http://{options.to}:{options.port}/unity"
        f", motion {options.motion}, heading {options.heading_deg:g} deg."
    )
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    typed = sys.stdin is not None and sys.stdin.isatty()
    if typed:
        say(f"Type and press Enter to change what it does: {HELP_TYPED}.")
        loop.add_reader(sys.stdin, lambda: _obey(quest, sys.stdin.readline(), done, say))
    began = loop.time()
    try:
        while not done.is_set():
            left = math.inf if options.seconds is None else began + options.seconds - loop.time()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(min(1.0, left)):
                    await done.wait()
            except TimeoutError:
                say(line(loop.time() - began, quest.report()))
    except asyncio.CancelledError:
        say("")
    finally:
        if typed:
            loop.remove_reader(sys.stdin)
        report = quest.report()
        await quest.stop()
    wrong = complaints(report)
    for text in verdict(report, wrong):
        say(text)
    return int(options.check and bool(wrong))


def _obey(quest: FakeQuest, text: str, done: asyncio.Event, say: Callable[[str], None]) -> None:
    word = text.strip()
    if word in SCRIPTS:
        quest.motion = SCRIPTS[word]
    elif word == "restart":
        quest.restart_app()
    elif word == "recentre":
        quest.app.recentre(math.radians(30.0), (0.1, 0.0, 0.0))
    elif word == "lose":
        quest.lose_tracking("right", 2.0)
    elif word == "quit" or not text:
        done.set()
        return
    elif word:
        say(f"'{word}' is not one of: {HELP_TYPED}")
        return
    if word:
        say(f"-> {word}")


def line(seconds: float, report: QuestReport) -> str:
    """One line of a running fake headset."""
    streams = "  ".join(_stream(stream) for stream in report.streams)
    faults = sum(report.faults.values())
    return (
        f"{seconds:4.0f} s  posts {report.post_rate_hz:5.1f}/s "
        f"({_answered(report)})  |  {streams}  |  "
        f"{faults} fault{'' if faults == 1 else 's'}"
    )


def _answered(report: QuestReport) -> str:
    if not report.answered:
        return "none answered"
    return f"answered in {report.answer_p50_ms:.1f} ms, p99 {report.answer_p99_ms:.1f} ms"


def _stream(stream: StreamStats) -> str:
    if not stream.sources:
        return f"{stream.name} -"
    times = f"{stream.sources} x " if stream.sources > 1 else ""
    return f"{stream.name} {times}{stream.rate_hz:.0f}/s"


def complaints(report: QuestReport) -> list[str]:
    """What is missing or wrong, in sentences."""
    found = []
    if not report.answered:
        found.append("No post was answered: nobody listens there, or a firewall is between.")
    elif report.refused or report.failed > 0.01 * report.posted:
        found.append(
            f"Of {report.posted} posts {report.refused} were refused and {report.failed} lost."
        )
    for stream in report.streams:
        if not stream.sources:
            found.append(f"Nothing arrives on UDP {stream.port} ({stream.name}).")
        elif stream.rate_hz < _LEAST_HZ.get(stream.name, 0.0):
            found.append(
                f"Only {stream.rate_hz:.0f} {stream.name} messages a second arrive, "
                f"fewer than {_LEAST_HZ[stream.name]:.0f}."
            )
    found += [f"{text} ({count} times)" for text, count in report.faults.items()]
    return found


def verdict(report: QuestReport, wrong: list[str]) -> list[str]:
    """The last lines."""
    lines = [
        f"SIMULATED headset: {report.posted} posts, {report.answered} of them answered"
        f"{'' if not report.answered else f' ({_answered(report)})'}."
    ]
    lines += [
        f"  {s.name:<8} {s.sent} messages, {s.rate_hz:.1f}/s, jitter p99 {s.jitter_p99_ms:.2f} ms"
        for s in report.streams
        if s.sent
    ]
    if not wrong:
        return [*lines, "Everything that arrived was right."]
    return [*lines, "Not as it should be:", *(f"  - {text}" for text in wrong)]
