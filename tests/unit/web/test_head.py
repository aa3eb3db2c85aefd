"""Header fields, read strictly."""

import io

import pytest

from fsctl.web import head


def read(data: bytes, most: int = 10000) -> head.Head:
    return head.read(io.BytesIO(data), most)


def test_fields_are_found_in_any_case_and_what_follows_is_left() -> None:
    source = io.BytesIO(b"Host: x\r\nX-Hub-Signature-256:sha256=ab \t\r\nEmpty:\r\nHost: y\r\n\r\nbody")
    found = head.read(source, 1000)
    assert found.get("host") == "x"
    assert found.getheader("X-HUB-signature-256") == "sha256=ab"
    assert found.get("empty") == ""
    assert found.get("other") is None
    assert found.get("other", "or this") == "or this"
    assert found.typeheader is None
    assert list(found.headers) == [
        "Host: x\r\n",
        "X-Hub-Signature-256: sha256=ab\r\n",
        "Empty: \r\n",
        "Host: y\r\n",
    ]
    assert source.read() == b"body"
    del found["host"]
    assert found.get("host") is None


def test_no_fields_are_fields() -> None:
    assert list(read(b"\r\n").headers) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Host: x\r\n",
        b"Host: x",
        b"Host : x\r\n\r\n",
        b" Host: x\r\n\r\n",
        b"Host: x\r\n folded\r\n\r\n",
        b"no field\r\n\r\n",
        b": x\r\n\r\n",
        b"H\xc3\xb6st: x\r\n\r\n",
        b"Host: x\x00y\r\n\r\n",
        b"Host: x\ry\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"Content-Length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        b"Transfer-Encoding: identity\r\n\r\n",
        b"Content-Length: +1\r\n\r\n",
        b"Content-Length: 1,1\r\n\r\n",
        b"Content-Length: 1_0\r\n\r\n",
        b"Content-Length: \xb2\r\n\r\n",
        b"Content-Length: \r\n\r\n",
        b"Content-Length: 9999999999999999\r\n\r\n",
    ],
)
def test_what_others_might_read_otherwise_is_malformed(data: bytes) -> None:
    with pytest.raises(head.Malformed):
        read(data)


def test_a_head_is_bounded() -> None:
    assert len(list(read(b"A: x\r\n" * 100 + b"\r\n").headers)) == 100
    with pytest.raises(head.TooBig):
        read(b"A: x\r\n" * 102 + b"\r\n")
    assert read(b"A: " + b"x" * 93 + b"\r\n\r\n", 100).get("a") == "x" * 93
    with pytest.raises(head.TooBig):
        read(b"A: " + b"x" * 94 + b"\r\n\r\n", 100)
