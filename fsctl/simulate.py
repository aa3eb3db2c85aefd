"""``fsctl simulate``: the simulated FreeSWITCH as a process of its own."""

import argparse
import logging
import os
import secrets
import time

from gevent.event import Event

from fsctl.app import on_signal
from fsctl.config import share_dir
from fsctl.errors import ConfigError
from fsctl.sim import Switch, SwitchOptions, load_samples

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
    while not switch.has_subscriber() and not stop.wait(0.1):
        pass
    samples = load_samples()
    for index in range(options.calls or len(samples)):
        sample = samples[index % len(samples)]
        switch.place_call(sample.plan(start_after_s=1 + index / options.rate))
    stop.wait()
    switch.stop()
    return 0
