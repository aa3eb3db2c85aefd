"""Who a customer is: a contact of ours, with all names that the world has for it.

Knows: how what was said of names (``call.identity``) becomes rows: whose a name is now, contacts that become one
and are parted again. Refuses to know: webhooks, SIP, what is written in a thread.
Called by: the chat's intake, the controller's store when a caller is new, ``fsctl contact``. See docs/identity.md.

One at a time decides who is who (an advisory lock until the transaction's end): no two contacts for one person, and
nobody waits in a circle. Who only reads, as a call of somebody known does, waits for nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fsctl.call import identity
from fsctl.call.events import Alias
from fsctl.call.identity import Link
from fsctl.errors import BadInput
from fsctl.store import joining, near
from fsctl.store.db import Transaction
from fsctl.store.near import Near


@dataclass(frozen=True)
class Place:
    """Where what a customer does belongs."""

    contact_id: int
    thread_id: int


@dataclass(frozen=True, kw_only=True)
class Who:
    """One person, as one webhook or one call names it."""

    aliases: tuple[Alias, ...]
    at: datetime
    """When these names were said, by the sender's clock: the later word on a name counts."""
    name: str = ""
    """As the customer calls itself; empty: nothing was said."""
    language: str | None = None
    portfolio: str = ""
    """Meta's business portfolio: user ids mean nothing in another one."""
    is_hint: bool = False
    """The name came with a call, where it may be digits: good as long as no webhook says one."""


def find(transaction: Transaction, who: Who, business_number: str) -> Place:
    """The contact that has these names, and its thread with this number; made when new.

    All names of one Who are one person's: contacts that had them apart become one, the oldest stays. Without a
    name that can be used it is a new contact each time.
    """
    lock(transaction)
    named = identity.names(who.aliases)
    contact_id = _contact_of(transaction, who, named)
    row = transaction.one(
        "contacts.place",
        contact_id=contact_id, business_number=business_number, at=who.at,
        display_name=who.name, hint=who.is_hint, language=who.language,
    )  # fmt: skip
    assert row is not None
    return Place(contact_id, row["thread_id"])


def welcome(transaction: Transaction, who: Who, business_number: str) -> Place | None:
    """A contact for somebody whose names are all new, and a thread: as ``find`` makes them, in one statement.

    Returns:
        None where one of the names is known, or none can be used: ``find`` then.
    """
    named = identity.names(who.aliases)
    spellings = _spellings(who.aliases)
    row = transaction.one(
        "contacts.welcome",
        **near.columns(named), spellings=[spellings.get(alias) for alias in named],
        portfolio=who.portfolio, at=who.at, display_name=who.name, business_number=business_number,
    ) if named else None  # fmt: skip
    return Place(**row) if row and row["contact_id"] is not None else None


def name_if_none(transaction: Transaction, contact_id: int, name: str) -> bool:
    """The name that came with a call, for who has none. Returns: whether they had none."""
    return transaction.run("contacts.name_if_none", contact_id=contact_id, display_name=name) > 0


def lock(transaction: Transaction) -> None:
    """Be the one who decides who is who, until the transaction's end.

    ``find`` and the others do it themselves. A transaction that locks other rows before it comes to them (two
    posts about one call, handled by two processes) does it first, so that nobody waits in a circle.
    """
    transaction.run("contacts.lock")


def changed(
    transaction: Transaction, old: Alias, new: tuple[Alias, ...], at: datetime, portfolio: str = ""
) -> int:
    """The customer's number or user id is another one now (``user_changed_number``, ``user_changed_user_id``).

    Who had the old name at that time has the new ones. The old one is free: what is said of it later is of
    somebody else. Told twice it is the same. Where nothing is new (a name becomes itself), nothing changes.

    Args:
        at: the sender's time.

    Returns:
        The contact's id; it is made when nothing was known of the names.

    Raises:
        BadInput: none of them can be a name.
    """
    lock(transaction)
    given_up = identity.names([old])
    named = tuple(alias for alias in identity.names(new) if alias not in given_up)
    if not given_up or not named:
        who = Who(aliases=(old, *new), at=at, portfolio=portfolio)
        if not given_up and not named:
            raise BadInput(f"a change from {old.value!r} to {[alias.value for alias in new]}: no such names")
        return _contact_of(transaction, who, given_up or named)
    link = Link(given_up[0], named[0], at)
    before = near.load(transaction, portfolio, [*given_up, *named])
    is_new = near.put_link(transaction, portfolio, link)
    near.put_words(transaction, portfolio, named, at)
    after = before.told(named, at, link)
    found = _settle(transaction, portfolio, before, after, _spellings(new))
    contact_id = found.of(after.world.person(given_up[0], at))
    if is_new:
        detail = {"from": _plain(given_up), "to": _plain(named), "at": at.isoformat()}
        joining.log(transaction, "changed", contact_id, None, "fsctl", detail)
    return contact_id


def opt_out(transaction: Transaction, contact_id: int, at: datetime, what: str) -> None:
    """The customer wants no messages that it did not ask for. Args: what: why we believe so, for the log."""
    contact_id = now(transaction, contact_id)
    if transaction.run("contacts.opt_out", contact_id=contact_id, at=at):
        joining.log(
            transaction, "opted_out", contact_id, None, "fsctl", {"why": what[:1000], "at": at.isoformat()}
        )


def now(transaction: Transaction, contact_id: int) -> int:
    """The id of the contact that this one has become.

    Raises:
        BadInput: there is no such contact.
    """
    row = transaction.one("contacts.now", contact_id=contact_id)
    if row is None:
        raise BadInput(f"contact {contact_id}: there is none")
    return int(row["id"])


