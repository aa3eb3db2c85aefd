"""Whatever the order in which webhooks and calls come, and however often, the thread is the same.

Each example plays the same facts into a database of its own: webhooks shuffled, doubled and cut into posts anew,
the events of each call in their order among them. What stands there at the end is compared with what the plain
order gives: contacts with their names, messages with all that was told of them, calls and what Meta saw of them.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from fsctl.call import events
from fsctl.call.events import Alias, CallEvent
from fsctl.controller import Controller
from fsctl.esl.connection import Reply
from fsctl.store import messages, witness
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.embedded import Embedded
from fsctl.store.inbox import Inbox, Post
from fsctl.whatsapp.intake import Intake
from tests import webhooks
from tests.integration.test_intake import OURS, POLICY, WACID, T

_numbers = itertools.count(1)

UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""To make an example smaller it would be played hundreds of times, each in a database of its own."""

Json = dict[str, Any]
BOB = Alias(kind="wa_id", value="16505550002")
VOICEMAIL = "wacid.HBgLMTY1MDU1NTEyMzQVAgASGCBFOEJDMzM4QjE"


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T, UTC) + timedelta(seconds=seconds)


def call(uuid: str, alias: Alias, wacid: str, began: float, answered_s: float | None) -> list[CallEvent]:
    """What a controller hears of a call."""
    offered = events.CallOffered(
        uuid=uuid, at=at(began), node="fs1", channel="whatsapp", aliases=(alias,), display_name="",
        to_number=OURS, wacid=wacid, transport="tls",
    )  # fmt: skip
    told: list[CallEvent] = [offered]
    if answered_s is not None:
        told.append(events.CallAnswered(uuid=uuid, at=at(began + 5), encryption="srtp"))
    ended = at(began + 5 + (answered_s or 0))
    return [
        *told,
        events.LegHungUp(uuid=uuid, at=ended, leg="caller", leg_uuid=uuid, cause="NORMAL_CLEARING"),
    ]


DEES_NUMBER = "12195550004"
ANNS_ID = Alias(kind="bsuid", value="US.13491208655302741918")
CALLS = (
    # Its From is a user id; the webhook below names the number alone. Meta says 120 s, we 100.
    call("c-1", ANNS_ID, WACID, 0, 100),
    call("c-2", BOB, "wacid.of-bob", 40, None),
    # One that left a voicemail, and of which no other webhook tells.
    call("c-3", Alias(kind="wa_id", value="16505551234"), VOICEMAIL, 20, None),
    call("c-4", Alias(kind="bsuid", value="US.4"), "wacid.of-dee", 60, 120),
)


def nameless(whole: Json, *gone: str, contacts: Sequence[Json] = ()) -> Json:
    """A webhook that names its customer by less."""
    value = whole["entry"][0]["changes"][0]["value"]
    value["contacts"] = list(contacts)
    for key in ("messages", "calls", "statuses"):
        for item in value.get(key, ()):
            for each in gone:
                item.pop(each, None)
    return whole


def changed(name: str, *pairs: tuple[str, str]) -> Json:
    """A documented webhook with other words."""
    body = webhooks.body(name).decode()
    for old, new in pairs:
        assert old in body
        body = body.replace(old, new)
    whole: Json = json.loads(body)
    return whole


