"""Every command of the console on a real Postgres and a simulated switch: what it says, sends and writes down."""

import json
import shlex
from dataclasses import replace

import pytest

from fsctl.call.state import Phase
from fsctl.console.commands import COMMANDS, Who
from fsctl.console.commands.completion import Completion
from fsctl.sim import Ring
from fsctl.store.db import Database
from tests.integration.console_house import LONG, NODE, ConsoleHouse

EVIL = "A\x1b[2J\u202enn\nagent1"


def talking(console: ConsoleHouse, **changes: object) -> str:
    uuid = console.switch.place_call(replace(LONG, **changes))  # type: ignore[arg-type]
    console.served.until(uuid, lambda call: call.phase is Phase.TALKING)
    return uuid


def waiting(console: ConsoleHouse) -> str:
    """A call that no agent answers."""
    uuid = console.switch.place_call(replace(LONG, rings=(Ring("no_answer"),)))
    console.served.until(uuid, lambda call: call.phase in (Phase.QUEUED, Phase.RINGING))
    return uuid


def test_calls_that_go_on_are_listed_and_found_by_what_is_known(console: ConsoleHouse) -> None:
    uuid = talking(console)
    (row,) = console.ok("calls")
    assert (row["uuid"], row["phase"], row["queue"], row["node"]) == (uuid, "talking", "support@fsctl", NODE)
    assert console.ok(f"calls where agent={row['agent']} and queue=support@fsctl")[0]["uuid"] == uuid
    assert console.ok(f"calls where wacid={row['wacid']}")[0]["uuid"] == uuid
    assert console.ok(f"calls where thread={row['thread_id']}")[0]["uuid"] == uuid
    assert console.ok("calls where phase=queued") == []
    assert console.run("calls where queue=nobody@fsctl").text == "no calls"
    head, line = console.run("calls").text.split("\n")
    assert head.split()[:4] == ["call", "phase", "for", "caller"]
    assert line.startswith(uuid)
    assert "Ann" in line


def test_ended_calls_are_listed_when_they_are_asked_for(console: ConsoleHouse) -> None:
    uuid = talking(console)
    console.ok(f"hangup {uuid} --yes")
    console.served.ended(uuid)
    assert console.ok("calls") == []
    (row,) = console.ok("calls where phase=ended")
    assert (row["uuid"], row["disposition"]) == (uuid, "answered")
    assert console.ok("calls where disposition=answered")[0]["uuid"] == uuid


def test_a_call_is_shown_with_its_story_quality_encryption_consent_and_transcript(
    console: ConsoleHouse, database: Database
) -> None:
    uuid = talking(console)
    say_in(database, uuid, "where is my\x1b[2J order")
    shown = console.run(f"call {uuid[:8]}")
    values = console.ok(f"call {uuid}")
    assert values["uuid"] == uuid
    assert [fact["kind"] for fact in values["story"]][:3] == [
        "call_offered",
        "contact_found",
        "call_answered",
    ]
    assert values["transcript"]["turns"][0]["text"] == "where is my\x1b[2J order"
    assert "tls+sdes:AES_CM_128_HMAC_SHA1_80" in shown.text
    assert "told of the recording" in shown.text
    assert "quality      " in shown.text
    assert "transcript so far\n   0:01  caller: where is my\\x1b[2J order" in shown.text
    assert "\x1b" not in shown.text


def say_in(database: Database, uuid: str, text: str) -> None:
    sql = """
    with r as (insert into recording (call_uuid, node, path, started_at) values (%(u)s, 'fs1', %(u)s, now())
               on conflict (path) do update set path = excluded.path returning id),
    u as (insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate, state)
          select id, %(u)s, 'caller', 16000, 32000, 16000, 'done' from r returning id)
    insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, model)
    select id, %(u)s, 'caller', 1000, 2000, %(t)s, 'test' from u"""
    with database.transaction("test") as transaction:
        transaction._connection.execute(sql.encode(), {"u": uuid, "t": text})


def test_a_call_that_is_not_there_or_may_be_two_is_refused(console: ConsoleHouse) -> None:
    assert "no call is known as 'nothing'" in console.run("call nothing").text
    one, two = talking(console), talking(console)
    start = next((one[:n] for n in range(4, 36) if one[:n] == two[:n]), None)
    if start is not None:
        assert "say more of it" in console.run(f"call {start}").text


