"""Tokens: shown once, kept as a hash, counting until they are revoked or expire."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fsctl import cli
from fsctl.errors import BadInput
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.store.tokens import Tokens
from tests.integration.full_house import run

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def test_a_secret_is_known_by_its_hash_alone(database: Database, dsn: str) -> None:
    tokens = Tokens(database)
    secret = tokens.new("crm", ["crm", "supervisor"], who="ann")
    assert re.fullmatch(r"fsctl_[A-Za-z0-9_-]{43}", secret)
    (row,) = run(dsn, "select t.*, t::text as whole from token t")
    assert row["digest"] == hashlib.sha256(secret.encode()).digest()
    assert secret not in row["whole"]
    assert secret.removeprefix("fsctl_") not in row["whole"]
    known = tokens.known(secret, NOW)
    assert known is not None
    assert (known.name, known.scopes) == ("crm", {"crm", "supervisor"})


@pytest.mark.parametrize(
    "secret",
    ["", "fsctl_", "fsctl_" + "a" * 43, "Bearer", "fsctl_" + "x" * 500, "fsctl_\x00", "fsctl_\ud800"],
)
def test_what_is_no_secret_is_nobodys(database: Database, secret: str) -> None:
    Tokens(database).new("crm", ["crm"], who="ann")
    assert Tokens(database).known(secret, NOW) is None


def test_a_token_counts_until_it_expires_or_is_revoked(database: Database) -> None:
    tokens = Tokens(database)
    short = tokens.new("short", ["agent"], NOW + timedelta(hours=1), who="ann")
    assert tokens.known(short, NOW + timedelta(minutes=59)) is not None
    assert tokens.known(short, NOW + timedelta(hours=1)) is None
    long = tokens.new("long", ["ops"], who="ann")
    assert tokens.revoke("long", who="ann")
    assert tokens.known(long, NOW) is None
    assert not tokens.revoke("long", who="ann")


def test_a_name_is_taken_until_its_token_is_revoked(database: Database) -> None:
    tokens = Tokens(database)
    first = tokens.new("crm", ["crm"], who="ann")
    with pytest.raises(BadInput, match="there is a token 'crm' already"):
        tokens.new("crm", ["crm"], who="ann")
    tokens.revoke("crm", who="ann")
    second = tokens.new("crm", ["ops"], who="ann")
    assert tokens.known(first, NOW) is None
    assert tokens.known(second, NOW) is not None
    assert [one.revoked_at is None for one in tokens.list()] == [False, True]


def test_the_last_use_is_written_once_a_minute(database: Database, dsn: str) -> None:
    tokens = Tokens(database)
    secret = tokens.new("crm", ["crm"], who="ann")

    def used(seconds: int) -> tuple[datetime | None, str]:
        tokens.known(secret, NOW + timedelta(seconds=seconds))
        (row,) = run(dsn, "select last_used_at, xmin::text from token")
        return row["last_used_at"], row["xmin"]

    first = used(0)
    assert first[0] == NOW
    assert used(1) == used(59) == first
    assert used(61)[0] == NOW + timedelta(seconds=61)


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "a\nb", "é", "x" * 65, "a;drop"])
def test_a_bad_name_is_refused(database: Database, name: str) -> None:
    with pytest.raises(BadInput, match="no name of a token"):
        Tokens(database).new(name, ["crm"], who="ann")


@pytest.mark.parametrize("scopes", [[], ["admin"], ["crm", "root"]])
def test_a_bad_scope_is_refused(database: Database, scopes: list[str]) -> None:
    with pytest.raises(BadInput, match="crm, agent, supervisor, ops"):
        Tokens(database).new("crm", scopes, who="ann")


# --- the command


@pytest.fixture
def fsctl(dsn: str, tmp_path: Path) -> Callable[..., int]:
    """Runs a command line with this database; returns its exit code."""
    file = tmp_path / "fsctl.toml"
    file.write_text(f'database_url = "{dsn}"\n')
    return lambda *words: cli.main(["--config", str(file), *words])


def test_the_command_makes_lists_and_revokes(
    fsctl: Callable[..., int], database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fsctl("token", "new", "crm", "--scope", "crm", "--scope", "ops", "--expires", "90d") == 0
    secret = capsys.readouterr().out.strip()
    assert Tokens(database).known(secret, datetime.now(UTC)) is not None
    assert fsctl("token", "list") == 0
    shown = capsys.readouterr().out
    assert "crm ops" in shown
    assert "counts until" in shown
    assert "last used" in shown
    assert secret not in shown
    assert fsctl("token", "list", "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)
    left = datetime.fromisoformat(one["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    assert one["scopes"] == ["crm", "ops"]
    assert "digest" not in one
    assert fsctl("token", "revoke", "crm") == 0
    assert Tokens(database).known(secret, datetime.now(UTC)) is None
    assert fsctl("token", "list") == 0
    assert "revoked" in capsys.readouterr().out
    assert fsctl("token", "revoke", "crm") == 1
    told = capsys.readouterr().err
    assert "no token 'crm' counts" in told
    assert [(one.action, one.subject) for one in Audit(database).entries(action="token")] == [
        ("token.new", "crm"),
        ("token.revoke", "crm"),
    ]
    assert secret not in repr(Audit(database).entries())


@pytest.mark.parametrize("expires", ["90", "x", "0d", "-1d", "2026-01-01", "²d"])
def test_a_bad_expiry_is_refused(
    fsctl: Callable[..., int], expires: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        fsctl("token", "new", "crm", "--scope", "crm", f"--expires={expires}")
    assert ended.value.code == 2
    assert "12h or 90d" in capsys.readouterr().err
