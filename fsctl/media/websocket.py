"""The other source: audio that FreeSWITCH sends by websocket, written as a recording that grows.

mod_audio_fork and mod_audio_stream speak the same: the first text message is metadata, then binary messages of
int16 little-endian, the caller's leg first where there are two. What arrives becomes a WAV in the spool; from
there on it is a recording like any other.

Frames are dear, bytes are cheap: one greenlet takes from every connection, twenty times a second, all that
has come since. A peer that breaks the rules is ended with a reason; what it sent until then is kept. Postgres is
told by another greenlet, so that audio never waits for it.
"""

import errno
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import gevent
from gevent import socket
from gevent.queue import Queue
from gevent.server import StreamServer
from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from fsctl.backoff import Backoff
from fsctl.config import Node, Websocket
from fsctl.errors import DatabaseDown
from fsctl.media.admission import Refused, admit
from fsctl.media.writer import GrowingFile
from fsctl.store.alarms import Alarms
from fsctl.store.recordings import Recordings

log = logging.getLogger(__name__)

ROUND_S = 0.05
TURN_S = 0.005
"""So long a round may hold the hub before others get a turn."""
HANDSHAKE_S = 5.0
CLOSE_S = 2.0
"""How long a peer may take to answer our close."""
MESSAGE_BYTES = 1 << 20
"""mod_audio_fork holds back 5 s at most: 960,000 bytes at 48 kHz stereo."""
METADATA_BYTES = 1 << 13
READ_BYTES = 1 << 16
AHEAD_S = 10.0
"""How much more may have come than time has passed: what was held back while the network was away."""
FRAMES_PER_S = 200
"""Four times what one sends that groups nothing."""
MOST_CONNECTIONS = 4000
BLOCKED = (errno.EAGAIN, errno.EWOULDBLOCK)


@dataclass(frozen=True)
class Ended(Exception):
    """A connection that is over by our decision."""

    code: CloseCode
    why: str


