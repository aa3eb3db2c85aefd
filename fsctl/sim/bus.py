"""The event bus: numbers and dates each event and hands it to every listener.

It knows the headers that all events share. It does not know what an event means. ``Event-Sequence`` is global
to the switch, so a listener with a narrow subscription sees gaps.
"""

import time
from typing import Protocol

from fsctl.eventsocket.event import Event, Headers
from fsctl.sim.clock import Clock

HOSTNAME = "sim"
SWITCHNAME = "fsctl-sim"

#: Origin of what a client sends with ``sendevent``.
SENT_BY_CLIENT = ("mod_event_socket.c", "read_packet", 1299)

#: Where FreeSWITCH 1.11.2 fires each event: file, function, line. From the captures; what they lack is from
#: the source, whose lines agree with the captures. CUSTOM goes by CC-Action.
ORIGINS: dict[str, tuple[str, str, int]] = {
    "API": ("switch_loadable_module.c", "switch_api_execute", 3140),
    "BACKGROUND_JOB": ("mod_event_socket.c", "api_exec", 1580),
    "CALL_SECURE": ("switch_rtp.c", "switch_rtp_add_crypto_key", 4498),
    "CALL_UPDATE": ("mod_sofia.c", "sofia_receive_message", 2133),
    "CHANNEL_ANSWER": ("switch_channel.c", "switch_channel_perform_mark_answered", 3848),
    "CHANNEL_BRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1689),
    "CHANNEL_CALLSTATE": ("switch_channel.c", "switch_channel_perform_set_callstate", 302),
    "CHANNEL_CREATE": ("switch_core_state_machine.c", "switch_core_session_run", 626),
    "CHANNEL_DATA": ("mod_commands.c", "uuid_dump_function", 6495),
    "CHANNEL_DESTROY": ("switch_core_session.c", "switch_core_session_perform_destroy", 1588),
    "CHANNEL_EXECUTE": ("switch_core_session.c", "switch_core_session_exec", 2949),
    "CHANNEL_EXECUTE_COMPLETE": ("switch_core_session.c", "switch_core_session_exec", 2972),
    "CHANNEL_HANGUP": ("switch_channel.c", "switch_channel_perform_hangup", 3447),
    "CHANNEL_HANGUP_COMPLETE": ("switch_core_state_machine.c", "switch_core_session_reporting_state", 943),
    "CHANNEL_ORIGINATE": ("switch_core_state_machine.c", "switch_core_session_run", 632),
    "CHANNEL_OUTGOING": ("switch_core_session.c", "switch_core_session_outgoing_channel", 768),
    "CHANNEL_PARK": ("switch_ivr.c", "switch_ivr_park", 1002),
    "CHANNEL_PROGRESS": ("switch_channel.c", "switch_channel_perform_mark_ring_ready_value", 3507),
    "CHANNEL_PROGRESS_MEDIA": ("switch_channel.c", "switch_channel_perform_mark_pre_answered", 3562),
    "CHANNEL_STATE": ("switch_channel.c", "switch_channel_perform_set_running_state", 2409),
    "CHANNEL_UNBRIDGE": ("switch_ivr_bridge.c", "switch_ivr_multi_threaded_bridge", 1879),
    "CHANNEL_UNPARK": ("switch_ivr.c", "switch_ivr_park", 1213),
    "CODEC": ("switch_core_codec.c", "switch_core_session_set_real_read_codec", 189),
    "DTMF": ("switch_channel.c", "switch_channel_dequeue_dtmf", 678),
    "HEARTBEAT": ("switch_core.c", "send_heartbeat", 95),
    "MEDIA_BUG_START": ("switch_core_media_bug.c", "switch_core_media_bug_add", 1014),
    "MEDIA_BUG_STOP": ("switch_core_media_bug.c", "switch_core_media_bug_destroy", 84),
    "PLAYBACK_START": ("switch_ivr_play_say.c", "switch_ivr_play_file", 1649),
    "PLAYBACK_STOP": ("switch_ivr_play_say.c", "switch_ivr_play_file", 2023),
    "PRESENCE_IN": ("mod_callcenter.c", "cc_send_presence", 3392),
    "RECORD_START": ("switch_ivr_async.c", "record_callback", 1482),
    "RECORD_STOP": ("switch_ivr_async.c", "send_record_stop_event", 1241),
    "RELOADXML": ("switch_xml.c", "switch_xml_open_root", 2423),
    "RE_SCHEDULE": ("switch_scheduler.c", "switch_scheduler_execute", 73),
    "SHUTDOWN": ("switch_core.c", "switch_core_destroy", 3033),
    "sofia::register": ("sofia_reg.c", "sofia_reg_handle_register_token", 2059),
    "sofia::unregister": ("sofia_reg.c", "sofia_reg_handle_register_token", 2213),
    "agent-max-no-answer": ("mod_callcenter.c", "outbound_agent_thread_run", 2176),
    "agent-offering": ("mod_callcenter.c", "outbound_agent_thread_run", 1717),
    "agent-state-change": ("mod_callcenter.c", "cc_agent_update", 1067),
    "agent-status-change": ("mod_callcenter.c", "cc_agent_update", 1043),
    "agent-contact-change": ("mod_callcenter.c", "cc_agent_update", 1091),
    "agent-add": ("mod_callcenter.c", "cc_agent_add", 915),
    "agent-get": ("mod_callcenter.c", "cc_agent_get", 970),
    "bridge-agent-end": ("mod_callcenter.c", "outbound_agent_thread_run", 2062),
    "bridge-agent-fail": ("mod_callcenter.c", "outbound_agent_thread_run", 2200),
    "bridge-agent-start": ("mod_callcenter.c", "outbound_agent_thread_run", 1934),
    "member-queue-end": ("mod_callcenter.c", "outbound_agent_thread_run", 2098),
    "member-queue-end/cancel": ("mod_callcenter.c", "callcenter_function", 3274),
    "member-queue-start": ("mod_callcenter.c", "callcenter_function", 3113),
    "members-count": ("mod_callcenter.c", "cc_queue_count", 878),
    "uuid_bridge/originator": ("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1236),
    "uuid_bridge/originatee": ("switch_ivr_bridge.c", "uuid_bridge_on_soft_execute", 1243),
    "CODEC/write": ("switch_core_codec.c", "switch_core_session_set_write_codec", 471),
}


class Subscriber(Protocol):
    """What gets events: an ESL listener."""

    def hears(self, name: str, subclass: str, own: Headers) -> bool:
        """Whether an event of this name, with these headers of its own, may be wanted."""

    def offer(self, event: Event) -> None:
        """Take the event, or leave it if nobody asked for it."""


class Bus:
    """Fires events. ``core_uuid`` names this run of the switch; a restart gets a new one."""

    def __init__(self, clock: Clock, core_uuid: str) -> None:
        self.clock = clock
        self.core_uuid = core_uuid
        self.sequence = 0
        self.subscribers: list[Subscriber] = []
        self._stamp_s = -1
        self._stamps = ("", "")

    def is_heard(self, name: str, subclass: str, own: Headers) -> bool:
        """Whether an event with these headers of its own is worth making: most are wanted by nobody."""
        return any(subscriber.hears(name, subclass, own) for subscriber in self.subscribers)

    def skip(self) -> None:
        """An event that nobody hears is fired all the same: it has its number."""
        self.sequence += 1

    def fire(
        self, name: str, headers: Headers, *, origin: str = "", subclass: str = "", body: str = ""
    ) -> None:
        """An event that is about no channel; ``origin`` is a key of ORIGINS, by default the event's name."""
        if self.is_heard(name, subclass, headers):
            self.deliver(name, headers, origin=origin, subclass=subclass, body=body)
        else:
            self.skip()

    def deliver(
        self, name: str, headers: Headers, *, origin: str = "", subclass: str = "", body: str = ""
    ) -> None:
        """Number and date one event that is heard, and give it to those who want it."""
        event = self.make(name, headers, origin=origin, subclass=subclass, body=body)
        for subscriber in tuple(self.subscribers):
            subscriber.offer(event)

    def make(
        self, name: str, headers: Headers, *, origin: str = "", subclass: str = "", body: str = ""
    ) -> Event:
        """The event, numbered and dated, but not delivered (``uuid_dump``)."""
        common = self.common_headers(name, ORIGINS.get(origin or name, SENT_BY_CLIENT))
        if subclass:
            common.insert(0, ("Event-Subclass", subclass))
        return Event(name, common + headers, subclass=subclass, body=body)

    def common_headers(self, name: str, origin: tuple[str, str, int]) -> Headers:
        """The headers that every event begins with, in the captures' order."""
        self.sequence += 1
        now_us = self.clock.now_us()
        local, gmt = self._dates(now_us // 1_000_000)
        file, function, line = origin
        return [
            ("Event-Name", name),
            ("Core-UUID", self.core_uuid),
            ("FreeSWITCH-Hostname", HOSTNAME),
            ("FreeSWITCH-Switchname", SWITCHNAME),
            ("FreeSWITCH-IPv4", "127.0.0.1"),
            ("FreeSWITCH-IPv6", "::1"),
            ("Event-Date-Local", local),
            ("Event-Date-GMT", gmt),
            ("Event-Date-Timestamp", str(now_us)),
            ("Event-Calling-File", file),
            ("Event-Calling-Function", function),
            ("Event-Calling-Line-Number", str(line)),
            ("Event-Sequence", str(self.sequence)),
        ]

    def _dates(self, epoch_s: int) -> tuple[str, str]:
        if epoch_s != self._stamp_s:
            utc = time.gmtime(epoch_s)
            day, month = _DAYS[utc.tm_wday], _MONTHS[utc.tm_mon - 1]
            gmt = f"{day}, {utc.tm_mday:02d} {month} {time.strftime('%Y %H:%M:%S', utc)} GMT"
            self._stamps = (time.strftime("%Y-%m-%d %H:%M:%S", utc), gmt)
            self._stamp_s = epoch_s
        return self._stamps


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
