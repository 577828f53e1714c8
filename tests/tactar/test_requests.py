"""HTTP requests out of bytes, however they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.tactar.requests import MAX_HEAD, Request, RequestError, RequestReader

LIMIT = 1000


def read_all(pieces: list[bytes]) -> list[Request]:
    reader = RequestReader(LIMIT)
    requests = []
    for piece in pieces:
        reader.feed(piece)
        while (request := reader.next()) is not None:
            requests.append(request)
    return requests


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def sized(body: bytes) -> bytes:
    return b"POST /unity HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x;x=1\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"POST /unity HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


bodies = st.binary(max_size=300)


@given(st.lists(st.tuples(bodies, st.integers(0, 50))), st.lists(st.integers(0, 10_000)))
def test_requests_come_whole_however_they_are_cut(
    posts: list[tuple[bytes, int]], places: list[int]
) -> None:
    data = b"".join(chunked(body, size) if size else sized(body) for body, size in posts)
    requests = read_all(cut(data, places))
    assert [request.body for request in requests] == [body for body, _ in posts]
    assert all(request.path == "/unity" and request.keep_alive for request in requests)


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    try:
        read_all(pieces)
    except RequestError as error:
        assert error.status in (400, 413, 417, 431)


@given(st.lists(st.binary(max_size=30), max_size=8), st.integers(0, 200))
def test_damaged_requests_are_read_or_refused(pieces: list[bytes], place: int) -> None:
    good = chunked(bytes(100), 7)
    try:
        read_all([good[:place], *pieces, good[place:]])
    except RequestError as error:
        assert error.status in (400, 413, 417, 431)


def test_the_path_is_told_without_its_query() -> None:
    assert read_all([b"GET /a?b=c HTTP/1.1\r\n\r\n"]) == [Request("GET", "/a", b"", True)]


@pytest.mark.parametrize(
    ("head", "keep"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", True),
    ],
)
def test_who_keeps_a_connection(head: bytes, keep: bool) -> None:
    assert [request.keep_alive for request in read_all([head])] == [keep]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nExpect: tea\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * MAX_HEAD, 431),
    ],
)
def test_what_is_refused_is_refused_at_once(data: bytes, status: int) -> None:
    with pytest.raises(RequestError) as caught:
        read_all([data])
    assert caught.value.status == status


def test_a_sender_that_waits_is_told_to_go_on_once() -> None:
    reader = RequestReader(LIMIT)
    reader.feed(b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
    assert reader.next() is None
    assert reader.take_expectation()
    assert not reader.take_expectation()
    reader.feed(b"ab")
    assert reader.next() == Request("POST", "/", b"ab", True)