@dataclass(eq=False)
class _Connection:
    sock: socket.socket
    protocol: ServerProtocol
    uuid: str
    rate: int
    channels: int
    opened_at: float
    heard_at: float
    frames: int = 0
    closing_at: float | None = None
    why: str = ""
    """How it ended, if not as it should."""
    file: GrowingFile | None = None
    parts: list[bytes] = field(default_factory=list)
    """Of a message that comes in fragments."""
    is_text: bool = False
    has_metadata: bool = False


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
        self._connections: dict[str, _Connection] = {}
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
                gevent.sleep(ROUND_S)
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
            except Ended as end:
                self._end(connection, end, now)
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
            now = self._clock()
            rate, channels = self._settings.rate, self._settings.channels
            self._connections[uuid] = _Connection(sock, protocol, uuid, rate, channels, now, now)
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

    def _take(self, connection: _Connection, now: float) -> None:
        protocol = connection.protocol
        data = _receive(connection.sock, self._buffer)
        if data is not None:
            connection.heard_at = now
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
            for event in protocol.events_received():
                if isinstance(event, Frame) and connection.closing_at is None:
                    self._frame(connection, event, now)
            if connection.file is not None:
                connection.file.flush()
            _send(connection)
        if data == b"" or protocol.state is State.CLOSED:
            connection.why = connection.why or _reason(protocol)
            self._finish(connection)
        elif connection.closing_at is not None:
            if now > connection.closing_at + CLOSE_S:
                self._finish(connection)
        elif protocol.state is not State.OPEN:
            connection.closing_at, connection.why = now, _reason(protocol)
        elif now - connection.heard_at > self._settings.silence_s:
            raise Ended(CloseCode.GOING_AWAY, f"nothing came for {self._settings.silence_s:.0f} s")

    def _frame(self, connection: _Connection, frame: Frame, now: float) -> None:
        connection.frames += 1
        if connection.frames > FRAMES_PER_S * (now - connection.opened_at + AHEAD_S):
            raise Ended(CloseCode.POLICY_VIOLATION, f"flood: {connection.frames} frames are too many")
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            connection.is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        connection.parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message = b"".join(connection.parts)
        connection.parts.clear()
        if connection.is_text:
            _metadata(connection, message)
        elif message:
            self._audio(connection, message, now)

    def _audio(self, connection: _Connection, data: bytes, now: float) -> None:
        if len(data) % (2 * connection.channels):
            raise Ended(CloseCode.INVALID_DATA, f"a message of {len(data)} bytes is not whole samples")
        file = connection.file or self._begin(connection, len(data))
        if file.length_s > now - connection.opened_at + AHEAD_S:
            raise Ended(CloseCode.POLICY_VIOLATION, f"flood: {file.length_s:.0f} s of audio in less time")
        file.add(data)

    def _begin(self, connection: _Connection, size: int) -> GrowingFile:
        uuid = connection.uuid
        file = GrowingFile(self._node.spool, uuid, connection.rate, connection.channels)
        began = datetime.now(UTC) - timedelta(seconds=size / (file.step * file.rate))
        connection.file = file
        self._to_tell.put(lambda: self._recordings.open_fork(uuid, file.path, began))
        return file

    def _end(self, connection: _Connection, end: Ended, now: float) -> None:
        """Say why, and give the peer a moment to say good-bye."""
        connection.why, connection.closing_at = end.why, now
        connection.parts.clear()
        if connection.protocol.state is State.OPEN:
            connection.protocol.send_close(end.code, end.why[:120])
        try:
            _send(connection)
        except OSError:
            self._finish(connection)

    def _finish(self, connection: _Connection) -> None:
        """The connection is over; its file is whole."""
        self._connections.pop(connection.uuid, None)
        connection.sock.close()
        uuid, why, file = connection.uuid, connection.why, connection.file
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
        backoff = Backoff()
        while True:
            tell = self._to_tell.get()
            while True:
                try:
                    tell()
                    backoff.reset()
                    break
                except DatabaseDown as error:
                    log.warning("%s; the audio is on disk", error)
                    gevent.sleep(backoff.next_s())


def _request(sock: socket.socket, protocol: ServerProtocol) -> Request:
    """Raises ConnectionError when the peer leaves, WebSocketException when it speaks something else."""
    while True:
        data = sock.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the peer left")
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Request):
                return event
        if protocol.handshake_exc is not None:
            raise ConnectionError(f"no HTTP request: {protocol.handshake_exc}")


def _receive(sock: socket.socket, buffer: bytearray) -> bytes | None:
    """What has come; empty at the end, None when nothing has. Through one buffer: one a read tears memory."""
    try:
        count = sock.recv_into(buffer)
    except OSError as error:
        if error.errno in BLOCKED:
            return None
        raise
    return bytes(memoryview(buffer)[:count])


def _send(connection: _Connection) -> None:
    """Pongs and a close: a peer that does not take even these is gone."""
    for data in connection.protocol.data_to_send():
        if data:
            connection.sock.send(data)
        else:
            connection.sock.shutdown(socket.SHUT_WR)


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


def _metadata(connection: _Connection, message: bytes) -> None:
    """The first text: may say rate and channels. Later ones are not for us.

    Raises:
        Ended: it is too long, or says what cannot be.
    """
    if connection.has_metadata or connection.file is not None:
        return
    connection.has_metadata = True
    if len(message) > METADATA_BYTES:
        raise Ended(CloseCode.POLICY_VIOLATION, f"metadata of {len(message)} bytes")
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        rate, channels = found.get("rate", connection.rate), found.get("channels", connection.channels)
        if type(rate) is not int or not 8000 <= rate <= 48000 or channels not in (1, 2):
            raise Ended(CloseCode.POLICY_VIOLATION, "the metadata's rate or channels cannot be")
        connection.rate, connection.channels = rate, int(channels)