def test_queues_and_agents_are_listed(console: ConsoleHouse) -> None:
    waiting(console)
    console.round()
    (queue,) = console.ok("queues where queue=support@fsctl")
    assert queue["waiting"] == 1
    agents = console.ok("agents")
    assert {one["name"] for one in agents} >= {"agent1"}
    assert console.ok("agents where agent=agent1 status=available")[0]["name"] == "agent1"
    assert console.ok("agents where status=out") == []
    assert "support@fsctl" in console.run("queues").text


def test_an_agents_status_and_wrap_up_are_set(console: ConsoleHouse) -> None:
    console.round()
    console.ok("agent agent1 status break", "operator")
    assert "api callcenter_config agent set status agent1 'On Break'" in console.sent
    console.ok("agent agent1 wrap-up 45", "operator")
    console.ok("agent agent1 status available")
    console.ok("agent agent1 ready")
    console.round()
    (row,) = console.ok("agents where agent=agent1")
    assert (row["status"], row["wrap_up_s"]) == ("Available", 45)
    assert console.run("agent nobody status out").ok is False


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(console: ConsoleHouse) -> None:
    uuid = talking(console)
    console.round()
    before = console.switch.channels.keys()
    lines = {
        f"hangup {uuid} --dry-run": [f"api uuid_kill {uuid} MANAGER_REQUEST"],
        f"transfer {uuid} sales@fsctl --dry-run": [
            f"api uuid_setvar_multi {uuid} fsctl_queue=sales@fsctl",
            f"api uuid_transfer {uuid} transferred XML fsctl-path",
        ],
        "agent agent1 status out --dry-run": ["api callcenter_config agent set status agent1 'Logged Out'"],
        "agent agent1 wrap-up 30 --dry-run": ["api callcenter_config agent set wrap_up_time agent1 30"],
        "agent agent2 ready --dry-run": ["api callcenter_config agent set ready_time agent2 0"],
    }
    for line, expected in lines.items():
        assert console.ok(line)["would_send"][: len(expected)] == expected, line
        assert not set(expected) & set(console.sent), line
    assert (
        console.run(f"hangup {uuid} --dry-run").text
        == f"would send to fs1: api uuid_kill {uuid} MANAGER_REQUEST"
    )
    assert console.switch.channels.keys() == before


def test_a_call_is_ended_only_after_a_yes(console: ConsoleHouse) -> None:
    uuid = talking(console)
    assert "say --yes" in console.run(f"hangup {uuid}").text
    console.answer(False)
    assert console.run(f"hangup {uuid}").text == "nothing was done"
    assert console.sent == []
    console.answer(True)
    console.ok(f"hangup {uuid} NORMAL_CLEARING")
    assert console.questions[-1] == f"End call {uuid}?"
    call = console.served.ended(uuid)
    assert call.hangup_cause == "NORMAL_CLEARING"
    assert f"call {uuid} has ended" in console.run(f"hangup {uuid} --yes").text


def test_a_call_that_waits_goes_to_another_queue(console: ConsoleHouse) -> None:
    uuid = waiting(console)
    console.round()
    console.ok(f"transfer {uuid} sales@fsctl --yes")
    call = console.served.until(uuid, lambda call: call.queue == "sales@fsctl")
    assert call.phase is not Phase.ENDED


def test_a_call_that_is_talked_in_goes_to_another_queue(console: ConsoleHouse) -> None:
    uuid = talking(console)
    console.round()
    console.ok(f"transfer {uuid} sales@fsctl --yes")
    call = console.served.until(
        uuid, lambda call: call.queue == "sales@fsctl" and call.phase in (Phase.TALKING, Phase.ENDED), 30
    )
    assert call.phase is Phase.TALKING


def test_a_queue_that_is_not_there_takes_nobody(console: ConsoleHouse) -> None:
    uuid = talking(console)
    console.round()
    for queue in ("nowhere@fsctl", "'sales@fsctl;x=1'", "'a b'"):
        assert "has no queue" in console.run(f"transfer {uuid} {queue} --yes").text
    assert console.sent == []


