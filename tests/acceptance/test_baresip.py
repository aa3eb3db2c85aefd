"""A call between two phones of another make: baresip calls over TLS with SDES and Opus, baresip answers."""

import wave
from collections.abc import Iterator
from pathlib import Path

import gevent
import numpy as np
import pytest

from fsctl.call.state import Disposition
from fsctl.esl.connection import Connection
from fsctl.media.wave import to_16k
from fsctl.sim.plan import PLAN_RATE, Audio
from fsctl.sim.samples import load_samples
from tests.acceptance.house import House, require_archived, require_text_of
from tests.contract import baresip
from tests.contract.baresip import Baresip
from tests.contract.conftest import live  # noqa: F401  (the fixture, which skips where there is no FreeSWITCH)
from tests.contract.live import AGENTS, NUMBER, START_S, Live
from tests.contract.switches import ask, attach
from tests.fix_database import reachable_folder

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        baresip.BINARY is None, reason="no baresip on this machine (Debian: apt install baresip)"
    ),
]


@pytest.fixture
def alone(live: Live) -> Iterator[Live]:  # noqa: F811
    """The switch under test, with none of the far side's phones."""
    for agent in AGENTS:
        live.far.ask(f"sofia profile phones unregister {agent}")
    connection = attach(live.address)
    for agent in AGENTS:
        await_phone(connection, agent, there=False)
    yield live
    for agent in AGENTS:
        live.far.ask(f"sofia profile phones register {agent}")
        await_phone(connection, agent, there=True)
    connection.close()


def await_phone(connection: Connection, agent: str, *, there: bool) -> None:
    """Wait until the agent's phone is registered, or is not."""
    with gevent.Timeout(START_S, AssertionError(f"the phone of {agent} does not come or go")):
        while there != ("sip:" in ask(connection, f"api sofia_contact agents/{agent}@fsctl")):
            gevent.sleep(0.2)


def speech(path: Path, audio: Audio, rate: int, channels: int) -> Path:
    """As baresip's file source wants it."""
    wave_16k = to_16k(audio, PLAN_RATE)
    at = np.arange(len(audio) * rate // PLAN_RATE) * PLAN_RATE / rate
    resampled = np.interp(at, np.arange(len(audio)), wave_16k)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat((resampled * 32767).astype("<i2"), channels).tobytes())
    return path


@pytest.mark.parametrize(
    ("codecs", "rate", "channels"), [("PCMU/8000/1,PCMA/8000/1", 8000, 1), ("opus/48000/2", 48000, 2)]
)
def test_baresip_calls_and_baresip_answers(
    codecs: str, rate: int, channels: int, alone: Live, model_dir: Path, tmp_path: Path
) -> None:
    (sample,) = load_samples(["order-en"])
    plan = sample.plan()
    assert plan.caller_audio is not None
    assert plan.agent_audio is not None
    ports, secret = alone.ports, alone.secret
    with reachable_folder() as folder:
        house = House(folder, model_dir, alone.address, alone.spool)
        agent = Baresip(
            tmp_path / "agent",
            f'<sip:agent1@fsctl>;auth_pass={secret["AGENT"]};outbound="sip:127.0.0.1:{ports.agents}";'
            "regint=60;answermode=auto;audio_codecs=" + codecs,
            speech(tmp_path / "agent.wav", plan.agent_audio, rate, channels),
        )
        caller = Baresip(
            tmp_path / "caller",
            f"<sip:+{sample.wa_id}@wa.meta.vc;transport=tls>;auth_user={NUMBER};auth_pass={secret['WHATSAPP']};"
            f'outbound="sip:127.0.0.1:{ports.whatsapp};transport=tls";regint=0;mediaenc=srtp-mand;'
            "audio_codecs=opus/48000/2",
            speech(tmp_path / "caller.wav", plan.caller_audio, 48000, 2),
        )
        try:
            connection = attach(alone.address)
            await_phone(connection, "agent1", there=True)
            house.until_ready()
            caller.command("dial", f"sip:+{NUMBER}@127.0.0.1:{ports.whatsapp};transport=tls")
            caller.wait_for("CALL_ESTABLISHED")
            agent.wait_for("CALL_ESTABLISHED")
            gevent.sleep(plan.dialogue_s())
            caller.command("hangup")
            call = house.whole()
            assert call.call.disposition is Disposition.ANSWERED
            assert call.call.encryption == "tls+sdes:AES_CM_128_HMAC_SHA1_80"
            assert call.call.agent == "agent1"
            require_archived(house, call.call.uuid)
            require_text_of(sample, call)
        finally:
            caller.close()
            agent.close()
            house.close()
