"""A small dataset of made-up episodes with all sorts of streams, and no robot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from datasets import layout
from datasets.dataset import Dataset
from datasets.journal import Journal
from datasets.video import VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock
from devices.stream import StreamSpec

START_WALL_NS = 1_790_000_000 * NS_PER_S
TASKS = ("Wipe the ink off the vase", "Peel the cucumber", "Open the drawer")


def specs(width: int = 64, height: int = 48) -> tuple[StreamSpec, ...]:
    """Streams as a simulated station has them, without the physics state."""
    made = []
    for side in ("left", "right"):
        made += [
            StreamSpec(f"{side}_arm/q", (7,), "float64", "rad", "", 500.0),
            StreamSpec(f"{side}_gripper/gap", (1,), "float64", "m", "", 500.0),
            StreamSpec(
                f"{side}_arm/wrench", (6,), "float64", "N", f"{side}_tool", 125.0, kind="touch"
            ),
            StreamSpec(
                f"{side}_inner_pad/tactile", (7, 9, 3), "float32", "N", "pad", 125.0, kind="touch"
            ),
        ]
    made.append(StreamSpec("scene/progress", (2,), "float64", "1", "", 25.0, kind="scene"))
    for camera in ("front", "wrist_left"):
        made.append(
            StreamSpec(
                f"{camera}/rgb", (height, width, 3), "uint8", "1", camera, 30.0, kind="image"
            )
        )
    return tuple(made)


def picture(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A picture that shows its number."""
    image = np.full((height, width, 3), (38, 46, 58), dtype=np.uint8)
    x = (number * 3) % width
    cv2.circle(image, (x, height // 2), height // 5, (242, 181, 60), -1)
    cv2.putText(image, str(number), (2, height - 4), 0, height / 100, (230, 235, 240), 1)
    return image


def rows(spec: StreamSpec, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.generic]:
    """Smooth made-up values of a stream."""
    n = len(seconds)
    push = np.clip(np.sin(seconds * 4.0) - 0.4, 0, None) * 9.0
    if spec.name.endswith("/q"):
        phase = np.arange(7) * 0.7
        return 0.6 * np.sin(seconds[:, None] * 0.9 + phase)
    if spec.name.endswith("/gap"):
        return (0.03 + 0.03 * np.cos(seconds * 0.8))[:, None]
    if spec.name.endswith("/wrench"):
        return np.stack([0.1 * push, 0.2 * push, push, *[np.zeros(n)] * 3], axis=1)
    if spec.name.endswith("/tactile"):
        y, x = np.mgrid[-1:1:7j, -1:1:9j]
        blob = np.exp(-3 * (x**2 + y**2))[None] * push[:, None, None] / 12
        return np.stack([blob, 0.3 * blob * y, 0.3 * blob * x], axis=-1).astype(np.float32)
    return np.stack([np.minimum(seconds / max(seconds[-1], 1e-9), 1.0), np.zeros(n)], axis=1)


def record(
    dataset: Dataset,
    number: int,
    seconds: float = 2.0,
    *,
    task: str = TASKS[0],
    size: tuple[int, int] = (64, 48),
    stop: bool = True,
) -> str:
    """Record one made-up episode; returns its uid. Without `stop` it looks crashed."""
    clock = FakeClock(number * 100 * NS_PER_S)
    uid = layout.new_uid(START_WALL_NS + number * 60 * NS_PER_S)
    since = clock.now_ns()
    streams = specs(*size)
    start = {
        "task": task,
        "operator": "Ada",
        "simulated": True,
        "force_band": [2.0, 8.0],
        "t_ns": since,
        "anchor": {
            "wall_ns": START_WALL_NS + number * 60 * NS_PER_S,
            "monotonic_ns": since,
        },
    }
    writer = EpisodeWriter(dataset, uid, streams, start, clock)
    for spec in streams:
        count = max(1, int(seconds * spec.rate_hz))
        times = since + (np.arange(count) * NS_PER_S / spec.rate_hz).astype(np.int64)
        if spec.kind == "image":
            encoder = VideoEncoder(*size, 30.0)
            writer.append(
                spec.name, times, [encoder.encode(picture(n, *size)) for n in range(count)], 0
            )
        else:
            data = rows(spec, (times - since) / 1e9).astype(spec.dtype)
            writer.append(spec.name, times, data, 0)
    writer.event("guard", "Speed of the left arm was limited", since + NS_PER_S // 2)
    if number % 4 == 3:
        writer.event("gap", "30 rows of front/rgb are missing", since + NS_PER_S)
    clock.advance_s(seconds)
    if stop:
        writer.stop("stopped", "")
    return uid


def make_dataset(
    root: Path, count: int, seconds: float = 2.0, size: tuple[int, int] = (64, 48)
) -> Dataset:
    """A dataset with `count` episodes, of which most are judged."""
    dataset = Dataset.create(root)
    journal = Journal(dataset.journal, by="Ada")
    for number in range(count):
        uid = record(dataset, number, seconds + 0.3 * number, task=TASKS[number % 3], size=size)
        if number % 5 != 4:
            journal.verdict(uid, "failure" if number % 3 == 2 else "success")
    return dataset
