"""The page on which a customer chooses a time, by HTTP and on a real Postgres; and what happens at that time."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import urllib3

from fsctl.call import payload, slots, wording
from fsctl.call.hours import Hours
from fsctl.call.policy import Followup, Number, Policy, Queue
from fsctl.call.state import Disposition, Fault, Phase
from fsctl.errors import LinkLost, Unencodable
from fsctl.store.callbacks import Callbacks
from fsctl.store.db import Database
from fsctl.web.callback import CallbackPages
from fsctl.web.server import Server
from fsctl.whatsapp.callbacks import CallbackLoop
from fsctl.whatsapp.dial import Dialler, customers_call
from fsctl.whatsapp.graph import GraphDown
from tests.fix_database import run
from tests.integration.test_followup import NUMBER, SECRET, House

ZONE = ZoneInfo("Europe/Madrid")
NOON = datetime(2026, 11, 23, 11, 2, tzinfo=UTC)  # A Monday, 12:02 in Madrid.


def policy(**on: Any) -> Policy:
    given: dict[str, Any] = {"on": True, "slot_days": 2, "template": "t"}
    return Policy(
        numbers={NUMBER: Number(phone_number_id="1", label="<Shop> & Co")},
        queues={"q@x": Queue(hours="office", followup=Followup(**(given | on)))},
        hours={"office": Hours(zone=ZONE, week=(((9 * 60, 14 * 60),),) * 7)},
        payload_secrets=(SECRET,),
    )


class Page:
    """A browser without scripts."""

    def __init__(self, house: House, rules: Policy) -> None:
        self.house, self.rules = house, rules
        self.callbacks = Callbacks(house.database)
        self.now = NOON
        self.server = Server("127.0.0.1:0", CallbackPages(self.callbacks, rules, now=lambda: self.now).routes)
        self.server.start()
        self.http = urllib3.PoolManager(retries=False)

    def url(self, token: str) -> str:
        host, port = self.server.address
        return f"http://{host}:{port}/callback/{token}"

    def link(self, call_uuid: str, hours: float = 24) -> str:
        return slots.invite(call_uuid, self.now + timedelta(hours=hours), SECRET)

    def get(self, token: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return self.http.request("GET", self.url(token), headers=headers)

    def post(self, token: str, **form: str) -> urllib3.BaseHTTPResponse:
        return self.http.request("POST", self.url(token), fields=form, encode_multipart=False, redirect=False)

    def rows(self) -> list[dict[str, Any]]:
        return run(self.house.database, "select * from callback order by id")


def times(response: urllib3.BaseHTTPResponse) -> list[tuple[str, str]]:
    """Value and label of each button with a time."""
    text = response.data.decode()
    return re.findall(r'<button name="slot" value="(\d+)" aria-label="([^"]+)">', text)


@pytest.fixture
def house(database: Database) -> House:
    found = House(database)
    found.now = NOON
    for agent in ("a", "b", "c"):
        run(
            database,
            "insert into tier (node, queue, agent, level, position, state)"
            " values ('fs1', 'q@x', %s, 1, 1, '')",
            agent,
        )
    return found


@pytest.fixture
def page(house: House) -> Iterator[Page]:
    found = Page(house, policy())
    yield found
    found.http.clear()
    found.server.stop()


def test_the_page_shows_the_times_of_the_queue_in_its_zone_and_the_customers_language(
    house: House, page: Page
) -> None:
    house.miss()
    answer = page.get(page.link("call-1"))
    text = answer.data.decode()
    assert answer.status == 200
    assert '<html lang="es">' in text
    labels = [label for _, label in times(answer)]
    assert labels[:2] == ["lunes, 23 de noviembre, 12:15", "lunes, 23 de noviembre, 12:30"]
    assert "martes, 24 de noviembre, 09:00" in labels
    assert "Las horas son las de Madrid (UTC+01:00)." in text
    assert "&lt;Shop&gt; &amp; Co" in text
    assert "<Shop>" not in text


def test_no_page_lets_anything_in_or_the_token_out(house: House, page: Page) -> None:
    house.miss()
    for token in (page.link("call-1"), "nonsense"):
        answer = page.get(token)
        policy_of = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy_of
        assert "frame-ancestors 'none'" in policy_of
        assert "unsafe" not in policy_of
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in answer.headers
        text = answer.data.decode()
        assert "<script" not in text
        assert "http" not in text.replace("http-equiv", "")


def test_a_time_is_booked_shown_and_given_back(house: House, page: Page) -> None:
    call = house.miss(score=40)
    link = page.link("call-1")
    value, label = times(page.get(link))[2]
    answer = page.post(link, slot=value)
    assert (answer.status, answer.headers["Location"]) == (303, f"/callback/{link}")
    (row,) = page.rows()
    assert (row["state"], row["queue"], row["starts_at"].timestamp()) == ("booked", "q@x", float(value))
    assert call.answered_at is not None
    assert (row["score"], row["since"]) == (40, call.answered_at)
    text = page.get(link).data.decode()
    assert "Su llamada está reservada" in text
    assert label.rpartition(", ")[2] in text
    assert page.post(link, cancel="1").status == 303
    assert page.rows()[0]["state"] == "cancelled"
    assert value in dict(times(page.get(link)))


def test_a_look_changes_nothing(house: House, page: Page) -> None:
    house.miss()
    link = page.link("call-1")
    assert page.get(f"{link}?slot={times(page.get(link))[0][0]}").status == 200
    assert page.rows() == []


def test_a_time_is_full_when_the_agents_share_is_taken(house: House, page: Page) -> None:
    """Of three agents half are for callbacks: one."""
    house.miss()
    link = page.link("call-1")
    value = times(page.get(link))[0][0]
    page.post(link, slot=value)
    other = another(house)
    answer = page.get(page.link(other))
    assert value not in dict(times(answer))
    answer = page.post(page.link(other), slot=value)
    assert answer.status == 409
    assert "Someone else was faster" in answer.data.decode()
    assert len(page.rows()) == 1


def another(house: House, number: int = 1) -> str:
    """A missed call of another customer, whose language nobody knows; its uuid."""
    from fsctl.call.events import Alias
    from fsctl.store.contacts import Who, find

    with house.database.transaction("test") as transaction:
        place = find(
            transaction, Who(aliases=(Alias(kind="wa_id", value=f"4477000000{number}"),), at=NOON), NUMBER
        )
    return house.miss(contact_id=place.contact_id, thread_id=place.thread_id).uuid


def test_the_last_place_is_given_once(house: House, page: Page) -> None:
    links = [page.link(another(house, number)) for number in range(10, 18)]
    value = times(page.get(links[0]))[5][0]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda link=link: statuses.append(page.post(link, slot=value).status))
        for link in links
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [303, *[409] * 7]
    assert len(page.rows()) == 1


def test_another_time_replaces_the_first_by_the_same_link_and_by_another(house: House, page: Page) -> None:
    house.miss()
    house.miss()
    first, second = page.link("call-1"), page.link("call-2")
    values = [value for value, _ in times(page.get(first))]
    page.post(first, slot=values[0])
    page.post(first, slot=values[1])
    assert [row["starts_at"].timestamp() for row in page.rows()] == [float(values[1])]
    page.post(second, slot=values[0])
    assert [(row["call_uuid"], row["state"]) for row in page.rows()] == [
        ("call-1", "cancelled"),
        ("call-2", "booked"),
    ]


DEAD = {
    "not signed": (lambda _: "abc.def.ghi", 404, "This link is not valid"),
    "signed by another": (
        lambda _: slots.invite("call-1", NOON + timedelta(days=1), b"another secret of this kind"),
        404,
        "This link is not valid",
    ),
    "of a call that is none": (lambda page: page.link("nobody"), 404, "This link is not valid"),
    "expired": (lambda page: page.link("call-1", hours=-1), 410, "Este enlace ha caducado"),
}


@pytest.mark.parametrize("name", DEAD)
def test_a_link_that_leads_nowhere_says_so_and_takes_nothing(house: House, page: Page, name: str) -> None:
    make, status, words = DEAD[name]
    house.miss()
    slot = times(page.get(page.link("call-1")))[0][0]
    for answer in (page.get(make(page)), page.post(make(page), slot=slot)):
        assert answer.status == status
        assert words in answer.data.decode()
    assert page.rows() == []


def test_a_link_that_leads_nowhere_speaks_the_browsers_language(page: Page) -> None:
    for asked, words in (("pt-BR,pt;q=0.9", "Este link não é válido"), ("fr, hi;q=0.5", "यह लिंक मान्य नहीं है")):
        answer = page.get("x", **{"Accept-Language": asked})
        assert words in answer.data.decode()


def test_who_has_booked_may_still_look_when_the_link_has_expired(house: House, page: Page) -> None:
    house.miss()
    link = page.link("call-1", hours=1)
    page.post(link, slot=times(page.get(link))[-1][0])
    page.now += timedelta(hours=2)
    assert "Su llamada está reservada" in page.get(link).data.decode()
    page.post(link, cancel="1")
    assert page.get(link).status == 410


@pytest.mark.parametrize("asked", ["", "abc", "-5", "99999999999999999999", "1", "1700000000"])
def test_a_time_that_there_is_not_is_not_booked(house: House, page: Page, asked: str) -> None:
    house.miss()
    assert page.post(page.link("call-1"), slot=asked).status == 409
    assert page.rows() == []


def test_a_queue_without_agents_has_no_times(house: House, page: Page) -> None:
    run(house.database, "delete from tier")
    house.miss()
    answer = page.get(page.link("call-1"))
    assert "No hay horas libres" in answer.data.decode()
    assert times(answer) == []


def test_a_form_of_many_bytes_is_refused(house: House, page: Page) -> None:
    house.miss()
    assert page.post(page.link("call-1"), slot="1" * 100_000).status == 413


def test_the_language_of_each_page_is_whole() -> None:
    from fsctl.web.phrases import PHRASES

    assert set(PHRASES) == set(wording.LANGUAGES)
    for phrases in PHRASES.values():
        assert (len(phrases.days), len(phrases.months)) == (7, 12)
        assert phrases.zone.count("{}") == 2
        assert phrases.name_of(NOON)


# --- at the time ------------------------------------------------------------------------------------------------


def booked(house: House, page: Page) -> datetime:
    """A missed call, and the first time booked by its link; that time."""
    house.miss()
    link = page.link("call-1")
    page.post(link, slot=times(page.get(link))[0][0])
    return page.rows()[0]["starts_at"]


def test_at_the_time_the_customer_gets_the_button_once(house: House, page: Page) -> None:
    at = booked(house, page)
    house.now = at - timedelta(seconds=1)
    loop = CallbackLoop(house.database, page.rules, now=lambda: house.now)
    assert loop.tick() == 0
    house.now = at
    assert [loop.tick(), loop.tick()] == [1, 0]
    (item,) = house.outbox()
    parameters = item["payload"]["message"]["interactive"]["action"]["parameters"]
    ticket = payload.read(parameters["payload"], [SECRET])
    (row,) = page.rows()
    assert ticket is not None
    assert (ticket.since, ticket.queue, ticket.language) == (row["since"].replace(microsecond=0), "q@x", "es")
    assert (row["state"], row["outbox_key"]) == ("offered", item["key"])
    assert item["payload"]["template"]["template"]["language"] == {"code": "es"}
    assert "Este enlace ya se ha usado" in page.get(page.link("call-1")).data.decode()
    assert page.post(page.link("call-1"), slot="1").status == 410


def test_a_time_that_we_slept_through_is_not_begun(house: House, page: Page) -> None:
    at = booked(house, page)
    house.now = at + timedelta(minutes=46)
    assert CallbackLoop(house.database, page.rules, now=lambda: house.now).tick() == 1
    assert house.outbox() == []
    (row,) = page.rows()
    assert (row["state"], row["reason"][:18]) == ("failed", "we were away until")


def test_a_time_that_was_given_back_is_nothing(house: House, page: Page) -> None:
    at = booked(house, page)
    page.post(page.link("call-1"), cancel="1")
    house.now = at
    assert CallbackLoop(house.database, page.rules, now=lambda: house.now).tick() == 0


def test_a_follow_up_waits_while_a_callback_is_booked(house: House, page: Page) -> None:
    booked(house, page)
    house.miss()
    house.loop(page.rules).tick()
    assert ("call-2", "none", "a callback is booked") in house.verdicts()


# --- the business calls -----------------------------------------------------------------------------------------


class Meta:
    """What Meta says of permissions."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        self.asked.append((path, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Line:
    """A connection to a FreeSWITCH."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[str] = []

    @contextmanager
    def __call__(self, _node: str) -> Iterator["Line"]:
        yield self

    def must(self, command: Any) -> str:
        if self.error is not None:
            raise self.error
        self.sent.append(command.render())
        return "+OK"


PERMITS: dict[str, Any] = {"permission": {"status": "temporary"}, "actions": []}


def calls(house: House, page: Page, meta: Meta, line: Line) -> CallbackLoop:
    """At the time booked, with the right to call."""
    house.now = booked(house, page)
    dialler = Dialler(meta, {NUMBER: "1065"}, line)  # type: ignore[arg-type]
    return CallbackLoop(house.database, page.rules, dialler, now=lambda: house.now)


@pytest.fixture
def calling(house: House) -> Iterator[Page]:
    found = Page(house, policy(call_back=True))
    yield found
    found.http.clear()
    found.server.stop()


def test_who_permits_it_is_called_once_with_the_place_kept(house: House, calling: Page) -> None:
    meta, line = Meta(PERMITS), Line()
    loop = calls(house, calling, meta, line)
    assert [loop.tick(), loop.tick()] == [1, 0]
    assert meta.asked == [("1065/call_permissions", {"user_wa_id": "34600000142"})]
    (command,) = line.sent
    assert command.startswith("bgapi originate {")
    assert "}sofia/gateway/meta/+34600000142 customer XML fsctl-customer\nJob-UUID: callback-" in command
    (row,) = calling.rows()
    assert f"fsctl_payload='{row['payload']}'" in command
    ticket = payload.read(row["payload"], [SECRET])
    assert ticket is not None
    assert (ticket.since, ticket.queue) == (row["since"].replace(microsecond=0), "q@x")
    assert (row["state"], house.outbox()) == ("calling", [])


def test_a_call_that_was_taken_is_the_end_of_it(house: House, calling: Page) -> None:
    loop = calls(house, calling, Meta(PERMITS), Line())
    loop.tick()
    at = house.now + timedelta(seconds=10)
    house.miss(cta_payload=calling.rows()[0]["payload"], offered_at=at, answered_at=at, ended_at=at)
    house.now += timedelta(seconds=91)
    assert loop.tick() == 1
    (row,) = calling.rows()
    assert (row["state"], row["reason"]) == ("called", "taken: call call-2")
    (kept,) = calling.callbacks.of_thread(house.place.thread_id)
    assert (kept.state, kept.call_uuid) == ("called", "call-1")
    assert house.outbox() == []


def test_who_does_not_answer_gets_the_button(house: House, calling: Page) -> None:
    loop = calls(house, calling, Meta(PERMITS), Line())
    loop.tick()
    house.now += timedelta(seconds=91)
    assert [loop.tick(), loop.tick()] == [1, 0]
    assert (calling.rows()[0]["state"], calling.rows()[0]["reason"]) == (
        "offered",
        "we called, and nobody answered",
    )
    assert len(house.outbox()) == 1


NOT_CALLED: dict[str, tuple[Any, Exception | None, str]] = {
    "no permission": (
        {"permission": {"status": "no_permission"}},
        None,
        "the customer has not permitted calls",
    ),
    "a limit is reached": (
        {
            "permission": {"status": "permanent"},
            "actions": [{"action_name": "start_call", "can_perform_action": False}],
        },
        None,
        "the customer has not permitted calls",
    ),
    "nonsense": ({"permission": ["temporary"], "actions": 7}, None, "the customer has not permitted calls"),
    "Meta is away": (GraphDown("away"), None, "the permission to call could not be read: away"),
    "FreeSWITCH is away": (PERMITS, LinkLost("gone"), "FreeSWITCH fs1 cannot call: gone"),
}


@pytest.mark.parametrize("name", NOT_CALLED)
def test_who_cannot_be_called_gets_the_button_at_once(house: House, calling: Page, name: str) -> None:
    answer, error, why = NOT_CALLED[name]
    loop = calls(house, calling, Meta(answer), Line(error))
    loop.tick()
    (row,) = calling.rows()
    assert (row["state"], row["reason"]) == ("offered", why)
    assert len(house.outbox()) == 1
    house.now += timedelta(seconds=200)
    assert loop.tick() == 0


def test_a_queue_that_does_not_call_sends_the_button_though_it_could(house: House, page: Page) -> None:
    line = Line()
    calls(house, page, Meta(PERMITS), line).tick()
    assert (line.sent, page.rows()[0]["state"]) == ([], "offered")


@pytest.mark.parametrize(
    "user", ["1,sofia/gateway/trunk/1", "US.1 2", "US.1|x", "", "1" * 21, "١٢٣٤٥٦", "us.x", "US.1\n"]
)
def test_a_name_that_is_no_customer_is_not_dialled(user: str) -> None:
    with pytest.raises(Unencodable):
        customers_call(user, NUMBER, "f1.x.y")


def test_a_user_id_is_dialled_as_it_is() -> None:
    assert (
        "sofia/gateway/meta/US.13491208655302741918 "
        in customers_call("US.13491208655302741918", NUMBER, "f1.x.y").render()
    )


NEEDLESS: dict[str, tuple[dict[str, Any], str]] = {
    "answered since": (
        {"disposition": Disposition.ANSWERED, "fault": Fault.NOBODY},
        "a call of the customer was answered since",
    ),
    "on the line": (
        {"phase": Phase.QUEUED, "ended_at": None, "disposition": None, "fault": None},
        "the customer is on the line",
    ),
}


@pytest.mark.parametrize("name", NEEDLESS)
def test_who_has_been_served_meanwhile_is_left_alone(house: House, calling: Page, name: str) -> None:
    fields, why = NEEDLESS[name]
    line = Line()
    loop = calls(house, calling, Meta(PERMITS), line)
    later = calling.rows()[0]["booked_at"] + timedelta(minutes=1)
    answered = {"bridged_at": later} if name == "answered since" else {}
    house.miss(**({"offered_at": later, "answered_at": later, "ended_at": later} | answered | fields))
    loop.tick()
    assert (calling.rows()[0]["state"], calling.rows()[0]["reason"]) == ("cancelled", why)
    assert (line.sent, house.outbox()) == ([], [])
