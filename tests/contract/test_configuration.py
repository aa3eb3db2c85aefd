"""freeswitch-conf/ and dialplan/ on a real FreeSWITCH: who gets in, and what must be so on the wire."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import numpy as np
import pytest
from gevent import socket

from fsctl.call import events
from fsctl.esl.link import Address
from fsctl.sim import CallPlan, Ring
from tests.contract.live import START_S, Live, Process, free_port, write_vars
from tests.contract.switches import Watch, new_wacid, quiet
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
    for name in ("whatsapp", "agents"):
        values |= {f"fsctl_{name}_ip": "127.0.0.1", f"fsctl_{name}_port": str(free_port())}
    write_vars(
        conf / "vars.xml.example", conf / "vars.xml", values | {"fsctl_whatsapp_public_ip": "127.0.0.1"}
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
