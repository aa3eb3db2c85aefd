"""Text from outside changes no command."""

import pytest

from fsctl.call import commands
from fsctl.errors import Unencodable
from fsctl.esl import encode

HARMLESS = "Ann O\u2019Neil, 3 {x} = y"


def test_variables_are_set_at_once() -> None:
    command = commands.SetVariables(uuid="c-1", variables=(("fsctl_queue", "support@fsctl"), ("a", "b c")))
    assert encode.encode(command).render() == "api uuid_setvar_multi c-1 fsctl_queue=support@fsctl;a=b c"


@pytest.mark.parametrize(
    "evil", ["x;fsctl_queue=evil@x", "a'b", 'a"b', "a\\", "a\n\napi shutdown", "a\r\nX: y"]
)
def test_a_value_cannot_end_its_pair_or_its_line(evil: str) -> None:
    line = encode.SetVariables("c-1", (("name", evil), ("last", "1"))).render()
    pairs = line.removeprefix("api uuid_setvar_multi c-1 ").split(";")
    assert len(pairs) == 2
    assert pairs[1] == "last=1"
    assert not set("\n\r'\"\\") & set(line)


def test_a_value_is_bounded() -> None:
    assert len(encode.variable("x" * 10_000)) == 1024


def test_harmless_text_stays_as_it_is() -> None:
    assert encode.variable(HARMLESS) == HARMLESS


@pytest.mark.parametrize("evil", ["", "a b", "x\n", "a;b", "u" * 65, "ü"])
def test_what_is_no_uuid_is_refused(evil: str) -> None:
    with pytest.raises(Unencodable):
        encode.HangUp(evil).render()
    with pytest.raises(Unencodable):
        encode.DumpChannel(evil).render()


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(Unencodable):
        encode.SetVariables("c-1", (("a=b;c", "1"),)).render()
    with pytest.raises(Unencodable):
        encode.HangUp("c-1", "NORMAL CLEARING").render()


def test_a_password_with_a_line_break_is_refused_and_not_told() -> None:
    with pytest.raises(Unencodable) as caught:
        encode.Auth("secret\n\napi shutdown").render()
    assert "secret" not in str(caught.value)


def test_custom_stands_last_in_the_subscription() -> None:
    words = encode.Subscribe().render().split()
    assert words[words.index("CUSTOM") + 1 :] == list(encode.SUBCLASSES)


@pytest.mark.parametrize("evil", ["", "a/b", "a'b", "a\nb", "a,b", "a b", "x" * 256])
def test_what_is_no_key_of_the_ledger_is_refused(evil: str) -> None:
    for command in (encode.ReadRow(evil), encode.StrikeOut(evil)):
        with pytest.raises(Unencodable):
            command.render()
