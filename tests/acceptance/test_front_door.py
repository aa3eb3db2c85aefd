"""Strangers and crowds at a real front door: what stands in Postgres afterwards."""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from tests.acceptance.house import House
from tests.contract.live import Live
from tests.contract.meta import Call, Meta
from tests.contract.switches import Watch, new_wacid
from tests.contract.test_front_door import HOSTILE, LONG
from tests.fix_database import run

pytestmark = pytest.mark.live

CALLS = 200
RATE_PER_S = 30.0
LENGTH_S = 2.0


@pytest.fixture
def meta(live: Live) -> Iterator[Meta]:
    """The gateway, with nobody calling."""
    one = Meta(live.ports.whatsapp, live.secret["WHATSAPP"])
    yield one
    one.close()


def rows(house: House, sql: str, *params: object) -> list[dict[str, Any]]:
    """What Postgres holds."""
    return run(house.database, sql, *params)


def stored(house: House, wacid: str, seconds: float = 20) -> dict[str, Any]:
    """The call's row once it has ended."""
    for _ in range(int(seconds * 10)):
        found = rows(house, "select * from call where wacid = %s and phase = 'ended'", wacid)
        if found:
            return found[0]
        gevent.sleep(0.1)
    raise AssertionError(f"{wacid} never ended\n{house.logs()}")


def test_hostile_names_and_payloads_reach_the_database_whole(house: House, meta: Meta) -> None:
    house.until_ready()
    wacid = new_wacid()
    name = HOSTILE.replace('"', "'").replace("\\", "/")
    call = meta.dial(
        wacid,
        display=name,
        headers=(("x-wa-meta-cta-payload", HOSTILE), ("x-wa-meta-deeplink-payload", LONG)),
    )
    assert call.answered.wait(20), call.statuses
    gevent.sleep(2)
    meta.hang_up(call)
    row = stored(house, wacid)
    assert (row["cta_payload"], row["display_name"]) == (HOSTILE, name)
    assert row["deeplink_payload"] == LONG[:512]
    assert row["queue"] == "support@fsctl"
    thread = rows(house, "select c.display_name from contact c where c.id = %s", row["contact_id"])
    assert thread[0]["display_name"] == name


def test_an_offer_without_srtp_is_refused_and_audited(house: House, meta: Meta) -> None:
    house.until_ready()
    wacid = new_wacid()
    call = meta.dial(wacid, crypto=False)
    assert call.ended.wait(20)
    assert call.statuses == [407, 488]
    row = stored(house, wacid)
    assert (row["disposition"], row["refused"], row["queue"] is not None) == ("refused", "no-srtp", True)
    assert row["agent"] is None
    (audited,) = rows(house, "select * from audit where subject = %s", row["uuid"])
    assert (audited["action"], audited["detail"]["why"]) == ("call.refused", "no-srtp")


def test_two_hundred_calls_at_thirty_a_second_are_all_stored(house: House, meta: Meta, live: Live) -> None:
    house.until_ready()
    watch = Watch(live.address, "event plain CHANNEL_HANGUP_COMPLETE")
    calls: list[Call] = []

    def end_when_answered(one: Call) -> None:
        if one.answered.wait(20):
            gevent.sleep(LENGTH_S)
            meta.hang_up(one)

    for _ in range(CALLS):
        call = meta.dial(new_wacid())
        gevent.spawn(end_when_answered, call)
        calls.append(call)
        gevent.sleep(1 / RATE_PER_S)
    for call in calls:
        assert call.ended.wait(30), (call.call_id, call.statuses)
    assert all(call.statuses == [407, 200] and call.requests == [] for call in calls)
    by_wacid = {
        call.call_id.partition(":")[2]: stored(house, call.call_id.partition(":")[2]) for call in calls
    }
    told = {
        e.get("Unique-ID"): e.get("Hangup-Cause")
        for e in watch.events
        if e.get("Call-Direction") == "inbound"
    }
    watch.connection.close()
    assert {row["uuid"]: row["hangup_cause"] for row in by_wacid.values()}.items() <= told.items()
    assert len({row["uuid"] for row in by_wacid.values()}) == CALLS
    assert {row["found"] for row in by_wacid.values()} == {"live"}
    (link,) = rows(house, "select status from link where status ? 'shed'")
    assert (link["status"]["shed"], link["status"]["repaired"], link["status"]["gaps"]) == (0, 0, 0)
    assert "Lost" not in (live.process.home / "log" / "freeswitch.log").read_text(errors="replace")
