"""Webhooks from the inbox into the thread, on a real Postgres."""

import hashlib
import json
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsctl.call.commands import SaveCall
from fsctl.call.events import Alias
from fsctl.call.policy import Number, Policy, Queue
from fsctl.call.state import Call, Phase
from fsctl.console import strays as console
from fsctl.store import contacts, messages, strays, touches, witness
from fsctl.store.alarms import Alarms
from fsctl.store.calls import Calls
from fsctl.store.contacts import Who
from fsctl.store.db import Database
from fsctl.store.inbox import Inbox, Post
from fsctl.whatsapp import intake
from fsctl.whatsapp.intake import Intake
from tests import webhooks
from tests.fix_database import run
from tests.unit.whatsapp.test_webhook import mutated

OURS = "15550783881"
POLICY = Policy(
    numbers={OURS: Number(queue="pay@fsctl", phone_number_id="106540352242922")},
    queues={"pay@fsctl": Queue(redact=("card",))},
)
ANN = Alias(kind="wa_id", value="16505551234")
ANNS_ID = Alias(kind="bsuid", value="US.13491208655302741918")
T = 1739321024
WACID = "wacid.HBgLMTY1MDU1NTEyMzQVAgASGCBFOEJDMzM4QTA"


class Desk:
    """The inbox with its intake, and what is read of a thread."""

    def __init__(self, database: Database, policy: Policy = POLICY, grace_s: float = 3600) -> None:
        self.database = database
        self.inbox = Inbox(database)
        self.intake = Intake(database, self.inbox, policy, grace_s=grace_s)

    def take(self, *bodies: bytes) -> None:
        for body in bodies:
            self.inbox.add([Post.of(body, datetime.now(UTC))])
            while self.intake.tick():
                pass
        assert self.inbox.counts() == {"waiting": 0, "failed": 0}

    def told(self, *names: str) -> None:
        self.take(*(webhooks.body(name) for name in names))

    def thread_of(self, alias: Alias = ANN) -> int:
        with self.database.transaction("test") as transaction:
            who = Who(aliases=(alias,), at=datetime.fromtimestamp(T + 10_000, UTC))
            return contacts.find(transaction, who, OURS).thread_id

    def messages(self, alias: Alias = ANN) -> list[messages.Message]:
        with self.database.transaction("test") as transaction:
            return messages.of_thread(transaction, self.thread_of(alias))

    def calls(self, alias: Alias = ANN) -> list[witness.Witness]:
        with self.database.transaction("test") as transaction:
            return witness.of_thread(transaction, self.thread_of(alias))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return run(self.database, sql)

    def alarms(self) -> list[tuple[str, str]]:
        return [(alarm.kind, alarm.subject) for alarm in Alarms(self.database, "meta").up()]

    def save(self, **fields: Any) -> Call:
        call = replace(CALL, **fields)
        question = Calls(self.database)
        with self.database.transaction("test") as transaction:
            who = Who(aliases=call.aliases, at=call.offered_at)
            place = contacts.find(transaction, who, call.to_number)
        call = replace(call, contact_id=place.contact_id, thread_id=place.thread_id)
        question.apply([SaveCall(uuid=call.uuid, call=call)])
        return call


CALL = Call(
    uuid="c-1",
    node="fs1",
    channel="whatsapp",
    phase=Phase.OFFERED,
    offered_at=datetime.fromtimestamp(T, UTC),
    to_number=OURS,
    wacid=WACID,
    aliases=(ANNS_ID,),
)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_every_documented_webhook_is_taken(desk: Desk) -> None:
    desk.told(*webhooks.NAMES)
    kinds = {message.type for message in desk.messages(ANNS_ID)}
    assert {"text", "image", "audio", "video", "document", "sticker", "location", "contacts"} <= kinds
    assert {"interactive", "button", "order", "unsupported", "hologram", "system"} <= kinds
    assert not [row for row in strays.counts(desk.database) if "mistake" in row.reason]


