"""Conditions of a list: ``where queue=sales@fsctl agent=ann``."""

from collections.abc import Sequence

from fsctl.errors import BadInput


def conditions(words: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """The words after a command as key and value.

    Args:
        words: ``where``, then KEY=VALUE; ``and`` may stand between.
        keys: those that the command knows.

    Raises:
        BadInput: something else, or a key twice.
    """
    if not words:
        return {}
    if words[0] != "where":
        raise BadInput(f"{words[0][:40]!r}: expected `where KEY=VALUE` with one of {', '.join(keys)}")
    found: dict[str, str] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if word == "and":
            continue
        if not equals or not value or key not in keys:
            raise BadInput(f"{word[:40]!r}: expected KEY=VALUE with one of {', '.join(keys)}")
        if key in found:
            raise BadInput(f"{key} stands there twice")
        found[key] = value
    if not found:
        raise BadInput(f"where what? KEY=VALUE with one of {', '.join(keys)}")
    return found
