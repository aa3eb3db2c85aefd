"""What ``fsctl check`` says of the archive and of the websocket source."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsctl import check
from fsctl.config import Archive, Config, Node, Websocket
from fsctl.finding import Finding
from fsctl.media import archive as archives
from fsctl.media import disk


def findings(one: check.Check, settings: Config) -> list[Finding]:
    return list(check._guarded(one, settings))


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    (tmp_path / "spool").mkdir()
    return Config(data_dir=tmp_path / "data", nodes=(Node(name="fs1", spool=tmp_path / "spool"),))


def test_an_archive_that_is_not_there_yet_is_tried_and_not_made(settings: Config, tmp_path: Path) -> None:
    written, room, way = findings(check._archive, settings)
    assert (written.ok, room.ok, way.ok) == (True, True, True)
    assert written.finding == f"{tmp_path}/data/archive: can be written, as wav"
    assert room.finding.endswith("% used")
    assert way.finding == "spool fs1 is on one file system: a recording is archived without a copy"
    assert [path.name for path in tmp_path.rglob("*")] == ["spool"]


def test_an_archive_that_cannot_be_written_says_so(settings: Config, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "archive").write_text("not a folder")
    (found,) = findings(check._archive, settings)
    assert not found.ok
    assert f"{tmp_path}/data/archive: NotADirectoryError" in found.finding
    assert "[archive] url" in found.cure


def test_a_disk_that_fills_is_said_with_what_will_be_done(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_share_used", lambda _: 0.9)
    _, room, _ = findings(check._archive, settings)
    assert (room.ok, room.finding) == (False, "90% used")
    assert room.cure == "make room: at 92% the oldest recordings are made smaller"


def test_another_file_system_is_told(settings: Config, tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    *_, way = findings(check._archive, Config(nodes=settings.nodes, archive=Archive(url=str(elsewhere))))
    assert "spool fs1 is on another file system: each recording is copied" in way.finding


def test_an_object_store_is_written_read_and_left_as_it_was() -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    (found,) = findings(check._archive, Config(archive=Archive(url="memory://checked/x", format="flac")))
    assert (found.ok, found.finding) == (True, "memory://checked/x: can be written, as flac")
    assert not MemoryFileSystem().find("/checked")


def test_a_store_that_spoils_what_it_gets_or_is_unknown_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda *_, **__: b"")
    (found,) = findings(check._archive, Config(archive=Archive(url="memory://checked/x")))
    assert not found.ok
    assert "what came back is not what was sent" in found.finding
    (found,) = findings(check._archive, Config(archive=Archive(url="nope://x")))
    assert (found.ok, found.what) == (False, "archive")
    assert archives.PROBE


def websocket(listen: str) -> list[Finding]:
    return findings(check._websocket, Config(websocket=Websocket(listen=listen, secret="x" * 16)))


@pytest.fixture
def busy() -> Iterator[str]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_the_websocket_source_is_looked_at_where_there_is_one(busy: str) -> None:
    assert websocket("") == []
    (taken,) = websocket(busy)
    assert (taken.ok, taken.finding) == (True, f"somebody listens on {busy}: `fsctl media`, if it runs")
    (free,) = websocket("127.0.0.1:0")
    assert (free.ok, free.finding) == (True, "127.0.0.1:0 is free; `fsctl media` listens there, secret set")


@pytest.mark.parametrize("listen", ["192.0.2.1:9003", "no-such-host.invalid:9003"])
def test_an_address_that_is_not_ours_is_a_fault(listen: str) -> None:
    (found,) = websocket(listen)
    assert not found.ok
    assert found.finding.startswith(f"{listen}: ")
    assert "HOST must be an address of this machine" in found.cure
