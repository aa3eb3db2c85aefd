"""Why a call goes where it goes: every routing rule with what it said. For people who ask; no call waits for it."""

from dataclasses import dataclass

from fsctl.call import routing
from fsctl.call.events import ContactFound
from fsctl.call.policy import Policy
from fsctl.call.routing import Facts, Route
from fsctl.call.state import Call

NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Said:
    """What a rule says of a call, in words."""

    rule: str
    words: str
    decided: bool = False


def explain(call: Call, contact: ContactFound, policy: Policy) -> tuple[Route, list[Said]]:
    """The decision, and every rule in order with what it said, those of the config one by one."""
    facts = routing.gather(call, contact, policy)
    said: list[Said] = []
    for rule in routing.RULES:
        if any(one.decided for one in said):
            said.append(Said(rule.__name__, NOT_ASKED))
        elif rule is routing.by_config and policy.rules:
            said += _each(facts)
        else:
            verdict = rule(facts)
            decided = isinstance(verdict, Route)
            said.append(
                Said(rule.__name__, verdict.reason if isinstance(verdict, Route) else verdict, decided)
            )
    return routing.decide(call, contact, policy), said


def _each(facts: Facts) -> list[Said]:
    said: list[Said] = []
    for rule in facts.policy.rules:
        missing = routing.unmet(rule, facts)
        if any(one.decided for one in said):
            words = NOT_ASKED
        else:
            words = "every condition holds" if missing is None else f"{missing} does not hold"
        said.append(Said(f"rule {rule.name}", words, missing is None and words != NOT_ASKED))
    return said
