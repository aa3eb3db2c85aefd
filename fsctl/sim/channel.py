"""One channel: its states, its caller profile, its variables, and the events made from them.

Rules. Only this file and profile.py know which headers a channel puts into an event, in which order
(call_queue_plain).
A channel knows two states, as FreeSWITCH does: the one that is running (``Channel-State``) and the one it was
told to enter (``Channel-State-Number``); they differ between a hangup and its handling. It does not know who
drives it: session.py runs a caller's leg, offer.py an agent's.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from gevent.event import Event as Flag

from fsctl.eventsocket.event import Headers
from fsctl.sim import cdr, rtp, sip
from fsctl.sim.audio import Track
from fsctl.sim.bus import Bus
from fsctl.sim.dialplan import expand
from fsctl.sim.plan import PLAN_RATE, Quality
from fsctl.sim.profile import Profile

_STATES = """
CS_NEW CS_INIT CS_ROUTING CS_SOFT_EXECUTE CS_EXECUTE CS_EXCHANGE_MEDIA CS_PARK CS_CONSUME_MEDIA CS_HIBERNATE
CS_RESET CS_HANGUP CS_REPORTING CS_DESTROY CS_NONE
"""
STATE_NUMBERS = {name: number for number, name in enumerate(_STATES.split())}
CALLSTATE_NUMBERS = {"DOWN": 0, "DIALING": 1, "RINGING": 2, "EARLY": 3, "ACTIVE": 4, "HELD": 5, "HANGUP": 7}

CODEC_HEADERS: Headers = [
    ("Channel-Read-Codec-Name", "opus"),
    ("Channel-Read-Codec-Rate", "48000"),
    ("Channel-Read-Codec-Bit-Rate", "0"),
    ("Channel-Write-Codec-Name", "opus"),
    ("Channel-Write-Codec-Rate", "48000"),
    ("Channel-Write-Codec-Bit-Rate", "0"),
]


class Channel:
    """A leg. ``signal`` wakes whoever runs it: hangup, transfer, an agent found, a queue's time-out."""

    def __init__(self, bus: Bus, uuid: str, name: str, direction: str) -> None:
        self.bus = bus
        self.uuid = uuid
        self.name = name
        self.direction = direction
        self.running = "CS_NEW"
        self.state = "CS_NEW"
        self.callstate = "DOWN"
        self.answer_state = "ringing"
        self.call_uuid = uuid
        self.profile: Profile | None = None
        self.initial: Profile | None = None
        self.other: tuple[str, Profile] | None = None
        self.variables: dict[str, str] = {}
        self._headers: dict[str, str] = {}
        """The same as events have them."""
        self._spelling: dict[str, str] = {}
        """How a name was last written, by its lower case."""
        self.hangup_cause = ""
        self.has_codec = False
        self.application = ("", "")
        self.sent_callee = ("", "")
        self.partner: Channel | None = None
        self.transfer: tuple[str, str, str] | None = None
        self.run_api: Callable[[str], object] | None = None
        """Runs an api command on the switch; set when the channel is added to one."""
        self.digits: deque[str] = deque()
        """Keys pressed and not yet read; see digits.py."""
        self.quality = Quality()
        self.offers = 0
        """Agents who have been offered this caller."""
        self.signal = Flag()
        self.ended = Flag()
        self.said = Track()
        self.heard = Track()
        self._holders = 0
        self._released = Flag()
        self._released.set()

    # Waiting ----------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """May its application go on? Not after a hangup, nor when it has been sent elsewhere."""
        return not self.hangup_cause and self.transfer is None

    def wait(self, timeout_s: float | None = None) -> None:
        """Sleep until something happens to the channel, or for so many simulated seconds."""
        self.signal.clear()
        endless = timeout_s is None or timeout_s == float("inf")
        self.signal.wait(None if endless else self.bus.clock.wall_s(timeout_s or 0.0))

    def pause(self, seconds: float) -> None:
        """Sleep for simulated seconds as long as the channel stays ready."""
        deadline = self.bus.clock.now_s() + seconds
        while self.ready and (left := deadline - self.bus.clock.now_s()) > 0:
            self.wait(left)

    def press(self, keys: str) -> None:
        """The far end presses keys."""
        self.digits.extend(keys)
        self.signal.set()

    def hold(self) -> None:
        """Keep the channel from being destroyed (FreeSWITCH's session read lock)."""
        self._holders += 1
        self._released.clear()

    def release(self) -> None:
        """Give one hold back."""
        self._holders -= 1
        if not self._holders:
            self._released.set()

    # Variables --------------------------------------------------------------------------------------------

    def set(self, name: str, value: str | None) -> None:
        """Set a variable; it moves to the end of the list. None or an empty value removes it."""
        header = "variable_" + name
        self.variables.pop(name, None)
        self._headers.pop(header, None)
        if value:
            self.variables[name] = value
            self._headers[header] = value
            self._spelling[name.lower()] = name

    def update(self, values: Iterable[tuple[str, str]]) -> None:
        """Set many, in order."""
        for name, value in values:
            self.set(name, value)

    def get(self, name: str) -> str | None:
        """A variable whatever its case, else a field of the caller profile (switch_channel_get_variable)."""
        if name in self.variables:
            return self.variables[name]
        found = self.variables.get(self._spelling.get(name.lower(), name))
        return self.profile_field(name) if found is None else found

    def profile_field(self, name: str) -> str | None:
        """switch_caller_get_field_by_name, for the fields a dialplan uses."""
        profile = self.profile
        if profile is None:
            return None
        fields = {
            "destination_number": profile.destination,
            "caller_id_name": profile.cid_name,
            "caller_id_number": profile.cid_number,
            "ani": profile.cid_number,
            "network_addr": profile.network_addr,
            "rdnis": profile.rdnis,
            "uuid": profile.uuid,
            "source": profile.source,
            "context": profile.context,
            "chan_name": profile.channel_name,
            "username": profile.username,
            "dialplan": profile.dialplan,
        }
        return fields.get(name) or None

    def expand(self, text: str) -> str:
        """Put variables into an application's data."""
        return expand(text, self.get)

    # Events -----------------------------------------------------------------------------------------------

    def headers(self, *, full: bool) -> Headers:
        """The channel's part of an event: state, profile, other leg, and (full) every variable."""
        headers = [
            ("Channel-State", self.running),
            ("Channel-Call-State", self.callstate),
            ("Channel-State-Number", str(STATE_NUMBERS[self.state])),
            ("Channel-Name", self.name),
            ("Unique-ID", self.uuid),
            ("Call-Direction", self.direction),
            ("Presence-Call-Direction", self.direction),
            ("Channel-HIT-Dialplan", "true" if self.direction == "inbound" else "false"),
            ("Channel-Call-UUID", self.call_uuid),
            ("Answer-State", self.answer_state),
        ]
        if self.hangup_cause:
            headers.append(("Hangup-Cause", self.hangup_cause))
        if self.has_codec:
            headers += CODEC_HEADERS
        if self.profile is not None:
            headers += self.profile.headers("Caller-", own=True)
        if self.other is not None:
            kind, profile = self.other
            headers.append(("Other-Type", kind))
            headers += profile.headers("Other-Leg-", own=False, logical="inbound")
        if full:
            headers += self._headers.items()
        return headers

    def fire(
        self,
        name: str,
        *,
        before: Headers | None = None,
        after: Headers | None = None,
        full: bool = True,
        origin: str = "",
        subclass: str = "",
    ) -> None:
        """Fire an event of this channel with its own headers before or after the channel's."""
        before, after = before or [], after or []
        if not self.bus.is_heard(name, subclass, before + after):
            self.bus.skip()
            return
        headers = before + self.headers(full=full) + after
        self.bus.deliver(name, headers, origin=origin, subclass=subclass)

    def enter(self, state: str) -> None:
        """Run a state: one CHANNEL_STATE, without variables."""
        self.running = self.state = state
        self.fire("CHANNEL_STATE", full=False)

    def set_callstate(self, callstate: str) -> None:
        """One CHANNEL_CALLSTATE that names the old and the new call state."""
        before = [("Original-Channel-Call-State", self.callstate)]
        before.append(("Channel-Call-State-Number", str(CALLSTATE_NUMBERS[callstate])))
        self.callstate = callstate
        self.fire("CHANNEL_CALLSTATE", before=before, full=False)

    def set_codec(self) -> None:
        """Two CODEC events; the second repeats the write codec at its end (call_queue_json, event 10)."""
        self.has_codec = True
        read = [(name.lower(), value) for name, value in CODEC_HEADERS[:3]]
        self.fire("CODEC", after=read, full=False)
        write = [*CODEC_HEADERS[3:5], ("Channel-Write-codec-bit-rate", "0")]
        self.fire("CODEC", after=write, full=False, origin="CODEC/write")

    # Moves ------------------------------------------------------------------------------------------------

    def new_profile(self, kind: str, target: str, uuid: str, **changes: str) -> None:
        """A transfer (``bl_xfer``) or bridge (``uuid_br``) clones the profile; transfer_history tells."""
        assert self.profile is not None
        now_us = self.bus.clock.now_us()
        source = f"{now_us // 1_000_000}:{uuid}:{kind}:{target}"
        times = replace(self.profile.times, profile_created=now_us, bridged=0)
        index = self.profile.index + 1
        self.profile = replace(self.profile, transfer_source=source, index=index, times=times, **changes)
        history = self.variables.get("transfer_history")
        joined = (
            f"{history if history.startswith('ARRAY::') else 'ARRAY::' + history}|:{source}"
            if history
            else source
        )
        self.update([("transfer_history", joined), ("transfer_source", source)])

    def transfer_to(self, destination: str, dialplan: str, context: str, uuid: str) -> None:
        """Send the channel to another extension; its application ends as soon as its greenlet runs.

        Without a dialplan or a context, force_transfer_dialplan and force_transfer_context count, then the
        channel's own (switch_ivr.c switch_ivr_session_transfer, 2207).
        """
        assert self.profile is not None
        own = self.profile.dialplan
        dialplan = (
            dialplan or self.get("force_transfer_dialplan") or (own if own != "inline" else "") or "XML"
        )
        context = context or self.get("force_transfer_context") or self.profile.context
        hops = int(self.variables.get("max_forwards", "70")) - 1
        self.set("max_forwards", str(hops))
        old = self.profile.destination
        changes = {"destination": destination, "dialplan": dialplan, "context": context, "rdnis": old}
        self.new_profile("bl_xfer", f"{destination}/{context}/{dialplan}", uuid, **changes)
        self.state = "CS_ROUTING"
        self.other = None
        self.transfer = (destination, dialplan, context)
        self.signal.set()

    # Ends -------------------------------------------------------------------------------------------------

    def hangup(self, cause: str, *, remote: bool = False) -> None:
        """CHANNEL_HANGUP at once; the rest when the greenlet that runs the channel comes to it.

        ``remote``: the far end sent BYE, which leaves other variables than our own BYE (call_queue_plain).
        """
        if self.hangup_cause:
            return
        if remote:
            self.update(sip.received_bye())
            if self.partner is not None:
                self.set("last_bridge_role", "originator" if self.direction == "inbound" else "originatee")
        self.hangup_cause = cause
        self.state = "CS_HANGUP"
        self.answer_state = "hangup"
        self.fire("CHANNEL_HANGUP")
        if remote:
            self.set("sip_hangup_disposition", "recv_bye")
        self.signal.set()
        if self.partner is not None:
            self.partner.signal.set()

    def begin_reporting(self) -> None:
        """CS_HANGUP has been told; what follows (recordings) sees the hangup time."""
        self.enter("CS_HANGUP")
        if self.profile is not None:
            self.profile.times.hangup = self.bus.clock.now_us()

    def report(self) -> None:
        """CALLSTATE, CS_REPORTING, and CHANNEL_HANGUP_COMPLETE with times and RTP statistics."""
        self.set_callstate("HANGUP")
        self.enter("CS_REPORTING")
        if self.profile is not None:
            self.update(
                cdr.hangup_variables(self.hangup_cause, self.variables, self.profile, self.application)
            )
            self.measure()
        if (hook := self.get("api_reporting_hook")) and self.run_api is not None:
            # switch_core_state_machine.c, switch_core_session_reporting_state: before the event is fired.
            command, _, arguments = hook.partition(" ")
            self.run_api(f"{command} {expand(arguments, self.get)}")
        self.fire("CHANNEL_HANGUP_COMPLETE", before=[("Hangup-Cause", self.hangup_cause)])
        self.state = "CS_DESTROY"
        self.ended.set()

    def measure(self) -> None:
        """RTP statistics as variables: at the end, or when ``uuid_set_media_stats`` asks for them."""
        if self.profile is not None and self.profile.times.answered:
            until_us = self.profile.times.hangup or self.bus.clock.now_us()
            statistics = rtp.statistics(until_us - self.profile.times.answered, self.quality)
            self.update(statistics.items())

    def destroy(self) -> None:
        """Once nobody holds it any more: CHANNEL_DESTROY and its last state."""
        self._released.wait()
        self.fire("CHANNEL_DESTROY")
        self.enter("CS_DESTROY")

    # Audio ------------------------------------------------------------------------------------------------

    def position(self) -> int:
        """Now, in 16 kHz samples since the switch started."""
        return int(self.bus.clock.elapsed_s() * PLAN_RATE)
