"""What is decoded together next: the oldest first, alike together, what is too late left for later."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fsctl.store.utterances import Waiting
from fsctl.transcribe import batch
from fsctl.transcribe.batch import Policy, plan
from fsctl.transcribe.context import context_s

POLICY = Policy(batch=4, shed_after_s=20.0, beam=5)


def one(
    id: int, *, age_s: float = 1.0, seconds: float = 3.0, live: bool = True, attempts: int = 0
) -> Waiting:
    return Waiting(
        id=id, call_uuid="c", leg="caller", seconds=seconds, age_s=age_s, attempts=attempts, live=live
    )  # fmt: skip


@st.composite
def waiting(draw: st.DrawFn) -> list[Waiting]:
    return [
        one(
            id,
            age_s=draw(st.floats(0, 60)),
            seconds=draw(st.floats(0.1, 13)),
            live=draw(st.booleans()),
            attempts=draw(st.integers(0, 4)),
        )
        for id in range(draw(st.integers(0, 30)))
    ]


@given(waiting(), st.integers(1, 8))
@settings(max_examples=500)
def test_whatever_waits_the_plan_is_sound(found: list[Waiting], size: int) -> None:
    policy = replace(POLICY, batch=size)
    made = plan(found, policy)
    by_id = {each.id: each for each in found}
    chosen = [by_id[id] for id in made.decode]
    assert len(set(made.decode)) == len(made.decode) <= size
    assert not set(made.decode) & set(made.shed)
    assert len({context_s(each.seconds) for each in chosen}) <= 1
    assert bool(made.decode) == (len(found) > len(made.shed))
    assert all(by_id[id].live and by_id[id].age_s > policy.shed_after_s / 2 for id in made.shed)
    rest = [each for each in found if each.id not in made.shed]
    assert made.more == (len(rest) > len(chosen))
    assert 1 <= made.beam <= policy.beam
    if chosen:
        assert chosen[0] == min(rest, key=lambda each: (not each.live, -each.age_s, each.id))
        # None of another length is decoded before an older one that would have gone along.
        for each in rest:
            if each.id not in made.decode and context_s(each.seconds) == context_s(chosen[0].seconds):
                assert (
                    len(chosen) == size or each.attempts >= batch.TRIED or chosen[0].attempts >= batch.TRIED
                )


@given(waiting())
@settings(max_examples=200)
def test_everything_is_decoded_or_shed_in_the_end(found: list[Waiting]) -> None:
    rest, seen = list(found), []
    for _ in range(len(found) + 1):
        made = plan(rest, POLICY)
        seen += [*made.decode, *made.shed]
        rest = [each for each in rest if each.id not in seen]
    assert sorted(seen) == sorted(each.id for each in found)


def test_live_text_comes_first_however_long_the_rest_has_waited() -> None:
    made = plan([one(1, age_s=500, live=False), one(2, age_s=0.1)], POLICY)
    assert made.decode[0] == 2


def test_nothing_is_shed_before_its_time_and_then_so_much_that_the_rest_is_in_time() -> None:
    ages = [19.0, 15.0, 11.0, 9.0, 1.0]
    found = [one(id, age_s=age) for id, age in enumerate(ages)]
    assert plan(found, POLICY).shed == ()
    assert plan([*found, one(9, age_s=20.5)], POLICY).shed == (0, 1, 2, 9)


def test_a_call_that_has_ended_has_time() -> None:
    assert plan([one(1, age_s=900, live=False)], POLICY).shed == ()


def test_one_that_was_tried_before_is_decoded_alone() -> None:
    assert plan([one(1, age_s=9, attempts=2), one(2), one(3)], POLICY).decode == (1,)
    assert plan([one(1, age_s=9), one(2, attempts=2), one(3)], POLICY).decode == (1, 3)


def test_the_more_wait_the_fewer_readings_are_followed() -> None:
    beams = [plan([one(i) for i in range(count)], POLICY).beam for count in (1, 2, 3, 4, 5, 40)]
    assert beams == [5, 5, 2, 2, 1, 1]
    assert plan([one(i) for i in range(5)], replace(POLICY, beam=1)).beam == 1
    assert [plan([one(i) for i in range(count)], Policy()).beam for count in (1, 4, 5)] == [2, 2, 1]


def test_utterances_up_to_eight_seconds_go_together() -> None:
    assert [context_s(seconds) for seconds in (0.3, 7.9, 8.0, 8.1, 12.0)] == [10, 10, 10, 11, 14]


def test_a_final_pass_waits_for_a_quiet_moment_but_not_for_ever() -> None:
    assert batch.is_final_due(0.2, 0.0, POLICY)
    assert not batch.is_final_due(0.8, 10.0, POLICY)
    assert batch.is_final_due(0.8, 601.0, POLICY)
