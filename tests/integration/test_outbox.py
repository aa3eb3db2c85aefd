"""The outbox in a real Postgres: each item once, in order, within the limits, whoever dies in between."""

from datetime import UTC, datetime, timedelta

import gevent
import pytest

from fsctl.errors import BadInput, DatabaseError
from fsctl.store import outbox
from fsctl.store.db import Database, Wakeup
from fsctl.store.outbox import (
    CHANNEL,
    OPTED_OUT,
    Again,
    Claimed,
    Confirmation,
    Failed,
    Item,
    Outbox,
    Sent,
    Unsure,
)
from fsctl.store.outbox_view import OutboxView
from fsctl.whatsapp import messages
from tests.integration.sending import House, house

NOW = datetime.now(UTC)
TEMPLATE = messages.template("hello", "es", [messages.body_texts("Ann")])


def claim(found: House, most: int = 10, worker: str = "w") -> list[Claimed]:
    return found.outbox.claim(["message", "conversion"], worker, most)


def confirm(found: House, wamid: str, status: str, key: str = "", code: int = 0, reason: str = "") -> bool:
    told = Confirmation(wamid=wamid, status=status, at=NOW, key=key, code=code, reason=reason)
    with found.database.transaction("telling") as transaction:
        return outbox.confirm(transaction, told)


def state(found: House, key: str) -> str:
    return str(found.row(key)["state"])


# --- adding


def test_a_key_is_added_once_ever(made: House) -> None:
    thread, _ = made.thread()
    assert made.add(thread, "k")
    assert not made.add(thread, "k", "another text")
    (item,) = claim(made)
    made.outbox.finish(item, Sent("wamid.1"))
    assert not made.add(thread, "k")
    assert len(made.rows("select from outbox")) == 1


def test_what_was_rolled_back_is_not_there(made: House) -> None:
    thread, _ = made.thread()
    items = [Item(key=f"k{one}", kind="message", thread_id=one, payload={}) for one in (thread, -1)]
    with pytest.raises(DatabaseError), made.database.transaction("failing") as transaction:
        assert [outbox.add(transaction, item) for item in items]
    assert made.rows("select from outbox") == []


@pytest.mark.parametrize("key", ["", "a b", "ñ", "x" * 201, "a\nb", "\x00"])
def test_a_key_that_meta_would_not_hand_back_is_refused(made: House, key: str) -> None:
    with pytest.raises(BadInput):
        made.add(None, key)


