"""Keeps mod_callcenter honest: every few seconds a round over the node that is served.

A round reads what stands on the switch, mirrors it into Postgres, has ``esl.reconcile`` compare, sends the
repairs that are due, and writes down each of them. No decisions here. While Postgres is away there are no
rounds: who repairs must be able to say so.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import gevent

from fsctl.errors import DatabaseDown, FsctlError, LinkError, Unencodable
from fsctl.esl import encode
from fsctl.esl.callcenter import ON_BREAK, Agent, Snapshot
from fsctl.esl.connection import Reply
from fsctl.esl.decode import Origin
from fsctl.esl.findings import Finding, Kept, Ours
from fsctl.esl.reconcile import ROUNDS, Case, Memory, compare
from fsctl.esl.snapshot import Reader
from fsctl.store.agents import Agents, Rows
from fsctl.store.audit import Audit, Entry

log = logging.getLogger(__name__)

EVERY_S = 5.0
FIRST_S = 0.5
"""The same until there has been one: routing wants to know the queues' load."""
JITTER = 0.1
"""Share of the time between rounds by which it varies, so that nodes do not fall into step."""
REWRITE_S = 15.0
"""What did not change is written again after this, so that nobody takes it for old."""
PAUSE_S = 1.0
"""Between the looks of ``once``: longer than the lists lag."""
YIELD_S = 1e-6
"""With hundreds of agents a round takes tens of milliseconds; calls come in between."""
WHO = "reconciler"


@dataclass(frozen=True)
class Round:
    """What a round found and did."""

    cases: tuple[Case, ...]
    sent: tuple[tuple[Finding, tuple[str, ...]], ...] = ()
    """Repairs, with FreeSWITCH's answer to each command."""


class Reconciler:
    """One node's."""

    def __init__(
        self,
        request: Callable[[encode.Request], Reply],
        origin: Origin,
        agents: Agents,
        audit: Audit,
        wrap_up_s: Mapping[str, int],
        who: str = WHO,
    ) -> None:
        """Args: request: sends a command to the switch; wrap_up_s: by queue, where the config says one."""
        self.repaired: Counter[str] = Counter()
        """Repairs sent, by kind of finding."""
        self._request = request
        self._origin = origin
        self._reader = Reader(request, origin)
        self._agents = agents
        self._audit = audit
        self._wrap_up_s = wrap_up_s
        self._who = who
        self._memory = Memory()
        self._told: set[tuple[str, str]] = set()
        self._unwritten: list[Entry] = []
        self._written: Rows | None = None
        self._written_at = 0.0
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Make rounds in the background."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """No more rounds."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def status(self) -> Mapping[str, Any]:
        """For the report on the node."""
        left = [case.finding.what for case in self._memory.cases if case.is_left]
        return {"repairs": dict(self.repaired), "left": left}

    def _run(self) -> None:
        while True:
            pause_s = FIRST_S if self._written is None else EVERY_S
            gevent.sleep(pause_s * random.uniform(1 - JITTER, 1 + JITTER))
            try:
                self.round()
            except LinkError as error:
                # What was seen before a gap says nothing about now.
                self._memory = Memory(tried_at=self._memory.tried_at)
                log.debug("%s: no round: %s", self._origin.node, error)
            except FsctlError as error:
                log.warning("%s: no round: %s", self._origin.node, error)
            except Exception:
                log.exception("%s: the round failed", self._origin.node)

    def round(self, *, act: bool = True) -> Round:
        """Look once, and repair what is due.

        Args:
            act: False only looks.

        Raises:
            LinkError: the switch could not be asked; nothing or only a part was repaired.
            DatabaseDown: nothing was done.
        """
        ours = self._ours()
        self._write_audit()
        snapshot = self._reader.snapshot(ours.calls)
        gevent.sleep(YIELD_S)
        self._mirror(snapshot)
        gevent.sleep(YIELD_S)
        self._memory = compare(snapshot, ours, self._memory, time.monotonic())
        due = [case.finding for case in self._memory.cases if case.is_due] if act else []
        sent = tuple((finding, self._repair(finding, ours)) for finding in due)
        self._tell()
        return Round(self._memory.cases, sent)

    def _ours(self) -> Ours:
        node = self._origin.node
        return Ours(
            calls=self._agents.open_calls(node),
            kept={
                one.name: Kept(
                    away_since=int(one.put_away_at.timestamp()) if one.put_away_at else None,
                    away_from=one.put_away_from or Kept.away_from,
                    wrap_up_s=one.wrap_up_set_s,
                    wrap_up_back_s=one.wrap_up_back_s,
                )
                for one in self._agents.kept(node)
            },
            wrap_up_s=self._wrap_up_s,
        )

    # --- repairing ---------------------------------------------------------------------------------------

    def _repair(self, finding: Finding, ours: Ours) -> tuple[str, ...]:
        self._memory = self._memory.tried(finding, time.monotonic())
        self.repaired[finding.kind] += 1
        replies: list[str] = []
        try:
            for command in finding.repair:
                replies.append(self._send(command))
            self._keep(finding, ours)
        finally:
            log.warning("%s: %s; repaired: %s", self._origin.node, finding.what, "; ".join(replies))
            self._note(f"reconcile.{finding.kind}", finding, "; ".join(replies) or "the link went")
        return tuple(replies)

    def _send(self, command: encode.Request) -> str:
        try:
            return self._request(command).text.strip()
        except Unencodable as error:
            return f"not sent: {error}"

    def _keep(self, finding: Finding, ours: Ours) -> None:
        """What a later round must know of this repair."""
        node = self._origin.node
        if finding.kind == "phone-gone":
            agent = self._reader.agent(finding.subject)
            if agent is not None and agent.status == ON_BREAK:
                self._agents.put_away(node, agent.name, _time(agent.status_since), finding.before)
        if finding.kind == "wrap-up-differs":
            kept = ours.kept.get(finding.subject, Kept())
            if kept.wrap_up_back_s is not None:
                self._agents.set_wrap_up(node, finding.subject, kept.wrap_up_s)

    def _tell(self) -> None:
        """Say once of each finding that it is left to a person."""
        left = {
            (case.finding.kind, case.finding.subject): case.finding
            for case in self._memory.cases
            if case.is_left
        }
        for key, finding in left.items():
            if key not in self._told:
                log.warning("%s: %s; %s", self._origin.node, finding.what, finding.advice or "it came back")
                self._note("reconcile.left", finding, finding.advice or "came back after it was repaired")
        self._told = set(left)

    def _note(self, action: str, finding: Finding, result: str) -> None:
        self._unwritten.append(
            Entry(
                who=self._who,
                node=self._origin.node,
                action=action,
                subject=finding.subject,
                detail={
                    "found": finding.what,
                    "before": finding.before,
                    "commands": [_line(command) for command in finding.repair],
                },
                result=result,
            )
        )
        self._write_audit(patiently=True)

    def _write_audit(self, *, patiently: bool = False) -> None:
        """Write down what was done; what Postgres does not take now is written before the next round."""
        try:
            while self._unwritten:
                self._audit.append(self._unwritten[0])
                self._unwritten.pop(0)
        except DatabaseDown:
            if not patiently:
                raise

    # --- the mirror in Postgres --------------------------------------------------------------------------

    def _mirror(self, snapshot: Snapshot) -> None:
        if not snapshot.agents and not snapshot.queues:
            # mod_callcenter is not there, or is being loaded again: what is kept of its agents stays.
            return
        rows = rows_of(snapshot)
        gevent.sleep(YIELD_S)
        is_old = time.monotonic() - self._written_at > REWRITE_S
        changed = None if is_old or self._written is None else rows.since(self._written)
        if changed is None:
            self._agents.write(self._origin.node, rows)
            self._written_at = time.monotonic()
        elif any(changed.tables):
            self._agents.write(self._origin.node, changed, all_of_them=False)
        self._written = rows


