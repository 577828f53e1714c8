"""Rings: what goes in comes out in order, whole, or is counted as missed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.errors import StreamError
from devices.ring import RingReader, RingWriter
from devices.stream import StreamSpec

SPEC = StreamSpec("left_arm/q", (3,), "float64", "rad", "", 500.0)


def row(seq: int) -> np.ndarray:
    return np.array([seq, -seq, seq / 2], dtype=np.float64)


publish = st.tuples(st.just("publish"), st.integers(1, 9))
publish_many = st.tuples(st.just("publish_many"), st.integers(0, 20))
drain = st.tuples(st.just("drain"), st.sampled_from([None, 1, 2, 5]))


@settings(max_examples=200, deadline=None)
@given(
    capacity=st.integers(1, 8), steps=st.lists(st.one_of(publish, publish_many, drain), max_size=30)
)
def test_drain_is_gapless_or_counts_the_gap(
    tmp_path_factory: pytest.TempPathFactory, capacity: int, steps: list[tuple[str, int | None]]
) -> None:
    path = tmp_path_factory.mktemp("ring") / "q.ring"
    published = expected = 0
    with RingWriter(path, SPEC, capacity) as writer, RingReader(path) as reader:
        for what, n in [*steps, ("drain", None)]:
            if what == "publish":
                for _ in range(n or 0):
                    assert writer.publish(published * 10, row(published)) == published
                    published += 1
            elif what == "publish_many":
                numbers = range(published, published + (n or 0))
                rows = np.array([row(i) for i in numbers]).reshape(-1, 3)
                assert writer.publish_many([i * 10 for i in numbers], rows) == published
                published += n or 0
            else:
                got = reader.drain(n)
                assert got.seq0 == expected + got.missed
                assert got.missed == max(0, published - capacity - expected)
                held = published - got.seq0
                assert len(got.t_ns) == (held if n is None else min(n, held))
                for k, (t_ns, data) in enumerate(zip(got.t_ns, got.data, strict=True)):
                    assert t_ns == (got.seq0 + k) * 10
                    assert np.array_equal(data, row(got.seq0 + k))
                expected = got.seq0 + len(got.t_ns)
            newest = reader.latest()
            if published == 0:
                assert newest is None
            else:
                assert newest is not None and newest.seq == published - 1
                assert np.array_equal(newest.data, row(published - 1))


@given(capacity=st.integers(1, 8), n=st.integers(0, 20), t_ns=st.integers(-5, 250))
@settings(deadline=None)
def test_since_returns_the_held_samples_from_then_on(
    tmp_path_factory: pytest.TempPathFactory, capacity: int, n: int, t_ns: int
) -> None:
    path = tmp_path_factory.mktemp("ring") / "q.ring"
    with RingWriter(path, SPEC, capacity) as writer:
        for i in range(n):
            writer.publish(i * 10, row(i))
        with RingReader(path) as reader:
            wanted = [i for i in range(max(0, n - capacity), n) if i * 10 >= t_ns]
            got = reader.since(t_ns)
            assert [round(data[0]) for data in got.data] == wanted
            reader.seek(t_ns)
            assert reader.backlog == len(wanted)
            assert [round(data[0]) for data in reader.drain().data] == wanted


def test_what_a_reader_gets_is_read_only_and_its_own(tmp_path: Path) -> None:
    with RingWriter(tmp_path / "q.ring", SPEC, 2) as writer:
        writer.publish(1, row(1))
        reader = RingReader(tmp_path / "q.ring")
        sample, drained = reader.latest(), reader.drain()
        assert sample is not None
        writer.publish_many([2, 3], [row(2), row(3)])
        reader.close()
    for data in (sample.data, drained.data[0]):
        assert np.array_equal(data, row(1))
        with pytest.raises(ValueError, match="read-only"):
            data[0] = 0.0


def test_age_counts_from_the_measurement(tmp_path: Path) -> None:
    path = tmp_path / "q.ring"
    with RingWriter(path, SPEC, 2) as writer, RingReader(path) as reader:
        assert reader.age_ns(500) is None
        writer.publish(300, row(0))
        assert reader.age_ns(500) == 200


def test_wrong_samples_are_refused_and_leave_no_trace(tmp_path: Path) -> None:
    with RingWriter(tmp_path / "q.ring", SPEC, 2) as writer:
        for wrong in (np.zeros(4), np.zeros(()), np.array(["a", "b", "c"]), np.zeros(3, complex)):
            with pytest.raises(StreamError, match="left_arm/q"):
                writer.publish(1, wrong)
            with pytest.raises(StreamError, match="left_arm/q"):
                writer.publish_many([1], [wrong])
        assert writer.head == 0
        writer.publish(1, [1, 2, 3])
        with RingReader(tmp_path / "q.ring") as reader:
            assert reader.drain().seq0 == 0


@pytest.mark.parametrize(
    "harm",
    [
        lambda raw: b"",
        lambda raw: b"not a ring",
        lambda raw: b"x" * len(raw),
        lambda raw: raw[:-1],
        lambda raw: raw[:100],
        lambda raw: raw + b"x",
        lambda raw: raw[:8] + b"\x02" + raw[9:],
        lambda raw: raw[:128] + b"\xff" * 20 + raw[148:],
    ],
)
def test_foreign_truncated_and_newer_files_are_refused(tmp_path: Path, harm: object) -> None:
    path = tmp_path / "q.ring"
    with RingWriter(path, SPEC, 2):
        raw = path.read_bytes()
    path.write_bytes(harm(raw))  # type: ignore[operator]
    with pytest.raises(StreamError, match=r"q\.ring"):
        RingReader(path)


def test_a_missing_ring_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"none\.ring"):
        RingReader(tmp_path / "none.ring")


def test_two_living_writers_are_refused_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "q.ring"
    first = RingWriter(path, SPEC, 2)
    with pytest.raises(StreamError, match="already has a writer"):
        RingWriter(path, SPEC, 2)
    reader = RingReader(path)
    assert reader.writer_alive() and not reader.replaced()
    path.rename(tmp_path / "kept")  # as after a SIGKILL: closing must not remove another's file
    (tmp_path / "kept").rename(path)
    first.close()
    assert not path.exists() and reader.replaced() and not reader.writer_alive()
    with RingWriter(path, SPEC, 2):
        assert reader.replaced() and not reader.writer_alive()
    reader.close()


def test_close_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    writer = RingWriter(tmp_path / "q.ring", SPEC, 2)
    reader = RingReader(tmp_path / "q.ring")
    for _ in range(2):
        reader.close()
        writer.close()
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys, zlib
import numpy as np
from pathlib import Path
from devices.ring import RingWriter
from devices.stream import StreamSpec
path, capacity, n = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
spec = StreamSpec("front/rgb", (2000,), "uint32", "1", "", 30.0)
writer = RingWriter(path, spec, capacity)
rng = np.random.default_rng(0)
print("ready", flush=True)
sys.stdin.readline()
data = rng.integers(0, 2**32, spec.shape, dtype=np.uint32)
i = 0
while i < n or n < 0:
    data[:-1] += np.uint32(i + 1)
    data[-1] = zlib.crc32(data[:-1])
    writer.publish(i, data)
    i += 1
sys.stdin.readline()
writer.close()
"""


