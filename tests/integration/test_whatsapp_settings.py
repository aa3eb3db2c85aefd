"""``fsctl whatsapp`` against a fake Graph API over HTTP, with the traps that people met on the real one."""

import contextlib
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from fsctl import cli, config
from fsctl.arguments import make_parser
from fsctl.console import whatsapp
from fsctl.errors import BadInput, ConfigError, FsctlError, GraphError, LinkLost
from fsctl.esl import encode
from fsctl.esl.connection import Reply
from fsctl.sim.graph import FakeGraph
from fsctl.sim.graph_settings import GraphSettings, SimulatedNumber
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.whatsapp import password as password_file
from fsctl.whatsapp.graph import Graph

NUMBER, OTHER, ID, OTHER_ID = "15550100900", "15550100901", "1065", "1066"
TOML = f"""
[number.{NUMBER}]
queue = "office@x"
label = "Office"
phone_number_id = "{ID}"
[queue."office@x"]
hours = "office"
[hours.office]
timezone = "Europe/Madrid"
mon = ["09:00-13:00", "14:00-18:00"]
holidays = ["2099-12-25", "2099-12-28"]
[[node]]
password_env = "ESL"
[whatsapp]
waba_id = "1020"
access_token_env = "TOKEN"
[whatsapp.calling]
sip_host = "sip.example.com"
users_dir = "users"
"""


class Switch:
    """A FreeSWITCH's directory: it knows what was in the folder at its last reloadxml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, str] = {}
        self.learnt: list[str] = []
        self.gateways: list[str] = []
        """What the gateway began with, each time."""
        self.calls = True
        """Whether this number calls by a gateway."""
        self.is_deaf = False
        self.is_away = False
        self.is_stuck = False
        """Whether the gateway does not begin anew."""

    def must(self, command: encode.Request) -> str:
        assert isinstance(command, encode.ReloadXml)
        for file in () if self.is_deaf else self.folder.glob("*.xml"):
            user = ElementTree.parse(file).getroot().find("user")
            assert user is not None
            values = {one.get("name"): one.get("value") for one in user.iter("param")}
            assert values["allow-empty-password"] == "false"
            self.known[f"{user.get('id')}@whatsapp"] = str(values["password"])
            self.learnt.append(str(values["password"]))
        return "+OK [Success]"

    def request(self, command: encode.Request) -> Reply:
        if isinstance(command, encode.StartGateway):
            self.gateways.append(self.learnt[-1])
            done = "-ERR cannot add" if self.is_stuck else "+OK start"
            return Reply(f"Reload XML [Success]\n{done} gateway meta complete\n")
        if isinstance(command, encode.ForgetGateway):
            return Reply("+OK gateway marked for deletion." if self.calls else "-ERR no such gateway.")
        if isinstance(command, encode.ReadGlobal):
            known = {"fsctl_business_number": NUMBER, "fsctl_whatsapp_password": (self.learnt or [""])[-1]}
            return Reply(known[command.variable] if self.calls else "")
        assert isinstance(command, encode.ReadPassword)
        return Reply(self.known.get(command.user, "-ERR no reply\n"))


class House:
    """The fake Graph API, a FreeSWITCH, and fsctl between them."""

    def __init__(self, folder: Path, graph: FakeGraph, settings: GraphSettings, text: str = TOML) -> None:
        self.fake, self.settings = graph, settings
        self.number = settings.numbers[ID]
        (folder / "users").mkdir(exist_ok=True)
        self.switch = Switch(folder / "users")
        self.folder = folder
        self.audited: list[tuple[str, str, Any, str]] = []
        self.configure(text)

    def configure(self, text: str) -> None:
        (self.folder / "fsctl.toml").write_text(text)
        self.config = config.load(self.folder / "fsctl.toml", {"ESL": "a-password", "TOKEN": "token"})

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code and what was printed."""
        graph = Graph(self.fake.url, "v25.0", self.config.whatsapp.access_token, answer_s=5.0)
        options = make_parser().parse_args(["whatsapp", *words])
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            try:
                code = whatsapp.main(options, self.config, graph, self.connect, self.record)
            finally:
                graph.close()
        return code, printed.getvalue()

    @contextlib.contextmanager
    def connect(self, name: str) -> Iterator[Any]:
        assert name == "fs1"
        if self.switch.is_away:
            raise LinkLost("FreeSWITCH at 127.0.0.1:8021: refused")
        yield self.switch

    def record(self, *entry: Any) -> None:
        self.audited.append(entry)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = GraphSettings("2026-11-22")
    settings.numbers[ID] = SimulatedNumber("+1 555-010-0900")
    graph = FakeGraph()
    settings.add_routes(graph)
    graph.start()
    try:
        yield House(tmp_path, graph, settings)
    finally:
        graph.stop()


