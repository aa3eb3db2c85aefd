"""Long answers, piece by piece: read as the client takes them, and others get their turn in between."""

from collections.abc import Iterator

import gevent

from fsctl.web.limits import YIELD_S


def stream(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces. A client that is always ready would else hold the hub until the last."""
    for piece in pieces:
        yield piece
        gevent.sleep(YIELD_S)
