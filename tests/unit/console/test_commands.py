"""Lines of the console are read as a shell reads them, and refused in words."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsctl.console.commands import COMMANDS, Who
from fsctl.console.commands.command import parse
from fsctl.console.commands.steering import prompts
from fsctl.console.commands.where import conditions
from fsctl.errors import BadInput, Unencodable
from fsctl.esl import encode


def test_a_line_is_a_command_and_its_arguments() -> None:
    parsed = parse("fsctl agent 'Ann B' status out --dry-run --json", COMMANDS)
    assert (parsed.command.name, parsed.options.name, parsed.options.value) == ("agent", "Ann B", "out")
    assert parsed.dry_run
    assert parsed.options.json
    assert parse("calls --json where queue=a@b --watch", COMMANDS).watch


def test_nothing_is_help() -> None:
    for line in ("", "   ", "fsctl"):
        assert parse(line, COMMANDS).command.name == "help"
    assert parse("calls --help", COMMANDS).options.command == "calls"


WRONG = {
    "nonsense": "no command is named 'nonsense'",
    "fsctl fsctl calls": "no command is named 'fsctl'",
    "hangup": "the following arguments are required: uuid; usage: hangup",
    "hangup a b": "invalid choice: 'b'",
    "calls --nonsense": "unrecognized arguments: --nonsense",
    "hangup a --dry": "unrecognized arguments: --dry",
    "calls 'x": "quotes come in pairs",
    "x" * 5000: "at most 4096 characters",
    "tail many": "invalid int value",
    "call \x00": "without control characters",
    "call \ud800": "without control characters",
    "call a\nhangup b": "a command is one line",
    "route explain --wacid a --at 999999d": "expected a time such as",
    "agent a sing": "invalid choice: 'sing'",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_no_command_is_refused_in_one_line(line: str) -> None:
    with pytest.raises(BadInput, match=re.escape(WRONG[line])) as caught:
        parse(line, COMMANDS)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=80))
def test_no_line_is_more_than_refused(line: str) -> None:
    try:
        parsed = parse(line, COMMANDS)
    except BadInput:
        return
    assert parsed.command.name in COMMANDS


@given(st.sampled_from(sorted(COMMANDS)), st.lists(st.text(max_size=12), max_size=5))
def test_no_arguments_are_more_than_refused(name: str, words: list[str]) -> None:
    try:
        parsed = parse(" ".join([name, *words]), COMMANDS)
    except BadInput:
        return
    assert parsed.command.name in (name, "help")


def test_what_changes_something_is_for_operators_and_can_be_tried() -> None:
    for command in COMMANDS.values():
        assert command.changes == (command.role != "viewer"), command.name
        options = {text for action in command.parser()._actions for text in action.option_strings}
        assert ("--dry-run" in options) == command.changes, command.name
        assert ("--yes" in options) == (command.question is not None), command.name
        assert "--json" in options, command.name


def test_roles_may_what_those_before_them_may() -> None:
    assert [Who("a", role).may("operator") for role in ("viewer", "operator", "admin")] == [False, True, True]


def test_conditions_are_keys_and_values() -> None:
    assert conditions([], ("a",)) == {}
    assert conditions(["where", "a=1=2", "and", "b=x y"], ("a", "b")) == {"a": "1=2", "b": "x y"}
    with pytest.raises(BadInput, match="expected KEY=VALUE with one of a, b"):
        conditions(["where", "c=1"], ("a", "b"))
    with pytest.raises(BadInput, match="twice"):
        conditions(["where", "a=1", "a=2"], ("a",))


def test_prompts_are_those_that_stand_in_the_tree() -> None:
    assert set(prompts()) == {"en", "es", "pt", "hi"}
    assert "voice" not in prompts()["en"]
    assert all(set(names) == set(prompts()["en"]) for names in prompts().values())


@pytest.mark.parametrize("path", ["hangup::x", "/a/${x}.wav", "a'b", "a\nb", ""])
def test_only_a_file_is_played(path: str) -> None:
    with pytest.raises(Unencodable):
        encode.Play("c-1", path).render()


def test_a_transfer_names_its_context() -> None:
    rendered = encode.Transfer("c-1", "transferred", "fsctl-path").render()
    assert rendered == "api uuid_transfer c-1 transferred XML fsctl-path"
    with pytest.raises(Unencodable):
        encode.Transfer("c-1", "a b", "c").render()
    rendered = encode.Play("c-1", "/my prompts/a.wav", "both").render()
    assert rendered == "api uuid_broadcast c-1 '/my prompts/a.wav' both"


def test_each_command_is_documented_with_its_role() -> None:
    text = (Path(__file__).parents[3] / "docs" / "console.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)[^|]*(?:\\\|[^|]*)*\| ([\w ]+) \|", text, re.MULTILINE))
    assert {name: role for name, role in rows.items() if name != "api"} == {
        name: command.role for name, command in COMMANDS.items() if name != "api"
    }
