"""Made-up takes for the tests of reading and training: a hand that reaches for a place it can see.

The tool starts somewhere and is asked to go to the target in a straight line; where that is, the
stream `target/position` says. So a chunk can be foretold from a window, and a policy that learns
anything at all gets better.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets import layout
from datasets.dataset import Dataset
from datasets.journal import Journal
from datasets.video import VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import NS_PER_S, FakeClock
from devices.stream import StreamSpec
from policies.contract import ActionSpace, StreamNeed
from tests.data.recording import barcode, camera

SPEED = 0.2
WAIT_S = 0.5

POSE = StreamSpec("right_arm/T_world_tool", (7,), "float64", "m,wxyz", "world", 500.0)
ASKED = StreamSpec("right_arm/T_world_tool_requested", (7,), "float64", "m", "world", 250.0)
GAP = StreamSpec("right_gripper/gap", (1,), "float64", "m", "", 500.0)
GAP_ASKED = StreamSpec("right_gripper/gap_requested", (1,), "float64", "m", "", 250.0)
GAP_SENT = StreamSpec("right_gripper/gap_sent", (1,), "float64", "m", "", 250.0)
TARGET = StreamSpec("target/position", (3,), "float64", "m", "world", 50.0)
TOUCH = StreamSpec("right_arm/wrench", (6,), "float64", "N,N m", "right_tool", 125.0, kind="touch")
FRONT = camera("front/rgb", 64, 48)

NEEDS = (
    StreamNeed(stream=POSE.name, key="pose", shape=(7,), unit="m,wxyz", frame="world"),
    StreamNeed(stream=TARGET.name, key="target", shape=(3,)),
    StreamNeed(stream=TOUCH.name, key="touch", shape=(6,), span="chunk", steps=1),
)
SPACE = ActionSpace(sides=("right",), horizon=8, rate_hz=10.0)


def pose_at(start: np.ndarray, target: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Where the hand is asked to be some seconds after the take began: (n,) → (n, 3)."""
    way = target - start
    length = float(np.linalg.norm(way))
    gone = np.clip((seconds - WAIT_S) * SPEED, 0.0, length)
    return start + way * (gone / length)[:, None]


def ends(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and target of a take [m]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.2, 0.2, 3), rng.uniform(-0.2, 0.2, 3) + np.array([0.4, 0.0, 0.0])


def record(
    dataset: Dataset,
    seed: int,
    *,
    seconds: float = 2.5,
    verdict: str | None = "success",
    pictures: bool = False,
    asked: bool = True,
    nan_touch: bool = False,
) -> str:
    """One take; returns its uid. Requests begin 0.1 s after the take and end 0.1 s before it."""
    specs = [POSE, GAP, GAP_SENT, TARGET, TOUCH, ASKED, GAP_ASKED]
    if pictures:
        specs.append(FRONT)
    # Whether a take is held out is drawn by its name, so a name must not be chance.
    uid = f"{layout.new_uid((1_790_000_000 + seed) * NS_PER_S)[:-6]}{seed:06x}"
    clock = FakeClock()
    begin = clock.now_ns()
    start, target = ends(seed)
    with EpisodeWriter(dataset, uid, specs, {"task": "reach", "seed": seed}, clock) as writer:
        for spec in specs:
            count = int(seconds * spec.rate_hz)
            at = np.arange(count) / spec.rate_hz
            if spec in (ASKED, GAP_ASKED):
                at = at[(at >= 0.1) & (at <= seconds - 0.1)] if asked else at[:0]
            if not len(at):
                continue
            t_ns = begin + np.round(at * NS_PER_S).astype(np.int64)
            poses = np.zeros((len(at), 7))
            poses[:, :3], poses[:, 3] = pose_at(start, target, at), 1.0
            touch = np.zeros((len(at), 6))
            touch[:, 0] = np.sin(at)
            if nan_touch:
                touch[at > 1.5, 0] = np.nan
            rows = {
                POSE.name: poses,
                ASKED.name: poses,
                TARGET.name: np.tile(target, (len(at), 1)),
                TOUCH.name: touch,
            }.get(spec.name, np.full((len(at), 1), 0.04))
            if spec is FRONT:
                encoder = VideoEncoder(64, 48, 30.0)
                packets = [encoder.encode(barcode(n, 64, 48)) for n in range(len(at))]
                writer.append(spec.name, t_ns, packets, 0)
            else:
                writer.append(spec.name, t_ns, rows, 0)
        clock.advance_s(seconds)
        writer.stop("stopped", "the test said so")
    if verdict is not None:
        Journal(dataset.journal, "test").verdict(uid, verdict)  # type: ignore[arg-type]
    return uid


def reaching(folder: Path, count: int = 8, **how: object) -> Dataset:
    """A dataset of some takes."""
    dataset = Dataset.create(folder, "Reach")
    for seed in range(count):
        record(dataset, seed, **how)  # type: ignore[arg-type]
    return dataset
