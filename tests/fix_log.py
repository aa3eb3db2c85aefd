"""No word of a customer in any line of the log: watched in every test that has a database."""

import logging
from collections.abc import Iterator

import psycopg
import pytest

from fsctl import logs

SHORTEST = 8
"""A shorter text may stand in a line by chance."""
WORDS = """
select body from message union select body from message_change union select text from segment
union select payload #>> '{message,text,body}' from outbox
"""
POSTS = "select body from inbox where state <> 'failed'"
"""What came, which may be any bytes."""


class Listener(logging.Handler):
    """Renders every line of ours, as both forms."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += (logs.as_text(record), logs.as_json(record))


@pytest.fixture(autouse=True)
def no_words_in_the_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """What was written or said in a test stands in no line that was logged meanwhile, at whatever level."""
    if "dsn" not in request.fixturenames:
        yield
        return
    dsn: str = request.getfixturevalue("dsn")
    listener, ours = Listener(), logging.getLogger("fsctl")
    ours.addHandler(listener)
    before = ours.level
    ours.setLevel(logging.DEBUG)
    yield
    ours.setLevel(before)
    ours.removeHandler(listener)
    if listener.lines:
        with psycopg.connect(dsn) as connection:
            words = {text for (text,) in connection.execute(WORDS.encode()) if text}
            words |= {body.decode(errors="replace") for (body,) in connection.execute(POSTS.encode())}
        told = [text for text in words if len(text) >= SHORTEST]
        assert not [(text, line) for text in told for line in listener.lines if text in line]
