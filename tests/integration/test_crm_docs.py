"""docs/crm.md: every command of it, in order, as a CRM's developer types them; and what it tells is so."""

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket

from fsctl import cli
from fsctl.crm import events
from fsctl.store.db import Database
from fsctl.store.tokens import SCOPES
from fsctl.web.api.table import OPERATIONS
from tests.integration.crm_house import WAV, Crm, fill

DOCS = (Path(__file__).parent.parent.parent / "docs" / "crm.md").read_text()


def blocks(kind: str) -> list[str]:
    """What stands in the page as code of a kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", DOCS, re.DOTALL)


class Developer:
    """Types what the page says: ``NAME...`` becomes what was printed last and begins so."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], served: str) -> None:
        self.folder, self.out = folder, ""
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        self.children: list[subprocess.Popen[str]] = []
        self._capsys = capsys
        self._receives = free_port()
        self._ports = {"127.0.0.1:8030": served, "127.0.0.1:8099": f"127.0.0.1:{self._receives}"}

    def page(self, text: str) -> str:
        """With our ports in place of those of the page."""
        for theirs, ours in self._ports.items():
            text = text.replace(theirs, ours)
        return text.replace("8099", self._receives)

    def type(self, line: str) -> None:
        """Run one line."""
        line = re.sub(r"([\w-]+_|[0-9a-f]{8}-)\.\.\.", lambda found: self._printed(found[1]), self.page(line))
        words = shlex.split(line)
        if words[0] == "fsctl":
            assert cli.main(words[1:]) == 0, line
            self._prints(self._capsys.readouterr().out)
        elif words[0] == "export":
            self.environment |= dict([words[1].split("=", 1)])
        elif words[-1] == "&":
            self._begin(words[:-1])
        else:
            self._curl(line)

    def _curl(self, line: str) -> None:
        assert line.startswith("curl -s "), line
        command = ["bash", "-c", line.replace("curl -s", "curl -sS --fail-with-body", 1)]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        self._prints(done.stdout)

    def _begin(self, words: list[str]) -> None:
        (name, _, value), (program, *arguments) = words[0].partition("="), words[1:]
        assert program == "python"
        child = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env={name: value}, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.children.append(child)
        with gevent.Timeout(20):
            while not is_listening(self._receives):
                gevent.sleep(0.05)

    def _prints(self, text: str) -> None:
        self.out += text

    def _printed(self, begins: str) -> str:
        if begins.endswith("-"):
            return str(json.loads(self.out[self.out.rindex('{"data"') :])["data"][0]["call_uuid"])
        return re.findall(rf"{begins}[\w+/=-]+", self.out)[-1]


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def is_listening(port: str) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", int(port))).close()
        return True
    return False


@pytest.fixture
def developer(
    tmp_path: Path,
    database: Database,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Developer]:
    if shutil.which("curl") is None:
        pytest.skip("the page's commands need curl, which is not installed")
    fill(tmp_path, database)
    crm = Crm(database)
    found = Developer(tmp_path, capsys, crm.url.removeprefix("http://"))
    settings = "\n".join(found.page(one) for one in blocks("toml"))
    (tmp_path / "fsctl.toml").write_text(f'database_url = "{dsn}"\n{settings}')
    (tmp_path / "receiver.py").write_text(found.page(blocks("python")[0]))
    monkeypatch.chdir(tmp_path)
    yield found
    for child in found.children:
        child.kill()
        child.wait()
    crm.stop()


def test_every_command_of_the_page_does_what_it_says(developer: Developer) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) >= 25
    for line in lines:
        developer.type(line)
        if line == "fsctl crm test 1":
            assert "HTTP 204" in developer.out, "the signature was verified"
            (receiver,) = developer.children
            assert receiver.stdout is not None
            assert events.TEST in receiver.stdout.readline()
    assert {"fsctl token new", "fsctl crm endpoint add", "WEBHOOK_SECRET=whsec_...", "curl -s -H"} <= {
        head for line in lines for head in (" ".join(line.split()[:n]) for n in range(1, 5))
    }
    assert (developer.folder / "call.wav").read_bytes() == WAV
    assert len((developer.folder / "caller.wav").read_bytes()) == 65536
    for told in (
        "<mark>refund</mark>",
        "WEBVTT",
        '{"stored":true}',
        '"openapi":"3.1.0"',
        '"type":"recording.ready"',
    ):
        assert told in developer.out, told


def test_the_page_names_every_operation_and_who_may() -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/v1/\S+)` \|.*\| ([a-z, ]+) \|$", DOCS, re.MULTILINE)
    told = [(method, path, set(scopes.split(", "))) for method, path, scopes in rows]
    assert told == [(one.method, one.path, set(one.scopes)) for one in OPERATIONS]
    assert all(f"`{scope}`" in DOCS for scope in SCOPES)


def test_the_page_names_every_type_and_shows_an_event_that_is_one() -> None:
    table = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", DOCS, re.MULTILINE)
    assert table == list(events.TYPES)
    for name, line in zip(
        table, re.findall(r"^\| `[a-z]+\.[a-z]+` \|.*\|(.*)\|$", DOCS, re.MULTILINE), strict=True
    ):
        assert re.findall(r"`(\w+)`", line) == list(events.schema()["$defs"][name]["properties"]), name
    shown = json.loads(blocks("json")[0])
    required = events.schema()["$defs"]["call.ended"]["required"]
    assert set(shown["data"]) == {"thread_id", "call_uuid", *required}
