"""The link to one FreeSWITCH: stays connected, and knows what it missed.

Two connections: events come on one, commands go over the other, so that a slow ``api`` never stops the
stream. After every connect: subscribe, keep what comes, read what stands, tell it, then what was kept, then go
on live. A fact told twice is the machine's everyday; one that is missing is found by the next audit, which
compares the switch's channels and its ledger with our calls while the link is up.

Holes in ``Event-Sequence`` tell nothing here: FreeSWITCH numbers all events of the process with one counter and we
subscribe to few of them, so nearly every number is missing anyway (switch_event.c, switch_event_fire_detailed).
What FreeSWITCH drops for a slow listener it only logs (``Lost [n] events!``): that too is the audit's.
"""

import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

import gevent
from gevent.event import AsyncResult
from gevent.event import Event as Flag

from fsctl.backoff import Backoff
from fsctl.call import events
from fsctl.call.events import CallEvent
from fsctl.errors import AuthRefused, CommandTimeout, FsctlError, LinkLost
from fsctl.esl import decode, encode, ledger, resync
from fsctl.esl.connection import Connection, Reply
from fsctl.esl.lanes import HIGH_WATER, Lanes
from fsctl.esl.messages import Event

log = logging.getLogger(__name__)

SILENCE_S = 65.0
"""FreeSWITCH beats every 20 s; three missed beats and the connection is dead, whatever TCP thinks."""
AUDIT_S = 30.0
"""How often the switch's channels are compared with our calls."""
HEARD_S = 10.0
"""A call heard of so lately is there or has told its end, whatever a table that lags says."""
WATCH_S = 0.25

State = Literal["connecting", "resyncing", "ready", "refused", "stopped"]


@dataclass(frozen=True)
class Address:
    """Where FreeSWITCH listens, and who we are to it."""

    host: str
    port: int
    password: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a link is, for those who look after it."""

    node: str
    state: State
    since: datetime
    core_uuid: str | None
    """Of the FreeSWITCH that runs now; another one after a restart."""
    lag_ms: float | None
    """How late the last event was when it came: the switch's clock against ours."""
    gaps: int
    """Times that events may have been missed: reconnects, and bursts in which facts were shed."""
    restarts: int
    """Times that FreeSWITCH came back as another process."""
    resyncs: int
    repaired: int
    """Calls that an audit found missing or gone while the link was up: should stay 0."""
    shed: int
    waiting: int
    """Facts that wait to be handled."""
    in_flight: int
    """Commands without an answer yet."""
    error: str | None


class Listener(Protocol):
    """Who hears of the calls of a node."""

    def on_events(self, facts: Sequence[CallEvent]) -> None:
        """Facts that waited together; those of one call come in order. May block: other lanes go on. If it
        raises, they are told again one by one."""

    def knows(self, uuid: str) -> bool:
        """Whether the call is known."""

    def gone(self, node: str, standing: set[str], up_since: datetime | None) -> Iterable[CallEvent]:
        """The ends of calls of the node that are open for us and do not stand.

        Args:
            up_since: when the FreeSWITCH that runs now started: older calls ended with the one before it.
        """


