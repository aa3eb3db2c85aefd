"""The reconciler, the roster and their tables: on a simulated FreeSWITCH and a real Postgres."""

import json
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gevent
import psycopg
import pytest
from gevent import subprocess

from fsctl import reconciler
from fsctl.call.policy import Policy
from fsctl.console import agents as agents_table
from fsctl.console import audit as audit_table
from fsctl.console import queues as queues_table
from fsctl.controller import Controller
from fsctl.errors import CommandRefused, LinkError
from fsctl.esl import encode
from fsctl.esl.connection import Connection, Reply
from fsctl.esl.decode import Origin
from fsctl.esl.link import Address, Link
from fsctl.reconciler import Reconciler, Round, once
from fsctl.roster import Roster
from fsctl.serving import Serving
from fsctl.sim import CallPlan, Ring, Switch
from fsctl.sim.tables import AgentOptions, QueueOptions, TierOptions
from fsctl.store.agents import Agents, Listed, Rows
from fsctl.store.audit import Audit, Entry
from fsctl.store.calls import Calls
from fsctl.store.db import Database
from fsctl.store.links import Links, NodeLock
from fsctl.store.queues import Queues
from tests.fix_switch import PASSWORD

ORIGIN = Origin("fs1", {"whatsapp": "whatsapp"})
QUEUE = "support@fsctl"


class House:
    """A switch, a database, a reconciler and a person at the roster."""

    def __init__(self, switch: Switch, database: Database, wrap_up_s: dict[str, int]) -> None:
        self.switch, self.database = switch, database
        self.connection = Connection("127.0.0.1", switch.port, PASSWORD, lambda _event: None)
        self.connection.connect()
        self.agents, self.audit = Agents(database), Audit(database)
        self.asked: list[str] = []
        self.reconciler = Reconciler(self.request, ORIGIN, self.agents, self.audit, wrap_up_s)
        self.roster = Roster(self.request, ORIGIN, self.agents, self.audit, wrap_up_s, "eva")

    def request(self, command: encode.Request) -> Reply:
        self.asked.append(command.render())
        return self.connection.request(command)

    def rounds(self, count: int = 2) -> Round:
        """So many rounds, without the time between them."""
        for _ in range(count):
            last = self.reconciler.round()
        return last

    def agent(self, name: str = "agent1") -> Listed:
        return next(one for one in self.agents.all() if one.name == name)

    def actions(self) -> list[tuple[str, str, str]]:
        return [(one.who, one.action, one.subject) for one in self.audit.entries()]


MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(make_switch: Callable[..., Switch], database: Database) -> Iterator[MakeHouse]:
    made: list[House] = []

    def make(wrap_up_s: dict[str, int] | None = None, **options: object) -> House:
        made.append(House(make_switch(**({"speed": 1.0} | options)), database, wrap_up_s or {}))
        return made[-1]

    yield make
    for house in made:
        house.connection.close()


# --- the mirror --------------------------------------------------------------------------------------------


def test_a_round_mirrors_agents_tiers_and_queues(make_house: MakeHouse) -> None:
    house = make_house()
    found = house.rounds(1)
    assert found.cases == ()
    assert [(one.name, one.status, one.state, one.registered) for one in house.agents.all()] == [
        (name, "Available", "Waiting", True) for name in ("agent1", "agent2", "agent3")
    ]
    assert {"sales@fsctl", QUEUE} <= set(house.agent().queues)
    now = datetime.now(UTC)
    listed = Queues(house.database).all(now, now, 20)
    loads = {one.name: (one.waiting, one.agents_staffed, one.agents_ready) for one in listed}
    assert (loads["sales@fsctl"], loads[QUEUE]) == ((0, 3, 3), (0, 3, 3))


