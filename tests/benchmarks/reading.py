"""`python -m tests.benchmarks.reading`: windows a second, and random access to pictures.

Numbers: windows of tool pose, gap and wrench with a chunk of 32 actions, from made-up takes.
Pictures: windows with two pictures of 640 x 480, one of each of two cameras, nothing kept, from a
dataset that was recorded (`--dataset`), else from made-up noise, harder to decode than a scene.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from datasets import layout
from datasets.dataset import Dataset
from datasets.video import GROUP, VideoEncoder
from datasets.window_choice import Choice
from datasets.window_images import longest_group
from datasets.windows import EpisodeDataset
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock
from devices.stream import StreamSpec
from policies.contract import ActionSpace, StreamNeed
from tests.benchmarks.report import Row, options, percentiles, tell
from tests.data.recording import camera

SIZE = (480, 640, 3)
_SECONDS = 12.0
_PLAIN = (
    StreamSpec("right_arm/T_world_tool", (7,), "float64", "m,wxyz", "world", 500.0),
    StreamSpec("right_gripper/gap", (1,), "float64", "m", "", 500.0),
    StreamSpec("right_gripper/gap_sent", (1,), "float64", "m", "", 250.0),
    StreamSpec("right_arm/wrench", (6,), "float64", "N,N m", "right_tool", 125.0),
    StreamSpec("right_arm/T_world_tool_requested", (7,), "float64", "m", "world", 250.0),
    StreamSpec("right_gripper/gap_requested", (1,), "float64", "m", "", 250.0),
)
NEEDS = (
    StreamNeed(stream="right_arm/T_world_tool", key="pose", shape=(7,)),
    StreamNeed(stream="right_gripper/gap", key="gap", shape=(1,)),
    StreamNeed(stream="right_arm/wrench", key="wrench", shape=(6,)),
)
CHUNK_TOUCH = StreamNeed(stream="right_arm/wrench", key="live", shape=(6,), span="chunk")
SPACE = ActionSpace(sides=("right",))
ALL = Choice(split="all", verdict=None)


def main() -> None:
    parser = options(__doc__ or "", 3.0)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--dataset", type=Path, help="recorded, with front/rgb and wrist_right/rgb")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="teledeck-reading-") as folder:
        dataset = Dataset.create(Path(folder) / "set")
        for number in range(chosen.episodes):
            record(dataset, number, pictures=number < 3 and chosen.dataset is None)
        rows = numbers(dataset, chosen.seconds)
        filmed = Dataset.open(chosen.dataset) if chosen.dataset else None
        rows += pictures(filmed or dataset, chosen.seconds, made_up=filmed is None)
    tell("reading for training", rows, chosen.json)


def record(dataset: Dataset, number: int, *, pictures: bool) -> None:
    """A take of noise."""
    rng = np.random.default_rng(number)
    cameras = [camera(f"{name}/rgb", 640, 480) for name in ("front", "wrist_right")]
    specs = [*_PLAIN, *(cameras if pictures else ())]
    clock = FakeClock()
    begin = clock.now_ns()
    uid = layout.new_uid((1_790_000_000 + number) * NS_PER_S)
    with EpisodeWriter(dataset, uid, specs, {"task": "bench"}, clock) as writer:
        for spec in specs:
            at = np.arange(int(_SECONDS * spec.rate_hz)) / spec.rate_hz
            t_ns = begin + np.round(at * NS_PER_S).astype(np.int64)
            if spec.kind == "image":
                encoder = VideoEncoder(640, 480, 30.0)
                coarse = rng.integers(0, 255, (len(at), 30, 40, 3), dtype=np.uint8)
                frames = coarse.repeat(16, axis=1).repeat(16, axis=2)
                writer.append(spec.name, t_ns, [encoder.encode(frame) for frame in frames], 0)
            else:
                values = rng.normal(size=(len(at), *spec.shape)).cumsum(axis=0) * 1e-3
                if spec.shape == (7,):
                    values[:, 3:] = [1.0, 0.0, 0.0, 0.0]
                writer.append(spec.name, t_ns, values, 0)
        clock.advance_s(_SECONDS)
        writer.stop("stopped", "")


def numbers(dataset: Dataset, seconds: float) -> list[Row]:
    began = time.perf_counter()
    uids = dataset.uids()
    paths = [dataset.episode_path(uid) for uid in uids]
    data = EpisodeDataset(paths, [*NEEDS, CHUNK_TOUCH], SPACE, ALL)
    opening = time.perf_counter() - began
    rows = [
        Row("opening, an episode", opening / len(uids) * 1e3, "ms", f"{len(data)} windows in all")
    ]
    rng = np.random.default_rng(0)
    for size in (64, 256):
        batches = [rng.integers(0, len(data), size) for _ in range(200)]
        data.batch(batches[0])
        count, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            data.batch(batches[count % len(batches)])
            count += 1
        note = "3 window keys, 1 chunk key, 32 actions"
        rows.append(Row(f"windows of numbers, batches of {size}", count * size / spent, "/s", note))
    return rows


def pictures(dataset: Dataset, seconds: float, *, made_up: bool) -> list[Row]:
    rows = []
    shapes = [("as stored", SIZE), ("to 96 x 96", (96, 96, 3))]
    paths = [dataset.episode_path(uid) for uid in dataset.uids()][: 3 if made_up else None]
    for words, shape in shapes:
        needs = [
            StreamNeed(stream=f"{name}/rgb", key=name, shape=shape, steps=1, tolerance_ms=500.0)
            for name in ("front", "wrist_right")
        ]
        data = EpisodeDataset(paths, [*NEEDS, *needs], SPACE, ALL, picture_cache=0)
        group = longest_group(data._pictures["front"]._packets)
        spent, worked = [], []
        order = np.random.default_rng(0).permutation(len(data))
        deadline = time.perf_counter() + 3 * seconds
        for index in order:
            began, busy = time.perf_counter(), time.thread_time()
            data.batch(np.array([index]))
            spent.append((time.perf_counter() - began) * 1e3)
            worked.append((time.thread_time() - busy) * 1e3)
            if time.perf_counter() > deadline:
                break
        source = "made-up noise" if made_up else "recorded"
        note = (
            f"{source}, two cameras, a key frame every {group} (encoder: {GROUP}), n={len(spent)}"
        )
        rows += [
            Row(f"window with 2 pictures, {words}, mean", float(np.mean(spent)), "ms", note),
            *percentiles(f"window with 2 pictures, {words},", spent, "ms"),
            *percentiles(f"window with 2 pictures, {words}, processor,", worked, "ms"),
        ]
    return rows


if __name__ == "__main__":
    main()
