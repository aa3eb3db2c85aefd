"""``fsctl simulate``: the simulated FreeSWITCH as a process of its own, and Meta's side where that is asked for."""

import argparse
import logging
import os
import secrets
import time

import gevent
from gevent.event import Event

from fsctl.app import on_signal
from fsctl.config import share_dir
from fsctl.errors import ConfigError
from fsctl.sim import Switch, SwitchOptions, journey, load_samples
from fsctl.sim.graph import FakeGraph
from fsctl.sim.journey import Journey
from fsctl.sim.samples import PHONE_NUMBER_ID

log = logging.getLogger(__name__)


def main(options: argparse.Namespace) -> int:
    """The simulated FreeSWITCH; its sample calls come once a controller listens."""
    host, _, port = options.listen.rpartition(":")
    password = os.environ.get(options.password_env, "")
    if not host or not port.isdigit():
        raise ConfigError(f"--listen {options.listen}: expected HOST:PORT")
    if not password:
        raise ConfigError(f"${options.password_env} is not set: the simulated Event Socket needs a password")
    options.spool.mkdir(parents=True, exist_ok=True)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    switch = Switch(
        SwitchOptions(
            dialplan=share_dir("dialplan"),
            spool=options.spool.absolute(),
            host=host,
            port=int(port),
            password=password,
            speed=options.speed,
            start_epoch_s=time.time() - options.behind if options.behind else None,
            seed=seed,
        )
    )
    stop = Event()
    on_signal(stop.set)
    try:
        switch.start()
    except OSError as error:
        raise ConfigError(f"--listen {options.listen}: {error.strerror or error}") from error
    log.info("listening on %s:%s, seed %s", host, switch.port, seed)
    graph = _graph(options) if options.graph else None
    while not switch.has_subscriber() and not stop.wait(0.1):
        pass
    _play(switch, graph, options)
    stop.wait()
    switch.stop()
    if graph is not None:
        graph.stop()
    return 0


def _play(switch: Switch, graph: FakeGraph | None, options: argparse.Namespace) -> None:
    """Place the calls. With a Graph API the customer of one sample comes by chat, is missed and comes back."""
    samples = load_samples()
    for index in range(options.calls or len(samples)):
        sample = samples[index % len(samples)]
        if graph is not None and sample.name == journey.SAMPLE:
            gevent.spawn(Journey(switch, graph, sample).run)
        else:
            switch.place_call(sample.plan(start_after_s=1 + index / options.rate))


def _graph(options: argparse.Namespace) -> FakeGraph:
    """The simulated Graph API, listening. Raises ConfigError."""
    host, _, port = options.graph.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"--graph {options.graph}: expected HOST:PORT")
    found = {name: os.environ.get(name, "") for name in ("FSCTL_APP_SECRET", "FSCTL_ACCESS_TOKEN")}
    for name, value in found.items():
        if not value:
            raise ConfigError(f"${name} is not set: --graph needs it")
    number = next(one.business_number for one in load_samples() if one.name == journey.SAMPLE)
    graph = FakeGraph(
        (host, int(port)),
        app_secret=found["FSCTL_APP_SECRET"],
        token=found["FSCTL_ACCESS_TOKEN"],
        webhook_url=options.webhooks,
        numbers={PHONE_NUMBER_ID: number},
    )
    try:
        graph.start()
    except OSError as error:
        raise ConfigError(f"--graph {options.graph}: {error.strerror or error}") from error
    return graph
