"""``/metrics``: the house and this process in numbers, as Prometheus reads them.

What stands in Postgres is the same whichever process of ``fsctl serve`` is asked; it is read at most every five
seconds, whoever asks, and left out while Postgres is away (``fsctl_database_up`` is 0 then). The rest is of this
process. Names: docs/operations.md. Labels are few: nodes, queues, words of ours; no call, no caller, no agent.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from werkzeug import Request, Response

from fsctl import __version__
from fsctl.call.state import Disposition
from fsctl.console import counts as consoles
from fsctl.console.commands import ROLES
from fsctl.errors import DatabaseError
from fsctl.store.operations import MOS_BOUNDS, WAIT_BOUNDS_S, Count, Numbers
from fsctl.web.health import served
from fsctl.web.limits import Counts
from fsctl.web.reading import Reading
from fsctl.whatsapp.journal import Journal

EVERY_S = 5.0
PATIENCE_S = 2.0
GOOD_S = 30.0
LENGTH_FAULTS = ("size", "length", "length-archived")
"""Findings of media/proof.py: bytes, or the time by the clock, that the file does not have."""
NOT_REFUSED = ("requests", "failed")
"""Of ``Counts``, what is no refusal."""

LINK_GAUGES = {
    "waiting": ("esl_facts_waiting", "Facts of calls that wait to be handled."),
    "in_flight": ("esl_commands_in_flight", "Commands that FreeSWITCH has not answered yet."),
}
LINK_COUNTERS = {
    "gaps": ("esl_event_gap", "Times that events may have been missed; each was followed by a resync."),
    "resyncs": ("esl_resyncs", "Times that everything that stands was read anew."),
    "restarts": ("freeswitch_restarts", "Times that FreeSWITCH came back as another process."),
    "repaired": ("esl_calls_repaired", "Calls that an audit found missing or gone while the link was up."),
    "shed": ("esl_facts_shed", "Facts that were dropped in a burst and had again by a resync."),
}
DEPTHS = {
    "outbox_pending": ("outbox_depth", "Messages to Meta that wait, also for their time."),
    "outbox_claimed": ("outbox_in_flight", "Messages that are being sent."),
    "outbox_unsure": ("outbox_unsure", "Messages that may have been sent; a webhook or a person will tell."),
    "outbox_oldest_s": (
        "outbox_oldest_age_seconds",
        "For so long the oldest message that is due has waited.",
    ),
    "inbox_waiting": ("inbox_waiting", "Webhooks that are stored and not yet made rows of."),
    "inbox_failed": ("inbox_failed", "Webhooks that could not be made rows of; see `fsctl inbox`."),
    "deliveries_waiting": ("crm_deliveries_waiting", "Events that CRM endpoints have not taken yet."),
    "deliveries_oldest_s": ("crm_deliveries_oldest_age_seconds", "Age of about the oldest of them."),
    "endpoints_disabled": ("crm_endpoints_disabled", "CRM endpoints that nothing is sent to any more."),
    "events_unnumbered": (
        "crm_events_unnumbered",
        "Events without a number: more than a few mean that nobody numbers.",
    ),
    "depth": ("stt_depth", "Live utterances that wait for their text."),
    "lag_s": ("stt_lag_seconds", "Age of the oldest of them."),
    "put_off": ("stt_put_off", "Utterances that are decoded after their calls."),
    "legs": ("stt_final_depth", "Legs of recordings that wait for their final pass."),
    "legs_lag_s": ("stt_final_lag_seconds", "For so long the oldest of them has waited."),
}
"""Column of the readings -> its gauge."""
COUNTERS = {
    "calls_ended": ("calls_ended", "Calls that ended.", "disposition"),
    "queue_left": ("queue_left", "Callers who left a queue without an agent.", "queue"),
    "recording.ready": ("recordings_ready", "Recordings that were archived and found good.", ""),
    "recording.failed": ("recordings_failed", "Recordings that failed.", ""),
    "recording_fault": ("recording_faults", "What was wrong with archived recordings.", "code"),
    "transcript.ready": ("transcripts_ready", "Recordings whose speech is all accounted for.", ""),
    "message.received": ("messages_received", "Messages of customers.", ""),
    "stt_suppressed": ("stt_suppressed_segments", "Text that a rule said was not spoken.", "rule"),
    "stt_shed": ("stt_shed", "Utterances whose live text would have come too late.", ""),
    "outbox_failed": ("outbox_failed", "Messages that Meta refused for good, or that expired.", ""),
}
"""Name in the tally -> its counter, and the name of its label."""
KNOWN = {"calls_ended": [one.value for one in Disposition]}
"""Values of labels that are known beforehand."""


@dataclasses.dataclass(frozen=True)
class Counted:
    """Where the numbers of this process are."""

    journal: Journal
    web: Callable[[], Counts]
    """Of the server that has this page."""
    console: Callable[[], consoles.Counts] | None
    """None: this process has no console."""


class Metrics:
    """Answers ``/metrics``."""

    def __init__(
        self,
        read: Callable[[], Numbers],
        nodes: Sequence[str],
        counted: Counted,
    ) -> None:
        """Args: read: from Postgres; nodes: that shall be served."""
        self._numbers = Reading(read, every_s=EVERY_S, patience_s=PATIENCE_S, good_s=GOOD_S)
        self._nodes = nodes
        self._counted = counted

    def show(self, request: Request, _values: Mapping[str, str]) -> Response:
        """In the format that the scraper asks for: Prometheus' text, or OpenMetrics."""
        # Read before anything is rendered: a registry would do so under a lock.
        found = [*self._of_process(), *self._of_house()]
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Found(found))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type, headers={"Cache-Control": "no-store"})

    def close(self) -> None:
        """Read no more."""
        self._numbers.close()

    def _of_process(self) -> Iterator[Metric]:
        yield _gauge("fsctl_info", "Which fsctl this is.", ("version",), [((__version__,), 1)])
        journal, counts = self._counted.journal, dataclasses.asdict(self._counted.web())
        yield _gauge(
            "journal_bytes",
            "Webhooks that are on disk and not yet in Postgres.",
            (),
            [((), journal.used_bytes)],
        )
        yield _gauge(
            "journal_full", "1: webhooks are refused, for the disk or the limit.", (), [((), journal.is_full)]
        )
        yield _counter(
            "journal_damaged_bytes",
            "Bytes of the journal that could not be read.",
            (),
            [((), journal.damaged_bytes)],
        )
        yield _counter("web_requests", "Requests by HTTP.", (), [((), counts["requests"])])
        yield _counter("web_failed", "Requests that were answered with 500.", (), [((), counts["failed"])])
        refused = [((why,), count) for why, count in counts.items() if why not in NOT_REFUSED]
        yield _counter("web_refused", "Clients that asked for more than they may.", ("why",), refused)
        if self._counted.console is not None:
            yield from _of_console(self._counted.console())

    def _of_house(self) -> Iterator[Metric]:
        try:
            numbers = self._numbers.get()
        except DatabaseError:
            numbers = None
        up = [((), numbers is not None)]
        yield _gauge(
            "fsctl_database_up", "1: Postgres answers; else the numbers it keeps are missing here.", (), up
        )
        if numbers is None:
            return
        yield from _of_links(numbers, self._nodes)
        yield from _of_queues(numbers)
        yield _by("calls_open", "Calls that are going on.", "phase", numbers.calls)
        yield _by("recordings", "Recordings that are not done with.", "state", numbers.recordings)
        yield _by("alarms_up", "Alarms that are up.", "kind", numbers.alarms)
        for column, (name, text) in DEPTHS.items():
            yield _gauge(name, text, (), [((), numbers.depths[column])])
        yield from _of_counts(numbers.counts)


