"""What the consoles of this process did and had done, in numbers: for ``/metrics``."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

from fsctl.console.commands import Role

Outcome = Literal["ok", "error", "refused"]
"""error: the answer began with -ERR or -USAGE; refused: the role is not enough, and nothing was done."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass
class Counts:
    """For those who look after it."""

    clients: int = 0
    """Logged in now."""
    taken: int = 0
    """Connections."""
    turned_away: int = 0
    """From networks that may not, or too many."""
    refused: int = 0
    """Log-ins."""
    dropped: int = 0
    """Clients that did not read, or sent what nobody can read."""
    commands: Counter[tuple[Role, Outcome]] = field(default_factory=Counter)
