"""The agents' phones: who is registered on profile ``agents``, and what a dial string rings.

A test registers and unregisters them; every agent's is registered when the switch starts. Rows and events as
seen on FreeSWITCH 1.11.2 (tests/contract/test_callcenter.py); the dial-string of a user is that of
freeswitch-conf/directory/agents.xml.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsctl.sim.bus import HOSTNAME
from fsctl.sim.sip import SIP_IP

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

DOMAIN = "fsctl"
PROFILE = "agents"
PORT = 5090
EXPIRES_S = 3600
USER_AGENT = "simulated softphone"


@dataclass(frozen=True)
class Registration:
    """One phone."""

    user: str
    call_id: str
    expires_epoch: int

    @property
    def contact(self) -> str:
        """Where it is reached."""
        return f"sip:{self.user}@{SIP_IP}:{PORT};transport=udp"


class Phones:
    """The table ``registrations``."""

    def __init__(self, switch: "Switch") -> None:
        self._switch = switch
        self._registered: dict[str, Registration] = {}

    def register(self, user: str) -> None:
        """A REGISTER that is accepted."""
        switch = self._switch
        expires = int(switch.clock.now_s()) + EXPIRES_S
        phone = Registration(user, switch.new_uuid(), expires)
        self._registered[user] = phone
        self._fire("register", phone, EXPIRES_S)

    def unregister(self, user: str) -> None:
        """A REGISTER with ``expires`` 0; nothing for a phone that was not there."""
        phone = self._registered.pop(user, None)
        if phone is not None:
            self._fire("unregister", phone, 0)

    def rows(self) -> list[dict[str, str]]:
        """``show registrations``, the latest first."""
        return [
            {
                "reg_user": phone.user,
                "realm": DOMAIN,
                "token": phone.call_id,
                "url": f"sofia/{PROFILE}/{phone.contact}",
                "expires": str(phone.expires_epoch),
                "network_ip": SIP_IP,
                "network_port": str(PORT),
                "network_proto": "udp",
                "hostname": HOSTNAME,
                "metadata": "",
            }
            for phone in reversed(self._registered.values())
        ]

    def contact(self, address: str) -> str:
        """``sofia_contact PROFILE/USER@DOMAIN``: how to dial it, or ``error/user_not_registered``."""
        user = address.rpartition("/")[2].partition("@")[0]
        phone = self._registered.get(user)
        return f"sofia/{PROFILE}/{phone.contact}" if phone else "error/user_not_registered"

    def resolve(self, dial_string: str) -> tuple[str, list[tuple[str, str]]]:
        """What a dial string rings, and what the directory adds to the leg (mod_dptools.c user_outgoing_channel).

        ``user/agent1@fsctl`` is looked up in the directory, whose dial-string asks sofia_contact.
        """
        if not dial_string.startswith("user/"):
            return dial_string, []
        address = dial_string.removeprefix("user/")
        user, _, domain = address.partition("@")
        asked = [("API-Command", "sofia_contact"), ("API-Command-Argument", f"{PROFILE}/{address}")]
        self._switch.bus.fire("API", asked)
        named = [("presence_id", address), ("dialed_user", user), ("dialed_domain", domain)]
        if user not in self._registered:
            return self.contact(address), named
        return f"sofia/{PROFILE}/{user}@{SIP_IP}", named

    def _fire(self, what: str, phone: Registration, expires_s: int) -> None:
        headers = [
            ("profile-name", PROFILE),
            ("from-user", phone.user),
            ("from-host", DOMAIN),
            ("contact", f'"" <{phone.contact}>'),
            ("call-id", phone.call_id),
            ("rpid", "unknown"),
            ("expires", str(expires_s)),
            ("network-ip", SIP_IP),
            ("network-port", str(PORT)),
            ("username", phone.user),
            ("realm", DOMAIN),
            ("user-agent", USER_AGENT),
        ]
        self._switch.bus.fire("CUSTOM", headers, origin=f"sofia::{what}", subclass=f"sofia::{what}")
