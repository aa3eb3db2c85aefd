"""The certificate that Meta will see, looked at on real TLS servers with certificates of every kind."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fsctl.finding import Finding
from fsctl.whatsapp import certificate
from tests.integration.authority import Authority, openssl

NOW = datetime.now(UTC)


@contextmanager
def server(agent: Path, change: Callable[[ssl.SSLContext], object] = lambda _context: None) -> Iterator[int]:
    """A TLS server on a port of this machine for as long as the block lasts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(agent)
    change(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(100)
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def look(port: int, authority: Authority, host: str = "localhost", now: datetime = NOW) -> dict[str, Finding]:
    findings = certificate.look(
        host, port, now, authorities=authority.root, timeout_s=5, must_be_public=False
    )
    return {finding.what: finding for finding in findings}


def test_a_good_one_is_well_and_says_how_long_it_lasts(authority: Authority) -> None:
    with server(authority.issue("good", "localhost", 25)) as port:
        found = look(port, authority, now=NOW + timedelta(hours=1))
    assert all(finding.ok for finding in found.values()), found
    assert list(found) == ["name", "port", "tls", "certificate", "client"]
    assert found["tls"].finding in ("TLSv1.2", "TLSv1.3")
    assert "for localhost" in found["certificate"].finding
    assert "24 days" in found["certificate"].finding


def test_one_that_lasts_for_a_few_days_only_is_a_fault(authority: Authority) -> None:
    with server(authority.issue("short", "localhost", 25)) as port:
        found = look(port, authority, now=NOW + timedelta(days=20))
    assert not found["certificate"].ok
    assert "renew it now" in found["certificate"].cure


@pytest.mark.parametrize(
    ("name", "host", "days", "whole", "words"),
    [
        ("old", "localhost", -1, True, "has expired"),
        ("other", "sip.example.com", 25, True, "is not for this name"),
        ("torn", "localhost", 25, False, "has no chain up to a public authority"),
    ],
)
def test_what_is_wrong_of_one_is_said(
    authority: Authority, name: str, host: str, days: int, whole: bool, words: str
) -> None:
    with server(authority.issue(name, host, days, whole=whole)) as port:
        found = look(port, authority)
    assert not found["certificate"].ok
    assert words in found["certificate"].finding
    assert found["certificate"].cure
    assert found["client"].ok


def test_one_that_signed_itself_is_a_fault(authority: Authority, tmp_path: Path) -> None:
    key, own = tmp_path / "key.pem", tmp_path / "own.pem"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", 9,
        "-keyout", key, "-out", own,
    )  # fmt: skip
    (tmp_path / "agent.pem").write_bytes(own.read_bytes() + key.read_bytes())
    with server(tmp_path / "agent.pem") as port:
        found = look(port, authority)
    assert "is signed by itself" in found["certificate"].finding


def wants_certificate(mode: ssl.VerifyMode, newest: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def change(context: ssl.SSLContext) -> None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = mode
        context.maximum_version = newest

    return change


@pytest.mark.parametrize("mode", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_a_certificate_is_found(
    authority: Authority, mode: ssl.VerifyMode, newest: ssl.TLSVersion
) -> None:
    agent = authority.issue(f"asks{mode}{newest.value}", "localhost", 25)
    with server(agent, wants_certificate(mode, newest)) as port:
        found = look(port, authority)
    assert not found["client"].ok
    assert "tls-verify-policy" in found["client"].cure


def test_of_a_server_that_speaks_the_newest_only_nothing_is_claimed(authority: Authority) -> None:
    def newest(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3

    with server(authority.issue("newest", "localhost", 25), newest) as port:
        found = look(port, authority)
    assert found["tls"].finding == "TLSv1.3"
    assert "is not seen" in found["client"].finding


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_server_with_old_tls_only_is_a_fault(authority: Authority) -> None:
    def old(context: ssl.SSLContext) -> None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1

    with server(authority.issue("oldest", "localhost", 25), old) as port:
        found = look(port, authority)
    assert "no handshake with TLS 1.2 or newer" in found["tls"].finding


def test_a_port_that_speaks_no_tls_ends_in_time(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        findings = list(
            certificate.look(
                "localhost", port, NOW, authorities=authority.root, timeout_s=0.3, must_be_public=False
            )
        )
    assert [finding.ok for finding in findings] == [True, True, False]


def test_a_port_where_nobody_listens_and_a_name_that_is_none(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = look(port, authority)
    assert list(found) == ["name", "port"]
    assert "refused" in found["port"].finding
    assert not look(1, authority, host="nobody.invalid")["name"].ok


def test_an_address_that_only_we_reach_is_a_fault_towards_meta(authority: Authority) -> None:
    first = next(certificate.look("localhost", 1, NOW, authorities=authority.root))
    assert not first.ok
    assert "not public" in first.finding
