"""Whether a customer is written to about a call that was missed, and what is said. Pure: rows in, a decision out.

Knows: which end of a call is a missed one, why nothing is written all the same, what is offered, and the place
in the queue that is kept. Refuses to know: Meta's JSON, rows, the outbox. Called by ``whatsapp/followup.py``.

RULES are asked in their order; the first that answers is the reason why nothing is written. To add one: one
function and one line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fsctl.call import payload, wording
from fsctl.call.payload import Ticket
from fsctl.call.policy import Followup, Missed, Number, Offer, Policy
from fsctl.call.state import Call, Disposition, Fault, Phase

LATE_S = 3600
"""Of a call that ended longer ago nothing is said: we were away, and the customer has gone on."""
NEVER_LET_THROUGH = frozenset({"network", "number"})
"""Refusals of a call that may be no customer's (dialplan/whatsapp.xml): nobody is written to for those."""


@dataclass(frozen=True, kw_only=True)
class Chat:
    """What rows say of the call's thread. Times are aware."""

    language: str | None = None
    """The contact's."""
    opted_out: bool = False
    told_of_call: bool = False
    """Whether a message about this wacid is written already."""
    told_at: datetime | None = None
    """When the last one about a missed call was written in the thread."""
    answered_at: datetime | None = None
    """When a call of the contact was last answered."""
    calls_now: bool = False
    """Whether another call of the contact goes on."""
    has_callback: bool = False
    """Whether a time for a callback is booked."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is looked at."""

    call: Call
    chat: Chat
    policy: Policy
    now: datetime
    kind: Missed | None

    @property
    def followup(self) -> Followup:
        """What the call's queue says."""
        return self.policy.queue(queue_of(self.call, self.policy)).followup

    @property
    def number(self) -> Number:
        """What the config says of the number that was called."""
        return number_of(self.call, self.policy)

    @property
    def ended_at(self) -> datetime:
        """Of a call that goes on: now."""
        return self.call.ended_at or self.now


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether to write, and why, in words that are stored."""

    writes: bool
    kind: Missed | None
    reason: str


def decide(call: Call, chat: Chat, policy: Policy, now: datetime) -> Decision:
    """The verdict on one call, which has ended or whose line is bad."""
    facts = Facts(call=call, chat=chat, policy=policy, now=now, kind=missed(call, policy))
    for rule in RULES:
        why_not = rule(facts)
        if why_not is not None:
            return Decision(writes=False, kind=facts.kind, reason=why_not)
    return Decision(writes=True, kind=facts.kind, reason=str(facts.kind))


def queue_of(call: Call, policy: Policy) -> str:
    """The call's queue; of a call that nobody could route, where it would have gone."""
    return call.queue or number_of(call, policy).queue or policy.default_queue


def number_of(call: Call, policy: Policy) -> Number:
    """What the config says of the number that was called."""
    return policy.numbers.get(call.to_number, Number())


def missed(call: Call, policy: Policy) -> Missed | None:
    """Which kind of missed call it is; None: none."""
    bound = policy.queue(queue_of(call, policy)).followup.bad_line_mos
    is_bad = call.mos is not None and call.mos < bound
    match call.disposition:
        case None:
            return "bad_line" if is_bad and call.phase is Phase.TALKING else None
        case Disposition.ANSWERED:
            return "bad_line" if is_bad or call.fault is Fault.NETWORK else None
        case Disposition.ABANDONED:
            return "abandoned"
        case Disposition.TIMED_OUT:
            return "timed_out"
        case Disposition.CLOSED:
            return "closed"
        case Disposition.CONTINUED_IN_CHAT:
            # Who never joined a queue was offered the chat before it.
            return "continued_in_chat" if call.queued_at or call.member_cause else "dissuaded"
        case Disposition.FAILED | Disposition.REFUSED:
            # Refused for its encryption: the customer is not at fault, and was turned away.
            return None if call.refused in NEVER_LET_THROUGH else "failed"


# --- why nothing is written -----------------------------------------------------------------------------------

WhyNot = Callable[[Facts], str | None]


def nothing_missed(facts: Facts) -> str | None:
    """Answered on a good line, or never let through."""
    return f"not missed: {facts.call.refused or 'answered'}" if facts.kind is None else None


def no_chat(facts: Facts) -> str | None:
    """An ordinary call has no chat, and a number that cannot send none of ours."""
    if facts.call.channel != "whatsapp":
        return "not a WhatsApp call"
    if facts.call.thread_id is None:
        return "nobody knows who called"
    return None if facts.number.phone_number_id else f"number {facts.call.to_number} has no phone_number_id"


def not_wanted(facts: Facts) -> str | None:
    """The queue's follow-ups are off, or not for this kind."""
    if not facts.followup.on:
        return f"queue {facts.call.queue} writes to nobody"
    if facts.kind not in facts.followup.kinds:
        return f"queue {facts.call.queue} does not write after {facts.kind}"
    return None


def opted_out(facts: Facts) -> str | None:
    """The customer wants none."""
    return "the customer has opted out" if facts.chat.opted_out else None


