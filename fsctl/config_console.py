"""The part of the config that concerns the ESL console: where it listens, and who may do what on it."""

import dataclasses
import ipaddress
from dataclasses import dataclass, field
from typing import Any, Literal

from fsctl.errors import ConfigError
from fsctl.tables import Tables

PASSWORD = 12
"""A shorter password could be guessed."""
WELL_KNOWN_PASSWORD = "ClueCon"


@dataclass(frozen=True, kw_only=True)
class User:
    """A person, or a program, that may connect."""

    name: str
    """Such as ``ann@example.com``: what fs_cli is given with ``-u``."""
    role: Literal["viewer", "operator", "admin"] = "viewer"
    password: str = field(default="", repr=False)
    """From ``password_env`` or ``password_file``."""


@dataclass(frozen=True, kw_only=True)
class Console:
    """The ESL server of ours. Nobody listens while there is no user."""

    listen: str = "127.0.0.1:8031"
    """HOST:PORT; empty: no console."""
    allow: tuple[str, ...] = ()
    """Networks that may connect besides the loopback. The Event Socket knows no TLS: networks that you trust."""
    users: tuple[User, ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether it is served."""
        return bool(self.listen and self.users)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """``allow``, read."""
        return tuple(ipaddress.ip_network(one) for one in self.allow)


def read(rest: dict[str, Any], tables: Tables) -> Console:
    """Take the table ``console``.

    Raises:
        ConfigError: with the file, the key, and what is expected.
    """
    table = tables.take(rest, "console", dict, {})
    users = tables.take(table, "user", list, [], "console")
    console = tables.fill(Console, table, "console", skip={"users"})
    _check(console, tables)
    found = tuple(_user(user, f"console.user[{i}]", tables) for i, user in enumerate(users))
    for what in ("name", "password"):
        # A client that knows no user name is known by its password.
        if len({getattr(user, what) for user in found}) < len(found):
            raise ConfigError(f"{tables.source}: console.user: each needs a {what} of its own")
    return dataclasses.replace(console, users=found)


def _check(console: Console, tables: Tables) -> None:
    host, _, port = console.listen.rpartition(":")
    if console.listen and not (host and port.isdigit() and int(port) < 65536):
        raise tables.error("console.listen", "HOST:PORT", console.listen)
    for network in console.allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise tables.error("console.allow", f"networks such as 10.0.0.0/8 ({error})", network) from error


def _user(table: Any, where: str, tables: Tables) -> User:
    rest = dict(tables.typed(table, dict, where))
    password = tables.secret(rest, where, "password", "the password") or ""
    user = tables.fill(User, rest, where, skip={"password"})
    if not user.name or any(one <= " " or one == ":" for one in user.name):
        raise tables.error(f"{where}.name", "a name such as ann@example.com", user.name)
    if not password or password == WELL_KNOWN_PASSWORD or len(password) < PASSWORD:
        raise ConfigError(
            f"{tables.source}: {where}: expected password_env or password_file with at least {PASSWORD} "
            f"characters, and not FreeSWITCH's well-known password"
        )
    if any(one < " " or one == "\x7f" for one in password):
        raise ConfigError(f"{tables.source}: {where}: a control character in the password")
    return dataclasses.replace(user, password=password)
