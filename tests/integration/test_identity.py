"""Whatever the order in which names are said, the same persons come out: on a real Postgres."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsctl.call import commands, identity
from fsctl.call.events import Alias
from fsctl.call.state import Call, Phase
from fsctl.store import contacts
from fsctl.store.calls import Calls
from fsctl.store.contacts import Who
from fsctl.store.db import Database
from tests.fix_database import run

T0 = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
NUMBER = "15550100900"
_portfolios = itertools.count(1)

NAMES = [
    Alias(kind="bsuid", value="US.1"), Alias(kind="bsuid", value="US.2"), Alias(kind="bsuid", value="US.3"),
    Alias(kind="parent_bsuid", value="US.ENT.1"), Alias(kind="wa_id", value="5511987654321"),
    Alias(kind="wa_id", value="551187654321"), Alias(kind="wa_id", value="15550100142"),
    Alias(kind="wa_id", value="15550100143"), Alias(kind="phone", value="15550100142"),
    Alias(kind="username", value="ann"), Alias(kind="username", value="@Bob"),
]  # fmt: skip
NUMBERS = [name for name in NAMES if name.kind == "wa_id"]

Fact = tuple[str, Any, Any, int]
"""What is told, of whom, and the minute."""

minutes = st.integers(0, 12)
CONTESTED = [(NAMES[0], NAMES[6]), (NAMES[1], NAMES[6]), (NAMES[6],), (NAMES[6], NAMES[9])]
"""Two who are said with one number, again and again."""
together = st.one_of(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(tuple),
    st.sampled_from(CONTESTED),
)
facts = st.one_of(
    st.tuples(st.just("webhook"), together, st.none(), minutes),
    st.tuples(st.just("call"), together, st.none(), minutes),
    st.tuples(
        st.just("changed"),
        st.sampled_from([*NUMBERS, NAMES[0], NAMES[1]]),
        st.lists(st.sampled_from(NAMES[:8]), min_size=1, max_size=2, unique=True).map(tuple),
        minutes,
    ),
)


def tell(database: Database, fact: Fact, portfolio: str, number: int) -> None:
    kind, names, more, minute = fact
    at = T0 + timedelta(minutes=minute)
    if kind == "call":
        offered(database, f"{portfolio}.{number}", names, at, portfolio)
        return
    with database.transaction("test") as transaction:
        if kind == "changed":
            if not {identity.canonical(names)} & {identity.canonical(n) for n in more}:
                contacts.changed(transaction, names, more, at, portfolio)
        else:
            contacts.find(transaction, Who(aliases=names, at=at, name="Ann", portfolio=portfolio), NUMBER)


def offered(database: Database, uuid: str, names: Sequence[Alias], at: datetime, portfolio: str = "") -> Call:
    """A call as the controller stores it: who calls is asked, then the call is saved."""
    calls = Calls(database, portfolio)
    found = calls.answer(
        commands.FindContact(
            uuid=uuid, at=at, node="fs1", aliases=tuple(names), display_name="15550100142", to_number=NUMBER
        )
    )
    call = Call(
        uuid=uuid, node="fs1", channel="whatsapp", phase=Phase.OFFERED, offered_at=at, to_number=NUMBER,
        aliases=tuple(names), contact_id=found.contact_id, thread_id=found.thread_id,
    )  # fmt: skip
    calls.apply([commands.SaveCall(uuid=uuid, call=call)])
    return call


def outcome(database: Database, told: Iterable[Fact]) -> set[tuple[str, ...]]:
    """Tell all of it, and see which names are one contact's; what was given up is marked."""
    portfolio = f"p{next(_portfolios)}"
    for number, fact in enumerate(told):
        tell(database, fact, portfolio, number)
    rows = run(
        database, "select kind, value, contact_id, ended_at from alias where portfolio = %(portfolio)s",
        portfolio=portfolio,
    )  # fmt: skip
    owned: dict[int, set[str]] = {}
    for row in rows:
        ended = f" until {row['ended_at']}" if row["ended_at"] else ""
        owned.setdefault(row["contact_id"], set()).add(f"{row['kind']} {row['value']}{ended}")
    return {tuple(sorted(names)) for names in owned.values()}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=st.lists(facts, min_size=2, max_size=7), data=st.data())
def test_any_order_and_repetition_gives_the_same_persons(
    database: Database, told: list[Fact], data: st.DataObject
) -> None:
    other = data.draw(st.permutations(told + told[:2]))
    assert outcome(database, told) == outcome(database, other)


ONE, OTHER, NOBODY = CONTESTED[:3]
HISTORIES: dict[str, list[Fact]] = {
    "a_webhook_of_somebody_known_is_a_word": [
        ("webhook", ONE, None, 1), ("webhook", ONE, None, 8),
        ("webhook", OTHER, None, 6), ("webhook", NOBODY, None, 9),
    ],
    "a_call_of_somebody_known_is_a_word": [
        ("webhook", ONE, None, 1), ("call", ONE, None, 8), ("webhook", OTHER, None, 6), ("call", NOBODY, None, 9),
    ],
    "a_call_that_is_told_late_is_a_word": [
        ("call", OTHER, None, 0), ("webhook", OTHER, None, 1), ("changed", NOBODY[0], ONE[:1], 0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_every_order_of_a_contested_number(database: Database, name: str) -> None:
    assert (
        len({frozenset(outcome(database, order)) for order in itertools.permutations(HISTORIES[name])}) == 1
    )
