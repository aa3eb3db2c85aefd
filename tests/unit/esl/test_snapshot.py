"""Lists of mod_callcenter become values, whatever callers are called; and little is asked for it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fsctl.errors import ProtocolError
from fsctl.esl import encode
from fsctl.esl.connection import Reply
from fsctl.esl.decode import Origin
from fsctl.esl.snapshot import Reader

ORIGIN = Origin("fs1", {"whatsapp": "whatsapp"})
AGENT_COLUMNS = (
    "name|instance_id|uuid|type|contact|status|state|max_no_answer|wrap_up_time|reject_delay_time|busy_delay_time|"
    "no_answer_delay_time|last_bridge_start|last_bridge_end|last_offered_call|last_status_change|no_answer_count|"
    "calls_answered|talk_time|ready_time|external_calls_count"
)
MEMBER_COLUMNS = (
    "queue|instance_id|uuid|session_uuid|cid_number|cid_name|system_epoch|joined_epoch|rejoined_epoch|bridge_epoch|"
    "abandoned_epoch|base_score|skill_score|serving_agent|serving_system|state|score"
)
QUEUES = "name|strategy|moh_sound|tier_rules_apply|tier_rule_wait_second\nq@d|ring-all|a|b|true|20\n+OK\n"
ANA = "ana|single_box|{uuid}|callback|{contact}|Available|{state}|3|7|3|5|5|11|12|13|14|0|1|4|15|0\n"


class Fake:
    """Answers by the words of a command; ``-ERR`` to all it does not know."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = {"strepoch": "1800000000", "show channels as json": '{"row_count":0}', **answers}
        self.asked: list[str] = []

    def request(self, command: encode.Request) -> Reply:
        line = command.render().removeprefix("api ")
        self.asked.append(line)
        return Reply(self.answers.get(line, f"-ERR {line.split()[0]} Command not found!\n"))


def said(answers: dict[str, Any]) -> dict[str, Any]:
    """Answers by command, whose names are no names of Python."""
    return answers


def callcenter(
    *, member: str = "", agent: str = "", channels: tuple[Mapping[str, str], ...] = (), **more: str
) -> Fake:
    return Fake(
        {
            "callcenter_config agent list": f"{AGENT_COLUMNS}\n{agent}+OK\n" if agent else "+OK\n",
            "callcenter_config tier list": "queue|agent|state|level|position\nq@d|ana|Standby|2|3\n+OK\n",
            "callcenter_config queue list": QUEUES,
            "callcenter_config queue list members q@d": f"{MEMBER_COLUMNS}\n{member}+OK\n"
            if member
            else "+OK\n",
            "show channels as json": json.dumps({"row_count": len(channels), "rows": channels}),
            "show registrations as json": '{"row_count": 0}\n',
            **more,
        }
    )


def ana(contact: str = "user/ana@d", state: str = "Waiting", uuid: str = "") -> str:
    return ANA.format(contact=contact, state=state, uuid=uuid)


def member(name: str, channel: str = "c1", state: str = "Trying") -> str:
    return f"q@d|single_box|m1|{channel}|+1555|{name}|1|20|0|0|0|0|0|ana|single_box|{state}|5\n"


def test_without_the_module_there_is_nothing() -> None:
    found = Reader(Fake({}).request, ORIGIN).snapshot()
    assert (found.agents, found.queues, found.tiers, found.members, dict(found.channels)) == (
        (),
        (),
        (),
        (),
        {},
    )


def test_empty_lists_are_empty() -> None:
    found = Reader(callcenter().request, ORIGIN).snapshot()
    assert (found.agents, found.members) == ((), ())
    assert [queue.name for queue in found.queues] == ["q@d"]


@pytest.mark.parametrize("contact", ["user/ana@d", "[a=1]user/a@d|[b=2]user/b@d", ""])
def test_an_agent_is_read_whatever_the_contact_holds(contact: str) -> None:
    (agent,) = Reader(callcenter(agent=ana(contact)).request, ORIGIN).snapshot().agents
    assert (agent.name, agent.contact, agent.status, agent.state) == ("ana", contact, "Available", "Waiting")
    assert (agent.wrap_up_s, agent.last_bridge_start, agent.last_bridge_end) == (7, 11, 12)
    assert (agent.last_offered, agent.status_since, agent.ready_at) == (13, 14, 15)