class _Found(Collector):
    """What was read, for a registry."""

    def __init__(self, found: Sequence[Metric]) -> None:
        self._found = found

    def collect(self) -> Sequence[Metric]:
        return self._found


Samples = Sequence[tuple[tuple[str, ...], float]]
"""Values of the labels, and the value."""


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _of_console(counts: consoles.Counts) -> Iterator[Metric]:
    yield _gauge("console_clients", "Consoles that are logged in.", (), [((), counts.clients)])
    for name, text, count in (
        ("connections", "Connections of consoles.", counts.taken),
        ("turned_away", "Of these, from networks that may not, or too many.", counts.turned_away),
        ("logins_refused", "Wrong names or passwords, or too many consoles.", counts.refused),
        ("dropped", "Consoles that did not read, or sent what nobody can read.", counts.dropped),
    ):
        yield _counter(f"console_{name}", text, (), [((), count)])
    asked = [
        ((role, outcome), counts.commands[role, outcome]) for role in ROLES for outcome in consoles.OUTCOMES
    ]
    yield _counter("console_commands", "Commands of consoles.", ("role", "result"), asked)


def _by(name: str, text: str, label: str, found: Mapping[str, int]) -> Metric:
    return _gauge(name, text, (label,), [((key,), count) for key, count in found.items()])


