"""One frozen Config from one TOML file and the environment. The only reader of ``os.environ``.

Every error names the file, the key and what is expected. Secrets come from the environment or from files;
the well-known password of FreeSWITCH's sample configuration is refused unless ``lab = true``.
"""

import dataclasses
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fsctl import config_chat, config_console, config_crm, config_policy
from fsctl.call.policy import Policy, Queue
from fsctl.config_chat import Web, WhatsApp
from fsctl.config_console import Console
from fsctl.config_crm import Crm
from fsctl.errors import ConfigError
from fsctl.logs import Log
from fsctl.tables import Environment, Tables

WELL_KNOWN_PASSWORD = "ClueCon"
WEBSOCKET_SECRET = 16
"""A shorter secret could be guessed."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One FreeSWITCH."""

    name: str = "fs1"
    host: str = "127.0.0.1"
    port: int = 8021
    password: str = field(default="", repr=False)
    """From ``password_env`` or ``password_file``; never written in the file itself."""
    spool: Path = Path("spool")
    """Folder in which this node's recordings grow. The media reader of the node must see it."""
    contexts: Mapping[str, str] = field(
        default_factory=lambda: {"whatsapp": "whatsapp", "fsctl-sip": "sip", "fsctl-callback": "whatsapp"}
    )
    """Dialplan contexts that are front doors of ours -> ``whatsapp`` or ``sip``."""

    def seen(self, path: str) -> str:
        """Where we find a recording: where FreeSWITCH says, or by its name in the spool as we have it mounted."""
        here = self.spool / Path(path).name
        return str(here) if "://" not in path and not Path(path).exists() and here.exists() else path


@dataclass(frozen=True, kw_only=True)
class Media:
    """How speech is cut from recordings."""

    vad_mode: int = 1
    """webrtcvad's aggressiveness, 0 to 3; it hears only what rises above the noise."""
    hangover_ms: int = 500
    """Silence that ends an utterance."""
    min_utterance_ms: int = 150
    """Voiced sound that an utterance has at least; with less it was a click or a breath."""
    max_utterance_ms: int = 12000
    """Longer speech is cut in its best pause before this."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """What becomes of recordings."""

    url: str = ""
    """A folder, or an address that fsspec knows such as ``s3://bucket/x``; empty: below the data folder."""
    format: Literal["wav", "flac", "opus"] = "wav"
    """flac is the same bit for bit in a third of the room; opus loses, in a tenth."""
    disk_alarm: float = 0.85
    """Share of a disk in use from which on there is an alarm."""
    disk_compress: float = 0.92
    """The same for making the oldest recordings of the archive smaller, as FLAC."""


@dataclass(frozen=True, kw_only=True)
class Websocket:
    """Audio that a FreeSWITCH sends as mod_audio_fork or mod_audio_stream do, instead of a shared folder."""

    listen: str = ""
    """HOST:PORT; empty: no such source. Behind a proxy that does TLS, unless it is the loopback."""
    secret: str = field(default="", repr=False)
    """Signs the paths that FreeSWITCH is told, and is the password of basic authentication. From ``secret_env``
    or ``secret_file``."""
    rate: int = 16000
    """Of what is sent, where the metadata does not say it."""
    channels: int = 2
    silence_s: float = 60.0
    """A connection that sends nothing for so long is ended."""


