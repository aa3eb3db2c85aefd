"""What the config says of numbers, queues, opening hours and rules: routing looks at this and at the call."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fsctl.call.hours import Hours

QUEUE_NAME = re.compile(r"[\w.-]+@[\w.-]+\Z", re.ASCII)
"""What the dialplan takes for a queue."""

Recording = Literal["disclose", "consent", "always", "never"]
"""disclose: says that it records; consent: asks for a key first; always: without a word."""

Missed = Literal["abandoned", "timed_out", "closed", "failed", "continued_in_chat", "dissuaded", "bad_line"]
"""Kinds of call that a customer may be written to about: docs/followup.md says what each is."""
Offer = Literal["button", "slot", "none"]
"""button: a call button that keeps the place; slot: a page on which to choose a time; none: words and links."""


@dataclass(frozen=True, kw_only=True)
class Followup:
    """What a queue does about the calls that it missed: a message in the chat."""

    on: bool = False
    kinds: tuple[str, ...] = ("abandoned", "timed_out", "closed", "failed", "continued_in_chat", "dissuaded")
    """Of ``Missed``."""
    offer: Offer = "button"
    offer_closed: Offer = "slot"
    """The same outside opening hours, when a call button would lead to a closed line."""
    quiet_s: int = 1800
    """Within it one message for all missed calls of a thread, unless one was answered in between."""
    keep_s: int = 86_400
    """How long the button, the place it keeps and the link to the page are good."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Language -> what is written; ``{why}`` in it says why we write. None: ``call/wording.py``."""
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language -> lines below the text, such as ``Track your order: https://...``."""
    button: Mapping[str, str] = field(default_factory=dict)
    """Language -> what stands on the button."""
    template: str = ""
    """Meta's name of the template that is sent where the service window is closed; empty: nothing is sent then."""
    template_languages: Mapping[str, str] = field(default_factory=dict)
    """Language -> Meta's code of the template's, such as pt -> pt_BR."""
    bad_line_mos: float = 0.0
    """The line of a call is bad below this (MOS, 1 to 4.5)."""
    call_back: bool = False
    """At the time chosen we call, where the customer permits it; else the button is sent."""
    slot_s: int = 900
    """Length of a time that can be chosen, in seconds."""
    slot_days: int = 3
    """So many days ahead can be chosen."""
    slot_share: float = 0.5
    """Of the queue's agents, for callbacks at one time; one agent at least."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """One of our business numbers."""

    queue: str | None = None
    language: str | None = None
    label: str = ""
    menu: bool = False
    """Ask callers whose language is not known to choose one by key."""
    phone_number_id: str = ""
    """Meta's id of the number: what sends and has settings."""


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One of mod_callcenter's queues, as we use it."""

    answer_within_s: int = 20
    """Service level: a call answered in this time is answered well."""
    hours: str | None = None
    """Name of its opening hours; None is always open."""
    recording: Recording | None = None
    """None: the dialplan's default."""
    announce_wait: bool = True
    """Tell the caller how long it may take."""
    wrap_up_s: int | None = None
    """The agents' time after each call; None leaves what mod_callcenter has."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """Language -> queue of those who speak it: where a call goes."""
    spoken: tuple[str, ...] = ()
    """Languages (ISO 639-1) that may be said, for its text; none named: the call's own, else all that are known."""
    skills: Mapping[str, str] = field(default_factory=dict)
    """Skill that a rule asks for -> queue of those who have it."""
    dissuade_after_s: int | None = None
    """From this expected wait on the caller is offered to go on in the chat; None is never."""
    followup: Followup = field(default_factory=Followup)
    redact: tuple[str, ...] = ()
    """Taken out of text, and silenced in archived audio: card, code, email, phone, or patterns by name."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of the config: when every condition given holds, what is given counts.

    Conditions that are lists hold when one of their items does. Patterns are searched for, ignoring case.
    """

    name: str
    # --- conditions
    channel: Literal["whatsapp", "sip"] | None = None
    numbers: tuple[str, ...] = ()
    """Of ours, as dialled."""
    callers: tuple[str, ...] = ()
    """What a caller's number or user id begins with."""
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    vip: bool | None = None
    payload: re.Pattern[str] | None = None
    """In the payload of a button or link. Anybody can send any: a hint, not a right."""
    message: re.Pattern[str] | None = None
    """In one of the customer's last chat messages."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the request URI."""
    open: str | None = None
    """Name of opening hours: within them."""
    closed: str | None = None
    """Name of opening hours: outside them."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Queue -> at least so many wait in it."""
    # --- results
    queue: str | None = None
    skill: str | None = None
    language: str | None = None
    score: int | None = None
    recording: Recording | None = None
    close: bool = False
    """Take no call: it goes on in the chat."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The whole of it."""

    default_queue: str = "support@fsctl"
    numbers: Mapping[str, Number] = field(default_factory=dict)
    """By digits of the business number."""
    queues: Mapping[str, Queue] = field(default_factory=dict)
    hours: Mapping[str, Hours] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    sticky_for_s: int = 0
    """How long a caller goes to the same agent first; 0 is never."""
    sticky_queue: str = "{agent}-own@fsctl"
    """The queue with that one agent; its max-wait-time is how long it is tried."""
    payload_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Name -> regular expression of what a queue may want redacted besides."""

    def queue(self, name: str | None) -> Queue:
        """What is said of a queue; nothing said is the defaults."""
        return self.queues.get(name or "", Queue())

    def redaction(self, name: str | None) -> tuple[str, ...]:
        """What a queue wants redacted, as ``NAME=REGULAR EXPRESSION`` where it is a pattern of ours.

        Whole, because whoever decodes the call has nothing but the database.
        """
        kinds = self.queue(name).redact
        return tuple(f"{kind}={self.patterns[kind]}" if kind in self.patterns else kind for kind in kinds)

    def redaction_of_unknown(self) -> tuple[str, ...]:
        """What any queue wants redacted: for a call of which we do not know where it was."""
        return tuple(dict.fromkeys(kind for name in self.queues for kind in self.redaction(name)))

    def redaction_of_chat(self, business_number: str) -> tuple[str, ...]:
        """What is redacted of the chat with one of our numbers: what its queue wants, else the default queue."""
        number = self.numbers.get(business_number.lstrip("+"), Number())
        return self.redaction(number.queue or self.default_queue)
