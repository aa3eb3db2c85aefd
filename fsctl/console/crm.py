"""``fsctl crm``: where events are sent, what became of them, sending again, trying an endpoint out."""

import argparse
import dataclasses
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fsctl.errors import BadInput
from fsctl.terminal import escape

if TYPE_CHECKING:
    from fsctl.config import Config
    from fsctl.store.db import Database
    from fsctl.store.deliveries import Listed
    from fsctl.store.endpoints import Endpoint

Add = Callable[[str, str], argparse.ArgumentParser]
When = Callable[[str], datetime]
STATES = ("waiting", "delivered", "dead")
OVERLAP_H = 24.0
TIME = "such as 2026-01-31T09:00, 90m, 2h or 1d"


def add_parser(add: Add, after: argparse.ArgumentParser, moment: When) -> None:
    """Args: add: makes a command; after: arguments that each action takes, too; moment: reads a time."""
    nouns = add("crm", "send events to CRMs: endpoints, deliveries, replay, test").add_subparsers(
        dest="noun", required=True, metavar="WHAT"
    )
    endpoint = nouns.add_parser("endpoint", help="add, list, remove, rotate, enable or disable endpoints")
    _endpoint_parser(endpoint, after, moment)
    listing = nouns.add_parser("deliveries", help="the latest; 1 when one is dead", parents=[after])
    listing.add_argument("--endpoint", type=int, metavar="ID", help="to this one only")
    listing.add_argument("--state", choices=STATES, help="only these (default: all)")
    listing.add_argument("--json", action="store_true", help="for programs")
    replay = nouns.add_parser("replay", help="send events to an endpoint again", parents=[after])
    replay.add_argument("id", type=int, help="the endpoint's number")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--dead", action="store_true", help="those whose last try failed")
    which.add_argument("--event", metavar="ID", help="this one, such as evt_...")
    which.add_argument("--since", type=moment, metavar="TIME", help=f"all since then, {TIME}")
    test = nouns.add_parser("test", help="send a signed test event; 1 when it is not taken", parents=[after])
    test.add_argument("id", type=int, help="the endpoint's number")
    nouns.add_parser("schema", help="print the JSON Schema of events", parents=[after])


def _endpoint_parser(endpoint: argparse.ArgumentParser, after: argparse.ArgumentParser, moment: When) -> None:
    actions = endpoint.add_subparsers(dest="action", required=True, metavar="ACTION")
    adding = actions.add_parser("add", help="send events to URL; its secret is shown once", parents=[after])
    adding.add_argument("url", help="such as https://crm.example.com/hooks")
    adding.add_argument(
        "--types", default="", metavar="A,B", help="only these (default: all but transcript.segment)"
    )
    adding.add_argument("--since", type=moment, metavar="TIME", help=f"also those since then, {TIME}")
    listing = actions.add_parser("list", help="1 when one is disabled", parents=[after])
    listing.add_argument("--json", action="store_true", help="for programs")
    rotate = actions.add_parser("rotate", help="give it another secret, shown once", parents=[after])
    rotate.add_argument(
        "--overlap", type=float, default=OVERLAP_H, metavar="HOURS",
        help=f"so long the one before signs, too (default {OVERLAP_H:g})",
    )  # fmt: skip
    remove = actions.add_parser("remove", help="with all its deliveries", parents=[after])
    enable = actions.add_parser("enable", help="go on where it was disabled", parents=[after])
    disable = actions.add_parser("disable", help="send nothing until it is enabled", parents=[after])
    for one in (rotate, remove, enable, disable):
        one.add_argument("id", type=int, help="its number in the list")


def main(options: argparse.Namespace, config: "Config", database: "Database", who: str) -> int:
    """Run an action; returns the exit code. Args: who: the account. Raises BadInput: no such endpoint or type."""
    return NOUNS[options.noun](options, config, database, who)


def _endpoint(options: argparse.Namespace, config: "Config", database: "Database", who: str) -> int:
    from fsctl.store.endpoints import Endpoints

    endpoints = Endpoints(database)
    if options.action == "list":
        found = endpoints.all()
        print(json.dumps([as_values(one) for one in found], indent=2) if options.json else _endpoints(found))
        return 1 if any(one.disabled_at for one in found) else 0
    if options.action == "add":
        return _add(options, config, database, who)
    one = _one(database, options.id)
    print(escape(_change(options, database, one, who)))
    return 0


def _change(options: argparse.Namespace, database: "Database", one: "Endpoint", who: str) -> str:
    from fsctl.crm import signing
    from fsctl.store.endpoints import Endpoints

    endpoints = Endpoints(database)
    told = f"endpoint {one.id}"
    if options.action == "rotate":
        if not 0 <= options.overlap <= 24 * 31:
            raise BadInput(f"--overlap {options.overlap:g}: 0 to 744 hours are expected")
        secret = signing.new_secret()
        endpoints.rotate(one.id, secret, options.overlap * 3600)
        told += (
            f": the secret is {secret}, not shown again; the old one signs for {options.overlap:g} hours, too"
        )
    elif options.action == "remove":
        endpoints.remove(one.id)
        told += " is removed"
    elif options.action == "enable":
        endpoints.enable(one.id)
        told += f" is enabled; {one.waiting} events wait, and those since event {one.cursor_seq} follow"
    else:
        endpoints.disable(one.id, f"by {who}")
        told += " is disabled; its events are kept"
    _audit(database, who, f"endpoint.{options.action}", one.id, _place(one.url))
    return told


