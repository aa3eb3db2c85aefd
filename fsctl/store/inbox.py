"""The inbox: webhooks as they came, until something has been made of each.

A post is added once, whatever the number of times that it comes, and processed once: what is made of it and the
note that it is done are one transaction.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from fsctl.errors import BadInput, DatabaseDown, FsctlError
from fsctl.store.db import Bell, Database, Row, Transaction, our_errors

log = logging.getLogger(__name__)

WAKES = "fsctl_inbox"
"""LISTEN to this to be woken when something was added."""
TRIES = 3
"""So often a post is tried when Postgres is there and ended its transaction: two may have waited for each other."""
KEEP_S = 8 * 86_400.0
"""So long what came is kept after it was processed: Meta may send it again for 7 days."""
MOST_BYTES = 256 * 1024
"""Of the posts of one transaction, unless the first has more: some hundred updates, however Meta packs them."""
MAX_REASON = 500
MOST_LISTED = 1000


@dataclass(frozen=True)
class Post:
    """One POST of Meta, byte for byte."""

    body: bytes
    received_at: datetime
    digest: bytes
    """SHA-256 of the body."""
    id: int = 0
    """Of its row; 0 before it has one."""

    @classmethod
    def of(cls, body: bytes, received_at: datetime) -> "Post":
        """What came, when."""
        return cls(body, received_at, hashlib.sha256(body).digest())


Handle = Callable[[Transaction, Sequence[Post]], None]
"""Makes of posts what there is to be made, within the transaction. Raises: all is rolled back, and each is tried
alone; one that raises alone has failed."""


@dataclass(frozen=True)
class Listed:
    """A row without its body."""

    id: int
    received_at: datetime
    state: str
    """``waiting``, ``done`` or ``failed``."""
    tries: int
    reason: str | None
    bytes: int


class Inbox:
    """The table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell = Bell(database, "inbox.notify")

    def add(self, posts: Sequence[Post]) -> int:
        """Store posts, and wake those who process them.

        Returns:
            How many were new: the same bytes are stored once.

        Raises:
            DatabaseDown: none is stored, as far as we know; adding them again does no harm.
        """
        if not posts:
            return 0
        with self._database.statement(f"adding {len(posts)} posts to the inbox") as transaction:
            added = transaction.run(
                "inbox.add",
                digests=[post.digest for post in posts],
                bodies=[post.body for post in posts],
                times=[post.received_at for post in posts],
            )
        if added:
            self._bell.ring()
        return added

    def process(self, handle: Handle, most: int, *, keep: bool = True) -> int:
        """Process waiting posts, the oldest first, many in one transaction; when one of them cannot be, each alone.

        Several processes may do so at once: no post is processed twice.

        Args:
            handle: called once with all posts, or again after all that it did was rolled back.
            most: posts in one transaction; fewer where they are large.
            keep: what came, for ``KEEP_S``; else it is gone with the commit that says it is done.

        Returns:
            Posts that are done or failed now; 0 when none waits.

        Raises:
            DatabaseDown: Postgres is away; those of the transaction wait still.
        """
        posts: list[Post] = []
        try:
            with self._database.transaction("processing the inbox") as transaction:
                ids = _together(transaction.rows("inbox.claim", most=most))
                posts = [Post(**row) for row in transaction.rows("inbox.claimed", ids=ids)] if ids else []
                if posts:
                    handle(transaction, posts)
                    transaction.run("inbox.done", ids=[post.id for post in posts], keep=keep)
                return len(posts)
        except Exception as error:
            if not posts or (isinstance(error, DatabaseDown) and not self.is_there()):
                raise
            log.debug("%d posts together cannot be processed; each alone", len(posts), exc_info=error)
        return sum(self._process_alone(handle, post.id, keep) for post in posts)

    def _process_alone(self, handle: Handle, id: int, keep: bool) -> bool:
        """False when another process has it."""
        for last in (False,) * (TRIES - 1) + (True,):
            try:
                return self._process_one(handle, id, keep)
            except DatabaseDown as error:
                # Also said of a transaction that Postgres ended by itself, or for a value that it can never hold.
                if not self.is_there():
                    raise
                if last:
                    self._fail(id, str(error))
            except FsctlError as error:
                log.warning("post %d of the inbox failed (`fsctl inbox show %d`): %s", id, id, error)
                self._fail(id, str(error))
                break
            except Exception as error:
                log.exception("post %d of the inbox failed; `fsctl inbox show %d`", id, id)
                self._fail(id, f"{type(error).__name__}: {error}")
                break
        return True

    def _process_one(self, handle: Handle, id: int, keep: bool) -> bool:
        with self._database.transaction(f"processing post {id} of the inbox") as transaction:
            row = transaction.one("inbox.claim_one", id=id)
            if row is None:
                return False
            handle(transaction, [Post(**row)])
            transaction.run("inbox.done", ids=[id], keep=keep)
            return True

    def _fail(self, id: int, reason: str) -> None:
        with self._database.statement(f"failing post {id} of the inbox") as transaction:
            transaction.run("inbox.fail", id=id, reason=_storable(reason))

    def forget(self, keep_s: float = KEEP_S) -> int:
        """Empty the bodies of posts that were done so long ago. Returns: how many."""
        with self._database.statement("emptying old posts of the inbox") as transaction:
            return transaction.run("inbox.forget", keep_s=keep_s)

    def is_there(self) -> bool:
        """Whether Postgres answers, by a connection of its own: the pool would wait ten seconds for one of its."""
        try:
            with our_errors("looking for Postgres"):
                psycopg.connect(self._database.dsn, connect_timeout=3).close()
        except DatabaseDown:
            return False
        return True

    # --- for the operator ------------------------------------------------------------------------------------

    def counts(self) -> Row:
        """How many are ``waiting`` and ``failed``."""
        with self._database.statement("counting the inbox") as transaction:
            row = transaction.one("inbox.counts")
        assert row is not None
        return row

    def all(self, state: str | None = None) -> list[Listed]:
        """The latest posts, the oldest first; those in one state if it is named."""
        with self._database.statement("reading the inbox") as transaction:
            return [Listed(**row) for row in transaction.rows("inbox.list", state=state, most=MOST_LISTED)]

    def one(self, id: int) -> tuple[Listed, bytes]:
        """A post and its body. Raises BadInput when there is none."""
        with self._database.statement(f"reading post {id}") as transaction:
            row = transaction.one("inbox.show", id=id)
        if row is None:
            raise BadInput(f"the inbox has no post {id}; see `fsctl inbox list`")
        body: bytes = row.pop("body")
        return Listed(**row), body

    def retry(self, id: int | None = None) -> int:
        """Have a failed post, or all of them, processed again.

        Returns:
            How many.

        Raises:
            BadInput: there is no such post, or it did not fail.
        """
        with self._database.statement("trying posts again") as transaction:
            count = transaction.run("inbox.retry", id=id)
        if id is not None and not count:
            listed, _ = self.one(id)
            raise BadInput(f"post {id} is {listed.state}: only one that failed is tried again")
        if count:
            self._bell.ring()
        return count


def _together(waiting: Sequence[Row]) -> list[int]:
    """Posts that are not too large for one transaction; the others wait for the next."""
    ids: list[int] = []
    room = MOST_BYTES
    for row in waiting:
        room -= row["bytes"]
        if ids and room < 0:
            break
        ids.append(row["id"])
    return ids


def _storable(text: str) -> str:
    """Postgres holds no zero byte and no half of a surrogate pair."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()[:MAX_REASON]