def test_a_message_stands_in_the_thread_of_whom_it_names(desk: Desk) -> None:
    desk.told("message-text", "message-text-that-replies", "message-image", "message-order")
    said = {message.type: message for message in desk.messages()}
    assert [message.body for message in desk.messages()][:2] == [
        "Hello, is my order on its way?",
        "Yes, that one.",
    ]
    assert said["image"].media is not None
    assert said["image"].media["sha256"].startswith("SfInY0g")
    assert said["order"].extra is not None
    assert said["order"].extra["order"]["catalog_id"] == "194836987003835"
    assert [message.context and message.context["id"][-8:] for message in desk.messages()][1] == "0900AA=="
    assert desk.rows("select display_name from contact") == [{"display_name": "Ann Miller"}]
    assert desk.thread_of(ANN) == desk.thread_of(ANNS_ID)


def test_the_same_told_again_changes_nothing(desk: Desk) -> None:
    desk.told("message-text", "message-reaction", "status-read", "call-created")
    before = desk.messages(), desk.calls()
    again = [
        webhooks.encoded(webhooks.document(name)) + b" " for name in ("message-text", "message-reaction")
    ]
    desk.take(*again, webhooks.body("status-read") + b"\n", webhooks.body("call-created") + b"\n")
    assert (desk.messages(), desk.calls()) == before


@pytest.mark.parametrize("names", [("message-text", "message-edited"), ("message-edited", "message-text")])
def test_an_edit_counts_whichever_comes_first(desk: Desk, names: tuple[str, str]) -> None:
    desk.told(*names)
    (message,) = desk.messages()
    assert message.body == "Hello, is my order 4711 on its way?"
    assert message.first_body == "Hello, is my order on its way?"
    assert message.edited_at == datetime.fromtimestamp(T + 24, UTC)


def test_of_edits_the_last_by_the_senders_time_counts(desk: Desk) -> None:
    later = (
        webhooks.body("message-edited").replace(b"4711", b"4712").replace(b'"1739321048"', b'"1739321099"')
    )
    later = later.replace(b"{0024", b"{0099")
    desk.take(later)
    desk.told("message-text", "message-edited")
    assert [message.body for message in desk.messages()] == ["Hello, is my order 4712 on its way?"]


@pytest.mark.parametrize(
    "names", [("message-video", "message-taken-back"), ("message-taken-back", "message-video")]
)
def test_what_is_taken_back_is_gone_for_good(desk: Desk, names: tuple[str, str]) -> None:
    desk.told(*names)
    edit = webhooks.document("message-edited")
    item = edit["entry"][0]["changes"][0]["value"]["messages"][0]
    item["edit"]["original_message_id"] = item["edit"]["original_message_id"].replace("0001", "0008")
    desk.take(webhooks.encoded(edit))
    (message,) = desk.messages()
    assert (message.body, message.media, message.first_body) == ("", None, None)
    assert message.deleted_at == datetime.fromtimestamp(T + 26, UTC)
    assert desk.rows("select body from message_change where body <> ''") == []


def test_of_reactions_the_last_one_counts(desk: Desk) -> None:
    desk.told("message-reaction-removed", "message-text")
    assert desk.messages()[0].reactions == {}
    desk.told("message-reaction")
    assert desk.messages()[0].reactions == {}
    later = (
        webhooks.body("message-reaction").replace(b'"1739321046"', b'"1739321090"').replace(b"0022", b"0090")
    )
    desk.take(later)
    assert desk.messages()[0].reactions == {"inbound": "👍"}


def ours(desk: Desk, number: int) -> None:
    """A message that we sent."""
    thread = desk.thread_of()
    wamid = f"wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTA1RjFFQkE1M0Y{number:04d}AA=="
    with desk.database.transaction("test") as transaction:
        sent = messages.NewMessage(
            thread_id=thread, wamid=wamid, direction="outbound", sent_at=datetime.now(UTC), body="Hi"
        )
        messages.add(transaction, [sent])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_statuses_go_only_up(desk: Desk, order: tuple[int, ...]) -> None:
    desk.told(*(("status-sent", "status-delivered", "status-read")[index] for index in order))
    ours(desk, 900)
    assert [message.status for message in desk.messages()] == ["read"]