def test_what_is_gone_from_the_switch_is_gone_from_the_tables(make_house: MakeHouse) -> None:
    house = make_house()
    house.rounds(1)
    house.agents.write(
        "fs2",
        Rows(
            agents=[{"name": "zoe", "status": "", "state": "", "contact": "", "wrap_up_s": 0}],
            tiers=[],
            queues=[],
        ),
    )
    house.connection.send("api callcenter_config agent del agent1")
    house.rounds(1)
    assert [one.name for one in house.agents.all()] == ["agent2", "agent3", "zoe"]


def test_a_switch_without_callcenter_is_empty_and_well(make_house: MakeHouse) -> None:
    house = make_house(queues=(), agents=(), tiers=())
    assert house.rounds().cases == ()
    assert house.agents.all() == []


def test_what_is_kept_of_agents_outlives_a_moment_without_the_module(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house()
    house.roster.set_wrap_up("agent1", 7)
    house.rounds(1)
    with monkeypatch.context() as patched:
        patched.setattr(house.switch.callcenter, "agents", {})
        patched.setattr(house.switch.callcenter, "queues", {})
        house.rounds(1)
    assert [one.name for one in house.agents.kept("fs1")] == ["agent1"]


def test_a_round_costs_little(make_house: MakeHouse) -> None:
    queues = tuple(QueueOptions(f"q{i}@fsctl") for i in range(20))
    agents = tuple(AgentOptions(f"a{i}", f"user/a{i}@fsctl") for i in range(200))
    tiers = tuple(TierOptions(f"q{(i + k) % 20}@fsctl", f"a{i}") for i in range(200) for k in range(3))
    house = make_house(queues=queues, agents=agents, tiers=tiers)
    house.rounds(1)
    house.asked.clear()
    since = time.perf_counter()
    house.rounds(5)
    assert (time.perf_counter() - since) / 5 < 1.0
    assert len(house.asked) == 5 * (6 + 20)


# --- repairs -----------------------------------------------------------------------------------------------


def test_an_agent_without_a_call_is_set_free_once_and_it_is_written_down(make_house: MakeHouse) -> None:
    house = make_house()
    house.connection.send("api callcenter_config agent set state agent1 Receiving")
    house.connection.send(f"api callcenter_config tier set state {QUEUE} agent1 Offering")
    assert not house.rounds(1).sent
    assert len(house.rounds(1).sent) == 1
    assert house.rounds(2).cases == ()
    assert house.agent().state == "Waiting"
    assert house.actions() == [("reconciler", "reconcile.agent-without-channel", "agent1")]
    (entry,) = house.audit.entries()
    assert entry.detail["before"].startswith("Receiving since ")
    assert entry.detail["commands"] == [
        "api callcenter_config agent set state agent1 Waiting",
        f"api callcenter_config tier set state {QUEUE} agent1 Ready",
    ]
    assert entry.result == "+OK; +OK"
    assert house.reconciler.repaired == {"agent-without-channel": 1}


def test_what_comes_back_is_reported_and_not_hammered(make_house: MakeHouse) -> None:
    house = make_house()
    for _ in range(3):
        house.connection.send("api callcenter_config agent set state agent1 Reserved")
        house.rounds(4)
    assert house.actions() == [
        ("reconciler", "reconcile.agent-without-channel", "agent1"),
        ("reconciler", "reconcile.left", "agent1"),
    ]
    assert house.reconciler.status()["left"] == ["agent1 is Reserved without a call"]


def test_a_stranded_member_is_reported_once(make_house: MakeHouse) -> None:
    house = make_house()
    member = house.switch.strand_member(QUEUE, "Answered", "agent1")
    house.rounds(5)
    assert house.actions() == [("reconciler", "reconcile.left", member)]


def test_a_call_from_offer_to_end_is_nobodys_finding(make_house: MakeHouse) -> None:
    house = make_house(speed=2.0)
    house.switch.place_call(CallPlan(rings=(Ring("answer", 3.0),), talk_s=3.0))
    kinds = set()
    with gevent.Timeout(20, AssertionError("the call does not end")):
        while house.switch.sessions == 0 or house.switch.channels:
            kinds |= {case.finding.kind for case in house.rounds(1).cases if case.rounds >= 2}
            gevent.sleep(0.1)
    # No controller has told Postgres of the call, which is all that is wrong.
    assert kinds == {"call-unknown"}
    assert [action for _, action, _ in house.actions()] == ["reconcile.left"]


def test_an_agent_whose_phone_is_gone_is_put_away_and_comes_back_with_it(make_house: MakeHouse) -> None:
    house = make_house()
    house.connection.send("api callcenter_config agent set status agent2 'Available (On Demand)'")
    house.rounds(1)
    house.switch.unregister("agent2")
    house.rounds(3)
    assert house.agent("agent2").status == "On Break"
    assert house.agent("agent2").is_put_away
    assert "(phone gone)" in agents_table.as_text(house.agents.all())
    house.switch.register("agent2")
    house.rounds(3)
    assert house.agent("agent2").status == "Available (On Demand)"
    assert [action for _, action, _ in house.actions()] == ["reconcile.phone-gone", "reconcile.phone-back"]


def test_a_person_who_sends_the_agent_on_a_break_meanwhile_is_heard(make_house: MakeHouse) -> None:
    house = make_house()
    house.switch.unregister("agent2")
    house.rounds(3)
    gevent.sleep(1.1)
    house.roster.set_status("agent2", "break")
    house.switch.register("agent2")
    house.rounds(3)
    assert house.agent("agent2").status == "On Break"


def test_a_new_reconciler_knows_whom_the_last_one_put_away(make_house: MakeHouse) -> None:
    house = make_house()
    house.switch.unregister("agent2")
    house.rounds(3)
    house.reconciler = Reconciler(house.request, ORIGIN, house.agents, house.audit, {})
    house.switch.register("agent2")
    house.rounds(3)
    assert house.agent("agent2").status == "Available"


def test_a_stopped_dispatcher_is_reported(make_house: MakeHouse) -> None:
    house = make_house(speed=20.0)
    house.switch.stop_dispatcher()
    house.switch.place_call(CallPlan(rings=(Ring("answer", 1.0),), abandon_after_s=120.0))
    with gevent.Timeout(15, AssertionError("nobody notices")):
        while ("reconciler", "reconcile.left", QUEUE) not in house.actions():
            house.rounds(1)
            gevent.sleep(0.1)


def test_without_postgres_nothing_is_repaired(make_house: MakeHouse, dsn: str) -> None:
    house = make_house()
    house.rounds(1)
    house.connection.send("api callcenter_config agent set state agent1 Reserved")
    house.database.close()
    for _ in range(3):
        with pytest.raises(Exception, match="Postgres"):
            house.reconciler.round()
    assert "Reserved" in house.connection.send("api callcenter_config agent list agent1")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("select count(*) from audit").fetchone() == (0,)


def test_a_switch_that_is_gone_ends_the_round(make_house: MakeHouse) -> None:
    house = make_house()
    house.switch.stop(notice=False)
    with pytest.raises(LinkError):
        house.reconciler.round()


def test_the_node_that_is_served_is_reconciled(
    make_house: MakeHouse, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "EVERY_S", 0.1)
    house = make_house()

    def link() -> Link:
        one = Link(Address("127.0.0.1", house.switch.port, PASSWORD), ORIGIN)
        one.listener = Controller(Calls(database), Policy(default_queue=QUEUE), one.request)
        return one

    def beside(one: Link) -> list[Reconciler]:
        return [Reconciler(one.request, ORIGIN, house.agents, house.audit, {})]

    serving = gevent.spawn(Serving("fs1", NodeLock(database.dsn, "fs1"), Links(database), link, beside).run)
    try:
        with gevent.Timeout(15, AssertionError("nobody repairs")):
            while not house.agents.all():
                gevent.sleep(0.05)
            house.connection.send("api callcenter_config agent set state agent1 Reserved")
            while house.actions() != [("reconciler", "reconcile.agent-without-channel", "agent1")]:
                gevent.sleep(0.05)
            # The link goes and comes: rounds stop and go on.
            house.switch.drop_listeners()
            house.connection = Connection("127.0.0.1", house.switch.port, PASSWORD, lambda _event: None)
            house.connection.connect()
            house.connection.send("api callcenter_config agent set state agent2 Reserved")
            while len(house.actions()) < 2:
                gevent.sleep(0.05)
            while Links(database).all()[0].status.get("repairs") != {"agent-without-channel": 2}:
                gevent.sleep(0.05)
    finally:
        serving.kill()


# --- once, by hand -----------------------------------------------------------------------------------------


def test_a_dry_run_says_what_it_would_send(make_house: MakeHouse) -> None:
    house = make_house()
    house.connection.send("api callcenter_config agent set state agent3 Reserved")
    lines, is_well = once(house.reconciler, act=False)
    assert lines == [
        "agent3 is Reserved without a call",
        "  would send: api callcenter_config agent set state agent3 Waiting",
    ]
    assert not is_well
    assert house.actions() == []
    lines, is_well = once(house.reconciler, act=True)
    assert lines[1:] == ["  sent: api callcenter_config agent set state agent3 Waiting -> +OK"]
    assert is_well
    assert once(house.reconciler, act=True) == ([], True)


def test_what_no_command_repairs_is_left(make_house: MakeHouse) -> None:
    house = make_house()
    house.switch.strand_member(QUEUE, "Answered", "agent1")
    lines, is_well = once(house.reconciler, act=True)
    assert lines[0] == f"a caller who is gone stands in {QUEUE} as Answered"
    assert lines[1].startswith("  left: no command removes it")
    assert not is_well


# --- the roster --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("available", "Available"),
        ("on-demand", "Available (On Demand)"),
        ("break", "On Break"),
        ("out", "Logged Out"),
    ],
)
def test_a_status_is_set_and_audited_with_the_person(make_house: MakeHouse, typed: str, status: str) -> None:
    house = make_house()
    assert house.roster.set_status("agent1", typed) == f"agent1 is {status}, was Available"
    house.rounds(1)
    assert house.agent().status == status
    (entry,) = house.audit.entries()
    assert (entry.who, entry.action, entry.subject, entry.result) == ("eva", "agent.status", "agent1", "done")
    assert (entry.detail["before"]["status"], entry.detail["after"]["status"]) == ("Available", status)