def told_already(facts: Facts) -> str | None:
    """The same call, by its wacid: told again by another node, or after a restart."""
    return "written already about this call" if facts.chat.told_of_call else None


def late(facts: Facts) -> str | None:
    """We were away."""
    age_s = (facts.now - facts.ended_at).total_seconds()
    return f"it ended {age_s / 60:.0f} min ago" if age_s > LATE_S else None


def calls_again(facts: Facts) -> str | None:
    """The customer did not wait for us to write."""
    return "the customer calls again now" if facts.chat.calls_now else None


def answered_since(facts: Facts) -> str | None:
    """Another call of the customer was answered after this one began; not of a bad line, which was answered."""
    answered = facts.chat.answered_at
    if facts.kind == "bad_line" or answered is None or answered <= facts.call.offered_at:
        return None
    return "a call of the customer was answered since"


def booked(facts: Facts) -> str | None:
    """A time is agreed already; who chooses the chat now has another matter."""
    if facts.chat.has_callback and facts.kind not in ("continued_in_chat", "dissuaded"):
        return "a callback is booked"
    return None


def quiet(facts: Facts) -> str | None:
    """One message for many calls, unless one of them was answered."""
    told, answered = facts.chat.told_at, facts.chat.answered_at
    if told is None or (answered is not None and answered > told):
        return None
    age_s = (facts.now - told).total_seconds()
    return f"written {age_s / 60:.0f} min ago" if age_s < facts.followup.quiet_s else None


RULES: tuple[WhyNot, ...] = (
    nothing_missed, no_chat, not_wanted, opted_out, told_already, late, calls_again, answered_since, booked, quiet,
)  # fmt: skip


# --- what is written ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Words:
    """A message as a customer reads it."""

    language: str
    why: str
    """The sentence that says why we write; it is in the body too."""
    body: str
    button: str
    offer: Offer


def words(
    call: Call, kind: Missed, language: str | None, policy: Policy, now: datetime, has_pages: bool
) -> Words:
    """What to say of a missed call.

    Args:
        language: the contact's.
        now: decides what can be offered.
        has_pages: whether customers can reach our pages.
    """
    followup = policy.queue(queue_of(call, policy)).followup
    code = tongue(followup.texts, call.language, language, number_of(call, policy).language)
    offer = offered(call, kind, policy, now, has_pages)
    text = followup.texts.get(code) or wording.OFFER[code][offer]
    why = wording.WHY.get(code, wording.WHY[wording.FALLBACK])[kind]
    body = "\n".join((text.replace("{why}", why), *followup.links.get(code, ())))
    label = (
        wording.CHOOSE.get(code, wording.CHOOSE[wording.FALLBACK])
        if offer == "slot"
        else button(followup, code)
    )
    return Words(language=code, why=why, body=body, button=label, offer=offer)


def tongue(texts: Mapping[str, str], *asked: str | None) -> str:
    """The first of these languages that there is a text in, by its two letters; else FALLBACK."""
    codes = ((one or "")[:2].lower() for one in asked)
    return next((one for one in codes if one in texts or one in wording.LANGUAGES), wording.FALLBACK)


def button(followup: Followup, language: str) -> str:
    """What stands on a call button."""
    return followup.button.get(language) or wording.BUTTON.get(language, wording.BUTTON[wording.FALLBACK])


def offered(call: Call, kind: Missed, policy: Policy, now: datetime, has_pages: bool) -> Offer:
    """Button or page; neither where nothing can be signed, and to who is on the line."""
    followup = policy.queue(call.queue).followup
    if kind == "bad_line" or not policy.payload_secrets:
        return "none"
    queue = policy.queue(queue_of(call, policy))
    hours, followup = policy.hours.get(queue.hours or ""), queue.followup
    is_open = hours is None or hours.is_open(now)
    asked = followup.offer if is_open else followup.offer_closed
    if asked != "slot" or has_pages:
        return asked
    return "button" if is_open else "none"


def ticket(call: Call, policy: Policy, now: datetime) -> Ticket:
    """What brings the caller back to the place that it had in the queue.

    The queues count from the answer (time-base-score), and so does the place. Who had come back to a kept place
    already keeps that one, and the points of a rule with it.
    """
    queue = queue_of(call, policy)
    before = _before(call, policy)
    since = before.since if before else None
    if since is None and call.disposition is not Disposition.CLOSED:
        since = call.answered_at or call.offered_at
    return Ticket(
        expires=now + timedelta(seconds=policy.queue(queue).followup.keep_s),
        queue=queue,
        score=before.score if before else call.score,
        since=since,
        language=(call.language or "")[:2] or None,
        contact_id=call.contact_id,
    )


def _before(call: Call, policy: Policy) -> Ticket | None:
    """The ticket that the missed call came with, if it kept a place."""
    if not call.payload_trusted or call.score is None:
        return None
    for text in (call.cta_payload, call.deeplink_payload):
        found = payload.read(text, policy.payload_secrets) if text else None
        if found is not None and found.since is not None:
            return found
    return None
