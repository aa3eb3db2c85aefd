"""What to do about a call. Imperative; each may be carried out twice with the result of once.

The store carries out those that change rows, in one transaction and first; then the switch is told. The one
exception is a call's route (``SetVariables``), which is told before it is stored.
"""

from dataclasses import dataclass
from datetime import datetime

from fsctl.call.events import Alias, CallEvent, GapKind
from fsctl.call.state import Call


@dataclass(frozen=True, kw_only=True)
class Command:
    """One thing to do for one call."""

    uuid: str


@dataclass(frozen=True, kw_only=True)
class StoreCommand(Command):
    """Changes rows."""


@dataclass(frozen=True, kw_only=True)
class SwitchCommand(Command):
    """Tells FreeSWITCH something."""


@dataclass(frozen=True, kw_only=True)
class SaveCall(StoreCommand):
    """Make the call's row say this."""

    call: Call


@dataclass(frozen=True, kw_only=True)
class AppendEvent(StoreCommand):
    """Add the fact to the call's story, unless it stands there already."""

    event: CallEvent


@dataclass(frozen=True, kw_only=True)
class FindContact(Command):
    """Ask the store who calls, making contact and thread when new. Answered by ContactFound."""

    at: datetime
    node: str
    aliases: tuple[Alias, ...]
    display_name: str
    to_number: str


@dataclass(frozen=True, kw_only=True)
class OpenRecording(StoreCommand):
    """A recording grows at ``path``."""

    at: datetime
    node: str
    path: str


@dataclass(frozen=True, kw_only=True)
class CloseRecording(StoreCommand):
    """The recording at ``path`` has its final size; ``path`` None closes all of the call's."""

    at: datetime
    path: str | None
    size_bytes: int | None = None
    """As the switch says it."""


@dataclass(frozen=True, kw_only=True)
class OpenGap(StoreCommand):
    """From ``at`` on the recording at ``path`` has nothing, on purpose."""

    at: datetime
    kind: GapKind
    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class CloseGap(StoreCommand):
    """Until ``at``."""

    at: datetime
    kind: GapKind


@dataclass(frozen=True, kw_only=True)
class OpenBridge(StoreCommand):
    """From ``at`` on the right channel is this agent's speech."""

    at: datetime
    agent: str
    agent_uuid: str


@dataclass(frozen=True, kw_only=True)
class CloseBridge(StoreCommand):
    """Until ``at``; ``agent_uuid`` None closes all of the call's."""

    at: datetime
    agent_uuid: str | None


@dataclass(frozen=True, kw_only=True)
class Audit(StoreCommand):
    """Something was refused or forbidden, for those who look after the house."""

    node: str
    action: str
    """NOUN.VERB."""
    detail: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class HangUp(SwitchCommand):
    """End a leg."""

    leg_uuid: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class SetVariables(SwitchCommand):
    """Steer the dialplan: set channel variables on the caller's leg.

    Told at once: the dialplan goes on within a second, and nothing is lost with it. A route that was told and could
    not be stored is decided again, and told again.
    """

    variables: tuple[tuple[str, str], ...]
