"""/v1 over a real socket, on a real Postgres: what is answered, to whom, and what is refused."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import urllib3
from gevent import socket
from werkzeug.routing import Map, Rule

from fsctl import app_chat
from fsctl.call.events import Alias
from fsctl.config import Config
from fsctl.config_chat import Web
from fsctl.crm import events
from fsctl.store import contacts
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.store.deliveries import Deliveries
from fsctl.store.events import Event
from fsctl.store.sequence import Sequence
from fsctl.store.threads import NewMessage, Threads
from fsctl.store.tokens import SCOPES, Tokens
from fsctl.web.api.table import OPERATIONS
from tests.fix_database import run
from tests.integration.crm_house import HELLO, HOLA, NAME, NUMBER, OURS, QUEUE, Crm, fill
from tests.integration.test_sequence import drain
from tests.integration.test_transcripts import T0


@pytest.fixture
def crm(tmp_path: Path, database: Database) -> Iterator[Crm]:
    """Filled; the thread is the first."""
    assert fill(tmp_path, database) == 1
    found = Crm(database)
    yield found
    found.stop()


# --- what is answered


def test_a_thread_and_whose_it_is(crm: Crm) -> None:
    thread = crm.get("/v1/threads/1")
    assert (thread["thread_id"], thread["business_number"], thread["display_name"]) == (1, OURS, NAME)
    assert crm.get("/v1/threads") == {"data": [thread], "next": thread["change_seq"], "has_more": False}
    contact = crm.get(f"/v1/contacts/{thread['contact_id']}")
    assert {"kind": "wa_id", "value": NUMBER} in contact["aliases"]
    assert (contact["display_name"], contact["merged_into"]) == (NAME, None)


def test_what_stands_in_a_thread_is_there_in_order_page_by_page(crm: Crm) -> None:
    whole = crm.get("/v1/threads/1/items")
    assert [one["kind"] for one in whole["data"]] == ["message", "call", "outcome", "call"]
    assert whole["data"][0]["body"]["text"] == "hi"
    assert whole["data"][1]["body"]["call_uuid"] == "c-1"
    assert "Hola" not in str(whole), "words of calls are read from transcripts, which is audited"
    for order in ("asc", "desc"):
        found: list[Any] = []
        after = ""
        while True:
            page = crm.get(f"/v1/threads/1/items?limit=1&order={order}{after}")
            found += page["data"]
            after = f"&after={page['next']}"
            if not page["has_more"]:
                break
        assert found == (whole["data"] if order == "asc" else whole["data"][::-1])
        assert crm.get(f"/v1/threads/1/items?order={order}{after}")["data"] == []


@pytest.mark.parametrize(
    ("path", "number"), [("changes", "change_seq"), ("events", "seq"), ("calls", "change_seq")]
)
def test_who_reads_on_by_number_has_all_once(crm: Crm, database: Database, path: str, number: str) -> None:
    first = crm.get(f"/v1/{path}?limit=200")
    found, after, has_more = [], 0, True
    while has_more:
        page = crm.get(f"/v1/{path}?after={after}&limit=2")
        assert len(page["data"]) <= 2
        found += page["data"]
        after, has_more = page["next"], page["has_more"]
    assert found == first["data"]
    numbers = [one[number] for one in found]
    assert numbers == sorted(set(numbers))
    assert crm.get(f"/v1/{path}?after={after}") == {"data": [], "next": after, "has_more": False}
    write(database, "w2")
    run(database, "update call set mos = 4.2 where uuid = 'c-1'")
    drain(Sequence(database))
    assert len(crm.get(f"/v1/{path}?after={after}")["data"]) == {"changes": 2, "events": 1, "calls": 1}[path]


def write(database: Database, wamid: str) -> None:
    run(
        database,
        "insert into message (thread_id, wamid, direction, body, sent_at) values (1, %s, 'inbound', 'x', %s)",
        wamid,
        T0,
    )


def test_a_call_is_answered_with_all_but_its_words(crm: Crm) -> None:
    call = crm.get("/v1/calls/c-1")
    assert (call["disposition"], call["agent"], call["queue"], call["thread_id"]) == (
        "answered",
        "ann",
        QUEUE,
        1,
    )
    assert call["offered_at"] == "2026-11-22T09:00:00Z"
    assert [one["state"] for one in call["recordings"]] == ["archived"]
    assert "Hola" not in str(call)
    listed = crm.get("/v1/calls")["data"]
    assert {one["call_uuid"] for one in listed} == {"c-1", "c-2", "c-3"}
    assert call in listed
    assert [one["call_uuid"] for one in crm.get("/v1/calls?phase=talking")["data"]] == ["c-3"]
    assert [one["call_uuid"] for one in crm.get(f"/v1/calls?queue={QUEUE}")["data"]] == ["c-1"]


def test_what_was_said_comes_in_four_forms(crm: Crm) -> None:
    said = crm.get("/v1/calls/c-1/transcript")
    assert [(one["leg"], one["text"], one["start_ms"]) for one in said["segments"]] == [
        ("caller", HOLA, 1000), ("agent", HELLO, 7000),
    ]  # fmt: skip
    assert said["transcript_ready_at"]
    types = {"vtt": "text/vtt", "srt": "application/x-subrip", "txt": "text/plain"}
    for form, media in types.items():
        found = crm.ask(f"/v1/calls/c-1/transcript?format={form}")
        assert (found.status, found.headers["Content-Type"]) == (200, f"{media}; charset=utf-8")
        assert "devolución" in found.data.decode()
        assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert crm.ask("/v1/calls/c-1/transcript?format=vtt").data.startswith(b"WEBVTT\n")
    assert crm.get("/v1/calls/c-2/transcript")["segments"] == []


def test_words_are_found_and_marked_as_html_that_no_stranger_writes(crm: Crm) -> None:
    (match,) = crm.get("/v1/search?q=refunds")["data"]
    assert (match["call_uuid"], match["text"]) == ("c-1", HELLO)
    assert match["highlight"] == "Hello, the <mark>refund</mark> of 1 &amp; 2 is on its way"
    (match,) = crm.get(f"/v1/search?q={quote('devoluciones')}&language=es")["data"]
    assert match["highlight"] == "Hola, quiero una <mark>devolución</mark> &lt;script&gt;"
    assert crm.get(f"/v1/search?q={quote('devoluciones')}&language=en")["data"] == []
    both = f"/v1/search?q={quote('refund or devolución')}"
    pages = [crm.get(f"{both}&limit=1")]
    pages.append(crm.get(f"{both}&limit=1&before={pages[0]['next']}"))
    assert [one["has_more"] for one in pages] == [True, False]
    assert [one["data"][0] for one in pages] == crm.get(both)["data"]


def test_events_are_those_of_webhooks_and_their_links_lead_here(crm: Crm) -> None:
    told = crm.get("/v1/events")["data"]
    assert {"chat.started", "message.received", "call.ended", "recording.ready", "transcript.ready"} <= {
        one["type"] for one in told
    }
    for one in told:
        assert set(one) == {"id", "type", "version", "timestamp", "seq", "data", "links"}
        for name, link in one["links"].items():
            path = link.removeprefix("https://calls.example.com")
            assert path != link
            assert crm.ask(path).status == 200, (name, link)


def test_who_reads_on_from_events_that_are_forgotten_is_told(crm: Crm, database: Database) -> None:
    numbers = [one["seq"] for one in crm.get("/v1/events")["data"]]
    run(database, "update event set created_at = now() - interval '91 days'")
    while Deliveries(database).prune(90):
        pass
    assert [one["seq"] for one in crm.get("/v1/events")["data"]] == numbers[-1:]
    gone = crm.ask(f"/v1/events?after={numbers[0]}")
    assert gone.status == 410
    assert f"up to {numbers[-2]} " in gone.json["detail"]
    assert len(crm.get(f"/v1/events?after={numbers[-2]}")["data"]) == 1


def test_links_of_every_type_are_operations_whatever_the_call_is_named() -> None:
    routed = Map(
        [
            Rule(re.sub(r"{(\w+)}", r"<\1>", one.path), endpoint=one.name)
            for one in OPERATIONS
            if one.method == "GET"
        ]
    ).bind("")
    names = {
        "thread": "thread",
        "items": "items",
        "call": "call",
        "transcript": "transcript",
        "recording": "recording",
    }
    for type_ in events.TYPES:
        links = events.payload(Event(1, "evt", type_, 7, "a b?c", datetime.now(UTC), {}))["links"]
        assert links
        for name, link in links.items():
            assert routed.match(unquote(link))[0] == names[name]


def test_a_thread_that_became_part_of_another_leads_there(crm: Crm, database: Database) -> None:
    hello = NewMessage(wamid="w9", direction="inbound", body="me too", sent_at=T0)
    other = Threads(database).add_messages(
        [Alias(kind="wa_id", value="15550100199")], "Zoë", "es", OURS, [hello]
    )
    gone = crm.get(f"/v1/threads/{other}")["contact_id"]
    with database.transaction("merging") as transaction:
        contacts.merge(transaction, crm.get("/v1/threads/1")["contact_id"], gone, "test")
    for path, to in (
        (f"/v1/threads/{other}", "/v1/threads/1"),
        (f"/v1/threads/{other}/items?limit=2&order=desc", "/v1/threads/1/items?limit=2&order=desc"),
        (f"/v1/contacts/{gone}", "/v1/contacts/1"),
    ):
        found = crm.ask(path)
        assert (found.status, found.headers["Location"]) == (308, to)
        assert crm.ask(to).status == 200
    assert "me too" in str(crm.get("/v1/threads/1/items"))
    assert crm.ask(f"/v1/threads/{other}/outcome", "POST", body={"kind": "lead"}).status == 201
    assert run(database, "select thread_id from outcome order by id desc limit 1") == [{"thread_id": 1}]


# --- what is written


SALE = {"kind": "sale", "value": "129.5", "currency": "EUR", "order_ref": "o-1", "note": "wow", "key": "k-1"}


def test_what_came_of_it_is_stored_once_audited_and_stands_in_the_thread(
    crm: Crm, database: Database
) -> None:
    first = crm.ask("/v1/calls/c-1/outcome", "POST", body=SALE)
    assert (first.status, first.json) == (201, {"stored": True})
    again = crm.ask("/v1/calls/c-1/outcome", "POST", body=SALE | {"value": "1"})
    assert (again.status, again.json) == (200, {"stored": False})
    plain = crm.ask(
        "/v1/threads/1/outcome", "POST", body={"kind": "no-sale", "at": "2026-11-22T10:00:00+01:00"}
    )
    assert plain.status == 201
    rows = run(database, "select * from outcome where who like 'token%' order by id")
    assert [(row["call_uuid"], row["thread_id"], row["kind"], row["who"]) for row in rows] == [
        ("c-1", None, "sale", "token of-crm"), (None, 1, "no-sale", "token of-crm"),
    ]  # fmt: skip
    assert (str(rows[0]["value"]), rows[0]["currency"], rows[0]["note"]) == ("129.5000", "EUR", "wow")
    assert rows[1]["at"] == T0
    entries = Audit(database).entries(action="outcome.set")
    assert [(one.who, one.subject) for one in entries[-2:]] == [
        ("token of-crm", "call c-1"), ("token of-crm", "thread 1"),
    ]  # fmt: skip
    drain(Sequence(database))
    shown = [one["body"] for one in crm.get("/v1/threads/1/items")["data"] if one["kind"] == "outcome"]
    assert ("sale", "129.5") in [(one["outcome"], one["value"]) for one in shown]


# --- who may


MAY = {
    "threads": {"crm", "supervisor", "agent"},
    "thread": {"crm", "supervisor", "agent"},
    "items": {"crm", "supervisor", "agent"},
    "say_of_thread": {"crm"},
    "changes": {"crm", "supervisor"},
    "events": {"crm", "supervisor"},
    "contact": {"crm", "supervisor", "agent"},
    "calls": {"crm", "supervisor", "agent", "ops"},
    "call": {"crm", "supervisor", "agent", "ops"},
    "transcript": {"crm", "supervisor", "agent"},
    "recording": {"crm", "supervisor"},
    "say_of_call": {"crm"},
    "search": {"crm", "supervisor"},
}
VALUES = {"thread_id": "1", "contact_id": "1", "call_uuid": "c-1"}


def path_of(name: str) -> tuple[str, str, object]:
    """Method, path and body of a request that is answered."""
    (one,) = (one for one in OPERATIONS if one.name == name)
    path = one.path.format_map(VALUES) + ("?q=x" if name == "search" else "")
    return one.method, path, {"kind": "lead"} if one.body else None


def test_every_operation_says_who_may() -> None:
    assert {one.name: set(one.scopes) for one in OPERATIONS} == MAY


@pytest.mark.parametrize("name", MAY)
def test_a_token_has_what_its_scope_says_and_nothing_else(crm: Crm, name: str) -> None:
    method, path, body = path_of(name)
    for scope in SCOPES:
        found = crm.ask(path, method, scope=scope, body=body)
        assert found.status in ((200, 201) if scope in MAY[name] else (403,)), (scope, found)
        if found.status == 403:
            told = found.headers["WWW-Authenticate"]
            assert f'scope="{" ".join(sorted(MAY[name]))}"' in told
            assert 'error="insufficient_scope"' in told
            assert all(one in found.detail for one in MAY[name])
    assert crm.ask(path, method, scope="", body=body).status == 401


@pytest.mark.parametrize(
    "said",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer fsctl_none", "Bearer \xff\xfe", "fsctl_none",
     f"Bearer fsctl_{'x' * 9000}", "bearer fsctl_' or 1=1 --"],
)  # fmt: skip
def test_no_token_that_holds_is_401_and_says_how(crm: Crm, said: str) -> None:
    found = crm.ask("/v1/threads", scope="", **({"Authorization": said} if said else {}))
    assert found.status == 401
    assert "xpected a token" in found.detail
    assert found.headers["WWW-Authenticate"].startswith('Bearer realm="fsctl"')


def test_tokens_that_expired_or_were_revoked_do_not_hold(crm: Crm, database: Database) -> None:
    tokens = Tokens(database)
    soon = datetime.now(UTC) + timedelta(seconds=60)
    late = tokens.new("late", ["crm"], soon, who="test")
    assert crm.ask("/v1/threads", scope="", Authorization=f"Bearer {late}").status == 200
    run(database, "update token set expires_at = now() - interval '1 second' where name = 'late'")
    found = crm.ask("/v1/threads", scope="", Authorization=f"Bearer {late}")
    assert (found.status, 'error="invalid_token"' in found.headers["WWW-Authenticate"]) == (401, True)
    tokens.revoke("of-crm", who="test")
    assert crm.ask("/v1/threads").status == 401
    assert crm.ask("/v1/threads", scope="supervisor").status == 200


def test_the_document_is_for_everybody(crm: Crm) -> None:
    found = crm.ask("/v1/openapi.json", scope="").json
    assert found["openapi"] == "3.1.0"
    assert found["servers"] == [{"url": "https://calls.example.com"}]
    told = {(method.upper(), path) for path, one in found["paths"].items() for method in one}
    assert told == {(one.method, one.path) for one in OPERATIONS}


# --- what is noted


def test_who_reads_words_or_searches_stands_in_the_audit_and_who_is_refused_does_not(
    crm: Crm, database: Database
) -> None:
    crm.get("/v1/calls/c-1/transcript")
    crm.ask("/v1/calls/c-1/transcript?format=vtt", scope="agent")
    crm.get("/v1/search?q=refund")
    crm.ask("/v1/calls/c-1/recording", scope="supervisor")
    crm.ask("/v1/calls/c-1/recording?channel=agent", Range="bytes=0-9")
    for path, scope in (
        ("/v1/calls/c-1/transcript", "ops"), ("/v1/calls/c-1/recording", "agent"),
        ("/v1/calls/c-9/transcript", "crm"), ("/v1/search?q=x", ""),
        ("/v1/calls/c-2/recording", "crm"), ("/v1/search", "crm"),
    ):  # fmt: skip
        assert crm.ask(path, scope=scope).status in (400, 401, 403, 404)
    assert crm.ask("/v1/calls/c-1/recording", "HEAD").status == 200
    for path in ("/v1/calls/c-1", "/v1/threads", "/v1/threads/1/items"):
        crm.get(path)
    entries = [one for one in Audit(database).entries() if one.who.startswith("token ")]
    assert [(one.who, one.action, one.subject) for one in entries] == [
        ("token of-crm", "transcript.read", "call c-1"),
        ("token of-agent", "transcript.read", "call c-1"),
        ("token of-crm", "transcript.search", "transcripts"),
        ("token of-supervisor", "recording.read", "call c-1"),
        ("token of-crm", "recording.read", "call c-1"),
    ]
    assert entries[1].detail["format"] == "vtt"
    assert entries[2].detail["q"] == "refund"
    assert (entries[4].detail["channel"], entries[4].detail["range"]) == ("agent", "bytes=0-9")


# --- what is refused


BAD = [
    ("/v1/threads?limit=0", 400, "limit: Expected `int` >= 1"),
    ("/v1/threads?limit=201", 400, "limit: Expected `int` <= 200"),
    ("/v1/threads?limit=ten", 400, "limit: Expected `int`"),
    ("/v1/threads?limit=1&limit=2", 400, "limit: expected once, not 2 times"),
    ("/v1/threads?limit=", 400, "limit: Expected `int`"),
    ("/v1/threads?after=-1", 400, "after: Expected `int` >= 0"),
    ("/v1/threads?after=9223372036854775808", 400, "after: "),
    ("/v1/threads?after=99999999999999999999999999", 400, "after: "),
    ("/v1/threads?page=2", 400, "'page' is no parameter of this; there are: after, limit"),
    ("/v1/threads/1?thread_id=2", 400, "'thread_id' is no parameter of this; there are: none"),
    ("/v1/threads/one", 400, "thread_id: Expected `int`"),
    ("/v1/threads/0", 400, "thread_id: Expected `int` >= 1"),
    ("/v1/threads/9223372036854775808", 400, "thread_id: "),
    ("/v1/threads/9223372036854775807", 404, "no thread 9223372036854775807"),
    ("/v1/threads/99/items", 404, "no thread 99"),
    ("/v1/threads/1/items?after=1", 400, "after: Expected `str` matching"),
    ("/v1/threads/1/items?after=99999999999999999_1", 400, "after: Expected `str` matching"),
    ("/v1/threads/1/items?order=up", 400, "order: Invalid enum value 'up'"),
    ("/v1/contacts/99", 404, "no contact 99"),
    ("/v1/calls/c-9", 404, "no call c-9"),
    ("/v1/calls/%00", 400, "call_uuid: Expected `str` matching"),
    ("/v1/calls/" + "x" * 65, 400, "call_uuid: Expected `str` of length <= 64"),
    ("/v1/calls/%ED%A0%80", 404, "no call"),
    ("/v1/calls?queue=%00", 400, "queue: Expected `str` matching"),
    ("/v1/calls?phase=lost", 400, "phase: Invalid enum value 'lost'"),
    ("/v1/calls/c-9/transcript", 404, "no call c-9"),
    ("/v1/calls/c-1/transcript?format=pdf", 400, "format: Invalid enum value 'pdf'"),
    ("/v1/calls/c-9/recording", 404, "no call c-9"),
    ("/v1/calls/c-2/recording", 404, "has 0 recordings"),
    ("/v1/calls/c-1/recording?number=2", 404, "has 1 recordings"),
    ("/v1/calls/c-1/recording?channel=3", 400, "channel: Invalid enum value '3'"),
    ("/v1/search", 400, "missing required field `q`"),
    ("/v1/search?q=", 400, "q: Expected `str` of length >= 1"),
    ("/v1/search?q=" + "x" * 501, 400, "q: Expected `str` of length <= 500"),
    ("/v1/search?q=a%00b", 400, "q: Expected `str` matching"),
    ("/v1/search?q=x&language=klingon", 400, "language: Expected `str` matching"),
    ("/v1/search?q=x&before=0", 400, "before: Expected `int` >= 1"),
    ("/v1/openapi.json/", 200, ""),
    ("/v1/nothing", 404, ""),
]


@pytest.mark.parametrize(("path", "status", "detail"), BAD)
def test_what_cannot_be_asked_is_told_with_what_was_expected(
    crm: Crm, path: str, status: int, detail: str
) -> None:
    found = crm.ask(path)
    assert found.status == status, found
    if status != 200:
        assert detail in found.detail


BAD_BODIES: list[tuple[object, int, str]] = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (b"\xff", 400, "not JSON"),
    (b'{"kind": "\\ud800"}', 400, ""),
    (b"[" * 9000, 400, ""),
    ([], 400, "Expected `object`, got `array`"),
    ({}, 400, "missing required field `kind`"),
    ({"kind": 1}, 400, "kind: Expected `str`, got `int`"),
    ({"kind": "Sale!"}, 400, "kind: Expected `str` matching"),
    ({"kind": "sale\n"}, 400, "kind"),
    ({"kind": "sale", "colour": "red"}, 400, "unknown field `colour`"),
    ({"kind": "sale", "value": "1"}, 400, "Expected a currency with a value"),
    ({"kind": "sale", "currency": "EUR"}, 400, "a value with a currency"),
    ({"kind": "sale", "value": 1.5, "currency": "EUR"}, 400, "value: Expected `str`, got `float`"),
    ({"kind": "sale", "value": "-1", "currency": "EUR"}, 400, "value: Expected `str` matching"),
    ({"kind": "sale", "value": "NaN", "currency": "EUR"}, 400, "value: Expected `str` matching"),
    ({"kind": "sale", "value": "1.00001", "currency": "EUR"}, 400, "value: Expected `str` matching"),
    ({"kind": "sale", "value": "1", "currency": "euro"}, 400, "currency: Expected `str` matching"),
    ({"kind": "sale", "note": "a\x00b"}, 400, "note: Expected `str` matching"),
    ({"kind": "sale", "note": "x" * 1001}, 400, "note: Expected `str` of length <= 1000"),
    ({"kind": "sale", "note": None}, 400, "note: Expected `str`, got `null`"),
    ({"kind": "sale", "key": ""}, 400, "key: Expected `str` of length >= 1"),
    ({"kind": "sale", "at": "yesterday"}, 400, "at: Invalid RFC3339"),
    ({"kind": "sale", "at": "2026-11-22T09:00:00"}, 400, "at: Expected `datetime` with a timezone"),
    ({"kind": "sale", "at": "0001-01-01T00:00:00+14:00"}, 400, "at: Expected a time of this century"),
    ({"kind": "sale", "at": "9999-12-31T23:59:59-14:00"}, 400, "at: Expected a time of this century"),
    ({"kind": "sale", "note": "x" * 20000}, 413, "At most 16384 bytes"),
]


@pytest.mark.parametrize(("body", "status", "detail"), BAD_BODIES)
def test_what_cannot_be_said_is_told_with_what_was_expected(
    crm: Crm, database: Database, body: object, status: int, detail: str
) -> None:
    for path in ("/v1/calls/c-1/outcome", "/v1/threads/1/outcome"):
        found = crm.ask(path, "POST", body=body)
        assert found.status == status, found
        assert detail in found.detail
    assert run(database, "select count(*) as n from outcome") == [{"n": 1}]


def test_a_body_must_say_that_it_is_json_and_be_where_one_is_expected(crm: Crm) -> None:
    body = {"kind": "sale"}
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        found = crm.ask("/v1/calls/c-1/outcome", "POST", body=body, Content_Type=media)
        assert (found.status, found.detail) == (415, "Content-Type: expected application/json.")
    assert (
        crm.ask(
            "/v1/calls/c-1/outcome", "POST", body=body, Content_Type="application/json; charset=utf-8"
        ).status
        == 201
    )
    assert crm.ask("/v1/calls/c-9/outcome", "POST", body=body).status == 404
    assert crm.ask("/v1/threads/99/outcome", "POST", body=body).status == 404
    assert crm.ask("/v1/threads", body=body).status == 413
    found = crm.ask("/v1/threads", "POST", body=body)
    assert (found.status, sorted(found.headers["Allow"].split(", "))) == (405, ["GET", "HEAD"])


def test_nobody_keeps_what_is_answered(crm: Crm) -> None:
    for path in ("/v1/threads", "/v1/calls/c-1/transcript?format=txt", "/v1/calls/c-1/recording"):
        assert crm.ask(path).headers["Cache-Control"] == "no-store"


def test_a_house_whose_database_is_away_says_so(crm: Crm, database: Database) -> None:
    database.close()
    for path in ("/v1/threads", "/v1/calls/c-1/recording"):
        found = crm.ask(path)
        assert (found.status, found.headers["Content-Type"]) == (503, "application/problem+json")
        assert int(found.headers["Retry-After"]) > 0
        assert "ostgres" not in str(found.data)
    assert crm.ask("/v1/openapi.json", scope="").status == 200
    assert crm.server.counts.failed == 0


def test_serve_has_it(tmp_path: Path, dsn: str, database: Database) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{one.getsockname()[1]}"
    config = Config(
        data_dir=tmp_path, database_url=dsn, web=Web(listen=listen, public_url="https://c.example")
    )
    token = Tokens(database).new("t", ["ops"], who="test")
    with app_chat.web(config, database):
        ask = urllib3.PoolManager(retries=False).request
        assert ask("GET", f"http://{listen}/v1/openapi.json").json()["servers"] == [
            {"url": "https://c.example"}
        ]
        found = ask("GET", f"http://{listen}/v1/calls", headers={"Authorization": f"Bearer {token}"})
        assert found.json() == {"data": [], "next": 0, "has_more": False}
