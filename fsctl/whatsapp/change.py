"""One change of a webhook, and what its readers share: the number it is about, its items, and what nobody reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from fsctl.whatsapp import people, values
from fsctl.whatsapp.facts import Chat, Fact, Unknown
from fsctl.whatsapp.values import Json

COMMON = ("messaging_product", "metadata", "contacts")
"""Parts of a value that every reader reads."""
MET = "an error that Meta met"


@dataclass(frozen=True)
class Change:
    """One of ``entry[].changes[]``."""

    field: str
    value: Json
    account: str
    """The WhatsApp Business Account's id."""
    at: datetime
    """When Meta told it, where it says so."""
    received_at: datetime

    @property
    def metadata(self) -> Json:
        """Of which number of ours it tells."""
        return values.mapping(self.value.get("metadata"))

    @cached_property
    def contacts(self) -> people.Contacts:
        """The customers that it names."""
        return people.Contacts(self.value)

    def chat(self, item: Json, by: str) -> Chat:
        """Between whom it is. Args: by: where the item names the customer, of ``people.NAMED_BY``."""
        return Chat(
            person=self.contacts.named(item, by),
            phone_number_id=values.name(self.metadata.get("phone_number_id")),
            business_number=values.digits(self.metadata.get("display_phone_number")),
        )

    def when(self, item: Json) -> datetime:
        """When an item happened."""
        return values.when(item.get("timestamp"), self.received_at)

    def items(self, key: str) -> list[Json]:
        """The objects of one part of the value."""
        return values.mappings(self.value.get(key))

    def unknown(self, reason: str, value: Any) -> Unknown:
        """What nobody reads."""
        return Unknown(at=self.received_at, field=self.field, reason=reason, value=values.plain(value))

    def leftovers(self, *read: str) -> Iterator[Fact]:
        """What the value has besides the parts that were read, and what in those is no object."""
        for key, one in values.rest(self.value, *COMMON, *read).items():
            yield self.unknown("a part that nobody reads", {key: one})
        for key in read:
            part = self.value.get(key)
            odd = [one for one in (part if isinstance(part, list) else [part]) if not isinstance(one, dict)]
            if part is not None and odd:
                yield self.unknown("not an object", {key: odd})
