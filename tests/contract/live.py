"""A real FreeSWITCH on the project's own configuration, and the far side of its calls.

The switch under test runs freeswitch-conf/ and dialplan/ as they are in the checkout. The far side, Meta and
the agents' phones, is a second FreeSWITCH (far_side.xml): it speaks TLS, SDES and Opus as Meta does, and the
plan of a call is played on it over its Event Socket.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import wave
from collections.abc import Mapping
from pathlib import Path

import gevent

from fsctl.errors import LinkError
from fsctl.esl.connection import Connection
from fsctl.esl.link import Address
from fsctl.esl.messages import Event
from fsctl.sim.plan import PLAN_RATE, Audio, CallPlan, Transfer
from tests.contract.switches import ask, attach

ROOT = Path(__file__).parents[2]
START_S = 60.0
STOP_S = 30.0
NUMBER = "15550100900"
AGENTS = ("agent1", "agent2", "agent3")
SECRETS = ("ESL", "WHATSAPP", "AGENT", "TRUNK", "VIEWER", "OPERATOR")
FOLDERS = ("log", "db", "run", "storage", "recordings", "certs", "scripts", "sounds", "cache", "temp")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody has at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """One FreeSWITCH in a folder of its own."""

    def __init__(self, binary: Path, home: Path, environment: Mapping[str, str], address: Address) -> None:
        self.binary = binary
        self.home = home
        self.address = address
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it and do not wait."""
        for folder in FOLDERS:
            (self.home / folder).mkdir(exist_ok=True)
        paths = [word for folder in FOLDERS for word in (f"-{folder}", str(self.home / folder))]
        with (self.home / "output.log").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    str(self.binary),
                    "-nc",
                    "-nf",
                    "-nonat",
                    "-conf",
                    str(self.home / "freeswitch-conf"),
                    *paths,
                ],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def start(self) -> None:
        """Return when its Event Socket lets us in."""
        self.launch()
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"FreeSWITCH does not run; see {self.home / 'output.log'} and log/")
            gevent.sleep(0.2)

    def _answers(self) -> bool:
        connection = self.connect()
        if connection is None:
            return False
        ready = ask(connection, "api status").startswith("UP")
        connection.close()
        return ready

    def connect(self) -> Connection | None:
        """A connection for commands, or None when nobody listens yet."""
        try:
            return attach(self.address)
        except LinkError:
            return None

    def begin_to_stop(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)

    def stop(self) -> None:
        """End it; by force when it takes too long."""
        if self._process is None:
            return
        self.begin_to_stop()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)


class Ports:
    """Ports of one run."""

    def __init__(self) -> None:
        self.esl, self.far_esl, self.whatsapp, self.meta = (free_port() for _ in range(4))
        self.agents, self.phones, self.sip = (free_port(socket.SOCK_DGRAM) for _ in range(3))
        self.rtp = 20_000 + 400 * secrets.randbelow(20)


def make_certificate(folder: Path) -> None:
    """agent.pem: a self-made certificate and its key, as mod_sofia wants them."""
    folder.mkdir(exist_ok=True)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True)
    (folder / "agent.pem").write_bytes(certificate.read_bytes() + key.read_bytes())


def write_vars(example: Path, target: Path, values: Mapping[str, str]) -> None:
    """vars.xml from its example, as an operator would make it."""
    text = example.read_text()
    for name, value in values.items():
        text, found = re.subn(rf'(data="{name}=)[^"]*"', lambda line: f'{line[1]}{value}"', text)  # noqa: B023
        assert found == 1, f"{name} is not in {example.name}"
    target.write_text(text)


