"""What routing may know, read from a real Postgres; and that a hundred thousand calls do not make it slow."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fsctl.call import commands, sla
from fsctl.call.events import Alias
from fsctl.call.known import Known, Load, Past
from fsctl.call.state import Call, Phase
from fsctl.store import known
from fsctl.store.calls import Calls
from fsctl.store.db import Database, queries
from fsctl.store.threads import NewMessage, Threads
from tests.fix_database import run

NOW = datetime.now(UTC).replace(microsecond=0)
ANN = Alias(kind="wa_id", value="15550100142")
CALL = Call(
    uuid="c-1", node="fs1", channel="whatsapp", phase=Phase.OFFERED, offered_at=NOW, to_number="15550100900"
)


def read(database: Database, contact_id: int, node: str = "fs1") -> Known:
    with database.transaction("test") as transaction:
        caller = known.caller(transaction, (), CALL.to_number, node, contact_id)
    assert caller is not None
    return Known(past=caller.past, loads=known.Loads(database).of(node))


def save(database: Database, **fields: Any) -> None:
    call = replace(CALL, **fields)
    Calls(database).apply([commands.SaveCall(uuid=call.uuid, call=call)])


@pytest.fixture
def ann(database: Database) -> int:
    """A contact without a past."""
    Threads(database).add_messages([ANN], "Ann", None, "15550100900", [])
    return int(run(database, "select id from contact")[0]["id"])


def talked(
    database: Database, contact_id: int, minutes_ago: float, agent: str = "agent1", **more: Any
) -> None:
    began = NOW - timedelta(minutes=minutes_ago)
    fields: dict[str, Any] = {
        "uuid": f"c-{minutes_ago}-{agent}", "contact_id": contact_id, "phase": Phase.ENDED, "queue": "q@x",
        "agent": agent, "queued_at": began, "bridged_at": began, "ended_at": began + timedelta(seconds=60),
    }  # fmt: skip
    save(database, **(fields | more))


def test_of_somebody_new_nothing_is_known(database: Database, ann: int) -> None:
    assert read(database, ann) == Known()


def test_the_last_agent_is_the_one_who_talked_last(database: Database, ann: int) -> None:
    talked(database, ann, 90, "agent1")
    talked(database, ann, 30, "agent2", queue="r@x")
    save(database, uuid="missed", contact_id=ann, phase=Phase.ENDED, ended_at=NOW, agent="agent3")
    past = read(database, ann).past
    assert (past.last_agent, past.last_queue) == ("agent2", "r@x")
    assert past.last_agent_at == NOW - timedelta(minutes=30)
    assert not past.last_agent_is_free


AGENT = {
    "node": "fs1", "name": "agent1", "status": "Available", "state": "Waiting", "registered": True,
    "wrap_up_s": 3000, "last_bridge_end": None, "ready_at": None, "updated_at": NOW,
}  # fmt: skip
INSERT_AGENT = """insert into agent (node, name, status, state, registered, wrap_up_s, last_bridge_end, ready_at,
    updated_at) values (%(node)s, %(name)s, %(status)s, %(state)s, %(registered)s, %(wrap_up_s)s,
    %(last_bridge_end)s, %(ready_at)s, %(updated_at)s)"""


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ({}, True),
        ({"registered": None}, True),
        ({"status": "Available (On Demand)"}, True),
        ({"last_bridge_end": NOW - timedelta(seconds=3001)}, True),
        ({"ready_at": NOW - timedelta(seconds=1)}, True),
        ({"registered": False}, False),
        ({"status": "On Break"}, False),
        ({"state": "In a queue call"}, False),
        ({"node": "fs2"}, False),
        ({"name": "agent2"}, False),
        ({"updated_at": NOW - timedelta(seconds=90)}, False),
        ({"last_bridge_end": NOW - timedelta(seconds=10)}, False),
        ({"ready_at": NOW + timedelta(hours=1)}, False),
    ],
)
def test_the_last_agent_is_free_or_not(
    database: Database, ann: int, change: dict[str, Any], free: bool
) -> None:
    talked(database, ann, 5)
    run(database, INSERT_AGENT, **(AGENT | {"updated_at": datetime.now(UTC)} | change))
    assert read(database, ann).past.last_agent_is_free is free


def test_a_vip_is_a_vip(database: Database, ann: int) -> None:
    run(database, "update contact set vip = true")
    assert read(database, ann).past == Past(vip=True)


def test_messages_are_the_customers_last_and_bounded(database: Database, ann: int) -> None:
    def message(number: int, body: str, minutes_ago: float, direction: str = "inbound") -> NewMessage:
        at = NOW - timedelta(minutes=minutes_ago)
        return NewMessage(wamid=f"w{number}", direction=direction, body=body, sent_at=at)

    chat = [message(i, f"message {i}", 100 - i) for i in range(20)]
    chat += [
        message(20, "from us", 1, "outbound"),
        message(21, "", 1),
        message(22, "é" * 10_000, 0.5),
        message(23, "of last week", 60 * 24 * 4),
    ]
    Threads(database).add_messages([ANN], "Ann", None, "15550100900", chat[:12])
    Threads(database).add_messages([ANN], "Ann", None, "15550100901", chat[12:])
    messages = read(database, ann).past.messages
    assert messages == ("é" * known.MESSAGE_LENGTH, "message 19", "message 18", "message 17", "message 16")


def queue(database: Database, name: str = "q@x", age_s: float = 0, **more: Any) -> None:
    fields = {"node": "fs1", "staffed": 3, "ready": 2} | more
    run(
        database,
        "insert into queue (node, name, waiting, agents_staffed, agents_ready, updated_at) "
        "values (%(node)s, %(name)s, 99, %(staffed)s, %(ready)s, now() - make_interval(secs => %(age_s)s))",
        name=name, age_s=age_s, **fields,
    )  # fmt: skip


def test_loads_are_the_nodes_own_with_those_who_wait_now(database: Database, ann: int) -> None:
    queue(database)
    queue(database, "other@x", node="fs2")
    for number, (node, phase) in enumerate(
        [("fs1", Phase.QUEUED), ("fs1", Phase.RINGING), ("fs1", Phase.TALKING), ("fs2", Phase.QUEUED)]
    ):
        save(database, uuid=f"w-{number}", node=node, phase=phase, queue="q@x", queued_at=NOW)
    assert read(database, ann).loads == {"q@x": Load(waiting=2, agents_staffed=3, agents_ready=2)}


def test_what_was_read_long_ago_says_nothing_of_the_agents(database: Database, ann: int) -> None:
    queue(database, age_s=61)
    assert read(database, ann).loads == {"q@x": Load()}


def test_handling_time_is_talk_and_wrap_up_of_the_last_calls(database: Database, ann: int) -> None:
    queue(database)
    for number in range(sla.HISTORY_CALLS):
        talked(
            database, ann, 10 + number, ended_at=NOW - timedelta(minutes=10 + number) + timedelta(seconds=100)
        )
    talked(database, ann, 500, ended_at=NOW)
    save(database, uuid="gave-up", queue="q@x", phase=Phase.ENDED, queued_at=NOW, ended_at=NOW)
    assert read(database, ann).loads["q@x"].handling_s == 100.0
    for name, wrap_up_s in (("agent1", 20), ("agent2", 40)):
        run(database, INSERT_AGENT, **(AGENT | {"name": name, "wrap_up_s": wrap_up_s}))
        run(
            database,
            "insert into tier (node, queue, agent, level, position, state) "
            "values ('fs1', 'q@x', %(name)s, 1, 1, 'Ready')",
            name=name,
        )
    assert read(database, ann).loads["q@x"].handling_s == 130.0


CROWD = """
insert into contact (display_name) select 'c' || i from generate_series(1, 5000) i;
insert into call (uuid, node, channel, phase, offered_at, contact_id, queue, agent, queued_at, bridged_at, ended_at)
select 'k' || i, 'fs1', 'whatsapp', 'ended', now() - i * interval '10 seconds', 1 + i %% 5000, 'q' || i %% 20,
       'a' || i %% 50, now() - i * interval '10 seconds',
       case when i %% 4 > 0 then now() - i * interval '10 seconds' end, now() - i * interval '9 seconds'
