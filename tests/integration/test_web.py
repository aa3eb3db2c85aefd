"""What is served by HTTP, over real sockets: routes, errors, and clients that ask for more than they may."""

import contextlib
import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import gevent
import pytest
from gevent import socket
from werkzeug import Request, Response
from werkzeug.exceptions import Forbidden, NotFound

from fsctl.errors import ConfigError, DatabaseDown
from fsctl.web import listener
from fsctl.web.limits import Limits
from fsctl.web.server import Route, Server

LIMITS = Limits(idle_s=2.0, head_s=0.4, body_s=0.4, send_s=0.4, linger_s=0.5, connections=20)
PATIENCE_S = 10.0
MOST = 1000


def echo(request: Request, values: Mapping[str, str]) -> Response:
    return Response(values.get("word", "").encode() + b"|" + request.get_data(), mimetype="text/plain")


def form(request: Request, _values: Mapping[str, str]) -> Response:
    return Response(request.form["slot"], mimetype="text/html")


def fail(_request: Request, _values: Mapping[str, str]) -> Response:
    raise ZeroDivisionError("a secret of ours")


def gone(_request: Request, values: Mapping[str, str]) -> Response:
    raise NotFound(f"Nobody knows {values['word']}.")


def large(_request: Request, _values: Mapping[str, str]) -> Response:
    return Response(bytes(50_000_000))


def away(_request: Request, _values: Mapping[str, str]) -> Response:
    raise DatabaseDown("Postgres cannot be reached: a secret of ours")


def wait(_request: Request, _values: Mapping[str, str]) -> Response:
    gevent.sleep(0.5)
    return Response("waited")


def admit(request: Request) -> None:
    if "Pass" not in request.headers:
        raise Forbidden("No pass.")


ROUTES = [
    Route(method="GET", path="/echo/<word>", handler=echo),
    Route(method="POST", path="/echo", handler=echo, most_bytes=MOST),
    Route(method="POST", path="/form", handler=form),
    Route(method="GET", path="/fail", handler=fail),
    Route(method="GET", path="/gone/<word>", handler=gone),
    Route(method="GET", path="/away", handler=away),
    Route(method="GET", path="/wait", handler=wait),
    Route(method="GET", path="/large", handler=large),
    Route(method="POST", path="/guarded", handler=echo, admit=admit, most_bytes=1 << 20),
]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def make(limits: Limits = LIMITS, certificate: Path | None = None, key: Path | None = None) -> Server:
        server = Server("127.0.0.1:0", ROUTES, certificate, key, limits)
        server.start()
        started.append(server)
        return server

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


@dataclass
class Answer:
    """What came back, read whole."""

    status: int
    headers: Message
    text: str


def ask(server: Server, method: str, path: str, body: object = None, **headers: str) -> Answer:
    connection = HTTPConnection(*server.address, timeout=PATIENCE_S)
    connection.request(method, path, body, headers)  # type: ignore[arg-type]
    return finish(connection)


def finish(connection: HTTPConnection) -> Answer:
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return Answer(response.status, response.headers, text)


def raw(server: Server, data: bytes) -> bytes:
    """All that comes back until the connection ends."""
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(data)
        return rest(sock)