def once(reconciler: Reconciler, *, act: bool) -> tuple[list[str], bool]:
    """Look, wait, repair what stood both times, wait, and look again.

    Args:
        act: False sends nothing.

    Returns:
        What was found and done, in lines for people; and whether nothing is left.

    Raises:
        LinkError, DatabaseError: see ``Reconciler.round``.
    """
    reconciler.round(act=False)
    gevent.sleep(PAUSE_S)
    found = reconciler.round(act=act)
    lines: list[str] = []
    for finding, replies in found.sent:
        lines.append(finding.what)
        lines += [f"  sent: {_line(command)} -> {reply}" for command, reply in zip(finding.repair, replies)]
    for finding in (case.finding for case in found.cases if case.rounds >= ROUNDS):
        lines.append(finding.what)
        lines += [f"  would send: {_line(command)}" for command in finding.repair]
        lines += [] if finding.repair else [f"  left: {finding.advice}"]
    if found.sent:
        gevent.sleep(PAUSE_S)
        found = reconciler.round(act=False)
        lines += [f"still: {case.finding.what}" for case in found.cases if case.tried]
    return lines, not any(case.tried or case.rounds >= ROUNDS for case in found.cases)


def _line(command: encode.Request) -> str:
    try:
        return command.render()
    except Unencodable as error:
        return f"({error})"


def rows_of(snapshot: Snapshot) -> Rows:
    """A snapshot as the tables agent, tier and queue have it."""
    return Rows(
        agents=[_agent_row(agent) for agent in snapshot.agents],
        tiers=[
            {key: getattr(tier, key) for key in ("queue", "agent", "level", "position", "state")}
            for tier in snapshot.tiers
        ],
        queues=[
            {
                "name": load.name,
                "waiting": load.waiting,
                "longest_since": _moment(load.longest_since),
                "agents_staffed": load.agents_staffed,
                "agents_ready": load.agents_ready,
            }
            for load in snapshot.loads()
        ],
    )


def _agent_row(agent: Agent) -> dict[str, Any]:
    return {
        "name": agent.name,
        "status": agent.status,
        "state": agent.state,
        "contact": agent.contact,
        "registered": agent.registered,
        "wrap_up_s": agent.wrap_up_s,
        "last_bridge_end": _moment(agent.last_bridge_end),
        "ready_at": _moment(agent.ready_at),
        "status_since": _moment(agent.status_since),
    }


def _moment(epoch_s: int | None) -> str | None:
    """As JSON; mod_callcenter's zero is never."""
    return _time(epoch_s).isoformat() if epoch_s else None


def _time(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