def sent(house: House) -> list[list[str]]:
    return [list(one) for one in house.settings.writes]


def test_status_shows_both_sides_and_fails_while_they_differ(house: House) -> None:
    code, text = house.run("status")
    assert code == 1
    assert "+15550100900 Office (1065)" in text
    assert re.search(r"^\* srtp_key_exchange_protocol +DTLS +SDES$", text, re.M)
    assert re.search(r"^  call_icon_visibility +DEFAULT +DEFAULT$", text, re.M)
    assert house.settings.writes == []


def test_apply_sends_what_differs_sdes_last_and_verifies(house: House) -> None:
    code, text = house.run("apply", "--yes")
    assert (code, text.splitlines()[-1]) == (0, "+15550100900: Meta has it now")
    assert sent(house)[0] == ["status", "sip"]
    assert sent(house)[-1] == ["srtp_key_exchange_protocol"]
    assert house.number.calling["srtp_key_exchange_protocol"] == "SDES"
    assert house.number.calling["call_hours"]["holiday_schedule"] == [
        {"date": "2099-12-28", "start_time": "0000", "end_time": "0001"}
    ]
    assert house.run("status")[0] == 0
    assert house.run("apply", "--yes") == (0, "+15550100900: as it should be\n")
    ((action, subject, detail, result),) = house.audited
    assert (action, subject, result) == ("whatsapp.settings", "+15550100900", "done")
    assert "sip.servers" in detail["changed"]


def test_a_write_of_the_server_that_undoes_sdes_is_made_good(house: House) -> None:
    house.run("apply", "--yes")
    house.configure(TOML.replace("sip.example.com", "sip2.example.com"))
    house.settings.writes.clear()
    assert house.run("apply", "--yes")[0] == 0
    assert sent(house) == [["status", "sip"], ["srtp_key_exchange_protocol"]]
    assert house.number.servers["900"]["hostname"] == "sip2.example.com"
    assert house.run("status")[0] == 0


def test_dry_run_shows_and_sends_nothing(house: House) -> None:
    code, text = house.run("apply", "--dry-run")
    assert code == 0
    assert 'would send {"calling": {"srtp_key_exchange_protocol": "SDES"}}' in text
    assert house.settings.writes == house.audited == []


def test_without_a_yes_nothing_is_sent(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="say --yes"):
        house.run("apply")
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    with pytest.raises(BadInput, match="nothing was sent"):
        house.run("apply")
    assert house.settings.writes == []
    monkeypatch.setattr("builtins.input", lambda _question: "y")
    assert house.run("apply")[0] == 0


class Terminal(io.StringIO):
    """Somebody is there."""

    def isatty(self) -> bool:
        return True


def test_call_hours_changes_the_hours_alone_and_says_the_holidays_whole(house: House) -> None:
    house.number.calling["call_icon_visibility"] = "DISABLE_ALL"
    assert house.run("call-hours", "--yes")[0] == 0
    assert sent(house) == [["call_hours"]]
    assert house.number.calling["call_icon_visibility"] == "DISABLE_ALL"
    house.configure(TOML.replace(', "2099-12-28"', ""))
    assert house.run("call-hours", "--yes")[0] == 0
    assert house.number.calling["call_hours"]["holiday_schedule"] == []
    assert house.run("call-hours", "--yes") == (0, "+15550100900: as it should be\n")


def test_a_queue_that_is_always_open_has_metas_hours_disabled(house: House) -> None:
    house.run("call-hours", "--yes")
    house.configure(TOML.replace('hours = "office"', ""))
    assert house.run("call-hours", "--yes")[0] == 0
    assert house.number.calling["call_hours"]["status"] == "DISABLED"


