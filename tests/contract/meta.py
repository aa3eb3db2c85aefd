"""Meta's SIP gateway as a stranger could write it: raw SIP over TLS, byte by byte, without any audio.

The far side (live.py) speaks like Meta and has audio; this one says whatever a test wants said, and counts what
comes back. One TLS connection carries every call, as Meta's proxy does (Meta, "Configure SIP"; RFC 3261).
"""

import base64
import hashlib
import re
import secrets
import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import gevent
from gevent.event import Event as Flag

PATIENCE_S = 20.0
NUMBER = "15550100900"
SUITE = "AES_CM_128_HMAC_SHA1_80"


def offer(port: int, *, crypto: bool = True, opus: Sequence[str] = ()) -> str:
    """The SDP of an INVITE: PCMU, or Opus with these parameters, one payload type each (RFC 7587); and a key of
    SDES unless the test wants none (RFC 4568)."""
    key = base64.b64encode(secrets.token_bytes(30)).decode()
    types = [str(96 + number) for number in range(len(opus))] or ["0"]
    codecs = [
        line
        for type_, parameters in zip(types, opus)
        for line in (f"a=rtpmap:{type_} opus/48000/2", f"a=fmtp:{type_} {parameters}")
    ] or ["a=rtpmap:0 PCMU/8000"]
    lines = [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
        f"m=audio {port} RTP/{'SAVP' if crypto else 'AVP'} {' '.join(types)} 101", *codecs,
        "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=sendrecv",
    ]  # fmt: skip
    if crypto:
        lines.append(f"a=crypto:1 {SUITE} inline:{key}")
    return "\r\n".join(lines) + "\r\n"


@dataclass
class Call:
    """One dialog, and all that FreeSWITCH said in it."""

    call_id: str
    tag: str
    number: str
    user: str
    display: str
    headers: tuple[tuple[str, str], ...]
    body: str
    branch: str = ""
    cseq: int = 1
    remote: str = ""
    """The To header of the answer, with FreeSWITCH's tag."""
    contact: str = ""
    statuses: list[int] = field(default_factory=list)
    """Of our INVITEs, in order; 407 then 200 in a good call."""
    requests: list[str] = field(default_factory=list)
    """Methods that FreeSWITCH sent within the dialog: a BYE at its end, and never an INVITE."""
    reason: str = ""
    """The Reason header of a refusal."""
    answered: Flag = field(default_factory=Flag)
    ended: Flag = field(default_factory=Flag)