def test_an_agent_who_is_not_there_is_a_clear_error_and_audited(make_house: MakeHouse) -> None:
    house = make_house()
    with pytest.raises(CommandRefused, match=r"no agent named 'bob' \(there is: agent1, agent2, agent3\)"):
        house.roster.set_status("bob", "available")
    (entry,) = house.audit.entries()
    assert entry.result.startswith("fs1 has no agent named 'bob'")


@pytest.mark.parametrize(
    "name", ["x' y", "a|b", "agent1\nshutdown", "", "agent1 Available", "a" * 5000, "\ud800"]
)
def test_no_name_becomes_a_command(make_house: MakeHouse, name: str) -> None:
    house = make_house()
    with pytest.raises(CommandRefused):
        house.roster.set_status(name, "out")
    house.rounds(1)
    assert {one.status for one in house.agents.all()} == {"Available"}


def test_available_wakes_an_agent_who_is_idle(make_house: MakeHouse) -> None:
    house = make_house()
    house.connection.send("api callcenter_config agent set state agent1 Idle")
    house.roster.set_status("agent1", "available")
    house.rounds(1)
    assert house.agent().state == "Waiting"


def test_a_wrap_up_that_was_ended_early_is_as_long_as_before_the_next_time(make_house: MakeHouse) -> None:
    house = make_house()
    agent = house.switch.callcenter.agents["agent1"]
    agent.wrap_up_time, agent.last_bridge_end = 4, house.switch.callcenter.now()
    house.rounds(1)
    assert house.agent().wrap_up_left_s in (3, 4)
    assert "s left" in agents_table.as_text(house.agents.all())
    house.roster.ready("agent1")
    assert agent.wrap_up_time == 0
    house.rounds(3)
    assert agent.wrap_up_time == 0
    gevent.sleep(5.1)
    house.rounds(3)
    assert agent.wrap_up_time == 4
    assert house.agents.kept("fs1") == []


