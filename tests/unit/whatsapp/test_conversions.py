"""What Meta is told of outcomes, and what its answers mean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fsctl.config_chat import WhatsApp
from fsctl.store.outbox import Again, Claimed, Failed, Item, Sent
from fsctl.store.outcomes import Outcome, Undecided
from fsctl.whatsapp.conversions import MOST_AGE, ConversionSender, decide
from fsctl.whatsapp.graph import GraphDown, GraphRefused, GraphUnsure

T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ON = WhatsApp(conversions_dataset="777", conversions_consent=True, waba_id="102")
SALE = Outcome(
    id=1,
    kind="sale",
    at=T0,
    who="ann",
    call_uuid="c-1",
    value=Decimal("99.90"),
    currency="EUR",
    order_ref="A7",
)


def decided(
    settings: WhatsApp = ON, click: str | None = "Aff", now: datetime = T0, **what: Any
) -> str | Item:
    return decide(Undecided(replace(SALE, **what), 7, T0), click, settings, now)


def event(**what: Any) -> dict[str, Any]:
    item = decided(**what)
    assert isinstance(item, Item)
    return dict(item.payload["event"])


def test_a_sale_is_a_purchase_that_names_the_click_and_no_customer() -> None:
    found = event()
    assert len(found.pop("event_id")) == 32
    assert found == {
        "event_name": "Purchase",
        "event_time": int(T0.timestamp()),
        "action_source": "business_messaging",
        "messaging_channel": "whatsapp",
        "user_data": {"whatsapp_business_account_id": "102", "ctwa_clid": "Aff"},
        "custom_data": {"currency": "EUR", "value": 99.9},
    }


def test_a_lead_needs_no_value() -> None:
    found = event(kind="lead", value=None, currency=None)
    assert found["event_name"] == "LeadSubmitted"
    assert "custom_data" not in found


def test_the_event_is_of_what_was_sold_and_not_of_the_word_that_said_it() -> None:
    ids = {
        event()["event_id"],
        event(id=2, who="bob", value=Decimal(1), at=T0 - timedelta(hours=1), note="again")["event_id"],
    }
    assert len(ids) == 1
    others = [
        event(order_ref="A8"), event(call_uuid="c-2"), event(kind="lead"), event(call_uuid=None, thread_id=7),
    ]  # fmt: skip
    ids |= {one["event_id"] for one in others}
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"settings": WhatsApp(conversions_dataset="777", waba_id="102")}, "off"),
        ({"settings": WhatsApp(conversions_consent=True, waba_id="102")}, "off"),
        ({"click": None}, "no click on an ad"),
        ({"counts": False}, "replaced"),
        ({"kind": "no-sale"}, "not for Meta"),
        ({"value": None, "currency": None}, "a sale without a value"),
        ({"now": T0 + MOST_AGE + timedelta(seconds=1)}, "too old"),
    ],
)
def test_what_meta_is_not_told_has_a_reason(what: dict[str, Any], why: str) -> None:
    assert decided(**what) == why


def test_an_event_is_of_no_use_when_it_is_too_old_and_never_of_the_future() -> None:
    item = decided(at=T0 + timedelta(hours=1))
    assert isinstance(item, Item)
    assert item.expires_at == T0 + timedelta(hours=1) + MOST_AGE
    assert item.payload["event"]["event_time"] == int(T0.timestamp())


class Meta:
    """Answers, or fails, as it is told."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.told: list[tuple[str, dict[str, Any]]] = []

    def post(self, path: str, json: dict[str, Any]) -> dict[str, Any]:
        self.told.append((path, json))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


ITEM = Claimed(
    id=1, fence=1, key="conversion/x", kind="conversion", thread_id=7, payload={"event": {"event_id": "x"}},
    attempts=1, form=None, business_number="1", contact_id=1, names=(), opted_out_at=None,
)  # fmt: skip


def test_one_event_is_told_to_the_dataset() -> None:
    meta = Meta({"events_received": 1, "messages": [], "fbtrace_id": "x"})
    assert ConversionSender(meta, ON).send(ITEM) == Sent()
    assert meta.told == [("777/events", {"data": [{"event_id": "x"}]})]


def test_a_customer_who_opted_out_is_not_told_of() -> None:
    meta = Meta({"events_received": 1})
    assert isinstance(ConversionSender(meta, ON).send(replace(ITEM, opted_out_at=T0)), Failed)
    assert isinstance(ConversionSender(meta, replace(ON, conversions_consent=False)).send(ITEM), Failed)
    assert meta.told == []


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ({"events_received": 0}, Failed, 0),
        ({}, Failed, 0),
        (GraphRefused(100, 2804066, "Messaging Event Invalid Event Type", status=400), Failed, 100),
        (GraphRefused(190, message="token", status=401), Again, 190),
        (GraphRefused(200, message="permission", status=403), Again, 200),
        (GraphRefused(2, message="later", status=500), Again, 2),
        (GraphRefused(613, message="rate", status=400), Again, 613),
        (GraphRefused(0, status=502), Again, 0),
        (GraphDown("no road"), Again, 0),
        (GraphUnsure("no answer"), Again, 0),
    ],
)
def test_what_an_answer_means(answer: Any, kind: type[Any], code: int) -> None:
    found = ConversionSender(Meta(answer), ON).send(ITEM)
    assert isinstance(found, kind)
    assert found.code == code
    # Whatever is wrong with the dataset, messages to customers go on.
    assert not getattr(found, "whole_number", False)


def test_only_what_a_person_can_mend_is_an_alarm() -> None:
    for code, alarm in ((190, True), (200, True), (2, False), (613, False)):
        found = ConversionSender(Meta(GraphRefused(code)), ON).send(ITEM)
        assert isinstance(found, Again)
        assert found.alarm is alarm


def test_tries_are_longer_apart_each_time() -> None:
    sender = ConversionSender(Meta(GraphDown("no road")), ON)
    pauses = [sender.send(replace(ITEM, attempts=number)) for number in (1, 2, 3, 20)]
    after_s = [one.after_s for one in pauses if isinstance(one, Again)]
    assert len(after_s) == 4
    assert after_s == sorted(after_s)
    assert after_s[0] < after_s[-1]
