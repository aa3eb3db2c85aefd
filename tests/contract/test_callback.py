"""The business calls: a customer who answers is a call like any other, at the place that the payload keeps."""

from datetime import UTC, datetime, timedelta

from fsctl.call import events, payload
from fsctl.call.payload import Ticket
from fsctl.esl import encode
from fsctl.sim import CallPlan, Ring
from fsctl.whatsapp.dial import customers_call
from tests.contract.switches import SwitchUnderTest, Watch

NUMBER = "15550100900"
PAYLOAD = payload.sign(
    Ticket(expires=datetime.now(UTC) + timedelta(hours=1), queue="sales@fsctl", campaign="callback"),
    b"a secret of ours, long enough",
)
PLAN = CallPlan(rings=(Ring("answer", 0.3),), talk_s=2.0, hangs_up="agent")


def dial(switch: SwitchUnderTest, watch: Watch, customer: str) -> None:
    switch.expect_customer(PLAN)
    job = encode.Background(customers_call(customer, NUMBER, PAYLOAD), "job-of-a-callback")
    watch.connection.must(job)


def test_a_customer_who_answers_is_a_call_behind_our_front_door(
    switch: SwitchUnderTest, watch: Watch
) -> None:
    dial(switch, watch, "34600000142")
    offered = watch.until(
        lambda: next((one for one in watch.facts if isinstance(one, events.CallOffered)), None), "the call"
    )
    assert (offered.channel, offered.to_number, offered.cta_payload) == ("whatsapp", NUMBER, PAYLOAD)
    assert [(alias.kind, alias.value) for alias in offered.aliases] == [("wa_id", "34600000142")]
    told = (("fsctl_queue", "sales@fsctl"), ("fsctl_score", "600"), ("fsctl_recording", "always"))
    watch.connection.must(encode.SetVariables(offered.uuid, told))
    joined = watch.fact(events.MemberJoined, offered.uuid)
    assert joined.queue == "sales@fsctl"
    watch.fact(events.AgentBridged, offered.uuid)
    facts = watch.whole(offered.uuid)
    gone = next(one for one in facts if isinstance(one, events.LegHungUp) and one.leg == "caller")
    assert (gone.cause, gone.refused, gone.consent) == ("NORMAL_CLEARING", None, "always")
    assert any(isinstance(one, events.RecordingStarted) for one in facts)


def test_a_customer_who_declines_is_no_call(switch: SwitchUnderTest, watch: Watch) -> None:
    dial(switch, watch, "34600000140")
    done = watch.until(
        lambda: next((one for one in watch.events if one.name == "BACKGROUND_JOB"), None),
        "the end of the job",
    )
    assert done.body.decode().startswith("-ERR CALL_REJECTED")
    assert not [one for one in watch.facts if isinstance(one, events.CallOffered)]