CY_BEFORE = changed(
    "message-text", (ANNS_ID.value, "none"), ("16505551234", "12195550001"), ("Ann Miller", "Cy"),
    ("ann.miller", ""), ("0001AA", "0201AA"),
)  # fmt: skip
CY_CHANGES = changed(
    "message-changed-number",
    ("16505551234", "12195550001"),
    ("12195555358", "12195550002"),
    ("Ann Miller", "Cy"),
)
CY_AFTER = changed(
    "message-text", (ANNS_ID.value, "none"), ("16505551234", "12195550002"), ("Ann Miller", "Cy"),
    ("ann.miller", ""), ("0001AA", "0202AA"), (str(T + 1), str(T + 200)),
)  # fmt: skip
ANNIE = {"profile": {"name": "Annie"}, "wa_id": "16505551234"}
# Dee's number and Dee's user id are never said together: one call has both, by its wacid.
DEE = (
    nameless(changed("call-created", (WACID, "wacid.of-dee")), "from", "from_user_id"),
    nameless(
        changed("call-terminate", (WACID, "wacid.of-dee"), ("16505551234", DEES_NUMBER)), "from_user_id"
    ),
    nameless(changed("message-text", ("16505551234", DEES_NUMBER), ("0001AA", "0301AA")), "from_user_id"),
    nameless(changed("message-text", (ANNS_ID.value, "US.4"), ("0001AA", "0302AA")), "from"),
)
DOCUMENTS: Sequence[Json] = (
    *map(webhooks.document, ("message-text", "message-edited", "message-image", "message-edited-caption")),
    *map(webhooks.document, ("message-video", "message-taken-back", "message-reaction", "message-order")),
    *map(webhooks.document, ("message-reaction-removed", "message-text-from-an-ad", "message-voicemail")),
    *map(webhooks.document, ("echo-text", "many-in-one-post", "message-stops-promotions", "template-status")),
    *map(webhooks.document, ("settings-well", "settings-back-to-dtls", "call-recording-available")),
    changed("message-edited", ("4711", "4712"), ("0024AA", "0097AA"), (str(T + 24), str(T + 97))),
    changed("status-read", ("0900AA", "0040AA")),
    changed("status-sent", ("0900AA", "0040AA")),
    changed("status-failed", ("0902AA", "0040AA")),
    # Who is named by the number alone, by the user id alone, and by both under another name later.
    nameless(webhooks.document("message-location"), "from_user_id"),
    nameless(webhooks.document("message-document"), "from"),
    nameless(webhooks.document("call-created"), "from_user_id", contacts=[ANNIE]),
    nameless(webhooks.document("call-terminate"), "from"),
    changed("message-list-reply", ("Ann Miller", "Ann M. Stone"), (str(T + 14), str(T + 300))),
    # Cy has another number one day, and Ann another user id.
    CY_BEFORE,
    CY_CHANGES,
    CY_AFTER,
    *DEE,
    changed("message-changed-user-id", (str(T + 34), str(T + 400))),
    changed("call-created", (WACID, "wacid.of-bob"), ("16505551234", BOB.value), (ANNS_ID.value, "US.2")),
    changed("call-created", (WACID, "wacid.of-nobody"), ("16505551234", BOB.value), (ANNS_ID.value, "US.2")),
)  # fmt: skip


@dataclass(frozen=True)
class Play:
    """One order of everything: posts and events of calls, and after which of them the inbox is processed."""

    steps: Sequence[bytes | CallEvent]
    looks: frozenset[int] = frozenset()

    def words(self) -> str:
        """What came, a line a step; a star where the inbox was processed."""
        return "\n".join(
            f"{_short(step)}{' *' if index in self.looks else ''}" for index, step in enumerate(self.steps)
        )


def _short(step: bytes | CallEvent) -> str:
    if not isinstance(step, bytes):
        return f"{type(step).__name__}({step.uuid})"
    changes = json.loads(step)["entry"][0]["changes"]
    items = [
        item
        for one in changes
        for key in ("messages", "statuses", "calls")
        for item in one["value"].get(key, ())
    ]
    return " + ".join(
        f"{one.get('type') or one.get('event') or one['status']} {one['id'][-12:]}" for one in items
    )


def pieces() -> list[Json]:
    """Every item of every webhook as a change of its own, with its neighbours' envelope."""
    found = []
    for whole in DOCUMENTS:
        for entry in whole["entry"]:
            for change in entry["changes"]:
                value = change["value"]
                lists = [key for key in ("messages", "statuses", "calls") if key in value]
                for key in lists:
                    found += [{**change, "value": {**value, key: [item]}} for item in value[key]]
                if not lists:
                    found.append(change)
    return found


def post(changes: Sequence[Json]) -> bytes:
    entry = {"id": "102290129340398", "changes": list(changes)}
    return webhooks.encoded({"object": "whatsapp_business_account", "entry": [entry]})


PLAIN = Play([*(event for one in CALLS for event in one), *(webhooks.encoded(whole) for whole in DOCUMENTS)])


def shuffled(seed: int) -> Play:
    """One order of everything."""
    random = Random(seed)
    changes = pieces()
    changes += random.choices(changes, k=random.randrange(10))
    random.shuffle(changes)
    steps: list[bytes | CallEvent] = []
    while changes:
        count = random.randint(1, 5)
        steps.append(post(changes[:count]))
        changes = changes[count:]
    # The events of one call keep their order: its lane is a queue.
    for one in CALLS:
        spots = sorted(random.choices(range(len(steps) + 1), k=len(one)))
        for offset, (spot, event) in enumerate(zip(spots, one, strict=True)):
            steps.insert(spot + offset, event)
    return Play(steps, frozenset(random.choices(range(len(steps)), k=random.randrange(12))))


@contextmanager
def room(server: Embedded, template: str) -> Iterator[Database]:
    name = f"test_interleaving_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}".encode())
    opened = Database(server.dsn.replace("dbname=postgres", f"dbname={name}"), process="test", size=4)
    opened.open()
    try:
        yield opened
    finally:
        opened.close()
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())


