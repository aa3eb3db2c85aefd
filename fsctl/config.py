"""One frozen Config from one TOML file and the environment. The only reader of ``os.environ``.

Every error names the file, the key and what is expected. Secrets come from the environment or from files;
the well-known password of FreeSWITCH's sample configuration is refused unless ``lab = true``.
"""

import dataclasses
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from fsctl.call.routing import Number, Policy
from fsctl.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

WELL_KNOWN_PASSWORD = "ClueCon"

Environment = Mapping[str, str]


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
    contexts: Mapping[str, str] = field(default_factory=lambda: {"whatsapp": "whatsapp", "fsctl-sip": "sip"})
    """Dialplan contexts that are front doors of ours -> ``whatsapp`` or ``sip``."""


@dataclass(frozen=True, kw_only=True)
class Media:
    """How speech is cut from recordings."""

    vad_mode: int = 2
    """webrtcvad's aggressiveness, 0 to 3."""
    hangover_ms: int = 500
    """Silence that ends an utterance."""
    max_utterance_ms: int = 12000
    """Longer speech is cut at its quietest moment before this."""


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
    """CPU threads; 0 = one less than there are cores, at least one."""
    batch: int = 4
    lease_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a process of fsctl is told."""

    source: str = "(no file)"
    data_dir: Path = Path(".fsctl")
    database_url: str = field(default="", repr=False)
    postgres_bin: Path | None = None
    model_dir: Path | None = None
    lab: bool = False
    default_queue: str = "support@fsctl"
    nodes: tuple[Node, ...] = ()
    numbers: Mapping[str, Number] = field(default_factory=dict)
    media: Media = Media()
    transcribe: Transcribe = Transcribe()

    @property
    def policy(self) -> Policy:
        """Routing's view."""
        return Policy(default_queue=self.default_queue, numbers=self.numbers)

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
    config = _Reader(source, environment).config(table, found.parent if found else Path())
    return _override(config, environment)


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


class _Reader:
    """Walks the TOML tables beside the dataclasses, so that a key is known, of its type, or an error."""

    def __init__(self, source: str, environment: Environment) -> None:
        self._source = source
        self._environment = environment

    def config(self, table: dict[str, Any], folder: Path) -> Config:
        """The whole file; relative paths are relative to the file's folder."""
        rest = dict(table)
        nodes = self._take(rest, "node", list, [])
        numbers = self._take(rest, "number", dict, {})
        media = self._fill(Media, self._take(rest, "media", dict, {}), "media")
        transcribe = self._fill(Transcribe, self._take(rest, "transcribe", dict, {}), "transcribe")
        if not 0 <= media.vad_mode <= 3:
            raise self._error("media.vad_mode", "0, 1, 2 or 3", media.vad_mode)
        top = self._fill(Config, rest, "", skip={"source", "nodes", "numbers", "media", "transcribe"})
        found = tuple(self._node(node, f"node[{i}]", top.lab, folder) for i, node in enumerate(nodes))
        names = [node.name for node in found]
        if len(set(names)) < len(names):
            raise self._error("node.name", "a name of its own for each node", ", ".join(names))
        return dataclasses.replace(
            top,
            source=self._source,
            data_dir=folder / top.data_dir,
            model_dir=folder / top.model_dir if top.model_dir else None,
            nodes=found,
            numbers={
                self._digits(key): self._fill(Number, value, f"number.{key}")
                for key, value in numbers.items()
            },
            media=media,
            transcribe=transcribe,
        )

    def _node(self, table: Any, where: str, lab: bool, folder: Path) -> Node:
        rest = dict(self._is(table, dict, where))
        name = self._take(rest, "password_env", str, "", where)
        file = self._take(rest, "password_file", str, "", where)
        node = self._fill(Node, rest, where, skip={"password"})
        password = self._secret(where, name, folder / file if file else None)
        if password == WELL_KNOWN_PASSWORD and not lab:
            raise ConfigError(
                f"{self._source}: {where}: the password is FreeSWITCH's well-known one; "
                "choose another, or say lab = true if this is a lab"
            )
        for context, channel in node.contexts.items():
            if channel not in ("whatsapp", "sip"):
                raise self._error(f"{where}.contexts.{context}", '"whatsapp" or "sip"', channel)
        return dataclasses.replace(node, password=password, spool=folder / node.spool)

    def _secret(self, where: str, name: str, file: Path | None) -> str:
        if name:
            value = self._environment.get(name, "")
            if not value:
                raise ConfigError(f"{self._source}: {where}.password_env: ${name} is not set")
            return value
        if file is not None:
            try:
                value = file.read_text().strip()
            except OSError as error:
                raise ConfigError(
                    f"{self._source}: {where}.password_file: {file}: {error.strerror}"
                ) from error
            if value:
                return value
        raise ConfigError(
            f"{self._source}: {where}: the Event Socket's password is missing: "
            "name its variable (password_env) or file (password_file)"
        )

    def _digits(self, key: str) -> str:
        if not re.fullmatch(r"\+?\d{5,20}", key):
            raise self._error(f"number.{key}", "digits of a business number", key)
        return key.lstrip("+")

    def _fill(
        self, kind: type[T], table: Any, where: str, skip: frozenset[str] | set[str] = frozenset()
    ) -> T:
        """A dataclass from a table: unknown keys and wrong types are errors."""
        prefix = f"{where}." if where else ""
        fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in skip}
        values: dict[str, Any] = {}
        for key, value in self._is(table, dict, where).items():
            if key not in fields:
                known = ", ".join(sorted(fields))
                raise ConfigError(f"{self._source}: {prefix}{key}: no such setting (there is: {known})")
            values[key] = self._convert(fields[key].type, value, f"{prefix}{key}")
        return kind(**values)

    def _convert(self, kind: Any, value: Any, where: str) -> Any:
        origin = get_origin(kind)
        if origin is tuple:
            return tuple(self._is(item, str, where) for item in self._is(value, list, where))
        if origin is not None and origin is not Mapping and type(None) in get_args(kind):
            kind = next(k for k in get_args(kind) if k is not type(None))
        if kind is Path:
            return Path(self._is(value, str, where)).expanduser()
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if get_origin(kind) is not None:
            return self._is(value, dict, where)
        return self._is(value, kind, where)

    def _take(self, table: dict[str, Any], key: str, kind: type, default: Any, where: str = "") -> Any:
        if key not in table:
            return default
        return self._is(table.pop(key), kind, f"{where}.{key}" if where else key)

    def _is(self, value: Any, kind: type, where: str) -> Any:
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            return value
        names = {dict: "a table", list: "a list", str: "a string", int: "a number", bool: "true or false"}
        raise self._error(where, names.get(kind, kind.__name__), value)

    def _error(self, where: str, expected: str, value: Any) -> ConfigError:
        return ConfigError(f"{self._source}: {where}: expected {expected}, not {value!r}")


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
