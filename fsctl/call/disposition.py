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
TIMEOUT_REASONS = frozenset({"TIMEOUT", "NO_AGENT_TIMEOUT"})


def judge(call: Call, reached: Phase, hangup_cause: str) -> tuple[Disposition, Fault]:
    """The verdict on a call whose caller leg ended.

    Args:
        call: what was known up to now.
        reached: the phase it was in when the leg ended.
        hangup_cause: of the caller's leg.
    """
    if call.bridged_at is not None or reached is Phase.TALKING:
        return Disposition.ANSWERED, Fault.NETWORK if hangup_cause in NETWORK_CAUSES else Fault.NOBODY
    if call.member_cause in TIMEOUT_REASONS:
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