def test_a_failure_says_why(desk: Desk) -> None:
    ours(desk, 902)
    desk.told("status-failed")
    (message,) = desk.messages()
    assert (message.status, message.code, message.title) == ("failed", 131026, "Message undeliverable")


def test_an_ad_is_a_touch(desk: Desk) -> None:
    desk.told("message-text-from-an-ad")
    with desk.database.transaction("test") as transaction:
        (touch,) = touches.of_thread(transaction, desk.thread_of())
    assert (touch.source, touch.source_id, touch.headline) == ("ad", "120226305854810726", "Spring sale")
    assert touch.ctwa_clid.startswith("Aff-")
    assert desk.messages()[0].referral is not None


def test_a_customer_that_has_another_number_keeps_its_thread(desk: Desk) -> None:
    desk.told("message-text", "message-changed-number")
    new = Alias(kind="wa_id", value="12195555358")
    assert [message.type for message in desk.messages(new)] == ["text", "system"]


def test_who_wants_no_more_is_left_alone(desk: Desk) -> None:
    desk.told("message-stops-promotions")
    assert desk.rows("select opted_out_at from contact")[0]["opted_out_at"] == datetime.fromtimestamp(
        T + 20, UTC
    )


@pytest.mark.parametrize("text", ["STOP", " Stop! ", "Baja", "sair", "Stop all."])
def test_who_writes_stop_is_left_alone(desk: Desk, text: str) -> None:
    desk.take(webhooks.body("message-text").replace(b"Hello, is my order on its way?", text.encode()))
    assert desk.rows("select opted_out_at from contact")[0]["opted_out_at"] is not None


def test_who_writes_stop_among_other_words_is_not(desk: Desk) -> None:
    desk.take(webhooks.body("message-text").replace(b"Hello,", b"Where does the bus stop? Hello,"))
    assert desk.rows("select opted_out_at from contact")[0]["opted_out_at"] is None


def test_what_must_not_be_stored_is_not(desk: Desk) -> None:
    card = "4111 1111 1111 1111"
    text = webhooks.body("message-text").replace(b"Hello", card.encode())
    caption = webhooks.body("message-image").replace(b"The broken part", card.encode())
    edited = webhooks.body("message-edited").replace(b"4711", card.encode())
    order = webhooks.body("message-order").replace(b"Please send quickly", card.encode())
    named = (
        webhooks.body("message-order")
        .replace(b"0021AA", b"0077AA")
        .replace(b'"di9ozbzfi4"', b"4111111111111111")
    )
    lost = webhooks.body("template-status").replace(b"order_confirmation", card.encode())
    reaction = webhooks.body("message-reaction").replace("👍".encode(), card.encode())
    desk.take(text, caption, edited, order, named, lost, reaction)
    for table in ("message", "message_change", "reaction", "witness", "stray", "touch"):
        stored = json.dumps(desk.rows(f"select * from {table}"), default=str)  # noqa: S608
        assert "4111" not in stored, table
    assert "[card]" in desk.messages()[0].body


def test_a_text_too_long_to_be_looked_through_is_cut(desk: Desk) -> None:
    odd = webhooks.document("template-status")
    odd["entry"][0]["changes"][0]["value"]["reason"] = "4" * 90_000
    began = time.process_time()
    desk.take(webhooks.encoded(odd))
    (row,) = strays.counts(desk.database)
    assert len(row.example["reason"]) <= messages.MAX_REDACTED + 1
    assert time.process_time() - began < 1


# --- calls -------------------------------------------------------------------------------------------------


