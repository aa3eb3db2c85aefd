"""Real traffic of FreeSWITCH 1.11.2, and a slow reader of it that shares nothing with ours."""

import json
from pathlib import Path
from urllib.parse import unquote

FOLDER = Path(__file__).parent / "data" / "esl"
NAMES = sorted(path.stem for path in FOLDER.glob("*.bin"))


def read(name: str) -> bytes:
    """The bytes that FreeSWITCH sent on one connection."""
    return (FOLDER / f"{name}.bin").read_bytes()


def split(data: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Messages by hand: headers (first value of each) and body."""
    found, position = [], 0
    while position < len(data):
        end = data.index(b"\n\n", position)
        headers: dict[str, str] = {}
        for line in data[position:end].decode().split("\n"):
            name, _, value = line.partition(": ")
            headers.setdefault(name, unquote(value))
        position = end + 2 + int(headers.get("Content-Length", 0))
        found.append((headers, data[end + 2 : position]))
    return found


def events(name: str) -> list[dict[str, str]]:
    """Every event of a capture as a dict: first value of each header."""
    found = []
    for headers, body in split(read(name)):
        if headers.get("Content-Type") == "text/event-json":
            pairs = json.loads(body, object_pairs_hook=list)
        elif headers.get("Content-Type") == "text/event-plain":
            lines = body.split(b"\n\n", 1)[0].decode().split("\n")
            pairs = [(k, unquote(v)) for k, _, v in (line.partition(": ") for line in lines)]
        else:
            continue
        event: dict[str, str] = {}
        for key, value in pairs:
            event.setdefault(key, value)
        found.append(event)
    return found
