"""From a whois answer to the list that FreeSWITCH includes."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fsctl.errors import BadInput
from fsctl.whatsapp import acl

ANSWER = """\
route:          31.13.24.0/21
descr:          Facebook, Inc.
origin:         AS32934
mnt-by:         MAINT-AS32934

route:          31.13.64.0/19
route:          31.13.96.0/19
route6:         2a03:2880::/32
route:          31.13.24.0/21
"""


def test_networks_are_taken_once_and_joined() -> None:
    found = acl.networks(ANSWER.splitlines())
    assert [str(one) for one in found] == ["31.13.24.0/21", "31.13.64.0/18", "2a03:2880::/32"]


def test_the_prefixes_of_awk_will_do() -> None:
    assert [str(one) for one in acl.networks(["31.13.24.0/21\n"])] == ["31.13.24.0/21"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no route"),
        ("<html>sorry</html>", "no route"),
        ("route: 0.0.0.0/0", "not a network that Meta"),
        ("route: 10.0.0.0/8", "not a network that Meta"),
        ("route: 999.1.1.0/24", "not a network"),
        ("route6: ::/0", "not a network that Meta"),
    ],
)
def test_what_is_no_announcement_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        acl.networks(text.splitlines())


def test_what_is_shipped_is_what_it_prints() -> None:
    shipped = Path(__file__).parents[3] / "freeswitch-conf" / "acl" / "meta.xml"
    text = shipped.read_text()
    found = acl.networks(node.get("cidr", "") for node in ElementTree.fromstring(text).iter("node"))
    assert acl.render(found) == text
