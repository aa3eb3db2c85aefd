"""How posts lie in a journal."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.whatsapp import records
from fsctl.whatsapp.records import MOST_BODY, Record, decode, encode

AT = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
THREE = (Record(b'{"a":1}', AT), Record(b"", AT + timedelta(days=1)), Record('{"b":"ñ"}'.encode(), AT))
BYTES = b"".join(map(encode, THREE))


def whole(data: bytes) -> tuple[Record, ...]:
    return decode(data, is_end=True).records


@given(st.lists(st.tuples(st.binary(max_size=50), st.datetimes(timezones=st.just(UTC)))))
def test_what_was_written_is_read(posts: list[tuple[bytes, datetime]]) -> None:
    written = tuple(Record(*post) for post in posts)
    data = b"".join(map(encode, written))
    found = decode(data, is_end=True)
    assert found == records.Found(written, len(data), 0, 0)


@pytest.mark.parametrize("size", range(1, 30))
def test_it_does_not_matter_where_the_stretches_are_cut(size: int) -> None:
    read: list[Record] = []
    position = 0
    for end in [*range(size, len(BYTES), size), len(BYTES)]:
        found = decode(BYTES[position:end], is_end=end == len(BYTES))
        assert not found.damaged
        assert not found.torn
        read += found.records
        position += found.used
    assert tuple(read) == THREE
    assert position == len(BYTES)


@pytest.mark.parametrize("cut", range(len(BYTES)))
def test_a_torn_end_costs_the_record_in_which_it_is(cut: int) -> None:
    found = decode(BYTES[:cut], is_end=True)
    ends = [len(b"".join(map(encode, THREE[:count]))) for count in range(4)]
    whole_ones = max(count for count in range(4) if ends[count] <= cut)
    assert found.records == THREE[:whole_ones]
    assert found.torn == cut - ends[whole_ones]
    assert found.used == cut
    assert not found.damaged


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_a_changed_byte_costs_the_record_in_which_it_is(position: int, change: int) -> None:
    data = bytearray(BYTES)
    data[position] ^= change
    ends = [len(b"".join(map(encode, THREE[: count + 1]))) for count in range(3)]
    lost = next(number for number, end in enumerate(ends) if position < end)
    found = decode(bytes(data), is_end=True)
    assert found.records == THREE[:lost] + THREE[lost + 1 :]
    assert found.damaged + found.torn == len(encode(THREE[lost]))


def test_zeros_that_a_crash_left_are_no_records() -> None:
    found = decode(BYTES + bytes(4096), is_end=True)
    assert found.records == THREE
    assert found.torn == 4096


def test_a_length_that_no_post_has_is_not_waited_for() -> None:
    data = records.MAGIC + (MOST_BODY + 1).to_bytes(4, "little") + bytes(12) + BYTES
    assert decode(data, is_end=False).records == THREE


def test_a_body_of_three_megabytes_is_one_record_and_a_larger_one_is_refused() -> None:
    record = Record(bytes(MOST_BODY), AT)
    assert len(encode(record)) == records.MOST
    assert whole(encode(record)) == (record,)
    with pytest.raises(ValueError, match="3145729 bytes"):
        encode(Record(bytes(MOST_BODY + 1), AT))
