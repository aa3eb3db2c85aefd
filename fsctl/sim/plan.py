"""What one simulated call will do: who calls, what is said, who answers and who hangs up."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.int16]

#: Samples a second of every audio array in a plan.
PLAN_RATE = 16_000


@dataclass(frozen=True)
class Ring:
    """What an agent's phone does when it is offered the call.

    ``answer`` picks up after ``after_s`` seconds of ringing. ``reject`` sends 486 after ``after_s``, seen as
    USER_BUSY (originate). ``no_answer`` rings until the contact's leg_timeout, seen as ALLOTTED_TIMEOUT
    (cc_agent_no_answer).
    """

    kind: Literal["answer", "reject", "no_answer"] = "answer"
    after_s: float = 2.0


@dataclass(frozen=True)
class Transfer:
    """A blind transfer: the agent's phone sends REFER to user ``to``, ``after_s`` seconds after the bridge."""

    after_s: float
    to: str


@dataclass(frozen=True)
class Quality:
    """What FreeSWITCH measures of the RTP that a leg sends it (switch_core_media.c set_stats).

    The defaults are a clean leg (call_queue_plain). Variances are milliseconds squared, rates percent.
    ``lost`` packets never came: the packet count is that much lower.
    """

    mos: float = 4.50
    lost: int = 0
    skipped: int = 6
    jitter_min_variance: float = 3.05
    jitter_max_variance: float = 6.06
    loss_rate: float = 0.0
    burst_rate: float = 0.0
    mean_interval: float = 20.0
    flaws: int = 0
    percentage: float = 100.0


@dataclass(frozen=True, eq=False)
class CallPlan:
    """A call, as Meta's SIP gateway would place it, or (``kind`` sip) as any other SIP trunk would.

    Durations are simulated seconds. Audio is mono int16 at 16 kHz; both arrays start at the bridge, and the
    dialogue lasts as long as the longer one (or ``talk_s``). Before the bridge the caller's leg is comfort
    noise.
    """

    kind: Literal["whatsapp", "sip"] = "whatsapp"

    from_user: str = "+15550100142"
    display_name: str = ""
    to_number: str = "+15550100900"
    #: Custom SIP headers as (name as sent, value). x-wa-meta-wacid is added when it is missing.
    headers: tuple[tuple[str, str], ...] = ()
    caller_audio: Audio | None = None
    agent_audio: Audio | None = None
    #: Length of the dialogue; None: as long as the audio, or 4 s without audio.
    talk_s: float | None = None
    #: What agents do with the offers of this call, in turn; the last one repeats.
    rings: tuple[Ring, ...] = (Ring(),)
    hangs_up: Literal["caller", "agent", "nobody"] = "caller"
    #: The caller gives up this long after calling, unless an agent has answered. None: waits for ever.
    abandon_after_s: float | None = None
    #: Delay between place_call and the INVITE.
    start_after_s: float = 0.0
    #: How the INVITE comes; None: TLS for WhatsApp, UDP else.
    transport: Literal["tls", "tcp", "udp"] | None = None
    #: Whether the offer has a=crypto (SDES); None: for WhatsApp only.
    crypto: bool | None = None
    #: Keys that the caller presses: seconds after our answer, and which.
    keys: tuple[tuple[float, str], ...] = ()
    #: What the agent who answers first does with the caller; the next one keeps the call.
    transfer: Transfer | None = None
    quality: Quality = Quality()
    agent_quality: Quality = Quality()

    @property
    def via(self) -> str:
        """The transport, lower case as in ``sip_via_protocol``."""
        return self.transport or ("tls" if self.kind == "whatsapp" else "udp")

    @property
    def offers_srtp(self) -> bool:
        """Whether the SDP has a=crypto."""
        return self.kind == "whatsapp" if self.crypto is None else self.crypto

    def ring(self, offer: int) -> Ring:
        """The behaviour at the n-th offer, counted from 0."""
        return self.rings[min(offer, len(self.rings) - 1)]

    def dialogue_s(self) -> float:
        """How long the two talk once bridged."""
        if self.talk_s is not None:
            return self.talk_s
        longest = max(
            (len(audio) for audio in (self.caller_audio, self.agent_audio) if audio is not None), default=0
        )
        return longest / PLAN_RATE if longest else 4.0

    def header(self, name: str) -> str:
        """A custom header's value, whatever its case; empty when it is not sent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")
