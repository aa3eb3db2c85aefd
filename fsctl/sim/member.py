"""A caller in a queue: the application ``callcenter``, from joining to an agent or to leaving without one.

Source: mod_callcenter.c callcenter_function, 2985-3320, cc_member_thread_run, 2843-2960, and moh_on_dtmf,
2962. Order of events as in call_queue_plain and cc_abandon; TIMEOUT, NO_AGENT_TIMEOUT and EXIT_WITH_KEY as
tests/contract/test_callcenter.py finds them on FreeSWITCH 1.11.2. Not modelled: resuming abandoned members,
announcements.
"""

from functools import partial
from typing import TYPE_CHECKING

import gevent

from fsctl.eventsocket.event import Headers
from fsctl.sim.channel import Channel
from fsctl.sim.playback import Status, play
from fsctl.sim.tables import Member, Queue

if TYPE_CHECKING:
    from fsctl.sim.callcenter import Callcenter

SUBCLASS = "callcenter::info"
#: cc_member_thread_run looks at the queue's limits twice a second.
MEMBER_S = 0.5


def wait_in_queue(center: "Callcenter", channel: Channel, queue: Queue) -> Channel | None:
    """Wait until an agent's channel is found, or the wait ends; returns the agent's channel."""
    member = _join(center, channel, queue)
    moh = channel.get("cc_moh_override") or queue.options.moh_sound
    alarm = _set_alarm(center, member, queue.options.max_wait_time)
    while _waits(member):
        watch = partial(_watch, center, member, queue)
        if play(channel, moh, on_digit=partial(_exits, member), watch=watch) is None:
            raise ValueError(f"queue {member.queue}: there is no hold music {moh}")
    if alarm is not None:
        alarm.kill(block=False)
    found = channel.get("cc_agent_found") == "true"
    channel.set("cc_agent_found", None)
    if member.agent_channel is None or channel.hangup_cause:
        _cancel(center, member, queue, "NONE" if found else "BREAK_OUT")
    else:
        channel.set("cc_cause", "answered")
        queue.calls_answered += 1
    center.count(queue.options.name)
    return member.agent_channel


def _join(center: "Callcenter", channel: Channel, queue: Queue) -> Member:
    """A row in ``members``, and ``member-queue-start``; what an earlier queue left is cleared."""
    profile, now = channel.profile, center.now()
    assert profile is not None
    name, uuid = queue.options.name, center.switch.new_uuid()
    channel.update([("cc_side", "member"), ("cc_member_uuid", uuid)])
    channel.update([("cc_agent_found", ""), ("cc_agent_bridged", "")])
    channel.update([("cc_queue_joined_epoch", str(now)), ("cc_queue", name)])
    score = channel.get("cc_base_score") or "0"
    system_epoch = profile.times.answered // 1_000_000
    base = int(score) if score.lstrip("-").isdigit() else 0
    if queue.options.time_base_score == "system":
        base += now - system_epoch
    member = Member(
        name, uuid, channel, profile.cid_number, profile.cid_name, now, system_epoch, base, channel.uuid
    )
    start = [("CC-Queue", name), ("CC-Action", "member-queue-start"), *member.identity()]
    channel.fire("CUSTOM", after=start, origin="member-queue-start", subclass=SUBCLASS)
    center.members.append(member)
    center.count(name)
    return member


def _set_alarm(center: "Callcenter", member: Member, limit_s: int) -> gevent.Greenlet | None:
    """Wake the caller when max_wait_time is over, as late as FreeSWITCH's thread looks."""
    if not limit_s:
        return None
    late_s = center.switch.rng.uniform(0.0, MEMBER_S)
    return gevent.spawn_later(center.switch.clock.wall_s(limit_s + late_s), member.channel.signal.set)


def _waits(member: Member) -> bool:
    return member.channel.ready and member.agent_channel is None and not member.cancel_reason


def _watch(center: "Callcenter", member: Member, queue: Queue) -> Status | None:
    """Has the wait come to its end? While a phone rings for this caller, max_wait_time waits too (line 2871)."""
    if member.agent_channel is not None:
        return "done"
    options, waited = queue.options, center.now() - member.joined_epoch
    overdue = options.max_wait_time and waited >= options.max_wait_time
    if overdue and member.state == "Waiting":
        member.cancel_reason = "TIMEOUT"
    elif _without_agents(queue, member):
        member.cancel_reason = "NO_AGENT_TIMEOUT"
    return "break" if member.cancel_reason else None


def _without_agents(queue: Queue, member: Member) -> bool:
    """Nobody logged in for max_wait_time_with_no_agent seconds, and a grace for who has just joined (line 2888)."""
    limit, grace = (
        queue.options.max_wait_time_with_no_agent,
        queue.options.max_wait_time_with_no_agent_time_reached,
    )
    checked, seen = queue.last_agent_exist_check, queue.last_agent_exist
    if not limit or checked <= seen or member.joined_epoch > checked or checked - seen < limit:
        return False
    return not grace or checked - member.joined_epoch >= grace + limit


def _exits(member: Member, digit: str) -> bool:
    """moh_on_dtmf: keys that are not among cc_exit_keys are read and forgotten."""
    if digit not in (member.channel.get("cc_exit_keys") or ""):
        return False
    member.channel.set("cc_exit_key", digit)
    member.cancel_reason = "EXIT_WITH_KEY"
    return True


def _cancel(center: "Callcenter", member: Member, queue: Queue, reason: str) -> None:
    """Left without an agent: the phone that rings is hung up first (cc_abandon)."""
    channel, clock, now = member.channel, center.switch.clock, center.now()
    member.cancel_reason = member.cancel_reason or reason
    if channel.hangup_cause:
        clock.sleep(0.02)
    member.state, member.session_uuid, member.abandoned_epoch = "Abandoned", "", now
    if member.ringing is not None:
        member.ringing.hangup("ORIGINATOR_CANCEL")
    end: Headers = [
        ("CC-Queue", member.queue),
        ("CC-Action", "member-queue-end"),
        ("CC-Member-Leaving-Time", str(now)),
        ("CC-Member-Joined-Time", str(member.joined_epoch)),
        ("CC-Cause", "Cancel"),
        ("CC-Cancel-Reason", member.cancel_reason),
        *member.identity(),
    ]
    channel.fire("CUSTOM", after=end, origin="member-queue-end/cancel", subclass=SUBCLASS)
    channel.update([("cc_queue_canceled_epoch", str(now)), ("cc_cause", "cancel")])
    channel.set("cc_cancel_reason", member.cancel_reason)
    queue.calls_abandoned += 1
    channel.hold()
    wait_s = clock.wall_s(center.switch.rng.uniform(0.02, MEMBER_S))
    gevent.spawn_later(wait_s, channel.release)
