"""Bodies that come in chunks."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.web.chunks import MOST_CHUNKS, Chunks, Malformed, TooMuch


def read(data: bytes, most: int = 65536) -> tuple[bytes, bytes]:
    """The body, and what came behind it."""
    source = io.BytesIO(data)
    reader = Chunks(source)
    body = b"".join(iter(lambda: reader.read(most), b""))
    assert reader.read(most) == b""
    return body, source.read()


@given(st.lists(st.binary(min_size=1, max_size=30)), st.integers(1, 40))
def test_what_was_sent_is_read_and_not_a_byte_more(pieces: list[bytes], most: int) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert read(data + b"GET /", most) == (b"".join(pieces), b"GET /")


def test_extensions_and_trailers_are_read_over() -> None:
    assert read(b'3;name="v"\r\nabc\r\n0;last\r\nDigest: x\r\nOther: y\r\n\r\nnext') == (b"abc", b"next")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"3\r\nabc\r\n",
        b"3\r\nab",
        b"3\r\nabc",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
        b"\r\nabc\r\n0\r\n\r\n",
        b"11111111111111111\r\n",
        b"3;" + b"x" * 2000 + b"\r\nabc\r\n0\r\n\r\n",
        b"0\r\nTrailer: x\r\n",
    ],
)
def test_what_is_no_chunk_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


def test_too_many_chunks_or_trailers_are_too_much() -> None:
    assert read(b"1\r\nx\r\n" * (MOST_CHUNKS - 1) + b"0\r\n\r\n")[0] == b"x" * (MOST_CHUNKS - 1)
    with pytest.raises(TooMuch):
        read(b"1\r\nx\r\n" * MOST_CHUNKS + b"0\r\n\r\n")
    with pytest.raises(TooMuch):
        read(b"0\r\n" + b"A: b\r\n" * 16 + b"\r\n")
