"""A number at Meta: what is made of its answers, whatever they look like."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.errors import BadInput, GraphError
from fsctl.whatsapp.graph import Graph, GraphRefused
from fsctl.whatsapp.number import Number, explained
from fsctl.whatsapp.settings import Server, Settings

WANTED = Settings(servers=(Server(host="sip.example.com"),))


class Answering(Graph):
    """Says the same to everything."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    def get(self, path: str, **params: str | int) -> dict[str, Any]:  # noqa: ARG002
        return self.answer

    def post(self, path: str, json: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return self.answer


def number(answer: dict[str, Any]) -> Number:
    return Number(Answering(answer), "15550100900", "1065")


def entity(state: str, **more: Any) -> dict[str, Any]:
    return {"can_receive_call_sip": state, **more}


def test_the_worst_of_those_on_the_way_of_a_call_counts_with_its_reasons() -> None:
    entities = [
        entity("AVAILABLE"),
        entity("BLOCKED", errors=[{"error_description": "No server.", "possible_solution": "Set one."}]),
        entity("LIMITED", additional_info=["The name is not approved yet."]),
        {"can_send_message": "BLOCKED"},
    ]
    found = number({"health_status": {"entities": entities}, "throughput": {"level": "HIGH"}}).health()
    assert (found.calls, found.throughput) == ("BLOCKED", "HIGH")
    assert found.reasons == ("No server. Set one.", "The name is not approved yet.")


def test_a_state_that_nobody_knows_is_no_better_than_the_worst() -> None:
    entities = [entity("AVAILABLE"), entity("PAUSED")]
    assert number({"health_status": {"entities": entities}}).health().calls == "PAUSED"


def test_the_password_is_that_of_our_server_only() -> None:
    servers = [
        {"hostname": "other.example.com", "sip_user_password": "theirs"},
        {"hostname": "SIP.example.com", "sip_user_password": "ours"},
    ]
    one = number({"calling": {"sip": {"servers": servers}}})
    assert one.password(WANTED) == "ours"
    assert one.has_password(WANTED, "ours")
    assert not one.has_password(WANTED, "theirs")


def test_a_write_that_meta_does_not_call_a_success_is_none() -> None:
    for answer in ({}, {"success": False}, {"success": "true"}):
        with pytest.raises(GraphError, match="did not say"):
            number(answer).write({"calling": {}})


@pytest.mark.parametrize("given_id", ["", "12/34", "1065?fields=x", "١٢٣"])
def test_an_id_that_would_be_another_path_is_none(given_id: str) -> None:
    with pytest.raises(BadInput, match="phone_number_id"):
        Number(Answering({}), "15550100900", given_id)


def test_every_permission_that_is_missing_has_the_same_cure() -> None:
    for code in (10, 200, 299):
        assert "whatsapp_business_management" in explained(GraphRefused(code, message="no"))
    assert explained(GraphRefused(131000, message="no")) == "Meta refused (131000): no"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["entities", "errors", "additional_info", "can_receive_call_sip", "level"]), inner
        )
    ),
    max_leaves=10,
)
KEYS = ("health_status", "throughput", "display_phone_number", "verified_name", "status", "quality_rating")


@given(answer=st.dictionaries(st.sampled_from(KEYS), values))
def test_an_answer_of_any_shape_is_read_and_bounded(answer: dict[str, Any]) -> None:
    found = number(answer).health()
    assert max(map(len, (found.name, found.status, found.quality, found.throughput, found.calls))) <= 200
    assert set(found.digits) <= set("0123456789")
    assert len(found.reasons) <= 200