def test_hours_that_do_not_fit_are_an_error_before_anything_is_sent(house: House) -> None:
    house.configure(TOML.replace('"14:00-18:00"', '"14:00-15:00", "16:00-18:00"'))
    with pytest.raises(BadInput, match=r"\[hours\.office\] mon: opens 3 times"):
        house.run("apply", "--yes")
    with pytest.raises(BadInput, match="opens 3 times"):
        house.run("call-hours", "--yes")
    assert house.settings.writes == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda house: setattr(house.number, "messaging_limit", 250), "138015.*messaging limit of 2000"),
        (lambda house: house.settings.apps.clear(), "190.*make a new one"),
        (lambda house: setattr(house.settings, "calls_left", 1), "80007.*wait an hour"),
        (lambda house: house.settings.numbers.clear(), "100.*does not know this phone_number_id"),
    ],
)
def test_what_meta_refuses_is_said_with_what_to_do(
    house: House, spoil: Callable[[House], object], words: str
) -> None:
    spoil(house)
    with pytest.raises(GraphError, match=words):
        house.run("apply", "--yes")
    assert "token" not in str(house.audited).replace("access token", "")


def test_an_error_of_one_number_leaves_the_others_told(house: House) -> None:
    house.configure(TOML + f'[number.{OTHER}]\nphone_number_id = "{OTHER_ID}"\n')
    code, text = house.run("status")
    assert code == 1
    assert "Meta refused (100)" in text
    told = json.loads(house.run("status", "--json")[1])
    assert [one["number"] for one in told] == [NUMBER, OTHER]
    assert told[0]["settings"][0] == {
        "name": "status", "there": "DISABLED", "wanted": "ENABLED", "is_same": False,
    }  # fmt: skip
    assert "100" in told[1]["error"]


def test_an_unsure_write_is_sent_again_for_it_changes_nothing_twice(house: House) -> None:
    house.fake.fail_next(1, drop_after_accept=True, path=rf"/{ID}/settings")
    # The first request is the reading of the settings; it is no harm to lose it.
    with pytest.raises(GraphError):
        house.run("apply", "--yes")
    assert house.settings.writes == []

    def cut_the_next(request: Any) -> Any:
        house.fake.add_route("POST", rf"/({ID})/settings", house.settings.write)
        house.fake.fail_next(1, drop_after_accept=True, path=rf"/{ID}/settings")
        return house.settings.write(request)

    house.fake.add_route("POST", rf"/({ID})/settings", cut_the_next)
    assert house.run("apply", "--yes")[0] == 0
    assert house.run("status")[0] == 0


def test_what_meta_keeps_back_is_told_and_fails(house: House) -> None:
    house.settings.apps["other"] = "7"
    house.number.servers["7"] = {"hostname": "old.example.com", "port": 5061}
    code, text = house.run("apply", "--yes")
    assert code == 1
    assert "Meta has not taken all of it" in text
    assert "old.example.com:5061 (app 7)" in text
    assert "sip.servers" in house.audited[0][3]


def test_escapes_in_what_meta_says_reach_no_terminal(house: House) -> None:
    house.number.calling |= {
        "status": "\x1b[2J",
        "restrictions": {"restrictions_list": [{"type": "\x1b]0;x\x07", "reason": "a\nb", "expiration": 1}]},
    }
    for words in (("status",), ("apply", "--dry-run"), ("apply", "--yes")):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", house.run(*words)[1])


def test_a_number_that_meta_does_not_have_is_an_error(house: House) -> None:
    with pytest.raises(BadInput, match=r"no \[number\.1\]"):
        house.run("status", "--number", "+1")
    house.configure(TOML.replace(f'phone_number_id = "{ID}"', ""))
    with pytest.raises(BadInput, match="has a phone_number_id"):
        house.run("status")
    with pytest.raises(BadInput, match="phone_number_id is not set"):
        house.run("status", "--number", NUMBER)


