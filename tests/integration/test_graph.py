"""The client of the Graph API over real sockets: what it answers, and at which moment a failure happened."""

import logging
import socket as plain
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from fsctl.sim.graph import FakeGraph, GraphAnswer, refusal
from fsctl.whatsapp import graph as module
from fsctl.whatsapp import messages
from fsctl.whatsapp.graph import Graph, GraphDown, GraphRefused, GraphUnsure
from tests.integration.authority import Authority

TOKEN = "EAAG-very-secret"
HELLO = messages.addressed(messages.text("hello"), to="15550100142", key="k")


@pytest.fixture
def fake() -> Iterator[FakeGraph]:
    made = FakeGraph(token=TOKEN)
    made.messages.keeps_windows = False
    made.hang_s = 5.0
    made.start()
    yield made
    made.stop()


def client(url: str, **options: float) -> Graph:
    return Graph(url, "v25.0", TOKEN, **({"connect_s": 0.5, "answer_s": 0.5} | options))  # type: ignore[arg-type]


def test_what_is_asked_arrives_and_what_is_answered_comes_back(fake: FakeGraph) -> None:
    graph = client(fake.url)
    answer = graph.post("123/messages", HELLO)
    assert answer["messages"][0]["id"] == fake.received[0]["wamid"]
    assert answer["contacts"] == [
        {"input": "15550100142", "wa_id": "15550100142", "user_id": "US.15550100142"}
    ]
    (asked,) = fake.asked
    assert (asked.method, asked.path, asked.json) == ("POST", "/123/messages", HELLO)
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


def test_parameters_of_a_question_are_escaped(fake: FakeGraph) -> None:
    fake.add_route("GET", "/9/x", lambda request: GraphAnswer(200, {"got": dict(request.params)}))
    assert client(fake.url).get("/9/x", a="1&b=2", c="ñ ü", n=5) == {
        "got": {"a": "1&b=2", "c": "ñ ü", "n": "5"}
    }


def test_a_base_address_with_a_path_is_kept(fake: FakeGraph) -> None:
    fake.add_route("GET", "/proxy/v25.0/9", lambda _request: GraphAnswer(200, {"ok": True}))
    assert client(f"{fake.url}/proxy/").get("9") == {"ok": True}


def test_a_refusal_has_metas_code_words_and_wait(fake: FakeGraph) -> None:
    fake.fail_next(code=130429, retry_after=30)
    with pytest.raises(GraphRefused) as caught:
        client(fake.url).post("123/messages", HELLO)
    error = caught.value
    assert (error.code, error.status, error.retry_after) == (130429, 429, 30.0)
    assert "Rate limit hit" in error.message
    fake.add_route("GET", "/9", lambda _request: refusal(100, "no", subcode=33))
    with pytest.raises(GraphRefused, match="100") as caught:
        client(fake.url).get("9")
    assert caught.value.subcode == 33


