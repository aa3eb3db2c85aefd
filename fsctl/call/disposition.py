"""Whose fault was the end of a call, and what do we call it.

mod_callcenter's own words are traps (``BREAK_OUT`` is a caller who hung up, ``SUCCESS`` is no cause at all:
mod_callcenter.c, cc_member_cancel_reason_t), so the verdict looks at what the call reached and at the
channel's hangup cause.
"""

from fsctl.call.state import Call, Disposition, Fault, Phase

NETWORK_CAUSES = frozenset(
    {
        "NETWORK_OUT_OF_ORDER",
        "NORMAL_TEMPORARY_FAILURE",
        "RECOVERY_ON_TIMER_EXPIRE",
        "MEDIA_TIMEOUT",
        "DESTINATION_OUT_OF_ORDER",
        "GATEWAY_DOWN",
    }
)
OUR_CAUSES = frozenset({"SYSTEM_SHUTDOWN", "SWITCH_CONGESTION", "MANAGER_REQUEST", "LOST"})
REFUSED_CAUSES = frozenset({"INCOMPATIBLE_DESTINATION", "CALL_REJECTED", "BEARERCAPABILITY_NOTAVAIL"})
NO_AGENTS = "NO_AGENT_TIMEOUT"
TIMEOUT_REASONS = frozenset({"TIMEOUT", NO_AGENTS})
EXIT_KEY = "EXIT_WITH_KEY"


def judge(call: Call, reached: Phase, hangup_cause: str) -> tuple[Disposition, Fault]:
    """The verdict on a call whose caller leg ended.

    Args:
        call: what was known up to now.
        reached: the phase it was in when the leg ended.
        hangup_cause: of the caller's leg.
    """
    if call.bridged_at is not None or reached is Phase.TALKING:
        return Disposition.ANSWERED, Fault.NETWORK if hangup_cause in NETWORK_CAUSES else Fault.NOBODY
    if call.refused is not None:
        return Disposition.REFUSED, Fault.NETWORK
    if call.left_by == "closed":
        return Disposition.CLOSED, Fault.NOBODY
    if call.left_by == "chat" or call.member_cause == EXIT_KEY:
        return Disposition.CONTINUED_IN_CHAT, Fault.NOBODY
    if call.left_by is not None or call.member_cause in TIMEOUT_REASONS:
        return Disposition.TIMED_OUT, Fault.US
    if hangup_cause in REFUSED_CAUSES:
        return Disposition.REFUSED, Fault.NETWORK
    if hangup_cause in NETWORK_CAUSES:
        return Disposition.FAILED, Fault.NETWORK
    if hangup_cause in OUR_CAUSES:
        return Disposition.FAILED, Fault.US
    if reached in (Phase.OFFERED, Phase.ANSWERED, Phase.QUEUED, Phase.RINGING):
        return Disposition.ABANDONED, Fault.CALLER
    return Disposition.FAILED, Fault.US


def words(call: Call) -> str:
    """The verdict in words, with who is at fault; what the call is in when it has not ended."""
    if call.disposition is None:
        return call.phase.value
    said = call.disposition.value.replace("_", " ")
    match call.disposition:
        case Disposition.ANSWERED | Disposition.ABANDONED:
            return f"{said}{_promise(call)}{_broken(call)}"
        case Disposition.FAILED:
            return f"{said}: {'our fault' if call.fault is Fault.US else 'the network'} ({call.hangup_cause})"
        case Disposition.REFUSED:
            return f"{said} ({call.refused or call.hangup_cause})"
        case Disposition.TIMED_OUT:
            nobody_is_there = call.left_by == "no-agents" or call.member_cause == NO_AGENTS
            return f"{said}: {'no agents' if nobody_is_there else 'nobody was free'}"
    return said


def _promise(call: Call) -> str:
    kept = call.is_within_service_level
    return "" if kept is None else f" {'within' if kept else 'after'} {call.answer_within_s} s"


def _broken(call: Call) -> str:
    return ", cut off by the network" if call.fault is Fault.NETWORK else ""
