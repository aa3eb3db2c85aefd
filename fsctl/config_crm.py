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
    keep_days: int = 90
    """Events are kept so long, and longer while an endpoint waits for them; 0: for ever."""


def read(rest: dict[str, Any], tables: Tables) -> Crm:
    """Take the table ``crm``. Raises ConfigError: with the file, the key, and what is expected."""
    crm = tables.fill(Crm, tables.take(rest, "crm", dict, {}), "crm")
    if crm.keep_days < 0:
        raise tables.error("crm.keep_days", "days, or 0 for ever", crm.keep_days)
    return crm
