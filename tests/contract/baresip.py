"""baresip (Debian) as a phone: Meta's side with TLS, SDES and Opus, or an agent who registers. A third SIP stack.

It cannot add headers of its own, so its calls have no wacid; what headers do is tested with meta.py and live.py.
Commands and events are JSON in netstrings (baresip, modules/ctrl_tcp).
"""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.contract.live import free_port

BINARY = shutil.which("baresip")
PATIENCE_S = 60.0
MODULES = ("opus", "g711", "srtp", "aufile", "uuid")
APPLICATIONS = ("account", "menu", "ctrl_tcp")
"""Loaded when the modules are: an account that wants a codec must find it."""


class Baresip:
    """One process with one account."""

    def __init__(self, folder: Path, account: str, says: Path) -> None:
        """Args: account: a line of its ``accounts`` file; says: a WAV that it plays in a call, at the rate and with
        the channels of its codec (Opus: 48 kHz, two)."""
        folder.mkdir()
        self._control = free_port()
        (folder / "config").write_text(self._config(says))
        (folder / "accounts").write_text(account + "\n")
        (folder / "contacts").write_text("")
        self._log = (folder / "output.log").open("wb")
        self._process = subprocess.Popen(
            [str(BINARY), "-f", str(folder)], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        self._socket = self._connect()
        self._buffer = b""

    def _config(self, says: Path) -> str:
        path = subprocess.run(
            ["dpkg-query", "-L", "baresip-core"], capture_output=True, text=True, check=True
        ).stdout
        modules = next(Path(line).parent for line in path.splitlines() if line.endswith("/ctrl_tcp.so"))
        lines = [
            f"module_path {modules}",
            *(f"module {name}.so" for name in MODULES),
            *(f"module_app {name}.so" for name in APPLICATIONS),
            f"sip_listen 127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
            f"audio_source aufile,{says}",
            f"ctrl_tcp_listen 127.0.0.1:{self._control}",
            "net_interface 127.0.0.1",
            "sip_verify_server no",
            "call_max_calls 2",
        ]
        return "\n".join(lines) + "\n"

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self._control), 5)
            except OSError:
                assert self._process.poll() is None, "baresip does not run"
                assert time.monotonic() < deadline, "baresip does not listen"
                time.sleep(0.1)

    def command(self, name: str, params: str = "") -> None:
        """``dial``, ``accept``, ``hangup``, ..."""
        text = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._socket.sendall(b"%d:%s," % (len(text), text))

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The next event of this type, such as CALL_ESTABLISHED."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            message = self._next(deadline)
            if message.get("type") == kind:
                return message
            assert message.get("type") != "CALL_CLOSED", message
        raise AssertionError(f"baresip never said {kind}")

    def _next(self, deadline: float) -> dict[str, Any]:
        while True:
            length, colon, rest = self._buffer.partition(b":")
            if colon and len(rest) > int(length):
                self._buffer = rest[int(length) + 1 :]
                found: dict[str, Any] = json.loads(rest[: int(length)])
                return found
            self._socket.settimeout(max(0.1, deadline - time.monotonic()))
            data = self._socket.recv(65536)
            assert data, "baresip ended"
            self._buffer += data

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._log.close()
