"""Who is meant: the names that one webhook has for one customer, from the item and from its list of contacts.

Since usernames, a number may be missing, and where a number is expected a user id may stand (Meta, "Business-scoped
user IDs"). Pure.
"""

from collections.abc import Mapping

from fsctl.call.events import Alias
from fsctl.whatsapp import values
from fsctl.whatsapp.facts import PARENT_ID, USER_ID, Person
from fsctl.whatsapp.values import Json

NAMED_BY: Mapping[str, tuple[str, str, str]] = {
    "from": ("from", "from_user_id", "from_parent_user_id"),
    "to": ("to", "to_user_id", "to_parent_user_id"),
    "recipient": ("recipient_id", "recipient_user_id", "recipient_parent_user_id"),
    "wa_id": ("wa_id", "user_id", "parent_user_id"),
}
"""Where the number, the user id and its parent stand in an item."""
SHORTEST = 5
"""Digits of a telephone number with its country."""
READ = ("wa_id", "user_id", "parent_user_id", "profile", "username")
"""Of a contact."""


class Contacts:
    """The list ``contacts`` of a change's value, looked up by name: a post may tell of a thousand customers."""

    def __init__(self, value: Json) -> None:
        self._all = values.mappings(value.get("contacts"))
        self._by_name: dict[Alias, Json] = {}
        for contact in reversed(self._all):
            self._by_name |= dict.fromkeys(_listed(contact).aliases, contact)

    def named(self, item: Json, by: str) -> Person:
        """The customer that an item names, with what the list says of it. Args: by: of NAMED_BY."""
        person = _person(*(item.get(key) for key in NAMED_BY[by]))
        contact = self._of(person)
        if contact is None:
            return person
        profile, listed = values.mapping(contact.get("profile")), _listed(contact)
        return Person(
            wa_id=person.wa_id or listed.wa_id,
            user_id=person.user_id or listed.user_id,
            parent_user_id=person.parent_user_id or listed.parent_user_id,
            username=values.name(profile.get("username") or contact.get("username")),
            name=values.name(profile.get("name")),
        )

    def unread(self, person: Person) -> Json:
        """What the customer's entry has besides what is read."""
        contact = self._of(person) or {}
        profile = values.rest(values.mapping(contact.get("profile")), "name", "username")
        return {**values.rest(contact, *READ), **({"profile": profile} if profile else {})}

    def _of(self, person: Person) -> Json | None:
        """The entry that names this customer; the only one, where the item names nobody itself."""
        for alias in person.aliases:
            if alias in self._by_name:
                return self._by_name[alias]
        return self._all[0] if len(self._all) == 1 and not person.aliases else None


def renamed(said: Json, person: Person) -> Person:
    """The customer under the names that a system message gives it. What it does not name stays unsaid: that may be
    the old number."""
    new = _person(said.get("wa_id") or said.get("new_wa_id"), said.get("user_id"), said.get("parent_user_id"))
    return Person(
        wa_id=new.wa_id,
        user_id=new.user_id,
        parent_user_id=new.parent_user_id,
        username=person.username,
        name=person.name,
    )


def before(said: Json, sender: str) -> tuple[Alias, ...]:
    """The names that the customer had before a system message.

    Args:
        sender: the message's ``from``: the old number, where it is the number that changed.
    """
    had = _person("", said.get("previous_user_id"), said.get("previous_parent_user_id"))
    number = sender if "number" in values.name(said.get("type")).lower() else said.get("previous_wa_id")
    return Person(wa_id=values.digits(number), user_id=had.user_id, parent_user_id=had.parent_user_id).aliases


def _person(number: object, user_id: object, parent_id: object) -> Person:
    """Each name where it belongs: a user id may stand for the number. What is no name of its kind is none."""
    told = [values.name(one) for one in (user_id, parent_id, number)]
    wa_id = values.digits(number)
    return Person(
        wa_id=wa_id if len(wa_id) >= SHORTEST else "",
        user_id=next((one for one in told if USER_ID.fullmatch(one)), ""),
        parent_user_id=next((one for one in told if PARENT_ID.fullmatch(one)), ""),
    )


def _listed(contact: Json) -> Person:
    return _person(contact.get("wa_id"), contact.get("user_id"), contact.get("parent_user_id"))
