"""The other source: audio that FreeSWITCH sends by websocket, written as a recording that grows.

mod_audio_fork and mod_audio_stream speak the same: the first text message is metadata, then binary messages of
int16 little-endian, the caller's leg first where there are two. What arrives becomes a WAV in the spool; from
there on it is a recording like any other.

Frames are dear, bytes are cheap: one greenlet takes from every connection, twenty times a second, all that
has come since. A peer that breaks the rules is ended with a reason; what it sent until then is kept. Postgres is
told by another greenlet, so that audio never waits for it.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import gevent
from gevent import socket
from gevent.queue import Queue
from gevent.server import StreamServer
from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from fsctl.config import Node, Websocket
from fsctl.errors import DatabaseDown
from fsctl.logs import about
from fsctl.media import beat
from fsctl.media.admission import Refused, admit
from fsctl.media.connection import MESSAGE_BYTES, Connection, Ended
from fsctl.media.writer import GrowingFile
from fsctl.patience import Patience
from fsctl.store.alarms import Alarms
from fsctl.store.recordings import Recordings

log = logging.getLogger(__name__)

TURN_S = 0.005
"""So long a round may hold the hub before others get a turn."""
HANDSHAKE_S = 5.0
CLOSE_S = 2.0
"""How long a peer may take to answer our close."""
READ_BYTES = 1 << 16
MOST_CONNECTIONS = 4000
END_OF_REQUEST = b"\r\n\r\n"


class Forks:
    """Takes audio for calls of one node."""

    def __init__(
        self,
        node: Node,
        settings: Websocket,
        recordings: Recordings,
        alarms: Alarms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._settings = settings
        self._recordings = recordings
        self._alarms = alarms
        self._clock = clock
        self._connections: dict[str, Connection] = {}
        self._greeted: set[str] = set()
        """Calls whose connection shakes hands now."""
        self._buffer = bytearray(READ_BYTES)
        self._to_tell: Queue = Queue()
        host, _, port = settings.listen.rpartition(":")
        self.server = StreamServer((host.strip("[]"), int(port)), self._greet, spawn=MOST_CONNECTIONS)

    def run(self) -> None:
        """Listen and read for ever; at the end close what is open, so that each file is whole."""
        teller = gevent.spawn(self._tell)
        self.server.start()
        log.info("taking audio by websocket on port %s", self.server.server_port)
        try:
            while True:
                self.round()
                gevent.sleep(beat.wait_s(self._clock(), beat.ROUND))
        finally:
            self.server.stop()
            teller.kill()
            for connection in tuple(self._connections.values()):
                self._finish(connection)

    def round(self) -> None:
        """Take what has come on every connection."""
        turn = self._clock()
        for connection in tuple(self._connections.values()):
            now = self._clock()
            try:
                self._take(connection, now)
            except OSError as error:
                connection.why = connection.why or f"{error.strerror or error}"
                self._finish(connection)
            if now - turn > TURN_S:
                gevent.sleep(0)
                turn = self._clock()

    def _greet(self, sock: socket.socket, address: object) -> None:
        """Greenlet: the handshake, with a deadline; then the round takes over."""
        protocol = ServerProtocol(max_size=MESSAGE_BYTES)
        uuid = ""
        try:
            with gevent.Timeout(HANDSHAKE_S):
                request = _request(sock, protocol)
                try:
                    uuid = self._admit(request)
                    response = protocol.accept(request)
                    why = "" if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS else "no websocket"
                except Refused as refusal:
                    response, why = protocol.reject(refusal.status, f"{refusal.why}\n"), refusal.why
                protocol.send_response(response)
                for data in protocol.data_to_send():
                    sock.sendall(data)
            if why:
                raise ConnectionError(why)
            # gevent closes what it gave us when this returns.
            sock = sock.dup()
            sock.setblocking(False)
            shape = self._settings.rate, self._settings.channels
            self._connections[uuid] = Connection(uuid, sock, shape, self._clock(), self._begin)
        except (gevent.Timeout, OSError, WebSocketException) as error:
            log.warning("websocket from %s is not let in: %s", address, error)
            sock.close()
        finally:
            self._greeted.discard(uuid)

    def _admit(self, request: Request) -> str:
        """The call that this brings audio for. Raises Refused."""
        authorization = ", ".join(request.headers.get_all("Authorization"))
        uuid, is_signed = admit(request.path, authorization, self._settings.secret, time.time())
        if uuid in self._connections or uuid in self._greeted or len(self._connections) >= MOST_CONNECTIONS:
            raise Refused(HTTPStatus.CONFLICT, f"there is a fork of call {uuid} already, or too many of all")
        self._greeted.add(uuid)
        try:
            is_known = self._recordings.is_standing(uuid)
        except DatabaseDown:
            # Audio does not wait for Postgres; our own signature vouches for the call.
            is_known = is_signed
        if not is_known:
            self._greeted.discard(uuid)
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no call {uuid} now")
        return uuid

    def _take(self, connection: Connection, now: float) -> None:
        try:
            is_there = connection.take(self._buffer, now)
        except Ended as end:
            connection.end(end.code, end.why, now)
            return
        state = connection.protocol.state
        if not is_there or state is State.CLOSED:
            connection.why = connection.why or _reason(connection.protocol)
            self._finish(connection)
        elif connection.closing_at is not None:
            if now > connection.closing_at + CLOSE_S:
                self._finish(connection)
        elif state is not State.OPEN:
            connection.closing_at, connection.why = now, _reason(connection.protocol)
        elif now - connection.heard_at > self._settings.silence_s:
            connection.end(CloseCode.GOING_AWAY, f"nothing came for {self._settings.silence_s:.0f} s", now)

    def _begin(self, connection: Connection, size: int) -> GrowingFile:
        uuid = connection.uuid
        file = GrowingFile(self._node.spool, uuid, connection.rate, connection.channels)
        began = datetime.now(UTC) - timedelta(seconds=size / (file.step * file.rate))
        self._to_tell.put(lambda: self._recordings.open_fork(uuid, file.path, began))
        return file

    def _finish(self, connection: Connection) -> None:
        """The connection is over; its file is whole."""
        self._connections.pop(connection.uuid, None)
        connection.sock.close()
        uuid, why, file = connection.uuid, connection.why, connection.file
        with about(uuid):
            if why:
                log.warning("fork of call %s ended: %s", uuid, why)
                self._to_tell.put(lambda: self._alarms.put_up("fork", uuid, why))
            if file is not None:
                ended = datetime.now(UTC)
                try:
                    file.close()
                except OSError as error:
                    log.error("%s: its header stays open: %s", file.path, error)
                self._to_tell.put(lambda: self._recordings.close_fork(uuid, file.path, ended))

    def _tell(self) -> None:
        """Greenlet: what Postgres must know, in order, as soon as it is there.

        What is lost with this process is found by the file, and closed by the end of the call.
        """
        patience = Patience(log, "the audio is on disk")
        while True:
            patience.until_done(self._to_tell.get())


def _request(sock: socket.socket, protocol: ServerProtocol) -> Request:
    """Raises ConnectionError when the peer leaves, WebSocketException when it speaks something else."""
    tail = b""
    while True:
        data = sock.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the peer left")
        protocol.receive_data(data)
        tail = (tail + data)[-len(END_OF_REQUEST) :]
        for event in protocol.events_received():
            if isinstance(event, Request):
                if tail != END_OF_REQUEST:
                    raise ConnectionError("it goes on before it is answered")
                return event
        if protocol.handshake_exc is not None:
            raise ConnectionError(f"no HTTP request: {protocol.handshake_exc}")


def _reason(protocol: ServerProtocol) -> str:
    """Why it ended, if all is not well."""
    if protocol.parser_exc is not None and not isinstance(protocol.parser_exc, EOFError):
        return f"broken off: {protocol.parser_exc}"
    said = protocol.close_rcvd
    if said is None:
        return "the peer vanished"
    if said.code in (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY):
        return ""
    return f"closed with {said.code}: {said.reason[:120]!r}"
