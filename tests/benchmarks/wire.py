"""The TactAR wire: what a post and a document cost, how soon posts are answered, datagrams.

`python -m tests.benchmarks.wire [--seconds S] [--json PATH]`
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import numpy as np
import psutil

from devices.clock import SystemClock
from devices.tactar.fake_quest import FakeQuest, QuestReport, in_background
from devices.tactar.headset_app import HeadsetApp
from devices.tactar.listener import Listener
from devices.tactar.motions import circle
from devices.tactar.sender import Sender
from devices.tactar.wire import (
    DEVICE_IDS,
    Panel,
    Ports,
    encode_post,
    force_document,
    framed,
    image_document,
    parse_post,
    robot_document,
    tactile_document,
)
from tests.benchmarks.report import Row, options, percentiles, tell

_CALLS = 5000
_POSE = (0.1, 0.2, 0.3, 1.0, 0.0, 0.0, 0.0)


def main() -> None:
    arguments = options(__doc__ or "", 10.0).parse_args()
    rows = _costs()
    rows += asyncio.run(_answers(arguments.seconds / 2))
    rows += _flood(2.0)
    rows += asyncio.run(_everything(arguments.seconds))
    tell("The TactAR wire", rows, arguments.json)


def _panels() -> list[Panel]:
    picture = b"\xff\xd8\xff" + bytes(12_000)
    return [Panel(f"camera {i}", picture, (0.2 * i, 0.4, 0.5)) for i in range(2)]


def _costs() -> list[Row]:
    post = HeadsetApp().post(circle(1.0), 12.34)
    body = encode_post(post)
    arrows = np.random.default_rng(0).normal(size=(63, 3))
    panels = _panels()
    calls: dict[str, Callable[[], object]] = {
        "parse a post": lambda: parse_post(body),
        "write a post (fake headset)": lambda: encode_post(post),
        "robot document": lambda: robot_document(_POSE, _POSE),
        "force document": lambda: force_document("left", _POSE[:3], _POSE[:3]),
        "tactile document, 63 arrows": lambda: tactile_document(DEVICE_IDS[0], arrows, arrows),
        "two panels of 12 kB, cut": lambda: framed(image_document(panels)),
    }
    rows = []
    for what, call in calls.items():
        times = []
        for _ in range(_CALLS):
            began = time.perf_counter_ns()
            call()
            times.append((time.perf_counter_ns() - began) / 1e3)
        rows += percentiles(what, times, "us")
    return rows


async def _answers(seconds: float) -> list[Row]:
    """One fake headset in another thread, nothing else to do."""
    listener = Listener(lambda *_: None, port=0, host="127.0.0.1")
    await listener.start()
    quest = FakeQuest(circle, port=listener.port, ports=Ports(0, 0, 0, 0))
    background = in_background(quest)
    await asyncio.to_thread(background.__enter__)
    await asyncio.sleep(seconds)
    report = quest.report()
    await asyncio.to_thread(background.__exit__, None, None, None)
    await listener.stop()
    return [
        Row("post answered p50", report.answer_p50_ms, "ms", "60 a second, same process"),
        Row("post answered p99", report.answer_p99_ms, "ms"),
        Row("posts answered", report.post_rate_hz, "1/s"),
    ]


def _flood(seconds: float) -> list[Row]:
    """As many tactile datagrams as one thread can make and send."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        port = sink.getsockname()[1]
        sender = Sender("127.0.0.1", ports=Ports(port, port, port, port))
        arrows = np.random.default_rng(0).normal(size=(63, 3))
        began = time.perf_counter()
        count = 0
        while time.perf_counter() - began < seconds:
            sender.send_tactile(DEVICE_IDS[0], arrows, arrows)
            count += 1
        sender.close()
    return [Row("tactile datagrams, 63 arrows", count / seconds, "1/s", "one thread, flat out")]


async def _everything(seconds: float) -> list[Row]:
    """Two arms, four pads, two panels, 60 posts a second: rates, jitter, delays, processor."""
    listener = Listener(lambda *_: None, port=0, host="127.0.0.1")
    await listener.start()
    quest = FakeQuest(circle, port=listener.port, ports=Ports(0, 0, 0, 0))
    background = in_background(quest)
    await asyncio.to_thread(background.__enter__)
    sender = Sender("127.0.0.1", ports=quest.ports)
    process = psutil.Process()
    process.cpu_percent()
    late_us = await asyncio.to_thread(_drive, sender, seconds)
    load = process.cpu_percent()
    sent = sender.statistics()
    await asyncio.sleep(0.2)
    report: QuestReport = quest.report()
    sender.close()
    await asyncio.to_thread(background.__exit__, None, None, None)
    await listener.stop()
    rows = [Row("processor, everything at once", load, "%", "of one core, both ends of the wire")]
    rows += percentiles("tactile message made and sent", late_us, "us", "while panels walk")
    for stream in sent:
        rows.append(Row(f"{stream.name} sent", stream.rate_hz, "1/s", "each source"))
        rows.append(Row(f"{stream.name} jitter p99, sent", stream.jitter_p99_ms, "ms"))
    for stream in report.streams:
        rows.append(Row(f"{stream.name} jitter p99, arrived", stream.jitter_p99_ms, "ms"))
    rows.append(
        Row(
            "faults that the fake headset found",
            sum(report.faults.values()),
            "1",
            "; ".join(report.faults),
        )
    )
    rows.append(Row("post answered p99, everything at once", report.answer_p99_ms, "ms"))
    return rows


def _drive(sender: Sender, seconds: float) -> list[float]:
    """120 steps a second: robot and force every one, pads every second, panels every fifth."""
    clock = SystemClock()
    arrows = np.random.default_rng(0).normal(size=(63, 3)) * 0.01
    panels = _panels()
    durations = []
    began = clock.now_ns()
    for step in range(round(120 * seconds)):
        clock.sleep_until_ns(began + step * 1_000_000_000 // 120)
        sender.send_robot(_POSE, _POSE)
        sender.send_force("left", _POSE[:3], _POSE[:3])
        sender.send_force("right", _POSE[:3], _POSE[:3])
        if step % 5 == 0:
            sender.send_panels(panels)
        if step % 2 == 0:
            for device_id in DEVICE_IDS:
                before = time.perf_counter_ns()
                sender.send_tactile(device_id, arrows, arrows)
                durations.append((time.perf_counter_ns() - before) / 1e3)
    return durations


if __name__ == "__main__":
    main()