def test_a_prompt_of_ours_is_played_in_the_callers_language(console: ConsoleHouse) -> None:
    uuid = talking(console)
    folder = console.switch.globals["fsctl_prompts"]
    console.ok(f"say {uuid} recorded")
    assert console.sent[-1] == f"api uuid_broadcast {uuid} {folder}/en/recorded.wav aleg"
    console.ok(f"say {uuid} wait-5 --language pt --both")
    assert console.sent[-1] == f"api uuid_broadcast {uuid} {folder}/pt/wait-5.wav both"
    would = console.ok(f"say {uuid} chat --dry-run")["would_send"]
    assert would == [f"api uuid_broadcast {uuid} {folder}/en/chat.wav aleg"]


@pytest.mark.parametrize(
    "prompt", ["../../etc/passwd", "tone_stream://%(1000,0,400)", "hangup::x", "/x.wav", "voice"]
)
def test_nothing_else_is_played(console: ConsoleHouse, prompt: str) -> None:
    uuid = talking(console)
    assert "no prompt is named" in console.run(f"say {uuid} {prompt}").text
    assert "there are prompts in" in console.run(f"say {uuid} recorded --language ../en").text
    assert not any("uuid_broadcast" in line for line in console.sent)


def test_the_thread_is_shown_with_its_call(console: ConsoleHouse) -> None:
    uuid = talking(console)
    (row,) = console.ok("calls")
    assert console.ok(f"thread {row['thread_id']}")["items"][0]["uuid"] == uuid
    assert "WhatsApp call" in console.run("thread Ann").text
    assert "no thread" in console.run("thread Nobody at all").text
    assert "expected 1 to" in console.run(f"thread {row['thread_id']} --last 0").text


def test_what_happens_is_told(console: ConsoleHouse) -> None:
    uuid = talking(console)
    told = console.run("tail 50")
    assert "offered" in told.text
    assert {row["call_uuid"] for row in told.values} == {uuid}
    assert len(console.run("tail 2").text.split("\n")) == 2
    assert "expected 1 to 500" in console.run("tail 501").text


def test_a_route_is_explained(console: ConsoleHouse) -> None:
    uuid = talking(console)
    found = console.ok(f"route explain --wacid {uuid}")
    assert found["route"]["queue"] == "support@fsctl"
    assert found["then"]["uuid"] == uuid
    made_up = console.ok("route explain --from +15550100142 --to +15550100900")
    assert made_up["call"]["node"] == NODE
    assert "expected a number" in console.run("route explain --from nobody --to 1").text


def test_the_parts_of_the_house_say_how_they_are(console: ConsoleHouse, database: Database) -> None:
    uuid = talking(console)
    say_in(database, uuid, "hello")
    assert console.ok("transcribe")["depth"] == 0
    assert "live" in console.run("transcribe").text
    assert console.ok("recordings")["recordings"][0]["call_uuid"] == uuid
    assert console.ok(f"recordings where call={uuid}")["recordings"]
    assert console.ok("recordings where state=failed")["recordings"] == []
    assert console.ok("outbox") == []
    assert "expected a thread" in console.run("outbox where thread=x").text
    link = console.run("link")
    assert (link.ok, link.text) == (False, "no controller has reported yet: does `fsctl serve` run?")


def test_mod_callcenter_is_compared(console: ConsoleHouse) -> None:
    assert "say --yes" in console.run("reconcile").text
    assert console.run("reconcile --dry-run").values["is_well"] is True
    assert console.run("reconcile --yes").text == "nothing is wrong"


def test_a_node_is_chosen(console: ConsoleHouse) -> None:
    uuid = talking(console)
    assert console.ok("use")[0] | {"address": ""} == {
        "node": NODE,
        "address": "",
        "state": "?",
        "chosen": False,
    }
    console.ok(f"use {NODE}")
    assert console.ok("use")[0]["chosen"]
    assert console.ok("calls")[0]["uuid"] == uuid
    assert "no [[node]] is named 'fs9'" in console.run("use fs9").text
    console.ok("use all")
    assert console.house.node is None


def test_help_lists_what_the_person_may(console: ConsoleHouse) -> None:
    assert {one["command"] for one in console.ok("help")} == set(COMMANDS)
    viewer = {one["command"] for one in console.ok("help", "viewer")}
    assert viewer == set(COMMANDS) - {"agent", "say", "transfer", "hangup", "reconcile"}
    for name in COMMANDS:
        text = console.run(f"help {name}").text
        assert text == console.run(f"{name} --help").text
        assert text.startswith(f"usage: {name}")
    assert "no command is named" in console.run("help nonsense").text


