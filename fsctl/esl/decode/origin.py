"""Where an event came from, and what reads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fsctl.call.events import CallEvent
from fsctl.esl.messages import Event


@dataclass(frozen=True)
class Origin:
    """Which node an event came from, and which of its contexts are front doors of ours."""

    node: str
    contexts: Mapping[str, str]
    """Dialplan context -> ``whatsapp`` or ``sip``."""


Reader = Callable[[Event, Origin], CallEvent | None]
