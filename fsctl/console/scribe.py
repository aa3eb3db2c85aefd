"""Writes down what consoles do. While Postgres is away it keeps what is to be written, and nobody waits for it.

A command that ends a call must not hang on an audit that cannot be written now; so what was done then is kept in
order, bounded, and written with the time at which it was done when Postgres is back. Called by desk.py, server.py.
"""

import logging
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime

import gevent

from fsctl.backoff import Backoff
from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.store.audit import Audit, Entry
from fsctl.store.db import Database
from fsctl.terminal import escape

log = logging.getLogger(__name__)

WAIT_S = 2.0
"""A command waits so long for the audit."""
MOST_KEPT = 10_000
"""Entries kept; the log has every one that is."""


class Scribe:
    """The audit of the consoles of this process."""

    def __init__(self, database: Database) -> None:
        self._audit = Audit(database)
        self._kept: deque[Entry] = deque()
        self._keeper: gevent.Greenlet | None = None

    @property
    def kept(self) -> int:
        """Entries that wait for Postgres."""
        return len(self._kept)

    def write(self, entry: Entry) -> None:
        """Write an entry: before this returns, or when Postgres is back. Raises nothing."""
        if self._kept:
            self._keep(entry)
            return
        gevent.spawn(self._try, entry).join(WAIT_S)

    def _try(self, entry: Entry) -> None:
        at = datetime.now(UTC)
        try:
            self._audit.append(entry)
        except DatabaseDown as error:
            log.warning("%s", error)
            self._keep(replace(entry, detail={**entry.detail, "done_at": at.isoformat()}))
        except DatabaseError as error:
            log.error("not in the audit (%s): %s", error, escape(repr(entry)))

    def _keep(self, entry: Entry) -> None:
        log.warning("kept for the audit: %s", escape(repr(entry)))
        if len(self._kept) >= MOST_KEPT:
            log.error("%d entries are kept already; this one stands in the log only", MOST_KEPT)
            return
        done_at = {"done_at": datetime.now(UTC).isoformat()}
        self._kept.append(replace(entry, detail={**done_at, **entry.detail}))
        if self._keeper is None:
            self._keeper = gevent.spawn(self._catch_up)

    def _catch_up(self) -> None:
        backoff = Backoff()
        while self._kept:
            try:
                self._audit.append(self._kept[0])
                backoff.reset()
            except DatabaseDown:
                gevent.sleep(backoff.next_s())
                continue
            except DatabaseError as error:
                log.error("not in the audit (%s): %s", error, escape(repr(self._kept[0])))
            self._kept.popleft()
        self._keeper = None
