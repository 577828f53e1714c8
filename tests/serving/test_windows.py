"""Live windows are those that training reads from the episode of the same rings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datasets import layout
from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.window_rows import instants, line_up
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from devices.errors import PolicyError
from devices.ring import RingReader, RingWriter
from devices.stream import StreamSpec
from policies.contract import ActionSpace, StreamNeed
from policies.serving import checks
from policies.serving.opening import open_policy
from policies.serving.windows import LiveWindows

POSE = StreamSpec("right_arm/T_world_tool", (7,), "float64", "m,wxyz", "world", 500.0)
TOUCH = StreamSpec("pad/tactile", (2, 3), "float32", "N", "pad", 125.0, kind="touch")
IMAGE = StreamSpec("front/rgb", (48, 64, 3), "uint8", "RGB", "", 30.0, kind="image")
NEEDS = tuple(
    StreamNeed(stream=spec.name, key=f"{spec.name}-{rule}", shape=spec.shape, rule=rule, steps=3)
    for spec in (POSE, TOUCH)
    for rule in ("latest-before", "nearest", "interpolate")
)


@pytest.fixture
def rings(tmp_path: Path) -> Iterator[dict[str, RingWriter]]:
    made = {
        spec.name: RingWriter(tmp_path / spec.name.replace("/", "."), spec, 400)
        for spec in (POSE, TOUCH, IMAGE)
    }
    yield made
    for ring in made.values():
        ring.close()


def opened(rings: dict[str, RingWriter], needs: tuple[StreamNeed, ...]) -> LiveWindows:
    return LiveWindows(needs, lambda name: RingReader(rings[name].path))


def filled(rings: dict[str, RingWriter], t0: int) -> dict[str, tuple[list[int], list[np.ndarray]]]:
    """0.6 s of every stream with jittering times."""
    chance = np.random.default_rng(3)
    told: dict[str, tuple[list[int], list[np.ndarray]]] = {}
    for spec in (POSE, TOUCH):
        times = t0 + np.cumsum(chance.uniform(0.5, 1.5, round(0.6 * spec.rate_hz))) * (
            1e9 / spec.rate_hz
        )
        rows = [chance.normal(size=spec.shape).astype(spec.dtype) for _ in times]
        if spec is POSE:
            rows = [np.r_[row[:3], row[3:] / np.linalg.norm(row[3:])] for row in rows]
        told[spec.name] = ([int(t) for t in times], rows)
        for t_ns, row in zip(*told[spec.name], strict=True):
            rings[spec.name].publish(t_ns, row)
    return told


def test_live_equals_recorded(rings: dict[str, RingWriter], tmp_path: Path) -> None:
    clock = FakeClock()
    t0 = clock.now_ns()
    told = filled(rings, t0)
    dataset = Dataset.open_or_create(tmp_path / "data")
    uid = layout.new_uid(t0)
    with EpisodeWriter(dataset, uid, [POSE, TOUCH], {}, clock) as writer:
        for name, (times, rows) in told.items():
            writer.append(name, times, np.stack(rows), 0)
    windows = opened(rings, NEEDS)
    now = t0 + 500_000_000
    live = windows.window(now, "wipe")
    windows.close()
    at_ns = np.array([live.t_ns])
    assert live.instruction == "wipe"
    with Episode.open(dataset.episode_path(uid)) as episode:
        for need in NEEDS:
            lined = line_up(episode, need, instants(need, at_ns)[0])
            assert lined.valid.all() and lined.values is not None
            np.testing.assert_array_equal(live.values[need.key], lined.values[lined.rows])


def test_rows_for_the_fast_path_stand_at_the_times_of_actions(
    rings: dict[str, RingWriter],
) -> None:
    t0 = 10**12
    for n in range(100):
        rings[TOUCH.name].publish(t0 + n * 8_000_000, np.full((2, 3), n))
    need = StreamNeed(stream=TOUCH.name, key="touch", shape=(2, 3), span="chunk")
    windows = opened(rings, (need,))
    seen = windows.touched(t0 + 80_000_000, t0 + 400_000_000, 25.0).values["touch"]
    windows.close()
    np.testing.assert_array_equal(seen[:, 0, 0], [10, 15, 20, 25, 30, 35, 40, 45, 50])


def test_pictures_are_made_to_fit(rings: dict[str, RingWriter]) -> None:
    t0 = 10**12
    for n in range(10):
        rings[IMAGE.name].publish(t0 + n * 33_000_000, np.full((48, 64, 3), n, dtype=np.uint8))
    need = StreamNeed(stream=IMAGE.name, key="eye", shape=(24, 24, 3), steps=2, rate_hz=10.0)
    windows = opened(rings, (need,))
    eye = windows.window(t0 + 9 * 33_000_000).values["eye"]
    windows.close()
    assert eye.shape == (2, 24, 24, 3) and eye.dtype == np.uint8
    assert eye[:, 0, 0, 0].tolist() == [5, 9]


def test_what_is_missing_is_named(rings: dict[str, RingWriter]) -> None:
    rings[POSE.name].publish(10**12, np.eye(7)[3])
    windows = opened(rings, NEEDS[:1] + NEEDS[3:4])
    with pytest.raises(PolicyError, match="pad/tactile"):
        windows.window(10**12)
    with pytest.raises(PolicyError, match="T_world_tool"):
        windows.window(10**12 + 10**9)
    windows.close()


# ----------------------------------------------------------------------------- table, refusals
def test_the_table_names_what_does_not_fit() -> None:
    live = {POSE.name: POSE, IMAGE.name: IMAGE}
    needs = (
        StreamNeed(stream=POSE.name, key="a", shape=(3,), unit="mm", frame="base", min_hz=100.0),
        StreamNeed(stream="right_arm/q", key="b", shape=(7,)),
        StreamNeed(stream=IMAGE.name, key="c", shape=(24, 24, 3)),
    )
    found = checks.compare(needs, live, {POSE.name: 40.0, IMAGE.name: 30.0})
    bad = {(check.stream, check.what) for check in found if not check.fits}
    assert bad == {
        (POSE.name, "shape"),
        (POSE.name, "unit"),
        (POSE.name, "frame"),
        (POSE.name, "rate"),
        ("right_arm/q", "name"),
    }
    for words in ("needs mm", "no such stream", "at least 100 Hz"):
        assert words in checks.refused(found)
    assert checks.refused(checks.compare_actions(ActionSpace(sides=("left",)), ["right"]))
    assert not checks.refused(checks.compare_actions(ActionSpace(sides=("left",)), ["left"]))


def test_live_values_far_outside_of_training_are_named(rings: dict[str, RingWriter]) -> None:
    from policies.normaliser import Normaliser

    class Trained:
        normaliser = Normaliser.fit(
            [{"touch": np.array([[[0.0, 1.0], [1.0, 2.0]]])}], {"touch": "range"}
        )

    need = StreamNeed(stream="pad/touch", key="touch", shape=(2,))
    from policies.contract import Window

    for value, fits in ((1.5, True), (40.0, False)):
        window = Window(0, {"touch": np.array([[0.5, 1.5], [0.5, value]], dtype=np.float32)})
        (check,) = checks.compare_values(window, (need,), Trained())
        assert check.fits is fits and "column" in check.needed


@pytest.mark.parametrize(
    "name", ["policy.pt", "policy.PKL", "latest.ckpt", "model.pth", "model.bin"]
)
def test_what_would_run_code_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(PolicyError, match=r"code.*standalone\.py"):
            open_policy(str(path))


def test_other_things_that_are_no_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="There is no checkpoint"):
        open_policy(str(tmp_path / "gone"))
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(PolicyError, match="LeRobot checkpoint"):
        open_policy(str(tmp_path))
