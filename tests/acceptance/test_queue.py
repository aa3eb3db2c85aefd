"""How calls end on a real FreeSWITCH, as Postgres tells it: verdict, cause, story, each once."""

from typing import Any

import pytest

from fsctl.call.state import Disposition, Fault
from fsctl.sim import CallPlan, Ring, Transfer
from fsctl.store.items import CallItem
from tests.acceptance.house import House
from tests.contract.live import Live
from tests.contract.switches import new_wacid

pytestmark = pytest.mark.live


def planned(**options: Any) -> CallPlan:
    """A short call."""
    given: dict[str, Any] = {"rings": (Ring("answer", 0.5),), "talk_s": 2.0}
    return CallPlan(headers=(("x-wa-meta-wacid", new_wacid()),), **(given | options))


def ended(house: House) -> CallItem:
    """The only call, once it is over."""
    return house.until(lambda item: item.call.ended_at is not None, "ended")


def story(house: House, uuid: str) -> list[str]:
    """Kinds of its facts, in order."""
    with house.database.transaction("test") as transaction:
        found = transaction._connection.execute(
            b"select kind from call_event where call_uuid = %s order by at, id", (uuid,)
        ).fetchall()
    return [row["kind"] for row in found]


OUTCOMES: dict[str, tuple[CallPlan, Disposition, Fault, str]] = {
    "talks": (planned(), Disposition.ANSWERED, Fault.NOBODY, "NORMAL_CLEARING"),
    "agent hangs up": (planned(hangs_up="agent"), Disposition.ANSWERED, Fault.NOBODY, "NORMAL_CLEARING"),
    "caller abandons": (
        planned(rings=(Ring("no_answer"),), abandon_after_s=5.0),
        Disposition.ABANDONED,
        Fault.CALLER,
        "NORMAL_CLEARING",
    ),
    "first agent rejects": (
        planned(rings=(Ring("reject", 0.5), Ring("answer", 0.5))),
        Disposition.ANSWERED,
        Fault.NOBODY,
        "NORMAL_CLEARING",
    ),
    "transferred to another queue": (
        planned(talk_s=6.0, transfer=Transfer(1.0, "sales")),
        Disposition.ANSWERED,
        Fault.NOBODY,
        "NORMAL_CLEARING",
    ),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_call_ends_in_postgres_as_it_did_on_the_switch(
    name: str,
    house: House,
    live: Live,
) -> None:
    plan, verdict, fault, cause = OUTCOMES[name]
    house.until_ready()
    live.place_call(plan)
    call = ended(house).call
    assert (call.disposition, call.fault, call.hangup_cause) == (verdict, fault, cause)
    assert call.wacid == plan.header("x-wa-meta-wacid")
    facts = story(house, call.uuid)
    assert facts.count("call_offered") == 1
    assert facts.count("call_answered") == 1
    assert facts.count("agent_failed") == (name in ("first agent rejects", "caller abandons"))
    assert facts.count("agent_bridged") == {"caller abandons": 0, "transferred to another queue": 2}.get(
        name, 1
    )
    assert call.mos is not None


@pytest.mark.parametrize("when", ["before the call", "during the call"])
def test_a_call_goes_on_without_the_controller(
    when: str,
    house: House,
    live: Live,
) -> None:
    house.until_ready()
    plan = planned(talk_s=4.0)
    if when == "before the call":
        house.kill("serve")
    live.place_call(plan)
    if when == "during the call":
        house.until(lambda item: item.call.bridged_at is not None, "talking")
        house.kill("serve")
    else:
        live.await_call()
    house.start_again("serve")
    call = ended(house).call
    assert (call.disposition, call.hangup_cause) == (Disposition.ANSWERED, "NORMAL_CLEARING")
    assert call.found == ("ledger" if when == "before the call" else "live")
    assert (call.queue, call.agent is not None) == ("support@fsctl", True)
    assert story(house, call.uuid).count("leg_hung_up") >= 1


@pytest.mark.parametrize("graceful", [True, False], ids=["shut down", "killed"])
@pytest.mark.parametrize("listening", [True, False], ids=["heard", "unheard"])
def test_freeswitch_restarts_during_a_call(
    graceful: bool,
    listening: bool,
    house: House,
    live: Live,
) -> None:
    house.until_ready()
    live.place_call(planned(talk_s=60.0))
    house.until(lambda item: item.call.bridged_at is not None, "talking")
    if not listening:
        house.kill("serve")
    live.restart(graceful=graceful)
    if not listening:
        house.start_again("serve")
    call = ended(house).call
    assert (call.disposition, call.hangup_cause) == (Disposition.ANSWERED, "SYSTEM_SHUTDOWN")