class Link:
    """Keeps one node connected and turns its traffic into events of ours."""

    listener: Listener
    """Set once, before ``start``: it needs the link to send commands, so neither can be made first."""

    def __init__(self, address: Address, origin: decode.Origin, high_water: int = HIGH_WATER) -> None:
        self.address = address
        self.origin = origin
        self.ready = Flag()
        self.changed = Flag()
        """Set for a moment whenever the state changes."""
        self.refused: AuthRefused | None = None
        """Set when FreeSWITCH does not let us in and never did: a person must act."""
        self.resyncs = self.gaps = self.restarts = self.repaired = 0
        self._lanes = Lanes(lambda facts: self.listener.on_events(facts), high_water)
        self._events: Connection | None = None
        self._commands: Connection | None = None
        self._held: list[CallEvent] | None = None
        self._heard: dict[str, float] = {}
        """When each call was last heard of, on our monotonic clock."""
        self._comparisons = 0
        self._jobs: dict[str, AsyncResult] = {}
        self._shed_seen = 0
        self._lag_ms: float | None = None
        self._core_uuid: str | None = None
        self._up_since: datetime | None = None
        self._state: State = "stopped"
        self._since = datetime.now(UTC)
        self._error: str | None = None
        self._greenlets: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Connect, and stay connected, in the background."""
        self._greenlets = [gevent.spawn(self._run)]

    def stop(self) -> None:
        """End for good; what was not handled is found again by the next resync."""
        gevent.killall(self._greenlets)
        self._drop("stopping")
        self._lanes.stop()
        self._enter("stopped")

    def request(self, command: encode.Request) -> Reply:
        """Send a command on the command connection; see Connection.request for what is raised."""
        return self._connected().request(command)

    def tell(self, fact: CallEvent) -> None:
        """Add a fact that we asked for ourselves to its call's lane. It is had again, so it may be shed."""
        self._lanes.put(fact)

    def background(self, command: encode.Request, timeout_s: float = 60.0) -> Reply:
        """Have FreeSWITCH run a command that takes long, beside others (bgapi), and wait for its result.

        Raises:
            LinkLost: the link went; whether the command ran is not known.
            CommandTimeout: no result within the deadline; the link stays.
        """
        job_uuid = str(uuid.uuid4())
        result = self._jobs[job_uuid] = AsyncResult()
        try:
            self._connected().must(encode.Background(command, job_uuid))
            result.wait(timeout_s)
            if not result.ready():
                raise CommandTimeout(f"{self.origin.node}: job {job_uuid}: no result in {timeout_s:.0f} s")
            reply: Reply = result.get()
            return reply
        finally:
            self._jobs.pop(job_uuid, None)

    def status(self) -> Status:
        """How the link is now."""
        connections = [one for one in (self._events, self._commands) if one is not None]
        return Status(
            node=self.origin.node,
            state=self._state,
            since=self._since,
            core_uuid=self._core_uuid,
            lag_ms=self._lag_ms,
            gaps=self.gaps,
            restarts=self.restarts,
            resyncs=self.resyncs,
            repaired=self.repaired,
            shed=self._lanes.shed,
            waiting=self._lanes.depth,
            in_flight=sum(one.in_flight for one in connections) + len(self._jobs),
            error=self._error,
        )

    # --- the life of a link ------------------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                self._connect()
                backoff.reset()
                self._watch()
            except AuthRefused as error:
                log.error("%s: %s", self.origin.node, error)
                self._error = str(error)
                if not self.resyncs:
                    self.refused = error
                    self._enter("refused")
                    self.ready.set()
                    return
            except FsctlError as error:
                log.warning("%s: %s", self.origin.node, error)
                self._error = str(error)
            except Exception as error:
                # A fault of ours must not leave the node unattended.
                log.exception("%s: the link failed; connecting again", self.origin.node)
                self._error = repr(error)
            self._drop("reconnecting")
            gevent.sleep(backoff.next_s())

    def _connect(self) -> None:
        self._enter("connecting")
        address = self.address
        self._held = []
        self._heard.clear()
        self._events = Connection(address.host, address.port, address.password, self._on_event)
        self._events.connect()
        for header, value in encode.FILTERS:
            self._events.must(encode.Filter(header, value))
        self._events.must(encode.Subscribe())
        self._commands = Connection(address.host, address.port, address.password, lambda _event: None)
        self._commands.connect()
        self._enter("resyncing")
        self._notice_restart(self._commands.must(encode.CoreUuid()).strip())
        self._up_since = resync.up_since(self._commands)
        gevent.sleep(resync.ROWS_LAG_S)
        if self.resyncs:
            self.gaps += 1
        self._compare(self._commands, everything=True)
        self._error = None
        self._enter("ready")
        self.ready.set()
        log.info("%s: connected to FreeSWITCH at %s:%s", self.origin.node, address.host, address.port)

    def _notice_restart(self, core_uuid: str) -> None:
        if self._core_uuid not in (None, core_uuid):
            self.restarts += 1
            log.warning("%s: FreeSWITCH was restarted; the calls it had are over", self.origin.node)
        self._core_uuid = core_uuid

    def _watch(self) -> None:
        """Return never; raise when one of the connections is gone or FreeSWITCH has fallen silent."""
        audit_at = time.monotonic() + AUDIT_S
        while True:
            gevent.sleep(WATCH_S)
            for connection in (self._events, self._commands):
                assert connection is not None
                if not connection.connected:
                    raise LinkLost(f"connection lost: {connection.why_lost}")
            assert self._events is not None
            assert self._commands is not None
            if time.monotonic() - self._events.heard_at > SILENCE_S:
                raise LinkLost(f"no heartbeat from FreeSWITCH for {SILENCE_S:.0f} s")
            shed = self._lanes.shed > self._shed_seen and self._lanes.is_low
            if shed or time.monotonic() > audit_at:
                self.gaps += shed
                self._compare(self._commands, everything=shed)
                audit_at = time.monotonic() + AUDIT_S

    def _compare(self, commands: Connection, *, everything: bool) -> None:
        """Read what stands, tell what we may not know, and end what is gone.

        Args:
            everything: tell of every channel, since any of its facts may be missing; else of unknown ones.
        """
        self._shed_seen = self._lanes.shed
        self._comparisons += 1
        since = time.monotonic() - HEARD_S
        self._heard = {one: at for one, at in self._heard.items() if at >= since}
        standing = resync.channels(commands, self.origin)
        unknown = [
            one for one in standing if everything or not (self._heard_lately(one) or self.listener.knows(one))
        ]
        if unknown or self._held is not None:
            self._held = self._held or []
            for fact in resync.tell(commands, self.origin, unknown):
                self._lanes.put(fact)
            held, self._held = self._held, None
            for fact in held:
                self._lanes.put(fact, keep=True)
        self.resyncs += everything
        self.repaired += 0 if everything else len(unknown)
        self._greenlets = [one for one in self._greenlets if not one.dead]
        settle = gevent.spawn(self._settle, self._comparisons, set(standing), audit=not everything)
        self._greenlets.append(settle)

    def _settle(self, comparison: int, standing: set[str], *, audit: bool) -> None:
        """When what was told is handled: tell what ended meanwhile, then end those that are gone.

        While Postgres is away that takes its time; a newer comparison then knows better.
        """
        self._lanes.flush()
        try:
            if not self._tell_ended(comparison, standing):
                return
            for fact in self.listener.gone(self.origin.node, standing | self._heard.keys(), self._up_since):
                self.repaired += audit
                self._lanes.put(fact)
        except FsctlError as error:
            log.info("%s: left to the next comparison: %s", self.origin.node, error)

    def _tell_ended(self, comparison: int, standing: set[str]) -> bool:
        """Tell the ledger page by page; a row is struck out when its call is stored. Whether it came to its end."""
        while comparison == self._comparisons:
            page = ledger.read(self.request, self.origin)
            ended = [entry for entry in page.entries if entry.uuid not in standing]
            for fact in (fact for entry in ended for fact in entry.told):
                self._lanes.put(fact, keep=True)
            self._lanes.flush()
            if comparison == self._comparisons:
                for entry in ended:
                    self.request(encode.StrikeOut(entry.key))
            if page.is_last or not ended:
                return page.is_last and comparison == self._comparisons
        return False

    def _heard_lately(self, call_uuid: str) -> bool:
        return time.monotonic() - self._heard.get(call_uuid, -HEARD_S) < HEARD_S

    def _connected(self) -> Connection:
        if self._commands is None:
            raise LinkLost(f"{self.origin.node}: not connected to FreeSWITCH")
        return self._commands

    def _drop(self, why: str) -> None:
        self.ready.clear()
        for connection in (self._events, self._commands):
            if connection is not None:
                connection.close(why)
        self._events = self._commands = None
        for result in self._jobs.values():
            result.set_exception(LinkLost(f"{self.origin.node}: the link went before the job's result came"))

    def _enter(self, state: State) -> None:
        if state != self._state:
            self._state, self._since = state, datetime.now(UTC)
            self.changed.set()
            self.changed.clear()

    # --- what comes --------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        self._lag_ms = decode.lag_ms(event, time.time())
        if event.name == "BACKGROUND_JOB":
            waiting = self._jobs.get(event.get("Job-UUID") or "")
            if waiting is not None:
                waiting.set(Reply(event.body.decode("utf-8", "replace")))
            return
        fact = decode.decode(event, self.origin)
        if fact is None or not fact.uuid:
            return
        self._heard[fact.uuid] = time.monotonic()
        if isinstance(fact, events.LegHungUp) and fact.leg == "caller":
            # The last word of a call holds all of it: what was missed or shed before is told here again.
            for told in decode.snapshot(event, self.origin):
                self._take(told, keep=True)
        self._take(fact)

    def _take(self, fact: CallEvent, *, keep: bool = False) -> None:
        if self._held is None:
            self._lanes.put(fact, keep=keep)
        elif keep or not self._lanes.sheds(fact, len(self._held)):
            self._held.append(fact)
