"""From what was said of names to persons."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.call import identity
from fsctl.call.events import Alias, AliasKind
from fsctl.call.identity import Holder, Link, Word, World

T0 = datetime(2026, 3, 1, tzinfo=UTC)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def alias(text: str) -> Alias:
    kinds: Mapping[str, AliasKind] = {
        "b": "bsuid",
        "p": "parent_bsuid",
        "w": "wa_id",
        "t": "phone",
        "u": "username",
    }
    return Alias(kind=kinds[text[0]], value=text)


def world(*told: tuple[float, str]) -> World:
    """``(3, "b1 w1")``: said together in minute 3; ``(4, "w1 > w2")``: changed then; ``w1 = w2``: by hand."""
    seen: dict[Alias, datetime] = {}
    words: list[Word] = []
    links: list[Link] = []
    for minute, text in told:
        named = [alias(one) for one in text.split() if one not in ">="]
        seen |= {one: max(at(minute), seen.get(one, at(minute))) for one in named}
        if ">" in text or "=" in text:
            links.append(Link(named[0], named[1], at(minute), is_change=">" in text))
        else:
            words += identity.words(identity.names(named), at(minute), at(minute))
    return World(seen, words, links)


def owners(found: World) -> dict[str, Holder]:
    return {name.value: found.owner(name) for name in found.seen}


def persons(found: World) -> set[str]:
    """Names that are one person's, such as ``b1 w1``; what was given up has a ``-`` before it."""

    def key(name: Alias) -> Holder:
        return found.owner(name)

    return {
        " ".join(f"-{name.value}" if found.ended_at(name) else name.value for name in group)
        for _, group in itertools.groupby(
            sorted(sorted(found.seen, key=lambda name: name.value), key=lambda name: str(key(name))), key
        )
    }


HISTORIES: dict[str, tuple[Sequence[tuple[float, str]], set[str]]] = {
    "names_said_together_are_one_persons": ([(1, "b1 w1 u1 p1")], {"b1 p1 u1 w1"}),
    "names_said_apart_are_not": ([(1, "b1"), (2, "w1")], {"b1", "w1"}),
    "one_name_joins_two_words": ([(1, "w1 u1"), (2, "b1 w1")], {"b1 u1 w1"}),
    "a_number_given_to_somebody_else_goes_along": (
        [(1, "b1 w1"), (9, "b2 w1")],
        {"b1", "b2 w1"},
    ),
    "the_word_that_is_later_counts_not_the_one_that_comes_later": (
        [(9, "b2 w1"), (1, "b1 w1")],
        {"b1", "b2 w1"},
    ),
    "a_username_stays_with_who_had_the_number_then": (
        [(1, "w1 u1"), (2, "b1 w1"), (9, "b2 w1")],
        {"b1 u1", "b2 w1"},
    ),
    "the_parent_id_joins_two_portfolios_users": ([(1, "b1 p1"), (2, "b2 p1")], {"b1 b2 p1"}),
    "who_changes_the_number_stays_the_same": ([(1, "b1 w1"), (2, "w1 > w2")], {"b1 -w1 w2"}),
    "without_a_user_id_too": ([(1, "w1"), (2, "w1 > w2")], {"-w1 w2"}),
    "a_number_given_up_is_free": ([(1, "w1"), (2, "w1 > w2"), (3, "w1")], {"w1", "w2"}),
    "and_free_for_somebody_with_a_user_id": (
        [(1, "b1 w1"), (2, "w1 > w2"), (3, "b2 w1")],
        {"b1 w2", "b2 w1"},
    ),
    "a_user_id_that_changed_is_the_same_person": (
        [(1, "b1 w1"), (2, "b1 > b2"), (2, "b2 w2")],
        {"-b1 b2 w1 w2"},
    ),
    "who_is_seen_first_with_the_new_number_has_changed_to_it": (
        [(1, "w1"), (2, "w1 > w2"), (3, "b2 w2"), (99, "b9 w2")],
        {"b2 -w1", "b9 w2"},
    ),
    "there_and_back": ([(1, "b1 w1"), (2, "w1 > w2"), (3, "w2 > w1")], {"b1 w1 -w2"}),
    "a_person_says_that_two_are_one": ([(1, "w1"), (1, "w2"), (2, "w1 = w2")], {"w1 w2"}),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    told, expected = HISTORIES[name]
    for order in itertools.permutations(told):
        assert persons(world(*order)) == expected


def test_a_new_number_is_its_holders_from_the_change_on_and_before() -> None:
    found = world((1, "w1"), (4, "w1 > w2"), (9, "w2"))
    assert {found.person(alias("w2"), at(minute)) for minute in (3, 4, 5)} == {found.owner(alias("w2"))}


def test_words_in_a_circle_come_to_an_end() -> None:
    assert persons(world((1, "w1 > w2"), (1, "w2 > w1"), (1, "w1 u1"), (2, "u1 > w1")))


words = st.sampled_from(["b1 w1", "b2 w1", "b1 w2 u1", "b2 p1", "b1 p1 w2", "w1 u1", "w2", "w1", "b2 w2 u1"])
changes = st.sampled_from(["w1 > w2", "w2 > w1", "w1 > b2", "b1 > b2", "w1 = w2", "u1 > w2"])


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(words, changes)), max_size=9), st.randoms())
def test_no_order_matters(told: list[tuple[int, str]], random: object) -> None:
    other = told + told[:3]
    random.shuffle(other)  # type: ignore[attr-defined]
    assert persons(world(*told)) == persons(world(*other))


@pytest.mark.parametrize(
    ("kind", "value", "known_as"),
    [
        ("wa_id", "551187654321", "5511987654321"),
        ("wa_id", "+5511987654321", "5511987654321"),
        ("phone", "554160001000", "5541960001000"),
        ("wa_id", "551133224455", "551133224455"),
        ("wa_id", "550187654321", "550187654321"),
        ("wa_id", "15550100142", "15550100142"),
        ("username", "@Ann.B", "ann.b"),
        ("bsuid", "US.13aB", "US.13aB"),
    ],
)
def test_a_name_has_one_spelling(kind: AliasKind, value: str, known_as: str) -> None:
    (name,) = identity.names([Alias(kind=kind, value=value), Alias(kind=kind, value=known_as)])
    assert name == Alias(kind=kind, value=known_as)
    assert known_as in identity.spellings(value)


def test_a_parents_id_is_one_wherever_it_stands() -> None:
    assert identity.canonical(Alias(kind="bsuid", value="US.ENT.7")).kind == "parent_bsuid"


def test_what_cannot_be_a_name_is_none() -> None:
    strange = ["", "  ", "x" * 257, "1\x00", "1\n2", "\ud800"]
    assert identity.names(Alias(kind="wa_id", value=value) for value in strange) == ()


def test_a_contact_follows_its_strongest_name() -> None:
    before = world((1, "b1 w1"))
    after = world((1, "b1 w1"), (2, "b2 w1"))
    found = identity.people(before, after, {alias("b1"): 1, alias("w1"): 1})
    assert [(person.names, person.contacts) for person in found] == [
        ((alias("b1"),), (1,)),
        ((alias("b2"), alias("w1")), ()),
    ]


def test_the_oldest_contact_comes_first() -> None:
    before, after = world((1, "b1"), (1, "w1")), world((1, "b1"), (1, "w1"), (2, "b1 w1"))
    (person,) = identity.people(before, after, {alias("b1"): 7, alias("w1"): 3})
    assert person.contacts == (3, 7)
