"""Session files: what was written is read, and what was cut off costs no more than itself."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import StorageError
from devices.tactar.session_file import (
    MAGIC,
    Posted,
    Sent,
    SessionHeader,
    SessionReader,
    SessionWriter,
)
from devices.tactar.wire import Controller, Post
from tests.tactar.shared import posts

HEADER = SessionHeader("2026-11-24T16:00:00+00:00", "bench 2")
times = st.integers(0, 2**62)
records = st.lists(
    st.builds(Posted, times, st.just("198.51.100.31"), posts)
    | st.builds(Sent, times, st.sampled_from([10001, 10002]), st.binary(max_size=100)),
    max_size=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


def write(path: Path, wanted: list[Posted | Sent]) -> None:
    path.unlink(missing_ok=True)
    with SessionWriter(path, HEADER) as writer:
        for record in wanted:
            if isinstance(record, Posted):
                writer.posted(record.post, record.address, record.t_ns)
            else:
                writer.sent(record.port, record.data, record.t_ns)


def read(path: Path) -> tuple[list[Posted | Sent], str]:
    with SessionReader(path) as reader:
        found = list(reader)
        assert reader.header == HEADER
        return found, reader.cut


@given(records)
def test_what_was_written_is_read(folder: Path, wanted: list[Posted | Sent]) -> None:
    path = folder / "a.tactar"
    write(path, wanted)
    assert read(path) == (wanted, "")
    with SessionReader(path) as reader:
        assert list(reader.posts()) == [r for r in wanted if isinstance(r, Posted)]


@given(records, st.integers(1, 400))
def test_a_cut_tail_costs_its_own_record(
    folder: Path, wanted: list[Posted | Sent], cut: int
) -> None:
    path = folder / "b.tactar"
    write(path, [])
    empty = path.stat().st_size
    write(path, wanted)
    data = path.read_bytes()
    path.write_bytes(data[: max(empty, len(data) - cut)])
    found, why = read(path)
    assert found == wanted[: len(found)]
    assert len(found) < len(wanted) or not wanted
    write(path, found)
    whole = path.stat().st_size == max(empty, len(data) - cut)
    assert bool(why) != whole


@given(records.filter(bool), st.data())
def test_a_damaged_byte_is_found(
    folder: Path, wanted: list[Posted | Sent], data: st.DataObject
) -> None:
    path = folder / "c.tactar"
    write(path, [])
    empty = path.stat().st_size
    write(path, wanted)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(empty, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found, why = read(path)
    assert why
    assert found == wanted[: len(found)]


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(folder: Path, tail: bytes) -> None:
    path = folder / "d.tactar"
    for data in (tail, MAGIC + tail):
        path.write_bytes(data)
        with pytest.raises(StorageError):
            SessionReader(path)


def test_a_post_of_a_file_is_checked_as_one_of_the_wire(folder: Path) -> None:
    path = folder / "e.tactar"
    path.unlink(missing_ok=True)
    with SessionWriter(path, HEADER) as writer:
        hand = Controller(np.zeros(3), np.zeros(4))
        writer.posted(Post(1.0, hand, hand), "198.51.100.31", 1)
    found, why = read(path)
    assert found == []
    assert "quaternion" in why


def test_nothing_is_overwritten(folder: Path) -> None:
    path = folder / "f.tactar"
    write(path, [])
    with pytest.raises(StorageError, match="exists"):
        SessionWriter(path, HEADER)


def test_a_later_version_is_refused(folder: Path) -> None:
    path = folder / "g.tactar"
    write(path, [])
    payload = msgspec.msgpack.encode({"type": "header", "version": 99, "made": "later"})
    path.write_bytes(MAGIC + struct.pack("<II", len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(StorageError, match="version 99"):
        SessionReader(path)
