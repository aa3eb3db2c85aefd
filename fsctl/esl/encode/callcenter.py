"""What is asked of mod_callcenter: queues, members, agents, tiers."""

from dataclasses import dataclass

from fsctl.esl.encode.quoting import name, uuid, word


@dataclass(frozen=True)
class ListQueues:
    """mod_callcenter's queues with their settings."""

    def render(self) -> str:
        return "api callcenter_config queue list"


@dataclass(frozen=True)
class ListMembers:
    """Members of a queue, as mod_callcenter's ``|`` list."""

    queue: str

    def render(self) -> str:
        return f"api callcenter_config queue list members {word(self.queue)}"


@dataclass(frozen=True)
class ListAgents:
    """mod_callcenter's agents as its ``|`` list, or one of them."""

    agent: str = ""

    def render(self) -> str:
        return f"api callcenter_config agent list {word(self.agent) if self.agent else ''}".rstrip()


@dataclass(frozen=True)
class ListTiers:
    """Which agent serves which queue."""

    def render(self) -> str:
        return "api callcenter_config tier list"


@dataclass(frozen=True)
class SetAgent:
    """Set one property of an agent: ``status``, ``state``, ``contact``, ..."""

    key: str
    agent: str
    value: str

    def render(self) -> str:
        return f"api callcenter_config agent set {name(self.key)} {word(self.agent)} {word(self.value)}"


@dataclass(frozen=True)
class SetTierState:
    """Set the state of an agent's place in a queue: ``Ready``, ..."""

    queue: str
    agent: str
    state: str

    def render(self) -> str:
        place = f"{word(self.queue)} {word(self.agent)}"
        return f"api callcenter_config tier set state {place} {word(self.state)}"


@dataclass(frozen=True)
class ReleaseAgent:
    """Have mod_callcenter let go of an agent's channel: its queue call is over, the channel itself stays.

    It answers nothing when it does so, which the Event Socket shows as ``-ERR no reply``
    (mod_callcenter.c, cc_break_api_function).
    """

    channel_uuid: str

    def render(self) -> str:
        return f"api callcenter_break agent {uuid(self.channel_uuid)}"
