"""``fsctl check``: what is missing or wrong on this machine and in this config, with the cure."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from errno import EADDRINUSE
from importlib.util import find_spec
from pathlib import Path

from fsctl import app, config
from fsctl.config import Config, Node
from fsctl.errors import ArchiveError, FsctlError, LinkError
from fsctl.finding import Finding, show
from fsctl.media.disk import Disk

LOW_DISK_BYTES = 2 << 30


Check = Callable[[Config], Iterator[Finding]]


def main(path: Path | None, *, as_json: bool) -> int:
    """Look at everything; 0 when all is well, 1 when something must be done."""
    try:
        settings = config.load(path)
        findings = [Finding(True, "config", settings.source)]
        findings += [finding for check in CHECKS for finding in _guarded(check, settings)]
    except FsctlError as error:
        findings = [
            Finding(False, "config", str(error), "mend the file; fsctl.example.toml has every setting")
        ]
    return show(findings, as_json=as_json)


def _guarded(check: Check, settings: Config) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except FsctlError as error:
        yield Finding(False, check.__name__.removeprefix("_"), str(error))


def _python(_settings: Config) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(
        sys.version_info >= (3, 11),
        "python",
        version,
        "" if sys.version_info >= (3, 11) else "use 3.11 or newer",
    )


def _data_dir(settings: Config) -> Iterator[Finding]:
    folder = settings.data_dir.absolute()
    there = next(place for place in (folder, *folder.parents) if place.exists())
    writable = os.access(there, os.W_OK)
    yield Finding(
        writable, "data folder", str(folder), "" if writable else f"let this account write in {there}"
    )
    free = shutil.disk_usage(there).free
    enough = free > LOW_DISK_BYTES
    yield Finding(
        enough, "disk", f"{free / 1e9:.1f} GB free", "" if enough else "make room: recordings need it"
    )


def _postgres(settings: Config) -> Iterator[Finding]:
    from fsctl.store import migrate

    if settings.database_url:
        dsn, name = settings.database_url, "configured one"
    else:
        server = app.embedded(settings)
        if not server.is_running():
            yield Finding(
                True, "postgres", f"embedded one, not running ({server.binaries})", "`fsctl run` starts it"
            )
            return
        dsn, name = server.dsn, "embedded one"
    missing = migrate.pending(dsn)
    yield Finding(True, "postgres", f"{name} answers")
    yield Finding(
        not missing,
        "schema",
        ", ".join(missing) + " to apply" if missing else "up to date",
        "run `fsctl init-db`" if missing else "",
    )


def _model(settings: Config) -> Iterator[Finding]:
    from fsctl.transcribe import engine

    wanted = settings.transcribe
    folder = engine.locate(wanted.engine, wanted.model, settings.models)
    yield Finding(True, "model", f"{folder}: as it should be")


def _nodes(settings: Config) -> Iterator[Finding]:
    if not settings.nodes:
        yield Finding(True, "freeswitch", "none configured", "`fsctl run` starts the simulated one")
    for node in settings.nodes:
        yield _spool(node)
        yield _event_socket(node)


def _spool(node: Node) -> Finding:
    try:
        app.require_readable(node.spool)
    except FsctlError as error:
        return Finding(
            False, f"spool {node.name}", str(error), "set [[node]] spool to the folder of fsctl_spool"
        )
    return Finding(True, f"spool {node.name}", str(node.spool))


def _event_socket(node: Node) -> Finding:
    from fsctl.esl import encode
    from fsctl.esl.connection import Connection

    what = f"esl {node.name}"
    connection = Connection(node.host, node.port, node.password, lambda _event: None)
    try:
        connection.connect()
        status = connection.must(encode.Status()).splitlines()
    except LinkError as error:
        return Finding(
            False, what, str(error), "look at event_socket.conf.xml: listen-ip, listen-port, password, ACL"
        )
    finally:
        connection.close()
    return Finding(True, what, status[1] if len(status) > 1 else "answers")


def _archive(settings: Config) -> Iterator[Finding]:
    from fsctl.media.archive import Folder, open_archive

    place = open_archive(settings.archive_url, settings.data_dir / "staging")
    what = f"{settings.archive_url}: can be written, as {settings.archive.format}"
    try:
        place.prove()
    except ArchiveError as error:
        cure = "the account that runs `fsctl media` must be able to write there; see [archive] url"
        yield Finding(False, "archive", str(error), cure)
        return
    yield Finding(True, "archive", what)
    if isinstance(place, Folder):
        yield from _archive_folder(settings, place.standing)


def _archive_folder(settings: Config, root: Path) -> Iterator[Finding]:
    used = Disk(root, root).archive_used()
    roomy = used < settings.archive.disk_alarm
    cure = f"make room: at {settings.archive.disk_compress:.0%} the oldest recordings are made smaller"
    yield Finding(roomy, "archive disk", f"{used:.0%} used", "" if roomy else cure)
    for node in settings.nodes:
        if node.spool.is_dir():
            is_one = node.spool.stat().st_dev == root.stat().st_dev
            how = "one file system: a recording is archived without a copy"
            apart = "another file system: each recording is copied, and read again to compare"
            yield Finding(True, "archive", f"spool {node.name} is on {how if is_one else apart}")


def _websocket(settings: Config) -> Iterator[Finding]:
    """A secret that is missing or short is an error of the config already."""
    listen = settings.websocket.listen
    if not listen:
        return
    if find_spec("websockets") is None:
        yield Finding(False, "websocket", "the library is not installed", "pip install 'fsctl[websocket]'")
        return
    host, _, port = listen.rpartition(":")
    address = (host.strip("[]"), int(port))
    try:
        with socket.create_server(address, family=_family(address)):
            yield Finding(True, "websocket", f"{listen} is free; `fsctl media` listens there, secret set")
    except OSError as error:
        if error.errno == EADDRINUSE:
            yield Finding(True, "websocket", f"somebody listens on {listen}: `fsctl media`, if it runs")
            return
        cure = "see [websocket] listen: HOST must be an address of this machine"
        yield Finding(False, "websocket", f"{listen}: {error.strerror}", cure)


def _family(address: tuple[str, int]) -> socket.AddressFamily:
    return socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]


CHECKS: tuple[Check, ...] = (_python, _data_dir, _postgres, _model, _nodes, _archive, _websocket)