def test_the_token_is_in_no_error_although_meta_quotes_it(
    fake: FakeGraph, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.add_route("GET", "/9", lambda _request: refusal(190, f"Malformed access token {TOKEN}"))
    with pytest.raises(GraphRefused) as caught:
        client(fake.url).get("9")
    fake.stop()
    with pytest.raises(GraphDown) as down:
        client(fake.url).get("9")
    texts = [str(caught.value), repr(caught.value), caught.value.message, str(down.value), caplog.text]
    texts.append(repr(client(fake.url)))
    assert not any(TOKEN in text for text in texts)
    assert "(token)" in caught.value.message
    assert down.value.__cause__ is None


def test_a_refusal_is_bounded(fake: FakeGraph) -> None:
    fake.add_route("GET", "/9", lambda _request: refusal(100, "x" * 100_000))
    with pytest.raises(GraphRefused) as caught:
        client(fake.url).get("9")
    assert len(caught.value.message) == module.MOST_TEXT


# --- nothing left


def test_nobody_listens() -> None:
    with plain.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(GraphDown):
        client(f"http://127.0.0.1:{port}").post("123/messages", HELLO)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(GraphDown):
        client("http://graph.invalid").post("123/messages", HELLO)


Served = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def served() -> Iterator[Served]:
    """Serves raw connections with a function; gives the address."""
    servers: list[StreamServer] = []

    def serve(handle: Callable[[socket.socket], None]) -> str:
        server = StreamServer(("127.0.0.1", 0), lambda one, _address: handle(one))
        server.start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.stop(timeout=0.1)


def test_a_tls_handshake_that_fails_or_hangs_sent_nothing(served: Served) -> None:
    def talks_plainly(one: socket.socket) -> None:
        one.recv(10)
        one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def hangs(_one: socket.socket) -> None:
        gevent.sleep(5)

    for handle in (talks_plainly, hangs, lambda one: one.close()):
        with pytest.raises(GraphDown):
            client(served(handle).replace("http:", "https:")).post("123/messages", HELLO)


# --- it left


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def handle(one: socket.socket) -> None:
        one.recv(65536)
        one.sendall(answer)
        one.close()

    return handle


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK,
        OK + b"Content-Length: 100\r\n\r\n{",
        OK + b"Content-Length: 5\r\n\r\nnojso",
        OK + b"Content-Length: 2\r\n\r\n[]",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"\x16\x03\x01 this is not HTTP\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 500 x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
def test_without_a_whole_answer_nobody_can_say(served: Served, answer: bytes) -> None:
    with pytest.raises(GraphUnsure):
        client(served(answering(answer))).post("123/messages", HELLO)


def test_an_error_of_http_that_meta_did_not_word_is_a_refusal_if_it_is_ours(served: Served) -> None:
    for status in (400, 404, 413, 429, 302):
        answer = (
            f"HTTP/1.1 {status} x\r\nLocation: /y\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n".encode()
        )
        with pytest.raises(GraphRefused) as caught:
            client(served(answering(answer))).post("123/messages", HELLO)
        assert (caught.value.code, caught.value.status, caught.value.retry_after) == (0, status, 7.0)


def test_an_answer_that_does_not_come(fake: FakeGraph) -> None:
    fake.fail_next(timeout_after_accept=True)
    with pytest.raises(GraphUnsure):
        client(fake.url).post("123/messages", HELLO)
    assert len(fake.received) == 1


def test_a_connection_that_is_cut(fake: FakeGraph) -> None:
    fake.fail_next(drop=True)
    fake.fail_next(drop_after_accept=True)
    for taken in (0, 1):
        with pytest.raises(GraphUnsure):
            client(fake.url).post("123/messages", HELLO)
        assert len(fake.received) == taken


def test_an_answer_that_drips_for_ever_is_left(served: Served) -> None:
    def drips(one: socket.socket) -> None:
        one.recv(65536)
        one.sendall(OK + b"Content-Length: 1000\r\n\r\n")
        while True:
            one.sendall(b" ")
            gevent.sleep(0.05)

    with gevent.Timeout(5), pytest.raises(GraphUnsure):
        client(served(drips)).post("123/messages", HELLO)


def test_an_answer_without_end_is_left(served: Served) -> None:
    def floods(one: socket.socket) -> None:
        one.recv(65536)
        one.sendall(OK + b"\r\n" + b" " * (module.MOST_BYTES + 70_000))
        one.close()

    with pytest.raises(GraphUnsure, match="does not end"):
        client(served(floods), answer_s=20).post("123/messages", HELLO)


# --- connections


def test_a_connection_is_used_again_but_not_after_it_was_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[object] = []

    def serve(one: socket.socket, _address: object) -> None:
        connections.append(one)
        while one.recv(65536):
            one.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    graph = client(f"http://127.0.0.1:{server.server_port}")
    for _ in range(3):
        graph.get("9")
    assert len(connections) == 1
    monkeypatch.setattr(module, "IDLE_S", 0.05)
    gevent.sleep(0.1)
    graph.get("9")
    assert len(connections) == 2
    server.stop(timeout=0.1)


def test_a_connection_that_was_closed_meanwhile_costs_nothing(fake: FakeGraph) -> None:
    graph = client(fake.url)
    graph.post("123/messages", HELLO)
    listen = ("127.0.0.1", int(fake.url.rpartition(":")[2]))
    fake.stop()
    gevent.sleep(0.3)
    again = FakeGraph(listen, token=TOKEN)
    again.messages.keeps_windows = False
    again.start()
    graph.post("123/messages", HELLO)
    assert len(again.received) == 1
    again.stop()


def test_many_at_once_do_not_wait_for_each_other(fake: FakeGraph) -> None:
    def slow(_request: object) -> GraphAnswer:
        gevent.sleep(0.2)
        return GraphAnswer(200, {})

    fake.add_route("GET", "/9", slow)
    graph = client(fake.url, answer_s=5)
    with gevent.Timeout(2):
        gevent.joinall([gevent.spawn(graph.get, "9") for _ in range(20)], raise_error=True)


# --- TLS


def test_a_certificate_that_nobody_vouches_for_gets_no_token(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    seen: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("graph", "localhost", 30))

    def serve(one: socket.socket, _address: object) -> None:
        seen.append(one.recv(65536))

    server = StreamServer(("127.0.0.1", 0), serve, ssl_context=context)
    server.start()
    with pytest.raises(GraphDown, match="CERTIFICATE_VERIFY_FAILED"):
        client(f"https://localhost:{server.server_port}").post("123/messages", HELLO)
    server.stop(timeout=0.1)
    assert seen == []
