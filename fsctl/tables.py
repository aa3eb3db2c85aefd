"""TOML tables into dataclasses, so that a key is known, of its type, or an error that names it."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from fsctl.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

Environment = Mapping[str, str]

TYPES = {dict: "a table", list: "a list", str: "a string", int: "a number", bool: "true or false"}


class Tables:
    """Reads the tables of one file. Every error is a ConfigError: the file, the key, and what is expected."""

    def __init__(self, source: str, environment: Environment, folder: Path) -> None:
        """Args: source: the file in errors; environment: where secrets may stand; folder: of relative paths."""
        self.source = source
        self.folder = folder
        self._environment = environment

    def fill(self, kind: type[T], table: Any, where: str, skip: frozenset[str] | set[str] = frozenset()) -> T:
        """A dataclass from a table; unknown keys and wrong types are errors."""
        prefix = f"{where}." if where else ""
        fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in skip}
        values: dict[str, Any] = {}
        for key, value in self.typed(table, dict, where).items():
            if key not in fields:
                known = ", ".join(sorted(fields))
                raise ConfigError(f"{self.source}: {prefix}{key}: no such setting (there is: {known})")
            values[key] = self._convert(fields[key].type, value, f"{prefix}{key}")
        for name, one in fields.items():
            if name not in values and one.default is MISSING and one.default_factory is MISSING:
                raise ConfigError(f"{self.source}: {prefix}{name}: is missing")
        return kind(**values)

    def take(self, table: dict[str, Any], key: str, kind: type, default: Any, where: str = "") -> Any:
        """Remove a key from a table and check its type."""
        if key not in table:
            return default
        return self.typed(table.pop(key), kind, f"{where}.{key}" if where else key)

    def typed(self, value: Any, kind: type, where: str) -> Any:
        """The value, if it is of this type."""
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            return value
        raise self.error(where, TYPES.get(kind, kind.__name__), value)

    def secret(self, rest: dict[str, Any], where: str, name: str, what: str) -> str | None:
        """A secret whose variable stands in ``NAME_env`` or its file in ``NAME_file``; None when neither does.

        Args:
            rest: the table; both keys are taken out of it.
            what: the secret, as an error calls it.
        """
        variable: str = self.take(rest, f"{name}_env", str, "", where)
        file: str = self.take(rest, f"{name}_file", str, "", where)
        if variable:
            value = self._environment.get(variable, "")
            if not value:
                raise ConfigError(f"{self.source}: {where}.{name}_env: ${variable} is not set")
            return value
        if not file:
            return None
        path = self.folder / file
        try:
            value = path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not text"
            raise ConfigError(f"{self.source}: {where}.{name}_file: {path}: {why}") from error
        if not value:
            raise ConfigError(f"{self.source}: {where}.{name}_file: {path}: {what} is empty")
        return value

    def error(self, where: str, expected: str, value: Any) -> ConfigError:
        """What to raise for a value that is not what it should be."""
        return ConfigError(f"{self.source}: {where}: expected {expected}, not {value!r}")

    def _convert(self, kind: Any, value: Any, where: str) -> Any:
        if NoneType in get_args(kind):
            kind = next(one for one in get_args(kind) if one is not NoneType)
        origin = get_origin(kind)
        if origin is tuple:
            return tuple(self.typed(item, str, where) for item in self.typed(value, list, where))
        if origin is Mapping:
            item = get_args(kind)[1]
            return {
                k: self._convert(item, v, f"{where}.{k}") for k, v in self.typed(value, dict, where).items()
            }
        if origin is Literal:
            if value not in get_args(kind):
                raise self.error(where, " or ".join(f'"{one}"' for one in get_args(kind)), value)
            return value
        if origin is re.Pattern:
            return self._pattern(value, where)
        if kind is Path:
            return Path(self.typed(value, str, where)).expanduser()
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return self.typed(value, kind, where)

    def _pattern(self, value: Any, where: str) -> re.Pattern[str]:
        try:
            return re.compile(self.typed(value, str, where), re.IGNORECASE)
        except re.error as error:
            raise self.error(where, f"a regular expression ({error})", value) from error