CHANGES = (
    "agent agent1 status out",
    "say {uuid} recorded",
    "transfer {uuid} sales@fsctl --yes",
    "hangup {uuid} --yes",
)


@pytest.mark.parametrize("line", [*CHANGES, "reconcile --yes", "reconcile --dry-run"])
def test_a_viewer_changes_nothing(console: ConsoleHouse, line: str) -> None:
    uuid = talking(console)
    result = console.run(line.format(uuid=uuid), "viewer")
    assert "is for operators; eva is viewer" in result.text
    assert (result.ok, console.sent) == (False, [])


def test_each_command_says_what_it_takes(console: ConsoleHouse) -> None:
    for name, command in COMMANDS.items():
        assert command.name == name
        assert command.about
        text = console.run(f"{name} --no-such-option").text
        assert "unrecognized arguments" in text or "required" in text, text


def test_each_line_is_audited_with_user_node_and_result(console: ConsoleHouse) -> None:
    uuid = talking(console)
    console.run("calls")
    console.run(f"hangup {uuid} --yes", "viewer")
    console.run("nonsense\x00\ud800 " + "x" * 5000)
    console.run("calls 'x")
    console.ok(f"hangup {uuid} --yes")
    entries = console.audit()
    assert [one.action for one in entries] == [
        "console.calls", "console.hangup", "console.unknown", "console.unknown", "console.hangup",
    ]  # fmt: skip
    assert {(one.who, one.node) for one in entries} == {("eva", NODE)}
    assert [one.result == "done" for one in entries] == [True, False, False, False, True]
    assert entries[1].subject == f"hangup {uuid} --yes"
    assert entries[1].detail["role"] == "viewer"


LISTS = (
    "calls",
    "agents",
    "queues",
    "recordings",
    "outbox",
    "link",
    "transcribe",
    "use",
    "help",
    "tail",
    "reconcile --dry-run",
)


def test_json_is_json(console: ConsoleHouse) -> None:
    talking(console, display_name=EVIL)
    console.round()
    for line in LISTS:
        text = console.run(f"{line} --json").text
        json.loads(text)
        assert text.isascii(), "no terminal takes it for a command"
        assert text.replace("\n", "").isprintable()


def test_an_error_is_json_too(console: ConsoleHouse) -> None:
    result = console.run("call nothing --json")
    assert (result.ok, json.loads(result.text)) == (False, {"error": "no call is known as 'nothing'"})


def test_a_strangers_name_moves_nothing_on_the_terminal(console: ConsoleHouse) -> None:
    uuid = talking(console, display_name=EVIL)
    console.round()
    (row,) = console.ok("calls")
    assert row["name"] == EVIL, "programs get it as it is"
    for line in ("calls", f"call {uuid}", f"thread {row['thread_id']}", "tail", "agents", "queues"):
        text = console.run(line).text
        assert not set(text) & {"\x1b", "\u202e", "\x07", "\r"}, line
        assert "\nagent1" not in text or line == "agents"
        assert "\\x1b[2J" in text or line == "queues", line


def test_where_takes_what_it_knows(console: ConsoleHouse) -> None:
    for line in (
        "calls where",
        "calls queue=x",
        "calls where queue",
        "calls where queue=",
        "calls where uuid=a uuid=b",
    ):
        assert not console.run(line).ok, line
    assert "--watch: in `fsctl console` only" in console.run("calls --watch").text
    assert "at most 4096 characters" in console.run("calls " + "x" * 5000).text


def test_a_switch_that_is_away_is_one_line(console: ConsoleHouse) -> None:
    uuid = talking(console)
    console.switch.stop(notice=False)
    result = console.run(f"hangup {uuid} --yes")
    assert not result.ok
    assert "FreeSWITCH at 127.0.0.1" in result.text
    assert console.audit()[-1].result == result.text


def test_agents_of_one_name_on_two_nodes_are_told_apart(console: ConsoleHouse, database: Database) -> None:
    console.round()
    with database.transaction("test") as transaction:
        transaction._connection.execute(
            b"insert into agent (node, name, status, state, contact) select 'fs2', name, status, state, contact"
            b" from agent where name = 'agent1'"
        )
    assert "agent1 is on fs1 and fs2: `use` one of them" in console.run("agent agent1 status out").text
    console.ok(f"use {NODE}")
    console.ok("agent agent1 status out")


