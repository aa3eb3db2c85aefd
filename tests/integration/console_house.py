"""A house for tests of the console: a simulated switch with a controller, a reconciler, and who types."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from fsctl.config import Config, Node
from fsctl.console.commands import House, Result, Role, Switch, Who, run
from fsctl.esl import encode
from fsctl.esl.connection import Connection, Reply
from fsctl.esl.decode import Origin
from fsctl.reconciler import Reconciler
from fsctl.sim import CallPlan
from fsctl.sim import Switch as Simulated
from fsctl.store.agents import Agents
from fsctl.store.audit import Audit, Entry
from fsctl.store.db import Database
from tests.fix_switch import PASSWORD
from tests.integration.test_controller import Served

LONG = CallPlan(talk_s=3000.0, display_name="Ann")
NODE = "fs1"


class Heard:
    """A connection that remembers what it was asked."""

    def __init__(self, connection: Connection, asked: list[str]) -> None:
        self._connection, self._asked = connection, asked

    def request(self, command: encode.Request, timeout_s: float = 10.0) -> Reply:
        self._asked.append(command.render())
        return self._connection.request(command, timeout_s)


class ConsoleHouse:
    """Everything that a console stands on."""

    def __init__(self, switch: Simulated, database: Database, spool: Path) -> None:
        self.switch, self.database = switch, database
        self.served = Served(switch, switch.port, database)
        self.sent: list[str] = []
        """What commands sent to the switch."""
        self.questions: list[str] = []
        node = Node(
            name=NODE, port=switch.port, password=PASSWORD, spool=spool, contexts={"whatsapp": "whatsapp"}
        )
        self.house = House(Config(nodes=(node,)), database, self.connect)

    @contextmanager
    def connect(self, _name: str) -> Iterator[Switch]:
        connection = Connection("127.0.0.1", self.switch.port, PASSWORD, lambda _event: None)
        connection.connect()
        try:
            yield Heard(connection, self.sent)
        finally:
            connection.close()

    def round(self) -> None:
        """Have agents, tiers and queues mirrored into Postgres."""
        origin = Origin(NODE, {"whatsapp": "whatsapp"})
        with self.connect(NODE) as switch:
            Reconciler(switch.request, origin, Agents(self.database), Audit(self.database), {}).round(
                act=False
            )
        self.sent.clear()

    def run(self, line: str, role: Role = "admin") -> Result:
        return run(line, Who("eva", role), self.house)

    def ok(self, line: str, role: Role = "admin") -> Any:
        """Its values; it must be well."""
        result = self.run(line, role)
        assert result.ok, result.text
        return result.values

    def answer(self, yes: bool) -> None:
        """Somebody is there to be asked."""

        def ask(question: str) -> bool:
            self.questions.append(question)
            return yes

        self.house.ask = ask

    def audit(self) -> list[Entry]:
        return [one for one in Audit(self.database).entries() if one.action.startswith("console.")]

    def until(self, wanted: Callable[[], bool], timeout_s: float = 20) -> None:
        with gevent.Timeout(timeout_s, AssertionError("never so")):
            while not wanted():
                gevent.sleep(0.02)
