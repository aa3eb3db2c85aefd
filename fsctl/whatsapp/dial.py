"""Calls to customers: whether Meta lets us, and what FreeSWITCH is told.

Knows: Meta's permissions, and how a customer's leg leads to our front door (dialplan/callback.xml). Refuses to know
when to call and what becomes of it. Called by ``whatsapp/callbacks.py``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from fsctl.call.events import Alias
from fsctl.errors import ConfigError, LinkError, Unencodable
from fsctl.esl import encode
from fsctl.esl.connection import Connection
from fsctl.whatsapp.graph import GraphDown, GraphRefused, GraphUnsure
from fsctl.whatsapp.sender import recipient_of

GATEWAY = "meta"
"""Of profile whatsapp, in sofia.conf.xml."""
RING_S = 40
"""A customer's phone rings so long."""
SRTP = "mandatory:AES_CM_128_HMAC_SHA1_80"
"""As for calls that come in: SDES with one suite, or no call."""
_CUSTOMER = re.compile(r"[0-9]{5,20}|[A-Z]{2}\.[A-Za-z0-9.]{1,132}", re.ASCII)
"""Digits, or a business-scoped user id (Meta, "Business-scoped user ids")."""


class Asks(Protocol):
    """The Graph API, as far as it is needed here."""

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """See ``whatsapp.graph.Graph``."""


def customers_call(customer: str, number: str, payload: str) -> encode.Originate:
    """Ring a customer by the gateway; who answers is led to our front door, with the payload of a button.

    Args:
        customer: digits, or Meta's user id.
        number: digits of the business number that calls.
        payload: signed; it names queue and place.

    Raises:
        Unencodable: no such customer; a comma would be another destination.
    """
    who = f"+{customer}" if customer.isdigit() else customer
    if not _CUSTOMER.fullmatch(customer):
        raise Unencodable(f"{customer[:40]!r} is neither digits nor a user id")
    variables = (
        ("originate_timeout", str(RING_S)),
        ("ignore_early_media", "true"),
        ("rtp_secure_media", SRTP),
        ("absolute_codec_string", "OPUS@48000h@20i"),
        ("origination_caller_id_number", number),
        ("fsctl_from", who),
        ("fsctl_to", number),
        ("fsctl_payload", payload),
    )
    return encode.Originate(f"sofia/gateway/{GATEWAY}/{who}", "customer", "fsctl-customer", variables)


class Dialler:
    """Calls customers who permit it."""

    def __init__(
        self,
        graph: Asks,
        number_ids: Mapping[str, str],
        commands: Callable[[str], AbstractContextManager[Connection]],
    ) -> None:
        """Args: number_ids: business number -> its id at Meta; commands: a connection to a node, by its name."""
        self._graph = graph
        self._number_ids = number_ids
        self._commands = commands

    def call(self, names: Sequence[Alias], number: str, node: str, payload: str, job: str) -> str | None:
        """Begin to call; it rings while this returns.

        Args:
            names: of the contact, the newest first.
            number: business number that calls.
            node: FreeSWITCH that calls.
            payload: see ``customers_call``.
            job: names the attempt.

        Returns:
            Why there is no call, if there is none.
        """
        name = recipient_of(names)
        if name is None:
            return "the contact has neither a number nor a user id"
        why_not = self._forbidden(name, number)
        if why_not is not None:
            return why_not
        try:
            with self._commands(node) as connection:
                connection.must(encode.Background(customers_call(name.value, number, payload), job))
        except (LinkError, ConfigError) as error:
            return f"FreeSWITCH {node} cannot call: {error}"
        return None

    def _forbidden(self, name: Alias, number: str) -> str | None:
        """Meta's word on it (Meta, "User call permissions"). Not to be told is not to be permitted."""
        asked = {"recipient" if name.kind == "bsuid" else "user_wa_id": name.value}
        try:
            answer = self._graph.get(f"{self._number_ids.get(number, '')}/call_permissions", **asked)
        except (GraphRefused, GraphDown, GraphUnsure) as error:
            return f"the permission to call could not be read: {error}"
        if may_call(answer):
            return None
        return "the customer has not permitted calls"


def may_call(answer: Mapping[str, Any]) -> bool:
    """What ``call_permissions`` says: a permission stands, and no limit is reached."""
    permission, actions = answer.get("permission"), answer.get("actions")
    if not isinstance(permission, Mapping) or permission.get("status") not in ("temporary", "permanent"):
        return False
    for action in actions if isinstance(actions, list) else ():
        if isinstance(action, Mapping) and action.get("action_name") == "start_call":
            return action.get("can_perform_action") is True
    return True
