"""What CHANNEL_HANGUP_COMPLETE adds to a channel: cause, times, durations, RTP statistics.

Names and order are those of call_queue_plain (answered) and cc_abandon (an agent's leg that only rang).
"""

import time
from collections.abc import Mapping

from fsctl.eventsocket.event import Headers
from fsctl.sim import sip
from fsctl.sim.profile import Profile

Q850 = {
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "CALL_REJECTED": 21,
    "DESTINATION_OUT_OF_ORDER": 27,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "NO_ROUTE_DESTINATION": 3,
    "INCOMPATIBLE_DESTINATION": 88,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
}


def hangup_variables(
    cause: str, variables: Mapping[str, str], profile: Profile, application: tuple[str, str]
) -> Headers:
    """The times, and the RTP statistics of an answered leg, that CHANNEL_HANGUP_COMPLETE adds."""
    times = profile.times
    pairs = [
        ("hangup_cause", cause),
        ("hangup_cause_q850", str(Q850.get(cause, 16))),
        ("digits_dialed", "none"),
    ]
    stamps = [
        ("start", times.created),
        ("profile_start", times.profile_created),
        ("answer", times.answered),
        ("bridge", times.bridged),
        ("progress", times.progress),
        ("progress_media", times.progress_media),
        ("end", times.hangup),
    ]
    pairs += [(f"{name}_stamp", _stamp(value)) for name, value in stamps if value]
    for name, value in (*stamps[:4], ("last_hold", 0)):
        pairs += _epochs(name, value)
    pairs += [("hold_accum_seconds", "0"), ("hold_accum_usec", "0"), ("hold_accum_ms", "0")]
    for name, value in (("resurrect", 0), *stamps[4:]):
        pairs += _epochs(name, value)
    pairs += [("last_app", application[0]), ("last_arg", application[1])]
    pairs.append(("caller_id", f'"{profile.cid_name}" <{profile.cid_number}>'))
    pairs += _durations(profile)
    if "sip_hangup_disposition" not in variables:
        pairs += [("sip_hangup_disposition", "send_bye")] if times.answered else sip.sent_cancel()
    return [(name, value) for name, value in pairs if value]


def _stamp(value_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(value_us // 1_000_000))


def _epochs(name: str, value_us: int) -> Headers:
    return [(f"{name}_epoch", str(value_us // 1_000_000)), (f"{name}_uepoch", str(value_us))]


def _durations(profile: Profile) -> Headers:
    """duration, billsec, ... in seconds (difference of whole epochs), milliseconds and microseconds."""
    times = profile.times
    spans = [
        ("duration", times.created, times.hangup),
        ("bill", times.answered, times.hangup),
        ("progress", times.created, times.progress),
        ("answer", times.created, times.answered),
        ("wait", times.created, times.bridged),
        ("progress_media", times.created, times.progress_media),
        ("flow_bill", times.created if times.answered else 0, times.hangup),
    ]
    seconds, milliseconds, microseconds = [], [], []
    for name, start, end in spans:
        known = bool(start and end)
        whole = end // 1_000_000 - start // 1_000_000 if known else 0
        micro = end - start if known else 0
        plain, milli, exact = (
            ("duration", "mduration", "uduration")
            if name == "duration"
            else (f"{name}sec", f"{name}msec", f"{name}usec")
        )
        seconds.append((plain, str(whole)))
        milliseconds.append((milli, str(micro // 1000)))
        microseconds.append((exact, str(micro)))
    return seconds + milliseconds + microseconds
