"""The chat's half of the composition root: what ``fsctl serve`` runs beside its controllers.

HTTP (Meta's webhooks, the page where a customer chooses a time, what monitoring and CRMs ask) and the loops of
the chat: webhooks into rows, missed calls into messages, messages to Meta. Every process of ``fsctl serve`` may
run all of them; rows are locked.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fsctl import app, app_crm
from fsctl.config import Config
from fsctl.console.counts import Counts
from fsctl.store.alarms import Alarms
from fsctl.store.callbacks import Callbacks
from fsctl.store.db import Database, Wakeup
from fsctl.store.inbox import Inbox
from fsctl.store.outbox import CHANNEL, Outbox
from fsctl.web.callback import CallbackPages
from fsctl.web.metrics import Counted
from fsctl.web.operations import OperationsPages
from fsctl.web.server import Server
from fsctl.whatsapp import conversions
from fsctl.whatsapp.callbacks import CallbackLoop
from fsctl.whatsapp.conversions import Conversions, ConversionSender
from fsctl.whatsapp.dial import Dialler
from fsctl.whatsapp.followup import FollowupLoop
from fsctl.whatsapp.importer import Importer
from fsctl.whatsapp.intake import Intake
from fsctl.whatsapp.journal import Journal
from fsctl.whatsapp.pump import Pump
from fsctl.whatsapp.receiver import Receiver
from fsctl.whatsapp.sender import MessageSender, Sender
from fsctl.whatsapp.touches import CallTouches

Loop = Callable[[], None]

JOURNAL = "journal"
"""Folder below the data folder."""
NODE = "whatsapp"
"""Alarms of the chat are of no FreeSWITCH."""


@contextmanager
def web(
    config: Config, opened: Database, console: Callable[[], Counts] | None = None
) -> Iterator[list[Loop]]:
    """Serve HTTP for as long as the block lasts; Postgres may be away. Gives the loops that belong to it.

    Args:
        console: what the consoles of this process have counted; None: there is none.

    Raises:
        ConfigError: the address or the certificate cannot be used.
    """
    if not config.web.listen:
        yield []
        return
    journal = Journal(config.data_dir / JOURNAL)
    receiver = Receiver(config.whatsapp, journal)
    pages = CallbackPages(Callbacks(opened), config.policy)
    # A pool of its own: whether we are ready must not hang on who else waits for a connection.
    with app.database(config, "operations") as asked, app_crm.routes(config) as of_crm:
        nodes = [node.name for node in config.nodes]
        counted = Counted(journal, lambda: server.counts, console)
        operations = OperationsPages(asked, config.web.operations, nodes, counted)
        routes = [*receiver.routes(), *pages.routes, *operations.routes, *of_crm]
        server = Server(config.web.listen, routes, config.web.certificate, config.web.key)
        server.start()
        importer = Importer(journal, Inbox(opened), Alarms(opened, NODE))
        try:
            yield [importer.run]
        finally:
            server.stop()
            operations.close()
            importer.drain()
            journal.close()


@contextmanager
def loops(config: Config, opened: Database) -> Iterator[Sequence[Loop]]:
    """What works on the chat's rows while the block lasts, each until it is killed."""
    whatsapp, policy = config.whatsapp, config.policy
    graph = app.graph(config)
    numbers = {digits: one.phone_number_id for digits, one in policy.numbers.items() if one.phone_number_id}
    senders: dict[str, Sender] = {}
    dialler = None
    if graph is not None:
        senders["message"] = MessageSender(graph, numbers)
        senders[conversions.KIND] = ConversionSender(graph, whatsapp)
        dialler = Dialler(graph, numbers, lambda name: app.commands(config.node(name)))
    # A pool of its own: many messages on their way must never take the controller's connections.
    with app.database(config, "pump") as sending:
        outbox = Outbox(sending, portfolio=whatsapp.portfolio, redaction=policy.redaction_of_chat)
        yield (
            Intake(opened, Inbox(opened), policy, whatsapp.portfolio).run,
            CallTouches(opened, policy.payload_secrets).run,
            FollowupLoop(opened, policy, config.web.public_url if config.web.listen else "").run,
            CallbackLoop(opened, policy, dialler).run,
            Conversions(opened, whatsapp).run,
            # Without senders, what waits expires all the same.
            Pump(outbox, senders, Wakeup(sending.dsn, [CHANNEL]), Alarms(sending, NODE)).run,
        )