def test_ready_without_a_wrap_up_changes_no_length(make_house: MakeHouse) -> None:
    house = make_house()
    agent = house.switch.callcenter.agents["agent1"]
    agent.wrap_up_time, agent.ready_time = 4, house.switch.callcenter.now() + 60
    house.roster.ready("agent1")
    assert (agent.wrap_up_time, agent.ready_time) == (4, 0)


def test_ready_is_refused_for_who_takes_no_calls(make_house: MakeHouse) -> None:
    house = make_house()
    house.roster.set_status("agent1", "out")
    with pytest.raises(CommandRefused, match="Logged Out"):
        house.roster.ready("agent1")


def test_the_queues_wrap_up_holds_until_a_person_says_otherwise(make_house: MakeHouse) -> None:
    house = make_house({QUEUE: 30})
    agent = house.switch.callcenter.agents["agent1"]
    house.rounds(3)
    assert agent.wrap_up_time == 30
    assert house.roster.set_wrap_up("agent1", 7) == "agent1 has 7 s of wrap-up"
    house.rounds(3)
    assert agent.wrap_up_time == 7
    house.roster.set_wrap_up("agent1", None)
    assert agent.wrap_up_time == 30
    with pytest.raises(CommandRefused, match="expected 0 to"):
        house.roster.set_wrap_up("agent1", -1)


