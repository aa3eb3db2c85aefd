"""Whether an agent's phone is there: what a contact says, what the directory makes of it, who is registered."""

import re
from collections.abc import Callable, Set
from typing import Literal

from fsctl.esl import encode
from fsctl.esl.connection import Reply

_USER = re.compile(r"(?:^|[,|:])\s*user/([A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+)")
_SOFIA_CONTACT = re.compile(r"\$\{sofia_contact\((?:[A-Za-z0-9_.*-]+/)?([A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+)\)\}")
_REGISTERED = re.compile(r"\$\{(?:sofia|verto)_contact\([^(){}]*\)\}")
_VARIABLE = re.compile(r"\$\{\w+\}")
_OPTIONS = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]|<[^<>]*>")


class Phones:
    """Judges contacts; remembers what the directory says of a user."""

    def __init__(self, request: Callable[[encode.Request], Reply]) -> None:
        self._request = request
        self._judged: dict[str, bool] = {}
        """User -> whether the directory finds the phone by its registration."""

    def registered(self, contact: str, users: Set[str]) -> bool | None:
        """Whether a contact reaches a phone.

        Only ``user/NAME@DOMAIN`` and ``${sofia_contact(...)}`` are judged: a gateway, a number or a loopback is
        there without a registration.

        Args:
            contact: the agent's, a dial string; where it names several endpoints, one is enough.
            users: ``NAME@DOMAIN`` of the phones that the switch lists as registered.

        Returns:
            None where it is not a registration that decides.
        """
        direct = _SOFIA_CONTACT.findall(contact)
        rest = _OPTIONS.sub("", _SOFIA_CONTACT.sub("", contact))
        listed = _USER.findall(rest)
        if (not direct and not listed) or _USER.sub("", rest).strip(" ,|:_"):
            return None
        if any(user in users for user in (*direct, *listed)):
            return True
        if not all(self._is_judged(user) for user in listed):
            return None
        return any(self._is_found(user) for user in (*direct, *listed))

    def _is_judged(self, user: str) -> bool:
        """Whether the directory calls the user where the phone registered, and nowhere else."""
        if user not in self._judged:
            reply = self._request(encode.ReadDialString(user))
            rest, found = _REGISTERED.subn("", _VARIABLE.sub("", reply.text))
            self._judged[user] = reply.ok and found > 0 and not _OPTIONS.sub("", rest).strip(" ,|:_\n")
        return self._judged[user]

    def _is_found(self, user: str) -> bool:
        """The table of registrations lags, and holds no phone of mod_verto: ask as a call would."""
        functions: tuple[Literal["sofia_contact", "verto_contact"], ...] = ("sofia_contact", "verto_contact")
        replies = (self._request(encode.FindPhone(function, user)) for function in functions)
        return any(reply.ok and not reply.text.startswith("error/") for reply in replies)
