"""Who is who: from what was said of names to persons.

A webhook or a call says names together: they are one person's. Some names are *strong*: Meta's user ids are one
person's for good. The others are *weak*: a number is given to somebody else one day, so it belongs to who was said
with it last. Knows only that; time is the sender's. Refuses to know: contacts, rows, which webhook it was.
Called by: ``store.contacts``. The same words in any order give the same persons: nothing here looks at the order.

How: of names said together the strongest is the anchor of the others (``Word``). A weak name's holder at a moment
is who was said with it nearest to that moment, before rather than after. When its holder changes the number
(``Link``), the name's age ends: what is said of it later is of somebody else. Words among strong names, and
links, make holders one person.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import get_args

from fsctl.call.events import Alias, AliasKind

RANK: Mapping[str, int] = {"bsuid": 0, "parent_bsuid": 1, "wa_id": 2, "phone": 3, "username": 4}
"""The strongest first. A username is chosen and given up at will; a number is what WhatsApp asks for."""
STRONG = frozenset({"bsuid", "parent_bsuid"})
MAX_NAME = 256
"""Characters: Meta's user ids have 137 at most."""
LAST = datetime.max.replace(tzinfo=UTC)
_FIRST = datetime.min.replace(tzinfo=UTC)
_BRAZIL = re.compile(r"(55[1-9][1-9])([6-9][0-9]{7})\Z")

Holder = tuple[Alias, int]
"""A strong name; or a weak one nobody strong was said with, and the age of it that is meant: 0, 1, ..."""


@dataclass(frozen=True)
class Word:
    """A name was said together with a stronger one, its anchor: once, or often between two times."""

    name: Alias
    anchor: Alias
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Link:
    """Who had ``old`` at that time has ``new``: the customer changed it, or a person says that they are one."""

    old: Alias
    new: Alias
    at: datetime
    is_change: bool = True
    """``old`` is given up by it."""


def canonical(alias: Alias) -> Alias:
    """The one spelling under which a name is known.

    Numbers without ``+``; usernames without ``@``, in small letters. Brazil's mobile numbers got a ninth digit
    (Anatel, 2012 to 2016): WhatsApp still writes many with eight, a SIP header may have nine; here they have nine.
    Landlines begin with 2 to 5 and stay as they are. A user id of linked portfolios says so itself (``US.ENT.``),
    where a header names it as any other.
    """
    value = alias.value.strip()
    if alias.kind == "bsuid" and value[2:7] == ".ENT.":
        return Alias(kind="parent_bsuid", value=value)
    if alias.kind in ("wa_id", "phone"):
        value = _BRAZIL.sub(r"\g<1>9\2", value.removeprefix("+"))
    elif alias.kind == "username":
        value = value.removeprefix("@").lower()
    return alias if value == alias.value else replace(alias, value=value)


def names(aliases: Iterable[Alias]) -> tuple[Alias, ...]:
    """What can be used as names: each once in its one spelling, the strongest first."""
    found = {canonical(alias) for alias in aliases if alias.kind in RANK}
    return tuple(sorted(filter(_is_usable, found), key=_strength))


def spellings(text: str) -> list[str]:
    """The values that what a person types may have as a name of any kind."""
    return sorted({canonical(Alias(kind=kind, value=text)).value for kind in get_args(AliasKind)})


def strongest_first(named: Iterable[Alias]) -> list[Alias]:
    """Names in the order in which they are looked at."""
    return sorted(named, key=_strength)


def _is_usable(alias: Alias) -> bool:
    return 0 < len(alias.value) <= MAX_NAME and alias.value.isprintable()


def _strength(alias: Alias) -> tuple[int, str]:
    return RANK[alias.kind], alias.value


def words(named: Sequence[Alias], first_at: datetime, last_at: datetime) -> list[Word]:
    """What ``names`` of one webhook or call say of each other."""
    return [Word(name, named[0], first_at, last_at) for name in named[1:]]