# --- queues and audit --------------------------------------------------------------------------------------


def call(
    connection: psycopg.Connection, uuid: str, waited_s: int, *, talked_s: int | None = None, **more: object
) -> None:
    """A call that joined two minutes ago and is over."""
    queued_at = datetime.now(UTC) - timedelta(minutes=more.pop("minutes", 2))  # type: ignore[arg-type]
    left_at = queued_at + timedelta(seconds=waited_s)
    row = {
        "uuid": uuid, "node": "fs1", "channel": "whatsapp", "phase": "ended", "queue": QUEUE,
        "offered_at": queued_at, "queued_at": queued_at, "answer_within_s": 20,
        "bridged_at": left_at if talked_s is not None else None,
        "ended_at": left_at + timedelta(seconds=talked_s or 0),
        "disposition": "abandoned" if talked_s is None else "answered", **more,
    }  # fmt: skip
    names = ", ".join(row)
    values = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into call ({names}) values ({values})".encode(), row)  # noqa: S608


def test_service_level_and_expected_wait_come_from_the_queues_own_calls(
    make_house: MakeHouse, dsn: str
) -> None:
    house = make_house()
    house.rounds(1)
    with psycopg.connect(dsn) as connection:
        call(connection, "in-time", 10, talked_s=60)
        call(connection, "late", 30, talked_s=120)
        call(connection, "gave-up-early", 5)
        call(connection, "gave-up-late", 25)
        call(connection, "timed-out", 25, disposition="timed_out")
        call(connection, "refused", 0, disposition="refused", queued_at=None)
        call(connection, "yesterday", 5, talked_s=10, minutes=60 * 30)
        connection.execute("update queue set agents_ready = 0, waiting = 1 where name = %s", (QUEUE,))
        call(connection, "waiting", 0, phase="queued", ended_at=None, disposition=None)
    now = datetime.now(UTC)
    found = {
        one.name: one
        for one in Queues(house.database).all(now - timedelta(hours=1), now - timedelta(days=1), 20)
    }
    support = found[QUEUE]
    assert (support.hour.answered, support.hour.answered_in_time) == (2, 1)
    assert (support.hour.abandoned, support.hour.abandoned_late) == (3, 2)
    assert support.hour.service_level == 0.25
    # Talk of 60, 120 and 10 s, and 2 s of wrap-up; one ahead; three agents.
    assert support.expected_wait_s == pytest.approx((190 / 3 + 2) * 2 / 3)
    assert found["sales@fsctl"].hour.service_level is None
    assert found["sales@fsctl"].expected_wait_s == 0
    text = queues_table.as_text(list(found.values()))
    assert "25 %" in text
    assert queues_table.as_values([support])[0]["hour"]["service_level"] == 0.25


