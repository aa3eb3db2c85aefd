"""What a stranger on the wire can say to the real front door, and what comes of it.

The SIP is written by hand (meta.py), so that headers are exactly as hostile as wanted. Only the real FreeSWITCH
has a front door; what it makes of these headers is replayed to the simulator's tests by the decoder's own.
"""

from collections.abc import Iterator

import gevent
import pytest

from fsctl.call import events
from fsctl.esl import encode
from fsctl.sim import CallPlan, Ring
from tests.contract.live import Live
from tests.contract.meta import Meta
from tests.contract.switches import Watch, ask, dump, new_wacid, quiet

pytestmark = pytest.mark.live

HOSTILE = "\"'`\\,;{}[]()<>|&^%~$\x1b[31m\u202eevil \u2603\U0001f600 %0a%0d hupall"
LONG = (HOSTILE * 400)[:10_000]


@pytest.fixture
def meta(live: Live) -> Iterator[Meta]:
    """The gateway, with nobody calling."""
    quiet(live)
    one = Meta(live.ports.whatsapp, live.secret["WHATSAPP"])
    yield one
    one.close()
    quiet(live)


@pytest.fixture
def watch(live: Live) -> Iterator[Watch]:
    """What fsctl would hear."""
    one = Watch(live.address)
    yield one
    one.connection.close()


def offered(watch: Watch, wacid: str) -> events.CallOffered:
    """The call with this id, once it has arrived."""

    def found() -> events.CallOffered | None:
        offers = (one for one in watch.facts if isinstance(one, events.CallOffered))
        return next((one for one in offers if one.wacid == wacid), None)

    return watch.until(found, f"call {wacid}")


def test_a_good_call_is_asked_for_its_digest_and_let_in(meta: Meta, watch: Watch) -> None:
    wacid = new_wacid()
    call = meta.dial(wacid)
    assert call.answered.wait(20)
    assert call.statuses == [407, 200]
    uuid = offered(watch, wacid).uuid
    meta.hang_up(call)
    ended = watch.fact(events.LegHungUp, uuid, leg="caller")
    assert ended.cause == "NORMAL_CLEARING"
    assert call.requests == []


@pytest.mark.parametrize(
    "opus",
    [
        ("stereo=1",),
        ("stereo=1;sprop-stereo=1",),
        ("maxplaybackrate=48000; sprop-stereo=1; stereo=1; useinbandfec=1",),
        ("sprop-stereo=1",),
        ("stereo=1;sprop-stereo=1", "useinbandfec=1;stereo=1; sprop-stereo=1"),
    ],
)
def test_whoever_offers_stereo_opus_is_answered_in_mono(
    opus: tuple[str, ...], meta: Meta, watch: Watch
) -> None:
    wacid = new_wacid()
    call = meta.dial(wacid, opus=opus)
    assert call.answered.wait(20)
    uuid = offered(watch, wacid).uuid
    channels = ask(watch.connection, f"api uuid_getvar {uuid} rtp_use_codec_channels")
    assert ask(watch.connection, f"api uuid_getvar {uuid} rtp_use_codec_name") == "opus"
    assert channels == "1"
    meta.hang_up(call)


def test_headers_of_ten_thousand_characters_arrive_bounded_and_change_nothing(
    meta: Meta, watch: Watch
) -> None:
    wacid = new_wacid()
    call = meta.dial(
        wacid,
        display=LONG.replace('"', "'").replace("\\", "/"),
        headers=(
            ("x-wa-meta-cta-payload", LONG),
            ("x-wa-meta-deeplink-payload", HOSTILE),
            ("x-wa-meta-user-id", LONG),
        ),
    )
    assert call.answered.wait(20), call.statuses
    offer = offered(watch, wacid)
    assert offer.cta_payload is not None
    assert offer.cta_payload == LONG[:512].rstrip()[: len(offer.cta_payload)]
    assert offer.deeplink_payload == HOSTILE.strip()
    assert [alias.kind for alias in offer.aliases] == ["wa_id"]
    watch.connection.must(
        encode.SetVariables(offer.uuid, (("fsctl_caller_name", LONG), ("fsctl_queue", "sales@fsctl")))
    )
    joined = watch.fact(events.MemberJoined, offer.uuid)
    assert joined.queue == "sales@fsctl"
    channel = dump(watch.connection, offer.uuid)
    assert channel.get("variable_fsctl_queue") == "sales@fsctl"
    meta.hang_up(call)
    watch.fact(events.LegHungUp, offer.uuid, leg="caller")


def test_a_leg_by_a_gateway_is_seen_with_its_caller(meta: Meta, watch: Watch) -> None:
    """mod_sofia names the gateway of such a leg in a variable (mod_sofia.c, sofia_outgoing_channel); so do we."""
    wacid = new_wacid()
    call = meta.dial(wacid)
    assert call.answered.wait(20)
    uuid = offered(watch, wacid).uuid
    watch.fact(events.MemberJoined, uuid)
    dialled = "bridge:{sip_gateway_name=telco}sofia/agents/sip:+15550100777@127.0.0.1:9"
    ask(watch.connection, f"api uuid_transfer {uuid} '{dialled}' inline")
    fact = watch.fact(events.GatewayDialled, uuid)
    assert fact.gateway == "telco"
    assert fact.leg_uuid != uuid
    meta.hang_up(call)
    watch.fact(events.LegHungUp, uuid, leg="caller")


def test_a_call_of_two_minutes_sees_exactly_one_invite(live: Live, meta: Meta, watch: Watch) -> None:
    """Meta answers a re-INVITE with 500 ("FAQ"): no session timer, no hold, no update may send one."""
    live.far.expect(CallPlan(rings=(Ring("answer", 0.5),), hangs_up="nobody"))
    wacid = new_wacid()
    call = meta.dial(wacid)
    assert call.answered.wait(20)
    uuid = offered(watch, wacid).uuid
    watch.fact(events.LegsBridged, uuid)
    gevent.sleep(120)
    assert (call.statuses, call.requests) == ([407, 200], [])
    meta.hang_up(call)
    assert watch.fact(events.LegHungUp, uuid, leg="caller").cause == "NORMAL_CLEARING"
    assert call.requests == []