@pytest.mark.parametrize(
    "name", ["Bob", "", "a|b|c", "|||||||||||||", "x\u2028y", "x\x85y\x0bz", "+OK", "q@d|single_box|m9|c9"]
)
def test_a_member_is_read_whatever_the_caller_is_called(name: str) -> None:
    (one,) = Reader(callcenter(member=member(name)).request, ORIGIN).snapshot().members
    assert (one.uuid, one.channel_uuid, one.state, one.agent, one.joined) == ("m1", "c1", "Trying", "ana", 20)


def test_a_row_that_is_torn_is_left_out() -> None:
    torn = "q@d|single_box|m1|c1|+1555|Bob\n" + member("Eve").replace("m1", "m2")
    found = Reader(callcenter(member=torn).request, ORIGIN).snapshot()
    assert [one.uuid for one in found.members] == ["m2"]


def test_columns_that_are_null_are_empty() -> None:
    row = member("(null)").replace("|ana|single_box|Trying", "|(null)|(null)|Waiting")
    (one,) = Reader(callcenter(member=row).request, ORIGIN).snapshot().members
    assert one.agent == ""


def test_settings_and_tiers_are_read_beside_music_with_bars() -> None:
    found = Reader(callcenter().request, ORIGIN).snapshot()
    assert (found.queues[0].tier_rules_apply, found.queues[0].tier_rule_wait_s) == (True, 20)
    assert (found.tiers[0].state, found.tiers[0].level, found.tiers[0].position) == ("Standby", 2, 3)


def test_a_caller_who_hung_up_and_is_held_by_the_module_has_no_channel() -> None:
    row = {"uuid": "c1", "direction": "inbound", "context": "whatsapp"}
    fake = callcenter(member=member("Bob", state="Answered"), channels=(row,), **{"uuid_exists c1": "false"})
    reader = Reader(fake.request, ORIGIN)
    assert "c1" not in reader.snapshot().channels
    fake.asked.clear()
    assert reader.snapshot({"c1"}).channels["c1"].is_ours
    assert "uuid_exists c1" not in fake.asked


def test_whose_leg_a_channel_is_is_asked_once_and_only_when_one_is_missed() -> None:
    row = {"uuid": "a1", "direction": "outbound", "application": "park"}
    fake = callcenter(
        agent=ana(state="Receiving"),
        channels=(row,),
        **{"uuid_getvar a1 cc_agent": "ana", "uuid_getvar a1 cc_member_uuid": "m1"},
    )
    reader = Reader(fake.request, ORIGIN)
    for _ in range(3):
        found = reader.snapshot()
    assert found.legs["ana"].member == "m1"
    assert found.legs["ana"].is_parked
    assert sum("uuid_getvar" in line for line in fake.asked) == 2
    fake.asked.clear()
    fake.answers["callcenter_config agent list"] = f"{AGENT_COLUMNS}\n{ana()}+OK\n"
    Reader(fake.request, ORIGIN).snapshot()
    assert not any("uuid_getvar" in line for line in fake.asked)


@pytest.mark.parametrize("uuid", ["a b", "x;y", "'", "a\nb", ""])
def test_a_channel_that_cannot_be_asked_for_is_nobodys(uuid: str) -> None:
    row = {"uuid": uuid, "direction": "outbound"}
    fake = callcenter(agent=ana(state="Receiving"), member=member("Bob", channel="x"), channels=(row,))
    assert Reader(fake.request, ORIGIN).snapshot().legs == {}


@pytest.mark.parametrize("text", ["-ERR no reply", "", "[]", '{"rows": 1}', '{"rows": [1]}', "[" * 100_000])
def test_what_is_not_the_json_of_freeswitch_is_an_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        Reader(callcenter(**said({"show channels as json": text})).request, ORIGIN).snapshot()


def test_a_queue_whose_name_cannot_be_said_is_left_out() -> None:
    fake = callcenter(**said({"callcenter_config queue list": QUEUES.replace("q@d", "q'@d")}))
    assert Reader(fake.request, ORIGIN).snapshot().members == ()