@dataclass(frozen=True, kw_only=True)
class Transcribe:
    """How utterances become text."""

    engine: str = "whisper"
    model: str = "base"
    """A name (``base``, ``tiny.en``, ...) or a folder with a model of faster-whisper."""
    languages: tuple[str, ...] = ("en", "es", "pt", "hi")
    """What is believed to be spoken where a call's language is not known."""
    device: str = "auto"
    threads: int = 0
    """Cores that decode, a batch each; 0 = all of them."""
    batch: int = 4
    """Utterances that each thread decodes together, at most."""
    lease_s: float = 60.0
    beam: int = 2
    """Readings of an utterance followed at once while there is no hurry."""
    shed_after_s: float = 20.0
    """A live utterance that would have to wait longer is decoded after its call."""
    final_model: str = "same"
    """Decodes each whole recording once more, in windows: ``same``, ``off``, or another model's name."""
    words: bool = False
    """Whether the time of each word is stored with final text; where a leg is redacted it always is."""
    prompt: bool = False
    """Whether the recogniser is told the contact's name, ids from the chat and the ``vocabulary``."""
    vocabulary: tuple[str, ...] = ()
    """Words of the trade: products, places, abbreviations."""

    @property
    def has_final(self) -> bool:
        """Whether there is a final pass."""
        return self.final_model != "off"

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that is needed."""
        final = self.final_model if self.has_final and self.final_model != "same" else self.model
        return tuple(dict.fromkeys((self.model, final)))


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a process of fsctl is told."""

    source: str = "(no file)"
    data_dir: Path = Path(".fsctl")
    database_url: str = field(default="", repr=False)
    postgres_bin: Path | None = None
    model_dir: Path | None = None
    lab: bool = False
    nodes: tuple[Node, ...] = ()
    policy: Policy = field(default_factory=Policy)
    """Routing's view."""
    media: Media = Media()
    archive: Archive = Archive()
    websocket: Websocket = Websocket()
    transcribe: Transcribe = Transcribe()
    web: Web = field(default_factory=Web)
    whatsapp: WhatsApp = field(default_factory=WhatsApp)
    console: Console = field(default_factory=Console)
    crm: Crm = field(default_factory=Crm)
    log: Log = field(default_factory=Log)

    @property
    def queues(self) -> Mapping[str, Queue]:
        """What is said of mod_callcenter's queues, by name."""
        return self.policy.queues

    @property
    def archive_url(self) -> str:
        """Where recordings are kept."""
        return self.archive.url or str(self.data_dir / "archive")

    @property
    def models(self) -> Path:
        """The folder of speech models."""
        return self.model_dir or self.data_dir / "models"

    def node(self, name: str) -> Node:
        """The node with this name. Raises ConfigError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes) or "none"
        raise ConfigError(f"{self.source}: no [[node]] is named {name!r} (there is: {known})")


def load(path: Path | None, environment: Environment = os.environ) -> Config:
    """Read the config.

    Args:
        path: the TOML file; None reads ``fsctl.toml`` of the current folder if it is there.
        environment: ``FSCTL_DATA_DIR``, ``FSCTL_DATABASE_URL``, ``FSCTL_MODEL``, ``FSCTL_MODEL_DIR`` win over
            the file, and secrets named by ``password_env`` are taken from it.

    Raises:
        ConfigError: with the file, the key, and what is expected.
    """
    found = path or (Path("fsctl.toml") if Path("fsctl.toml").exists() else None)
    source = str(found) if found else "(no config file)"
    table = _read(found) if found else {}
    tables = Tables(source, environment, found.parent if found else Path())
    return _override(_config(table, tables), environment)


def wants_colour(environment: Environment = os.environ) -> bool:
    """Whether colours may be used where there is a terminal: not with NO_COLOR set (no-color.org)."""
    return not environment.get("NO_COLOR")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _override(config: Config, environment: Environment) -> Config:
    changes: dict[str, Any] = {}
    if value := environment.get("FSCTL_DATA_DIR"):
        changes["data_dir"] = Path(value)
    if value := environment.get("FSCTL_DATABASE_URL"):
        changes["database_url"] = value
    if value := environment.get("FSCTL_MODEL_DIR"):
        changes["model_dir"] = Path(value)
    if value := environment.get("FSCTL_MODEL"):
        changes["transcribe"] = dataclasses.replace(config.transcribe, model=value)
    return dataclasses.replace(config, **changes)


def _config(table: dict[str, Any], tables: Tables) -> Config:
    """The whole file; relative paths are relative to the file's folder."""
    rest = dict(table)
    nodes = tables.take(rest, "node", list, [])
    parts: dict[str, Any] = {
        "media": _media(tables.take(rest, "media", dict, {}), tables),
        "archive": _archive(tables.take(rest, "archive", dict, {}), tables),
        "websocket": _websocket(tables.take(rest, "websocket", dict, {}), tables),
        "transcribe": tables.fill(Transcribe, tables.take(rest, "transcribe", dict, {}), "transcribe"),
        "log": tables.fill(Log, tables.take(rest, "log", dict, {}), "log"),
        "policy": config_policy.read(rest, tables),
    }
    parts["web"], parts["whatsapp"] = config_chat.read(rest, tables)
    parts["console"] = config_console.read(rest, tables)
    parts["crm"] = config_crm.read(rest, tables)
    top = tables.fill(Config, rest, "", skip={"source", "nodes", *parts})
    found = tuple(_node(node, f"node[{i}]", top.lab, tables) for i, node in enumerate(nodes))
    names = [node.name for node in found]
    if len(set(names)) < len(names):
        raise tables.error("node.name", "a name of its own for each node", ", ".join(names))
    return dataclasses.replace(
        top,
        source=tables.source,
        data_dir=tables.folder / top.data_dir,
        model_dir=tables.folder / top.model_dir if top.model_dir else None,
        nodes=found,
        **parts,
    )


