"""``fsctl contact``: who a customer is, two contacts made one, one parted, and the log of it."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fsctl.errors import BadInput
from fsctl.terminal import escape, escape_json

if TYPE_CHECKING:
    from fsctl.store.db import Database
    from fsctl.store.directory import Contact, Entry

Add = Callable[[str, str], argparse.ArgumentParser]


def add_parser(add: Add, after: argparse.ArgumentParser) -> None:
    """Args: add: makes a command; after: arguments that each of its actions takes, too."""
    actions = add(
        "contact", "show a contact with all its names; merge two, split one; their log"
    ).add_subparsers(dest="action", required=True, metavar="ACTION")
    who = "contact id, number, user id, username or name"
    show = actions.add_parser("show", help="names, threads, and what became of them", parents=[after])
    show.add_argument("who", help=who)
    merge = actions.add_parser("merge", help="two contacts are one person: the older stays", parents=[after])
    merge.add_argument("who", help=who)
    merge.add_argument("other", help="the other one, likewise")
    split = actions.add_parser("split", help="a name is not this contact's", parents=[after])
    split.add_argument("who", help=who)
    split.add_argument("alias", help="such as 15550100142 or wa_id:15550100142; it gets a contact of its own")
    log = actions.add_parser("log", help="what was merged, split, moved or changed", parents=[after])
    log.add_argument("who", nargs="?", default="", help=f"{who} (default: all)")
    for one in (merge, split):
        one.add_argument("--yes", action="store_true", help="without asking")
    for one in (show, merge, split, log):
        one.add_argument("--json", action="store_true", help="for programs")


def main(options: argparse.Namespace, database: "Database", who: str, portfolio: str) -> int:
    """Run an action; returns the exit code.

    Args:
        who: the account that does it, for the log and the audit.
        portfolio: of the names.

    Raises:
        BadInput: nobody is meant, or it cannot be done.
    """
    from fsctl.store.directory import Directory

    directory = Directory(database)
    if options.action == "log":
        entries = directory.log(options.who)
        _print(options.json, [_values(entry) for entry in entries], log_lines(entries))
        return 0
    contact = directory.contact(options.who)
    if options.action == "merge":
        other = directory.contact(options.other)
        contact = _merged(options, database, contact, other, who, portfolio)
    elif options.action == "split":
        contact = _parted(options, database, contact, who)
    _print(options.json, _values(contact), lines(contact))
    return 0


def _merged(
    options: argparse.Namespace,
    database: "Database",
    one: "Contact",
    other: "Contact",
    who: str,
    portfolio: str,
) -> "Contact":
    from fsctl.store import audit, contacts, directory

    _confirm(options.yes, [*lines(one), "", *lines(other), ""], "make them one contact?")
    doing = f"merging contacts {one.id} and {other.id}"
    with database.transaction(doing) as transaction:
        stays = contacts.merge(transaction, one.id, other.id, who, portfolio)
        result = f"contact {stays} stays"
        entry = audit.Entry(who=who, action="contact.merge", subject=f"{one.id} {other.id}", result=result)
        audit.append(transaction, entry)
        return directory.read(transaction, stays)


def _parted(options: argparse.Namespace, database: "Database", contact: "Contact", who: str) -> "Contact":
    from fsctl.store import audit, contacts, directory

    alias, portfolio = directory.alias_of(contact, options.alias)
    _confirm(options.yes, [*lines(contact), ""], f"take {alias.kind} {escape(alias.value)} out of it?")
    with database.transaction(f"splitting contact {contact.id}") as transaction:
        made = contacts.split(transaction, contact.id, alias, who, portfolio)
        subject = f"{contact.id} {alias.kind} {alias.value}"
        entry = audit.Entry(who=who, action="contact.split", subject=subject, result=f"contact {made} has it")
        audit.append(transaction, entry)
        return directory.read(transaction, made)


def _confirm(yes: bool, shown: Sequence[str], question: str) -> None:
    """Ask on the terminal. Raises BadInput: no, or there is nobody to ask."""
    if yes:
        return
    # What the command prints may be for a program: the question is not part of it.
    print("\n".join([*shown, f"{question} [y/N] "]), end="", file=sys.stderr, flush=True)
    try:
        answer = input()
    except EOFError:
        raise BadInput("nothing was done: nobody said yes; --yes does it without asking") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise BadInput("nothing was done")


# --- shown -------------------------------------------------------------------------------------------------


def _print(as_json: bool, values: Any, shown: Sequence[str]) -> None:
    print(escape_json(json.dumps(values, ensure_ascii=False, indent=2)) if as_json else "\n".join(shown))


def _values(found: "Contact | Entry") -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(found), default=_plain))
    return values


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def lines(contact: "Contact") -> list[str]:
    """A contact for people; strangers' text is escaped, times are local."""
    return list(_lines(contact))


def _lines(contact: "Contact") -> Iterator[str]:
    facts = [
        escape(contact.display_name) or "unknown",
        f"language {escape(contact.language)}" if contact.language else "",
        "VIP" if contact.vip else "",
        f"opted out on {_clock(contact.opted_out_at)}" if contact.opted_out_at else "",
    ]
    yield f"contact {contact.id}: {', '.join(filter(None, facts))}"
    if contact.merged:
        yield f"  was also contact {', '.join(map(str, contact.merged))}"
    for name in contact.aliases:
        spelt = f" (Meta writes {escape(name.said)})" if name.said else ""
        until = f", given up on {_clock(name.ended_at)}" if name.ended_at else ""
        yield f"  {name.kind:12}  {escape(name.value)}{spelt}  last seen {_clock(name.seen_at)}{until}"
    for lost in contact.lost:
        then = f"until {_clock(lost.last_at)}; now of contact {lost.contact_id}"
        yield f"  {lost.kind:12}  {escape(lost.value)}  {then}"
    for thread in contact.threads:
        count = f"{thread.messages} messages, {thread.calls} calls"
        yield f"  thread {thread.id} with {escape(thread.business_number)}: {count}"
    yield from (f"  {line}" for line in log_lines(contact.log) if contact.log)


def log_lines(entries: Sequence["Entry"]) -> list[str]:
    """One line an entry."""
    return [_log_line(entry) for entry in entries] or ["nothing"]


def _log_line(entry: "Entry") -> str:
    detail, other = entry.detail, entry.other_id
    names = _names(detail.get("names"))
    words = {
        "merged": f"contact {other} became {entry.contact_id}",
        "split": f"contact {other} was taken out of {entry.contact_id}",
        "moved": f"went from contact {other} to {entry.contact_id}",
        "changed": f"contact {entry.contact_id} changed {_names(detail.get('from'))} to {_names(detail.get('to'))}",
        "opted_out": f"contact {entry.contact_id} wants no messages: {escape(str(detail.get('why', '')))}",
    }[entry.what]
    by = "" if entry.who == "fsctl" else f", by {escape(entry.who)}"
    text = f"{names} {words}" if entry.what == "moved" else f"{words}{f' ({names})' if names else ''}"
    return f"{_clock(entry.at)}  {text}{by}"


def _names(listed: Any) -> str:
    return ", ".join(f"{kind} {escape(value)}" for kind, value in listed or ())


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
