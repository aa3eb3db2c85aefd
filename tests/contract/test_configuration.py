"""freeswitch-conf/ and dialplan/ on a real FreeSWITCH: who gets in, and what must be so on the wire."""

import json
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import numpy as np
import pytest
from gevent import socket

from fsctl.call import events
from fsctl.esl import encode
from fsctl.esl.link import Address
from fsctl.sim import CallPlan, Ring
from fsctl.sim.plan import Transfer
from tests.contract.live import START_S, Live, Process, free_port, write_vars
from tests.contract.switches import Watch, commands, kinds, new_wacid, quiet
from tests.contract.test_recording import pitch, stereo, tone

OPTIONS = (
    "OPTIONS sip:127.0.0.1:PORT;transport=tls SIP/2.0\r\n"
    "Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKno-certificate\r\n"
    "From: <sip:probe@127.0.0.1>;tag=1\r\nTo: <sip:probe@127.0.0.1>\r\n"
    "Call-ID: no-certificate\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)

pytestmark = pytest.mark.live


@pytest.fixture
def freeswitch(live: Live) -> Iterator[Live]:
    """The real switch, quiet before and after."""
    quiet(live)
    yield live
    quiet(live)


@pytest.fixture
def heard(freeswitch: Live) -> Iterator[Watch]:
    """A subscriber of it."""
    watch = Watch(freeswitch.address)
    yield watch
    watch.connection.close()


def planned(**options: object) -> CallPlan:
    """A call with a wacid of its own."""
    return CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), **options)  # type: ignore[arg-type]


def test_a_call_with_a_wrong_digest_is_rejected_and_never_offered(freeswitch: Live, heard: Watch) -> None:
    reply = freeswitch.far.dial(planned(), sip_auth_password="guessed")
    assert reply == "-ERR CALL_REJECTED\n"
    assert not [fact for fact in heard.facts if isinstance(fact, events.CallOffered)]


def test_an_agents_password_does_not_open_the_front_door(freeswitch: Live) -> None:
    secret = freeswitch.secret["AGENT"]
    reply = freeswitch.far.dial(planned(), sip_auth_username="agent1", sip_auth_password=secret)
    assert reply == "-ERR CALL_REJECTED\n"


def test_a_call_without_srtp_is_refused(freeswitch: Live, heard: Watch) -> None:
    plan = planned()
    assert freeswitch.far.dial(plan, rtp_secure_media="false") == "-ERR INCOMPATIBLE_DESTINATION\n"
    gone = heard.fact(events.LegHungUp, heard.offered(plan).uuid, leg="caller")
    assert (gone.cause, gone.encryption) == ("INCOMPATIBLE_DESTINATION", None)


def test_the_front_door_is_tls_only_and_wants_no_certificate(freeswitch: Live) -> None:
    port = freeswitch.ports.whatsapp
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", port))  # Nobody listens on UDP.
    context = ssl.create_default_context(cafile=str(freeswitch.certificate))
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(OPTIONS.replace("PORT", str(port)).encode())
        assert secure.recv(4096).startswith(b"SIP/2.0 ")
        assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_the_parameters_of_the_request_uri_are_no_part_of_the_number(freeswitch: Live, heard: Watch) -> None:
    plan = planned(to_number="+15550100900;tgrp=wacall;trunk-context=byoc.example.com")
    assert freeswitch.far.dial(plan).startswith("+OK")
    assert heard.offered(plan).to_number == "15550100900"


def test_an_offer_of_stereo_opus_does_not_mix_the_two_sides(freeswitch: Live, heard: Watch) -> None:
    plan = planned(rings=(Ring("answer", 0.3),), caller_audio=tone(440), agent_audio=tone(880), talk_s=3.0)
    assert freeswitch.far.dial(plan, absolute_codec_string="OPUS@48000h@20i@2c").startswith("+OK")
    stopped = heard.fact(events.RecordingStopped, heard.offered(plan).uuid)
    last = stereo(Path(stopped.path))[-24_000:-8_000]
    assert pitch(last[:, 0]) == pytest.approx(440, abs=3)
    assert pitch(last[:, 1]) == pytest.approx(880, abs=3)
    assert not np.array_equal(last[:, 0], last[:, 1])


