"""Signatures that the stock library takes, and when a delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fsctl.crm import delivery, signing

BODY = '{"name":"Zo\u00eb"}'.encode()


def test_the_stock_library_takes_it() -> None:
    secret = signing.new_secret()
    found = signing.headers([secret], "evt_1", datetime.now(UTC), BODY)
    assert Webhook(secret).verify(BODY, found) == {"name": "Zo\u00eb"}
    assert found["webhook-signature"] == Webhook(secret).sign("evt_1", datetime.now(UTC), BODY.decode())


def test_either_of_two_secrets_is_enough_and_a_third_is_not() -> None:
    new, old, other = (signing.new_secret() for _ in range(3))
    found = signing.headers([new, old], "evt_1", datetime.now(UTC), BODY)
    for secret in (new, old):
        Webhook(secret).verify(BODY, found)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, found)


def test_an_old_request_is_not_good_again() -> None:
    secret = signing.new_secret()
    found = signing.headers([secret], "evt_1", datetime.now(UTC) - timedelta(minutes=10), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, found)
    assert len({signing.new_secret() for _ in range(100)}) == 100


def test_waits_grow_from_seconds_to_a_day_and_end() -> None:
    waits = [delivery.wait_s(attempts) for attempts in range(1, 12)]
    assert (waits[0], waits[-1], delivery.wait_s(12)) == (5.0, 86400.0, None)
    assert waits == sorted(waits, key=lambda one: one or 0)
    assert 4.0 <= (delivery.wait_s(1, jitter=-1) or 0) < 5.0 < (delivery.wait_s(1, jitter=1) or 0) <= 6.0


def test_a_receiver_may_ask_for_longer_but_not_for_ever() -> None:
    assert delivery.wait_s(1, 60.0) == 60.0
    assert delivery.wait_s(5, 1.0) == 1800.0
    assert (delivery.wait_s(1, 1e6) or 0) < 1.3 * 86400