class World:
    """All that was said of some names, and what follows from it."""

    def __init__(self, seen: Mapping[Alias, datetime], said: Iterable[Word], links: Iterable[Link]) -> None:
        """Args: seen: every name, with the time at which it was said last."""
        self.seen = seen
        self._said: dict[Alias, list[Word]] = defaultdict(list)
        self._changes_to: dict[Alias, list[Link]] = defaultdict(list)
        self._cuts: dict[Alias, list[datetime]] = defaultdict(list)
        self._one: dict[Holder, Holder] = {}
        all_links = list(links)
        for link in all_links:
            if link.is_change:
                self._changes_to[link.new].append(link)
                self._cuts[link.old] = sorted({*self._cuts[link.old], link.at})
        for word in said:
            self._said[word.name].append(word)
        for word in (one for some in self._said.values() for one in some if one.name.kind in STRONG):
            self._join((word.name, 0), self.holder(word.anchor, word.last_at))
        for link in all_links:
            self._follow(link)

    # --- questions -----------------------------------------------------------------------------------------

    def person(self, name: Alias, at: datetime = LAST) -> Holder:
        """Who had the name then; persons are the same when these are equal."""
        return self.same(self.holder(name, at))

    def owner(self, name: Alias) -> Holder:
        """Who has the name now, or had it last."""
        return self.person(name, self.ended_at(name) or LAST)

    def ended_at(self, name: Alias) -> datetime | None:
        """When the name was given up; None when it was not, or somebody has been seen with it since."""
        cuts = self._cuts.get(name)
        return cuts[-1] if cuts and self.seen.get(name, _FIRST) <= cuts[-1] else None

    def same(self, holder: Holder) -> Holder:
        """The holder that stands for the person."""
        while holder in self._one:
            holder = self._one[holder]
        return holder

    def now(self, holder: Holder) -> Holder:
        """The person whom a holder of a world with fewer words has turned out to be."""
        name, age = holder
        cuts = self._cuts.get(name, ())
        return self.person(name, cuts[age] if age < len(cuts) else LAST)

    def holder(
        self, name: Alias, at: datetime, passed: frozenset[tuple[Alias, datetime]] = frozenset()
    ) -> Holder:
        """Who had the name at that moment, as far as anything was said."""
        if name.kind in STRONG:
            return name, 0
        age, begin, end = self._age(name, at)
        found: list[tuple[tuple[bool, timedelta, datetime, tuple[int, str]], Alias, datetime]] = []
        for word in self._said.get(name, ()):
            if word.last_at > begin and word.first_at <= end:
                when = min(max(at, word.first_at), word.last_at)
                weight = (word.first_at <= at, -abs(at - when), word.first_at, _strength(word.anchor))
                found.append((weight, word.anchor, when))
        for link in self._changes_to.get(name, ()):
            if begin <= link.at < end:
                weight = (link.at <= at, -abs(at - link.at), link.at, _strength(link.old))
                found.append((weight, link.old, link.at))
        here = (name, at)
        if not found or here in passed:
            return name, age
        _, anchor, when = max(found, key=lambda one: one[0])
        return self.holder(anchor, when, passed | {here})

    # --- what follows --------------------------------------------------------------------------------------

    def _age(self, name: Alias, at: datetime) -> tuple[int, datetime, datetime]:
        """Which age of the name that moment is in, after when it begins, and its end."""
        cuts = self._cuts.get(name, [])
        age = sum(cut < at for cut in cuts)
        return age, cuts[age - 1] if age else _FIRST, cuts[age] if age < len(cuts) else LAST

    def _follow(self, link: Link) -> None:
        """A link makes one person of who had the old name and who has the new one from then on."""
        before = self.holder(link.old, link.at)
        if link.new.kind in STRONG or not link.is_change:
            self._join(before, self.holder(link.new, link.at))
            return
        _, _, end = self._age(link.new, link.at + timedelta.resolution)
        later = [
            word for word in self._said.get(link.new, ()) if word.last_at > link.at and word.first_at <= end
        ]
        if later:
            first = min(
                later, key=lambda word: (max(word.first_at, link.at), word.last_at, _strength(word.anchor))
            )
            self._join(before, self.holder(first.anchor, first.first_at))

    def _join(self, one: Holder, other: Holder) -> None:
        one, other = sorted((self.same(one), self.same(other)), key=lambda who: (_strength(who[0]), who[1]))
        if one != other:
            self._one[other] = one


@dataclass(frozen=True)
class Person:
    """One person, with the contacts that it has now."""

    holder: Holder
    names: tuple[Alias, ...]
    """Whose rows say so: those it has, or had last. The strongest first."""
    contacts: tuple[int, ...]
    """Ids, the oldest first: it stays. Empty: a new one is to be made."""


def people(before: World, after: World, owners: Mapping[Alias, int]) -> list[Person]:
    """The persons of a world, and which contact each is.

    Args:
        before: the world that the contacts were made by.
        after: the same with more words.
        owners: whose row a name is: the contact's id. A name without is new.

    Returns:
        Every contact is one person's: that of its strongest holder of before.
    """
    holders: dict[int, list[Holder]] = defaultdict(list)
    for name, contact_id in owners.items():
        holders[contact_id].append(before.holder(name, before.ended_at(name) or LAST))
    contacts: dict[Holder, list[int]] = defaultdict(list)
    for contact_id, some in sorted(holders.items()):
        # One whose own row is the contact's speaks for it before one whose row is not.
        chief = min(some, key=lambda who: (owners.get(who[0]) != contact_id, _strength(who[0]), who[1]))
        contacts[after.now(chief)].append(contact_id)
    named: dict[Holder, list[Alias]] = defaultdict(list)
    for name in sorted(after.seen, key=_strength):
        named[after.owner(name)].append(name)
    return [
        Person(who, tuple(named.get(who, ())), tuple(contacts.get(who, ()))) for who in {**contacts, **named}
    ]
