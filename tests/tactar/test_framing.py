"""Panel framing: never a last chunk of four bytes, and a reader that knows only the notes."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import WireError
from devices.tactar.framing import CHUNK, MAX_MESSAGE, PanelReader, chunk_size, framed


class Reader:
    """Section 1.5 of the notes, read by itself: a length, a chunk size, chunks, in order of
    arrival; what does not fit is thrown away until a datagram of four bytes."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._numbers: list[int] = []
        self._copied = bytearray()

    def take(self, datagram: bytes) -> None:
        if len(self._numbers) < 2:
            if len(datagram) == 4:
                self._numbers.append(struct.unpack("<I", datagram)[0])
            else:
                self._numbers.clear()
            return
        total, size = self._numbers
        if len(datagram) == 4:
            self._numbers = [struct.unpack("<I", datagram)[0]]
            self._copied.clear()
            return
        if len(datagram) != min(size, total - len(self._copied)):
            self._numbers.clear()
            self._copied.clear()
            return
        self._copied += datagram
        if len(self._copied) == total:
            self.messages.append(bytes(self._copied))
            self._numbers.clear()
            self._copied.clear()


def near(chunk: int) -> list[int]:
    """Lengths around each multiple of a chunk, and of a chunk and four bytes."""
    return [
        length
        for multiple in range(4)
        for length in range(multiple * chunk - 3, multiple * chunk + 12)
        if length >= 5
    ]


@pytest.mark.parametrize("chunk", [8, 9, 100, 1024, CHUNK, 60_000])
def test_every_length_around_multiples_of_a_chunk(chunk: int) -> None:
    for length in near(chunk):
        message = random.Random(length).randbytes(length)
        first, second, *chunks = framed(message, chunk)
        size = struct.unpack("<I", second)[0]
        assert struct.unpack("<I", first)[0] == length
        assert chunk - 8 < size <= chunk
        assert len(chunks) == -(-length // size)
        assert all(len(part) == size for part in chunks[:-1])
        assert all(len(part) != 4 for part in chunks)
        assert b"".join(chunks) == message


@given(st.integers(5, MAX_MESSAGE), st.integers(8, 60_000))
def test_no_length_leaves_four_bytes(length: int, chunk: int) -> None:
    size = chunk_size(length, chunk)
    assert length % size != 4
    assert 4 < size <= chunk


@given(
    st.lists(st.one_of(st.sampled_from(near(40)), st.integers(5, 300)), max_size=12),
    st.integers(8, 40),
)
def test_all_messages_arrive_whole(lengths: list[int], chunk: int) -> None:
    messages = [random.Random(n * 31 + i).randbytes(n) for i, n in enumerate(lengths)]
    independent, ours, whole = Reader(), PanelReader(), []
    for message in messages:
        for datagram in framed(message, chunk):
            independent.take(datagram)
            done = ours.feed(datagram)
            if done is not None:
                whole.append(done)
    assert independent.messages == whole == messages
    assert ours.faults == []
    assert ours.in_between


# Three losses in a row can take a message away, or put two together, unseen: there are no numbers
# in this framing.
@given(st.integers(0, 100_000), st.sets(st.integers(0, 60), max_size=2))
def test_after_lost_datagrams_whole_messages_are_read_again(seed: int, lost: set[int]) -> None:
    chance = random.Random(seed)
    messages = [chance.randbytes(chance.randrange(5, 200)) for _ in range(12)]
    sent = [(i, datagram) for i, m in enumerate(messages) for datagram in framed(m, 32)]
    reader, whole = PanelReader(), []
    hurt = {sent[place][0] for place in lost if place < len(sent)}
    for place, (_, datagram) in enumerate(sent):
        if place not in lost:
            done = reader.feed(datagram)
            if done is not None:
                whole.append(done)
    # A loss costs its own message and at most the one whose length it made a chunk size of.
    spared = [m for i, m in enumerate(messages) if i not in hurt and i - 1 not in hurt]
    assert all(message in whole for message in spared)
    assert all(message in messages for message in whole)
    assert bool(reader.faults) >= bool(lost and max(lost) < len(sent) - 8)


@given(st.lists(st.binary(max_size=12), max_size=40))
def test_the_reader_survives_any_datagrams(datagrams: list[bytes]) -> None:
    reader = PanelReader()
    for datagram in datagrams:
        reader.feed(datagram)


@pytest.mark.parametrize("length", [0, 4, MAX_MESSAGE + 1])
def test_messages_that_cannot_be_sent(length: int) -> None:
    with pytest.raises(WireError, match=f"{length} bytes"):
        framed(bytes(length))
