"""An operation of the API: declared once; routed, checked and described from that.

What a function takes and gives is read from its annotations: ``given`` is the parameters of path and query,
``body`` the JSON that is sent, and what it returns the JSON that is answered. Its docstring is the description.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType
from werkzeug import Request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

JSON = "application/json"
T = TypeVar("T")


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters; the base of those that there are."""


@dataclass(frozen=True)
class Asked:
    """Who asks, and the request as it came."""

    who: str
    """For the audit: ``token NAME``."""
    request: Request


@dataclass(frozen=True)
class Operation:
    """One line of the table."""

    method: str
    path: str
    """``/v1/threads/{thread_id}``; a name in braces is a field of ``given``."""
    do: Callable[..., Any]
    """``(house, asked, given)`` or ``(house, asked, given, body)`` -> a Struct, or a Response."""
    scopes: frozenset[str]
    """Any of these lets a token in; none: no token is asked for."""
    media: tuple[str, ...] = (JSON,)
    """What is answered, as media types; of JSON the form is that of the Struct."""
    answers: Mapping[int, str] = field(default_factory=lambda: {200: "What was asked for."})
    """Statuses with an answer of that kind, and what each means."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Statuses that only this operation has."""

    @property
    def name(self) -> str:
        """Of the function, and of the operation in the document."""
        return self.do.__name__

    @property
    def words(self) -> tuple[str, str]:
        """Summary and description."""
        head, _, rest = (inspect.getdoc(self.do) or "").partition("\n")
        return head.rstrip("."), rest.strip()

    @cached_property
    def given(self) -> type[Given]:
        """The parameters."""
        found: type[Given] = self._hints["given"]
        return found

    @cached_property
    def body(self) -> type[msgspec.Struct] | None:
        """The JSON that is sent, if any."""
        return self._hints.get("body")

    @cached_property
    def answer(self) -> type[msgspec.Struct] | None:
        """The JSON that is answered, if any."""
        told = self._hints["return"]
        kinds = [kind for kind in get_args(told) or (told,) if issubclass(kind, msgspec.Struct)]
        return kinds[0] if kinds else None

    @cached_property
    def in_path(self) -> frozenset[str]:
        """Names of the parameters in the path; the others are in the query."""
        return frozenset(re.findall(r"{(\w+)}", self.path))

    @cached_property
    def in_query(self) -> frozenset[str]:
        """Names of the parameters in the query."""
        return frozenset(self.given.__struct_fields__) - self.in_path

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        return get_type_hints(self.do)

    def read(self, request: Request, values: Mapping[str, str]) -> list[msgspec.Struct]:
        """``given``, and ``body`` where there is one.

        Raises:
            BadRequest, UnsupportedMediaType: with what was expected.
        """
        found: list[msgspec.Struct] = [self._read_given(request, values)]
        return found if self.body is None else [*found, self._read_body(request)]

    def _read_given(self, request: Request, values: Mapping[str, str]) -> Given:
        texts = dict(values)
        for name, said in request.args.lists():
            if name not in self.in_query:
                known = ", ".join(sorted(self.in_query)) or "none"
                raise BadRequest(f"{name[:40]!r} is no parameter of this; there are: {known}.")
            if len(said) > 1:
                raise BadRequest(f"{name}: expected once, not {len(said)} times.")
            texts[name] = said[0]
        try:
            return msgspec.convert(texts, self.given, strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(_expected(error)) from error

    def _read_body(self, request: Request) -> msgspec.Struct:
        assert self.body is not None
        if request.mimetype != JSON:
            raise UnsupportedMediaType(f"Content-Type: expected {JSON}.")
        try:
            return msgspec.json.decode(request.get_data(), type=self.body)
        except msgspec.ValidationError as error:
            raise BadRequest(_expected(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"The body is not JSON: {error}") from error


def said(value: T | UnsetType) -> T | None:
    """What was given, or None."""
    return None if value is UNSET else value


def _expected(error: msgspec.ValidationError) -> str:
    """``Expected `int` <= 200 - at `$.limit` `` -> ``limit: Expected `int` <= 200``."""
    what, _, where = str(error).partition(" - at `$")
    where = where.strip("`.")
    return f"{where}: {what}" if where else what
