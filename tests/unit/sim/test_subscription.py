"""Who gets which event: names, subclasses, nixevent, filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.eventsocket.event import Event
from fsctl.sim.subscription import Subscription


def event(name="CHANNEL_ANSWER", subclass="", **headers):
    return Event(name, [(key.replace("_", "-"), value) for key, value in headers.items()], subclass=subclass)


def subscribed(words, filters=()):
    subscription = Subscription()
    subscription.add(words.split())
    subscription.filters = list(filters)
    return subscription


def test_custom_events_come_only_with_their_subclass():
    one = subscribed("CHANNEL_ANSWER CUSTOM callcenter::info")
    assert one.wants(event())
    assert one.wants(event("CUSTOM", "callcenter::info"))
    assert not one.wants(event("CUSTOM", "mod_audio_fork::connect"))
    assert not one.wants(event("CHANNEL_CREATE"))


def test_taking_one_name_from_all_leaves_the_others():
    one = subscribed("all")
    assert one.remove(["CHANNEL_STATE"]) == 1
    assert not one.wants(event("CHANNEL_STATE"))
    assert one.wants(event("HEARTBEAT"))


def test_unknown_words_are_skipped():
    assert Subscription().add(["nonsense"]) == 0
    assert Subscription().add(["nonsense", "channel_answer"]) == 1


@pytest.mark.parametrize(
    ("filters", "headers", "passes"),
    [
        ([("Unique-ID", "x")], {"Unique_ID": "x"}, True),
        ([("Unique-ID", "x")], {"Unique_ID": "X"}, True),
        ([("unique-id", "x")], {"Unique_ID": "x"}, True),
        ([("Unique-ID", "x")], {"Unique_ID": "y"}, False),
        ([("Unique-ID", "x")], {}, False),
        ([("Unique-ID", "x"), ("Unique-ID", "y")], {"Unique_ID": "y"}, True),
        ([("Unique-ID", "x"), ("A", "1")], {"A": "1"}, True),
        ([("Unique-ID", "x"), ("A", "-1")], {"Unique_ID": "x", "A": "1"}, False),
        ([("A", "-1")], {"A": "2"}, False),
        ([("Unique-ID", "/^x/")], {"Unique_ID": "xyz"}, True),
        ([("Unique-ID", "/^x/")], {"Unique_ID": "zyx"}, False),
    ],
)
def test_filters_are_ored_and_drop_what_lacks_the_header(filters, headers, passes):
    assert subscribed("all", filters).wants(event(**headers)) is passes


OWN = st.lists(
    st.tuples(st.sampled_from(["Application", "API-Command", "A"]), st.sampled_from("xy")), max_size=3
)
CHANNELS = st.lists(
    st.tuples(st.sampled_from(["Unique-ID", "variable_a", "Caller-ANI"]), st.sampled_from("xy")), max_size=3
)
FILTERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["event-name", "Application", "API-Command", "A", "unique-id", "variable_a", "Core-UUID"]
        ),
        st.sampled_from(["x", "y", "-x", "/^x/", "- /^y/", "CHANNEL_ANSWER", "/^(?!CHANNEL_EXECUTE$)/"]),
    ),
    max_size=4,
)


@given(
    name=st.sampled_from(["CHANNEL_ANSWER", "CHANNEL_EXECUTE"]), own=OWN, channel=CHANNELS, filters=FILTERS
)
def test_what_is_wanted_was_never_thought_not_to_be(name, own, channel, filters):
    one = subscribed("CHANNEL_ANSWER CHANNEL_EXECUTE", filters)
    made = Event(name, [("Core-UUID", "x"), *channel, *own])
    assert one.may_want(name, "", own) or not one.wants(made)


def test_applications_that_nobody_filters_for_are_not_worth_making():
    one = subscribed(
        "CHANNEL_EXECUTE", [("Event-Name", "/^(?!CHANNEL_EXECUTE$)/"), ("Application", "hangup")]
    )
    assert not one.may_want("CHANNEL_EXECUTE", "", [("Application", "set")])
    assert one.may_want("CHANNEL_EXECUTE", "", [("Application", "hangup")])