class Meta:
    """The gateway. Dials the profile ``whatsapp`` of the switch under test."""

    def __init__(self, port: int, password: str) -> None:
        """Args: port: of the profile, on 127.0.0.1; password: Meta's ``sip_user_password`` of the number."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5))
        self._socket.settimeout(None)
        self._password = password
        # Where FreeSWITCH sends its audio. Nobody listens; the kernel drops what is too much.
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.bind(("127.0.0.1", 0))
        self._calls: dict[str, Call] = {}
        self._reader = gevent.spawn(self._read)

    def close(self) -> None:
        """End the connection."""
        self._reader.kill()
        self._socket.close()
        self._sink.close()

    def dial(
        self,
        wacid: str,
        *,
        user: str = "15550100142",
        display: str = "Ann",
        number: str = NUMBER,
        headers: Iterable[tuple[str, str]] = (),
        crypto: bool = True,
        opus: Sequence[str] = (),
    ) -> Call:
        """Send an INVITE as Meta does; the digest is answered when FreeSWITCH asks for it."""
        call = Call(
            call_id=f"outgoing:{wacid}",
            tag=secrets.token_hex(6),
            number=number,
            user=user,
            display=display,
            headers=(("X-FB-External-Domain", "wa.meta.vc"), ("x-wa-meta-wacid", wacid), *headers),
            body=offer(self._sink.getsockname()[1], crypto=crypto, opus=opus),
        )
        self._calls[call.call_id] = call
        self._invite(call, None)
        return call

    def hang_up(self, call: Call) -> None:
        """BYE, with Meta's header."""
        call.cseq += 1
        self._request(call, "BYE", call.contact, (("x-wa-meta-call-duration", "1"),), "")

    def cancel(self, call: Call) -> None:
        """Give up before the answer."""
        self._request(call, "CANCEL", self._uri(call), (), "")

    # --- what goes out -----------------------------------------------------------------------------------

    def _uri(self, call: Call) -> str:
        return f"sip:+{call.number}@127.0.0.1;transport=tls"

    def _invite(self, call: Call, challenge: str | None) -> None:
        call.branch = f"z9hG4bK{secrets.token_hex(8)}"
        headers = [*call.headers, ("Content-Type", "application/sdp")]
        if challenge is not None:
            headers.append(("Proxy-Authorization", self._digest(challenge)))
        self._request(call, "INVITE", self._uri(call), headers, call.body)

    def _request(
        self, call: Call, method: str, uri: str, headers: Iterable[tuple[str, str]], body: str
    ) -> None:
        branch = call.branch if method in ("INVITE", "CANCEL") else f"z9hG4bK{secrets.token_hex(8)}"
        to = call.remote if method in ("ACK", "BYE") and call.remote else f"<sip:+{call.number}@127.0.0.1>"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/TLS 127.0.0.1:5061;branch={branch};rport",
            f'From: "{call.display}" <sip:{call.user}@wa.meta.vc>;tag={call.tag}',
            f"To: {to}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {call.cseq} {method}",
            f"Contact: <sip:{call.user}@127.0.0.1:5061;transport=tls;ob>;isfocus",
            "Max-Forwards: 70",
            "Allow: INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS",
            "User-Agent: Facebook SipGateway",
            *(f"{name}: {value}" for name, value in headers),
            f"Content-Length: {len(body.encode())}",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape"))

    def _digest(self, challenge: str) -> str:
        """RFC 2617; user name is the number's digits, and the URI lacks ``;transport=tls`` as Meta's does."""
        asked = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        uri = f"sip:+{NUMBER}@127.0.0.1"
        nonce_count, nonce = "00000001", secrets.token_hex(8)

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        user = md5(f"{NUMBER}:{asked['realm']}:{self._password}")
        response = md5(f"{user}:{asked['nonce']}:{nonce_count}:{nonce}:auth:{md5(f'INVITE:{uri}')}")
        return (
            f'Digest username="{NUMBER}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, cnonce="{nonce}", qop=auth, nc={nonce_count}'
        )

    # --- what comes in -----------------------------------------------------------------------------------

    def _read(self) -> None:
        data = b""
        while True:
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                text = head.decode("utf-8", "surrogateescape").lstrip("\r\n")
                length = int(_header(text, "Content-Length") or 0)
                if len(rest) < length:
                    break
                data = rest[length:]
                self._take(text)
            chunk = self._socket.recv(65536)
            if not chunk:
                return
            data += chunk

    def _take(self, text: str) -> None:
        call = self._calls.get(_header(text, "Call-ID"))
        first = text.split("\r\n", 1)[0]
        if not first.startswith("SIP/2.0"):
            self._answer(text)
            if call is not None:
                call.requests.append(first.split(" ", 1)[0])
                if first.startswith("BYE"):
                    call.ended.set()
            return
        status, method = int(first.split(" ", 2)[1]), _header(text, "CSeq").split(" ")[1]
        if call is not None and status >= 200:
            if method == "INVITE":
                self._final(call, status, text)
            elif method == "BYE":
                call.ended.set()

    def _final(self, call: Call, status: int, text: str) -> None:
        """A final answer to an INVITE. The ACK of a refusal belongs to its transaction, that of a 200 does not."""
        call.statuses.append(status)
        call.remote = _header(text, "To")
        if status == 200:
            call.contact = re.sub(r"^<|>.*$", "", _header(text, "Contact"))
            self._request(call, "ACK", call.contact, (), "")
            call.answered.set()
            return
        branch = call.branch
        self._acknowledge(call, branch)
        if status == 407 and call.statuses.count(407) == 1:
            call.cseq += 1
            call.remote = ""
            self._invite(call, _header(text, "Proxy-Authenticate"))
            return
        call.reason = _header(text, "Reason")
        call.ended.set()

    def _acknowledge(self, call: Call, branch: str) -> None:
        lines = [
            f"ACK {self._uri(call)} SIP/2.0",
            f"Via: SIP/2.0/TLS 127.0.0.1:5061;branch={branch};rport",
            f'From: "{call.display}" <sip:{call.user}@wa.meta.vc>;tag={call.tag}',
            f"To: {call.remote}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {call.cseq} ACK",
            "Content-Length: 0",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))

    def _answer(self, text: str) -> None:
        """200 to whatever FreeSWITCH asks within a dialog, but 500 to a re-INVITE as Meta does ("FAQ")."""
        if text.startswith("ACK"):
            return
        kept = [
            line
            for line in text.split("\r\n")
            if re.match(r"(Via|From|To|Call-ID|CSeq):", line, re.IGNORECASE)
        ]
        status = "500 Server Internal Error" if text.startswith("INVITE") else "200 OK"
        self._socket.sendall(
            "\r\n".join([f"SIP/2.0 {status}", *kept, "Content-Length: 0"]).encode("utf-8", "surrogateescape")
            + b"\r\n\r\n"
        )


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, re.IGNORECASE | re.MULTILINE)
    return found[1].strip() if found else ""
