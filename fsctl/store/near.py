"""What was ever said of some names and of all names that have to do with them, read and written as rows.

Knows: the tables ``alias``, ``alias_word``, ``alias_link``, and that a stored call says which names called
together.
Refuses to know: who is whom (``call.identity``), contacts beyond their ids.
Called by: ``store.contacts``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from fsctl.call import identity
from fsctl.call.events import Alias
from fsctl.call.identity import Link, Word, World
from fsctl.store.db import Row, Transaction


@dataclass(frozen=True)
class Called:
    """Calls by the same names."""

    aliases: list[list[str]]
    """As ``call.aliases`` has them."""
    names: tuple[Alias, ...]
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Near:
    """Names that have to do with each other."""

    rows: Mapping[Alias, Row]
    """Of ``alias``."""
    seen: Mapping[Alias, datetime]
    words: Sequence[Word]
    links: Sequence[Link]
    calls: Sequence[Called] = ()

    @cached_property
    def owners(self) -> dict[Alias, int]:
        """Whose row each name is."""
        return {alias: row["contact_id"] for alias, row in self.rows.items()}

    @cached_property
    def world(self) -> World:
        """What follows from it. What a person has split off counts from then on only."""
        cuts = {alias: row["split_at"] for alias, row in self.rows.items() if row["split_at"]}
        words = filter(None, (_after_split(word, cuts) for word in self._all_words()))
        links = [
            link for link in self.links
            if all(link.at > cuts[alias] for alias in (link.old, link.new) if alias in cuts)
        ]  # fmt: skip
        return World(self.seen, words, links)

    def told(self, named: Sequence[Alias], at: datetime, link: Link | None = None) -> "Near":
        """The same after one more webhook or call. Args: link: what it changes; the old name was seen then."""
        names = [*named, link.old] if link and link.is_change else named
        seen = dict(self.seen) | {alias: max(at, self.seen.get(alias, at)) for alias in names}
        links = [*self.links, link] if link and link not in self.links else self.links
        return replace(self, seen=seen, words=[*self.words, *identity.words(named, at, at)], links=links)

    def split(self, name: Alias, at: datetime) -> "Near":
        """The same without what was said of the name until then."""
        return replace(self, rows={**self.rows, name: self.rows[name] | {"split_at": at}})

    def _all_words(self) -> Iterable[Word]:
        """A word told twice is one from the first time to the last."""
        spans: dict[tuple[Alias, Alias], Word] = {}
        called = [
            word for call in self.calls for word in identity.words(call.names, call.first_at, call.last_at)
        ]
        for word in [*self.words, *called, *self._unsaid()]:
            had = spans.get((word.name, word.anchor), word)
            first, last = min(had.first_at, word.first_at), max(had.last_at, word.last_at)
            spans[word.name, word.anchor] = replace(word, first_at=first, last_at=last)
        return [word for word in spans.values() if word.name in self.seen and word.anchor in self.seen]

    def _unsaid(self) -> list[Word]:
        """Rows that came without a word, from before there were words or by an import: their contact says it."""
        mentioned = {alias for word in self.words for alias in (word.name, word.anchor)}
        mentioned |= {alias for link in self.links for alias in (link.old, link.new)}
        chiefs: dict[int, Alias] = {}
        for alias in identity.strongest_first(self.rows):
            chiefs.setdefault(self.owners[alias], alias)
        return [
            Word(alias, chiefs[self.owners[alias]], row["created_at"], row["created_at"])
            for alias, row in self.rows.items()
            if alias not in mentioned and alias != chiefs[self.owners[alias]]
        ]


def _after_split(word: Word, cuts: Mapping[Alias, datetime]) -> Word | None:
    at = cuts.get(word.name)
    if word.name.kind in identity.STRONG and word.anchor in cuts:
        at = max(cuts[word.anchor], at or cuts[word.anchor])
    if at is None or word.first_at > at:
        return word
    return replace(word, first_at=word.last_at) if word.last_at > at else None


NOTHING = Near({}, {}, [], [])
"""Of names that are all new."""


def load(transaction: Transaction, portfolio: str, named: Iterable[Alias]) -> Near:
    """Read all that has to do with these names."""
    found = transaction.rows("contacts.near", portfolio=portfolio, **columns(named))
    rows = {_alias(row): row for row in found if row["contact_id"] is not None}
    if not rows:
        return NOTHING
    given = {"portfolio": portfolio, **columns(rows)}
    words = [
        Word(_alias(row), _alias(row, "anchor_"), row["first_at"], row["last_at"])
        for row in transaction.rows("contacts.words", **given)
    ]
    links = [
        Link(_alias(row, "old_"), _alias(row, "new_"), row["at"], row["is_change"])
        for row in transaction.rows("contacts.links", **given)
    ]
    contacts = sorted({row["contact_id"] for row in rows.values()})
    calls = [_called(row) for row in transaction.rows("contacts.called", contacts=contacts)]
    seen = {alias: row["seen_at"] for alias, row in rows.items()}
    for call in calls:
        seen |= {alias: max(seen[alias], call.last_at) for alias in call.names if alias in seen}
    return Near(rows, seen, words, links, calls)


def chief(transaction: Transaction, portfolio: str, contact_id: int) -> Alias | None:
    """The strongest name of a contact, if it has one."""
    rows = transaction.rows("contacts.names_of", portfolio=portfolio, contact_id=contact_id)
    return next(iter(identity.strongest_first(map(_alias, rows))), None)


def _called(row: Row) -> Called:
    aliases = row["aliases"]
    names = identity.names(Alias(kind=kind, value=value) for kind, value in aliases)
    return Called(aliases, names, row["first_at"], row["last_at"])


def put_words(transaction: Transaction, portfolio: str, named: Sequence[Alias], at: datetime) -> None:
    """Names were said together."""
    anchor, *others = named
    if others:
        transaction.run(
            "contacts.put_words",
            portfolio=portfolio, **columns(others), anchor_kind=anchor.kind, anchor_value=anchor.value, at=at,
        )  # fmt: skip


def put_link(transaction: Transaction, portfolio: str, link: Link) -> bool:
    """Names are one person's. Returns: False: it was told before."""
    added = transaction.run(
        "contacts.put_link",
        portfolio=portfolio, old_kind=link.old.kind, old_value=link.old.value,
        new_kind=link.new.kind, new_value=link.new.value, at=link.at,
        cause="changed" if link.is_change else "merged",
    )  # fmt: skip
    return added > 0