class Live:
    """The switch under test and its far side. See SwitchUnderTest."""

    name = "freeswitch"

    def __init__(self, binary: Path, home: Path) -> None:
        self.spool = home / "spool"
        self.binary = binary
        self.ports = ports = Ports()
        self.secret = secret = {name: secrets.token_hex(12) for name in SECRETS}
        self.address = Address("127.0.0.1", ports.esl, secret["ESL"])
        self.phone = f"127.0.0.1:{ports.phones}"
        self.certificate = home / "tls" / "certificate.pem"
        self._prepare(home, ports)
        environment = {f"FSCTL_{name}_PASSWORD": value for name, value in secret.items()}
        self.process = Process(binary, home / "switch", environment, self.address)
        self.far = FarSide(binary, home / "far", ports, secret)

    def _prepare(self, home: Path, ports: Ports) -> None:
        switch, far = home / "switch", home / "far"
        for folder in (self.spool, switch, far, far / "freeswitch-conf"):
            folder.mkdir()
        make_certificate(home / "tls")
        self.copy_configuration(switch)
        shutil.copy(Path(__file__).with_name("far_side.xml"), far / "freeswitch-conf" / "freeswitch.xml")
        values = {
            "fsctl_esl_port": str(ports.esl),
            "fsctl_business_number": NUMBER,
            "fsctl_meta_proxy": f"127.0.0.1:{ports.meta};transport=tls",
            "fsctl_whatsapp_ip": "127.0.0.1",
            "fsctl_whatsapp_public_ip": "127.0.0.1",
            "fsctl_whatsapp_port": str(ports.whatsapp),
            "fsctl_tls_dir": str(home / "tls"),
            "fsctl_sip_ip": "127.0.0.1",
            "fsctl_sip_public_ip": "127.0.0.1",
            "fsctl_sip_port": str(ports.sip),
            "fsctl_agents_ip": "127.0.0.1",
            "fsctl_agents_port": str(ports.agents),
            "fsctl_rtp_first": str(ports.rtp),
            "fsctl_rtp_last": str(ports.rtp + 198),
            "fsctl_spool": str(self.spool),
        }
        conf = switch / "freeswitch-conf"
        write_vars(conf / "vars.xml.example", conf / "vars.xml", values)

    def copy_configuration(self, home: Path) -> None:
        """The project's two folders, side by side as in the checkout, without an operator's vars.xml."""
        for folder in ("freeswitch-conf", "dialplan"):
            shutil.copytree(ROOT / folder, home / folder, ignore=shutil.ignore_patterns("vars.xml"))

    def start(self) -> None:
        """Start both, and wait until the phones are registered."""
        self.process.start()
        self.far.start()
        self._await_phones()

    def restart(self, *, graceful: bool) -> None:
        """End the switch under test, by a word or by force, and start it again."""
        if not graceful:
            self.process.kill()
        self.process.stop()
        self.process.start()
        for agent in AGENTS:
            self.far.ask(f"sofia profile phones register {agent}")
        self._await_phones()

    def _await_phones(self) -> None:
        connection = attach(self.address)
        deadline = time.monotonic() + START_S
        for agent in AGENTS:
            while "sip:" not in ask(connection, f"api sofia_contact agents/{agent}@fsctl"):
                assert time.monotonic() < deadline, f"the phone of {agent} does not register"
                gevent.sleep(0.2)
        connection.close()

    def stop(self) -> None:
        """End both, side by side: each takes its time."""
        self.process.begin_to_stop()
        self.far.stop()
        self.process.stop()

    def await_call(self) -> None:
        """Wait until a call has come and gone."""
        connection = attach(self.address)
        deadline = time.monotonic() + START_S
        for is_idle in (False, True):
            while is_idle != ask(connection, "api show channels count").startswith("\n0 total"):
                assert time.monotonic() < deadline, "the call does not end" if is_idle else "no call comes"
                gevent.sleep(0.2)
        connection.close()

    def place_call(self, plan: CallPlan) -> None:
        """Let the far side call, and its phones do what the plan says."""
        self.far.play(plan)

    def expect_customer(self, plan: CallPlan) -> None:
        """The agents' phones do what the plan says; the customer's is in far_side.xml."""
        self.far.expect(plan)


