"""The loop: an event, one step, the store, the switch. No decisions here.

Per call the events come in order, one at a time (``esl.lanes``); calls do not wait for each other. What a step
asks of Postgres is done first and as one; only then is the switch told. Where the call goes is told before: the
dialplan asks for it within a second, and the disk may be slow. When Postgres is away the call's lane waits for it:
FreeSWITCH goes on by its dialplan, and nothing that happened is dropped.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TypeVar

import gevent

from fsctl.call import commands, events, machine
from fsctl.call.commands import Command
from fsctl.call.events import CallEvent
from fsctl.call.policy import Policy
from fsctl.call.state import Call
from fsctl.errors import DatabaseDown, LinkError
from fsctl.esl import encode
from fsctl.esl.connection import Reply
from fsctl.logs import about
from fsctl.patience import Patience
from fsctl.store.calls import Calls

log = logging.getLogger(__name__)

T = TypeVar("T")

REMEMBERED = 4096
"""Calls kept in memory; an older one is read from Postgres again when a late event needs it."""


class Controller:
    """Steers the calls of one node."""

    def __init__(self, calls: Calls, policy: Policy, request: Callable[[encode.Request], Reply]) -> None:
        """Args: request: sends a command to the node's switch."""
        self._calls = calls
        self._policy = policy
        self._request = request
        self._known: OrderedDict[str, Call | None] = OrderedDict()

    def knows(self, uuid: str) -> bool:
        """Whether the call is one of ours already; taken for granted while Postgres cannot be asked."""
        if uuid in self._known:
            return self._known[uuid] is not None
        try:
            return self._calls.load(uuid) is not None
        except DatabaseDown:
            return True

    def gone(self, node: str, standing: set[str], up_since: datetime | None) -> Iterable[CallEvent]:
        """Ends of the node's calls that are open and do not stand. Nobody saw why they ended."""
        return [
            _end_of(call, up_since)
            for call in self._patiently(lambda: self._calls.open_calls(node))
            if call.uuid not in standing
        ]

    def on_events(self, facts: Sequence[CallEvent]) -> None:
        """Take facts through their steps. Those that came together are stored together: under load a transaction
        holds many, and the switch is told after it, of all but a route."""
        uuids = {fact.uuid for fact in facts}
        with self._about(*uuids) if len(uuids) == 1 else nullcontext():
            self._take(facts)

    def _about(self, uuid: str) -> AbstractContextManager[None]:
        known = self._known.get(uuid)
        return about(uuid, known.thread_id if known else None)

    def _take(self, facts: Sequence[CallEvent]) -> None:
        calls: dict[str, Call | None] = {}
        asked: list[Command] = []
        pending: Sequence[CallEvent] = facts
        while pending:
            pending, more = self._steps(calls, pending)
            self._tell(one for one in more if isinstance(one, commands.SetVariables))
            asked += more
        stored = [one for one in asked if isinstance(one, commands.StoreCommand)]
        if stored:
            self._patiently(lambda: self._calls.apply(stored))
        for uuid, call in calls.items():
            self._remember(uuid, call)
        self._tell(
            one
            for one in asked
            if isinstance(one, commands.SwitchCommand) and not isinstance(one, commands.SetVariables)
        )

    def _steps(
        self, calls: dict[str, Call | None], facts: Sequence[CallEvent]
    ) -> tuple[Sequence[CallEvent], list[Command]]:
        """One step for each fact, up to a question: what follows of that call comes after the answer. Nothing is
        acted on in between, so who calls and where the call goes are stored as one.

        Returns:
            Answers, and the facts that wait behind them; and all other commands.
        """
        questions: dict[str, commands.FindContact] = {}
        later: list[CallEvent] = []
        asked: list[Command] = []
        for fact in facts:
            if fact.uuid in questions:
                later.append(fact)
                continue
            before = calls[fact.uuid] if fact.uuid in calls else self._recall(fact)
            calls[fact.uuid], more = machine.step(before, fact, self._policy)
            asked += (one for one in more if not isinstance(one, commands.FindContact))
            questions.update((one.uuid, one) for one in more if isinstance(one, commands.FindContact))
        return [*self._answers(list(questions.values())), *later], asked

    def _answers(self, questions: Sequence[commands.FindContact]) -> list[CallEvent]:
        """Who calls, for all of them at once."""
        if len(questions) <= 1:
            return [self._answer(question) for question in questions]
        asking = [gevent.spawn(self._answer, question) for question in questions]
        gevent.joinall(asking, raise_error=True)
        return [greenlet.value for greenlet in asking]

    def _answer(self, question: commands.FindContact) -> CallEvent:
        return self._patiently(lambda: self._calls.answer(question))

    def _tell(self, asked: Iterable[commands.SwitchCommand]) -> None:
        """Tell the switch. The lane does not wait for its answers: the facts of other calls are behind it."""
        for command in asked:
            gevent.spawn(self._tell_switch, command)

    def _tell_switch(self, command: commands.SwitchCommand) -> None:
        with self._about(command.uuid):
            try:
                reply = self._request(encode.encode(command))
            except LinkError as error:
                log.warning("call %s: not steered, the dialplan goes on by itself: %s", command.uuid, error)
                return
            if not reply.ok:
                log.info("call %s: not steered: %s", command.uuid, reply.text.strip())

    def _recall(self, fact: CallEvent) -> Call | None:
        if fact.uuid not in self._known:
            # An offer that was seen as it came is the first that anybody hears of the call.
            is_first = isinstance(fact, events.CallOffered) and fact.found == "live"
            call = None if is_first else self._patiently(lambda: self._calls.load(fact.uuid))
            self._remember(fact.uuid, call)
        return self._known[fact.uuid]

    def _remember(self, uuid: str, call: Call | None) -> None:
        """Channels that are none of ours are remembered too, so that Postgres is asked once for each."""
        self._known[uuid] = call
        self._known.move_to_end(uuid)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _patiently(self, ask: Callable[[], T]) -> T:
        return Patience(log, first_s=0.1, most_s=3.0).until_done(ask)


def _end_of(call: Call, up_since: datetime | None) -> CallEvent:
    """The end of a call that nobody saw. One that is older than its FreeSWITCH ended when that was shut down or
    killed: had it ended before, the ledger would know it."""
    at, cause = datetime.now(UTC), "LOST"
    if up_since is not None and call.offered_at < up_since:
        at, cause = up_since, "SYSTEM_SHUTDOWN"
    return events.LegHungUp(uuid=call.uuid, at=at, leg="caller", leg_uuid=call.uuid, cause=cause)