def adopt(transaction: Transaction, portfolio: str) -> None:
    """Names that were known before the portfolio had a name are of it. Cheap when there are none."""
    if portfolio:
        lock(transaction)
        transaction.run("contacts.adopt", portfolio=portfolio)


# --- by hand -----------------------------------------------------------------------------------------------


def merge(transaction: Transaction, one_id: int, other_id: int, who: str, portfolio: str = "") -> int:
    """A person says that two contacts are one.

    Returns:
        The id that stays, the older.

    Raises:
        BadInput: there is no such contact, or they are one already.
    """
    lock(transaction)
    stays, goes = sorted((now(transaction, one_id), now(transaction, other_id)))
    if stays == goes:
        raise BadInput(f"{one_id} and {other_id} are one contact already: {stays}")
    chiefs = [one for one in (near.chief(transaction, portfolio, id_) for id_ in (stays, goes)) if one]
    if len(chiefs) == 2:
        before = near.load(transaction, portfolio, chiefs)
        link = Link(chiefs[0], chiefs[1], datetime.now(UTC), is_change=False)
        near.put_link(transaction, portfolio, link)
        _settle(transaction, portfolio, before, before.told((), link.at, link), {}, who=who)
    if now(transaction, goes) == goes:
        joining.join(transaction, stays, goes, who, {"names": []})
    return stays


def split(transaction: Transaction, contact_id: int, name: Alias, who: str, portfolio: str = "") -> int:
    """A person says that a name is not this contact's: what was said of it does not count any more.

    Names that hang on it alone (a username on a number) go with it, and what is known to be theirs.

    Returns:
        The id of the new contact that has it.

    Raises:
        BadInput: the contact does not have the name, or no other that would be left.
    """
    lock(transaction)
    contact_id = now(transaction, contact_id)
    before = near.load(transaction, portfolio, [name])
    if before.owners.get(name) != contact_id:
        raise BadInput(f"contact {contact_id} has no name {name.value!r} of kind {name.kind}")
    row = transaction.one("contacts.split", portfolio=portfolio, kind=name.kind, value=name.value)
    assert row is not None
    others = {alias: owner for alias, owner in before.owners.items() if alias != name}
    after = before.split(name, row["split_at"])
    found = _settle(transaction, portfolio, before, after, {}, who=who, owners=others)
    made = found.owners[name]
    names = [alias for alias, owner in found.owners.items() if owner == made]
    if made == contact_id or contact_id not in found.owners.values():
        raise BadInput(f"contact {contact_id} has no other name that stands without {name.value!r}")
    calls = [one.aliases for one in before.calls if set(one.names) <= set(names)]
    moved = joining.give_back(transaction, contact_id, made, names, calls)
    joining.log(transaction, "split", contact_id, made, who, {"names": _plain(names), "moved": moved})
    return made


# --- deciding ----------------------------------------------------------------------------------------------


def _contact_of(transaction: Transaction, who: Who, named: Sequence[Alias]) -> int:
    """The contact that has exactly these names, as nearly every time; else it is decided who has them."""
    if not named:
        return _make(transaction)
    spellings = _spellings(who.aliases)
    row = transaction.one(
        "contacts.seen",
        **near.columns(named), spellings=[spellings.get(alias) for alias in named],
        portfolio=who.portfolio, at=who.at,
    )  # fmt: skip
    assert row is not None
    if row["contact_id"] is not None:
        return int(row["contact_id"])
    before = near.load(transaction, who.portfolio, named) if row["is_known"] else near.NOTHING
    near.put_words(transaction, who.portfolio, named, who.at)
    after = before.told(named, who.at)
    found = _settle(transaction, who.portfolio, before, after, spellings)
    return found.of(after.world.person(named[0], who.at))


class _Found:
    """Which contact each person is, once rows say so."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.ids: dict[identity.Holder, int] = {}
        self.owners: dict[Alias, int] = {}

    def of(self, holder: identity.Holder) -> int:
        """The contact; one is made for a person without any, whose name has become somebody else's."""
        if holder not in self.ids:
            self.ids[holder] = _make(self._transaction)
        return self.ids[holder]


def _settle(
    transaction: Transaction, portfolio: str, before: Near, after: Near, spellings: Mapping[Alias, str], *,
    who: str = "fsctl", owners: Mapping[Alias, int] | None = None,
) -> _Found:  # fmt: skip
    """Let contacts and rows be as the words say. Args: owners: whose each name was, if not as its row says."""
    had = before.owners if owners is None else owners
    found = _Found(transaction)
    became: dict[int, int] = {}
    for person in identity.people(before.world, after.world, had):
        stays, *others = person.contacts or (_make(transaction),)
        for goes in others:
            names = _plain(alias for alias, owner in had.items() if owner == goes)
            joining.join(transaction, stays, goes, who, {"names": names})
        found.ids[person.holder] = stays
        found.owners |= dict.fromkeys(person.names, stays)
        became |= dict.fromkeys(others, stays)
    for name, owner in found.owners.items():
        lost = became.get(had[name], had[name]) if name in had else owner
        if lost != owner:
            joining.log(transaction, "moved", owner, lost, who, {"names": _plain([name])})
    near.put_aliases(transaction, portfolio, before, after, found.owners, spellings)
    return found


def _make(transaction: Transaction) -> int:
    row = transaction.one("contacts.make")
    assert row is not None
    return int(row["id"])


def _spellings(aliases: Iterable[Alias]) -> dict[Alias, str]:
    """How numbers are written, where they may be written in more than one way."""
    return {
        identity.canonical(alias): alias.value.strip().removeprefix("+")
        for alias in aliases
        if alias.kind in ("wa_id", "phone")
    }


def _plain(aliases: Iterable[Alias]) -> list[Any]:
    return [[alias.kind, alias.value] for alias in aliases]
