"""Bytes become commands, however they are cut; bounds hold."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.eventsocket.command import Command, Commands, TooLong

STREAM = (
    b"\n\r\nauth secret\n\nAPI status\r\nconsole_execute: true\r\n\r\n\n\n"
    b"sendevent CUSTOM\nContent-Length: 9\nEvent-Subclass:  a::b \n\none\n\ntwo\n"
    b"\nbgapi x\r\r\nJob-UUID: 1\n\r\r\nexit\n\n"
)


def taken(parts: list[bytes], most: int = 100) -> list[Command]:
    commands, found = Commands(most), []
    for part in parts:
        commands.feed(part)
        while (command := commands.next()) is not None:
            found.append(command)
    return found


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_will_do(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    auth, api, event, job, leave = taken([STREAM[a:b] for a, b in itertools.pairwise(places)])
    assert (auth.word, auth.rest) == ("auth", "secret")
    assert (api.word, api.rest, api.header("Console_Execute")) == ("api", "status", "true")
    assert (event.body, event.header("event-subclass")) == ("one\n\ntwo\n", "a::b")
    assert (job.line, job.header("Job-UUID")) == ("bgapi x", "1")
    assert leave.word == "exit"


def test_what_follows_a_body_is_the_next_command() -> None:
    first, second = taken([b"a\nContent-Length: 3\n\nx\n\nb\n\n"])
    assert (first.body, second.line) == ("x\n\n", "b")


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 101,
        b"x: y\n" * 21,
        b"a\nContent-Length: 101\n\n",
        b"a\nContent-Length: -1\n\n",
        b"a\nContent-Length: 1e1\n\n",
        b"a\nContent-Length: 99999999999999999999\n\n",
        "a\nContent-Length: ٣\n\n".encode(),
    ],
)
def test_what_is_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(TooLong):
        taken([data[n : n + 1] for n in range(len(data))])


def test_a_long_command_in_small_pieces_costs_no_more_than_its_length() -> None:
    commands = Commands(64 * 1024)
    for _ in range(64 * 1024):
        commands.feed(b"x")
        assert commands.next() is None
    assert commands.is_amid
    commands.feed(b"\n\n")
    found = commands.next()
    assert found is not None
    assert len(found.line) == 64 * 1024


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        for command in taken([data]):
            assert not set("\r\n") & set(command.line)
    except TooLong:
        pass
