"""Secrets in what FreeSWITCH tells: SRTP keys and passwords, which no console shows.

SRTP keys are in many events, in variables of their own and in every SDP (``a=crypto:... inline:KEY``; RFC 4568,
9.1); the measured ones are in tests/data/esl. Who may run any command can still have a channel dumped.
"""

import re
from functools import lru_cache

HIDDEN = "(hidden)"

_NAME = re.compile(r"crypto_key|passw(?:or)?d|a1-?_?hash|secret|authorization", re.IGNORECASE)
_INLINE = re.compile(r"\binline:[A-Za-z0-9+/=]{8,}")


def has_secret(name: str, value: str) -> bool:
    """Whether ``hide`` would change the value of a header."""
    return _is_secret(name) or "inline:" in value


def hide(name: str, value: str) -> str:
    """The value of a header as it may be shown."""
    if _is_secret(name):
        return HIDDEN if value else value
    return hide_in(value)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    """Remembered: the same few hundred names come with every event."""
    return _NAME.search(name) is not None


def hide_in(text: str) -> str:
    """Text, such as a line of a log, without the keys in it."""
    return _INLINE.sub(f"inline:{HIDDEN}", text) if "inline:" in text else text
