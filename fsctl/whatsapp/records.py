"""Posts as they lie in a journal file: each framed, with its checksum, so that damage costs what it touches only.

::

    magic (4)  length of the body (4)  CRC-32 (4)  received at, microseconds since 1970 (8)  body

Little-endian; the checksum is that of length, time and body. The magic begins with a byte that UTF-8 never has, so
no JSON holds one: after damage the next record is found by it.
"""

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAGIC = b"\xf5fsw"
MOST_BODY = 3 << 20
"""Bytes. Meta's webhooks have at most 3 MB."""

_HEAD = struct.Struct("<4sIIq")
_SUMMED = struct.Struct("<Iq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = _HEAD.size + MOST_BODY
"""Bytes that a record has at most."""


@dataclass(frozen=True)
class Record:
    """One post."""

    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class Found:
    """What some bytes of a journal hold."""

    records: tuple[Record, ...]
    used: int
    """Bytes that need not be looked at again."""
    damaged: int
    """Of them, bytes before a record that are none."""
    torn: int
    """The same behind the last one: what a process that was killed had not written to its end."""


def encode(record: Record) -> bytes:
    """A record as it is written. Raises ValueError: its body is larger than any may be."""
    if len(record.body) > MOST_BODY:
        raise ValueError(f"a post of {len(record.body)} bytes")
    micros = (record.received_at - _EPOCH) // timedelta(microseconds=1)
    length = len(record.body)
    return _HEAD.pack(MAGIC, length, _sum(length, micros, record.body), micros) + record.body


def decode(data: bytes, *, is_end: bool) -> Found:
    """The records in a stretch of a journal.

    Args:
        data: from the end of the last stretch's ``used`` on.
        is_end: nothing comes after it, so what is not whole never will be.
    """
    records: list[Record] = []
    used = damaged = search = 0
    while (start := data.find(MAGIC, search)) >= 0:
        end = _end(data, start)
        if end > len(data) and not is_end:
            break
        record = _record(data, start, end)
        if record is None:
            search = start + 1
            continue
        records.append(record)
        damaged += start - used
        used = search = end
    if start < 0:
        start = len(data) if is_end else max(used, len(data) - len(MAGIC) + 1)
    return Found(tuple(records), start, damaged, start - used)


def _end(data: bytes, start: int) -> int:
    """One past the record that begins here, or past its head where that is not whole; ``start``: none begins."""
    if start + _HEAD.size > len(data):
        return start + _HEAD.size
    length: int = _HEAD.unpack_from(data, start)[1]
    return start + _HEAD.size + length if length <= MOST_BODY else start


def _record(data: bytes, start: int, end: int) -> Record | None:
    if end > len(data) or end == start:
        return None
    _, length, checksum, micros = _HEAD.unpack_from(data, start)
    body = data[start + _HEAD.size : end]
    if checksum != _sum(length, micros, body):
        return None
    return Record(body, _EPOCH + timedelta(microseconds=micros))


def _sum(length: int, micros: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_SUMMED.pack(length, micros)))
