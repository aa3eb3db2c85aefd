"""A simulated FreeSWITCH 1.11.2: ESL on TCP, the dialplan, mod_callcenter, and recordings that grow.

It knows what FreeSWITCH was seen to do: the bytes of a connection, the order of events in a queue call, the
replies of commands, the shape of a recording while it is written. Each claim names its capture
(``call_queue_plain``, ``cc_abandon``, ...), docs/freeswitch.md, or the place in FreeSWITCH's source.

It refuses to know fsctl: nothing here imports another part of the package, and a command it does not model is
answered as FreeSWITCH answers an unknown one (``-ERR x Command not found!``), never with what would be
convenient.

It is called by tests, by ``fsctl simulate`` and by benchmarks. The caller has run
``gevent.monkey.patch_all()``:

    >>> switch = Switch(SwitchOptions(dialplan=Path("dialplan"), spool=spool, speed=10))
    >>> switch.start()
    >>> uuid = switch.place_call(CallPlan(from_user="+15550100142"))
    >>> switch.wait_idle(30)
    >>> switch.stop()

Time is simulated: it begins at ``SwitchOptions.start_epoch_s`` and runs ``speed`` times faster than the wall
clock.
"""

from fsctl.sim.options import SwitchOptions
from fsctl.sim.plan import CallPlan, Quality, Ring, Transfer
from fsctl.sim.samples import Sample, load_samples
from fsctl.sim.switch import Switch
from fsctl.sim.tables import AgentOptions, QueueOptions, TierOptions

__all__ = [
    "AgentOptions",
    "CallPlan",
    "Quality",
    "QueueOptions",
    "Ring",
    "Sample",
    "Switch",
    "SwitchOptions",
    "TierOptions",
    "Transfer",
    "load_samples",
]
