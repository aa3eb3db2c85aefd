"""Our ESL console before simulated switches: what clients see of it, byte by byte, and what it refuses."""

from collections.abc import Callable

import gevent
import pytest
from gevent.socket import create_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsctl.console import peer as peers
from fsctl.console import server as servers
from fsctl.console.server import Server
from fsctl.sim import Switch
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from tests.fix_console import LogIn, MakeConsole, Meet, until
from tests.unit.sim.wire import Client, Frame

MakeSwitch = Callable[..., Switch]
GREETING = b"Content-Type: auth/request\n\n"
ANN = "ann@example.com:ann-has-a-secret"


@pytest.fixture
def switch(make_switch: MakeSwitch) -> Switch:
    return make_switch()


@pytest.fixture
def console(switch: Switch, make_console: MakeConsole) -> Server:
    return make_console(switch.port)


def stranger(console: Server, meet: Meet) -> Client:
    """Connected, greeted, not logged in."""
    client = meet(console.address[1])
    assert client.read().get("Content-Type") == "auth/request"
    return client


def audited(database: Database, action: str = "console") -> list[tuple[str, str, str, str | None, str]]:
    return [
        (one.who, one.action, one.subject, one.node, one.result)
        for one in Audit(database).entries(action=action)
    ]


def events(client: Client, name: str, timeout_s: float = 10) -> Frame:
    """The next event of this name; others are passed over."""
    with gevent.Timeout(timeout_s, AssertionError(f"no {name}")):
        while True:
            frame = client.read()
            if frame.is_event and (
                frame.event().get("Event-Name") == name or frame.event().get("Event-Subclass") == name
            ):
                return frame


# --- bytes --------------------------------------------------------------------------------------------------

