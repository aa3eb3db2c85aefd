"""The same path on a real FreeSWITCH: TLS, SRTP, Opus, our dialplan and configuration, text in the thread."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsctl.call.state import Disposition
from fsctl.media import header
from fsctl.sim import Ring
from fsctl.sim.samples import load_samples
from tests.acceptance.house import House, require_archived, require_every_utterance_once, require_text_of
from tests.contract.conftest import live  # noqa: F401  (the fixture, which skips where there is no FreeSWITCH)
from tests.contract.live import Live
from tests.fix_database import reachable_folder

pytestmark = pytest.mark.live


@pytest.fixture
def house(live: Live, model_dir: Path) -> Iterator[House]:  # noqa: F811
    """Every process of ours, attached to the real switch."""
    with reachable_folder() as folder:
        built = House(folder, model_dir, live.address, live.spool)
        yield built
        built.close()


def test_a_real_freeswitch_killed_in_mid_call_leaves_every_byte_in_the_archive(
    house: House,
    live: Live,  # noqa: F811
) -> None:
    (sample,) = load_samples(["order-en"])
    live.place_call(sample.plan(rings=(Ring("answer", 1.0),)))
    talking = house.until(lambda c: len(c.turns) >= 2, "talking")
    spooled = live.spool / f"{talking.call.uuid}.wav"
    witness = house.folder / "witness.wav"
    os.link(spooled, witness)
    live.restart(graceful=False)
    written = witness.read_bytes()
    assert header.read(witness).is_open
    call = house.until(
        lambda c: c.call.hangup_cause == "SYSTEM_SHUTDOWN" and c.progress.is_whole, "found lost"
    )
    kept = require_archived(house, call.call.uuid)
    assert kept.uri is not None
    archived = Path(kept.uri).read_bytes()
    assert archived[44:] == written[44:] + bytes(-(len(written) - 44) % 4)
    assert header.read(Path(kept.uri)).is_right
    assert "open" in {found["code"] for found in kept.findings}
    require_every_utterance_once(house, call.call.uuid)


@pytest.mark.parametrize("victim", [None, "serve", "media"])
def test_a_call_on_a_real_freeswitch_ends_as_text_in_its_thread(
    victim: str | None,
    house: House,
    live: Live,  # noqa: F811
) -> None:
    (sample,) = load_samples(["order-en"])
    live.place_call(
        sample.plan(rings=(Ring("answer", 1.0),), extra_headers=(("x-wa-meta-wacid", "wacid.LIVE="),))
    )
    if victim is not None:
        house.until(lambda c: len(c.turns) >= 2, "talking")
        house.kill(victim)
        house.start_again(victim)
    call = house.whole()
    assert call.call.disposition is Disposition.ANSWERED
    assert call.call.encryption == "tls+sdes:AES_CM_128_HMAC_SHA1_80"
    assert call.call.wacid == "wacid.LIVE"
    require_text_of(sample, call)
    kept = require_archived(house, call.call.uuid)
    assert kept.told_bytes == kept.bytes
    assert not list(live.spool.glob(f"{call.call.uuid}*"))
    require_every_utterance_once(house, call.call.uuid)
    view = house.thread()
    assert view is not None
    assert ("wa_id", sample.wa_id) in view.aliases
