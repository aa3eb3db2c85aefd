"""Bring the schema up to date: plain files, forward only, one at a time under an advisory lock."""

import logging
from importlib import resources

import psycopg

from fsctl.errors import DatabaseError
from fsctl.store.db import our_errors

log = logging.getLogger(__name__)

LOCK = 0x66736374
"""Key of the advisory lock: "fsct"."""


def available() -> list[tuple[str, str]]:
    """Name and SQL of every migration, in order."""
    files = (resources.files("fsctl.store") / "migrations").iterdir()
    return sorted((file.name, file.read_text()) for file in files if file.name.endswith(".sql"))


def migrate(dsn: str) -> list[str]:
    """Apply what is missing.

    Returns:
        The names applied now.

    Raises:
        DatabaseError: the database holds a migration that this fsctl does not know (it is older than the
            database), or one failed; what came before it stays applied.
    """
    with our_errors("applying migrations"), psycopg.connect(dsn, autocommit=True) as connection:
        connection.add_notice_handler(_warn)
        connection.execute("select pg_advisory_lock(%s)", (LOCK,))
        connection.execute(
            "create table if not exists migration"
            " (name text primary key, applied_at timestamptz not null default now())"
        )
        applied = {row[0] for row in connection.execute("select name from migration")}
        known = available()
        unknown = applied - {name for name, _ in known}
        if unknown:
            raise DatabaseError(
                f"the database has migrations that this fsctl does not know ({', '.join(sorted(unknown))}): "
                "it was used by a newer fsctl; run that one"
            )
        missing = [(name, sql) for name, sql in known if name not in applied]
        for name, sql in missing:
            with connection.transaction():
                connection.execute(sql.encode())
                connection.execute("insert into migration (name) values (%s)", (name,))
        return [name for name, _ in missing]


def _warn(notice: psycopg.errors.Diagnostic) -> None:
    """What a migration could not do, and goes on without."""
    if notice.severity_nonlocalized == "WARNING":
        log.warning("%s", notice.message_primary)


def pending(dsn: str) -> list[str]:
    """Names of the migrations that are still to be applied."""
    with (
        our_errors("reading migrations"),
        psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection,
    ):
        row = connection.execute("select to_regclass('migration') is not null").fetchone()
        exists = bool(row and row[0])
        applied = {r[0] for r in connection.execute("select name from migration")} if exists else set()
        return [name for name, _ in available() if name not in applied]
