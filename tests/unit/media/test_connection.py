"""A fork's frames become its file, in whatever pieces they come; what breaks RFC 6455 is refused."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent import socket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import CloseCode, Frame, Opcode

from fsctl.media.connection import FRAMES_PER_S, MESSAGE_BYTES, Connection, Ended
from fsctl.media.writer import GrowingFile

RATE, CHANNELS = 16000, 2
NUMBERS = itertools.count()


class Peer:
    """A connection, and the other end of its socket."""

    def __init__(self, spool: Path) -> None:
        self.sock, ours = socket.socketpair()
        ours.setblocking(False)
        self.begun: list[int] = []
        self.spool = spool
        self.uuid = f"c-{next(NUMBERS)}"
        self.connection = Connection(self.uuid, ours, (RATE, CHANNELS), 0.0, self._begin)
        self.buffer = bytearray(1 << 16)

    def _begin(self, connection: Connection, size: int) -> GrowingFile:
        self.begun.append(size)
        return GrowingFile(self.spool, connection.uuid, connection.rate, connection.channels)

    def say(self, data: bytes, now: float = 0.0) -> bool:
        """Send, and let the connection take all of it."""
        there = True
        for at in range(0, len(data), 1 << 15):
            self.sock.sendall(data[at : at + (1 << 15)])
            there = self.connection.take(self.buffer, now)
        return there

    def heard(self) -> bytes:
        """What has been written, without the header."""
        path = self.spool / f"{self.uuid}.wav"
        return path.read_bytes()[44:] if path.exists() else b""

    def answers(self) -> bytes:
        """What the connection sent."""
        self.sock.setblocking(False)
        try:
            return bytes(self.sock.recv(1 << 16))
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.sock.close()
        self.connection.sock.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """One that is connected."""
    one = Peer(tmp_path)
    yield one
    one.close()


def frame(data: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask)


def pattern(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


SIZES = st.sampled_from([0, 4, 124, 128, 1280, 1284, 65532, 65536, 70000])
WHOLE = st.builds(lambda size: (frame(pattern(size)), pattern(size)), SIZES)
PINGS = st.builds(lambda size: (frame(b"p" * size, Opcode.PING), b""), st.integers(0, 125))
WORDS = st.builds(lambda size: (frame(b"w" * size, Opcode.TEXT), b""), st.sampled_from([0, 5, 300]))


def fragments(sizes: list[int], ping: bool) -> tuple[bytes, bytes]:
    parts = [pattern(size) for size in sizes]
    sent = b""
    for at, part in enumerate(parts):
        sent += frame(part, Opcode.CONT if at else Opcode.BINARY, fin=at == len(parts) - 1)
        sent += frame(b"", Opcode.PING) if ping and at < len(parts) - 1 else b""
    return sent, b"".join(parts)


FRAGMENTS = st.builds(
    fragments, st.lists(st.sampled_from([0, 4, 128, 1280]), min_size=2, max_size=4), st.booleans()
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(WHOLE, WHOLE, PINGS, WORDS, FRAGMENTS), max_size=12),
    st.lists(st.one_of(st.integers(1, 20), st.integers(1, 4000)), min_size=1, max_size=6),
)
def test_whatever_pieces_frames_come_in_their_audio_is_the_same(
    tmp_path: Path, said: list[tuple[bytes, bytes]], pieces: list[int]
) -> None:
    stream, expected = b"".join(sent for sent, _ in said), b"".join(audio for _, audio in said)
    peer = Peer(tmp_path)
    at, sizes = 0, itertools.cycle(pieces)
    while at < len(stream):
        size = next(sizes)
        # Half a megabyte in pieces of a byte would take long.
        size = size if len(stream) < 20000 else size * 100
        peer.say(stream[at : at + size], now=60.0)
        at += size
    assert peer.heard() == expected
    assert len(peer.begun) == (1 if expected else 0)
    peer.close()


def test_a_ping_is_answered(peer: Peer) -> None:
    peer.say(frame(pattern(1280)) + frame(b"are you there", Opcode.PING))
    assert peer.answers() == frame(b"are you there", Opcode.PONG, mask=False)


HEAD = b"\x82\xff"
BROKEN = {
    "a whole message within one in fragments": (
        [frame(pattern(1280), fin=False), frame(pattern(1280))], CloseCode.PROTOCOL_ERROR
    ),
    "a frame without a mask": ([frame(pattern(1280), mask=False)], CloseCode.PROTOCOL_ERROR),
    "a reserved bit": ([b"\xc2" + frame(pattern(1280))[1:]], CloseCode.PROTOCOL_ERROR),
    "an opcode that there is not": ([b"\x83" + frame(pattern(1280))[1:]], CloseCode.PROTOCOL_ERROR),
    "a frame that is too long, by its head": (
        [HEAD + (MESSAGE_BYTES + 1).to_bytes(8, "big") + bytes(4)], CloseCode.MESSAGE_TOO_BIG
    ),
    "a head that comes in two": (
        [HEAD + b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff" + bytes(4)], CloseCode.MESSAGE_TOO_BIG
    ),
    "fragments that are too long together": (
        [frame(bytes(MESSAGE_BYTES // 2 + 2), code, fin=False) for code in (Opcode.BINARY, Opcode.CONT)],
        CloseCode.MESSAGE_TOO_BIG,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol_is_closed_with_the_code_for_it_and_audio_before_it_is_kept(
    name: str, peer: Peer
) -> None:
    sent, code = BROKEN[name]
    peer.say(frame(pattern(1280)))
    for data in sent:
        peer.say(data)
    peer.say(frame(pattern(640)))
    answer = peer.answers()
    assert answer[0] == 0x88
    assert int.from_bytes(answer[2:4], "big") == code
    assert peer.heard() == pattern(1280)


def ended(peer: Peer, data: bytes, now: float = 0.0) -> Ended:
    with pytest.raises(Ended) as caught:
        peer.say(data, now)
    return caught.value


@pytest.mark.parametrize("size", [0, 4, 1280])
def test_more_frames_than_anybody_sends_are_a_flood(size: int, peer: Peer) -> None:
    end = ended(peer, frame(bytes(size)) * (FRAMES_PER_S * 12), now=1.0)
    assert "flood" in end.why
    assert end.code == CloseCode.POLICY_VIOLATION


def test_what_still_comes_after_our_end_is_not_taken_and_the_good_bye_is_understood(peer: Peer) -> None:
    odd, after = frame(pattern(1281)), frame(pattern(1280))
    ended(peer, frame(pattern(1280)) + odd + after + after[:100])
    peer.connection.end(CloseCode.INVALID_DATA, "odd", 1.0)
    peer.say(after[100:] + frame(b"\x03\xef", Opcode.CLOSE))
    said = peer.connection.protocol.close_rcvd
    assert said is not None
    assert said.code == CloseCode.INVALID_DATA
    assert peer.connection.file is not None
    assert peer.connection.file.bytes == 1280


def test_a_peer_that_leaves_is_told_apart_from_one_that_says_nothing(peer: Peer) -> None:
    assert peer.connection.take(peer.buffer, 1.0)
    assert peer.connection.heard_at == 0.0
    peer.sock.close()
    assert not peer.connection.take(peer.buffer, 2.0)