def test_a_call_and_what_meta_saw_of_it_are_one_though_they_name_it_differently(desk: Desk) -> None:
    call = desk.save()
    named_by_number = webhooks.document("call-created")
    value = named_by_number["entry"][0]["changes"][0]["value"]
    value["contacts"] = [{"profile": {"name": "Ann"}, "wa_id": ANN.value}]
    del value["calls"][0]["from_user_id"]
    desk.take(webhooks.encoded(named_by_number))
    (seen,) = desk.calls()
    assert seen.call_uuid == call.uuid
    assert desk.thread_of(ANN) == desk.thread_of(ANNS_ID)
    stored = desk.rows("select thread_id from call")[0]
    assert stored["thread_id"] == desk.thread_of(ANN)


def test_webhook_first_or_call_first_is_the_same(desk: Desk) -> None:
    desk.told("call-created")
    assert [seen.call_uuid for seen in desk.calls()] == [None]
    desk.save()
    desk.intake.tick()
    assert [seen.call_uuid for seen in desk.calls()] == ["c-1"]


def test_a_name_that_comes_later_joins_threads_still(desk: Desk) -> None:
    """The call and its first webhook know only the user id; the last webhook names only the number."""
    created = webhooks.document("call-created")
    value = created["entry"][0]["changes"][0]["value"]
    value["contacts"], value["calls"][0]["from"] = [], None
    desk.save()
    desk.take(webhooks.encoded(created))
    ended = webhooks.document("call-terminate")
    value = ended["entry"][0]["changes"][0]["value"]
    value["contacts"] = []
    del value["calls"][0]["from_user_id"]
    desk.told("message-text-without-number")
    desk.take(webhooks.encoded(ended))
    assert desk.thread_of(ANN) == desk.thread_of(ANNS_ID)
    assert len(desk.calls()) == 1


def ended(desk: Desk, seconds: float | None, **fields: Any) -> list[dict[str, Any]]:
    """The story's lines of a call that Meta says took 120 s."""
    answered = datetime.fromtimestamp(T + 5, UTC)
    times = {"answered_at": answered if seconds is not None else None}
    times["ended_at"] = answered + timedelta(seconds=seconds or 0)
    desk.save(phase=Phase.ENDED, **times, **fields)
    desk.intake.tick()
    return desk.rows("select at, kind, data from call_event where kind = 'witnessed'")


@pytest.mark.parametrize("seconds", [116, 120, 125])
def test_a_duration_as_ours_is_not_worth_a_line(desk: Desk, seconds: float) -> None:
    desk.told("call-created", "call-terminate")
    assert ended(desk, seconds) == []


@pytest.mark.parametrize("seconds", [114, 126, 0, None])
def test_a_duration_unlike_ours_stands_in_the_story(desk: Desk, seconds: float | None) -> None:
    desk.told("call-terminate", "call-created")
    (line,) = ended(desk, seconds)
    assert line["at"] == datetime.fromtimestamp(T + 125, UTC)
    told = {"status": "COMPLETED", "duration_s": 120}
    assert line["data"] == told | ({} if seconds is None else {"our_duration_s": seconds})
    desk.intake.tick()
    assert len(desk.rows("select * from call_event where kind = 'witnessed'")) == 1


def test_a_failure_that_meta_tells_stands_in_the_story(desk: Desk) -> None:
    desk.told("call-terminate-failed")
    (line,) = ended(desk, 20)
    assert line["data"]["errors"][0]["code"] == 138021


def test_a_call_that_never_reached_us_raises_an_alarm_and_stands_in_the_thread(database: Database) -> None:
    desk = Desk(database, grace_s=0)
    desk.told("call-created-by-business")
    assert desk.alarms() == []
    desk.told("call-terminate")
    assert desk.alarms() == [("whatsapp.unreached", WACID)]
    unreached = [seen for seen in desk.calls() if seen.alarmed_at is not None]
    assert [(seen.wacid, seen.status, seen.duration_s) for seen in unreached] == [(WACID, "COMPLETED", 120)]
    desk.save()
    desk.intake.tick()
    assert desk.alarms() == []
    assert all(seen.alarmed_at is None for seen in desk.calls())


def test_within_the_grace_period_nobody_is_alarmed(desk: Desk) -> None:
    desk.told("call-terminate")
    assert desk.alarms() == []


