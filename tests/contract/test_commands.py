"""The commands that fsctl sends, and their replies word by word."""

import json
from collections.abc import Iterator

import gevent
import pytest

from fsctl.call import events
from fsctl.esl import encode
from fsctl.esl.connection import Connection
from fsctl.sim import CallPlan, Ring
from tests.contract.switches import PATIENCE_S, SwitchUnderTest, Watch, ask, attach, dump, new_wacid

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def connection(switch: SwitchUnderTest) -> Iterator[Connection]:
    """A connection for commands."""
    one = attach(switch.address)
    yield one
    one.close()


@pytest.fixture
def waiting(switch: SwitchUnderTest, watch: Watch) -> events.CallOffered:
    """A call in the queue; no agent answers."""
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), rings=(Ring("no_answer"),))
    switch.place_call(plan)
    call = watch.offered(plan)
    watch.fact(events.MemberJoined, call.uuid)
    return call


def test_status_says_that_it_is_up(connection: Connection) -> None:
    assert connection.must(encode.Status()).startswith("UP 0 years, 0 days, ")


def test_an_unknown_api_command_is_answered_in_the_body(connection: Connection) -> None:
    assert ask(connection, "api nosuch thing") == "-ERR nosuch Command not found!\n"


def test_an_unknown_command_is_answered_in_the_header(connection: Connection) -> None:
    assert ask(connection, "nosuch") == "-ERR command not found"


def test_without_calls_there_are_no_rows(connection: Connection) -> None:
    assert connection.must(encode.ShowChannels()) == '{"row_count": 0}\n'


def test_a_call_is_a_row_of_the_channels(connection: Connection, waiting: events.CallOffered) -> None:
    row = {"application": ""}
    with gevent.Timeout(PATIENCE_S, AssertionError("the channel's row is never up to date")):
        # The rows are a database that FreeSWITCH writes behind its channels.
        while row["application"] != "callcenter":
            shown = json.loads(connection.must(encode.ShowChannels()))
            row = next(one for one in shown["rows"] if one["uuid"] == waiting.uuid)
    assert shown["row_count"] == len(shown["rows"])
    assert (row["direction"], row["callstate"]) == ("inbound", "ACTIVE")
    assert (row["context"], row["initial_context"]) == ("whatsapp", "whatsapp")
    assert row["secure"] == "srtp:sdes:AES_CM_128_HMAC_SHA1_80"


def test_a_dump_is_the_channel_as_the_json_of_an_event(
    connection: Connection, waiting: events.CallOffered
) -> None:
    event = dump(connection, waiting.uuid)
    assert (event.name, event.get("Unique-ID")) == ("CHANNEL_DATA", waiting.uuid)
    assert event.get("Caller-Context") == "whatsapp"
    assert event.get("variable_sip_h_x-wa-meta-wacid") == waiting.wacid
    assert event.get("variable_cc_queue") == "support@fsctl"


@pytest.mark.parametrize(
    "command", [f"uuid_dump {NOBODY} json", f"uuid_kill {NOBODY}", f"uuid_getvar {NOBODY} a"]
)
def test_a_channel_that_is_not_there_is_an_error(connection: Connection, command: str) -> None:
    assert ask(connection, f"api {command}") == "-ERR No such channel!\n"


def test_a_channel_that_is_not_there_does_not_take_variables(connection: Connection) -> None:
    reply = connection.request(encode.SetVariables(NOBODY, (("a", "b"),)))
    assert reply.text == "-ERR No such channel!\n-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"


def test_whether_a_channel_exists_is_answered_without_a_line_feed(
    connection: Connection, waiting: events.CallOffered
) -> None:
    assert ask(connection, f"api uuid_exists {waiting.uuid}") == "true"
    assert ask(connection, f"api uuid_exists {NOBODY}") == "false"


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "two words",
        " blanks around ",
        "O'Brien",
        "'quoted'",
        'say "hello"',
        "a;fsctl_second=stolen",
        "x=y=z",
        "one,two|three",
        "back\\slash \\n",
        "${uuid} $1 {a} %41",
        "José Ñandú 你好 🙂",
    ],
)
def test_a_variable_arrives_as_it_was_encoded(
    connection: Connection, waiting: events.CallOffered, value: str
) -> None:
    pairs = (("fsctl_first", value), ("fsctl_second", "kept"))
    assert connection.must(encode.SetVariables(waiting.uuid, pairs)) == "+OK\n"
    assert ask(connection, f"api uuid_getvar {waiting.uuid} fsctl_first") == encode.variable(value)
    assert ask(connection, f"api uuid_getvar {waiting.uuid} fsctl_second") == "kept"


