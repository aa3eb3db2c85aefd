"""The CRM's half of the composition root: what ``fsctl serve`` runs so that others learn what happens here.

Facts get their numbers, events go to endpoints, and who asks is answered. Every process of ``fsctl serve`` may run
all of it: one at a time numbers, and a delivery is one process's.
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
from fsctl.store.tokens import Tokens
from fsctl.web.api import routes as api
from fsctl.web.api.house import House
from fsctl.web.server import Route

Loop = Callable[[], None]


@contextmanager
def routes(config: Config) -> Iterator[Sequence[Route]]:
    """``/v1`` of the server of HTTP, while the block lasts; Postgres may be away."""
    # A pool of its own: a CRM that asks for much must never take the controller's connections.
    with app.database(config, "api") as opened:
        yield api.routes(House(opened, config.web.public_url), Tokens(opened))


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
                config.crm.keep_days,
            ).run,
        )