def test_a_voicemail_points_to_its_call(desk: Desk) -> None:
    wacid = "wacid.HBgLMTY1MDU1NTEyMzQVAgASGCBFOEJDMzM4QjE"
    desk.told("message-voicemail")
    desk.save(wacid=wacid)
    assert [message.wacid for message in desk.messages()] == [wacid]


def test_recordings_at_meta_stand_beside_the_call(desk: Desk) -> None:
    desk.told("call-recording-available", "call-transcription-available", "call-created")
    (seen,) = desk.calls()
    assert set(seen.events) == {"call_created", "call_recording_available", "call_transcription_available"}


# --- the account -------------------------------------------------------------------------------------------

SETTINGS = ("whatsapp.settings", "106540352242922")


def test_settings_that_keep_calls_away_raise_an_alarm_until_they_are_well(desk: Desk) -> None:
    desk.told("settings-well")
    assert desk.alarms() == []
    desk.told("settings-sip-switched-off", "settings-back-to-dtls")
    assert desk.alarms() == [SETTINGS]
    (alarm,) = Alarms(desk.database, "meta").up()
    assert "SIP is switched off" in alarm.detail
    well = webhooks.document("settings-well")
    well["entry"][0]["changes"][0]["value"]["timestamp"] = T + 30
    desk.take(webhooks.encoded(well))
    assert desk.alarms() == []


def test_a_warning_is_over_when_its_time_is(desk: Desk) -> None:
    desk.told("account-violation", "account-restriction", "account-disabled")
    assert desk.alarms() == [("whatsapp.restriction", "102290129340398 ban")]
    now = int(datetime.now(UTC).timestamp())
    warned = webhooks.document("account-violation")
    warned["entry"][0]["time"] = now
    desk.take(webhooks.encoded(warned))
    assert ("whatsapp.restriction", "15550783881 USER_INITIATED_CALLS_LOW_PICKUP_RATE") in desk.alarms()


# --- the loop ----------------------------------------------------------------------------------------------


def test_two_at_once_take_each_post_once(database: Database) -> None:
    """About the same people and the same calls, so that each may wait for what the other has locked."""
    desk = Desk(database)
    desk.save()
    names = (
        "message-text",
        "message-text-without-number",
        "call-created",
        "call-terminate",
        "message-edited",
    )
    bodies = [webhooks.body(name) + b" " * copy for copy in range(12) for name in names]
    desk.inbox.add([Post.of(body, datetime.now(UTC)) for body in bodies])
    others = [Intake(database, Inbox(database), POLICY) for _ in range(3)]

    def process(intake: Intake) -> int:
        count = 0
        while found := intake.tick():
            count += found
        return count

    working = [gevent.spawn(process, one) for one in others]
    gevent.joinall(working, raise_error=True, timeout=60)
    assert sum(greenlet.value for greenlet in working) == len(bodies)
    desk.intake.tick()
    assert desk.inbox.counts() == {"waiting": 0, "failed": 0}
    assert sorted(message.body for message in desk.messages()) == [
        "Hello, is my order 4711 on its way?",
        "You do not know my number",
    ]
    assert [seen.call_uuid for seen in desk.calls()] == ["c-1"]


def test_the_loop_is_woken_by_what_comes(database: Database) -> None:
    desk = Desk(database)
    running = gevent.spawn(desk.intake.run)
    gevent.sleep(0.3)
    began = time.monotonic()
    desk.inbox.add([Post.of(webhooks.body("message-text"), datetime.now(UTC))])
    while not desk.messages() and time.monotonic() < began + 10:
        gevent.sleep(0.02)
    took_s = time.monotonic() - began
    running.kill()
    assert took_s < intake.EVERY_S / 2


# --- anything else -----------------------------------------------------------------------------------------


