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


@dataclass(frozen=True, eq=False)
class CallPlan:
    """A WhatsApp call, as Meta's SIP gateway would place it.

    Durations are simulated seconds. Audio is mono int16 at 16 kHz; both arrays start at the bridge, and the
    dialogue lasts as long as the longer one (or ``talk_s``). Before the bridge the caller's leg is comfort
    noise.
    """

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
