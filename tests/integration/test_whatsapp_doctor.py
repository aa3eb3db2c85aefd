"""Whether webhooks can reach us: the handshake of Meta, with the server and the receiver that answer it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug import Request, Response

from fsctl.config_chat import WhatsApp
from fsctl.web.server import Route, Server
from fsctl.whatsapp import doctor
from fsctl.whatsapp.journal import Journal
from fsctl.whatsapp.receiver import PATH, Receiver
from tests.integration.authority import Authority

TOKEN = "said-by-meta"


@contextmanager
def serving(routes: list[Route], agent: Path | None = None) -> Iterator[str]:
    """The server's address, for as long as the block lasts."""
    server = Server("127.0.0.1:0", routes, certificate=agent, key=agent)
    server.start()
    try:
        yield f"http{'s' if agent else ''}://localhost:{server.address[1]}"
    finally:
        server.stop()


def receiver(folder: Path) -> list[Route]:
    settings = WhatsApp(app_secret="app-secret", verify_token=TOKEN)
    return Receiver(settings, Journal(folder)).routes()


def test_the_address_that_answers_the_handshake_is_well(authority: Authority, tmp_path: Path) -> None:
    with serving(receiver(tmp_path), authority.issue("web", "localhost", 25)) as url:
        found = doctor.webhook(url, TOKEN, authority.root)
        unknown = doctor.webhook(url, TOKEN)
    assert found.ok, found
    assert found.finding == f"{url}{PATH} answers the handshake"
    assert not unknown.ok  # Of an authority that this machine does not know, nor Meta.


def test_an_address_without_tls_is_a_fault_though_it_answers(tmp_path: Path) -> None:
    with serving(receiver(tmp_path)) as url:
        found = doctor.webhook(url, TOKEN)
    assert not found.ok
    assert "https" in found.cure


def test_another_verify_token_is_a_fault(tmp_path: Path) -> None:
    with serving(receiver(tmp_path)) as url:
        found = doctor.webhook(url, "another")
    assert "answers 403 and not the challenge" in found.finding
    assert "another" not in found.finding


def test_a_page_that_repeats_everything_and_one_that_leads_away_are_faults() -> None:
    def repeat(request: Request, _values: object) -> Response:
        return Response(f"you said {request.args['hub.challenge']}")

    def away(_request: Request, _values: object) -> Response:
        return Response(status=302, headers={"Location": "/elsewhere"})

    for handler, status in ((repeat, 200), (away, 302)):
        with serving([Route(method="GET", path=PATH, handler=handler)]) as url:
            assert f"answers {status} and not" in doctor.webhook(url, TOKEN).finding


def test_nobody_there_and_nothing_set_are_faults() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "refused" in doctor.webhook(f"http://127.0.0.1:{port}", TOKEN).finding
    assert "web.public_url is not set" in doctor.webhook("", TOKEN).finding
    assert "verify_token_env is not set" in doctor.webhook("https://x.example.com", "").finding