def test_the_command_line_does_the_same_and_the_audit_says_who(
    house: House,
    dsn: str,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = TOML.replace("[whatsapp]\n", f'[whatsapp]\ngraph_url = "{house.fake.url}"\n')
    (house.folder / "fsctl.toml").write_text(f'database_url = "{dsn}"\n{text}')
    monkeypatch.setenv("ESL", "a-password")
    monkeypatch.setenv("TOKEN", "token")
    words = ["--config", str(house.folder / "fsctl.toml"), "whatsapp"]
    assert cli.main([*words, "status"]) == 1
    assert cli.main([*words, "apply", "--yes"]) == 0
    assert cli.main([*words, "status"]) == 0
    (entry,) = Audit(database).entries(action="whatsapp")
    assert (entry.action, entry.subject, entry.result) == ("whatsapp.settings", f"+{NUMBER}", "done")
    assert entry.who
    capsys.readouterr()
    (house.folder / "fsctl.toml").write_text(text.replace('access_token_env = "TOKEN"', ""))
    assert cli.main([*words, "status"]) == 2
    assert "access_token_env or access_token_file is not set" in capsys.readouterr().err


# --- the password ------------------------------------------------------------------------------------------


def in_use(house: House) -> str:
    return house.number.passwords["900"]


def test_a_new_password_is_made_and_known_everywhere_before_calls_are_on_again(house: House) -> None:
    house.run("apply", "--yes")
    before = in_use(house)
    house.settings.writes.clear()
    code, text = house.run("rotate-password", "--yes")
    assert code == 0
    assert before != in_use(house) == house.switch.known[f"{NUMBER}@whatsapp"]
    assert house.switch.learnt == [before, in_use(house)]
    states = [one.get("sip", {}).get("status") for one in house.settings.writes]
    assert states == ["DISABLED", "DISABLED", "ENABLED", None]
    assert house.run("status")[0] == 0
    assert in_use(house) not in text + str(house.audited)
    files = {file.name: file.stat().st_mode & 0o777 for file in house.switch.folder.iterdir()}
    assert files == {f"{NUMBER}.xml": 0o600, f"{NUMBER}.vars": 0o600}
    assert house.switch.gateways == house.switch.learnt
    assert house.audited[-1] == ("whatsapp.password", f"+{NUMBER}", {"current": False}, "done")


def test_no_call_is_let_through_with_a_password_that_freeswitch_does_not_have(house: House) -> None:
    """At each moment at which Meta calls, FreeSWITCH has what Meta says."""
    house.run("apply", "--yes")
    house.run("rotate-password", "--current", "--yes")
    take = house.settings.write

    def watched(request: Any) -> Any:
        answer = take(request)
        if house.number.calling["sip"]["status"] == "ENABLED":
            assert house.switch.known[f"{NUMBER}@whatsapp"] == in_use(house)
        return answer

    house.fake.add_route("POST", r"/(\d+)/settings", watched)
    assert house.run("rotate-password", "--yes")[0] == 0


def test_a_freeswitch_that_calls_nobody_has_no_gateway_to_tell(house: House) -> None:
    house.switch.calls = False
    house.run("apply", "--yes")
    assert house.run("rotate-password", "--yes")[0] == 0
    assert house.switch.gateways == []


def test_where_the_password_comes_only_with_sip_it_is_learnt_then(house: House) -> None:
    house.run("apply", "--yes")
    house.number.waits_for_enabling = True
    assert house.run("rotate-password", "--yes")[0] == 0
    assert house.switch.known[f"{NUMBER}@whatsapp"] == in_use(house)
    assert house.run("status")[0] == 0


@pytest.mark.parametrize("how", ["is_deaf", "is_away", "is_stuck"])
def test_a_freeswitch_that_does_not_learn_keeps_meta_as_it_was(house: House, how: str) -> None:
    house.run("apply", "--yes")
    before = in_use(house)
    house.settings.writes.clear()
    setattr(house.switch, how, True)
    with pytest.raises(FsctlError):
        house.run("rotate-password", "--yes")
    assert house.settings.writes == []
    assert before == in_use(house)
    assert house.audited[-1][3] != "done"


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_what_was_broken_off_is_gone_on_with(house: House, step: int) -> None:
    """Meta refuses one write of the rotation; `--current` ends it, from wherever it was."""
    house.run("apply", "--yes")
    house.run("rotate-password", "--current", "--yes")
    done = [0]

    def refuse_one(request: Any) -> Any:
        done[0] += 1
        if done[0] == step:
            house.settings.calls_left = 0
        return house.settings.write(request)

    house.fake.add_route("POST", r"/(\d+)/settings", refuse_one)
    with pytest.raises(FsctlError, match=r"80007.*rotate-password --current` goes on from here"):
        house.run("rotate-password", "--yes")
    house.settings.calls_left = None
    assert house.run("rotate-password", "--current", "--yes")[0] == 0
    assert house.switch.known[f"{NUMBER}@whatsapp"] == in_use(house)
    assert house.run("status")[0] == 0


def test_the_first_password_needs_a_server_at_meta(house: House) -> None:
    with pytest.raises(FsctlError, match="first `fsctl whatsapp apply`"):
        house.run("rotate-password", "--yes")
    house.configure(TOML.replace('users_dir = "users"', ""))
    with pytest.raises(ConfigError, match="users_dir is not set"):
        house.run("rotate-password", "--yes")


def test_a_password_with_signs_of_xml_arrives_as_it_is(tmp_path: Path) -> None:
    switch, secret = Switch(tmp_path), "x\"/><user_id='1&amp;"
    password_file.write(tmp_path, NUMBER, secret)
    switch.must(encode.ReloadXml())
    assert switch.known == {f"{NUMBER}@whatsapp": secret}


@pytest.mark.parametrize("secret", ["short", "with a blank", "$${domain_name}", "ä" * 9, "x\n" * 9])
def test_a_password_that_freeswitch_would_change_is_refused_and_not_said(secret: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        password_file.write(tmp_path, NUMBER, secret)
    assert secret not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"users_dir: .*No such file"):
        password_file.write(tmp_path / "nowhere", NUMBER, "long-enough")


# --- check -------------------------------------------------------------------------------------------------


def findings(house: House) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(house.run("check", "--json")[1]):
        found.setdefault(one["what"], []).append(one)
    return found


def test_check_says_of_each_number_whether_calls_can_come(house: House) -> None:
    house.configure(TOML.replace("sip.example.com", "sip.invalid"))
    house.run("apply", "--yes")
    house.run("rotate-password", "--current", "--yes")
    found = findings(house)
    assert not found["name"][0]["ok"]
    assert not found["webhook"][0]["ok"]
    assert found["account"][0]["finding"] == "its webhooks go to App 900"
    assert [one["finding"] for one in found[f"+{NUMBER}"]] == [
        "the token is valid; Meta knows the number as A business",
        "quality GREEN, throughput STANDARD",
        "calls by SIP: AVAILABLE",
        "fs1 has Meta's SIP password",
    ]


def test_check_finds_what_keeps_calls_away(house: House) -> None:
    house.configure(TOML.replace("sip.example.com", "sip.invalid"))
    house.run("apply", "--yes")
    house.number.display, house.number.health, house.number.quality = "+1 555 010 0999", "BLOCKED", "RED"
    house.settings.subscribers.clear()
    found = findings(house)
    assert "no app is subscribed" in found["account"][0]["finding"]
    mine = found[f"+{NUMBER}"]
    assert [one["ok"] for one in mine] == [False] * 4
    assert mine[0]["finding"] == "phone_number_id 1065 is Meta's id of +15550100999"
    assert "No SIP server" in mine[2]["finding"]
    assert "rotate-password --current" in mine[3]["cure"]
    house.settings.apps.clear()
    assert "190" in findings(house)[f"+{NUMBER}"][0]["finding"]


def test_check_looks_at_the_rest_where_something_of_the_config_is_wrong(house: House) -> None:
    house.configure(TOML.replace("sip.example.com", "sip.invalid").replace("18:00", '15:00", "16:00-17:00'))
    assert "opens 3 times" in findings(house)["config"][0]["finding"]
    house.configure(TOML.replace(f'phone_number_id = "{ID}"', "").replace('sip_host = "sip.example.com"', ""))
    assert len(findings(house)["config"]) == 2