TRANSCRIPTS = {
    "fs_cli logs in with a user, asks and leaves": (
        f"userauth {ANN}\n\napi fsctl use fs1\nconsole_execute: true\n\nexit\n\n".encode(),
        GREETING + b"Content-Type: command/reply\nReply-Text: +OK accepted\nAllowed-Events: all\nAllowed-API: all\n"
        b"Allowed-LOG: true\n\n"
        b"Content-Type: api/response\nContent-Length: 10\n\nusing fs1\n"
        b"Content-Type: command/reply\nReply-Text: +OK bye\n\n"
        b"Content-Type: text/disconnect-notice\nContent-Length: 23\n\nDisconnected, goodbye.\n",
    ),
    "line ends may be CRLF, and blank lines before a command mean nothing": (
        f"\r\n\r\nauth {ANN}\r\n\r\n\n\nevent json HEARTBEAT\r\n\r\nexit\n\n".encode(),
        GREETING + b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
        b"Content-Type: command/reply\nReply-Text: +OK event listener enabled json\n\n"
        b"Content-Type: command/reply\nReply-Text: +OK bye\n\n"
        b"Content-Type: text/disconnect-notice\nContent-Length: 23\n\nDisconnected, goodbye.\n",
    ),
    "nothing but a log-in is answered before it, and one wrong word ends it": (
        b"api status\n\nevent plain all\n\nauth ClueCon\n\n",
        GREETING + b"Content-Type: command/reply\nReply-Text: -ERR command not found\n\n" * 2
        + b"Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"
        b"Content-Type: text/disconnect-notice\nContent-Length: 23\n\nDisconnected, goodbye.\n",
    ),
    "words of mod_event_socket": (
        f"auth {ANN}\n\nevent\n\nevent plain nonsense\n\nfilter x\n\nfilter Unique-ID a\n\n"
        "filter delete Unique-ID\n\nnixevent HEARTBEAT\n\nnoevents\n\nlinger\n\nmyevents\n\n"
        "api\n\nnolog\n\nlog loud\n\nwhat\n\nexit\n\n".encode(),
        GREETING + b"".join(
            b"Content-Type: command/reply\nReply-Text: %b\n\n" % text
            for text in (
                b"+OK accepted", b"-ERR no keywords supplied", b"-ERR no keywords supplied", b"-ERR invalid syntax",
                b"+OK filter added. [Unique-ID]=[a]", b"+OK filter deleted. [Unique-ID][]", b"+OK events nixed",
                b"-ERR not listening for events", b"-ERR not controlling a session", b"-ERR invalid uuid",
                b"-ERR command not found", b"-ERR not loging", b"-ERR invalid log level", b"-ERR command not found",
                b"+OK bye",
            )
        )
        + b"Content-Type: text/disconnect-notice\nContent-Length: 23\n\nDisconnected, goodbye.\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", TRANSCRIPTS)
@pytest.mark.parametrize("at_once", [True, False])
def test_transcript(console: Server, meet: Meet, story: str, at_once: bool) -> None:
    said, answer = TRANSCRIPTS[story]
    client = meet(console.address[1])
    for part in [said] if at_once else [said[n : n + 1] for n in range(len(said))]:
        client.socket.sendall(part)
        if not at_once:
            gevent.sleep(0)
    with gevent.Timeout(10):
        assert client.to_end() == answer


def test_what_is_not_ours_goes_to_the_switch_and_comes_back_as_it_is(
    console: Server, switch: Switch, log_in: LogIn, meet: Meet
) -> None:
    direct = meet(switch.port)
    direct.read()
    direct.command(f"auth {switch.options.password}")
    ours = log_in(console)
    for line in (
        "version",
        "show channels as json",
        "callcenter_config agent list",
        "nonsense",
        "create_uuid x",
    ):
        if line != "create_uuid x":
            assert ours.command(f"api {line}") == direct.command(f"api {line}")
    assert ours.api("callcenter_config queue list").startswith("name|")


def test_a_job_is_told_to_whom_it_belongs_under_the_uuid_that_was_given(
    console: Server, log_in: LogIn
) -> None:
    ann, vera = log_in(console), log_in(console, "vera")
    for client in (ann, vera):
        client.command("event json BACKGROUND_JOB HEARTBEAT")
    reply = vera.command("bgapi show channels\nJob-UUID: 7-of-mine")
    assert reply.get("Job-UUID") == "7-of-mine"
    told = vera.read()
    assert b'"Job-UUID":"7-of-mine"' in told.body
    assert b"0 total" in told.body
    assert vera.command("bgapi fsctl use\nJob-UUID: evil\x1b]0;x").get("Job-UUID") != "evil"
    assert ann.command("noevents").get("Reply-Text").startswith("+OK")
    assert b"7-of-mine" not in ann.raw


def test_events_come_in_the_form_that_was_asked_for(console: Server, switch: Switch, log_in: LogIn) -> None:
    clients = {form: log_in(console) for form in ("plain", "json", "xml")}
    for form, client in clients.items():
        assert client.command(f"event {form} CUSTOM test::one").get("Reply-Text").endswith(form)
    name = "Ann\r\nUnique-ID: forged\x1b[2J % \u202e"
    switch.bus.fire("CUSTOM", [("Name", name), ("variable_rtp_last_audio_local_crypto_key", "1 inline:abc")],
                    subclass="test::one", body="two\nlines")  # fmt: skip
    found = {form: events_body(client) for form, client in clients.items()}
    plain = Frame([], found["plain"]).event()
    assert plain["Name"] == r"Ann\nUnique-ID: forged\x1b[2J % \u202e"
    assert plain["variable_rtp_last_audio_local_crypto_key"] == "(hidden)"
    assert plain["_body"] == "two\nlines"
    assert b'"_body":"two\\nlines"' in found["json"]
    assert b"Ann" in found["json"]
    assert b"<Event-Subclass>test%3A%3Aone</Event-Subclass>" in found["xml"]
    assert b"<body>two\nlines</body>" in found["xml"]
    assert all(b"\x1b" not in body for body in found.values())


def events_body(client: Client) -> bytes:
    with gevent.Timeout(10):
        return client.read().body


# --- who may what -------------------------------------------------------------------------------------------


def test_a_viewer_sees_and_changes_nothing(console: Server, log_in: LogIn, database: Database) -> None:
    vera = log_in(console, "vera")
    assert "0 total" in vera.api("show channels")
    for line in (
        "hupall",
        "bgapi hupall",
        "expand ${system(id)}",
        "SHUTDOWN",
        "fsctl shutdown",
        "status ;; hupall",
    ):
        for verb in ("api", "bgapi"):
            assert (
                vera.command(f"{verb} {line}\nconsole_execute: true").get("Reply-Text")
                == "-ERR permission denied"
            )
    for line in ("sendevent CUSTOM\nEvent-Subclass: x::y", "sendmsg x\ncall-command: hangup", "log debug"):
        assert vera.command(line).get("Reply-Text") == "-ERR permission denied"
    refused = [row for row in audited(database) if row[4].startswith("refused: for admins")]
    assert ("vera@example.com", "console.api", "hupall", "fs1", "refused: for admins") in refused
    assert len(refused) == 14


def test_what_consoles_do_is_counted_by_role_and_result(console: Server, log_in: LogIn, meet: Meet) -> None:
    vera, otto = log_in(console, "vera"), log_in(console, "otto")
    assert (console.numbers().clients, console.numbers().taken) == (2, 2)
    for line in (
        "api status",
        "api fsctl calls",
        "api fsctl hangup x",
        "api hupall",
        "bgapi hupall",
        "sendevent X",
    ):
        vera.command(line)
    for line in (
        "api fsctl calls",
        "api fsctl call nothing",
        "api no_such_command",
        "event plain CHANNEL_CREATE",
    ):
        otto.command(line)
    assert console.numbers().commands == {
        ("viewer", "ok"): 2,
        ("viewer", "refused"): 4,
        ("operator", "ok"): 2,
        ("operator", "error"): 1,
        ("operator", "refused"): 1,
    }
    stranger = meet(console.address[1])
    stranger.read()
    assert stranger.command("auth wrong-password").get("Reply-Text") == "-ERR invalid"
    vera.socket.close()
    until(lambda: console.numbers().clients == 1, "gone")
    assert (console.numbers().refused, console.numbers().dropped) == (1, 0)


def test_an_operator_steers_agents_and_an_admin_has_all(console: Server, log_in: LogIn) -> None:
    otto, ann = log_in(console, "otto"), log_in(console)
    assert otto.api("callcenter_config agent set status agent1 'On Break'").startswith("+OK")
    assert ann.api("callcenter_config agent get status agent1") == "On Break"
    assert (
        otto.command("api callcenter_config agent set contact agent1 {x=1}null/1").get("Reply-Text")
        == "-ERR permission denied"
    )
    assert (
        ann.command("sendevent CUSTOM\nEvent-Subclass: x::y\nContent-Length: 4\n\nbody")
        .get("Reply-Text")
        .startswith("+OK")
    )


def test_an_admins_event_goes_round_with_its_body(console: Server, log_in: LogIn) -> None:
    ann, vera = log_in(console), log_in(console, "vera")
    vera.command("event plain CUSTOM x::y")
    ann.send("sendevent CUSTOM\nEvent-Subclass: x::y\nContent-Length: 9\n\none\n\ntwo\n")
    assert ann.read().get("Reply-Text").startswith("+OK")
    assert vera.read().event()["_body"] == "one\n\ntwo\n"


def test_nobody_speaks_in_our_name(console: Server, log_in: LogIn) -> None:
    ann = log_in(console)
    ann.command("event plain all")
    ann.command("sendevent CUSTOM\nEvent-Subclass: fsctl::call\nForged: yes")
    ann.command("sendevent CUSTOM\nEvent-Subclass: x::last")
    events(ann, "x::last")
    assert b"Forged" not in ann.raw


def test_what_others_do_on_the_switch_is_for_admins(console: Server, log_in: LogIn) -> None:
    ann, vera = log_in(console), log_in(console, "vera")
    for client in (ann, vera):
        client.command("event plain all")
    ann.api("version")
    assert events(ann, "API").event()["API-Command"] == "version"
    ann.command("sendevent CUSTOM\nEvent-Subclass: x::last")
    events(vera, "x::last")
    assert b"Event-Name: API" not in vera.raw


def test_each_command_is_in_the_audit_with_user_node_and_result(
    console: Server, log_in: LogIn, database: Database
) -> None:
    otto = log_in(console, "otto")
    otto.api("callcenter_config agent set status nobody Available")
    otto.api("fsctl use fs1")
    otto.command("exit")
    until(lambda: console.clients == 0, "gone")
    assert audited(database) == [
        ("otto@example.com", "console.login", "127.0.0.1", None, "done"),
        (
            "otto@example.com",
            "console.api",
            "callcenter_config agent set status nobody Available",
            "fs1",
            "-ERR Agent not found!",
        ),
        ("otto@example.com", "console.use", "fsctl use fs1", "fs1", "done"),
        ("otto@example.com", "console.logout", "127.0.0.1", None, ""),
    ]  # fmt: skip


# --- nodes --------------------------------------------------------------------------------------------------


def test_use_leads_commands_and_events_to_another_node(
    make_switch: MakeSwitch, make_console: MakeConsole, log_in: LogIn
) -> None:
    one, two = make_switch(), make_switch(agents=())
    client = log_in(make_console(one.port, two.port))
    assert "agent1" in client.api("callcenter_config agent list")
    client.command("event plain CUSTOM x::y")
    assert client.api("fsctl use fs2") == "using fs2\n"
    assert "agent1" not in client.api("callcenter_config agent list")
    one.bus.fire("CUSTOM", [("From", "one")], subclass="x::y")
    two.bus.fire("CUSTOM", [("From", "two")], subclass="x::y")
    assert events(client, "x::y").event()["From"] == "two"
    assert "-ERR" in client.api("fsctl use fs3")


def test_a_node_that_is_away_is_an_answer_and_its_events_come_back_with_it(
    make_switch: MakeSwitch, make_console: MakeConsole, log_in: LogIn
) -> None:
    switch = make_switch()
    client = log_in(make_console(switch.port))
    client.command("event plain CUSTOM x::y fsctl::node")
    client.command("filter Event-Subclass x::y")
    client.command("filter Event-Subclass fsctl::node")
    assert client.api("version").startswith("FreeSWITCH")
    switch.stop(notice=False)
    assert events(client, "fsctl::node").event()["fsctl-State"] == "lost"
    assert client.api("status").startswith("-ERR node fs1: ")
    assert client.api("switchname") == "fs1"
    assert client.api("fsctl help").startswith("command")
    assert "write=1:fsctl " in client.api("console_complete f")
    switch.start()
    assert events(client, "fsctl::node").event()["fsctl-State"] == "back"
    switch.bus.fire("CUSTOM", [], subclass="x::y")
    events(client, "x::y")
    assert client.api("version").startswith("FreeSWITCH")


# --- events of ours -----------------------------------------------------------------------------------------


def test_calls_and_alarms_are_told_as_events_of_ours(
    console: Server, switch: Switch, log_in: LogIn, database: Database
) -> None:
    from fsctl.store.alarms import Alarms
    from tests.integration.test_serving import build

    ann, vera = log_in(console), log_in(console, "vera")
    ann.command("event plain CUSTOM fsctl::call fsctl::transcript fsctl::alarm")
    vera.command("event plain CUSTOM fsctl::call")
    vera.command("filter fsctl-Kind member_joined")
    gevent.sleep(1.0)
    link = build(switch.port, database)
    link.start()
    try:
        assert link.ready.wait(10)
        from fsctl.sim import CallPlan

        switch.place_call(CallPlan())
        offered = events(ann, "fsctl::call").event()
        assert offered["fsctl-Kind"] == "call_offered"
        assert offered["fsctl-Node"] == "fs1"
        joined = events(vera, "fsctl::call", 20).event()
        assert joined["fsctl-Kind"] == "member_joined"
        assert joined["Unique-ID"] == offered["Unique-ID"]
        Alarms(database, "fs1").put_up("disk.full", "/spool", "90 % \x1b[2J\nforged: line")
        with gevent.Timeout(10):
            while (told := events(ann, "fsctl::alarm").event())["fsctl-Kind"] != "disk.full":
                pass
        assert told["fsctl-State"] == "raised"
        assert told["_body"] == r"90 % \x1b[2J\x0aforged: line"
    finally:
        link.stop()


# --- bounds -------------------------------------------------------------------------------------------------


def test_a_reader_that_stands_still_is_dropped_and_others_go_on(
    console: Server, switch: Switch, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "MOST_WAITING", 200_000)
    slow, quick = log_in(console), log_in(console, "vera")
    for client in (slow, quick):
        client.command("event plain CUSTOM x::big")
    heard = 0
    for number in range(600):
        switch.bus.fire("CUSTOM", [("Number", str(number))], subclass="x::big", body="x" * 20_000)
        if number % 5 == 4:  # Fewer bytes at once than may wait: who reads is never dropped.
            while heard <= number:
                assert quick.read().event()["Number"] == str(heard)
                heard += 1
    until(lambda: console.counts.dropped == 1, "dropped")
    assert console.clients == 1
    assert heard == 600
    assert quick.api("fsctl help").startswith("command")


def test_a_command_without_end_is_refused_with_a_word(console: Server, log_in: LogIn) -> None:
    for flood in (b"api " + b"x" * 70_000, b"x: y\n" * 20_000, b"sendevent CUSTOM\nContent-Length: 999999\n\n",
                  b"api x\nContent-Length: -5\n\n", b"api x\nContent-Length: 1e3\n\n"):  # fmt: skip
        client = log_in(console)
        client.socket.sendall(flood)
        assert client.read().get("Reply-Text").startswith("-ERR ")
        with gevent.Timeout(5):
            assert client.to_end().endswith(b"goodbye.\n")
    assert log_in(console).api("version").startswith("FreeSWITCH")


def test_half_a_command_and_half_a_login_are_not_waited_for(
    console: Server, log_in: LogIn, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "HALF_S", 0.5)
    monkeypatch.setattr(peers, "LOGIN_S", 0.5)
    half, nobody = log_in(console), stranger(console, meet)
    half.socket.sendall(b"api sta")
    with gevent.Timeout(5):
        assert nobody.to_end().endswith(b"goodbye.\n")
        assert half.to_end().endswith(b"goodbye.\n")


def test_there_are_so_many_clients_and_no_more(
    console: Server, log_in: LogIn, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "MOST_STRANGERS", 2)
    monkeypatch.setattr(servers, "MOST_CLIENTS", 3)
    strangers = [stranger(console, meet) for _ in range(2)]
    third = meet(console.address[1])
    assert third.read().body == b"Too many consoles.\n"
    for one in strangers:
        one.socket.close()
    until(lambda: not console._peers, "gone")
    inside = [log_in(console) for _ in range(3)]
    assert meet(console.address[1]).read().get("Content-Type") == "text/rude-rejection"
    assert all(one.api("fsctl use").strip() for one in inside)


def test_who_is_not_near_is_turned_away_unless_its_network_is_named(
    console: Server, make_console: MakeConsole
) -> None:
    wide = make_console(allow=("10.0.0.0/8", "2001:db8::/32"))
    for origin, may in (("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.1.2.3", False)):
        assert (console._why_not(origin) == "") is may
    for origin, may in (
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::1%eth0", True),
    ):
        assert (wide._why_not(origin) == "") is may


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(
    st.binary(max_size=400),
    st.text(alphabet="apievntfilrs \n\r\t:;$%{}\x00\x1b\u202e0/", max_size=200).map(lambda text: text.encode()),
))  # fmt: skip
def test_no_bytes_make_it_deaf_to_others(console: Server, meet: Meet, data: bytes) -> None:
    where = ("127.0.0.1", console.address[1])
    hostile = create_connection(where, timeout=5)
    hostile.sendall(f"auth {ANN}\n\n".encode() + data + b"\n\nexit\n\n")
    with gevent.Timeout(10):
        while hostile.recv(65536):
            pass
    hostile.close()
    other = stranger(console, meet)
    assert other.command(f"userauth {ANN}").get("Reply-Text") == "+OK accepted"
    assert "using fs1" in other.api("fsctl use fs1")
    other.socket.close()


