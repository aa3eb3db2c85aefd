"""``/healthz``: this process lives. ``/readyz``: the house can take calls, or what is missing.

Ready is: Postgres answers, its schema is ours, and each node has a controller whose link is up and synced. Which
process has it is all one: two that serve the same nodes are ready together.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from werkzeug import Request, Response
from werkzeug.exceptions import ServiceUnavailable

from fsctl.errors import DatabaseError
from fsctl.store.links import Report
from fsctl.web.reading import Reading

EVERY_S = 1.0
PATIENCE_S = 2.0
"""Kubernetes and others give up after a second or more; who is not answered is not ready for them either."""
AGAIN_S = 5
MOST_ERROR = 200
"""Characters of what a link says of itself."""
HEADERS = {"Cache-Control": "no-store"}


class Health:
    """Answers both."""

    def __init__(
        self, read: Callable[[], tuple[Sequence[str], Sequence[Report]]], nodes: Sequence[str]
    ) -> None:
        """Args: read: migrations that are missing, and reports on links; nodes: that shall be served."""
        self._readiness = Reading(read, every_s=EVERY_S, patience_s=PATIENCE_S)
        self._nodes = nodes

    def alive(self, _request: Request, _values: Mapping[str, str]) -> Response:
        """Asks nobody: a supervisor that restarts us because Postgres is away would only make it worse."""
        return Response("alive\n", mimetype="text/plain", headers=HEADERS)

    def ready(self, _request: Request, _values: Mapping[str, str]) -> Response:
        """200, or 503 with all that is missing."""
        missing = list(self._missing())
        if missing:
            raise ServiceUnavailable("; ".join(missing), retry_after=AGAIN_S)
        return Response("ready\n", mimetype="text/plain", headers=HEADERS)

    def close(self) -> None:
        """Read no more."""
        self._readiness.close()

    def _missing(self) -> Iterator[str]:
        try:
            migrations, reports = self._readiness.get()
        except DatabaseError as error:
            yield str(error)
            return
        if migrations:
            yield f"migrations are to be applied: {', '.join(migrations)} (run `fsctl init-db`)"
            return
        for node in self._nodes:
            why = not_ready(node, reports)
            if why:
                yield why


def served(node: str, reports: Sequence[Report]) -> Report | None:
    """The word of the controller that has the node; None where none has, or it is gone."""
    fresh = [one for one in reports if one.node == node and not one.is_stale and one.state != "standby"]
    return min(fresh, key=lambda one: (one.state != "ready", one.age_s), default=None)


def not_ready(node: str, reports: Sequence[Report]) -> str:
    """Why calls of the node are not looked after now; empty: they are."""
    report = served(node, reports)
    if report is None:
        return f"node {node}: no controller serves it"
    if report.state == "ready":
        return ""
    error = str(report.status.get("error") or "")[:MOST_ERROR]
    return f"node {node}: its link is {report.state}" + (f": {error}" if error else "")
