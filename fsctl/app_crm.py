"""The CRM's half of the composition root: what ``fsctl serve`` runs so that others learn what happens here.

Facts get their numbers, and events go to endpoints. Every process of ``fsctl serve`` may run both: one at a time
numbers, and a delivery is one process's.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fsctl import app
from fsctl.config import Config
from fsctl.crm.delivery import Courier
from fsctl.crm.events import ON_REQUEST
from fsctl.crm.outward import Outward
from fsctl.crm.sequencer import WOKEN_BY, Sequencer
from fsctl.store import deliveries, sequence
from fsctl.store.db import Wakeup
from fsctl.store.deliveries import Deliveries

Loop = Callable[[], None]


@contextmanager
def loops(config: Config) -> Iterator[Sequence[Loop]]:
    """What works while the block lasts, each until it is killed."""
    # A pool of its own: many requests on their way must never take the controller's connections.
    with app.database(config, "crm") as opened:
        yield (
            Sequencer(sequence.Sequence(opened), Wakeup(opened.dsn, WOKEN_BY)).run,
            Courier(
                Deliveries(opened, sorted(ON_REQUEST)),
                Outward(allow_private=config.crm.allow_private),
                lambda: Wakeup(opened.dsn, [deliveries.CHANNEL]),
                config.web.public_url,
            ).run,
        )
