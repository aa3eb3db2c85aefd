"""The controller on a simulated FreeSWITCH and a real Postgres, over real sockets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import gevent
import pytest
from gevent.event import Event

from fsctl.call import events
from fsctl.call.commands import StoreCommand
from fsctl.call.events import Alias
from fsctl.call.hours import Hours
from fsctl.call.policy import Number, Policy, Queue
from fsctl.call.state import Call, Disposition, Phase
from fsctl.controller import Controller
from fsctl.esl import encode
from fsctl.esl.connection import Reply
from fsctl.esl.decode import Origin
from fsctl.esl.link import Address, Link
from fsctl.sim import CallPlan, Quality, Ring, Switch
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from tests.fix_proxy import Proxy
from tests.fix_switch import PASSWORD

POLICY = Policy(
    default_queue="support@fsctl", numbers={"15550100901": Number(queue="sales@fsctl", language="pt")}
)
STEERED = 1.5
"""Speed of a switch whose second of silence must suffice on a busy machine, too."""
PLAN = CallPlan(talk_s=6.0, rings=(Ring("answer", 1.0),))


class Served:
    """A switch with a controller attached."""

    def __init__(self, switch: Switch, port: int, database: Database, policy: Policy = POLICY) -> None:
        self.switch, self.calls = switch, Calls(database)
        self._database, self._port, self._policy = database, port, policy
        self.link: Link
        self.attach()

    def attach(self) -> None:
        """A new controller process, as far as anybody can tell."""
        self.link = Link(Address("127.0.0.1", self._port, PASSWORD), Origin("fs1", {"whatsapp": "whatsapp"}))
        self.controller = Controller(self.calls, self._policy, self.link.request)
        self.link.listener = self.controller
        self.link.start()
        assert self.link.ready.wait(10)

    def detach(self) -> None:
        """The controller is killed."""
        self.link.stop()

    def until(self, uuid: str, wanted: Callable[[Call], bool], timeout_s: float = 15) -> Call:
        """Wait for the call's row to be so."""
        with gevent.Timeout(timeout_s, AssertionError(f"never so: {self.calls.load(uuid)}")):
            while True:
                call = self.calls.load(uuid)
                if call is not None and wanted(call):
                    return call
                gevent.sleep(0.02)

    def ended(self, uuid: str) -> Call:
        return self.until(uuid, lambda call: call.phase is Phase.ENDED)


@pytest.fixture
def served(make_switch: Callable[..., Switch], database: Database) -> Iterator[Served]:
    """A controller on a switch that runs ten times faster."""
    switch = make_switch()
    one = Served(switch, switch.port, database)
    yield one
    one.detach()


def story(database: Database, uuid: str) -> list[str]:
    with database.transaction("test") as transaction:
        rows = transaction.rows("calls.story_since", event_cursor=0, segment_cursor=0)
    return [row["kind"] for row in sorted(rows, key=lambda r: r["at"]) if row["call_uuid"] == uuid]


def test_a_call_is_answered_by_an_agent_and_ends(served: Served, database: Database) -> None:
    uuid = served.switch.place_call(PLAN)
    call = served.ended(uuid)
    assert (call.disposition, call.queue) == (Disposition.ANSWERED, "support@fsctl")
    assert call.agent is not None
    assert call.agent.startswith("agent")
    assert call.wacid is not None
    assert call.wacid.startswith("wacid.")
    assert call.encryption == "tls+sdes:AES_CM_128_HMAC_SHA1_80"
    assert call.thread_id is not None
    times = [call.offered_at, call.answered_at, call.queued_at, call.bridged_at, call.ended_at]
    assert times == sorted(t for t in times if t)
    assert story(database, uuid)[:5] == [
        "call_offered", "contact_found", "call_answered", "member_joined", "agent_offered",
    ]  # fmt: skip