class FarSide:
    """Meta's gateway and the agents' phones. One call at a time: the phones ring for the latest plan."""

    def __init__(self, binary: Path, home: Path, ports: Ports, secret: Mapping[str, str]) -> None:
        password = secrets.token_hex(12)
        environment = {
            "FAR_ESL_PASSWORD": password,
            "FAR_ESL_PORT": str(ports.far_esl),
            "FAR_META_PORT": str(ports.meta),
            "FAR_PHONES_PORT": str(ports.phones),
            "FAR_AGENTS_PORT": str(ports.agents),
            "FAR_AGENT_PASSWORD": secret["AGENT"],
            "FAR_TLS_DIR": str(home.parent / "tls"),
            "FAR_RTP_FIRST": str(ports.rtp + 200),
            "FAR_RTP_LAST": str(ports.rtp + 398),
        }
        self.process = Process(binary, home, environment, Address("127.0.0.1", ports.far_esl, password))
        self._home = home
        self._whatsapp = f"127.0.0.1:{ports.whatsapp};transport=tls"
        self._sip = f"127.0.0.1:{ports.sip}"
        self._secret = secret
        self._plan = CallPlan()
        self._transfer: Transfer | None = None
        self._caller = ""
        self._offers = 0
        self._commands: Connection | None = None
        self._events: Connection | None = None

    def start(self) -> None:
        """Start it and listen for phones that ring."""
        self.process.start()
        address = self.process.address
        self._commands = attach(address)
        self._events = attach(address, self._on_event)
        ask(self._events, "event plain CHANNEL_PARK CHANNEL_ANSWER")

    def stop(self) -> None:
        """End it."""
        for connection in (self._events, self._commands):
            if connection is not None:
                connection.close()
        self.process.stop()

    def ask(self, text: str) -> str:
        """One api command."""
        assert self._commands is not None
        return ask(self._commands, f"api {text}")

    def play(self, plan: CallPlan) -> None:
        """Place a call that goes as planned."""
        self.ask("bgapi " + self._originate(plan, {}))
        if plan.abandon_after_s is not None:
            gevent.spawn_later(plan.abandon_after_s, self.ask, f"uuid_kill {self._caller}")

    def expect(self, plan: CallPlan) -> None:
        """Let the phones do what the plan says when somebody else's call rings them."""
        self._plan, self._offers = plan, 0

    def dial(self, plan: CallPlan, **variables: str) -> str:
        """Place a call that may be refused; ``+OK UUID`` once it is answered, else ``-ERR CAUSE``."""
        return self.ask(self._originate(plan, variables))

    def _originate(self, plan: CallPlan, more: Mapping[str, str]) -> str:
        """The INVITE as Meta's gateway sends it."""
        self._plan, self._offers, self._transfer = plan, 0, plan.transfer
        self._caller = self.ask("create_uuid").strip()
        variables = {
            "origination_uuid": self._caller,
            "origination_caller_id_name": plan.display_name or plan.from_user,
            "origination_caller_id_number": plan.from_user,
            "sip_invite_domain": "wa.meta.vc",
            "sip_invite_call_id": f"outgoing:{plan.header('x-wa-meta-wacid')}",
            "rtp_secure_media": "mandatory:AES_CM_128_HMAC_SHA1_80" if plan.offers_srtp else "false",
            **self._credentials(plan),
            **{f"sip_h_{name}": value for name, value in plan.headers},
            **more,
        }
        # The line is split at blanks, unless quoted, before the braces are read.
        pairs = "^^|" + "|".join(f"{name}='{value}'" for name, value in variables.items())
        door = f"meta/sip:{plan.to_number}@{self._whatsapp}"
        if plan.kind == "sip":
            door = f"phones/sip:{plan.to_number}@{self._sip}"
        return f"originate {{{pairs}}}sofia/{door} &park()"

    def _credentials(self, plan: CallPlan) -> dict[str, str]:
        """What the door asks for, and what only Meta says."""
        if plan.kind == "sip":
            return {"sip_auth_username": "trunk", "sip_auth_password": self._secret["TRUNK"]}
        return {
            "sip_auth_username": NUMBER,
            "sip_auth_password": self._secret["WHATSAPP"],
            "sip_h_X-FB-External-Domain": "wa.meta.vc",
        }

    def _on_event(self, event: Event) -> None:
        phone = event.get("Unique-ID") or ""
        if event.name == "CHANNEL_ANSWER":
            if phone == self._caller:
                for after_s, key in self._plan.keys:
                    gevent.spawn_later(after_s, self.ask, f"uuid_send_dtmf {phone} {key}")
        elif event.get("Caller-Context") == "phones":
            ring, self._offers = self._plan.ring(self._offers), self._offers + 1
            action = {"answer": self._pick_up, "reject": self._reject}.get(ring.kind)
            if action is not None:
                gevent.spawn_later(ring.after_s, action, phone)

    def _reject(self, phone: str) -> None:
        self.ask(f"uuid_kill {phone} USER_BUSY")

    def _pick_up(self, phone: str) -> None:
        """Both talk from here on, and one hangs up at the plan's time; or the first agent hands the caller on."""
        plan, caller = self._plan, self._caller
        if not self.ask(f"uuid_answer {phone}").startswith("+OK"):
            return
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            gevent.sleep(transfer.after_s)
            self.ask(f"uuid_deflect {phone} sip:{transfer.to}@fsctl")
            return
        for uuid, audio in ((phone, plan.agent_audio), (caller, plan.caller_audio)):
            if audio is not None:
                path = self._home / f"{uuid}.wav"
                write_wav(path, audio)
                self.ask(f"uuid_broadcast {uuid} {path} aleg")
        if plan.hangs_up != "nobody":
            gevent.sleep(plan.dialogue_s())
            self.ask(f"uuid_kill {phone if plan.hangs_up == 'agent' else caller}")


def write_wav(path: Path, audio: Audio) -> None:
    """Mono at the plans' rate."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(PLAN_RATE)
        file.writeframes(audio.tobytes())
