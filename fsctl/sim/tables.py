"""The tables of mod_callcenter, and the options that fill them: queues, agents, tiers, members.

Columns and their order are those of api_transcript. Times are epoch seconds, durations seconds.
"""

from dataclasses import dataclass
from typing import Literal

from fsctl.eventsocket.event import Headers
from fsctl.sim.channel import Channel

#: Who counts as an agent that exists (members_callback's SELECT): all but Logged Out.
LOGGED_IN = ("Available", "Available (On Demand)", "On Break")
STATUSES = ("Logged Out", "Available", "Available (On Demand)", "On Break")
STATES = ("Idle", "Waiting", "Receiving", "In a queue call", "Reserved")
TIER_STATES = ("No Answer", "Ready", "Offering", "Active Inbound", "Standby")
MOH = "local_stream://moh"


@dataclass(frozen=True)
class QueueOptions:
    """A queue of callcenter.conf.xml; times in seconds, 0 is no limit."""

    name: str
    strategy: str = "longest-idle-agent"
    moh_sound: str = MOH
    max_wait_time: int = 0
    max_wait_time_with_no_agent: int = 0
    #: Grace for who joins while no agent is there, before the limit above counts.
    max_wait_time_with_no_agent_time_reached: int = 5
    #: ``system``: waiting counts from the answer, so who is passed on keeps the place.
    time_base_score: Literal["queue", "system"] = "system"
    discard_abandoned_after: int = 60


@dataclass(frozen=True)
class AgentOptions:
    """An agent of callcenter.conf.xml; times in seconds. ``max_no_answer`` 0: never sent on a break."""

    name: str
    contact: str = ""
    status: str = "Available"
    max_no_answer: int = 3
    wrap_up_time: int = 2
    reject_delay_time: int = 3
    busy_delay_time: int = 5
    no_answer_delay_time: int = 5


@dataclass(frozen=True)
class TierOptions:
    """An agent's place in a queue."""

    queue: str
    agent: str
    level: int = 1
    position: int = 1


@dataclass
class Queue:
    """A queue as it runs."""

    options: QueueOptions
    calls_answered: int = 0
    calls_abandoned: int = 0
    last_agent_exist: int = 0
    last_agent_exist_check: int = 0

    def check(self, now: int, somebody: bool) -> None:
        """The dispatcher has looked for agents, on behalf of a waiting member."""
        self.last_agent_exist_check = now
        if somebody:
            self.last_agent_exist = now


@dataclass
class Agent:
    """A row of the table ``agents``, in its columns' order."""

    name: str
    type: str = "callback"
    contact: str = ""
    status: str = "Logged Out"
    state: str = "Waiting"
    uuid: str = ""
    max_no_answer: int = 0
    wrap_up_time: int = 0
    reject_delay_time: int = 0
    busy_delay_time: int = 0
    no_answer_delay_time: int = 0
    last_bridge_start: int = 0
    last_bridge_end: int = 0
    last_offered_call: int = 0
    last_status_change: int = 0
    no_answer_count: int = 0
    calls_answered: int = 0
    talk_time: int = 0
    ready_time: int = 0


@dataclass
class Tier:
    """A row of the table ``tiers``."""

    queue: str
    agent: str
    state: str = "Ready"
    level: int = 1
    position: int = 1


@dataclass
class Member:
    """A row of the table ``members``, and what joins the caller's greenlet to the offer's."""

    queue: str
    uuid: str
    channel: Channel
    cid_number: str
    cid_name: str
    joined_epoch: int
    system_epoch: int
    base_score: int
    session_uuid: str
    state: str = "Waiting"
    bridge_epoch: int = 0
    abandoned_epoch: int = 0
    serving_agent: str = ""
    serving_system: str = ""
    cancel_reason: str = ""
    agent_channel: Channel | None = None
    ringing: Channel | None = None

    def identity(self) -> Headers:
        """The four headers by which events name a member."""
        return [
            ("CC-Member-UUID", self.uuid),
            ("CC-Member-Session-UUID", self.channel.uuid),
            ("CC-Member-CID-Name", self.cid_name),
            ("CC-Member-CID-Number", self.cid_number),
        ]

    def score(self, now: int) -> int:
        """Seconds waited plus the base score; the highest is served first."""
        return now - self.joined_epoch + self.base_score