def _media(table: Any, tables: Tables) -> Media:
    media = tables.fill(Media, table, "media")
    if not 0 <= media.vad_mode <= 3:
        raise tables.error("media.vad_mode", "0, 1, 2 or 3", media.vad_mode)
    if media.max_utterance_ms < 1000 + media.min_utterance_ms:
        raise tables.error(
            "media.max_utterance_ms", "a second more than min_utterance_ms at least", media.max_utterance_ms
        )
    return media


def _archive(table: Any, tables: Tables) -> Archive:
    archive = tables.fill(Archive, table, "archive")
    for name in ("disk_alarm", "disk_compress"):
        if not 0 < getattr(archive, name) <= 1:
            raise tables.error(f"archive.{name}", "a share above 0, at most 1", getattr(archive, name))
    if archive.url and "://" not in archive.url:
        archive = dataclasses.replace(archive, url=str(tables.folder / Path(archive.url).expanduser()))
    return archive


def _websocket(table: Any, tables: Tables) -> Websocket:
    rest = dict(table)
    secret = tables.secret(rest, "websocket", "secret", "the secret of websocket forks") or ""
    found = dataclasses.replace(tables.fill(Websocket, rest, "websocket", skip={"secret"}), secret=secret)
    host, _, port = found.listen.rpartition(":")
    if found.listen and not (host and port.isdigit()):
        raise tables.error("websocket.listen", "HOST:PORT", found.listen)
    if found.listen and len(secret) < WEBSOCKET_SECRET:
        raise ConfigError(
            f"{tables.source}: websocket.secret: expected secret_env or secret_file with at least "
            f"{WEBSOCKET_SECRET} characters: anybody could send audio"
        )
    if found.channels not in (1, 2) or not 8000 <= found.rate <= 48000:
        raise tables.error("websocket", "1 or 2 channels at 8000 to 48000 Hz", (found.channels, found.rate))
    return found


def _node(table: Any, where: str, lab: bool, tables: Tables) -> Node:
    rest = dict(tables.typed(table, dict, where))
    password = tables.secret(rest, where, "password", "the Event Socket's password")
    if password is None:
        raise ConfigError(
            f"{tables.source}: {where}: the Event Socket's password is missing: "
            "name its variable (password_env) or file (password_file)"
        )
    if password == WELL_KNOWN_PASSWORD and not lab:
        raise ConfigError(
            f"{tables.source}: {where}: the password is FreeSWITCH's well-known one; "
            "choose another, or say lab = true if this is a lab"
        )
    node = tables.fill(Node, rest, where, skip={"password"})
    for context, channel in node.contexts.items():
        if channel not in ("whatsapp", "sip"):
            raise tables.error(f"{where}.contexts.{context}", '"whatsapp" or "sip"', channel)
    return dataclasses.replace(node, password=password, spool=tables.folder / node.spool)


def share_dir(name: str) -> Path:
    """A folder of this project that is not Python: beside the package in a checkout, else where installed.

    Raises:
        ConfigError: neither is there.
    """
    places = [Path(__file__).resolve().parent.parent / name, Path(sys.prefix) / "share" / "fsctl" / name]
    for place in places:
        if place.is_dir():
            return place
    raise ConfigError(f"the folder {name} of fsctl is not there (looked in {', '.join(map(str, places))})")
