"""What to do about an error of Meta's: one table, and the rule that reads it.

Pure. Knows: codes (Meta, "Error codes", "Throughput"; the waiting for 131056 is Meta's own: 4^X seconds) and how
long to wait. Refuses to know HTTP, rows, what is sent. Called by ``sender.py`` for answers, and by ``pump.py`` for
failures that a webhook told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from fsctl.store.outbox import Again, Failed


class Then(Enum):
    """What follows an error."""

    AGAIN = "again"
    """It may pass: the same, later."""
    TEMPLATE = "template"
    """Only a template would be taken."""
    FAIL = "fail"
    """It will not go away by itself."""


@dataclass(frozen=True)
class Rule:
    """What one code means."""

    then: Then
    what: str
    first_s: float = 0.0
    """Wait so long after the first refusal."""
    factor: float = 2.0
    """Longer by so much after each."""
    most_s: float = 0.0
    whole_number: bool = False
    """Whatever else this business number sends would be refused too."""
    alarm: bool = False
    """A person must do something."""

    def after_s(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        return min(self.first_s * self.factor ** min(attempts - 1, 30), self.most_s)


def _again(what: str, first_s: float, most_s: float, factor: float = 2.0) -> Rule:
    return Rule(Then.AGAIN, what, first_s, factor, most_s)


def _paused(what: str, first_s: float, most_s: float, *, alarm: bool = False) -> Rule:
    return Rule(Then.AGAIN, what, first_s, 2.0, most_s, whole_number=True, alarm=alarm)


def _failed(what: str) -> Rule:
    return Rule(Then.FAIL, what)


_TOKEN = _paused("the access token or a permission", 60, 900, alarm=True)

RULES: Mapping[int, Rule] = {
    # --- too fast
    130429: _paused("throughput of the number", 1, 60),
    131056: _again("too many messages to this user", 1, 4096, 4.0),
    4: _paused("calls of this app", 60, 900),
    80007: _paused("calls of this account", 60, 900),
    # --- passes
    1: _again("unknown error at Meta", 5, 600),
    2: _again("temporary error at Meta", 5, 600),
    131000: _again("something went wrong at Meta", 5, 600),
    131016: _again("service unavailable", 5, 600),
    131057: _paused("maintenance of the account", 60, 3600),
    # --- another way
    131047: Rule(Then.TEMPLATE, "the service window is closed"),
    # --- not this message to this user
    131026: _failed("undeliverable: not on WhatsApp, or a client that is too old"),
    131049: _failed("Meta chose not to deliver it"),
    131050: _failed("the user opted out of marketing"),
    131051: _failed("unsupported type"),
    131052: _failed("media download"),
    131053: _failed("media upload"),
    131062: _failed("no authentication template to a user id"),
    # --- not as we wrote it
    100: _failed("bad parameter"),
    131008: _failed("a parameter is missing"),
    131009: _failed("bad parameter"),
    132000: _failed("parameters of the template"),
    132001: _failed("no such template"),
    132012: _failed("parameters of the template"),
    132015: _failed("the template is paused"),
    132016: _failed("the template is disabled"),
    # --- a person must act; what waits goes on when that is done, or expires
    131042: _paused("payment", 600, 3600, alarm=True),
    131048: _paused("spam limit", 600, 3600, alarm=True),
    131031: _paused("the account is locked", 600, 3600, alarm=True),
    368: _paused("blocked for a breach of policy", 600, 3600, alarm=True),
    133010: _paused("the number is not registered", 600, 3600, alarm=True),
    10: _TOKEN,
    190: _TOKEN,
    131005: _TOKEN,
    **dict.fromkeys(range(200, 300), _TOKEN),
}

UNREACHABLE = _paused("Meta cannot be reached", 1, 60)
"""Nothing left: no connection."""
_SLOW_DOWN = _paused("HTTP 429", 1, 60)
_UNKNOWN = _failed("")
_UNKNOWN_PASSES = _again("", 5, 600)

WAYS: Mapping[Then, tuple[int, ...]] = {
    then: tuple(code for code, rule in RULES.items() if rule.then is then) for then in Then
}
"""The codes by what follows."""


def rule_of(code: int, status: int = 0) -> Rule:
    """The rule of a code, or what its status of HTTP says where the table does not know it."""
    if code in RULES:
        return RULES[code]
    if status == 429:
        return _SLOW_DOWN
    return _UNKNOWN_PASSES if status >= 500 else _UNKNOWN


def decide(
    rule: Rule, reason: str, attempts: int, code: int = 0, least_s: float | None = None
) -> Again | Failed:
    """What comes of a refusal.

    Args:
        attempts: so many were made, this one included.
        least_s: Meta asked to wait at least so long.
    """
    if rule.then is not Then.AGAIN:
        return Failed(reason, code)
    after_s = max(rule.after_s(attempts), least_s or 0.0)
    return Again(after_s, reason, code, whole_number=rule.whole_number, alarm=rule.alarm)
