"""Which contacts a registration decides on, and whether the phone is there."""

import pytest

from fsctl.esl import encode
from fsctl.esl.connection import Reply
from fsctl.esl.phones import Phones

SOFIA = "${sofia_contact(agents/${dialed_user}@${dialed_domain})}"
VANILLA = (
    "{^^:sip_invite_domain=${dialed_domain}:presence_id=${dialed_user}@${dialed_domain}}"
    "${sofia_contact(*/${dialed_user}@${dialed_domain})},${verto_contact(${dialed_user}@${dialed_domain})}"
)


class Directory:
    """A switch that is asked, with what it was asked."""

    def __init__(self, dial_string: str, verto: str = "error/user_not_registered") -> None:
        self.dial_string, self.verto = dial_string, verto
        self.asked: list[str] = []

    def request(self, command: encode.Request) -> Reply:
        self.asked.append(command.render())
        if isinstance(command, encode.ReadDialString):
            return Reply(self.dial_string)
        assert isinstance(command, encode.FindPhone)
        return Reply(self.verto if command.function == "verto_contact" else "error/user_not_registered")


CONTACTS = [
    ("user/ana@fsctl", True, False),
    ("[leg_timeout=20]user/ana@fsctl", True, False),
    ("{a=1,b='x,y'}user/ana@fsctl,user/bob@fsctl", True, False),
    ("user/bob@fsctl:_:user/ana@fsctl", True, False),
    ("[a=1]user/bob@fsctl|[b=2]user/ana@fsctl", True, False),
    ("${sofia_contact(agents/ana@fsctl)}", True, False),
    ("{x=1}${sofia_contact(ana@fsctl)}", True, False),
    ("user/bob@fsctl", False, False),
    ("user/ana", None, None),
    ("", None, None),
    ("loopback/100", None, None),
    ("sofia/gateway/trunk/15550100", None, None),
    ("user/ana@fsctl,sofia/gateway/trunk/15550100", None, None),
    ("user/ana@fsctl\nshutdown", None, None),
]


@pytest.mark.parametrize(("contact", "with_ana", "with_nobody"), CONTACTS)
def test_a_contact_is_judged_by_registrations_or_not_at_all(
    contact: str, with_ana: bool | None, with_nobody: bool | None
) -> None:
    phones = Phones(Directory(SOFIA).request)
    assert phones.registered(contact, {"ana@fsctl"}) is with_ana
    assert phones.registered(contact, set()) is with_nobody


@pytest.mark.parametrize(
    ("dial_string", "expected"),
    [
        (SOFIA, False),
        (VANILLA, False),
        ("sofia/gateway/trunk/15550100", None),
        (f"{SOFIA},sofia/gateway/trunk/15550100", None),
        ("-ERR no reply\n", None),
        ("-ERR user_data Command not found!\n", None),
        ("", None),
    ],
)
def test_the_directory_says_whether_a_registration_decides(dial_string: str, expected: bool | None) -> None:
    assert Phones(Directory(dial_string).request).registered("user/ana@fsctl", set()) is expected


def test_a_browser_that_came_by_verto_is_a_phone() -> None:
    directory = Directory(VANILLA, verto="verto.rtc/1008")
    assert Phones(directory.request).registered("user/ana@fsctl", set()) is True


def test_nobody_is_asked_about_a_phone_that_is_listed_and_the_directory_only_once() -> None:
    directory = Directory(SOFIA)
    phones = Phones(directory.request)
    phones.registered("user/ana@fsctl", {"ana@fsctl"})
    assert directory.asked == []
    for _ in range(3):
        phones.registered("user/ana@fsctl", set())
    assert sum("user_data" in line for line in directory.asked) == 1