def test_what_nobody_reads_is_counted(desk: Desk) -> None:
    desk.told("template-status", "message-error")
    desk.take(b"not JSON at all", b"\x00\xff", webhooks.body("template-status") + b" ")
    counts = {(row.field, row.reason.split(":")[0]): row.count for row in strays.counts(desk.database)}
    assert counts == {
        ("message_template_status_update", "a field that nobody reads"): 1,
        ("messages", "an error that Meta met"): 1,
        ("", "not JSON"): 2,
    }


def test_the_command_counts_them(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    console.main(Namespace(json=False), desk.database)
    assert "no strays" in capsys.readouterr().out
    desk.take(webhooks.body("template-status").replace(b"order_confirmation", b"\\u001b[2Jorder"))
    console.main(Namespace(json=False), desk.database)
    shown = capsys.readouterr().out
    assert "message_template_status_update" in shown
    assert "\x1b" not in shown
    console.main(Namespace(json=True), desk.database)
    assert json.loads(capsys.readouterr().out)[0]["example"]["message_template_name"] == "\x1b[2Jorder"


def test_a_message_to_no_number_of_ours_is_kept(desk: Desk) -> None:
    whole = webhooks.document("message-text")
    del whole["entry"][0]["changes"][0]["value"]["metadata"]
    desk.take(webhooks.encoded(whole))
    (row,) = strays.counts(desk.database)
    assert (row.reason, row.example["content"]["body"]) == (
        "no number of ours is named",
        "Hello, is my order on its way?",
    )


def test_a_number_is_known_by_its_id(desk: Desk) -> None:
    whole = webhooks.document("message-text")
    del whole["entry"][0]["changes"][0]["value"]["metadata"]["display_phone_number"]
    desk.take(webhooks.encoded(whole))
    assert len(desk.messages()) == 1


@pytest.fixture(scope="module")
def shared_desk(template: str, server: Any) -> Iterator[Desk]:
    """One database for many examples: no example needs it empty."""
    import psycopg

    name = f"test_intake_{hashlib.sha256(str(datetime.now(UTC)).encode()).hexdigest()[:8]}"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}".encode())
    opened = Database(server.dsn.replace("dbname=postgres", f"dbname={name}"), process="test", size=4)
    opened.open()
    yield Desk(opened)
    opened.close()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(mutated(), min_size=1, max_size=4))
def test_no_mutation_fails_or_is_lost(shared_desk: Desk, bodies: list[bytes]) -> None:
    desk = shared_desk
    desk.take(*bodies)
    kept = desk.rows("select count(*) as count from inbox where state = 'done'")[0]["count"]
    assert kept == desk.rows("select count(*) as count from inbox")[0]["count"]


def test_what_a_queue_wants_redacted_is_in_no_table_once_it_is_taken(desk: Desk) -> None:
    typed = webhooks.body("message-text").replace(b"Hello", b"my card: 5391 8862 7714 0933")
    assert b"5391" in typed
    desk.take(typed)
    assert desk.messages()[0].body.startswith("my card: [card]")
    columns = desk.rows(
        "select table_name as t, column_name as c from information_schema.columns where table_schema = 'public'"
        " and data_type in ('text', 'jsonb', 'bytea', 'ARRAY')"
    )
    for table, column in ((one["t"], one["c"]) for one in columns):
        text = (
            f"convert_from({column}, 'utf8')" if (table, column) == ("inbox", "body") else f'"{column}"::text'
        )
        kept = desk.rows(f'select {text} as v from "{table}"')  # noqa: S608 (names of our tables)
        assert not any("7714" in (row["v"] or "") for row in kept), (table, column)
    assert desk.inbox.add([Post.of(typed, datetime.now(UTC))]) == 0


def test_what_came_is_kept_for_a_while_where_nothing_is_redacted(database: Database) -> None:
    desk = Desk(database, Policy())
    desk.told("message-text")
    (listed,) = desk.inbox.all()
    assert desk.inbox.one(listed.id)[1] == webhooks.body("message-text")
    assert desk.inbox.forget() == 0
    assert desk.inbox.forget(keep_s=0.0) == 1
    assert desk.inbox.one(listed.id)[1] == b""
    assert desk.inbox.forget(keep_s=0.0) == 0