def put_aliases(
    transaction: Transaction, portfolio: str, before: Near, after: Near,
    owners: Mapping[Alias, int], spellings: Mapping[Alias, str],
) -> None:  # fmt: skip
    """Write whose each name is now, where that is not what the row says."""
    ended = {alias: after.world.ended_at(alias) for alias in owners}
    changed = [
        alias for alias, owner in owners.items()
        if alias not in before.rows
        or (owner, ended[alias], after.seen[alias])
        != tuple(before.rows[alias][column] for column in ("contact_id", "ended_at", "seen_at"))
    ]  # fmt: skip
    if changed:
        transaction.run(
            "contacts.put_aliases",
            portfolio=portfolio, **columns(changed),
            contacts=[owners[alias] for alias in changed],
            seen=[after.seen[alias] for alias in changed],
            ended=[ended[alias] for alias in changed],
            spellings=[spellings.get(alias) or _said(before.rows.get(alias)) for alias in changed],
        )  # fmt: skip


def _said(row: Row | None) -> str | None:
    return row["said"] if row else None


def columns(named: Iterable[Alias]) -> dict[str, list[Any]]:
    """Names as two lists."""
    listed = list(named)
    return {"kinds": [alias.kind for alias in listed], "values": [alias.value for alias in listed]}


def _alias(row: Row, prefix: str = "") -> Alias:
    return Alias(kind=row[f"{prefix}kind"], value=row[f"{prefix}value"])
