"""How each link is, as a table for people and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence

from fsctl.store.links import Report
from fsctl.terminal import escape

COUNTS = {
    "waiting": "waiting",
    "in_flight": "in flight",
    "gaps": "gaps",
    "resyncs": "resyncs",
    "restarts": "restarts",
    "repaired": "repaired",
    "shed": "shed",
}
"""Field of the link's status -> its heading."""


def is_well(reports: Sequence[Report]) -> bool:
    """Whether every node has a controller whose link is ready."""
    ready = {report.node for report in reports if report.state == "ready" and not report.is_stale}
    return bool(reports) and ready == {report.node for report in reports}


def as_json(reports: Sequence[Report]) -> str:
    """A list of objects: the status as the link says it, and whose word it is."""
    rows = [
        {
            **report.status,
            "node": report.node,
            "controller": report.controller,
            "state": report.state,
            "since": report.since.isoformat(),
            "age_s": round(report.age_s, 1),
            "stale": report.is_stale,
        }
        for report in reports
    ]
    return json.dumps(rows, indent=2)


def as_text(reports: Sequence[Report]) -> str:
    """A table; below each link its last error, and what the reconciler cannot put right."""
    return "\n".join(_lines(reports))


def _lines(reports: Sequence[Report]) -> Iterator[str]:
    heads = " ".join(f"{head:>9}" for head in COUNTS.values())
    yield f"{'node':12} {'state':11} {'controller':24} {'lag ms':>8} {heads}"
    for report in reports:
        state = "gone" if report.is_stale else report.state
        lag = report.status.get("lag_ms")
        counts = " ".join(f"{report.status.get(field, 0):>9}" for field in COUNTS)
        yield (
            f"{escape(report.node):12} {state:11} {escape(report.controller):24} "
            f"{'' if lag is None else f'{lag:.0f}':>8} {counts}"
        )
        if report.status.get("error") and not report.is_stale:
            yield f"{'':12} {escape(str(report.status['error']))}"
        for left in () if report.is_stale else report.status.get("left", ()):
            yield f"{'':12} mod_callcenter: {escape(str(left))} (see `fsctl reconcile`)"
