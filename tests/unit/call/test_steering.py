"""What the dialplan is told: only what there is to say, in words that it takes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fsctl.call import steering
from fsctl.call.events import ContactFound
from fsctl.call.policy import Policy, Queue
from fsctl.call.routing import Route

CONTACT = ContactFound(
    uuid="c", at=datetime(2026, 11, 23, tzinfo=UTC), contact_id=7, thread_id=9, name="", language=None
)
ROUTE = Route(queue="q@x", reasons=("because",))


def told(route: Route, contact: ContactFound = CONTACT, policy: Policy | None = None) -> dict[str, str]:
    pairs = steering.variables(contact, route, policy or Policy())
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_a_plain_route_tells_queue_and_thread() -> None:
    assert told(ROUTE) == {"fsctl_queue": "q@x", "fsctl_thread": "9"}


def test_a_route_with_everything_tells_everything() -> None:
    route = replace(
        ROUTE, language="pt_BR", score=0, recording="consent", sticky_queue="agent1-own@x",
        expected_wait_s=61, menu=True,
    )  # fmt: skip
    assert told(route, replace(CONTACT, name="Ann")) == {
        "fsctl_queue": "q@x",
        "fsctl_thread": "9",
        "fsctl_language": "pt",
        "fsctl_score": "0",
        "fsctl_recording": "consent",
        "fsctl_sticky_queue": "agent1-own@x",
        "fsctl_wait_minutes": "2",
        "fsctl_menu": "true",
        "fsctl_caller_name": "Ann",
    }


def test_busy_is_an_action_unless_it_is_closed() -> None:
    assert told(replace(ROUTE, is_busy=True))["fsctl_action"] == "busy"
    assert told(replace(ROUTE, is_busy=True, is_closed=True))["fsctl_action"] == "closed"


def test_closed_is_an_action() -> None:
    assert told(replace(ROUTE, is_closed=True))["fsctl_action"] == "closed"


@pytest.mark.parametrize(
    ("expected_s", "minutes"),
    [(None, None), (0, None), (29, None), (30, "2"), (61, "2"), (180, "5"), (301, "10"),
     (599, "10"), (601, "20"), (1201, "30"), (1800, "30"), (90_000, "30")],
)  # fmt: skip
def test_a_wait_is_the_next_step_that_can_be_said(expected_s: int | None, minutes: str | None) -> None:
    assert told(replace(ROUTE, expected_wait_s=expected_s)).get("fsctl_wait_minutes") == minutes


def test_a_queue_may_keep_its_wait_to_itself() -> None:
    quiet = Policy(queues={"q@x": Queue(announce_wait=False)})
    assert "fsctl_wait_minutes" not in told(replace(ROUTE, expected_wait_s=300), policy=quiet)


def test_a_name_is_bounded() -> None:
    assert told(ROUTE, replace(CONTACT, name="x" * 10_000))["fsctl_caller_name"] == "x" * steering.MAX_NAME


def test_a_name_is_told_as_a_phone_can_show_it() -> None:
    name = 'a/b\\c "d":e@evil\n ' + "x" * 100
    shown = told(ROUTE, replace(CONTACT, name=name))["fsctl_caller_name"]
    assert shown == ("a b c d e evil " + "x" * 100)[:64]