from generate_series(1, 100000) i;
insert into queue (node, name, waiting, agents_staffed, agents_ready)
select 'fs1', 'q' || i, 0, 5, 1 from generate_series(0, 19) i;
"""


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(deeper for child in plan.get("Plans", ()) for deeper in nodes(child))]


def test_a_hundred_thousand_calls_do_not_make_it_slow(database: Database) -> None:
    with database.transaction("test") as transaction:
        for statement in CROWD.replace("%%", "%").split(";")[:-1]:
            transaction._connection.execute(statement.encode())
    run(database, "analyze")
    for name in ("known.caller", "known.loads"):
        params = {
            "contact_id": 7, "portfolio": "", "at": None, "kinds": ["wa_id"], "values": ["1"],
            "business_number": CALL.to_number, "node": "fs1", "most": known.MESSAGES,
            "days": known.MESSAGE_AGE_DAYS, "length": known.MESSAGE_LENGTH, "history": sla.HISTORY_CALLS,
        }  # fmt: skip
        (row,) = run(database, f"explain (analyze, buffers, format json) {queries()[name]}", **params)
        plan = row["QUERY PLAN"] if isinstance(row["QUERY PLAN"], list) else json.loads(row["QUERY PLAN"])
        touched = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "call"]
        assert not [node for node in touched if node["Node Type"] == "Seq Scan"], name
        rows = sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in touched
        )
        assert rows <= 20 * sla.HISTORY_CALLS, name
        print(f"{name}: {plan[0]['Execution Time']:.2f} ms, planned in {plan[0]['Planning Time']:.2f} ms")


def test_somebody_without_a_name_gets_the_one_of_the_call(database: Database) -> None:
    nameless = Alias(kind="wa_id", value="15550100777")
    Threads(database).add_messages([nameless], "", None, "15550100900", [])
    question = commands.FindContact(
        uuid="c-1", at=datetime.now(UTC), node="fs1", aliases=(nameless,), display_name="Bea",
        to_number="15550100900",
    )  # fmt: skip
    assert Calls(database).answer(question).name == "Bea"
    assert Calls(database).answer(replace(question, display_name="Other")).name == "Bea"