def test_strangers_text_can_be_stored(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", "a\x00b\ud800c", why="x\x00" * 1000)
    assert made.row("k")["payload"]["message"]["text"]["body"] == "a b?c"
    (item,) = claim(made)
    made.outbox.finish(item, Failed("bad \x00 words\udfff" + "x" * 1000))
    assert made.row("k")["reason"].startswith("bad   words?")
    assert len(made.row("k")["reason"]) == outbox.MAX_REASON


def test_whoever_waits_is_woken(made: House) -> None:
    thread, _ = made.thread()
    wakeup = Wakeup(made.database.dsn, [CHANNEL])
    assert wakeup.wait(0)
    waiting = gevent.spawn(wakeup.wait, 10.0)
    gevent.sleep(0.1)
    made.add(thread, "k")
    assert waiting.get(timeout=2)
    wakeup.close()


def test_an_item_of_a_thread_that_was_merged_goes_where_it_leads(made: House) -> None:
    (old, _), (new, _) = made.thread(), made.thread()
    made.run("update thread set merged_into = %s where id = %s", new, old)
    made.add(old, "k")
    assert made.row("k")["thread_id"] == new


# --- claiming


def test_a_claim_has_what_its_sender_needs(made: House) -> None:
    thread, user = made.thread()
    made.run("insert into alias (kind, value, contact_id) select 'bsuid', 'US.1', contact_id from thread")
    made.add(thread, "k", why="because")
    (item,) = claim(made)
    assert (item.key, item.kind, item.thread_id, item.attempts, item.form) == (
        "k",
        "message",
        thread,
        1,
        "message",
    )
    assert item.business_number == "15550100900"
    assert {(name.kind, name.value) for name in item.names} == {("wa_id", user), ("bsuid", "US.1")}
    assert item.payload["message"]["text"]["body"] == "hello"
    assert item.opted_out_at is None
    assert claim(made) == []


def test_a_name_that_is_no_more_is_not_sent_to(made: House) -> None:
    thread, user = made.thread()
    made.run("update alias set ended_at = now() where value = %s", user)
    made.add(thread, "k")
    (item,) = claim(made)
    assert item.names == ()


def test_messages_of_a_thread_go_one_after_the_other(made: House) -> None:
    thread, _ = made.thread()
    other, _ = made.thread()
    for key in ("a1", "a2", "a3"):
        made.add(thread, key)
    made.add(other, "b1")
    first = claim(made)
    assert [item.key for item in first] == ["a1", "b1"]
    assert claim(made) == []
    made.outbox.finish(first[0], Again(60, "later"))
    # The next one waits for the one that is tried again.
    assert claim(made) == []
    made.run("update outbox set not_before = now() where key = 'a1'")
    (again,) = claim(made)
    assert (again.key, again.attempts) == ("a1", 2)
    made.outbox.finish(again, Sent("wamid.1"))
    assert [item.key for item in claim(made)] == ["a2"]


def test_what_is_planned_for_later_holds_nobody_up(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "tomorrow", not_before=NOW + timedelta(days=1))
    made.add(thread, "now")
    assert [item.key for item in claim(made)] == ["now"]


def test_the_pair_limit_counts_from_the_end_of_the_last_try(database: Database) -> None:
    with house(database, pair_s=0.4) as made:
        thread, _ = made.thread()
        made.add(thread, "a")
        made.add(thread, "b")
        (item,) = claim(made)
        gevent.sleep(0.5)
        made.outbox.finish(item, Sent("wamid.1"))
        assert claim(made) == []
        gevent.sleep(0.2)
        assert claim(made) == []
        gevent.sleep(0.3)
        assert [one.key for one in claim(made)] == ["b"]


def test_the_number_limit_holds_over_all_claims(database: Database) -> None:
    with house(database, number_per_s=3) as made:
        for number in range(5):
            made.add(made.thread()[0], f"k{number}")
        made.run(
            "insert into thread (contact_id, business_number) select min(id), '15550100901' from contact"
        )
        (row,) = made.rows("select id from thread where business_number = '15550100901'")
        made.add(row["id"], "other")
        first = claim(made, 2)
        assert [item.key for item in first] == ["k0", "k1"]
        second = claim(made)
        assert [item.key for item in second] == ["k2", "other"]
        # What is on its way counts, however long that takes; and then for a second.
        gevent.sleep(1.1)
        assert claim(made) == []
        for item in (*first, *second):
            made.outbox.finish(item, Sent(f"wamid.{item.key}"))
        assert claim(made) == []
        gevent.sleep(1.1)
        assert [item.key for item in claim(made)] == ["k3", "k4"]


def test_claims_at_once_never_get_the_same(made: House, database: Database) -> None:
    threads = [made.thread()[0] for _ in range(10)]
    for number in range(60):
        made.add(threads[number % 10], f"k{number:02}")
    taken: list[str] = []

    def work(worker: str) -> None:
        mine = Outbox(database, pair_s=0.0, number_per_s=10_000)
        for _ in range(200):
            for item in mine.claim(["message"], worker, 3):
                taken.append(item.key)
                gevent.sleep(0.001)
                mine.finish(item, Sent(f"wamid.{item.key}"))
            if len(taken) == 60:
                return

    gevent.joinall([gevent.spawn(work, f"w{n}") for n in range(4)], raise_error=True, timeout=60)
    assert sorted(taken) == [f"k{n:02}" for n in range(60)]
    for thread in range(10):
        mine = [key for key in taken if int(key[1:]) % 10 == thread]
        assert mine == sorted(mine)


def test_other_kinds_have_no_window_and_no_thread_of_messages(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "m")
    made.add(thread, "c", kind="conversion", payload={"event": {}})
    made.add(None, "n", kind="conversion", payload={})
    assert [(item.key, item.form) for item in claim(made)] == [("m", "message"), ("c", None), ("n", None)]
    assert made.outbox.claim([], "w", 10) == []


# --- the service window, from rows


def forms(made: House, thread: int, key: str, **payload: object) -> str | None:
    made.add(thread, key, payload={"message": messages.text("x"), "template": TEMPLATE} | payload)
    (item,) = claim(made)
    made.outbox.finish(item, Failed("only looking"))
    return item.form


def test_the_window_is_open_for_a_day_from_the_users_last_word(made: House) -> None:
    thread, _ = made.thread()
    assert forms(made, thread, "open") == "message"
    made.run("update message set sent_at = now() - interval '24 hours 1 second' where thread_id = %s", thread)
    assert forms(made, thread, "closed") == "template"
    assert forms(made, thread, "closed-without", template=None) is None
    view = OutboxView(made.database)
    assert view.standing(thread).window_until is not None
    assert not view.standing(thread).takes_text(datetime.now(UTC))
    made.run(
        "insert into message (thread_id, wamid, direction, sent_at) values (%s, 'o', 'outbound', now())",
        thread,
    )
    assert forms(made, thread, "what-we-wrote-opens-nothing") == "template"


def test_a_call_opens_the_window_answered_or_not_and_only_from_whatsapp(made: House) -> None:
    thread, _ = made.thread(open_window=False)
    assert OutboxView(made.database).standing(thread).window_until is None
    insert = (
        "insert into call (uuid, node, channel, phase, thread_id, offered_at, ended_at)"
        " values (%s, 'n', %s, 'ended', %s, now() - interval '1 hour', now())"
    )
    made.run(insert, "c1", "sip", thread)
    assert forms(made, thread, "sip") == "template"
    made.run(insert, "c2", "whatsapp", thread)
    assert forms(made, thread, "whatsapp") == "message"


def test_a_call_that_only_meta_saw_opens_it_too(made: House) -> None:
    thread, _ = made.thread(open_window=False)
    made.run(
        "insert into witness (wacid, thread_id, direction, at) values ('w', %s, 'inbound', now())", thread
    )
    assert forms(made, thread, "k") == "message"


def test_what_is_only_a_template_goes_as_one(made: House) -> None:
    thread, _ = made.thread()
    assert forms(made, thread, "k", message=None) == "template"


# --- what came of it


def test_what_was_sent_stands_in_the_thread(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", payload={"message": messages.call_button("Talk?", label="Call", payload="p")})
    (item,) = claim(made)
    made.outbox.finish(item, Sent("wamid.1", "1", "US.1"))
    (row,) = made.rows("select * from message where wamid = 'wamid.1'")
    assert (row["thread_id"], row["direction"], row["type"], row["body"]) == (
        thread, "outbound", "interactive", "Talk? [Call]",
    )  # fmt: skip
    assert (state(made, "k"), made.row("k")["wamid"]) == ("sent", "wamid.1")


def test_what_must_not_be_stored_is_not_in_the_thread(database: Database) -> None:
    with house(database, redaction=lambda number: ("card",) if number == "15550100900" else ()) as made:
        thread, _ = made.thread()
        made.add(thread, "k", "your card 4111 1111 1111 1111")
        (item,) = claim(made)
        made.outbox.finish(item, Sent("wamid.1"))
        (row,) = made.rows("select body from message where wamid = 'wamid.1'")
        assert "4111" not in row["body"]


def test_a_conversion_is_no_message(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "c", kind="conversion", payload={"event": {}})
    (item,) = claim(made)
    made.outbox.finish(item, Sent())
    assert state(made, "c") == "sent"
    assert made.rows("select from message where direction = 'outbound'") == []


def test_again_waits_and_ends_with_its_time(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", expires_at=datetime.now(UTC) + timedelta(seconds=30))
    (item,) = claim(made)
    made.outbox.finish(item, Again(10, "slow down", 131056))
    row = made.row("k")
    assert (row["state"], row["code"], row["reason"]) == ("pending", 131056, "slow down")
    made.run("update outbox set not_before = now()")
    (item,) = claim(made)
    made.outbox.finish(item, Again(40, "slow down", 131056))
    row = made.row("k")
    assert row["state"] == "failed"
    assert row["reason"] == "slow down, and it expires before it may be tried again"


def test_a_paused_number_sends_nothing_and_others_do(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    made.outbox.finish(item, Again(0.4, "spam", 131048, whole_number=True))
    made.add(made.thread()[0], "same-number")
    made.run("insert into thread (contact_id, business_number) select min(id), '15550100901' from contact")
    (row,) = made.rows("select id from thread where business_number = '15550100901'")
    made.add(row["id"], "other-number")
    assert [item.key for item in claim(made)] == ["other-number"]
    gevent.sleep(0.5)
    assert [item.key for item in claim(made)] == ["k", "same-number"]


def test_without_an_end_of_its_own_an_item_lives_a_day(made: House) -> None:
    thread, _ = made.thread()
    later = datetime.now(UTC) + timedelta(days=3)
    made.add(thread, "k")
    made.add(thread, "planned", not_before=later)
    assert made.row("k")["expires_at"] - made.row("k")["not_before"] == timedelta(days=1)
    assert made.row("planned")["expires_at"] == later + timedelta(days=1)


def test_what_expires_fails_with_a_reason(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "never", expires_at=NOW - timedelta(seconds=1))
    made.add(thread, "tried")
    (item,) = claim(made)
    made.outbox.finish(item, Again(5, "slow down"))
    made.run("update outbox set expires_at = now() where key = 'tried'")
    made.outbox.tidy((), ())
    assert (state(made, "never"), made.row("never")["reason"]) == ("failed", "expired before it was tried")
    assert (state(made, "tried"), made.row("tried")["reason"]) == ("failed", "expired; at last: slow down")


# --- unsure


def test_a_sender_that_dies_leaves_an_unsure_item_that_nobody_sends_again(database: Database) -> None:
    with house(database, lease_s=0.1, unsure_for_s=0.3) as made:
        thread, _ = made.thread()
        made.add(thread, "k")
        made.add(thread, "c", kind="conversion", payload={})
        assert len(claim(made, worker="dead")) == 2
        gevent.sleep(0.2)
        made.outbox.tidy((), ())
        row = made.row("k")
        assert (row["state"], row["is_doubtful"]) == ("unsure", True)
        assert "dead" in row["reason"]
        # What is no message may be said twice.
        assert [item.key for item in claim(made)] == ["c"]
        gevent.sleep(0.4)
        made.outbox.tidy((), ())
        row = made.row("k")
        assert (row["state"], row["is_doubtful"]) == ("failed", True)
        assert row["reason"].endswith("no webhook said since that it was sent")
        assert all(item.key != "k" for item in claim(made))


def test_a_sender_that_was_only_slow_is_heard_all_the_same(database: Database) -> None:
    with house(database, lease_s=0.05) as made:
        for key, outcome, expected in (
            ("sent", Sent("wamid.1"), "sent"),
            ("refused", Again(0, "no"), "pending"),
            ("failed", Failed("no"), "failed"),
        ):
            thread, _ = made.thread()
            made.add(thread, key)
            (item,) = [one for one in claim(made) if one.key == key]
            gevent.sleep(0.1)
            made.outbox.tidy((), ())
            assert state(made, key) == "unsure"
            made.outbox.finish(item, outcome)
            assert state(made, key) == expected


def test_a_webhook_makes_an_unsure_item_sent_with_its_message(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", "what I wrote")
    (item,) = claim(made)
    made.outbox.finish(item, Unsure("time-out"))
    assert state(made, "k") == "unsure"
    assert confirm(made, "wamid.1", "delivered", "k")
    row = made.row("k")
    assert (row["state"], row["wamid"], row["is_doubtful"], row["reason"]) == ("sent", "wamid.1", False, "")
    (message,) = made.rows("select * from message where wamid = 'wamid.1'")
    assert (message["thread_id"], message["body"]) == (thread, "what I wrote")


def test_a_webhook_days_later_still_says_what_became_of_it(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    made.outbox.finish(item, Unsure("time-out"))
    made.run("update outbox set tried_at = now() - interval '11 minutes'")
    made.outbox.tidy((), ())
    assert state(made, "k") == "failed"
    assert confirm(made, "wamid.1", "read", "k")
    assert state(made, "k") == "sent"


# --- what webhooks say


def test_a_status_that_comes_before_our_own_note_breaks_nothing(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    assert confirm(made, "wamid.1", "sent", "k")
    assert confirm(made, "wamid.1", "read", "k")
    made.outbox.finish(item, Sent("wamid.1"))
    assert state(made, "k") == "sent"
    assert len(made.rows("select from message where wamid = 'wamid.1'")) == 1


def test_a_failure_that_comes_before_our_own_note_stands(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    confirm(made, "wamid.1", "failed", "k", 131026, "Message undeliverable")
    made.outbox.finish(item, Sent("wamid.1"))
    row = made.row("k")
    assert (row["state"], row["code"], row["reason"]) == ("failed", 131026, "Message undeliverable")


@pytest.mark.parametrize(
    "order", [("sent", "failed", "sent"), ("failed", "sent"), ("failed", "failed", "sent")]
)
def test_a_failure_is_not_taken_back_by_what_came_before_it(made: House, order: tuple[str, ...]) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    made.outbox.finish(item, Sent("wamid.1"))
    for status in order:
        # By wamid alone: not every webhook has our key.
        assert confirm(made, "wamid.1", status, code=131026 if status == "failed" else 0)
    assert state(made, "k") == "failed"


def test_what_was_delivered_has_not_failed(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    made.outbox.finish(item, Sent("wamid.1"))
    for status in ("delivered", "failed", "sent", "read"):
        confirm(made, "wamid.1", status, "k", 131026 if status == "failed" else 0)
    assert (state(made, "k"), made.row("k")["code"]) == ("sent", 0)


def test_what_others_sent_is_none_of_ours(made: House) -> None:
    assert not confirm(made, "wamid.other", "sent", "thread-42")
    assert not confirm(made, "wamid.other", "sent")
    with made.database.transaction("telling") as transaction:
        assert outbox.confirm_all(transaction, []) == 0


def test_many_statuses_at_once_count_as_the_furthest(made: House) -> None:
    threads = [made.thread()[0] for _ in range(3)]
    for thread in threads:
        made.add(thread, f"k{thread}")
    told = [
        Confirmation(wamid=f"w{thread}", status=status, at=NOW, key=f"k{thread}")
        for status in ("read", "sent", "delivered")
        for thread in threads
    ]
    claim(made)
    with made.database.transaction("telling") as transaction:
        assert outbox.confirm_all(transaction, [*told, Confirmation(wamid="x", status="sent", at=NOW)]) == 3
    assert {row["told"] for row in made.rows("select told from outbox")} == {4}
    assert len(made.rows("select from message where direction = 'outbound'")) == 3


def test_a_status_that_nobody_knows_proves_that_it_was_sent(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    made.outbox.finish(item, Unsure("time-out"))
    assert confirm(made, "wamid.1", "pondered", "k")
    assert state(made, "k") == "sent"


@pytest.mark.parametrize("told", [True, False])
def test_who_opted_out_is_noted_whoever_says_it(made: House, told: bool) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    (item,) = claim(made)
    if told:
        made.outbox.finish(item, Sent("wamid.1"))
        confirm(made, "wamid.1", "failed", "k", OPTED_OUT, "stopped")
    else:
        made.outbox.finish(item, Failed("stopped", OPTED_OUT))
    made.add(thread, "next")
    (item,) = claim(made)
    assert item.opted_out_at is not None


# --- another way


def settle(made: House, key: str, outcome: outbox.Outcome) -> None:
    (item,) = [one for one in claim(made) if one.key == key]
    made.outbox.finish(item, outcome)


BOTH = {"message": messages.text("x"), "template": TEMPLATE}


def test_a_closed_window_gets_its_template_once(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", payload=BOTH, why="because")
    settle(made, "k", Failed("closed", 131047))
    for _ in range(3):
        made.outbox.tidy((131047,), (131000,))
    assert [row["key"] for row in made.rows("select key from outbox order by id")] == ["k", "k:template"]
    (item,) = claim(made)
    assert (item.key, item.form, item.payload["message"]) == ("k:template", "template", None)
    assert made.row("k:template")["why"] == "because"
    made.outbox.finish(item, Failed("closed too", 131047))
    made.outbox.tidy((131047,), (131000,))
    assert len(made.rows("select from outbox")) == 2


def test_a_closed_window_that_a_webhook_tells_gets_its_template_once(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k", payload=BOTH)
    settle(made, "k", Sent("wamid.1"))
    for _ in range(3):
        confirm(made, "wamid.1", "failed", "k", 131047, "Re-engagement message")
        made.outbox.tidy((131047,), (131000,))
    assert [row["key"] for row in made.rows("select key from outbox order by id")] == ["k", "k:template"]


def test_nothing_falls_back_that_has_no_template_or_no_time(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "without")
    settle(made, "without", Failed("closed", 131047))
    made.add(thread, "late", payload=BOTH, expires_at=datetime.now(UTC) + timedelta(seconds=60))
    settle(made, "late", Failed("closed", 131047))
    made.run("update outbox set expires_at = now() where key = 'late'")
    made.add(thread, "other-code", payload=BOTH)
    settle(made, "other-code", Failed("undeliverable", 131026))
    made.outbox.tidy((131047,), (131000,))
    assert made.rows("select from outbox where key like '%%:template'") == []


def test_what_failed_on_the_way_and_may_pass_is_sent_once_more(made: House) -> None:
    thread, _ = made.thread()
    made.add(thread, "k")
    settle(made, "k", Sent("wamid.1"))
    confirm(made, "wamid.1", "failed", "k", 131000, "Something went wrong")
    for _ in range(2):
        made.outbox.tidy((131047,), (131000,))
    assert made.row("k:again")["not_before"] > datetime.now(UTC) + timedelta(seconds=50)
    made.run("update outbox set not_before = now() where key = 'k:again'")
    settle(made, "k:again", Sent("wamid.2"))
    confirm(made, "wamid.2", "failed", "k:again", 131000, "Something went wrong")
    made.outbox.tidy((131047,), (131000,))
    assert len(made.rows("select from outbox")) == 2


# --- people


def test_a_person_may_send_again_what_failed(made: House) -> None:
    view = OutboxView(made.database)
    thread, _ = made.thread()
    made.add(thread, "k")
    settle(made, "k", Sent("wamid.1"))
    confirm(made, "wamid.1", "failed", "k", 131026, "undeliverable")
    (item,) = view.listed(key="k")
    assert (item.state, item.code, item.is_doubtful, item.name) == ("failed", 131026, False, "Ann")
    assert view.retry(item)
    assert not view.retry(item)
    # What is told of the first try, once more, is no word on the second.
    confirm(made, "wamid.1", "failed", "k", 131026, "undeliverable")
    assert state(made, "k") == "pending"
    settle(made, "k", Sent("wamid.2"))
    confirm(made, "wamid.1", "failed", "k", 131026, "undeliverable")
    assert (state(made, "k"), made.row("k")["wamid"]) == ("sent", "wamid.2")


def test_a_first_try_that_is_confirmed_late_stops_the_second(made: House) -> None:
    view = OutboxView(made.database)
    thread, _ = made.thread()
    made.add(thread, "k")
    settle(made, "k", Unsure("time-out"))
    (item,) = view.listed(key="k")
    assert item.is_doubtful
    assert view.retry(item)
    confirm(made, "wamid.1", "delivered", "k")
    assert state(made, "k") == "sent"
    assert claim(made) == []


def test_what_an_older_claim_brings_back_does_not_touch_a_newer_one(made: House) -> None:
    view = OutboxView(made.database)
    thread, _ = made.thread()
    made.add(thread, "k")
    (older,) = claim(made)
    made.outbox.finish(older, Unsure("time-out"))
    assert view.retry(view.listed(key="k")[0])
    (newer,) = claim(made)
    assert newer.fence > older.fence
    for late in (Failed("late"), Again(0, "late"), Unsure("late")):
        made.outbox.finish(older, late)
        assert state(made, "k") == "claimed"
    # But what was sent was sent: it stands in the thread.
    made.outbox.finish(older, Sent("wamid.1"))
    assert state(made, "k") == "claimed"
    made.outbox.finish(newer, Sent("wamid.2"))
    assert made.row("k")["wamid"] == "wamid.2"
    assert len(made.rows("select from message where direction = 'outbound'")) == 2


def test_a_person_may_cancel_what_waits_and_nothing_else(made: House) -> None:
    view = OutboxView(made.database)
    thread, _ = made.thread()
    for key in ("waits", "goes"):
        made.add(thread, key)
    (waits, goes) = view.listed(thread_id=thread)
    assert view.cancel(waits, "by ann")
    assert not view.cancel(waits, "by ann")
    assert (state(made, "waits"), made.row("waits")["reason"]) == ("cancelled", "by ann")
    assert [item.key for item in claim(made)] == ["goes"]
    assert not view.cancel(goes, "by ann")


def test_the_list_is_filtered(made: House) -> None:
    view = OutboxView(made.database)
    thread, _ = made.thread()
    made.add(thread, "a")
    settle(made, "a", Sent("wamid.1"))
    made.add(None, "b", kind="conversion", payload={})
    assert [item.key for item in view.listed()] == ["a", "b"]
    assert [item.key for item in view.listed(state="pending")] == ["b"]
    assert [item.key for item in view.listed(thread_id=thread)] == ["a"]
    (item,) = view.listed(key=str(made.row("b")["id"]))
    assert item.key == "b"
