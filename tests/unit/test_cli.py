"""Every command has help and is documented."""

import argparse
from pathlib import Path

import pytest

from fsctl import arguments, cli

ROOT = Path(__file__).parent.parent.parent


def commands() -> list[str]:
    (action,) = [a for a in arguments.make_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return list(action.choices)


@pytest.mark.parametrize("command", commands())
def test_a_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 100


@pytest.mark.parametrize("command", commands())
def test_a_command_is_documented(command: str) -> None:
    assert f"fsctl {command}" in (ROOT / "docs" / "commands.md").read_text()


def test_an_error_for_a_person_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("colour = 1")
    assert cli.main(["--config", str(file), "serve"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fsctl: ")
    assert error.count("\n") == 1