def played(database: Database, play: Play) -> Json:
    inbox = Inbox(database)
    intake = Intake(database, inbox, POLICY, grace_s=3600)
    controller = Controller(Calls(database), POLICY, lambda _request: Reply("+OK"))
    for index, step in enumerate(play.steps):
        if isinstance(step, bytes):
            inbox.add([Post.of(step, datetime.now(UTC))])
        else:
            controller.on_events([step])
        if index in play.looks:
            intake.tick()
    while intake.tick():
        pass
    assert inbox.counts() == {"waiting": 0, "failed": 0}
    return view(database)


def view(database: Database) -> Json:
    """All that the chat tells of customers, without our ids."""
    with database.transaction("test") as transaction:

        def rows(sql: str, *given: Any) -> list[Json]:
            return transaction._connection.execute(sql.encode(), given).fetchall()

        def thread(id: int, contact_id: int) -> Json:
            return {
                "messages": messages.of_thread(transaction, id),
                "seen": witness.of_thread(transaction, id),
                "calls": rows(CALLS_OF, id, contact_id),
                "touches": rows(TOUCHES_OF, id),
            }

        def contact(one: Json) -> Json:
            return {
                "names": [(row["kind"], row["value"]) for row in rows(NAMES_OF, one["id"])],
                "name": one["display_name"],
                "opted_out_at": one["opted_out_at"],
                "threads": {
                    row["business_number"]: thread(row["id"], one["id"])
                    for row in rows(THREADS_OF, one["id"])
                },
            }

        contacts = [contact(one) for one in rows("select * from contact where merged_into is null")]
        return {"contacts": sorted(contacts, key=lambda one: str(one["names"]))} | {
            name: rows(sql) for name, sql in BESIDES.items()
        }


NAMES_OF = "select kind, value from alias where contact_id = %s order by 1, 2"
THREADS_OF = "select id, business_number from thread where contact_id = %s and merged_into is null"
CALLS_OF = """
    select uuid, wacid, phase, disposition from call where thread_id = %s and contact_id = %s order by uuid"""
TOUCHES_OF = "select key, source, source_id, at from touch where thread_id = %s order by key"
BESIDES = {
    "story": "select call_uuid, kind, at, data from call_event where kind = 'witnessed' order by 1, 2, 3",
    "statuses": "select wamid, status, rank, at, code from message_status order by 1, 2",
    "strays": "select field, reason, value from stray order by 1, 2, 3",
    "alarms": "select kind, subject, detail from alarm where cleared_at is null order by 1, 2",
}


class Told:
    """What an order tells; no dataclass, so that it is not shown among the arguments of a test that fails."""

    def __init__(self, view: Json) -> None:
        self.view = view


@pytest.fixture(scope="module")
def told(server: Embedded, template: str) -> Told:
    with room(server, template) as database:
        return Told(played(database, PLAIN))


def test_the_plain_order_tells_the_story(told: Told) -> None:
    plainly = told.view
    dee, ann, bob, cy = sorted(plainly["contacts"], key=lambda one: one["name"])
    assert (ann["name"], bob["name"], cy["name"]) == ("Ann Miller", "Bob", "Cy")
    assert dee["names"] == [("bsuid", "US.4"), ("wa_id", DEES_NUMBER)]
    assert len(dee["threads"][OURS]["messages"]) == 2
    assert [message.type for message in cy["threads"][OURS]["messages"]] == ["text", "system", "text"]
    thread = ann["threads"][OURS]
    said = {message.wamid[-8:]: message for message in thread["messages"]}
    assert said["0001AA=="].body == "Hello, is my order 4712 on its way?"
    assert said["0006AA=="].body == "The broken part, closer"
    assert said["0008AA=="].deleted_at is not None
    assert said["0040AA=="].status == "read"
    assert said["0001AA=="].reactions == {}
    assert [row["uuid"] for row in thread["calls"]] == ["c-1", "c-3"]
    assert [seen.call_uuid for seen in thread["seen"]] == ["c-1"]
    assert [line["call_uuid"] for line in plainly["story"]] == ["c-1"]
    seen = bob["threads"][OURS]["seen"]
    assert [(one.wacid, one.call_uuid) for one in seen] == [
        ("wacid.of-bob", "c-2"),
        ("wacid.of-nobody", None),
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), phases=UNSHRUNK)
@given(seed=st.integers(0, 2**32))
def test_any_order_tells_the_same_story(server: Embedded, template: str, told: Told, seed: int) -> None:
    play = shuffled(seed)
    note(play.words())
    with room(server, template) as database:
        assert played(database, play) == told.view