def test_a_line_break_in_a_value_begins_no_second_command(console: Server, log_in: LogIn) -> None:
    ann = log_in(console)
    assert ann.command("api echo one\rtwo: three").get("Content-Type") == "api/response"
    assert ann.command("api version\x0bhupall").get("Reply-Text") == "-ERR a control character, or not UTF-8"
    ann.socket.sendall(b"api echo \xff\xfe\n\n")
    assert ann.read().get("Reply-Text") == "-ERR a control character, or not UTF-8"
    assert ann.command("filter A b\x01c").get("Reply-Text").startswith("-ERR")
    assert ann.command("event plain CUSTOM x::y\x1b").get("Reply-Text").startswith("-ERR")
    assert ann.command("sendevent CUSTOM\nbad name: x").get("Reply-Text").startswith("-ERR")
    assert ann.api("version").startswith("FreeSWITCH")


def test_an_expression_that_could_run_for_ever_holds_nobody_up(
    console: Server, log_in: LogIn, database: Database
) -> None:
    from fsctl.store.alarms import Alarms

    ann, otto = log_in(console), log_in(console, "otto")
    ann.command("event plain CUSTOM fsctl::alarm")
    ann.command("filter fsctl-Subject /^(a+)+$/")
    otto.command("event plain CUSTOM fsctl::alarm")
    otto.command("filter fsctl-Subject /^a+b/")
    gevent.sleep(1.0)
    Alarms(database, "fs1").put_up("test", "a" * 40 + "b", "why")
    with gevent.Timeout(10):
        assert events(otto, "fsctl::alarm").event()["fsctl-Kind"] == "test"


def test_when_the_server_stops_everybody_is_told(console: Server, log_in: LogIn) -> None:
    client = log_in(console)
    gevent.spawn(console.stop)
    with gevent.Timeout(10):
        assert client.to_end().endswith(
            b"Content-Type: text/disconnect-notice\nContent-Length: 13\n\nfsctl stops.\n"
        )