def test_without_a_password_there_is_no_event_socket(freeswitch: Live, tmp_path: Path) -> None:
    port = free_port()
    process = Process(
        freeswitch.binary, tmp_path, {"FSCTL_ESL_PASSWORD": ""}, Address("127.0.0.1", port, "ClueCon")
    )
    freeswitch.copy_configuration(tmp_path)
    conf = tmp_path / "freeswitch-conf"
    values = {"fsctl_esl_port": str(port), "fsctl_tls_dir": str(tmp_path)}
    for name in ("whatsapp", "sip", "agents"):
        values |= {f"fsctl_{name}_ip": "127.0.0.1", f"fsctl_{name}_port": str(free_port())}
    write_vars(
        conf / "vars.xml.example",
        conf / "vars.xml",
        values | {f"fsctl_{name}_public_ip": "127.0.0.1" for name in ("whatsapp", "sip")},
    )
    process.launch()
    try:
        log, deadline = tmp_path / "log" / "freeswitch.log", time.monotonic() + START_S
        while not (log.exists() and "FreeSWITCH Started" in log.read_text(errors="replace")):
            assert time.monotonic() < deadline, "FreeSWITCH does not start"
            gevent.sleep(0.2)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    finally:
        process.stop()


def test_an_ordinary_call_needs_the_trunks_password(freeswitch: Live, heard: Watch) -> None:
    reply = freeswitch.far.dial(planned(kind="sip"), sip_auth_password=freeswitch.secret["WHATSAPP"])
    assert reply == "-ERR CALL_REJECTED\n"
    assert not [fact for fact in heard.facts if isinstance(fact, events.CallOffered)]


@contextmanager
def told(freeswitch: Live, line: str, better: str, command: str) -> Iterator[None]:
    """vars.xml with another line for a while, and the command that makes FreeSWITCH read it."""
    path = freeswitch.process.home / "freeswitch-conf" / "vars.xml"
    text = path.read_text()
    assert line in text
    with commands(freeswitch) as run:
        try:
            path.write_text(text.replace(line, better))
            assert run(command).startswith("+OK")
            yield
        finally:
            path.write_text(text)
            run(command)


def test_a_trunk_whose_address_is_known_needs_no_password(freeswitch: Live, heard: Watch) -> None:
    with told(
        freeswitch, "fsctl_trunks=192.0.2.1/32", "fsctl_trunks=192.0.2.1/32,127.0.0.0/8", "api reloadacl"
    ):
        reply = freeswitch.far.dial(planned(kind="sip"), sip_auth_password="none")
    assert reply.startswith("+OK")
    assert [fact.channel for fact in heard.facts if isinstance(fact, events.CallOffered)] == ["sip"]


@pytest.mark.parametrize(
    ("address", "network", "inside"),
    [("157.240.1.1", "meta", "true"), ("192.0.2.7", "meta", "false"), ("192.0.2.7", "anybody", "true")],
)
def test_the_lists_of_networks_are_read(freeswitch: Live, address: str, network: str, inside: str) -> None:
    with commands(freeswitch) as run:
        assert run(f"api acl {address} {network}") == inside


def test_a_caller_outside_the_list_that_the_operator_chose_is_refused(freeswitch: Live, heard: Watch) -> None:
    plan = planned()
    with told(freeswitch, "fsctl_whatsapp_acl=anybody", "fsctl_whatsapp_acl=meta", "api reloadxml"):
        assert freeswitch.far.dial(plan) == "-ERR CALL_REJECTED\n"
    assert heard.fact(events.LegHungUp, heard.offered(plan).uuid, leg="caller").refused == "network"


OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
REQUEST = (
    "{method} sip:+15550100900@127.0.0.1:{to} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{method}\r\n"
    'From: "{name}" <sip:+12125550177@trunk.test>;tag=1\r\nTo: <sip:+15550100900@trunk.test>{tag}\r\n'
    "Contact: <sip:trunk@127.0.0.1:{port}>\r\nCall-ID: {port}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
    "Content-Type: application/sdp\r\nContent-Length: {size}\r\n\r\n{body}"
)