def test_a_variable_that_was_never_set_is_undefined(
    connection: Connection, waiting: events.CallOffered
) -> None:
    assert ask(connection, f"api uuid_getvar {waiting.uuid} fsctl_nothing") == "_undef_"


def test_an_empty_value_removes_a_variable(connection: Connection, waiting: events.CallOffered) -> None:
    connection.must(encode.SetVariables(waiting.uuid, (("fsctl_first", "x"),)))
    assert connection.must(encode.SetVariables(waiting.uuid, (("fsctl_first", ""),))) == "+OK\n"
    assert ask(connection, f"api uuid_getvar {waiting.uuid} fsctl_first") == "_undef_"


def test_hanging_up_ends_the_call_with_our_cause(
    connection: Connection, waiting: events.CallOffered, watch: Watch
) -> None:
    assert connection.must(encode.HangUp(waiting.uuid)) == "+OK\n"
    assert watch.fact(events.LegHungUp, waiting.uuid, leg="caller").cause == "MANAGER_REQUEST"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("agent", "-ERR Invalid!\n"),
        ("agent bogus", "-ERR no reply\n"),
        ("agent get bogus agent1", "-ERR Invalid Agent Update KEY!\n"),
        ("agent get state agent1", "Waiting"),
        ("agent get state nobody", "-ERR Agent not found!\n"),
        ("agent list a b", "-ERR Invalid!\n"),
        ("agent list nobody", "+OK\n"),
        ("agent reload", "-ERR Invalid!\n"),
        ("agent reload nobody", "+OK\n"),
        ("agent set status agent1", "-ERR Invalid!\n"),
        ("agent set bogus agent1 x", "-ERR Invalid Agent Update KEY!\n"),
        ("agent set state agent1 bogus", "-ERR Invalid Agent State!\n"),
        ("agent set status agent1 Logged Out", "-ERR Invalid Agent Status!\n"),
        ("agent set status nobody Available", "-ERR Agent not found!\n"),
        ("agent set type agent1 bogus", "-ERR Invalid Agent Type!\n"),
        ("bogus list", "-ERR no reply\n"),
        ("queue count agents support@fsctl Available", "3\n"),
        ("queue count bogus", "-ERR Invalid!\n"),
        ("queue count members nosuch", "0\n"),
        ("queue list agents", "+OK\n"),
        ("queue list agents support@fsctl Available Reserved", "+OK\n"),
        ("queue list bogus", "-ERR Invalid!\n"),
        ("queue list members nosuch", "+OK\n"),
        ("queue list tiers", "+OK\n"),
        ("queue load nosuch", "-ERR Invalid Queue not found!\n"),
        ("queue reload nosuch", "-ERR Invalid Queue not found!\n"),
        ("queue unload nosuch", "+OK\n"),
        ("tier del x", "-ERR Invalid!\n"),
        ("tier reload support@fsctl agent1", "+OK\n"),
        ("tier set state nosuch agent1 Ready", "-ERR Unknown Error!\n"),
        ("tier set state support@fsctl agent1 bogus", "-ERR Invalid Tier State!\n"),
    ],
)
def test_callcenter_answers_word_by_word(connection: Connection, command: str, reply: str) -> None:
    assert ask(connection, f"api callcenter_config {command}") == reply


def test_a_reserved_agent_is_one_that_waited(connection: Connection) -> None:
    reserve = "api callcenter_config agent set state_if_waiting agent1 Reserved"
    assert ask(connection, reserve) == "+OK\n"
    assert ask(connection, reserve) == "-ERR Agent not found!\n"
    assert ask(connection, "api callcenter_config agent set state agent1 Waiting") == "+OK\n"


def test_a_queue_loaded_again_writes_over_the_agents_status(connection: Connection) -> None:
    assert ask(connection, "api callcenter_config agent set status agent1 'On Break'") == "+OK\n"
    assert ask(connection, "api callcenter_config queue reload support@fsctl") == "+OK\n"
    assert ask(connection, "api callcenter_config agent get status agent1") == "Available"
