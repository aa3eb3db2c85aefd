"""From the journal into the inbox: what came is on disk, and goes to Postgres as soon as there is one."""

import logging
import time

import gevent

from fsctl.backoff import Backoff
from fsctl.errors import DatabaseDown, DatabaseError
from fsctl.store.alarms import Alarms
from fsctl.store.inbox import Inbox, Post
from fsctl.whatsapp.journal import Journal

log = logging.getLogger(__name__)

IDLE_S = 5.0
"""So often we look for files that a process which died has left, and for what the alarms should say."""
PAUSE_S = 0.03
"""Between two looks: what comes within it is one transaction."""
AGAIN_S = 2.0
"""So often a Postgres that is away is looked for."""
FULL, DAMAGED = "journal.full", "journal.damaged"


class Importer:
    """Imports what a journal has; a process has one."""

    def __init__(self, journal: Journal, inbox: Inbox, alarms: Alarms) -> None:
        self._journal = journal
        self._inbox = inbox
        self._alarms = alarms
        self._looked_at = float("-inf")
        self._told: dict[str, bool] = {}
        self.is_stuck = False
        """Postgres is away."""

    def run(self) -> None:
        """Import for as long as the process lives; ends when it is killed."""
        backoff = Backoff(most_s=AGAIN_S)
        while True:
            try:
                while self.tick():
                    gevent.sleep(PAUSE_S)
                if self.is_stuck:
                    log.info("webhooks are imported again")
                self.is_stuck = False
                backoff.reset()
            except DatabaseDown as error:
                if not self.is_stuck:
                    log.warning("%s; webhooks wait in the journal", error)
                self.is_stuck = True
                gevent.sleep(backoff.next_s())
                while not self._inbox.is_there():
                    gevent.sleep(backoff.next_s())
                continue
            except Exception:
                # What is in the journal is safe there; what came to be wrong may be put right.
                log.exception("webhooks are not imported now")
                gevent.sleep(IDLE_S)
            self._journal.written.wait(IDLE_S)
            self._journal.written.clear()

    def tick(self) -> int:
        """One round.

        Returns:
            Bytes imported; 0 when there is nothing to do.

        Raises:
            DatabaseDown: what is in the journal stays there.
        """
        now = time.monotonic()
        if now - self._looked_at > IDLE_S:
            self._looked_at = now
            self._journal.adopt()
            self._journal.tidy()
            self._tell(FULL, self._journal.is_full, "no room for webhooks: they are answered 503")
            self._tell(
                DAMAGED,
                self._journal.damaged_bytes > 0,
                "a file is kept as *.damaged in the journal's folder",
            )
        file = self._journal.unread()
        if file is None:
            return 0
        try:
            found = file.read()
        except OSError as error:
            log.error("%s cannot be read, and is set aside: %s", file.path, error)
            self._journal.set_aside(file)
            return 1
        self._inbox.add([Post.of(record.body, record.received_at) for record in found.records])
        self._journal.imported(file, found)
        return found.used

    def drain(self) -> None:
        """Import all there is, for a process that ends; what Postgres does not take now stays for the next one."""
        self._journal.end_file()
        try:
            while self.tick():
                pass
        except DatabaseError as error:
            log.warning("%s; webhooks stay in the journal", error)

    def _tell(self, kind: str, is_up: bool, detail: str) -> None:
        if self._told.get(kind) == is_up:
            return
        if is_up:
            self._alarms.put_up(kind, str(self._journal.folder), detail)
        elif kind != DAMAGED:
            # The damage stays until somebody has looked at the file.
            self._alarms.clear(kind, str(self._journal.folder))
        self._told[kind] = is_up