def rest(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


# --- answering -------------------------------------------------------------------------------------------------


def test_a_route_gets_its_placeholders_and_the_body(server: Server) -> None:
    assert ask(server, "GET", "/echo/hello").text == "hello|"
    assert ask(server, "POST", "/echo", b"abc").text == "|abc"
    assert ask(server, "POST", "/echo", iter([b"ab", b"c"])).text == "|abc"
    answer = ask(
        server, "POST", "/form", "slot=9%3A00", **{"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.text == "9:00"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_connection_takes_many_requests_without_waiting_for_acknowledgements(server: Server) -> None:
    connection = HTTPConnection(*server.address, timeout=PATIENCE_S)
    began = time.monotonic()
    for number in range(50):
        connection.request("POST", "/echo", str(number))
        assert connection.getresponse().read() == b"|%d" % number
    assert time.monotonic() - began < 1.0  # with Nagle's algorithm 2 s at least
    connection.close()
    assert server.counts.requests == 50


def test_errors_are_problems_and_tell_nothing_of_ours(server: Server) -> None:
    for method, path, status, title in (
        ("GET", "/nothing", 404, "Not Found"),
        ("DELETE", "/echo", 405, "Method Not Allowed"),
        ("GET", "/fail", 500, "Internal Server Error"),
        ("GET", "/gone/ann", 404, "Not Found"),
        ("GET", "/away", 503, "Service Unavailable"),
    ):
        answer = ask(server, method, path)
        problem = json.loads(answer.text)
        assert (answer.status, problem["status"], problem["title"]) == (status, status, title)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
    assert ask(server, "DELETE", "/echo").headers["Allow"] == "POST"
    assert json.loads(ask(server, "GET", "/gone/ann").text)["detail"] == "Nobody knows ann."
    assert server.counts.failed == 1


def test_an_address_that_is_taken_is_an_error_in_words(server: Server) -> None:
    with pytest.raises(ConfigError, match=r"web\.listen"):
        Server(f"127.0.0.1:{server.address[1]}", ROUTES).start()


# --- too much --------------------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_big_is_not_read(server: Server) -> None:
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        answer = rest(sock)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"At most 1000 bytes" in answer
    assert b"Connection: close" in answer
    assert server.counts.too_big == 1


def test_a_body_of_exactly_the_most_is_taken(server: Server) -> None:
    assert ask(server, "POST", "/echo", b"x" * MOST).status == 200
    assert ask(server, "POST", "/echo", b"x" * (MOST + 1)).status == 413
    assert ask(server, "POST", "/echo", iter([b"x" * 500] * 2)).status == 200
    assert ask(server, "POST", "/echo", iter([b"x" * 500] * 3)).status == 413


@pytest.mark.parametrize("head", [b"Content-Length: 100000000", b"Transfer-Encoding: chunked"])
def test_a_hundred_megabytes_are_refused_while_they_are_sent(server: Server, head: bytes) -> None:
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    sent = 0
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        try:
            while sent < 100_000_000:
                sock.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        assert sent < 20_000_000
    assert server.counts.too_big == 1
    assert ask(server, "GET", "/echo/still-there").status == 200


def test_who_is_refused_and_sends_on_still_reads_why(server: Server) -> None:
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000))
        assert rest(sock).startswith(b"HTTP/1.1 413 ")


def test_a_route_may_refuse_a_request_before_its_body_is_read(server: Server) -> None:
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(
            b"POST /guarded HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = rest(sock)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in answer
    assert ask(server, "POST", "/guarded", b"abc", Pass="1").text == "|abc"


def test_who_asks_before_sending_a_body_is_told_to_go_on(server: Server) -> None:
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"abc")
        assert b"|abc" in sock.recv(1000)


def test_a_post_without_length_is_asked_for_one(server: Server) -> None:
    answer = raw(server, b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nabc")
    assert answer.startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"GET /echo/x\r\n\r\n",
        b"GET /echo/x HTTP/2.0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nContent-Length: 1_0\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nno header\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_malformed(server: Server, request_bytes: bytes) -> None:
    answer = raw(server, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"application/problem+json" in answer
    assert server.counts.malformed == 1


def test_a_head_without_end_is_refused(server: Server) -> None:
    assert raw(server, b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n").startswith(b"HTTP/1.1 414 ")
    many = b"".join(b"A%d: x\r\n" % number for number in range(200))
    assert raw(server, b"GET /echo/x HTTP/1.1\r\n" + many + b"\r\n").startswith(b"HTTP/1.1 431 ")
    one = b"A: " + b"x" * 40000 + b"\r\n"
    assert raw(server, b"GET /echo/x HTTP/1.1\r\n" + one + b"\r\n").startswith(b"HTTP/1.1 431 ")
    assert server.counts.too_big == 2


# --- too slow --------------------------------------------------------------------------------------------------


def trickle(server: Server, begin: bytes, drop: bytes = b"a") -> tuple[bytes, float]:
    """Send a beginning, then a byte now and then; what is answered, and after how many seconds."""
    began = time.monotonic()
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(begin)
        reader = gevent.spawn(rest, sock)
        while not reader.ready():
            try:
                sock.sendall(drop)
            except OSError:
                break
            gevent.sleep(0.05)
        reader.join(PATIENCE_S)
        return reader.value or b"", time.monotonic() - began


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /echo/",
        b"GET /echo/x HTTP/1.1\r\nHost: ",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n",
    ],
)
def test_a_slow_client_is_refused_wherever_it_is_slow(server: Server, begin: bytes) -> None:
    answer, took_s = trickle(server, begin)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert took_s < 2.0
    assert server.counts.slow == 1


def test_a_client_that_says_nothing_is_let_go(serve: Callable[..., Server]) -> None:
    server = serve(replace(LIMITS, idle_s=0.2))
    began = time.monotonic()
    assert raw(server, b"") == b""
    assert 0.15 < time.monotonic() - began < 1.5
    assert server.counts.slow == 0


def test_a_client_that_does_not_read_its_answer_is_let_go(server: Server) -> None:
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        with gevent.Timeout(PATIENCE_S):
            while not server.counts.slow:
                gevent.sleep(0.05)
        assert len(rest(sock)) < 50_000_000


def test_when_connections_run_short_the_one_that_waits_longest_goes(server: Server) -> None:
    idle = [socket.create_connection(server.address, timeout=PATIENCE_S) for _ in range(LIMITS.connections)]
    gevent.sleep(0.1)
    for sock in idle[1:]:
        sock.sendall(b"GET /")
    gevent.sleep(0.1)
    assert ask(server, "GET", "/echo/hello").status == 200
    assert idle[0].recv(100) == b""
    assert server.counts.crowded == 1
    for sock in idle:
        sock.close()


def test_when_all_connections_are_busy_another_is_told_to_come_again(serve: Callable[..., Server]) -> None:
    server = serve(replace(LIMITS, connections=2))
    busy = [gevent.spawn(ask, server, "GET", "/wait") for _ in range(2)]
    gevent.sleep(0.1)
    assert raw(server, b"").startswith(b"HTTP/1.1 503 ")
    gevent.joinall(busy, raise_error=True)
    assert [one.value.text for one in busy] == ["waited"] * 2


def test_what_is_being_answered_when_we_end_is_answered(serve: Callable[..., Server]) -> None:
    server = serve()
    busy = gevent.spawn(ask, server, "GET", "/wait")
    gevent.sleep(0.1)
    address = server.address
    server.stop()
    assert busy.get().text == "waited"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=PATIENCE_S)


def test_large_bodies_wait_for_room_and_small_ones_do_not(serve: Callable[..., Server]) -> None:
    server = serve(replace(LIMITS, body_s=5.0, held_bytes=300_000, small_bytes=1000))
    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        sock.sendall(b"POST /guarded HTTP/1.1\r\nPass: 1\r\nContent-Length: 900000\r\n\r\n" + bytes(290_000))
        gevent.sleep(0.1)
        assert ask(server, "POST", "/guarded", bytes(200_000), Pass="1").status == 503
        assert ask(server, "POST", "/guarded", bytes(1000), Pass="1").status == 200
        assert server.counts.crowded == 1
        sock.close()
    gevent.sleep(0.1)
    assert ask(server, "POST", "/guarded", bytes(200_000), Pass="1").status == 200


def test_one_client_that_never_pauses_does_not_keep_the_others_waiting(server: Server) -> None:
    """Requests one behind the other in full buffers: reading and writing never wait, so no other greenlet ran."""
    pipeline = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 3000
    late: list[float] = []

    def tick() -> None:
        while True:
            began = time.monotonic()
            gevent.sleep(0.001)
            late.append(time.monotonic() - began)

    with socket.create_connection(server.address, timeout=PATIENCE_S) as sock:
        reader, ticker = gevent.spawn(rest, sock), gevent.spawn(tick)
        sock.sendall(pipeline)
        while server.counts.requests < 3000:
            gevent.sleep(0.01)
        ticker.kill()
        reader.kill()
    assert max(late) < 0.2


# --- TLS -------------------------------------------------------------------------------------------------------


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(key), "-out", str(chain), "-days", "2", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


def ask_by_tls(server: Server, chain: Path, name: str) -> Answer:
    context = ssl.create_default_context(cafile=str(chain))
    plain = socket.create_connection(server.address, timeout=PATIENCE_S)
    connection = HTTPSConnection(name, timeout=PATIENCE_S)
    connection.sock = context.wrap_socket(plain, server_hostname=name)
    connection.request("POST", "/echo", b"abc")
    return finish(connection)


def test_tls_with_a_certificate_of_its_own(serve: Callable[..., Server], tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path, "calls.example.com")
    server = serve(LIMITS, chain, key)
    assert ask_by_tls(server, chain, "calls.example.com").text == "|abc"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(server.address, timeout=PATIENCE_S) as plain,
        old.wrap_socket(plain) as sock,
    ):
        assert sock.version() == "TLSv1.2"


