"""What a simulated switch is made of, with the queues, agents and lists of freeswitch-conf/ as defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fsctl.sim.listener import MAX_QUEUE_LEN
from fsctl.sim.tables import AgentOptions, QueueOptions, TierOptions

#: The lists of acl.conf.xml; simulated WhatsApp calls come from the networks of "meta".
ACL = {"anybody": ("0.0.0.0/0", "::/0"), "meta": ("157.240.0.0/17", "57.144.0.0/14")}
AGENTS = tuple(
    AgentOptions(f"agent{number}", f"[leg_timeout=20]user/agent{number}@fsctl") for number in (1, 2, 3)
)
#: callcenter.conf.xml: two queues of all agents, and for each agent one of that agent alone.
SHARED = tuple(
    QueueOptions(name, max_wait_time=900, max_wait_time_with_no_agent=120)
    for name in ("support@fsctl", "sales@fsctl")
)
OWN = tuple(
    QueueOptions(f"{agent.name}-own@fsctl", max_wait_time=20, max_wait_time_with_no_agent=1)
    for agent in AGENTS
)
QUEUES = (*SHARED, *OWN)
TIERS = (
    *(
        TierOptions(queue.name, agent.name, 1, place)
        for queue in SHARED
        for place, agent in enumerate(AGENTS, 1)
    ),
    *(TierOptions(queue.name, agent.name) for queue, agent in zip(OWN, AGENTS)),
)


@dataclass(frozen=True)
class SwitchOptions:
    """What a switch is made of. Times are simulated seconds; ``speed`` is simulated seconds a wall second."""

    dialplan: Path
    spool: Path
    host: str = "127.0.0.1"
    port: int = 0
    password: str = "ClueCon"
    context: str = "whatsapp"
    #: Where ordinary calls go.
    sip_context: str = "fsctl-sip"
    queues: tuple[QueueOptions, ...] = QUEUES
    agents: tuple[AgentOptions, ...] = AGENTS
    tiers: tuple[TierOptions, ...] = TIERS
    #: acl.conf.xml: lists of networks by name.
    acl: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: ACL)
    #: Folder of the prompts; None: where the checkout has them, beside the dialplan.
    prompts: Path | None = None
    #: Global variables besides those that come from the other options.
    globals: Mapping[str, str] = field(default_factory=dict)
    speed: float = 1.0
    seed: int = 1
    start_epoch_s: float | None = None
    heartbeat_s: float = 20.0
    listener_queue: int = MAX_QUEUE_LEN