def _of_links(numbers: Numbers, nodes: Sequence[str]) -> Iterator[Metric]:
    reports = {node: served(node, numbers.links) for node in nodes}
    state = [((node,), float(one is not None and one.state == "ready")) for node, one in reports.items()]
    yield _gauge("esl_link_state", "1: the node's link is up and synced.", ("node",), state)
    known = [(node, one.status) for node, one in reports.items() if one is not None]
    lag = [((node,), status["lag_ms"] / 1000) for node, status in known if status.get("lag_ms") is not None]
    yield _gauge("esl_event_lag_seconds", "How late the last event was when it came.", ("node",), lag)
    for key, (name, text) in LINK_GAUGES.items():
        yield _gauge(name, text, ("node",), [((node,), status.get(key, 0)) for node, status in known])
    for key, (name, text) in LINK_COUNTERS.items():
        yield _counter(name, text, ("node",), [((node,), status.get(key, 0)) for node, status in known])
    repairs = [
        ((node, kind), count) for node, status in known for kind, count in status.get("repairs", {}).items()
    ]
    text = "What the reconciler put right in mod_callcenter."
    yield _counter("callcenter_reconcile_repairs", text, ("node", "kind"), repairs)
    left = [((node,), len(status.get("left", ()))) for node, status in known]
    yield _gauge("callcenter_reconcile_left", "What it leaves to a person.", ("node",), left)


def _of_queues(numbers: Numbers) -> Iterator[Metric]:
    for column, name, text in (
        ("waiting", "queue_waiting", "Callers in the queue."),
        ("longest_s", "queue_longest_wait_seconds", "Of who has waited longest now."),
        ("agents_staffed", "queue_agents_staffed", "Agents whose status lets them take calls."),
        ("agents_ready", "queue_agents_ready", "Of these, who could take one now."),
    ):
        samples = [((one["node"], one["name"]), one[column] or 0) for one in numbers.queues]
        yield _gauge(name, text, ("node", "queue"), samples)


def _of_counts(counts: Sequence[Count]) -> Iterator[Metric]:
    by_name: dict[str, list[Count]] = defaultdict(list)
    for one in counts:
        by_name[one.name].append(one)
    for key, (name, text, label) in COUNTERS.items():
        # What can be is told from the start: a counter that appears with its first count has no increase.
        found = dict.fromkeys(KNOWN.get(key, ()) if label else ("",), 0)
        found |= {one.label: one.count for one in by_name[key]}
        samples = [((value,) if label else (), count) for value, count in found.items()]
        yield _counter(name, text, (label,) if label else (), samples)
    wrong = sum(one.count for one in by_name["recording_fault"] if one.label in LENGTH_FAULTS)
    text = "Archived recordings whose size or length is not what it should be."
    yield _counter("recording_bytes_vs_duration_mismatch", text, (), [((), wrong)])
    text = "From joining the queue to an agent."
    yield _histogram("queue_wait_seconds", text, "queue", by_name["queue_wait"], WAIT_BOUNDS_S)
    text = "Quality of the customer's leg (MOS), of calls that ended."
    yield _histogram("wa_leg_mos", text, "", by_name["mos"], MOS_BOUNDS)


def _histogram(name: str, text: str, label: str, counts: Sequence[Count], bounds: Sequence[float]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=(label,) if label else ())
    for value in sorted({one.label for one in counts} | (set() if label else {""})):
        of_value = [one for one in counts if one.label == value]
        buckets = [
            (
                "+Inf" if bound == float("inf") else str(bound),
                sum(one.count for one in of_value if one.le <= bound),
            )
            for bound in (*bounds, float("inf"))
        ]
        family.add_metric((value,) if label else (), buckets, sum(one.total for one in of_value))
    return family
