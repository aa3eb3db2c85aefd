"""One fork's connection after the handshake: bytes become frames, frames messages, messages a file that grows.

Nearly all frames are alike: a whole binary message, masked, its length in 16 bits. Such a one is taken apart
here, in a fraction of the time that ``websockets`` takes. Every other frame is for ``websockets``, which knows the
rest of RFC 6455. It is given whole frames only, so the next byte is always the first of a frame, for both of us;
the exception is a frame too long to be taken, which it refuses by its head.
Called by: ``websocket``, in its rounds.
"""

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass

from gevent import socket
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from fsctl.media.writer import GrowingFile

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which there is no wheel
    from websockets.utils import apply_mask

MESSAGE_BYTES = 1 << 20
"""mod_audio_fork holds back 5 s at most: 960,000 bytes at 48 kHz stereo."""
METADATA_BYTES = 1 << 13
AHEAD_S = 10.0
"""How much more may have come than time has passed: what was held back while the network was away."""
FRAMES_PER_S = 200
"""Four times what one sends that groups nothing."""
BLOCKED = (errno.EAGAIN, errno.EWOULDBLOCK)
FINAL_BINARY, MASKED_16 = 0x82, 0xFE
"""First and second byte of the frames that are taken apart here (RFC 6455 section 5.2)."""
HEAD_BYTES = 8
"""Of such a frame."""


@dataclass(frozen=True)
class Ended(Exception):
    """A connection that is over by our decision."""

    code: CloseCode
    why: str


class Connection:
    """Takes the audio of one call."""

    def __init__(
        self,
        uuid: str,
        sock: socket.socket,
        shape: tuple[int, int],
        now: float,
        begin: Callable[["Connection", int], GrowingFile],
    ) -> None:
        """
        Args:
            uuid: the call's.
            sock: does not block; nothing behind the request has been read from it.
            shape: rate and channels, where the metadata does not say them.
            begin: makes the file when the first message has come, which is told its bytes.
        """
        self.uuid = uuid
        self.sock = sock
        self.protocol = ServerProtocol(state=State.OPEN, max_size=MESSAGE_BYTES)
        self.rate, self.channels = shape
        self.opened_at = self.heard_at = now
        self.closing_at: float | None = None
        self.why = ""
        """How it ended, if not as it should."""
        self.file: GrowingFile | None = None
        self._begin = begin
        self._frames = 0
        self._rest = b""
        """The beginning of a frame."""
        self._parts: list[bytes] = []
        """Of a message that comes in fragments."""
        self._is_text = False
        self._has_metadata = False

    def take(self, buffer: bytearray, now: float) -> bool:
        """Take what has come, through the buffer: one a read tears memory. Returns False when the peer has left.

        Raises:
            Ended: it breaks a rule; what came before that is kept.
            OSError: it is gone, or the disk is full.
        """
        try:
            count: int = self.sock.recv_into(buffer)
        except OSError as error:
            if error.errno in BLOCKED:
                return True
            raise
        self.heard_at = now
        if count:
            self._split(self._rest + memoryview(buffer)[:count], now)
        else:
            self.protocol.receive_eof()
        if self.file is not None:
            self.file.flush()
        self.send()
        return count > 0

    def send(self) -> None:
        """Pongs and a close: a peer that does not take even these is gone."""
        for data in self.protocol.data_to_send():
            if data:
                self.sock.send(data)
            else:
                self.sock.shutdown(socket.SHUT_WR)

    def end(self, code: CloseCode, why: str, now: float) -> None:
        """Say why, and take no more. Raises OSError when nobody is there."""
        self.why, self.closing_at = why, now
        self._parts.clear()
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(code, why[:120])
        self.send()

    def _split(self, data: bytes, now: float) -> None:
        """Look at frame after frame."""
        at, count, protocol = 0, len(data), self.protocol
        try:
            while count - at >= 2:
                if protocol.state is not State.OPEN:
                    protocol.receive_data(data[at:])
                    protocol.events_received()
                    at = count
                elif data[at] == FINAL_BINARY and data[at + 1] == MASKED_16 and not self._parts:
                    begin = at + HEAD_BYTES
                    end = begin + int.from_bytes(data[at + 2 : at + 4], "big")
                    if max(begin, end) > count:
                        break
                    message = apply_mask(data[begin:end], data[begin - 4 : begin])
                    at = end
                    self._count(now)
                    self._audio(message, now)
                else:
                    head, size = _sizes(data, at)
                    if at + head + size > count and size <= MESSAGE_BYTES:
                        break
                    protocol.receive_data(data[at : at + head + size])
                    at += head + size
                    for event in protocol.events_received():
                        if isinstance(event, Frame):
                            self._frame(event, now)
        finally:
            self._rest = data[at:]

    def _count(self, now: float) -> None:
        self._frames += 1
        if self._frames > FRAMES_PER_S * (now - self.opened_at + AHEAD_S):
            raise Ended(CloseCode.POLICY_VIOLATION, f"flood: {self._frames} frames are too many")

    def _frame(self, frame: Frame, now: float) -> None:
        self._count(now)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message = b"".join(self._parts)
        self._parts.clear()
        if self._is_text:
            self._metadata(message)
        else:
            self._audio(message, now)

    def _audio(self, data: bytes, now: float) -> None:
        if not data:
            return
        if len(data) % (2 * self.channels):
            raise Ended(CloseCode.INVALID_DATA, f"a message of {len(data)} bytes is not whole samples")
        if self.file is None:
            self.file = self._begin(self, len(data))
        if self.file.length_s > now - self.opened_at + AHEAD_S:
            why = f"flood: {self.file.length_s:.0f} s of audio in less time"
            raise Ended(CloseCode.POLICY_VIOLATION, why)
        self.file.add(data)

    def _metadata(self, message: bytes) -> None:
        """The first text: may say rate and channels. Later ones are not for us."""
        if self._has_metadata or self.file is not None:
            return
        self._has_metadata = True
        if len(message) > METADATA_BYTES:
            raise Ended(CloseCode.POLICY_VIOLATION, f"metadata of {len(message)} bytes")
        try:
            found = json.loads(message)
        except (ValueError, RecursionError):
            return
        if isinstance(found, dict):
            rate, channels = found.get("rate", self.rate), found.get("channels", self.channels)
            if type(rate) is not int or not 8000 <= rate <= 48000 or channels not in (1, 2):
                raise Ended(CloseCode.POLICY_VIOLATION, "the metadata's rate or channels cannot be")
            self.rate, self.channels = rate, int(channels)


def _sizes(data: bytes, at: int) -> tuple[int, int]:
    """Bytes of a frame's head, and of what follows it, as far as the head is there to tell."""
    short = data[at + 1] & 0x7F
    wide = {126: 2, 127: 8}.get(short, 0)
    told = data[at + 2 : at + 2 + wide]
    size = int.from_bytes(told, "big") if len(told) == wide else 0
    return 2 + wide + (4 if data[at + 1] & 0x80 else 0), size if wide else short
