"""The part of the config that concerns the chat: where webhooks and pages are served, and what Meta is told."""

import dataclasses
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fsctl.tables import Tables

HOST = re.compile(
    r"(?=.{4,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
"""A name with a domain: an address has no certificate that Meta would take."""
PARAM = re.compile(r"[A-Za-z0-9._-]{1,128}")


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
    operations: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks whose clients may ask for ``/healthz``, ``/readyz`` and ``/metrics``; none: nobody may."""


@dataclass(frozen=True, kw_only=True)
class Calling:
    """What Meta shall have as the settings of our numbers' calls: ``fsctl whatsapp apply`` sends it."""

    sip_host: str = ""
    """The name under which Meta reaches the profile ``whatsapp``; the certificate must be for it."""
    sip_port: int = 5061
    sip_params: Mapping[str, str] = field(default_factory=dict)
    """Parameters that Meta puts into the request URI, such as ``tgrp``."""
    call_webhooks: bool = True
    """Whether Meta tells of each call by a webhook too: a witness beside FreeSWITCH."""
    call_icon: bool = True
    """Whether WhatsApp shows the button to call. Without it only our own buttons and links lead to a call."""
    call_icon_countries: tuple[str, ...] = ()
    """Where it is shown, by the country of the customer's number; none named: everywhere."""
    callback_permission: bool = True
    """Whether who calls us is asked for the permission to be called."""
    call_hours: bool = True
    """Whether WhatsApp offers no call while the number's queue is closed; False leaves Meta's hours alone."""
    users_dir: Path | None = None
    """Folder that FreeSWITCH's ``directory/whatsapp.xml`` includes: the SIP passwords are written there."""


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
    calling: Calling = field(default_factory=Calling)
    conversions_dataset: str = ""
    """Id of the dataset of Meta's Conversions API; empty: Meta is told of no outcome."""
    conversions_consent: bool = False
    """Your word that customers know, and agree where the law asks for it, that Meta is told what came of their
    click on an ad. Without it Meta is told nothing."""

    @property
    def has_conversions(self) -> bool:
        """Whether Meta is told of outcomes."""
        return bool(self.conversions_dataset) and self.conversions_consent


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
    for network in web.operations:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise tables.error("web.operations", "networks such as 10.0.0.0/8", network) from error
    return dataclasses.replace(
        web,
        certificate=tables.folder / web.certificate if web.certificate else None,
        key=tables.folder / web.key if web.key else None,
        public_url=web.public_url.rstrip("/"),
    )


def _whatsapp(table: dict[str, Any], tables: Tables) -> WhatsApp:
    rest = dict(table)
    secrets: dict[str, Any] = {
        name: tables.secret(rest, "whatsapp", name, what) or "" for name, what in SECRETS
    }
    calling = _calling(tables.take(rest, "calling", dict, {}, "whatsapp"), tables)
    found = tables.fill(WhatsApp, rest, "whatsapp", skip={*secrets, "calling"})
    if not _is_address(found.graph_url):
        raise tables.error(
            "whatsapp.graph_url", "an address such as https://graph.facebook.com", found.graph_url
        )
    if found.conversions_dataset and not re.fullmatch("[0-9]{1,32}", found.conversions_dataset):
        raise tables.error("whatsapp.conversions_dataset", "the digits of its id", found.conversions_dataset)
    if found.conversions_dataset and not found.waba_id:
        raise tables.error("whatsapp.waba_id", "an id, since conversions_dataset is set", "")
    return dataclasses.replace(found, graph_url=found.graph_url.rstrip("/"), calling=calling, **secrets)


def _calling(table: dict[str, Any], tables: Tables) -> Calling:
    found = tables.fill(Calling, table, "whatsapp.calling")
    where = "whatsapp.calling"
    if found.sip_host and not HOST.fullmatch(found.sip_host):
        raise tables.error(f"{where}.sip_host", "a host name such as sip.example.com", found.sip_host)
    if not 0 < found.sip_port < 65536:
        raise tables.error(f"{where}.sip_port", "a port", found.sip_port)
    for key, value in found.sip_params.items():
        if not (PARAM.fullmatch(key) and PARAM.fullmatch(value)):
            raise tables.error(
                f"{where}.sip_params.{key}", "at most 128 letters, digits, dots or hyphens", value
            )
    for country in found.call_icon_countries:
        if not re.fullmatch("[A-Z]{2}", country):
            raise tables.error(f"{where}.call_icon_countries", "countries such as BR", country)
    users_dir = tables.folder / found.users_dir if found.users_dir else None
    return dataclasses.replace(found, users_dir=users_dir)


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
