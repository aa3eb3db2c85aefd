"""The rules of a call: for each phase and each event, one named step.

This file is in charge of what a fact means for a call. It refuses to know how facts arrive and how commands
are carried out. Facts may come twice (replay after a reconnect), late (the queue reports its end after the
channel's) or not at all (a controller that was down); every step leaves a call that a later fact can mend.

How to read TABLE: a row a phase, a cell an event. ``stays`` is a cell too: it says that the fact changes
nothing here, and no cell is missing (a test counts them). What each does is in ``call.cells``.

``step`` adds what each change shares: the call's row is saved and the fact is appended to its story. A fact
that changes nothing leaves no trace, with one exception: ``notes`` writes it into the story only.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fsctl.call import cells, commands, events
from fsctl.call.cells import Result
from fsctl.call.commands import Command
from fsctl.call.events import CallEvent
from fsctl.call.policy import Policy
from fsctl.call.state import Call, Phase

Handler = Callable[[Call, Any, Policy], Result]


def step(call: Call | None, event: CallEvent, policy: Policy) -> tuple[Call | None, tuple[Command, ...]]:
    """Turn one event into the call it leaves and the commands it asks for.

    Args:
        call: the call as known, or None when its uuid is not known.
        event: the fact.
        policy: routing's view of the config.

    Returns:
        The call after the event (None when an unknown uuid was not offered), and commands in order: those
        for the store come before those for the switch.
    """
    if call is None:
        if not isinstance(event, events.CallOffered):
            return None, ()
        after, more = cells.begins(event)
        return after, (commands.SaveCall(uuid=event.uuid, call=after), _append(event), *more)
    handler = TABLE[call.phase][type(event)]
    after, more = handler(call, event, policy)
    if after == call and handler is not cells.notes:
        return call, more
    saved = (commands.SaveCall(uuid=call.uuid, call=after),) if after != call else ()
    return after, (*saved, _append(event), *more)


def _append(event: CallEvent) -> Command:
    return commands.AppendEvent(uuid=event.uuid, event=event)


Row = Mapping[type[CallEvent], Handler]

TABLE: Mapping[Phase, Row] = {
    Phase.OFFERED: {
        events.CallOffered: cells.asks_again,
        events.ContactFound: cells.routes,
        events.CallAnswered: cells.answers,
        events.RecordingStarted: cells.records,
        events.RecordingStopped: cells.stops_recording,
        events.GapBegan: cells.hides,
        events.GapEnded: cells.shows_again,
        events.MemberJoined: cells.queues,
        events.AgentOffered: cells.rings,
        events.AgentFailed: cells.notes,
        events.AgentBridged: cells.joins_agent,
        events.LegsBridged: cells.talks,
        events.LegsUnbridged: cells.parts,
        events.MemberLeft: cells.leaves_queue,
        events.LegHungUp: cells.ends,
        events.QualityMeasured: cells.measures,
        events.GatewayDialled: cells.guards,
    },
    Phase.ANSWERED: {
        events.CallOffered: cells.asks_again,
        events.ContactFound: cells.routes,
        events.CallAnswered: cells.stays,
        events.RecordingStarted: cells.records,
        events.RecordingStopped: cells.stops_recording,
        events.GapBegan: cells.hides,
        events.GapEnded: cells.shows_again,
        events.MemberJoined: cells.queues,
        events.AgentOffered: cells.rings,
        events.AgentFailed: cells.notes,
        events.AgentBridged: cells.joins_agent,
        events.LegsBridged: cells.talks,
        events.LegsUnbridged: cells.parts,
        events.MemberLeft: cells.leaves_queue,
        events.LegHungUp: cells.ends,
        events.QualityMeasured: cells.measures,
        events.GatewayDialled: cells.guards,
    },
    Phase.QUEUED: {
        events.CallOffered: cells.asks_again,
        events.ContactFound: cells.joins_thread,
        events.CallAnswered: cells.was_answered,
        events.RecordingStarted: cells.records,
        events.RecordingStopped: cells.stops_recording,
        events.GapBegan: cells.hides,
        events.GapEnded: cells.shows_again,
        events.MemberJoined: cells.moves_on,
        events.AgentOffered: cells.rings,
        events.AgentFailed: cells.notes,
        events.AgentBridged: cells.joins_agent,
        events.LegsBridged: cells.talks,
        events.LegsUnbridged: cells.parts,
        events.MemberLeft: cells.leaves_queue,
        events.LegHungUp: cells.ends,
        events.QualityMeasured: cells.measures,
        events.GatewayDialled: cells.guards,
    },
    Phase.RINGING: {
        events.CallOffered: cells.asks_again,
        events.ContactFound: cells.joins_thread,
        events.CallAnswered: cells.was_answered,
        events.RecordingStarted: cells.records,
        events.RecordingStopped: cells.stops_recording,
        events.GapBegan: cells.hides,
        events.GapEnded: cells.shows_again,
        events.MemberJoined: cells.moves_on,
        events.AgentOffered: cells.rings,
        events.AgentFailed: cells.rings_on,
        events.AgentBridged: cells.joins_agent,
        events.LegsBridged: cells.talks,
        events.LegsUnbridged: cells.parts,
        events.MemberLeft: cells.leaves_queue,
        events.LegHungUp: cells.ends,
        events.QualityMeasured: cells.measures,
        events.GatewayDialled: cells.guards,
    },
    Phase.TALKING: {
        events.CallOffered: cells.asks_again,
        events.ContactFound: cells.joins_thread,
        events.CallAnswered: cells.was_answered,
        events.RecordingStarted: cells.records,
        events.RecordingStopped: cells.stops_recording,
        events.GapBegan: cells.hides,
        events.GapEnded: cells.shows_again,
        events.MemberJoined: cells.queues_again,
        # Ring-all: the phones of the others are still being reported when one of them has won.
        events.AgentOffered: cells.stays,
        events.AgentFailed: cells.notes,
        events.AgentBridged: cells.joins_agent,
        events.LegsBridged: cells.talks,
        events.LegsUnbridged: cells.parts,
        events.MemberLeft: cells.leaves_queue,
        events.LegHungUp: cells.ends,
        events.QualityMeasured: cells.measures,
        events.GatewayDialled: cells.guards,
    },
    Phase.ENDED: {
        events.CallOffered: cells.stays,
        events.ContactFound: cells.joins_thread,
        events.CallAnswered: cells.was_answered,
        # A recording cannot begin on a leg that is gone; a replayed start of one that we hold is harmless.
        events.RecordingStarted: cells.records,
        events.RecordingStopped: cells.stops_recording,
        events.GapBegan: cells.hides,
        events.GapEnded: cells.shows_again,
        events.MemberJoined: cells.stays,
        events.AgentOffered: cells.stays,
        events.AgentFailed: cells.notes,
        events.AgentBridged: cells.stays,
        events.LegsBridged: cells.stays,
        events.LegsUnbridged: cells.parts,
        events.MemberLeft: cells.late_queue_end,
        events.LegHungUp: cells.learns_why,
        events.QualityMeasured: cells.stays,
        events.GatewayDialled: cells.stays,
    },
}