def start_writer(path: Path, capacity: int, n: int) -> subprocess.Popen[bytes]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(capacity), str(n)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    return writer


def say(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def bury(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def whole(payload: np.ndarray) -> bool:
    return zlib.crc32(payload[:-1]) == payload[-1]


@pytest.mark.parametrize("capacity", [1, 2, 7])
def test_no_torn_sample_while_another_process_writes_as_fast_as_it_can(
    tmp_path: Path, capacity: int
) -> None:
    n = 20_000
    path = tmp_path / "stress.ring"
    writer = start_writer(path, capacity, n)
    try:
        with RingReader(path) as lossy, RingReader(path) as lossless:
            say(writer)
            expected = drained = missed = looked = 0
            while expected < n:
                got = lossless.drain()
                assert got.seq0 == expected + got.missed
                expected = got.seq0 + len(got.t_ns)
                missed += got.missed
                drained += len(got.t_ns)
                assert list(got.t_ns) == list(range(got.seq0, expected))
                assert all(whole(payload) for payload in got.data)
                sample = lossy.latest()
                if sample is not None:
                    looked += 1
                    assert sample.t_ns == sample.seq and whole(sample.data)
            assert drained + missed == n
            assert drained > 0 and looked > 0
    finally:
        bury(writer)


def test_a_killed_reader_never_blocks_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "q.ring"
    code = (
        "import sys; from pathlib import Path; from devices.ring import RingReader\n"
        "reader = RingReader(Path(sys.argv[1])); print('ready', flush=True)\n"
        "while True: reader.latest(); reader.writer_alive()\n"
    )
    with RingWriter(path, SPEC, 4) as writer:
        reader = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"ready\n"
        for i in range(1000):
            if i == 500:
                reader.kill()
            writer.publish(i, row(i))
        bury(reader)
        assert writer.publish(1000, row(1000)) == 1000
        with RingReader(path) as other:
            sample = other.latest()
            assert sample is not None and sample.seq == 1000


def test_a_killed_writer_is_seen_and_its_ring_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "q.ring"
    writer = start_writer(path, 1, -1)
    try:
        with RingReader(path) as reader:
            say(writer)
            while reader.head == 0:
                time.sleep(0.001)
            assert reader.writer_alive()
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            assert not reader.writer_alive()
            sample = reader.latest()  # None if it died half-way through its only slot
            assert sample is None or whole(sample.data)
        with RingWriter(path, SPEC, 4), RingReader(path) as reader:
            assert reader.writer_alive()
    finally:
        bury(writer)


def test_a_ring_that_does_not_fit_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StreamError, match="do not fit"):
        RingWriter(tmp_path / "q.ring", SPEC, 4)
    assert list(tmp_path.iterdir()) == []