def test_who_speaks_no_tls_is_let_go(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(LIMITS, *make_certificate(tmp_path, "calls.example.com"))
    with contextlib.suppress(ConnectionResetError):
        raw(server, b"GET /echo/x HTTP/1.1\r\nHost: x\r\n\r\n")
    began = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        raw(server, b"\x16\x03\x01")
    assert time.monotonic() - began < 2.0
    assert server.counts.no_tls == 2
    assert server.counts.requests == 0


def test_a_certificate_that_was_renewed_is_shown(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, key = make_certificate(tmp_path, "calls.example.com")
    server = serve(LIMITS, chain, key)
    monkeypatch.setattr(listener, "LOOK_S", 0.0)
    key.write_text("not whole yet")
    old = tmp_path / "old.pem"
    old.write_bytes(chain.read_bytes())
    assert ask_by_tls(server, old, "calls.example.com").status == 200
    make_certificate(tmp_path, "voice.example.com")
    assert ask_by_tls(server, chain, "voice.example.com").status == 200


def test_a_certificate_that_cannot_be_used_is_an_error_in_words(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path, "calls.example.com")
    key.write_text("")
    with pytest.raises(ConfigError, match=r"certificate .*chain\.pem"):
        Server("127.0.0.1:0", ROUTES, chain, key).start()
    with pytest.raises(ConfigError, match="No such file"):
        Server("127.0.0.1:0", ROUTES, tmp_path / "none.pem", key).start()
