"""Words, and where they were said. Who searches for what stands in the audit."""

import html

import msgspec

from fsctl.store.search import BEGIN, END
from fsctl.web.api import answers, forms
from fsctl.web.api.house import House
from fsctl.web.api.operation import Asked, said


def search(house: House, asked: Asked, given: forms.OfSearch) -> answers.Matches:
    """Where words were said, the newest first.

    `highlight` is HTML: what was said, escaped, with `<mark>` around what was found. It is audited.
    """
    language = said(given.language)
    house.note(asked.who, "transcript.search", "transcripts", q=given.q, language=language or "")
    page = house.search.transcripts(given.q, language, given.limit, said(given.before))
    rows = [row | {"highlight": marked(row["highlight"])} for row in page.rows]
    return answers.Matches(msgspec.convert(rows, list[answers.Match]), page.next, page.has_more)


def marked(text: str) -> str:
    """As HTML: nothing that a stranger said is markup."""
    return html.escape(text).replace(BEGIN, "<mark>").replace(END, "</mark>")
