"""mod_db: ``db``, as FreeSWITCH 1.11.2 was seen to answer it.

Rows of realm, key and value; a value keeps its slashes. They are in a file, and survive a restart.
"""

USAGE = "!err!"
LIST_BYTES = 4095
"""What fits the buffer of ``list``; a longer answer ends there, wherever that is."""
SELECT_BYTES = 255
"""The same for ``select``."""

Rows = dict[tuple[str, str], str]


def command(rows: Rows, arguments: str) -> str:
    """``insert/realm/key/value``, ``delete/realm/key``, ``select/realm/key``, ``list/realm``; no others."""
    match arguments.split("/", 3):
        case ["insert", realm, key, value]:
            rows[realm, key] = value
            return "+OK"
        case ["delete", realm, key, *_]:
            rows.pop((realm, key), None)
            return "+OK"
        case ["select", realm, key, *_]:
            return _cut(rows.get((realm, key), ""), SELECT_BYTES)
        case ["list", realm]:
            return _cut("".join(f"{key}," for in_realm, key in rows if in_realm == realm), LIST_BYTES)[:-1]
    return USAGE


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")
