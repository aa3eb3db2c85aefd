"""The pages for those who keep the house running: ``/healthz``, ``/readyz``, ``/metrics``.

Served beside Meta's webhooks, so only to clients of the networks of ``[web] operations``. A proxy in front makes
every client look like itself; what it forwards on behalf of others is refused where it says so.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence

from werkzeug import Request, Response
from werkzeug.exceptions import Forbidden

from fsctl.store import operations
from fsctl.store.db import Database
from fsctl.web.health import Health
from fsctl.web.metrics import Counted, Metrics
from fsctl.web.server import Route

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""What proxies add (RFC 7239; RFC 9110, 7.6.3; custom)."""


class Gate:
    """Who may see them."""

    def __init__(self, networks: Sequence[str]) -> None:
        """Args: networks: such as ``127.0.0.0/8``; none: nobody. Raises ValueError: one of them is none."""
        self._networks = [ipaddress.ip_network(one) for one in networks]

    def admit(self, request: Request) -> None:
        """Raises Forbidden."""
        if any(name in request.headers for name in FORWARDED):
            raise Forbidden("This is not forwarded: ask the address that fsctl listens on.")
        if not self._is_inside(request.remote_addr or ""):
            raise Forbidden("This is for the networks of [web] operations.")

    def _is_inside(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        # A socket of IPv6 tells of IPv4 clients so.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


class OperationsPages:
    """Joins the three; closes what they still read."""

    def __init__(
        self,
        database: Database,
        networks: Sequence[str],
        nodes: Sequence[str],
        counted: Counted,
    ) -> None:
        """
        Args:
            database: better one of its own: whether there is an answer must not hang on who else asks.
            networks: see ``Gate``.
            nodes: names of the FreeSWITCHes that shall be served.
            counted: what this process has counted.
        """
        house = operations.Operations(database)
        self._gate = Gate(networks)
        self._health = Health(house.readiness, nodes)
        self._metrics = Metrics(house.numbers, nodes, counted)

    @property
    def routes(self) -> Sequence[Route]:
        """For the server."""
        return (
            self._route("/healthz", self._health.alive),
            self._route("/readyz", self._health.ready),
            self._route("/metrics", self._metrics.show),
        )

    def close(self) -> None:
        """Read no more."""
        self._health.close()
        self._metrics.close()

    def _route(self, path: str, handler: Callable[[Request, Mapping[str, str]], Response]) -> Route:
        return Route(method="GET", path=path, handler=handler, most_bytes=0, admit=self._gate.admit)
