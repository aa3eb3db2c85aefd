"""What a message says: readable text for every type, a reference to its file, and everything else as it came.

To add a type: a function in BODIES. A type that is not there is kept whole, with the first words found in it.
Types are those of Meta, "Webhooks, messages" (one page each); pure.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fsctl.whatsapp import values
from fsctl.whatsapp.facts import Content
from fsctl.whatsapp.values import Json

MEDIA = ("image", "video", "audio", "document", "sticker", "voice")
WORDS = ("body", "text", "caption", "title", "name", "description", "details", "message")
"""Where words may stand in an object that we do not know, the likeliest first."""
MOST_SHOWN = 20
"""Cards of a message of contacts, or items of an order, that its text names."""
OPTED_OUT = frozenset(
    (
        *("stop", "stop all", "stop promotions", "unsubscribe", "opt out", "optout"),
        *("baja", "darme de baja", "no más mensajes", "sair", "descadastrar", "parar mensagens"),
        *("रोकें", "बंद करें", "मैसेज बंद करें"),
    )
)
"""What a customer writes, and nothing else, who wants no more messages. Meta's marketing button is among them."""

HEAD = (
    "id",
    "from",
    "from_user_id",
    "from_parent_user_id",
    "to",
    "to_user_id",
    "to_parent_user_id",
    "timestamp",
)
"""What stands beside the content of each message."""


def read(item: Json) -> Content:
    """The content of an item of ``messages``, or of the message in an edit."""
    type = values.name(item.get("type")).lower() or _guessed(item)
    said = item.get(type)
    extra = values.rest(item, *HEAD, "type", "context", "referral", type)
    media = values.mapping(said) if type in MEDIA else {}
    if said is not None and not media:
        known = ("body",) if type == "text" and isinstance(said, dict) else ()
        left = values.rest(said, *known) if isinstance(said, dict) else said
        if left not in ({}, ""):
            extra[type] = left
    body = BODIES[type](values.mapping(said), item) if type in BODIES else _unknown(said, item)
    return Content(
        type=type,
        body=values.storable(body.strip(), values.MAX_TEXT),
        media=values.plain(media) or None,
        extra=values.plain(extra) or None,
    )


def wants_no_more(content: Content) -> bool:
    """Whether somebody who writes this wants no more messages: it says that and nothing besides."""
    return content.type in ("text", "button", "interactive") and (
        " ".join(content.body.casefold().strip(" .!¡\n\t").split()) in OPTED_OUT
    )


def _guessed(item: Mapping[str, Any]) -> str:
    """The type of a message that does not say it: the object that it has."""
    return next((type for type in BODIES if item.get(type) not in (None, "", [], {})), "unknown")


# --- readable text -----------------------------------------------------------------------------------------


def _text(said: Json, item: Json) -> str:
    return values.text(said.get("body")) or values.text(item.get("text"))


def _file(said: Json, _item: Json) -> str:
    """Its caption, else its name, else what it is."""
    found = values.text(said.get("caption")) or values.text(said.get("filename"))
    if not found and said.get("voice") in (True, "true", 1):
        return "voice message"
    return found or values.name(said.get("mime_type")).split(";")[0] or "a file"


def _location(said: Json, _item: Json) -> str:
    place = ", ".join(part for part in (values.text(said.get(key)) for key in ("name", "address")) if part)
    latitude, longitude = (values.name(said.get(key)) for key in ("latitude", "longitude"))
    point = f"{latitude}, {longitude}" if latitude and longitude else ""
    return f"{place} ({point})" if place and point else place or point or "a place"


def _contacts(_said: Json, item: Json) -> str:
    cards = values.mappings(item.get("contacts"))
    shown = [found for found in (_card(card) for card in cards[:MOST_SHOWN]) if found]
    return "; ".join(shown) + (f" and {len(cards) - MOST_SHOWN} more" if len(cards) > MOST_SHOWN else "")


def _card(card: Json) -> str:
    named = values.mapping(card.get("name"))
    name = values.text(named.get("formatted_name")) or values.text(named.get("first_name"))
    phones = [values.name(one.get("phone")) for one in values.mappings(card.get("phones"))[:MOST_SHOWN]]
    mails = [values.name(one.get("email")) for one in values.mappings(card.get("emails"))[:MOST_SHOWN]]
    return " ".join(part for part in (name, *phones, *mails) if part)


