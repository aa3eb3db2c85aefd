"""The part of the config that concerns the chat: where webhooks and pages are served, and what Meta is told."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fsctl.tables import Tables


@dataclass(frozen=True, kw_only=True)
class Web:
    """What listens for HTTP: Meta's webhooks, and pages."""

    listen: str = ""
    """HOST:PORT; empty: nothing is served. On another address than the loopback only with a certificate, or where
    a proxy that does TLS is in front."""
    certificate: Path | None = None
    """PEM file with the chain; None: a proxy in front does TLS."""
    key: Path | None = None
    public_url: str = ""
    """How customers and Meta reach it, such as ``https://calls.example.com``: links begin so."""


@dataclass(frozen=True, kw_only=True)
class WhatsApp:
    """Our side of Meta's Cloud API."""

    graph_url: str = "https://graph.facebook.com"
    graph_version: str = "v25.0"
    access_token: str = field(default="", repr=False)
    """From ``access_token_env`` or ``access_token_file``; empty: nothing is sent."""
    app_secret: str = field(default="", repr=False)
    """Signs webhooks. From ``app_secret_env`` or ``app_secret_file``; empty: no webhook is taken."""
    verify_token: str = field(default="", repr=False)
    """Said by Meta when a webhook is set up. From ``verify_token_env`` or ``verify_token_file``."""
    portfolio: str = ""
    """Name or id of the business portfolio: the ids of its users mean nothing in another one."""
    waba_id: str = ""
    """The WhatsApp Business Account of our numbers."""


SECRETS = (
    ("access_token", "the access token"),
    ("app_secret", "the app's secret"),
    ("verify_token", "the verify token"),
)


def read(rest: dict[str, Any], tables: Tables) -> tuple[Web, WhatsApp]:
    """Take the tables ``web`` and ``whatsapp``.

    Raises:
        ConfigError: with the file, the key, and what is expected.
    """
    return _web(tables.take(rest, "web", dict, {}), tables), _whatsapp(
        tables.take(rest, "whatsapp", dict, {}), tables
    )


def _web(table: dict[str, Any], tables: Tables) -> Web:
    web = tables.fill(Web, table, "web")
    host, _, port = web.listen.rpartition(":")
    if web.listen and not (host and port.isdigit() and int(port) < 65536):
        raise tables.error("web.listen", "HOST:PORT", web.listen)
    if (web.certificate is None) != (web.key is None):
        raise tables.error("web", "both certificate and key, or none of them", "one of them")
    if web.public_url and not _is_address(web.public_url):
        raise tables.error("web.public_url", "an address such as https://calls.example.com", web.public_url)
    return dataclasses.replace(
        web,
        certificate=tables.folder / web.certificate if web.certificate else None,
        key=tables.folder / web.key if web.key else None,
        public_url=web.public_url.rstrip("/"),
    )


def _whatsapp(table: dict[str, Any], tables: Tables) -> WhatsApp:
    rest = dict(table)
    secrets = {name: tables.secret(rest, "whatsapp", name, what) or "" for name, what in SECRETS}
    found = tables.fill(WhatsApp, rest, "whatsapp", skip=set(secrets))
    if not _is_address(found.graph_url):
        raise tables.error(
            "whatsapp.graph_url", "an address such as https://graph.facebook.com", found.graph_url
        )
    return dataclasses.replace(found, graph_url=found.graph_url.rstrip("/"), **secrets)


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
