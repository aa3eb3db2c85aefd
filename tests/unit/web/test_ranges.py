"""Which bytes are asked for."""

import pytest
from werkzeug import Request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.test import EnvironBuilder

from fsctl.web.api.ranges import asked

ETAG = '"a"'


def request(**headers: str) -> Request:
    told = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return EnvironBuilder(headers=told).get_request()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-", (10, 100)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=99-99", (99, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes= 5-6 ", (5, 7)),
    ],
)
def test_a_range_is_the_first_byte_and_the_one_behind_the_last(text: str, found: tuple[int, int]) -> None:
    assert asked(request(Range=text), 100, ETAG) == found


@pytest.mark.parametrize(
    "text",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=٣-٤",
     "bytes=+1-2", "bytes=1-2-3", f"bytes=0-{'9' * 19}"],
)  # fmt: skip
def test_what_is_no_range_or_more_than_one_is_the_whole(text: str) -> None:
    # The Arabic digits come as latin-1 does in WSGI.
    assert asked(request(Range=text.encode().decode("latin-1")), 100, ETAG) is None


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={'9' * 18}-"])
def test_behind_the_end_there_is_nothing(text: str) -> None:
    with pytest.raises(RequestedRangeNotSatisfiable) as found:
        asked(request(Range=text), 100, ETAG)
    assert dict(found.value.get_headers())["Content-Range"] == "bytes */100"


def test_of_nothing_no_range_can_be_given() -> None:
    with pytest.raises(RequestedRangeNotSatisfiable):
        asked(request(Range="bytes=-5"), 0, ETAG)


def test_a_range_of_another_thing_is_not_given() -> None:
    assert asked(request(Range="bytes=0-1", If_Range=ETAG), 100, ETAG) == (0, 2)
    assert asked(request(Range="bytes=0-1", If_Range='"b"'), 100, ETAG) is None
    assert asked(request(Range="bytes=0-1", If_Range='W/"a"'), 100, ETAG) is None
