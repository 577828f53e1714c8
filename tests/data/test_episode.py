"""Writer and reader: what goes in comes out, in every state of the file."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import layout
from datasets.dataset import Dataset
from datasets.reader import Episode
from datasets.repair import clear_drafts, needs_repair, repair, repair_all
from datasets.video import VideoDecoder, VideoEncoder
from datasets.writer import EpisodeWriter
from devices.clock import FakeClock
from devices.errors import StorageError, StreamError, TeledeckError
from devices.stream import StreamSpec
from tests.data.recording import FAST, Station, barcode, camera, fast_rows, read_barcode

UID = "20260131T093000250Z-1f2e3d"
SMALL = StreamSpec("hand/q", (2,), "float32", "rad", "", 100.0)
FLAG = StreamSpec("hand/on", (1,), "uint8", "1", "", 100.0, kind="operator")


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b))


@settings(max_examples=20, deadline=None)
@given(
    batches=st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 3)), max_size=8),
    ending=st.sampled_from(["stop", "abandon"]),
)
def test_rows_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[int, bool, int]],
    ending: str,
) -> None:
    dataset = Dataset.create(tmp_path_factory.mktemp("d") / "set")
    clock = FakeClock()
    writer = EpisodeWriter(dataset, UID, [SMALL, FLAG], {}, clock)
    row = seq = gaps = committed = 0
    for count, flush, skip in batches:
        if skip and row and count:
            gaps += 1
        seq += skip
        data = np.arange(2 * row, 2 * (row + count), dtype=np.float32).reshape(count, 2)
        writer.append("hand/q", np.arange(row, row + count) * 10, data, seq)
        seq, row = seq + count, row + count
        if count == 0:
            seq -= skip
        if flush:
            writer.flush()
            committed = row
    if ending == "stop":
        writer.stop("stopped")
        committed = row
    else:
        writer.abandon()
    path = dataset.episode_path(UID)
    assert needs_repair(path) == (ending == "abandon")
    for _ in range(2):
        with Episode.open(path) as episode:
            assert episode.interrupted == (ending == "abandon")
            stream = episode["hand/q"]
            wanted = np.arange(2 * committed, dtype=np.float32).reshape(-1, 2)
            assert same(stream.values, wanted)
            assert same(stream.t_ns, np.arange(committed) * 10)
            assert len(episode["hand/on"]) == 0
            if ending == "stop":
                assert [event.kind for event in episode.events] == ["gap"] * gaps
        repair(path)


def test_start_stop_events_and_specs(dataset: Dataset) -> None:
    clock = FakeClock()
    start = {"task": "wipe", "operator": "Ada", "seed": 7}
    with EpisodeWriter(dataset, UID, [SMALL], start, clock, provenance={"from": [UID]}) as writer:
        about = {"n": np.int64(1), "x": float("nan"), "list": [1, float("-inf")], "none": None}
        writer.event("note", "häkchen ✓", clock.now_ns(), about)
        clock.advance_s(1.0)
        writer.stop("limit", "x" * 5000)
    with Episode.open(dataset.episode_path(UID)) as episode:
        assert episode.uid == UID and not episode.recording and not episode.interrupted
        assert {**start, "t_ns": 1_000 * 10**9}.items() <= episode.start.items()
        assert set(episode.start["anchor"]) == {"wall_ns", "monotonic_ns"}
        assert episode.stop is not None and episode.stop["how"] == "limit"
        assert episode.stop["t_ns"] == 1_001 * 10**9
        assert episode.provenance == {"from": [UID]}
        assert episode.specs["hand/q"] == SMALL
        (event,) = episode.events
        assert (event.kind, event.text) == ("note", "häkchen ✓")
        assert event.data == {"n": 1, "x": "nan", "list": [1, "-inf"], "none": None}


def test_a_running_take_can_be_read(dataset: Dataset) -> None:
    clock = FakeClock()
    writer = EpisodeWriter(dataset, UID, [SMALL], {}, clock)
    writer.append("hand/q", [1, 2], np.zeros((2, 2), np.float32), 0)
    writer.flush()
    writer.append("hand/q", [3], np.zeros((1, 2), np.float32), 2)
    with Episode.open(writer.path) as episode:
        assert episode.recording and episode.stop is None and not episode.interrupted
        assert len(episode["hand/q"]) == 2
    with pytest.raises(StorageError, match="being recorded"):
        repair(writer.path)
    assert list(repair_all(dataset)) == []
    writer.stop("stopped")


def test_flushes_by_the_clock(dataset: Dataset) -> None:
    clock = FakeClock()
    writer = EpisodeWriter(dataset, UID, [SMALL], {}, clock, flush_s=0.25)
    for step in range(10):
        writer.append("hand/q", [step], np.zeros((1, 2), np.float32), step)
        clock.advance_s(0.1)
        writer.tick()
        with Episode.open(writer.path) as episode:
            assert step + 1 - len(episode["hand/q"]) <= 2
    writer.stop("stopped")


def test_a_jump_in_the_numbers_is_a_gap(dataset: Dataset) -> None:
    writer = EpisodeWriter(dataset, UID, [SMALL], {}, FakeClock())
    row = np.zeros((1, 2), np.float32)
    writer.append("hand/q", [1], row, 7)
    writer.append("hand/q", [3], row, 10)
    assert writer.dropped == {"hand/q": 2} and writer.rows == {"hand/q": 2}
    writer.stop("stopped")
    with Episode.open(writer.path) as episode:
        (event,) = episode.events
        assert (event.kind, event.t_ns) == ("gap", 3)
        assert event.data == {"stream": "hand/q", "missing": 2, "row": 1}


@pytest.mark.parametrize(
    ("stream", "times", "data", "says"),
    [
        ("hand/p", [1], np.zeros((1, 2), np.float32), "Allowed: hand/q"),
        ("hand/q", [1], np.zeros((1, 3), np.float32), r"\(2,\) float32"),
        ("hand/q", [1], np.zeros((1, 2)), "float64"),
        ("hand/q", [1, 2], np.zeros((1, 2), np.float32), "2,\\) times for 1 rows"),
        ("eye/rgb", [1], np.zeros((1, 48, 64, 3), np.uint8), "VideoEncoder"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    dataset: Dataset, stream: str, times: list[int], data: np.ndarray, says: str
) -> None:
    writer = EpisodeWriter(dataset, UID, [SMALL, camera("eye/rgb", 64, 48)], {}, FakeClock())
    with pytest.raises(StreamError, match=says):
        writer.append(stream, times, data, 0)
    writer.append("hand/q", [1], np.zeros((1, 2), np.float32), 0)
    writer.stop("stopped")
    with Episode.open(writer.path) as episode:
        assert len(episode["hand/q"]) == 1


@pytest.mark.parametrize("names", [["a/q", "a/q"], ["a", "a/q"], []])
def test_streams_that_collide_are_refused(dataset: Dataset, names: list[str]) -> None:
    specs = [StreamSpec(name, (1,), "float64", "1", "", 1.0) for name in names]
    with pytest.raises(StorageError):
        EpisodeWriter(dataset, UID, specs, {}, FakeClock())
    assert dataset.uids() == ()


def test_writers_leave_no_thread_and_refuse_after_the_end(dataset: Dataset) -> None:
    before = threading.active_count()
    writer = EpisodeWriter(dataset, UID, [SMALL], {}, FakeClock())
    writer.flush()
    writer.stop("stopped")
    assert threading.active_count() == before
    with pytest.raises(StorageError, match="closed"):
        writer.flush()
    with pytest.raises(StorageError, match="exists already"):
        EpisodeWriter(dataset, UID, [SMALL], {}, FakeClock())


# -------------------------------------------------------------------------------------- pictures
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.integers(0, 34), min_size=1, max_size=12))
def test_any_picture_in_any_order(pictures: Path, rows: list[int]) -> None:
    with Episode.open(pictures) as episode:
        found = episode.frames("front/rgb", rows)
        assert [read_barcode(picture) for picture in found] == rows
        for row in rows:
            assert read_barcode(episode.frames("front/rgb", row)) == row


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dataset = Dataset.create(tmp_path_factory.mktemp("pictures") / "set")
    clock, station = FakeClock(), Station()
    since = clock.now_ns()
    with EpisodeWriter(dataset, UID, station.specs, {}, clock) as writer:
        clock.advance_s(35.1 / 30)
        station.append_due(writer, since, clock.now_ns())
    return dataset.episode_path(UID)


def test_one_packet_a_frame_each_group_on_its_own() -> None:
    encoder = VideoEncoder(64, 48, 30.0)
    packets = [encoder.encode(barcode(n, 64, 48)) for n in range(35)]
    assert [n for n, packet in enumerate(packets) if packet.keyframe] == [0, 10, 20, 30]
    for first in (0, 10, 20, 30):
        decoder = VideoDecoder()
        for n in range(first, min(first + 10, 35)):
            assert read_barcode(decoder.decode(packets[n].data)) == n


def test_broken_packets_are_told() -> None:
    with pytest.raises(StorageError):
        VideoDecoder().decode(b"\x00\x01 not a packet")
    with pytest.raises(StorageError, match="even"):
        VideoEncoder(63, 48, 30.0)
    with pytest.raises(StorageError, match="uint8"):
        VideoEncoder(64, 48, 30.0).encode(np.zeros((48, 64, 3), np.float32))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------- broken files
def _truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _newer(path: Path) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = layout.SCHEMA + 1


def _foreign_hdf5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["data"] = [1, 2]


def _without_a_stream_spec(path: Path) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        file.attrs["streams"] = json.dumps([{"name": "left_arm/q", "shape": [7]}])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"PK\x03\x04" * 100), "not an HDF5 file"),
        (_truncated, "cut short: .* bytes are there"),
        (_newer, "schema 2.*Update Teledeck"),
        (_foreign_hdf5, "not an episode of Teledeck"),
        (_without_a_stream_spec, "does not say what its streams are"),
        (Path.unlink, "There is no episode"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
)
def test_files_we_cannot_read_are_refused_by_name(dataset: Dataset, record, harm, says) -> None:  # type: ignore[no-untyped-def]
    path = dataset.episode_path(record(0.2))
    harm(path)
    before = path.read_bytes() if path.is_file() else b""
    for act in (Episode.open, repair):
        if act is repair and harm is _without_a_stream_spec:
            continue  # repair has nothing to do there
        with pytest.raises(TeledeckError, match=says) as caught:
            act(path)
        assert str(path) in str(caught.value)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_repair_keeps_what_was_committed_and_is_idempotent(dataset: Dataset, record) -> None:  # type: ignore[no-untyped-def]
    uid = record(1.0, stop=False)
    path = dataset.episode_path(uid)
    with Episode.open(path) as episode:
        rows = {name: len(episode[name]) for name in episode}
        assert episode.interrupted
    report = repair(path)
    assert report.changed and report.rows == rows and min(rows.values()) > 0
    content = path.read_bytes()
    assert not repair(path).changed and path.read_bytes() == content
    with Episode.open(path) as episode:
        assert episode.interrupted and episode.stop is not None
        assert episode.stop["how"] == "interrupted"
        assert same(episode["left_arm/q"].values, fast_rows(0, rows["left_arm/q"]))
        n = rows["front/rgb"]
        assert [read_barcode(f) for f in episode.frames("front/rgb", range(n))] == [*range(n)]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_drafts_of_dead_writers_are_cleared_away(dataset: Dataset, record) -> None:  # type: ignore[no-untyped-def]
    kept = record(0.2)
    old, young = (dataset.episodes / f"{layout.new_uid(n)}.draft" for n in (1, 2))
    for path in (old, young):
        path.write_bytes(b"half a file")
    os.utime(old, (0, 0))
    foreign = dataset.episodes / "mine.draft"
    foreign.touch()
    os.utime(foreign, (0, 0))
    assert clear_drafts(dataset) == (old,)
    assert young.exists() and foreign.exists() and dataset.uids() == (kept,)


# -------------------------------------------------------------------------------------- datasets
def test_create_open_find(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "one", "First", robot="openarm")
    assert Dataset.open(tmp_path / "one") == made
    assert Dataset.open_or_create(tmp_path / "one") == made
    with pytest.raises(StorageError, match="is a dataset already"):
        Dataset.create(tmp_path / "one")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(StorageError, match="not empty"):
        Dataset.create(tmp_path / "other")
    with pytest.raises(StorageError, match="is not a dataset"):
        Dataset.open(tmp_path / "other")
    with pytest.raises(StorageError, match="does not exist"):
        Dataset.open(tmp_path / "nowhere")
    (made.root / "dataset.toml").write_text("schema = 99")
    with pytest.raises(StorageError, match=r"schema 99.*Update"):
        Dataset.open(made.root)
    (made.root / "dataset.toml").write_text("schema = [")
    with pytest.raises(StorageError, match="not valid TOML"):
        Dataset.open(made.root)


@pytest.mark.parametrize("name", ["", "..", "../x", UID + "/..", "a" * 26, UID.lower()])
def test_only_uids_become_paths(dataset: Dataset, name: str) -> None:
    with pytest.raises(StorageError, match="not the uid"):
        dataset.episode_path(name)
    with pytest.raises(StorageError, match="SHA-256"):
        dataset.model_path(name)


@given(st.lists(st.integers(0, 4 * 10**18), min_size=2, max_size=5))
def test_uids_sort_by_time(moments: list[int]) -> None:
    uids = [layout.new_uid(moment) for moment in sorted(moments)]
    assert all(layout.is_uid(uid) for uid in uids) and len(set(uids)) == len(uids)
    assert [uid[:19] for uid in uids] == sorted(uid[:19] for uid in uids)


def test_models_are_stored_once_and_checked(dataset: Dataset) -> None:
    digest = dataset.add_model(b"model")
    path = dataset.model_path(digest)
    stamp = path.stat().st_mtime_ns
    assert dataset.add_model(b"model") == digest and path.stat().st_mtime_ns == stamp
    assert dataset.load_model(digest) == b"model"
    path.write_bytes(b"other")
    with pytest.raises(StorageError, match="was changed"):
        dataset.load_model(digest)


def test_unknown_streams_and_rows(dataset: Dataset, record) -> None:  # type: ignore[no-untyped-def]
    with Episode.open(dataset.episode_path(record(0.2))) as episode:
        with pytest.raises(StreamError, match="left_arm/q"):
            episode["left_arm/p"]
        with pytest.raises(StreamError, match="Allowed: front/rgb"):
            episode.frames(FAST.name, 0)
        with pytest.raises(StreamError, match="rows"):
            episode.frames("front/rgb", [0, 10**6])
        q = episode["left_arm/q"]
        assert same(q[3:7], q.values[3:7]) and same(q[[5, 1]], q.values[[5, 1]])
        assert not q.values.flags.writeable and not q.t_ns.flags.writeable
        assert json.dumps(dict(episode.start))
