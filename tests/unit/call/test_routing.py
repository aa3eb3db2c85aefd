"""Which rule decides, and that one always does."""

from datetime import UTC, datetime

from fsctl.call import routing
from fsctl.call.events import ContactFound
from fsctl.call.state import Call, Phase

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CONTACT = ContactFound(uuid="c", at=NOW, contact_id=1, thread_id=1, name="", language=None)


def call_to(number: str) -> Call:
    return Call(uuid="c", node="n", channel="whatsapp", phase=Phase.OFFERED, offered_at=NOW, to_number=number)


def test_a_number_with_a_queue_of_its_own_gets_it() -> None:
    policy = routing.Policy(
        default_queue="d@x", numbers={"12345": routing.Number(queue="q@x", language="hi")}
    )
    route = routing.decide(call_to("12345"), CONTACT, policy)
    assert (route.queue, route.language) == ("q@x", "hi")
    assert "12345" in route.reason


def test_a_number_without_a_queue_still_gives_its_language() -> None:
    policy = routing.Policy(default_queue="d@x", numbers={"12345": routing.Number(language="pt")})
    route = routing.decide(call_to("12345"), CONTACT, policy)
    assert (route.queue, route.language) == ("d@x", "pt")


def test_an_unknown_number_goes_to_the_default_queue() -> None:
    route = routing.decide(call_to("999999"), CONTACT, routing.Policy(default_queue="d@x"))
    assert (route.queue, route.language) == ("d@x", None)
