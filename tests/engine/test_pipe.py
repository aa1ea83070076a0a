"""Frames between processes: in order, also where the other end is slow, hangs, or is gone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from kaskad.engine import pipe

LARGE = "x" * 4_000_000  # more than a socket holds


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def heard(theirs: socket.socket, count: int) -> list[object]:
    theirs.settimeout(10)
    with theirs.makefile("rb") as stream:
        frames = [pipe.read(stream.read) for _ in range(count)]
    return [msgspec.msgpack.decode(frame) for frame in frames if frame is not None]


def test_what_the_socket_takes_is_written_before_put_returns(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    writer = pipe.Writer(ends[0], "test-out")
    writer.put(["one"])
    ends[1].setblocking(False)
    assert ends[1].recv(100) == pipe.framed(["one"])
    writer.end()


def test_nobody_waits_for_an_end_that_takes_nothing_and_all_comes_in_order(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    writer = pipe.Writer(ends[0], "test-out")
    began_s = time.monotonic()
    frames: list[object] = [0, LARGE, 1, 2, LARGE, 3]
    for frame in frames:
        writer.put(frame)
    assert time.monotonic() - began_s < 5  # nothing has been read so far
    assert heard(ends[1], len(frames)) == frames
    writer.put("then")
    assert heard(ends[1], 1) == ["then"]
    writer.end()


def test_frames_of_several_threads_stay_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    writer = pipe.Writer(ends[0], "test-out")

    def say(number: int) -> None:
        for turn in range(200):
            writer.put([number, turn, "y" * 5_000])

    threads = [threading.Thread(target=say, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    frames = msgspec.convert(heard(ends[1], 600), list[tuple[int, int, str]])
    for thread in threads:
        thread.join(10)
    writer.end()
    for number in range(3):
        assert [turn for who, turn, _ in frames if who == number] == [*range(200)]


def threads_of_this_test() -> int:
    return sum(thread.name == "test-end" for thread in threading.enumerate())


@pytest.mark.parametrize("waiting", [False, True])
def test_a_writer_ends_with_the_other_end(ends: tuple[socket.socket, socket.socket], waiting: bool) -> None:
    writer = pipe.Writer(ends[0], "test-end")
    if waiting:
        writer.put(LARGE)
    ends[1].close()
    for _ in range(3):
        writer.put("nobody hears")
    until_s = time.monotonic() + 10
    while threads_of_this_test() and time.monotonic() < until_s:
        time.sleep(0.005)
    assert not threads_of_this_test()
    writer.end()


def test_nothing_is_written_after_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    writer = pipe.Writer(ends[0], "test-out")
    writer.put("last")
    writer.end()
    writer.end()
    writer.put("too late")
    ends[0].close()
    assert heard(ends[1], 2) == ["last"]