def test_the_audit_is_listed_by_time_and_action(database: Database) -> None:
    audit = Audit(database)
    for action in ("agent.status", "agents.other", "reconcile.left"):
        audit.append(Entry(who="eva\x1b[2J", action=action, subject="a\x00b", node="fs1", result="x\ud800"))
    assert [one.action for one in audit.entries(action="agent")] == ["agent.status"]
    assert [one.action for one in audit.entries(action="reconcile.left")] == ["reconcile.left"]
    assert audit.entries(since=datetime.now(UTC) + timedelta(minutes=1)) == []
    everything = audit.entries()
    assert len(everything) == 3
    assert "\x1b" not in audit_table.as_text(everything)
    assert audit_table.as_values(everything)[0]["result"] == "x?"


# --- the command line --------------------------------------------------------------------------------------


def fsctl(house: House, folder: Path, *words: str) -> tuple[int, str, str]:
    """Run a subcommand in a process of its own."""
    config = folder / "fsctl.toml"
    config.write_text(
        f'[[node]]\nname = "fs1"\nport = {house.switch.port}\npassword_env = "ESL"\n'
        f'[queue."{QUEUE}"]\nwrap_up_s = 9\n'
    )
    environment = {
        **os.environ,
        "ESL": PASSWORD,
        "FSCTL_DATABASE_URL": house.database.dsn,
        "LOGNAME": "forged",
    }
    command = [sys.executable, "-m", "fsctl", "--config", str(config), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_commands_from_the_shell(make_house: MakeHouse, tmp_path: Path) -> None:
    house = make_house()
    house.rounds(1)
    assert fsctl(house, tmp_path, "agent", "status", "agent1", "break")[:2] == (
        0,
        "agent1 is On Break, was Available\n",
    )
    code, _, error = fsctl(house, tmp_path, "agent", "ready", "bob")
    assert (code, error) == (
        1,
        "fsctl: fs1 has no agent named 'bob' (there is: agent1, agent2, agent3)\n",
    )
    assert fsctl(house, tmp_path, "agent", "wrap-up", "agent2", "5")[:2] == (0, "agent2 has 5 s of wrap-up\n")
    house.connection.send("api callcenter_config agent set state agent3 Reserved")
    code, shown, _ = fsctl(house, tmp_path, "reconcile", "--dry-run")
    assert code == 1
    assert "would send: api callcenter_config agent set state agent3 Waiting" in shown
    code, shown, _ = fsctl(house, tmp_path, "reconcile")
    assert code == 0, shown
    assert "agent1 has 2 s of wrap-up instead of 9 s" in shown
    listed = json.loads(fsctl(house, tmp_path, "agent", "list", "--json")[1])
    assert [(one["name"], one["status"], one["wrap_up_s"]) for one in listed] == [
        ("agent1", "On Break", 9),
        ("agent2", "Available", 5),
        ("agent3", "Available", 9),
    ]
    assert "On Break" in fsctl(house, tmp_path, "agent", "list")[1]
    queues = json.loads(fsctl(house, tmp_path, "queue", "list", "--json", "--node", "fs1")[1])
    assert {one["name"]: one["agents_staffed"] for one in queues}[QUEUE] == 2
    audited = json.loads(fsctl(house, tmp_path, "audit", "--since", "5m", "--action", "agent", "--json")[1])
    person = pwd.getpwuid(os.getuid()).pw_name
    assert [(one["who"], one["action"], one["subject"]) for one in audited] == [
        (person, "agent.status", "agent1"),
        (person, "agent.ready", "bob"),
        (person, "agent.wrap-up", "agent2"),
    ]
    assert "reconcile.wrap-up-differs" in fsctl(house, tmp_path, "audit")[1]