def test_the_number_dialled_steers_the_call_into_its_queue_within_the_second_of_silence(
    served: Served,
) -> None:
    uuid = served.switch.place_call(replace(PLAN, to_number="+15550100901;tgrp=wacall"))
    call = served.ended(uuid)
    assert (call.queue, call.language) == ("sales@fsctl", "pt")


class SlowStore(Calls):
    """Stores when it is let."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.free = Event()

    def apply(self, batch: Sequence[StoreCommand]) -> None:
        assert self.free.wait(10)
        super().apply(batch)


def test_where_a_call_goes_is_told_before_it_is_stored_and_all_else_after(database: Database) -> None:
    told: list[encode.Request] = []
    store = SlowStore(database)
    controller = Controller(store, POLICY, lambda command: told.append(command) or Reply("+OK"))  # type: ignore
    at = datetime.now(UTC)
    offered = events.CallOffered(
        uuid="c-1", at=at, node="fs1", channel="whatsapp", display_name="", to_number="15550100901",
        aliases=(Alias(kind="wa_id", value="15550100142"),),
    )  # fmt: skip
    dialled = events.GatewayDialled(uuid="c-1", at=at, leg_uuid="leg", gateway="pstn")
    handling = gevent.spawn(controller.on_events, [offered, dialled])
    with gevent.Timeout(10, AssertionError("never told")):
        while not told:
            gevent.sleep(0.01)
    gevent.sleep(0.1)
    assert [type(command) for command in told] == [encode.SetVariables]
    assert ("fsctl_queue", "sales@fsctl") in told[0].variables  # type: ignore[attr-defined]
    assert store.load("c-1") is None
    store.free.set()
    handling.get(timeout=10)
    gevent.sleep(0.1)
    assert [type(command) for command in told] == [encode.SetVariables, encode.HangUp]
    assert store.load("c-1") is not None


def run(database: Database, sql: str) -> list[dict[str, object]]:
    with database.transaction("test") as transaction:
        cursor = transaction._connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def test_the_row_holds_how_the_line_was_and_what_the_caller_was_told(served: Served) -> None:
    quality = Quality(mos=3.9, flaws=5, jitter_max_variance=16.0)
    call = served.ended(served.switch.place_call(replace(PLAN, quality=quality)))
    assert (call.consent, call.refused, call.left_by) == ("disclosed", None, None)
    assert (call.mos, call.jitter_ms) == (pytest.approx(3.9, abs=0.01), 4.0)
    assert call.loss_percent is not None
    assert call.loss_percent > 0
    assert call.answer_within_s == 20
    assert call.is_within_service_level is True


def test_outside_its_hours_the_call_goes_on_in_the_chat(
    make_switch: Callable[..., Switch], database: Database
) -> None:
    shut = Hours(zone=UTC, week=((),) * 7)
    policy = Policy(hours={"never": shut}, queues={"support@fsctl": Queue(hours="never")})
    switch = make_switch(speed=STEERED)
    one = Served(switch, switch.port, database, policy)
    call = one.ended(switch.place_call(PLAN))
    assert (call.disposition, call.left_by, call.queued_at) == (Disposition.CLOSED, "closed", None)
    one.detach()


def test_the_exit_key_is_not_an_abandoned_call(served: Served) -> None:
    plan = replace(PLAN, rings=(Ring("no_answer"),), keys=((14.0, "*"),))
    call = served.ended(served.switch.place_call(plan))
    assert (call.disposition, call.left_by) == (Disposition.CONTINUED_IN_CHAT, "chat")


def test_a_call_without_encryption_is_refused_and_audited(served: Served, database: Database) -> None:
    call = served.ended(served.switch.place_call(replace(PLAN, crypto=False)))
    assert (call.disposition, call.refused, call.agent) == (Disposition.REFUSED, "no-srtp", None)
    (entry,) = run(database, "select action, node, subject, detail from audit")
    assert (entry["action"], entry["node"], entry["subject"]) == ("call.refused", "fs1", call.uuid)
    assert entry["detail"] == {"why": "no-srtp", "cause": "INCOMPATIBLE_DESTINATION"}


def test_a_caller_comes_back_to_the_agent_of_last_time(
    make_switch: Callable[..., Switch], database: Database
) -> None:
    switch = make_switch(speed=STEERED)
    one = Served(switch, switch.port, database, Policy(sticky_for_s=3600))
    first = one.ended(switch.place_call(PLAN))
    run(
        database,
        "insert into agent (node, name, status, state) select 'fs1', 'agent' || i, 'Available', 'Waiting' "
        "from generate_series(1, 3) i",
    )
    for _ in range(2):
        again = one.ended(switch.place_call(PLAN))
        assert again.sticky_agent == again.agent == first.agent
        assert (again.queue, again.disposition) == (f"{first.agent}-own@fsctl", Disposition.ANSWERED)
    one.detach()


def test_a_caller_whose_language_is_not_known_chooses_it(
    make_switch: Callable[..., Switch], database: Database
) -> None:
    switch = make_switch(speed=STEERED)
    policy = Policy(numbers={PLAN.to_number.lstrip("+"): Number(menu=True)})
    one = Served(switch, switch.port, database, policy)
    call = one.ended(switch.place_call(replace(PLAN, keys=((2.0, "3"),))))
    assert (call.language, call.disposition) == ("pt", Disposition.ANSWERED)
    one.detach()


def test_a_caller_who_hangs_up_while_waiting_has_abandoned(served: Served) -> None:
    uuid = served.switch.place_call(replace(PLAN, rings=(Ring("no_answer"),), abandon_after_s=4.0))
    assert served.ended(uuid).disposition is Disposition.ABANDONED


def test_an_agent_who_rejects_is_followed_by_another(served: Served, database: Database) -> None:
    uuid = served.switch.place_call(replace(PLAN, rings=(Ring("reject", 0.5), Ring("answer", 0.5))))
    assert served.ended(uuid).disposition is Disposition.ANSWERED
    assert story(database, uuid).count("agent_offered") == 2


def test_many_calls_at_once_all_end_in_the_database(served: Served) -> None:
    uuids = [
        served.switch.place_call(replace(PLAN, from_user=f"+1555010{i:04}", talk_s=2.0)) for i in range(40)
    ]
    ended = [served.until(uuid, lambda call: call.phase is Phase.ENDED, 60) for uuid in uuids]
    assert {call.disposition for call in ended} == {Disposition.ANSWERED}
    assert len({call.contact_id for call in ended}) == 40


@pytest.mark.parametrize("seen", [Phase.ANSWERED, Phase.RINGING, Phase.TALKING])
def test_a_controller_killed_in_mid_call_takes_it_up_again(served: Served, seen: Phase) -> None:
    uuid = served.switch.place_call(replace(PLAN, talk_s=30.0, rings=(Ring("answer", 5.0),)))
    served.until(uuid, lambda call: call.phase is seen)
    served.detach()
    gevent.sleep(0.3)
    served.attach()
    call = served.ended(uuid)
    assert (call.disposition, call.hangup_cause) == (Disposition.ANSWERED, "NORMAL_CLEARING")
    assert call.bridged_at is not None
    assert call.agent is not None


def test_a_call_that_began_while_nobody_listened_is_found(served: Served) -> None:
    served.detach()
    uuid = served.switch.place_call(replace(PLAN, talk_s=40.0))
    gevent.sleep(0.6)
    served.attach()
    call = served.until(uuid, lambda c: c.phase is Phase.TALKING and c.thread_id is not None)
    assert (call.queue, call.found) == ("support@fsctl", "resync")
    assert served.ended(uuid).disposition is Disposition.ANSWERED


def test_a_call_that_ended_while_nobody_listened_is_ended(served: Served) -> None:
    uuid = served.switch.place_call(PLAN)
    served.until(uuid, lambda call: call.phase is Phase.TALKING)
    served.detach()
    assert served.switch.wait_idle(10)
    served.attach()
    call = served.ended(uuid)
    assert (call.hangup_cause, call.disposition) == ("NORMAL_CLEARING", Disposition.ANSWERED)


def test_a_call_that_began_and_ended_while_nobody_listened_is_in_its_thread(served: Served) -> None:
    served.detach()
    uuids = [
        served.switch.place_call(replace(PLAN, headers=(("x-wa-meta-wacid", "wacid.Gap/1+="),))),
        served.switch.place_call(replace(PLAN, rings=(Ring("no_answer"),), abandon_after_s=3.0)),
    ]
    assert served.switch.wait_idle(15)
    served.attach()
    talked, abandoned = (served.ended(uuid) for uuid in uuids)
    assert (talked.disposition, abandoned.disposition) == (Disposition.ANSWERED, Disposition.ABANDONED)
    assert talked.thread_id is not None
    assert (talked.wacid, talked.queue, talked.to_number) == (
        "wacid.Gap/1+", "support@fsctl", PLAN.to_number.lstrip("+")
    )  # fmt: skip
    assert talked.agent is not None
    assert talked.bridged_at is not None
    assert talked.found == abandoned.found == "ledger"
    assert abandoned.bridged_at is None
    with gevent.Timeout(5, AssertionError(f"never struck out: {served.switch.db}")):
        while served.switch.db:
            gevent.sleep(0.05)


def test_a_link_that_breaks_in_mid_call_comes_back_and_loses_nothing(
    make_switch: Callable[..., Switch], database: Database, proxy: Callable[[tuple[str, int]], Proxy]
) -> None:
    switch = make_switch()
    between = proxy(("127.0.0.1", switch.port))
    one = Served(switch, between.port, database)
    uuids = [switch.place_call(replace(PLAN, start_after_s=i, talk_s=80.0)) for i in range(8)]
    for cut in range(6):
        gevent.sleep(0.25)
        between.limit = 200 + cut * 1500
    ended = [one.until(uuid, lambda call: call.phase is Phase.ENDED, 30) for uuid in uuids]
    assert {call.hangup_cause for call in ended} == {"NORMAL_CLEARING"}
    one.detach()


def test_a_freeswitch_that_restarts_ends_its_calls_and_is_served_again(served: Served) -> None:
    uuid = served.switch.place_call(replace(PLAN, talk_s=60.0))
    served.until(uuid, lambda call: call.phase is Phase.TALKING)
    served.switch.stop(notice=False)
    served.switch.start()
    assert served.ended(uuid).hangup_cause == "SYSTEM_SHUTDOWN"
    again = served.switch.place_call(PLAN)
    assert served.ended(again).disposition is Disposition.ANSWERED


def test_what_a_stranger_sends_reaches_the_database_and_changes_no_command(served: Served) -> None:
    tricks = "'\"{},;|=\\%0A\x1b[2J\u202eé\n\nUnique-ID: evil " * 250
    plan = replace(
        PLAN,
        display_name=tricks,
        headers=(("X-WA-Meta-CTA-Payload", tricks), ("x-wa-meta-wacid", "wacid.A=")),
    )
    call = served.ended(served.switch.place_call(plan))
    assert call.disposition is Disposition.ANSWERED
    assert call.wacid == "wacid.A"
    assert call.display_name == tricks[: len(call.display_name)]
    assert len(call.display_name) == 512
    assert call.cta_payload == tricks[:512]


def test_a_wrong_password_is_told_and_not_tried_for_ever(make_switch: Callable[..., Switch]) -> None:
    switch = make_switch()
    link = Link(Address("127.0.0.1", switch.port, "wrong"), Origin("fs1", {}))
    link.start()
    assert link.ready.wait(5)
    assert link.refused is not None
    assert "wrong password" in str(link.refused)
    link.stop()