def _add(options: argparse.Namespace, config: "Config", database: "Database", who: str) -> int:
    from fsctl.crm import events, signing
    from fsctl.store.endpoints import Endpoints
    from fsctl.store.events import Events

    types = [one for one in options.types.replace(" ", "").split(",") if one]
    for one in types:
        if one not in events.TYPES:
            raise BadInput(f"no event is called {one!r}; there is: {', '.join(events.TYPES)}")
    url = _outward(config).check(options.url)
    after = Events(database).before(options.since) if options.since else None
    secret = signing.new_secret()
    id_ = Endpoints(database).add(url, types, secret, who, after)
    _audit(database, who, "endpoint.add", id_, _place(url))
    print(escape(f"endpoint {id_}: the secret is {secret}"))
    print("It is not shown again. `fsctl serve` sends events from now on.")
    return 0


def _deliveries(options: argparse.Namespace, _config: "Config", database: "Database", _who: str) -> int:
    from fsctl.store.deliveries import Deliveries

    found = Deliveries(database).listed(options.endpoint, options.state)
    print(json.dumps([as_values(one) for one in found], indent=2) if options.json else _listed(found))
    return 1 if any(one.state == "dead" for one in found) else 0


def _replay(options: argparse.Namespace, _config: "Config", database: "Database", who: str) -> int:
    from fsctl.crm.events import ON_REQUEST
    from fsctl.store.deliveries import Deliveries

    one = _one(database, options.id)
    planned = Deliveries(database, sorted(ON_REQUEST)).replay(
        one.id, event_id=options.event, since=options.since, dead=options.dead
    )
    _audit(database, who, "replay", one.id, f"{planned} events")
    print(f"{planned} events are sent to endpoint {one.id} again")
    return 0 if planned or not options.event else 1


def _test(options: argparse.Namespace, config: "Config", database: "Database", _who: str) -> int:
    from fsctl.crm import delivery, events
    from fsctl.store.endpoints import Endpoints

    one = _one(database, options.id)
    event = events.probe(secrets.token_hex(16), datetime.now(UTC))
    began = time.monotonic()
    answer = delivery.send(
        _outward(config), one.url, Endpoints(database).secrets(one.id), event, config.web.public_url
    )
    took = f"{(time.monotonic() - began) * 1000:.0f} ms"
    said = f"HTTP {answer.status}" if answer.status else "no answer"
    print(escape(f"{event.id}: {said} after {took}{': ' + answer.error if answer.error else ''}"))
    return 0 if answer.is_ok else 1


def _schema(_options: argparse.Namespace, _config: "Config", _database: "Database", _who: str) -> int:
    from fsctl.crm import events

    print(json.dumps(events.schema(), indent=2))
    return 0


NOUNS = {
    "endpoint": _endpoint,
    "deliveries": _deliveries,
    "replay": _replay,
    "test": _test,
    "schema": _schema,
}


def _outward(config: "Config") -> Any:
    from fsctl.crm.outward import Outward

    return Outward(allow_private=config.crm.allow_private)


def _one(database: "Database", id_: int) -> "Endpoint":
    from fsctl.store.endpoints import Endpoints

    found = Endpoints(database).all(id_)
    if not found:
        raise BadInput(f"there is no endpoint {id_}; `fsctl crm endpoint list` shows them")
    return found[0]


def _audit(database: "Database", who: str, action: str, id_: int, result: str) -> None:
    from fsctl.store.audit import Audit, Entry

    Audit(database).append(Entry(who=who, action=f"crm.{action}", subject=f"endpoint {id_}", result=result))


def _place(url: str) -> str:
    """Without its query, which may hold a key."""
    return urlsplit(url)._replace(query="").geturl()


def as_values(one: Any) -> dict[str, Any]:
    """One object for JSON. Args: one: an endpoint or a delivery."""
    values = dataclasses.asdict(one)
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in values.items()}


def _endpoints(found: Sequence["Endpoint"]) -> str:
    return "\n".join(line for one in found for line in _told(one)) or "nothing"


def _told(one: "Endpoint") -> Iterator[str]:
    state = (
        "disabled"
        if one.disabled_at
        else f"failing since {_time(one.failing_since)}"
        if one.failures
        else "well"
    )
    yield f"{one.id:4}  {state}  {escape(one.url)}"
    yield f"      {escape(', '.join(one.types)) or 'all but transcript.segment'}"
    yield f"      {one.waiting} waiting, {one.dead} dead, planned up to event {one.cursor_seq}"
    if one.disabled_why:
        yield f"      {escape(one.disabled_why)}"
    if one.old_secret_until:
        yield f"      the secret before signs until {_time(one.old_secret_until)}"


def _listed(found: Sequence["Listed"]) -> str:
    return "\n".join(map(_line, found)) or "nothing"


def _line(one: "Listed") -> str:
    at = one.settled_at or one.tried_at
    tries = f"tried {one.attempts} times" if one.attempts > 1 else ""
    due = f"due {_time(one.due_at)}" if one.state == "waiting" else ""
    words = [escape(word) for word in (one.type, tries, str(one.status or ""), one.error, due) if word]
    return (
        f"{one.seq:8}  {one.event_id}  {one.endpoint_id:3}  {_time(at):19}  {one.state:9}  {'  '.join(words)}"
    )


def _time(at: datetime | None) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at else ""