def test_a_name_with_quotes_keeps_nobody_from_an_agent(freeswitch: Live, heard: Watch) -> None:
    to = freeswitch.ports.sip
    with (
        told(freeswitch, "fsctl_trunks=192.0.2.1/32", "fsctl_trunks=127.0.0.0/8", "api reloadacl"),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller,
    ):
        caller.bind(("127.0.0.1", 0))
        caller.settimeout(10)
        about = {"to": to, "port": caller.getsockname()[1], "name": 'Ann \\"Q\\" Lee\\\\'}
        invite = REQUEST.format(method="INVITE", tag="", size=len(OFFER), body=OFFER, **about)
        caller.sendto(invite.encode(), ("127.0.0.1", to))
        answer = ""
        while not answer.startswith("SIP/2.0 200"):
            answer = caller.recv(4096).decode()
        tag = ";tag=" + re.search(r"(?m)^To:.*;tag=(\S+)", answer)[1]  # type: ignore[index]
        caller.sendto(
            REQUEST.format(method="ACK", tag=tag, size=0, body="", **about).encode(), ("127.0.0.1", to)
        )
        offered = heard.until(
            lambda: next((fact for fact in heard.facts if isinstance(fact, events.CallOffered)), None),
            "the call",
        )
        assert "Ann" in offered.display_name
        rung = heard.until(
            lambda: next((e for e in heard.events if e.get("Call-Direction") == "outbound"), None),
            "an agent's leg",
        )
        assert rung.get("Caller-Caller-ID-Name") == "sip +12125550177"
        heard.fact(events.AgentBridged, offered.uuid)


@pytest.mark.parametrize(
    ("user", "line", "allowed"),
    [
        ("viewer", "api show channels", True),
        ("viewer", "event plain HEARTBEAT", True),
        ("viewer", "api callcenter_config agent list", False),
        ("viewer", "event plain CHANNEL_CREATE", False),
        ("viewer", "log 7", False),
        ("operator", "api callcenter_config agent list", True),
        ("operator", "bgapi callcenter_config agent list", True),
        ("operator", "api global_getvar", False),
        ("operator", "bgapi originate user/agent1@fsctl &park()", False),
        ("operator", "api bgapi system true", False),
    ],
)
def test_people_on_the_event_socket_have_roles(freeswitch: Live, user: str, line: str, allowed: bool) -> None:
    reply = speak(freeswitch, f"userauth {user}@ops:{freeswitch.secret[user.upper()]}", line)
    assert "+OK accepted" in reply
    assert ("-ERR permission denied" not in reply) is allowed


@pytest.mark.parametrize("password", ["", ":", ":guessed"])
def test_a_role_needs_its_password(freeswitch: Live, password: str) -> None:
    assert "-ERR invalid" in speak(freeswitch, f"userauth viewer@ops{password}")


