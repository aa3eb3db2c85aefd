"""Settings: each mistake is one line that names file, key and what is expected."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from fsctl import config
from fsctl.errors import ConfigError

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
    "a channel that is none": (
        NODE + 'contexts = { a = "fax" }',
        r'contexts\.a: expected "whatsapp" or "sip"',
    ),
    "no TOML": ("= =", r"not TOML"),
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
        (config.Transcribe, example["transcribe"]),
    ):
        internal = {"source", "nodes", "numbers", "media", "transcribe", "password"}
        for field in dataclasses.fields(kind):
            assert field.name in internal or field.name in table or f"# {field.name} =" in text, field.name
    assert loaded.media == config.Media()
    assert loaded.transcribe == config.Transcribe()
