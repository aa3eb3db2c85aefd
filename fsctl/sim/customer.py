"""A customer whom the switch calls, and who answers or declines: ``originate`` by a gateway.

What fsctl originates is led to the front door by mod_loopback, whose other end is an inbound channel there; that
end is the call. The customer's own leg and the loopback's near end are not modelled: measured, they make events
that no call is known for. The way from one to the other is read in the dialplan, as it is on disk.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import gevent

from fsctl.sim.audio import comfort_noise
from fsctl.sim.channel import Channel
from fsctl.sim.plan import CallPlan
from fsctl.sim.profile import Profile, Times
from fsctl.sim.session import Session
from fsctl.sim.words import split

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

RINGS_S = 0.5
_BRIDGE = re.compile(r"\{(?P<pairs>.*)\}loopback/(?P<number>[^/]+)/(?P<context>[\w.-]+)\Z")
_VARIABLE = re.compile(r"\$\{([\w-]+)\}")


class CustomerSession(Session):
    """Drives the far end of the loopback: a channel without SIP of its own."""

    def __init__(
        self, switch: "Switch", channel: Channel, plan: CallPlan, way: re.Match[str], told: Mapping[str, str]
    ) -> None:
        super().__init__(switch, channel, plan)
        self._way = way
        self._told = told

    def _arrive(self) -> None:
        channel, clock = self.channel, self.switch.clock
        channel.enter("CS_NEW")
        now_us = clock.now_us()
        number = self._told.get("origination_caller_id_number", "")
        channel.profile = Profile(
            direction="inbound",
            cid_name=self._told.get("origination_caller_id_name", number),
            cid_number=number,
            destination=self._way["number"],
            uuid=channel.uuid,
            source="mod_loopback",
            context=self._way["context"],
            channel_name=channel.name,
            dialplan="XML",
            times=Times(profile_created=now_us, created=now_us),
        )
        channel.initial = replace(channel.profile)
        self.switch.next_session()
        own = [("direction", "inbound"), ("uuid", channel.uuid), ("call_uuid", channel.uuid)]
        channel.update([*own, *self._told.items()])
        channel.enter("CS_INIT")
        channel.state = "CS_ROUTING"
        channel.fire("CHANNEL_CREATE")

    def answer(self) -> None:
        """Loopback has no SDP: the answer is one step, without early media."""
        channel = self.channel
        if channel.answer_state != "ringing" or channel.profile is None or channel.hangup_cause:
            return
        self.pre_answer()
        channel.profile.times.answered = self.switch.clock.now_us()
        channel.answer_state = "answered"
        channel.fire("CHANNEL_ANSWER")
        channel.set_callstate("ACTIVE")
        for after_s, keys in self.plan.keys:
            gevent.spawn_later(self.switch.clock.wall_s(after_s), channel.press, keys)

    def pre_answer(self) -> None:
        """What is heard can be recorded and heard by the other side."""
        if not self.channel.has_codec:
            self.channel.set_codec()
            self.channel.said.play(self.channel.position(), comfort_noise(), loop=True)


def originate(switch: "Switch", arguments: str) -> str:
    """``{VARS}sofia/gateway/NAME/USER EXTEN XML CONTEXT``; takes as long as it rings.

    Any other endpoint or application is ``-ERR CHAN_NOT_IMPLEMENTED``: nobody else is there to be called.
    """
    words = split(arguments)
    braces, found, endpoint = words[0].rpartition("}") if words else ("", "", "")
    if len(words) != 4 or not found or not endpoint.startswith("sofia/gateway/"):
        return "-ERR CHAN_NOT_IMPLEMENTED\n"
    variables = _pairs(braces.removeprefix("{"))
    plan = switch.customer(endpoint.rpartition("/")[2])
    switch.clock.sleep(RINGS_S)
    if plan is None:
        return "-ERR CALL_REJECTED\n"
    way = _way(switch, words[1], words[3], variables)
    if way is None:
        return "-ERR NO_ROUTE_DESTINATION\n"
    channel = Channel(switch.bus, switch.new_uuid(), f"loopback/{way['number']}-b", "inbound")
    switch.attend(CustomerSession(switch, channel, plan, way, _pairs(way["pairs"])))
    return f"+OK {switch.new_uuid()}\n"


def _way(
    switch: "Switch", extension: str, context: str, variables: Mapping[str, str]
) -> re.Match[str] | None:
    """Where the step bridges the customer's leg to."""
    own = {"destination_number": extension, "context": context}
    actions = switch.dialplan.hunt(context, own.get, variables.get, lambda _application, _data: None) or []
    bridged = (one.data for one in actions if one.application == "bridge")
    texts = (_VARIABLE.sub(lambda name: variables.get(name[1], ""), data) for data in bridged)
    return next((found for found in map(_BRIDGE.match, texts) if found), None)


def _pairs(text: str) -> dict[str, str]:
    """``a=1,b=2``; a comma in a value has a backslash before it."""
    parts = (part.replace("\\,", ",").partition("=") for part in re.split(r"(?<!\\),", text) if part)
    return {name: value for name, _, value in parts}


def answers(_user: str) -> CallPlan | None:
    """The default: everybody answers, and talks a little. None would decline."""
    return CallPlan()
