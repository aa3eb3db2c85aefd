"""The part of the config that concerns CRMs: what may be sent where."""

from dataclasses import dataclass
from typing import Any

from fsctl.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Crm:
    """Events for CRMs."""

    allow_private: bool = False
    """Whether endpoints may be in our own network, and take plain HTTP: whoever may add an endpoint may then send
    requests to every machine that this one reaches."""


def read(rest: dict[str, Any], tables: Tables) -> Crm:
    """Take the table ``crm``. Raises ConfigError: with the file, the key, and what is expected."""
    return tables.fill(Crm, tables.take(rest, "crm", dict, {}), "crm")