def test_a_line_is_completed_with_what_there_is(console: ConsoleHouse) -> None:
    uuid = talking(console, display_name=EVIL)
    console.round()
    of = Completion(Who("eva", "operator"), console.house).of
    assert of("ca") == ["calls", "call"]
    assert of("fsctl hang") == ["hangup"]
    assert of(f"hangup {uuid[:5]}") == [uuid]
    assert "NORMAL_CLEARING" in of(f"hangup {uuid} ")
    assert of("agent agent1 ") == ["status", "ready", "wrap-up"]
    assert of("agent agent1 status o") == ["on-demand", "out"]
    assert "agent1" in of("agent ")
    assert of(f"transfer {uuid} sales") == ["sales@fsctl"]
    assert "recorded" in of(f"say {uuid} ")
    assert of("calls ") == ["where"]
    assert of("calls where queue=sal") == ["queue=sales@fsctl"]
    assert "agent=" in of("calls where queue=sales@fsctl ")
    assert "queue=" not in of("calls where queue=sales@fsctl ")
    assert of("calls where phase=ta") == ["phase=talking"]
    assert of("use ") == ["fs1", "all"]
    assert of("help rec") == ["recordings", "reconcile"]
    assert "--dry-run" in of("hangup --")
    assert of("nonsense ") == of("help calls more ") == of("\x00\ud800 ' ") == []


def test_completion_offers_what_the_person_may_and_never_fails(
    console: ConsoleHouse, database: Database
) -> None:
    viewer = Completion(Who("eva", "viewer"), console.house)
    assert viewer.of("hang") == viewer.of("hangup ") == []
    database.close()
    assert viewer.of("call ") == []
    assert viewer.of("calls where queue=") == []


def test_the_switchs_own_commands_are_run_as_the_role_allows(console: ConsoleHouse) -> None:
    uuid = talking(console)
    assert "is ready" in console.run("api status", "viewer").text
    assert uuid in console.ok("api show channels as json", "viewer")["reply"]
    for line in ("api hupall", "api STATUS ${system(id)}", "api eval x", f"api uuid_kill {uuid}"):
        assert "is for " in console.run(line, "viewer").text, line
    assert "is for admins" in console.run("api hupall", "operator").text
    assert not console.run("api nonsense").ok
    assert uuid in console.switch.channels
    console.ok(f"api uuid_kill {uuid}", "operator")
    console.served.ended(uuid)
    assert console.audit()[-1].subject == f"api uuid_kill {uuid}"


def test_no_words_are_more_than_refused(console: ConsoleHouse) -> None:
    talking(console)
    console.round()
    words = [
        "",
        "0",
        "-1",
        "9" * 18,
        "9" * 40,
        "²",
        "é" * 300,
        "%s",
        "' or 1=1 --",
        "where",
        "a=b",
        "agent1",
        "x\x00",
    ]
    for name, command in COMMANDS.items():
        for word in words:
            dry_run = "--dry-run" if command.changes else ""
            console.run(f"{name} {shlex.quote(word)} {dry_run}")
            for key in command.keys:
                console.run(f"{name} where {key}={shlex.quote(word)}")
        assert console.run("calls").ok, name


def test_a_call_tells_how_the_customer_came_and_what_was_decided_after(
    console: ConsoleHouse, database: Database
) -> None:
    uuid = waiting(console)
    (row,) = console.ok("calls")
    with database.transaction("test") as transaction:
        transaction._connection.execute(
            b"insert into touch (thread_id, at, source, key, call_uuid, campaign, trusted)"
            b" values (%s, now(), 'link', 'k', %s, 'spring', false)",
            (row["thread_id"], uuid),
        )
        transaction._connection.execute(
            b"insert into followup (call_uuid, thread_id, outcome, reason, decided_at)"
            b" values (%s, %s, 'none', 'opted out', now())",
            (uuid, row["thread_id"]),
        )
    shown = console.run(f"call {uuid}")
    assert "came by      link spring (unsigned)" in shown.text
    assert "follow-up    none: opted out" in shown.text
    assert shown.values["touches"][0]["campaign"] == "spring"
