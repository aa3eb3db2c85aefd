"""Settings: each mistake is one line that names file, key and what is expected."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from fsctl import config
from fsctl.call.policy import Followup, Number, Policy, Queue, Rule
from fsctl.config_chat import Calling, Web, WhatsApp
from fsctl.config_console import Console, User
from fsctl.config_crm import Crm
from fsctl.errors import ConfigError
from fsctl.logs import Log

ROOT = Path(__file__).parent.parent.parent
SECRET = {"ESL": "a-good-password"}
NODE = '[[node]]\nname = "fs1"\npassword_env = "ESL"\n'


def load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> config.Config:
    file = tmp_path / "fsctl.toml"
    file.write_text(text)
    return config.load(file, SECRET if environment is None else environment)


MISTAKES = {
    "unknown key": ("colour = 1", r"colour: no such setting"),
    "unknown key of a node": (NODE + "prot = 1", r"node\[0\]\.prot: no such setting \(there is: .*port"),
    "wrong type": ("lab = 1", r"lab: expected true or false, not 1"),
    "wrong type in a node": (NODE + 'port = "8021"', r"node\[0\]\.port: expected a number, not '8021'"),
    "a truth for a number": (NODE + "port = true", r"node\[0\]\.port: expected a number"),
    "wrong type in a list": ("[transcribe]\nlanguages = [1]", r"transcribe\.languages: expected a string"),
    "node is no list": ("[node]\nname = 'x'", r"node: expected a list"),
    "no secret": ('[[node]]\nname = "fs1"', r"node\[0\]: the Event Socket's password is missing"),
    "secret not set": ('[[node]]\npassword_env = "NOPE"', r"node\[0\]\.password_env: \$NOPE is not set"),
    "secret file": ('[[node]]\npassword_file = "nope"', r"node\[0\]\.password_file: .*nope: No such file"),
    "two nodes of one name": (NODE + NODE, r"node\.name: expected a name of its own"),
    "a number that is none": ('[number.abc]\nqueue = "q"', r"number\.abc: expected digits"),
    "a mode that is none": ("[media]\nvad_mode = 7", r"media\.vad_mode: expected 0, 1, 2 or 3"),
    "a format that is none": (
        '[archive]\nformat = "mp3"',
        r'archive\.format: expected "wav" or "flac" or "opus"',
    ),
    "a share that is none": ("[archive]\ndisk_alarm = 85", r"archive\.disk_alarm: expected a share"),
    "forks without a secret": (
        '[websocket]\nlisten = "127.0.0.1:1"',
        r"websocket\.secret: expected secret_env",
    ),
    "forks with a short secret": (
        '[websocket]\nlisten = "127.0.0.1:1"\nsecret_env = "ESL"',
        r"websocket\.secret: expected .* at least 16",
    ),
    "a console that listens nowhere": ('[console]\nlisten = "here"', r"console\.listen: expected HOST:PORT"),
    "a network that is none": ('[console]\nallow = ["10.0.0.1/8"]', r"console\.allow: expected networks"),
    "a role that is none": (
        '[[console.user]]\nname = "ann"\nrole = "root"\npassword_env = "ESL"',
        r'console\.user\[0\]\.role: expected "viewer" or "operator" or "admin"',
    ),
    "a user without a password": (
        '[[console.user]]\nname = "ann"',
        r"console\.user\[0\]: expected password_env",
    ),
    "two users with one password": (
        '[[console.user]]\nname = "a"\npassword_env = "ESL"\n[[console.user]]\nname = "b"\npassword_env = "ESL"',
        r"console\.user: each needs a password of its own",
    ),
    "two users with one name": (
        '[[console.user]]\nname = "a"\npassword_env = "ESL"\n[[console.user]]\nname = "a"\npassword_env = "ESL"',
        r"console\.user: each needs a name of its own",
    ),
    "a user's name with a colon": (
        '[[console.user]]\nname = "a:b"\npassword_env = "ESL"',
        r"console\.user\[0\]\.name: expected a name such as",
    ),
    "a dataset that is none": (
        '[whatsapp]\nconversions_dataset = "x"',
        r"conversions_dataset: expected the digits",
    ),
    "a dataset of no account": (
        '[whatsapp]\nconversions_dataset = "7"',
        r"whatsapp\.waba_id: expected an id",
    ),
    "forks nowhere": ('[websocket]\nlisten = "9000"', r"websocket\.listen: expected HOST:PORT"),
    "forks at no rate": ("[websocket]\nrate = 5", r"websocket: expected 1 or 2 channels at 8000"),
    "a channel that is none": (
        NODE + 'contexts = { a = "fax" }',
        r'contexts\.a: expected "whatsapp" or "sip"',
    ),
    "no TOML": ("= =", r"not TOML"),
    "hours that are none": ('[hours.o]\nmon = ["9-17"]', r'hours\.o\.mon: expected a list such as \["09:00'),
    "a minute that is none": ('[hours.o]\nmon = ["09:61-10:00"]', r"hours\.o\.mon: expected a list"),
    "a day that is none": (
        "[hours.o]\nmoonday = []",
        r"hours\.o\.moonday: expected one of timezone, holidays, mon",
    ),
    "a zone that is none": ('[hours.o]\ntimezone = "Mars/Base"', r"hours\.o\.timezone: expected a time zone"),
    "a holiday that is none": (
        '[hours.o]\nholidays = ["someday"]',
        r"hours\.o\.holidays: expected a day such as",
    ),
    "a redaction that is none": (
        '[queue."q@x"]\nredact = ["cards"]',
        r"queue\.q@x\.redact: expected some of card, code, email, phone, not 'cards'",
    ),
    "a language by its name": (
        '[queue."q@x"]\nspoken = ["en", "spanish"]',
        r"queue\.q@x\.spoken: expected codes of languages by ISO 639-1, .* not 'spanish'",
    ),
    "a language in capitals": ('[queue."q@x"]\nspoken = ["EN"]', r"queue\.q@x\.spoken: .* not 'EN'"),
    "a language that there is not": ('[queue."q@x"]\nspoken = ["xx"]', r"queue\.q@x\.spoken: .* not 'xx'"),
    "the queues of languages for those that may be spoken": (
        '[queue."q@x"]\nspoken = { es = "soporte@x" }',
        r"queue\.q@x\.spoken: expected a list",
    ),
    "a pattern of redaction that is none": (
        '[redact.patterns]\nk = "("',
        r"redact\.patterns\.k: .*not a regular expression",
    ),
    "a pattern's name that is ours": (
        '[redact.patterns]\ncard = "x"',
        r"redact\.patterns\.card: expected another",
    ),
    "a pattern's name with a sign": ('[redact.patterns]\n"a=b" = "x"', r"redact\.patterns\.a=b: "),
    "redact with more than patterns": ("[redact]\ncards = true", r"redact\.cards: expected patterns"),
    "hours nobody defined": (
        '[queue."q@x"]\nhours = "o"',
        r"queue\.q@x\.hours: expected one of the \[hours\]",
    ),
    "a rule's hours nobody defined": (
        '[[rule]]\nname = "r"\nopen = "o"',
        r"rule r: expected one of the \[hours\]",
    ),
    "a queue that is none": ('default_queue = "a b"', r"default_queue: expected a queue such as"),
    "a rule's queue that is none": ('[[rule]]\nname = "r"\nqueue = "x"', r"rule r: expected a queue such as"),
    "a rule without a name": ('[[rule]]\nqueue = "q@x"', r"rule\[0\]\.name: is missing"),
    "a queue of a language that is none": (
        '[queue."q@x"]\nlanguages = { es = "x" }',
        r"queue\.q@x\.languages: expected a queue",
    ),
    "a queue of one that is none": (
        '[routing]\nsticky_queue = "{agent}"',
        r"routing\.sticky_queue: expected a queue",
    ),
    "a pattern that is none": (
        '[[rule]]\nname = "r"\nmessage = "("',
        r"rule\[0\]\.message: expected a regular expr",
    ),
    "a kind of missed call that is none": (
        '[queue."q@x".followup]\nkinds = ["late"]',
        r"queue\.q@x\.followup\.kinds: expected some of abandoned, .*bad_line, not 'late'",
    ),
    "a button that is too long": (
        '[queue."q@x".followup]\nbutton = { en = "Call us back right now!" }',
        r"queue\.q@x\.followup\.button\.en: expected 1 to 20 characters",
    ),
    "a text that is too long": (
        '[queue."q@x".followup]\ntexts = { en = "%s" }' % ("x" * 1000),
        r"queue\.q@x\.followup\.texts\.en: expected at most 904 characters with its links",
    ),
    "links that are no list": (
        '[queue."q@x".followup]\nlinks = { en = "https://example.com" }',
        r"queue\.q@x\.followup\.links\.en: expected a list",
    ),
    "times of no round length": (
        '[queue."q@x".followup]\nslot_s = 1000',
        r"queue\.q@x\.followup\.slot_s: expected a multiple of 300",
    ),
    "a share of agents that is none": (
        '[queue."q@x".followup]\nslot_share = 2',
        r"queue\.q@x\.followup\.slot_share: expected 0 to 1",
    ),
    "an offer that is none": (
        '[queue."q@x".followup]\noffer = "sms"',
        r'queue\.q@x\.followup\.offer: expected "button" or "slot" or "none"',
    ),
    "a language of a text by its name": (
        '[queue."q@x".followup]\ntexts = { english = "x" }',
        r"queue\.q@x\.followup\.texts: expected codes of languages",
    ),
    "a wait that nobody has": ('[queue."q@x"]\ndissuade_after_s = 0', r"queue\.q@x\.dissuade_after_s: "),
    "a condition that is none": ('[[rule]]\nname = "r"\nmoon = 1', r"rule\[0\]\.moon: no such setting"),
    "a number of waiting that is none": (
        '[[rule]]\nname = "r"\nwaiting = { "q@x" = "many" }',
        r"rule\[0\]\.waiting\.q@x: expected a number",
    ),
    "a recording that is none": (
        '[queue."q@x"]\nrecording = "maybe"',
        r'recording: expected "disclose" or "consent"',
    ),
    "a secret that is too short": ('[payload]\nsecret_env = "ESL"', r"payload\.secret: expected at least 16"),
    "a payload setting that is none": ("[payload]\nsecret = 'x'", r"payload\.secret: expected secret_env"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_file_and_key(name: str, tmp_path: Path) -> None:
    text, expected = MISTAKES[name]
    with pytest.raises(ConfigError, match=expected) as caught:
        load(tmp_path, text)
    assert "fsctl.toml" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_well_known_password_is_refused_unless_this_is_a_lab(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="well-known"):
        load(tmp_path, NODE, {"ESL": "ClueCon"})
    assert load(tmp_path, "lab = true\n" + NODE, {"ESL": "ClueCon"}).lab


def test_a_secret_shows_in_no_repr(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'database_url = "host=x password=hidden"\n' + NODE)
    assert loaded.nodes[0].password == "a-good-password"
    assert "a-good-password" not in repr(loaded)
    assert "hidden" not in repr(loaded)


def test_a_secret_may_come_from_a_file_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "esl").write_text("from-a-file\n")
    loaded = load(tmp_path, '[[node]]\npassword_file = "esl"')
    assert loaded.nodes[0].password == "from-a-file"


def test_relative_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'data_dir = "data"\n' + NODE + 'spool = "rec"\n')
    assert loaded.data_dir == tmp_path / "data"
    assert loaded.nodes[0].spool == tmp_path / "rec"


def test_the_archive_is_a_folder_or_an_address(tmp_path: Path) -> None:
    assert load(tmp_path, "").archive_url == str(tmp_path / ".fsctl" / "archive")
    assert load(tmp_path, '[archive]\nurl = "kept"').archive_url == str(tmp_path / "kept")
    assert load(tmp_path, '[archive]\nurl = "s3://bucket/x"').archive_url == "s3://bucket/x"


def test_the_environment_wins(tmp_path: Path) -> None:
    environment = {"FSCTL_DATA_DIR": "/d", "FSCTL_DATABASE_URL": "host=y", "FSCTL_MODEL": "tiny.en"}
    loaded = load(tmp_path, 'database_url = "host=x"', environment)
    assert (loaded.data_dir, loaded.database_url) == (Path("/d"), "host=y")
    assert (loaded.transcribe.model, loaded.models) == ("tiny.en", Path("/d/models"))


def test_numbers_are_known_by_their_digits(tmp_path: Path) -> None:
    loaded = load(tmp_path, '[number."+15550100900"]\nqueue = "q@x"\n')
    assert loaded.policy.numbers["15550100900"].queue == "q@x"


def test_the_example_documents_every_setting_with_its_default() -> None:
    example = tomllib.loads((ROOT / "fsctl.example.toml").read_text())
    loaded = config.load(ROOT / "fsctl.example.toml", {"FSCTL_ESL_PASSWORD": "x"})
    text = (ROOT / "fsctl.example.toml").read_text()
    for kind, table in (
        (config.Config, example),
        (config.Node, example["node"][0]),
        (config.Media, example["media"]),
        (config.Archive, example["archive"]),
        (config.Websocket, example["websocket"]),
        (config.Transcribe, example["transcribe"]),
        (Web, example["web"]),
        (WhatsApp, example["whatsapp"]),
        (Calling, example["whatsapp"]["calling"]),
        (Console, example["console"]),
        (Crm, example["crm"]),
        (Log, example["log"]),
        (User, {}),
        (Number, example["number"]["15550100001"]),
        (Queue, example["queue"]["support@fsctl"]),
        (Followup, example["queue"]["support@fsctl"]["followup"]),
        (Rule, example["rule"][0]),
        (Policy, example["routing"] | {"default_queue": example["default_queue"]} | example["redact"]),
    ):
        internal = {"source", "nodes", "policy", "media", "transcribe", "password", "payload_secrets"}
        internal |= {"archive", "websocket", "secret", "web", "whatsapp"}
        internal |= {"access_token", "app_secret", "verify_token", "console", "users", "crm"}
        internal |= {"numbers", "queues", "hours", "rules"} if kind is Policy else set()
        for field in dataclasses.fields(kind):
            assert field.name in internal or field.name in table or f"# {field.name} =" in text, field.name
    assert loaded.media == config.Media()
    assert loaded.archive == config.Archive()
    assert loaded.websocket == config.Websocket()
    assert loaded.transcribe == config.Transcribe()
    assert loaded.web == Web()
    assert loaded.whatsapp == WhatsApp()
    assert loaded.console == Console()
    assert loaded.crm == Crm()
    assert loaded.queues == {"support@fsctl": Queue()}
    assert dataclasses.replace(loaded.policy, numbers={}, queues={}, hours={}, rules=()) == Policy()


def test_what_may_be_spoken_in_a_queue_is_not_where_its_languages_go(tmp_path: Path) -> None:
    found = load(tmp_path, '[queue."q@x"]\nspoken = ["en", "es"]\nlanguages = { pt = "suporte@x" }\n')
    assert found.policy.queue("q@x").spoken == ("en", "es")
    assert found.policy.queue("q@x").languages == {"pt": "suporte@x"}
    assert found.policy.queue("other@x").spoken == ()


def test_a_queues_redaction_carries_the_patterns_whole_and_chat_has_that_of_its_number(
    tmp_path: Path,
) -> None:
    file = tmp_path / "fsctl.toml"
    file.write_text(
        'default_queue = "sales@x"\n[number.15550100900]\nqueue = "q@x"\n'
        '[queue."q@x"]\nredact = ["card", "customer"]\n[redact.patterns]\ncustomer = "KD[0-9]{6}"\n'
    )
    policy = config.load(file, {}).policy
    assert policy.redaction("q@x") == ("card", "customer=KD[0-9]{6}")
    assert policy.redaction("sales@x") == policy.redaction(None) == ()
    assert policy.redaction_of_chat("+15550100900") == policy.redaction("q@x")
    assert policy.redaction_of_chat("15550100901") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nlisten = 'here'", "web.listen: expected HOST:PORT"),
        ("[web]\ncertificate = 'a.pem'", "both certificate and key"),
        ("[web]\npublic_url = 'calls.example.com'", "web.public_url: expected an address"),
        ("[whatsapp]\ngraph_url = 'file:///etc'", "whatsapp.graph_url: expected an address"),
        ("[whatsapp]\napp_secret = 'x'", "whatsapp.app_secret: no such setting"),
        ("[whatsapp]\napp_secret_env = 'MISSING'", "$MISSING is not set"),
        ("[whatsapp.calling]\nsip_host = '192.0.2.1'", "whatsapp.calling.sip_host: expected a host name"),
        ("[whatsapp.calling]\nsip_host = 'sips:x.example.com'", "sip_host: expected a host name"),
        ("[whatsapp.calling]\nsip_port = 70000", "whatsapp.calling.sip_port: expected a port"),
        (
            "[whatsapp.calling]\nsip_params = { tgrp = 'a;b' }",
            "whatsapp.calling.sip_params.tgrp: expected at",
        ),
        ("[whatsapp.calling]\ncall_icon_countries = ['Brazil']", "call_icon_countries: expected countries"),
        ("[whatsapp.calling]\nport = 1", "whatsapp.calling.port: no such setting"),
    ],
)
def test_what_is_wrong_of_web_and_whatsapp_is_said(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(words)):
        config.load(tmp_path / "f.toml", {})


def test_secrets_of_whatsapp_are_never_shown(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text("[whatsapp]\napp_secret_env = 'S'\naccess_token_env = 'T'")
    loaded = config.load(tmp_path / "f.toml", {"S": "hush", "T": "token"})
    assert (loaded.whatsapp.app_secret, loaded.whatsapp.access_token) == ("hush", "token")
    assert "hush" not in repr(loaded)
    assert "token'" not in repr(loaded)


@pytest.mark.parametrize("password", ["ClueCon", "short", "with\na-line-break-in-it"])
def test_a_user_of_the_console_has_no_password_that_others_know(tmp_path: Path, password: str) -> None:
    with pytest.raises(ConfigError, match=r"console\.user\[0\]: "):
        load(tmp_path, '[[console.user]]\nname = "ann"\npassword_env = "ANN"', {"ANN": password})


def test_the_users_of_the_console_are_read_and_their_passwords_not_shown(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        '[[console.user]]\nname = "ann@x"\nrole = "admin"\npassword_env = "ANN"',
        {"ANN": "a-long-secret"},
    )
    assert found.console.is_on
    assert found.console.users == (User(name="ann@x", role="admin", password="a-long-secret"),)
    assert found.console.address == ("127.0.0.1", 8031)
    assert "a-long-secret" not in repr(found)
    assert not Console().is_on


def test_what_the_document_of_the_console_says_to_write_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "docs/console-server.md").read_text().split("```toml\n")[1].split("```")[0]
    (tmp_path / "vera.password").write_text("another-secret\n")
    found = load(tmp_path, text, {"FSCTL_CONSOLE_ANN": "a-long-secret"})
    assert [(user.name, user.role) for user in found.console.users] == [
        ("ann@example.com", "admin"),
        ("vera@example.com", "viewer"),
    ]


def test_a_recording_is_where_freeswitch_says_or_in_the_spool_as_it_is_mounted_here(tmp_path: Path) -> None:
    node = config.Node(name="fs1", spool=tmp_path)
    there, here = tmp_path / "far" / "a.wav", tmp_path / "a.wav"
    elsewhere = f"/not/mounted/{here.name}"
    assert node.seen(elsewhere) == elsewhere
    here.touch()
    assert node.seen(elsewhere) == str(here)
    assert node.seen("s3://archive/a.wav") == "s3://archive/a.wav"
    there.parent.mkdir()
    there.touch()
    assert node.seen(str(there)) == str(there)
