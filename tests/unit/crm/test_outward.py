"""Requests go to the Internet or nowhere."""

import socket
from typing import Any

import pytest

from fsctl.crm import outward
from fsctl.crm.outward import Outward
from fsctl.errors import BadInput

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1",
    "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "64:ff9b:1::1",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


def resolver(*addresses: str) -> Any:
    """A name server that says this. Each of its answers is counted in ``asked``."""

    def resolve(host: str, port: int, **_kind: object) -> list[tuple[Any, ...]]:
        resolve.asked.append(host)  # type: ignore[attr-defined]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    resolve.asked = []  # type: ignore[attr-defined]
    return resolve


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_is_none_to_send_to(address: str) -> None:
    assert not outward.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_outside_is(address: str) -> None:
    assert outward.is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_one_bad_address_of_a_name_is_enough(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outward, "_pool", lambda *_: pytest.fail("something was sent"))
    out = Outward(resolve=resolver("93.184.215.14", address))
    with pytest.raises(BadInput, match="not a public address"):
        out.check("https://crm.example.com/")
    answer = out.post("https://crm.example.com/", {}, b"{}")
    assert answer.status is None
    assert "not a public address" in answer.error


def test_the_name_is_asked_for_once_and_the_connection_goes_to_what_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve = resolver("93.184.215.14")
    went: list[str] = []

    def pool(_self: Outward, _parts: object, address: str) -> Any:
        went.append(address)
        raise OSError("far enough")

    monkeypatch.setattr(Outward, "_pool", pool)
    Outward(resolve=resolve).post("https://crm.example.com/", {}, b"{}")
    assert (went, resolve.asked) == (["93.184.215.14"], ["crm.example.com"])


@pytest.mark.parametrize(
    "url",
    [
        "", "crm", "ftp://crm.example.com/", "http://crm.example.com/", "https://", "https:///x", "file:///etc/passwd",
        "https://u:p@crm.example.com/", "https://crm.example.com:99999/", "https://crm.example.com/#x",
        "https://crm.example.com/a b", "https://crm.example.com/\r\nX: y", "https://[::1/", "gopher://x/",
        "https://crm.example.com/" + "x" * 2000, "https://crm.ex\u00e4mple.com/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_never_sent_to(url: str) -> None:
    out = Outward(resolve=resolver("93.184.215.14"))
    with pytest.raises(BadInput):
        out.check(url)
    assert out.post(url, {}, b"{}").status is None


@pytest.mark.parametrize(
    "url", ["https://0x7f.1/", "https://2130706433/", "https://127.1/", "https://localhost/"]
)
def test_other_spellings_of_the_loopback_are_resolved_before_they_are_judged(url: str) -> None:
    answer = Outward(total_s=5.0).post(url, {}, b"{}")
    assert answer.status is None
    assert answer.error


def test_plain_http_goes_where_private_addresses_are_allowed() -> None:
    out = Outward(allow_private=True, resolve=resolver("127.0.0.1"))
    assert out.check("http://crm.example.com/") == "http://crm.example.com/"


def test_a_name_that_means_nothing_now_may_mean_something_later() -> None:
    def nothing(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror("no such name")

    assert Outward(resolve=nothing).check("https://crm.example.com/")
    assert "no such name" in Outward(resolve=nothing).post("https://crm.example.com/", {}, b"").error
