"""Meta's networks, from a ``whois`` answer to the list of freeswitch-conf/acl/meta.xml.

Meta announces its addresses as AS32934 and changes them without notice (Meta, "Configure SIP"), so the list is
refreshed now and then:

    whois -h whois.radb.net -- '-i origin AS32934' | fsctl whatsapp acl > freeswitch-conf/acl/meta.xml
"""

import ipaddress
import re
from collections.abc import Iterable

from fsctl.errors import BadInput

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ROUTE = re.compile(r"(?:route6?:\s*)?([0-9A-Fa-f:.]+/\d{1,3})\s*\Z")
WIDEST = {4: 8, 6: 16}
"""A wider network than this is nobody's alone: a slip, or a trick."""


def networks(lines: Iterable[str]) -> list[Network]:
    """The networks that a whois answer names, joined where they touch; IPv4 first.

    Args:
        lines: ``route:`` and ``route6:`` lines among others, or bare prefixes, a line each.

    Raises:
        BadInput: none at all, or one that no announcement of Meta can be.
    """
    found: list[Network] = []
    for line in lines:
        match = _ROUTE.match(line.strip())
        if match is None:
            continue
        try:
            network = ipaddress.ip_network(match[1], strict=False)
        except ValueError as error:
            raise BadInput(f"not a network: {error}") from error
        if network.prefixlen < WIDEST[network.version] or not network.is_global:
            raise BadInput(f"{network}: not a network that Meta could announce")
        found.append(network)
    if not found:
        raise BadInput("no route: lines on standard input; is it the answer of `whois -i origin AS32934`?")
    return [
        *ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network)),
        *ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network)),
    ]


def render(found: Iterable[Network]) -> str:
    """The whole file, to be included in a list of acl.conf.xml."""
    nodes = "\n".join(f'  <node type="allow" cidr="{network}"/>' for network in found)
    return (
        "<!-- Meta's networks: the announcements of AS32934, as `fsctl whatsapp acl` made it. They change without\n"
        f"     notice: README.md says how to refresh this file. -->\n<include>\n{nodes}\n</include>\n"
    )
