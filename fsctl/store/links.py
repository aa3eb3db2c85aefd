"""Which controller serves a node, and how its link is.

One controller is active for a node, by an advisory lock that ends with its connection. Others stand by.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fsctl.errors import DatabaseDown
from fsctl.store.db import Database, Row, our_errors, queries

STALE_S = 15.0
"""A report older than this is of a controller that is gone or stuck."""


def controller_name() -> str:
    """This process, as it stands in reports."""
    return f"{socket.gethostname()}:{os.getpid()}"


class NodeLock:
    """The right to serve a node."""

    def __init__(self, dsn: str, node: str) -> None:
        self._dsn = dsn
        self._node = node
        self._connection: psycopg.Connection[Row] | None = None

    def acquire(self) -> bool:
        """Try to get it; False while another controller has it.

        Raises:
            DatabaseDown: Postgres cannot be asked.
        """
        with our_errors(f"asking to serve {self._node}"):
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self._dsn, autocommit=True, row_factory=dict_row, connect_timeout=5,
                    application_name=f"fsctl serves {self._node}",
                )  # fmt: skip
            row = self._connection.execute(
                queries()["links.try_lock"].encode(), {"node": self._node}
            ).fetchone()
            return bool(row and row["ours"])

    def held(self) -> bool:
        """Whether it is still ours.

        When Postgres went away, so did every lock: the first to ask again has it. While Postgres is away
        nobody can take it, and what comes from FreeSWITCH is better kept than missed: it counts as ours.
        """
        try:
            with our_errors(f"holding {self._node}"):
                if self._connection is not None and not self._connection.closed:
                    self._connection.execute(queries()["links.still_there"].encode())
                    return True
        except DatabaseDown:
            self.release()
        try:
            return self.acquire()
        except DatabaseDown:
            return True

    def release(self) -> None:
        """Give it up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@dataclass(frozen=True)
class Report:
    """One controller's word on one link."""

    node: str
    controller: str
    state: str
    since: datetime
    status: Mapping[str, Any]
    age_s: float
    """How old the report is."""

    @property
    def is_stale(self) -> bool:
        """Whether the controller is gone or stuck."""
        return self.age_s > STALE_S


class Links:
    """Reports on links."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, node: str, state: str, since: datetime, status: Mapping[str, Any]) -> None:
        """Say how this controller's link to a node is."""
        with self._database.transaction(f"reporting link {node}") as transaction:
            transaction.run(
                "links.report",
                node=node,
                controller=controller_name(),
                state=state,
                since=since,
                status=Jsonb(dict(status)),
            )

    def forget(self, node: str) -> None:
        """This controller no longer looks after the node."""
        with self._database.transaction(f"forgetting link {node}") as transaction:
            transaction.run("links.forget", node=node, controller=controller_name())

    def all(self) -> list[Report]:
        """Every report, the active controller of a node first."""
        with self._database.transaction("reading links") as transaction:
            return [Report(**row) for row in transaction.rows("links.all_links")]
