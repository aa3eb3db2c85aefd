"""What operations may use."""

from dataclasses import dataclass

from fsctl.store.audit import Audit, Entry
from fsctl.store.db import Database
from fsctl.store.events import Events
from fsctl.store.pages import Pages
from fsctl.store.search import Search


@dataclass(frozen=True)
class House:
    """The database, asked for pages; and how we are called from outside."""

    database: Database
    public_url: str = ""
    """``[web] public_url``: links in events begin so."""

    @property
    def pages(self) -> Pages:
        """Threads, calls and what is in them."""
        return Pages(self.database)

    @property
    def search(self) -> Search:
        """What was said."""
        return Search(self.database)

    @property
    def events(self) -> Events:
        """What happened."""
        return Events(self.database)

    def note(self, who: str, action: str, subject: str, **detail: object) -> None:
        """Put it into the audit, before it is done. Raises DatabaseDown: then it is not done."""
        Audit(self.database).append(Entry(who=who, action=action, subject=subject, detail=detail))
