"""What the tests of sending share: a thread to write to, a fake Graph, and a receiver of its webhooks."""

import hashlib
import hmac
import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import psycopg
from gevent import socket
from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer

from fsctl.errors import DatabaseDown
from fsctl.sim.graph import FakeGraph
from fsctl.store import outbox
from fsctl.store.db import Database
from fsctl.store.inbox import Post
from fsctl.store.outbox import Confirmation, Item, Outbox
from fsctl.whatsapp import messages
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.intake import Intake
from fsctl.whatsapp.pump import Pump
from fsctl.whatsapp.sender import MessageSender, Sender
from tests.fix_proxy import Proxy

NUMBER, NUMBER_ID = "15550100900", "106540352242922"
SECRET = "only-for-tests"
_numbers = itertools.count(1)


class House:
    """A fake Graph that tells us of statuses, an outbox, and threads."""

    def __init__(self, database: Database, **limits: Any) -> None:
        self.database = database
        self.outbox = Outbox(database, **({"pair_s": 0.0} | limits))
        self.receiver = WSGIServer(
            ("127.0.0.1", 0), self._webhook, log=None, error_log=logging.getLogger("receiver")
        )
        self.receiver.start()
        self.intake: Intake | None = None
        """Reads the webhooks; without it only the outbox is told of statuses."""
        self.statuses: list[tuple[str, str]] = []
        """Wamid and status, as they were told."""
        self.fake = FakeGraph(app_secret=SECRET, numbers={NUMBER_ID: NUMBER}, seed=1)
        self.fake.webhooks.url = f"http://127.0.0.1:{self.receiver.server_port}/"
        self.fake.hang_s = 3.0
        self.fake.start()
        self.graph = Graph(self.fake.url, "v25.0", "token", connect_s=1.0, answer_s=0.6)

    def stop(self) -> None:
        self.fake.stop()
        self.receiver.stop(timeout=0.1)
        self.graph.close()

    def pump(self, senders: Mapping[str, Sender] | None = None, **options: Any) -> Pump:
        given = {"message": MessageSender(self.graph, {NUMBER: NUMBER_ID})} if senders is None else senders
        return Pump(self.outbox, given, **options)

    def thread(self, *, open_window: bool = True, user: str = "") -> tuple[int, str]:
        """A customer who has just written. Returns: thread and number."""
        user = user or f"1555020{next(_numbers):04}"
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            row = connection.execute(
                "insert into contact (display_name) values ('Ann') returning id"
            ).fetchone()
            assert row
            connection.execute(
                "insert into alias (kind, value, contact_id) values ('wa_id', %s, %s)", (user, row[0])
            )
            made = connection.execute(
                "insert into thread (contact_id, business_number) values (%s, %s) returning id",
                (row[0], NUMBER),
            ).fetchone()
            assert made
            if open_window:
                connection.execute(
                    "insert into message (thread_id, wamid, direction, sent_at) values (%s, %s, 'inbound', now())",
                    (made[0], f"wamid.in{made[0]}"),
                )
                self.fake.messages.open_window(NUMBER_ID, user)
        return made[0], user

    def add(self, thread_id: int | None, key: str, text: str = "hello", **fields: Any) -> bool:
        payload = {"message": messages.text(text), "template": None}
        item = Item(**({"key": key, "kind": "message", "thread_id": thread_id, "payload": payload} | fields))
        with self.database.transaction("adding") as transaction:
            return outbox.add(transaction, item)

    def row(self, key: str) -> dict[str, Any]:
        (row,) = self.rows("select * from outbox where key = %s", key)
        return row

    def rows(self, sql: str, *params: object) -> list[dict[str, Any]]:
        with psycopg.connect(
            self.database.dsn, autocommit=True, row_factory=psycopg.rows.dict_row
        ) as connection:
            return connection.execute(sql.encode(), params).fetchall()

    def run(self, sql: str, *params: object) -> None:
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            connection.execute(sql.encode(), params)

    def work(self, pump: Pump, until: float = 10.0) -> None:
        """Tick until nothing waits that could be sent, and every status is told."""
        ends = datetime.now(UTC) + timedelta(seconds=until)
        while datetime.now(UTC) < ends:
            pump.tick()
            pump.join(5)
            if not self.at_work():
                # What failed late may become another item.
                self.fake.webhooks.join(5)
                pump.tick()
                pump.join(5)
                if not self.at_work():
                    return
            gevent.sleep(0.02)
        raise AssertionError(f"still at work: {self.at_work()}")

    def at_work(self) -> list[dict[str, Any]]:
        """Items of which nobody has said yet what became of them."""
        return self.rows(
            "select key, state, reason from outbox where state in ('pending', 'claimed', 'unsure')"
        )

    def _webhook(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert environ["HTTP_X_HUB_SIGNATURE_256"] == f"sha256={digest}"
        try:
            told = confirmations(json.loads(body))
            with self.database.transaction("telling the outbox") as transaction:
                if self.intake is None:
                    outbox.confirm_all(transaction, told)
                else:
                    self.intake.take(transaction, [Post.of(body, datetime.now(UTC))])
        except DatabaseDown:
            start_response("500 later", [("Content-Length", "0")])
            return [b""]
        self.statuses += [(one.wamid, one.status) for one in told]
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]


def confirmations(envelope: dict[str, Any]) -> list[Confirmation]:
    """Its statuses, read without any care."""
    found = []
    for entry in envelope["entry"]:
        for change in entry["changes"]:
            for status in change["value"].get("statuses", ()):
                (error,) = status.get("errors") or [{"code": 0, "title": ""}]
                found.append(
                    Confirmation(
                        wamid=status["id"],
                        status=status["status"],
                        at=datetime.fromtimestamp(int(status["timestamp"]), UTC),
                        key=status.get("biz_opaque_callback_data", ""),
                        code=error["code"],
                        reason=error["title"],
                    )
                )
    return found


@contextmanager
def road(dsn: str) -> Iterator[tuple[str, Proxy]]:
    """A road to Postgres that can be broken: its address, and what breaks it."""
    socket_path = f"{psycopg.conninfo.conninfo_to_dict(dsn)['host']}/.s.PGSQL.5432"

    def bridge(client: socket.socket, _address: object) -> None:
        with socket.socket(socket.AF_UNIX) as server, client:
            server.connect(socket_path)
            up = gevent.spawn(_copy, client, server)
            _copy(server, client)
            up.kill()

    ends = StreamServer(("127.0.0.1", 0), bridge)
    ends.start()
    proxy = Proxy(("127.0.0.1", ends.server_port))
    address = f"host=127.0.0.1 port={proxy.port} sslmode=disable gssencmode=disable"
    try:
        yield psycopg.conninfo.make_conninfo(f"{dsn} {address}"), proxy
    finally:
        proxy.close()
        ends.stop(timeout=0.1)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(4096):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def house(database: Database, **limits: Any) -> Iterator[House]:
    """A House for as long as the block lasts."""
    made = House(database, **limits)
    try:
        yield made
    finally:
        made.stop()
