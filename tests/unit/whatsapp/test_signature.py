"""Meta's signature."""

import pytest

from fsctl.whatsapp import signature

SECRET = "test_app_secret"
BODY = b'{"object":"whatsapp_business_account","entry":[]}'
SIGNED = "sha256=dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756"


def test_a_known_signature_is_reproduced() -> None:
    assert signature.sign(SECRET, BODY) == SIGNED
    assert signature.is_genuine(SECRET, BODY, SIGNED)


@pytest.mark.parametrize(
    "signed",
    [
        "",
        SIGNED.removeprefix("sha256="),
        SIGNED.upper(),
        SIGNED[:-1],
        SIGNED + "0",
        SIGNED + "\n",
        SIGNED[:-1] + "7",
        "sha1=" + "0" * 40,
        "sha256=" + "ä" * 64,
    ],
)
def test_what_is_not_that_signature_is_refused(signed: str) -> None:
    assert not signature.is_genuine(SECRET, BODY, signed)


def test_another_body_or_another_secret_has_another_signature() -> None:
    assert not signature.is_genuine(SECRET, BODY + b" ", SIGNED)
    assert not signature.is_genuine("another", BODY, SIGNED)


def test_without_a_secret_nothing_is_genuine() -> None:
    assert not signature.is_genuine("", BODY, signature.sign("", BODY))


def test_the_shape_is_known_without_the_body() -> None:
    assert signature.has_shape(SIGNED)
    assert not signature.has_shape(None)
    assert not signature.has_shape("sha256=")