def _interactive(said: Json, _item: Json) -> str:
    """What was chosen, or answered."""
    for kind in (values.name(said.get("type")), *REPLIES):
        if kind in REPLIES and said.get(kind) is not None:
            return REPLIES[kind](values.mapping(said[kind]))
    return _first_words(said)


def _choice(reply: Json) -> str:
    parts = (values.text(reply.get("title")), values.text(reply.get("description")))
    return ": ".join(part for part in parts if part) or values.name(reply.get("id"))


def _form(reply: Json) -> str:
    """The answers of a form: ``response_json`` is an object written as text."""
    try:
        answers = values.mapping(
            values.load(values.text(reply.get("response_json"), values.MAX_KEPT).encode())
        )
    except ValueError:
        answers = {}
    said = [f"{values.name(key)}: {values.text(one)}" for key, one in answers.items() if key != "flow_token"]
    head = values.text(reply.get("body")) or values.name(reply.get("name")) or "form"
    return f"{head} ({', '.join(said[:MOST_SHOWN])})" if said else head


def _permission(reply: Json) -> str:
    """Whether the business may call (Meta, "Obtain user call permissions")."""
    if values.name(reply.get("response")).lower() != "accept":
        return "does not want to be called"
    if reply.get("is_permanent") in (True, "true", 1):
        return "may be called"
    until = values.moment(reply.get("expiration_timestamp"))
    return f"may be called until {until:%Y-%m-%d %H:%M} UTC" if until else "may be called"


REPLIES: Mapping[str, Callable[[Json], str]] = {
    "button_reply": _choice,
    "list_reply": _choice,
    "nfm_reply": _form,
    "call_permission_reply": _permission,
}


def _button(said: Json, _item: Json) -> str:
    return values.text(said.get("text")) or values.text(said.get("payload"))


def _order(said: Json, _item: Json) -> str:
    products = values.mappings(said.get("product_items"))
    shown = [_product(one) for one in products[:MOST_SHOWN]]
    more = [f"and {len(products) - MOST_SHOWN} more"] if len(products) > MOST_SHOWN else []
    note = values.text(said.get("text"))
    return "; ".join(part for part in (", ".join(shown + more), note) if part) or "an order"


def _product(one: Json) -> str:
    count, which = values.name(one.get("quantity")) or "1", values.name(one.get("product_retailer_id"))
    price = " ".join(
        part for part in (values.name(one.get("item_price")), values.name(one.get("currency"))) if part
    )
    return f"{count} × {which or 'item'}" + (f" at {price}" if price else "")


def _system(said: Json, _item: Json) -> str:
    return values.text(said.get("body")) or values.name(said.get("type")).replace("_", " ")


def _unsupported(_said: Json, item: Json) -> str:
    for error in values.mappings(item.get("errors")):
        details = values.mapping(error.get("error_data")).get("details")
        if (
            found := values.text(details)
            or values.text(error.get("title"))
            or values.text(error.get("message"))
        ):
            return found
    return "a message that WhatsApp does not pass on"


def _unknown(said: Any, item: Json) -> str:
    words = values.text(said) or _first_words(values.mapping(said))
    return words or (_unsupported({}, item) if item.get("errors") else "")


def _first_words(said: Mapping[str, Any], depth: int = 3) -> str:
    """The first words in an object that we do not know."""
    here = (values.text(said.get(key)) for key in WORDS)
    return next((found for found in here if found), "") or next(_deeper(said, depth), "")


def _deeper(said: Mapping[str, Any], depth: int) -> Iterator[str]:
    for one in list(said.values())[: values.MAX_ENTRIES] if depth else ():
        if isinstance(one, dict | list) and (found := _first_words(values.mapping(one), depth - 1)):
            yield found


BODIES: Mapping[str, Callable[[Json, Json], str]] = {
    "text": _text,
    **dict.fromkeys(MEDIA, _file),
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
    "system": _system,
    "unsupported": _unsupported,
}
"""Type -> its text. Reactions, edits and deletions are no messages (see ``webhook``)."""
