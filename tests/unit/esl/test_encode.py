"""Text from outside changes no command."""

import re

import pytest

from fsctl.call import commands
from fsctl.errors import Unencodable
from fsctl.esl import encode
from fsctl.esl.decode import callcenter

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


def test_of_what_runs_only_what_leaves_a_gap_is_sent() -> None:
    """FreeSWITCH's expressions are PCRE; what it drops costs nobody anything (mod_event_socket.c, 320-360)."""
    passes = {header: re.compile(value.strip("/")) for header, value in encode.FILTERS}
    assert {"CHANNEL_EXECUTE", "API"} <= set(encode.EVENTS)
    for event in (*encode.EVENTS, "CUSTOM"):
        assert bool(passes["Event-Name"].search(event)) is (event not in ("CHANNEL_EXECUTE", "API", "CUSTOM"))
    for application, passed in (("record_session_mask", True), ("record_session", False), ("set", False)):
        assert bool(passes["Application"].search(application)) is passed
    assert encode.Filter("A-B", "/x|y$/").render() == "filter A-B /x|y$/"


def test_of_what_mod_callcenter_tells_all_that_is_read_is_sent() -> None:
    passes = re.compile(dict(encode.FILTERS)["CC-Action"].strip("/"))
    assert all(passes.search(action) for action in callcenter.READERS)
    for action in ("members-count", "agent-state-change", "bridge-agent-end"):
        assert passes.search(action) is None


@pytest.mark.parametrize("evil", ["", "/a'b.wav", '/a"b', "/a|b", "/a\nb", "/a\\b"])
def test_a_path_that_could_be_more_than_one_argument_is_refused(evil: str) -> None:
    with pytest.raises(Unencodable):
        encode.MaskRecording("c-1", evil, masked=True).render()


def test_a_path_with_a_blank_is_one_argument() -> None:
    command = encode.MaskRecording("c-1", "/a b/c.wav", masked=False)
    assert command.render() == "api uuid_record c-1 unmask '/a b/c.wav'"


@pytest.mark.parametrize("evil", ["", "a/b", "a'b", "a\nb", "a,b", "a b", "x" * 256])
def test_what_is_no_key_of_the_ledger_is_refused(evil: str) -> None:
    for command in (encode.ReadRow(evil), encode.StrikeOut(evil)):
        with pytest.raises(Unencodable):
            command.render()


def test_what_is_asked_of_the_directory_and_of_gateways_cannot_become_another_command() -> None:
    assert (
        encode.ReadPassword("15550100900@whatsapp").render().endswith("15550100900@whatsapp param password")
    )
    assert encode.StartGateway("whatsapp", "meta").render() == "api sofia profile whatsapp startgw meta"
    assert encode.ForgetGateway("whatsapp", "meta").render() == "api sofia profile whatsapp killgw meta"
    assert encode.ReadGlobal("fsctl_spool").render() == "api global_getvar fsctl_spool"
    for evil in ("a b", "", "x\n\napi shutdown"):
        with pytest.raises(Unencodable):
            encode.StartGateway("whatsapp", evil).render()
        with pytest.raises(Unencodable):
            encode.ReadGlobal(evil).render()
    with pytest.raises(Unencodable):
        encode.ReadPassword("x'@y").render()
