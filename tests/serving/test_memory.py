"""A stream in memory reads like the ring that got the same samples."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import StreamError
from devices.ring import RingReader, RingWriter
from devices.stream import StreamSpec
from policies.contract import StreamNeed
from policies.serving.memory import MemoryStream
from policies.serving.windows import LiveWindows

SPEC = StreamSpec("pad/tactile", (2, 3), "float32", "N", "pad", 125.0, kind="touch")


@given(
    st.lists(st.integers(0, 20), max_size=30),
    st.lists(st.integers(-5, 400), min_size=1, max_size=5),
)
def test_as_a_ring(steps: list[int], asked: list[int]) -> None:
    memory = MemoryStream(SPEC)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ring"
        with RingWriter(path, SPEC, 64) as writer, RingReader(path) as reader:
            for number, t_ns in enumerate(np.cumsum(steps).tolist()):
                for one in (writer, memory):
                    one.publish(t_ns, np.full((2, 3), number))
            for t_ns in asked:
                mine, theirs = memory.since(t_ns), reader.since(t_ns)
                np.testing.assert_array_equal(mine.t_ns, theirs.t_ns)
                np.testing.assert_array_equal(mine.data, theirs.data)
                assert mine.data.dtype == theirs.data.dtype
                assert (mine.seq0 == theirs.seq0) or not len(mine.t_ns)
                assert memory.times(t_ns)[0] == mine.seq0
                assert memory.age_ns(t_ns) == reader.age_ns(t_ns)
            for seq in (0, len(steps) - 1, len(steps)):
                mine, theirs = memory.row(seq), reader.row(seq)
                assert (mine is None) == (theirs is None)
                if mine is not None and theirs is not None:
                    np.testing.assert_array_equal(mine, theirs)
    assert memory.spec == SPEC and not memory.replaced()


def test_it_grows_and_forgets_and_keeps_time() -> None:
    memory = MemoryStream(SPEC)
    for number in range(3000):
        memory.publish(number, np.full((2, 3), number))
    assert len(memory) == 3000 and memory.row(2999) is not None
    with pytest.raises(StreamError, match="older"):
        memory.publish(0, np.zeros((2, 3)))
    memory.clear()
    assert len(memory) == 0 and memory.age_ns(5) is None


def test_a_plan_begins_with_what_is_felt_now() -> None:
    memory = MemoryStream(SPEC)
    for number in range(100):
        memory.publish(number * 8_000_000, np.full((2, 3), number))
    needs = (
        StreamNeed(stream=SPEC.name, key="before", shape=(2, 3), steps=2, rate_hz=25.0),
        StreamNeed(stream=SPEC.name, key="touch", shape=(2, 3), span="chunk"),
    )
    window = LiveWindows(needs, lambda _: memory).window(401_000_000)
    assert window.values["before"][:, 0, 0].tolist() == [45, 50]
    assert window.values["touch"].shape == (1, 2, 3) and window.values["touch"][0, 0, 0] == 50
