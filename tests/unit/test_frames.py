"""The stream of a command: the same output however it is cut, and an end in time."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed.engine.transport.frames import STDERR, STDIN, STDOUT, LateError, output
from pytest_exposed.errors import ObservationError

Frames = Sequence[tuple[int, bytes]]

FRAMES = st.lists(
    st.tuples(st.sampled_from([STDIN, STDOUT, STDOUT, STDERR]), st.binary(max_size=40)),
    max_size=8,
)


def written(frames: Iterable[tuple[int, bytes]]) -> bytes:
    """Return frames as an engine writes them."""
    return b"".join(struct.pack(">BxxxL", kind, len(body)) + body for kind, body in frames)


def out(frames: Frames) -> bytes:
    """Return what the command has written to its standard output."""
    return b"".join(body for kind, body in frames if kind == STDOUT)


class Chunks:
    """A stream of given chunks, and then its end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter([x for x in chunks if x])

    def receive(self, _: float) -> bytes:
        return next(self._chunks, b"")


def read(*chunks: bytes) -> bytes:
    return b"".join(output(Chunks(chunks), time.monotonic() + 60))


def cut(text: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """Yield a text in pieces, cut at places of it."""
    edges = sorted({0, len(text), *(x % (len(text) + 1) for x in places)})
    return (text[a:b] for a, b in pairwise(edges))


@given(FRAMES, st.lists(st.integers(0, 1000)))
def test_however_the_stream_is_cut_the_output_is_the_same(
    frames: Frames, places: list[int]
) -> None:
    assert read(*cut(written(frames), places)) == out(frames)


@given(FRAMES)
def test_byte_by_byte_too(frames: Frames) -> None:
    assert read(*(bytes([x]) for x in written(frames))) == out(frames)


@given(FRAMES, st.integers(0, 1000))
def test_a_stream_that_ends_within_a_frame_is_an_error(frames: Frames, place: int) -> None:
    text = written(frames)
    end = place % (len(text) + 1)
    whole = [written(frames[:x]) for x in range(len(frames) + 1)]
    if text[:end] in whole:
        assert out(frames).startswith(read(text[:end]))
    else:
        with pytest.raises(ObservationError, match=r"ends in the middle$"):
            read(text[:end])


@given(FRAMES, st.integers(3, 255), st.binary(max_size=20))
def test_a_frame_of_another_kind_is_an_error(frames: Frames, kind: int, rest: bytes) -> None:
    with pytest.raises(ObservationError, match=r"is broken$"):
        read(written(frames) + bytes([kind, 0, 0, 0, 0, 0, 0, 1]) + rest)


@given(st.integers((1 << 20) + 1, (1 << 32) - 1))
def test_a_frame_that_claims_to_be_too_long_is_not_waited_for(length: int) -> None:
    with pytest.raises(ObservationError, match=r"is broken$"):
        read(struct.pack(">BxxxL", STDOUT, length))


@given(st.binary(max_size=200))
def test_any_bytes_are_output_or_an_error(text: bytes) -> None:
    try:
        assert len(read(text)) < max(len(text), 1)
    except ObservationError as error:
        assert str(error).isprintable()  # noqa: PT017  # either is right


def test_the_longest_frame_is_taken() -> None:
    body = b"x" * (1 << 20)
    assert read(written([(STDOUT, body)])) == body


def test_output_is_yielded_as_it_comes() -> None:
    class Then(Chunks):
        def receive(self, seconds: float) -> bytes:
            chunk = super().receive(seconds)
            assert chunk, "more was read than was asked for"
            return chunk

    found = output(Then([written([(STDOUT, b"a"), (STDOUT, b"b")])]), time.monotonic() + 60)
    assert [next(found), next(found)] == [b"a", b"b"]


def test_an_error_of_the_connection_is_one_of_ours() -> None:
    class Breaks:
        def receive(self, _: float) -> bytes:
            raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(ObservationError, match=r"broke off: .*reset by peer") as caught:
        next(output(Breaks(), time.monotonic() + 60))
    assert not isinstance(caught.value, LateError)


class Pipe:
    """A stream of a real socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self, seconds: float) -> bytes:
        self._connection.settimeout(seconds)
        return self._connection.recv(65536)


@pytest.fixture
def pipe() -> Iterator[tuple[socket.socket, Pipe]]:
    here, there = socket.socketpair()
    with here, there:
        yield there, Pipe(here)


def test_nothing_is_waited_for_until_the_deadline(pipe: tuple[socket.socket, Pipe]) -> None:
    began = time.monotonic()
    with pytest.raises(LateError):
        next(output(pipe[1], began + 0.2))
    assert 0.2 <= time.monotonic() - began < 5


@pytest.mark.parametrize("kind", [STDOUT, STDERR])
def test_a_drip_does_not_move_the_deadline(pipe: tuple[socket.socket, Pipe], kind: int) -> None:
    there, stream = pipe
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.01):
            there.sendall(written([(kind, b"x")]))

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    try:
        with pytest.raises(LateError):
            for _ in output(stream, began + 0.3):
                pass
    finally:
        ended.set()
        thread.join()
    assert 0.3 <= time.monotonic() - began < 5


@pytest.mark.parametrize("kind", [STDOUT, STDERR])
def test_a_flood_does_not_either(kind: int) -> None:
    class Flood:
        def receive(self, _: float) -> bytes:
            return written([(kind, b"x" * 1000)])

    began = time.monotonic()
    with pytest.raises(LateError):
        for _ in output(Flood(), began + 0.2):
            pass
    assert time.monotonic() - began < 5


def test_a_deadline_that_is_over_asks_for_nothing() -> None:
    class Never:
        def receive(self, _: float) -> bytes:
            raise AssertionError

    with pytest.raises(LateError):
        next(output(Never(), time.monotonic()))
