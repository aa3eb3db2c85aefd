"""What is asked of phones and of gateways: the directory, who is registered, the SIP profiles."""

from dataclasses import dataclass
from typing import Literal

from fsctl.esl.encode.quoting import name, word


@dataclass(frozen=True)
class ShowRegistrations:
    """Every registered phone of the switch, as JSON."""

    def render(self) -> str:
        return "api show registrations as json"


@dataclass(frozen=True)
class FindPhone:
    """Where a user's phone is: an endpoint, or ``error/user_not_registered``."""

    function: Literal["sofia_contact", "verto_contact"]
    user: str

    def render(self) -> str:
        return f"api {self.function} {word(self.user)}"


@dataclass(frozen=True)
class ReadDialString:
    """How the directory has a user called, not expanded."""

    user: str

    def render(self) -> str:
        return f"api user_data {word(self.user)} param dial-string"


@dataclass(frozen=True)
class ReadPassword:
    """The password of a user of the directory, in clear; an error when there is no such user."""

    user: str

    def render(self) -> str:
        return f"api user_data {word(self.user)} param password"


@dataclass(frozen=True)
class StartGateway:
    """Have a SIP profile read a gateway's settings and use it."""

    profile: str
    gateway: str

    def render(self) -> str:
        return f"api sofia profile {name(self.profile)} startgw {name(self.gateway)}"


@dataclass(frozen=True)
class ForgetGateway:
    """Have a SIP profile drop a gateway; calls that are up stay."""

    profile: str
    gateway: str

    def render(self) -> str:
        return f"api sofia profile {name(self.profile)} killgw {name(self.gateway)}"