def speak(freeswitch: Live, *lines: str) -> str:
    """What the Event Socket answers to lines said one after the other, and "exit"."""
    with socket.create_connection(("127.0.0.1", freeswitch.ports.esl), timeout=10) as connection:
        connection.sendall("".join(f"{line}\n\n" for line in (*lines, "exit")).encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return answer.decode()


def test_without_its_prompt_a_caller_is_served_but_not_recorded(freeswitch: Live, heard: Watch) -> None:
    prompts = freeswitch.process.home / "freeswitch-conf" / "prompts"
    prompts.rename(prompts.with_name("away"))
    try:
        plan = planned(rings=(Ring("answer", 0.3),), talk_s=1.0)
        freeswitch.place_call(plan)
        uuid = heard.offered(plan).uuid
        pairs = (("fsctl_menu", "true"), ("fsctl_wait_minutes", "5"))
        heard.connection.must(encode.SetVariables(uuid, pairs))
        gone = heard.fact(events.LegHungUp, uuid, leg="caller")
    finally:
        prompts.with_name("away").rename(prompts)
    facts = heard.of(uuid)
    assert [fact for fact in facts if isinstance(fact, events.AgentBridged)]
    assert not [fact for fact in facts if isinstance(fact, events.RecordingStarted)]
    assert gone.consent == "never"


def test_a_call_of_two_minutes_with_hold_and_transfer_sees_one_invite(freeswitch: Live, heard: Watch) -> None:
    plan = planned(rings=(Ring("answer", 0.3),), talk_s=100.0, transfer=Transfer(25.0, "sales"))
    log = freeswitch.process.home / "log" / "freeswitch.log"
    begin, started = log.stat().st_size, time.monotonic()
    holds = Watch(freeswitch.address, "event json CHANNEL_HOLD CHANNEL_UNHOLD")
    with commands(freeswitch) as run:
        run("api sofia profile whatsapp siptrace on")
        gevent.sleep(3.0)  # The profile's own thread takes it up.
        freeswitch.place_call(plan)
        uuid = heard.offered(plan).uuid
        heard.fact(events.LegsBridged, uuid)
        for switch_it in ("", "off "):
            gevent.sleep(3.0)
            freeswitch.far.ask(f"uuid_hold {switch_it}{phones(freeswitch)[0]}")
        with gevent.Timeout(150):
            while "LegHungUp caller" not in kinds(heard.of(uuid)):
                gevent.sleep(1.0)
        run("api sofia profile whatsapp siptrace off")
    assert time.monotonic() - started > 120
    assert [event.name for event in holds.events] == ["CHANNEL_HOLD", "CHANNEL_UNHOLD"]
    assert kinds(heard.of(uuid)).count("AgentBridged") == 2
    # The first INVITE is challenged, the second is the call. Nothing of ours but the BYE, and no re-INVITE.
    logged = log.read_bytes()[begin:].decode(errors="replace")
    requests = re.findall(r"(?m)^(recv|send) \d+ bytes .*\n-+\n([A-Z]+) ", logged)
    assert requests[:-1] == [("recv", "INVITE"), ("recv", "ACK")] * 2
    assert requests[-1][1] == "BYE"


def test_an_agent_asks_a_colleague_first_and_then_hands_the_caller_over(
    freeswitch: Live, heard: Watch
) -> None:
    plan = planned(rings=(Ring("answer", 0.3),), hangs_up="nobody")
    freeswitch.place_call(plan)
    uuid = heard.offered(plan).uuid
    first = heard.fact(events.AgentBridged, uuid)
    mine = phones(freeswitch)[0]
    colleague = "agent2" if first.agent != "agent2" else "agent3"
    far = freeswitch.far
    asking = far.ask("create_uuid").strip()
    door = f"sofia/gateway/{first.agent}/{colleague}"
    far.ask(f"bgapi originate {{origination_uuid={asking}}}{door} &park()")
    with gevent.Timeout(10):
        while far.ask(f"uuid_getvar {asking} endpoint_disposition") != "ANSWER":
            gevent.sleep(0.1)
    dialog = far.ask(f"uuid_getvar {asking} sip_call_id")
    far.ask(f"uuid_deflect {mine} sip:{colleague}@fsctl?Replaces={dialog}%3Bto-tag%3D1%3Bfrom-tag%3D1")
    heard.fact(events.LegHungUp, uuid, leg="agent", leg_uuid=first.agent_uuid)
    with gevent.Timeout(10), commands(freeswitch) as run:
        partner = run(f"api uuid_getvar {uuid} bridge_uuid")
        while partner in (first.agent_uuid, "_undef_"):
            gevent.sleep(0.1)
            partner = run(f"api uuid_getvar {uuid} bridge_uuid")
        assert run(f"api uuid_getvar {partner} dialed_user") == colleague
        assert run(f"api uuid_getvar {uuid} fsctl_refused") == "_undef_"


def test_a_phone_can_dial_colleagues_and_nothing_else(freeswitch: Live) -> None:
    for dialled in ("+12125550100", "sales", "queue", "answered"):
        assert (
            freeswitch.far.ask(f"originate sofia/gateway/agent1/{dialled} &park()")
            == "-ERR NO_ROUTE_DESTINATION\n"
        )


def phones(freeswitch: Live) -> list[str]:
    """The channels of agents' phones that ring or talk, as the far side calls them."""
    rows = json.loads(freeswitch.far.ask("show channels as json")).get("rows", [])
    return [row["uuid"] for row in rows if row["context"] == "phones"]
