"""The SIP password on a real FreeSWITCH: what fsctl writes is what a call must say, from one moment to the next."""

import contextlib
import hashlib
import re
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import gevent
import pytest
from gevent.queue import Queue

from fsctl.errors import FsctlError
from fsctl.esl import encode
from fsctl.esl.connection import Connection
from fsctl.rotation import GATEWAY, PROFILE, Rotation, knows
from fsctl.sim import CallPlan
from fsctl.sim.graph import FakeGraph
from fsctl.sim.graph_settings import GraphSettings, SimulatedNumber
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.number import Number
from fsctl.whatsapp.settings import Server, Settings
from tests.contract.live import NUMBER, Live
from tests.contract.switches import attach, new_wacid, quiet

pytestmark = pytest.mark.live

WANTED = Settings(status="ENABLED", sip="ENABLED", servers=(Server(host="sip.example.com"),), srtp="SDES")


@pytest.fixture
def folder(live: Live) -> Iterator[Path]:
    """What ``directory/whatsapp.xml`` includes; without files before and after, as a newcomer has it."""
    quiet(live)
    users = live.process.home / "freeswitch-conf" / "directory" / "whatsapp"
    users.mkdir()
    yield users
    for file in users.iterdir():
        file.unlink()
    users.rmdir()
    with closing(attach(live.address)) as connection:
        connection.must(encode.ReloadXml())
        connection.must(encode.ForgetGateway(PROFILE, GATEWAY))
        connection.must(encode.StartGateway(PROFILE, GATEWAY))
    quiet(live)


@pytest.fixture
def settings() -> Iterator[tuple[FakeGraph, GraphSettings]]:
    known = GraphSettings("2026-11-22")
    known.numbers["1065"] = SimulatedNumber(f"+{NUMBER}")
    graph = FakeGraph()
    known.add_routes(graph)
    graph.start()
    yield graph, known
    graph.stop()


def rotation(live: Live, folder: Path, graph: FakeGraph) -> Rotation:
    number = Number(Graph(graph.url, "v25.0", "token"), NUMBER, "1065")

    def connect(_name: str) -> AbstractContextManager[Connection]:
        return closing(attach(live.address))

    return Rotation(number, WANTED, folder, ["fs1"], connect)


def call(live: Live, password: str) -> str:
    plan = CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),))
    reply = live.far.dial(plan, sip_auth_password=password)
    quiet(live)
    return reply.split()[0]


def test_a_call_needs_the_password_that_meta_has_now(
    live: Live, folder: Path, settings: tuple[FakeGraph, GraphSettings]
) -> None:
    graph, known = settings
    made = known.numbers["1065"].passwords
    assert call(live, live.secret["WHATSAPP"]) == "+OK"
    one = rotation(live, folder, graph)
    one.current()
    first = made["900"]
    assert (call(live, live.secret["WHATSAPP"]), call(live, first)) == ("-ERR", "+OK")
    one.rotate()
    assert made["900"] != first
    assert (call(live, first), call(live, made["900"])) == ("-ERR", "+OK")


class Challenger:
    """Meta, called by the gateway: it asks for the digest and keeps what it is told."""

    def __init__(self, agent: Path) -> None:
        self.told: Queue[dict[str, str]] = Queue()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(agent)
        self._listener = gevent.socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._greenlet = gevent.spawn(self._serve)

    def close(self) -> None:
        self._greenlet.kill()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as secure:
                self._answer(secure)

    def _answer(self, secure: ssl.SSLSocket) -> None:
        heard = ""
        while data := secure.recv(65536):
            heard += data.decode()
            while (end := heard.find("\r\n\r\n")) >= 0:
                head, size = heard[:end], re.search(r"(?im)^Content-Length: *(\d+)", heard[:end])
                heard = heard[end + 4 + int(size[1] if size else 0) :]
                if head.startswith("INVITE"):
                    secure.sendall(self._reply(head).encode())

    def _reply(self, head: str) -> str:
        digest = re.search(r"(?im)^Proxy-Authorization: Digest (.*)$", head)
        kept = re.findall(r"(?im)^(?:Via|From|Call-ID|CSeq): .*$", head)
        to = re.search(r"(?im)^To: .*$", head)
        lines = [*(one.strip() for one in kept), f"{to[0].strip() if to else ''};tag=x", "Content-Length: 0"]
        status = "SIP/2.0 486 Busy Here"
        if digest is None:
            status = "SIP/2.0 407 Proxy Authentication Required"
            lines.append('Proxy-Authenticate: Digest realm="wa.meta.vc",nonce="abc",algorithm=MD5,qop="auth"')
        else:
            self.told.put(dict(re.findall(r'(\w+)="?([^",\r]+)"?', digest[1])))
        return "\r\n".join([status, *lines, "", ""])


def proves(told: dict[str, str], password: str) -> bool:
    """RFC 2617, section 3.2.2."""

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    who = md5(told["username"], told["realm"], password)
    what = md5("INVITE", told["uri"])
    return told["response"] == md5(who, told["nonce"], told["nc"], told["cnonce"], told["qop"], what)


def test_the_gateway_calls_with_the_password_that_meta_has_now(
    live: Live, folder: Path, settings: tuple[FakeGraph, GraphSettings]
) -> None:
    graph, known = settings
    made = known.numbers["1065"].passwords
    meta = Challenger(live.certificate.with_name("agent.pem"))
    one = rotation(live, folder, graph)

    def told() -> dict[str, str]:
        route = f"sip_route_uri=sip:127.0.0.1:{meta.port};transport=tls"
        with closing(attach(live.address)) as connection:
            connection.send(f"api originate {{{route}}}sofia/gateway/meta/+12125550177 &park()")
        return meta.told.get(timeout=10)

    with closing(meta):
        assert proves(told(), live.secret["WHATSAPP"])
        one.current()
        first = made["900"]
        assert proves(told(), first)
        one.rotate()
        assert made["900"] != first
        assert proves(told(), made["900"])


def test_signs_of_xml_in_a_password_arrive_as_they_are(
    live: Live, folder: Path, settings: tuple[FakeGraph, GraphSettings]
) -> None:
    secret = "a<b>&amp;\"c'd;%20$e{f}\\g--"
    rotation(live, folder, settings[0]).teach(secret)
    with closing(attach(live.address)) as connection:
        assert knows(connection, NUMBER, secret)
        assert not knows(connection, NUMBER, secret + "x")


def test_a_freeswitch_that_reads_another_folder_is_found_out(
    live: Live, folder: Path, tmp_path: Path, settings: tuple[FakeGraph, GraphSettings]
) -> None:
    assert folder.is_dir()
    with pytest.raises(FsctlError, match="does not have the password"):
        rotation(live, tmp_path, settings[0]).teach("another-password")
