"""The switch: builds the parts, listens, places calls, and fails on demand.

It knows every channel by its uuid. Randomness (uuids, wacids, races, odd splits) comes from one seeded
generator. A stopped switch may be started again: same port, new Core-UUID, and nothing of before.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import gevent
from gevent.pool import Group
from gevent.server import StreamServer
from gevent.socket import socket

from fsctl.eventsocket.event import Headers
from fsctl.sim import api, customer, sip, stuck
from fsctl.sim.api import VERSION_LONG
from fsctl.sim.applications import APPLICATIONS
from fsctl.sim.audio import comfort_noise, hold_music
from fsctl.sim.bus import HOSTNAME, SWITCHNAME, Bus
from fsctl.sim.callcenter import Callcenter
from fsctl.sim.channel import Channel
from fsctl.sim.clock import Clock
from fsctl.sim.db import Rows
from fsctl.sim.dialplan import Dialplan
from fsctl.sim.listener import SHUT_DOWN, Listener
from fsctl.sim.offer import Offer
from fsctl.sim.options import SwitchOptions
from fsctl.sim.phones import Phones
from fsctl.sim.plan import CallPlan
from fsctl.sim.recording import Recorder
from fsctl.sim.session import Session
from fsctl.sim.tables import Agent, Member

#: Wall seconds that a clean stop gives calls to end.
STOP_S = 2.0


class Switch:
    """A simulated FreeSWITCH. ``start``, ``place_call``, ``wait_idle``, ``stop``."""

    def __init__(self, options: SwitchOptions) -> None:
        self.options = options
        self.rng = random.Random(options.seed)
        self.db: Rows = {}
        """mod_db's rows: they outlive the process."""
        self.customer: Callable[[str], CallPlan | None] = customer.answers
        """What a customer does whom the switch calls, by number; None: declines."""
        self._port = options.port
        self._server: StreamServer | None = None
        self._greenlets = Group()
        self.clock = Clock(options.speed, options.start_epoch_s)
        self._reset()

    def _reset(self) -> None:
        """A fresh core: new uuid, empty tables, dialplan read again. Time goes on, however fast it runs."""
        options = self.options
        self.clock = Clock(options.speed, self.clock.now_s())
        self.bus = Bus(self.clock, self.new_uuid())
        self.recorder = Recorder(self.clock, random.Random(options.seed))
        self.callcenter: Callcenter = Callcenter(self)
        self.callcenter.load(options.queues, options.agents, options.tiers)
        self.phones: Phones = Phones(self)
        self.globals = {
            "hostname": HOSTNAME,
            "domain": "fsctl",
            "hold_music": "local_stream://moh",
            "core_uuid": self.bus.core_uuid,
            "switchname": SWITCHNAME,
            "fsctl_spool": str(options.spool),
            "fsctl_default_queue": options.queues[0].name if options.queues else "",
            "fsctl_default_language": "en",
            "fsctl_default_recording": "disclose",
            "fsctl_prompts": str(options.prompts or options.dialplan.parent / "freeswitch-conf" / "prompts"),
            "fsctl_whatsapp_acl": "anybody",
            **options.globals,
        }
        self.dialplan = Dialplan.load(options.dialplan, self.globals, APPLICATIONS)
        self.channels: dict[str, Channel] = {}
        self.offers: dict[str, Offer] = {}
        self.sessions = 0
        self._listeners: list[Listener] = []
        self._plans: dict[str, CallPlan] = {}
        self._waiting_calls = 0

    # Life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen and begin to run; returns when a client can connect."""
        if self._server is not None:
            raise RuntimeError("the simulated switch is already running; stop it first")
        self._reset()
        hold_music()
        comfort_noise()
        self._server = StreamServer((self.options.host, self._port), self._accept)
        self._server.start()
        self._port = self._server.server_port
        for agent in self.options.agents:
            self.phones.register(agent.name)
        for run in (self.callcenter.run, self.recorder.run, self._beat):
            self._greenlets.spawn(run)

    @property
    def port(self) -> int:
        """The port it listens on, or will listen on again after a restart."""
        return self._port

    def stop(self, *, notice: bool = True) -> None:
        """Shut down as FreeSWITCH does (shutdown_plain), or with ``notice=False`` die as after SIGKILL.

        Killed, it says nothing, and recordings keep the header of a file that still grows.
        """
        if self._server is None:
            return
        self._server.stop_accepting()
        if notice:
            self._shut_down()
        self._greenlets.kill()
        self.recorder.abandon()
        for listener in tuple(self._listeners):
            listener.close()
        self._server.stop()
        self._server = None
        self.channels.clear()

    def _shut_down(self) -> None:
        self.bus.fire("SHUTDOWN", [("Event-Info", "System Shutting Down")])
        kept, self.db = self.db, {}  # Modules go at once: mod_db writes nothing more (switch_core_destroy).
        for channel in tuple(self.channels.values()):
            channel.hangup("SYSTEM_SHUTDOWN")
        self.wait_idle(STOP_S)
        gevent.sleep(0.03)
        for listener in tuple(self._listeners):
            listener.say_goodbye(SHUT_DOWN)
        self.db = kept

    def _accept(self, connection: socket, _address: tuple[str, int]) -> None:
        listener = Listener(self, connection)
        self._listeners.append(listener)
        self.bus.subscribers.append(listener)
        listener.run()

    def has_subscriber(self) -> bool:
        """Whether a client has asked for events: calls placed before would not be seen to arrive."""
        return any(listener.subscription.active for listener in self._listeners)

    def forget(self, listener: Listener) -> None:
        """A connection has closed."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            self.bus.subscribers.remove(listener)

    # Calls ------------------------------------------------------------------------------------------------

    def place_call(self, plan: CallPlan) -> str:
        """Let a call arrive after ``plan.start_after_s``; returns the uuid that its channel will have."""
        if self._server is None:
            raise RuntimeError("the simulated switch is not running; start it before placing calls")
        if plan.kind == "whatsapp" and not plan.header("x-wa-meta-wacid"):
            wacid = ("x-wa-meta-wacid", sip.new_wacid(self.rng))
            plan = replace(plan, headers=(wacid, *plan.headers))
        uuid = self.new_uuid()
        self._waiting_calls += 1
        self._greenlets.spawn(self._arrive, uuid, plan)
        return uuid

    def place_calls(self, plans: Iterable[CallPlan], *, per_second: float) -> list[str]:
        """Place calls at a steady rate (a simulated second), each ``start_after_s`` later still."""
        return [
            self.place_call(replace(plan, start_after_s=plan.start_after_s + number / per_second))
            for number, plan in enumerate(plans)
        ]

    def _arrive(self, uuid: str, plan: CallPlan) -> None:
        self.clock.sleep(plan.start_after_s)
        channel = Channel(self.bus, uuid, sip.channel_name(plan), "inbound")
        self._waiting_calls -= 1
        self._run(Session(self, channel, plan))

    def attend(self, session: Session) -> None:
        """Let a call go on that did not come by ``place_call``."""
        self._greenlets.spawn(self._run, session)

    def _run(self, session: Session) -> None:
        self._plans[session.channel.uuid] = session.plan
        self.add(session.channel)
        session.run()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait (wall seconds) until no call is to arrive or still on; False: they are not over yet."""
        with gevent.Timeout(timeout_s, False):
            while self.channels or self._waiting_calls:
                gevent.sleep(0.005)
            return True
        return False

    def plan_of(self, channel: Channel) -> CallPlan:
        """The plan of a caller's channel."""
        return self._plans[channel.uuid]

    def spawn_offer(self, member: Member, agent: Agent) -> None:
        """Ring an agent for a member."""
        self._greenlets.spawn(Offer(self, member, agent).run)

    def add(self, channel: Channel) -> None:
        """A channel exists from now on."""
        channel.run_api = partial(api.execute, self)
        self.channels[channel.uuid] = channel

    def remove(self, channel: Channel) -> None:
        """A channel has been destroyed."""
        self.channels.pop(channel.uuid, None)
        self._plans.pop(channel.uuid, None)

    def next_session(self) -> int:
        """``session_id``: counts channels since the start."""
        self.sessions += 1
        return self.sessions

    def new_uuid(self) -> str:
        """A version 4 uuid from the seeded generator."""
        # As uuid.UUID(int=..., version=4) writes it, in a fifth of the time: each application that runs has one.
        bits = f"{self.rng.getrandbits(128):032x}"
        variant = "89ab"[int(bits[16], 16) & 3]
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{variant}{bits[17:20]}-{bits[20:]}"

    def lookup(self, channel: Channel) -> Callable[[str], str | None]:
        """Variables as a dialplan sees them: the channel's, then the globals."""
        return lambda name: channel.get(name) or self.globals.get(name)

    def reload_xml(self) -> None:
        """``reloadxml``: the dialplan as it is on disk now, and a RELOADXML event."""
        self.dialplan = Dialplan.load(self.options.dialplan, self.globals, APPLICATIONS)
        self.bus.fire("RELOADXML", [])

    # Faults -----------------------------------------------------------------------------------------------

    def drop_listeners(self) -> None:
        """Cut every ESL connection without a word, as a broken network does."""
        for listener in tuple(self._listeners):
            listener.close()

    def kill_listener(self, *, torn: bool = False) -> None:
        """Kill every listener as after too many lost events; ``torn``: the notice replaces a body."""
        for listener in tuple(self._listeners):
            listener.kill(torn=torn)

    def register(self, user: str) -> None:
        """A phone registers, as ``user`` in the domain fsctl."""
        self.phones.register(user)

    def unregister(self, user: str) -> None:
        """A phone is gone."""
        self.phones.unregister(user)

    def strand_member(self, queue: str, state: str = "Answered", agent: str = "agent1") -> str:
        """A member without a channel; returns the member's uuid. See stuck.py."""
        return stuck.strand_member(self.callcenter, queue, state, agent)

    def strand_agent(self, agent: str, state: str) -> None:
        """An agent Receiving, Reserved or In a queue call without a call. See stuck.py."""
        stuck.strand_agent(self.callcenter, agent, state)

    def stop_dispatcher(self) -> None:
        """Members wait and nobody is offered, until mod_callcenter is reloaded."""
        self.callcenter.dispatching = False

    # Heartbeat --------------------------------------------------------------------------------------------

    def _beat(self) -> None:
        while True:
            self.clock.sleep(self.options.heartbeat_s)
            self.bus.fire("HEARTBEAT", self._heartbeat())
            runtime = int(self.clock.now_s() + self.options.heartbeat_s)
            task = [("Task-ID", "1"), ("Task-Desc", "heartbeat"), ("Task-Group", "core")]
            self.bus.fire("RE_SCHEDULE", [*task, ("Task-Runtime", str(runtime))])

    def _heartbeat(self) -> Headers:
        return [
            ("Event-Info", "System Ready"),
            ("Up-Time", self.uptime_text()),
            ("FreeSWITCH-Version", VERSION_LONG),
            ("Uptime-msec", str(int(self.clock.elapsed_s() * 1000))),
            ("Session-Count", str(len(self.channels))),
            ("Max-Sessions", "1000"),
            ("Session-Per-Sec", "100"),
            ("Session-Per-Sec-Last", "0"),
            ("Session-Per-Sec-Max", "0"),
            ("Session-Per-Sec-FiveMin", "0"),
            ("Session-Since-Startup", str(self.sessions)),
            ("Session-Peak-Max", str(len(self.channels))),
            ("Session-Peak-FiveMin", str(len(self.channels))),
            ("Idle-CPU", "90.000000"),
        ]

    def uptime_text(self) -> str:
        """``0 years, 0 days, 0 hours, 3 minutes, 20 seconds, 118 milliseconds, 977 microseconds``."""
        microseconds = int(self.clock.elapsed_s() * 1_000_000)
        parts = []
        sizes = (
            (31_536_000_000_000, "year"),
            (86_400_000_000, "day"),
            (3_600_000_000, "hour"),
            (60_000_000, "minute"),
        )
        for size, name in (*sizes, (1_000_000, "second"), (1000, "millisecond"), (1, "microsecond")):
            count, microseconds = divmod(microseconds, size)
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
        return ", ".join(parts)
