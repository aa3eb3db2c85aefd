"""Whether calls and webhooks of Meta can reach us: what is looked at besides the certificate.

Each thing is a finding with the cure. Called by ``fsctl whatsapp check``; nothing is changed.
"""

import http.client
import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from fsctl.errors import GraphError
from fsctl.finding import Finding
from fsctl.whatsapp.graph import Graph
from fsctl.whatsapp.number import Health, Number, explained
from fsctl.whatsapp.receiver import PATH

TIMEOUT_S = 10.0
MOST_ANSWER = 200


def webhook(public_url: str, verify_token: str, authorities: Path | None = None) -> Finding:
    """Whether the webhook's address answers Meta's handshake (Meta, "Webhooks: verification requests").

    Args:
        authorities: PEM file of those whose signature counts; None: those of this machine.
    """
    if not public_url or not verify_token:
        missing = "web.public_url" if not public_url else "whatsapp.verify_token_env"
        return Finding(False, "webhook", f"{missing} is not set", "without webhooks there is no chat")
    where = f"{public_url}{PATH}"
    challenge = str(secrets.randbelow(10**9))
    asked = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        status, answer = _get(public_url, f"{PATH}?{urlencode(asked)}", authorities)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        cure = "is `fsctl serve` up, does [web] listen, does the proxy in front lead there?"
        return Finding(False, "webhook", f"{where}: {str(why)[:200]}", cure)
    if (status, answer) != (200, challenge.encode()):
        cure = "403: another verify token is served there; else the address leads somewhere else"
        return Finding(False, "webhook", f"{where} answers {status} and not the challenge", cure)
    if not public_url.startswith("https://"):
        return Finding(False, "webhook", f"{where} answers, without TLS", "Meta takes an https address only")
    return Finding(True, "webhook", f"{where} answers the handshake")


def _get(base: str, path: str, authorities: Path | None) -> tuple[int, bytes]:
    parts = urlsplit(base)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        response = connection.getresponse()
        return response.status, response.read(MOST_ANSWER)
    finally:
        connection.close()


def subscription(graph: Graph, waba_id: str) -> Finding:
    """Whether the account's webhooks go to an app at all: naming a callback address alone does not do it.

    Meta, "WhatsApp Business Account: subscribed apps".
    """
    what = "account"
    if not waba_id:
        return Finding(
            False, what, "whatsapp.waba_id is not set", "so it is not known whether its webhooks go anywhere"
        )
    try:
        found = graph.get(f"{waba_id}/subscribed_apps").get("data")
    except GraphError as error:
        return Finding(False, what, explained(error))
    listed = [one for one in found[:20] if isinstance(one, dict)] if isinstance(found, list) else []
    apps = [one.get("whatsapp_business_api_data") for one in listed]
    names = [str(one.get("name") or one.get("id"))[:60] for one in apps if isinstance(one, dict)]
    if not names:
        cure = f"subscribe yours, with its token: POST /{waba_id}/subscribed_apps"
        return Finding(False, what, "no app is subscribed to the account: no webhook is sent", cure)
    return Finding(True, what, f"its webhooks go to {', '.join(names)}")


def number(one: Number) -> Iterator[Finding]:
    """The token, and what Meta says of one of our numbers."""
    what = f"+{one.digits}"
    try:
        health = one.health()
    except GraphError as error:
        yield Finding(False, what, explained(error))
        return
    yield _identity(one, health)
    yield _quality(what, health)
    if health.calls:
        why = f" ({'; '.join(health.reasons)})" if health.reasons else ""
        is_well = health.calls == "AVAILABLE"
        cure = "" if is_well else "see `fsctl whatsapp status`; is the app's mode Live?"
        yield Finding(is_well, what, f"calls by SIP: {health.calls}{why}", cure)


def _identity(one: Number, health: Health) -> Finding:
    text = f"the token is valid; Meta knows the number as {health.name or 'one without a name'}"
    if health.digits != one.digits:
        found = f"phone_number_id {one.id} is Meta's id of +{health.digits or '?'}"
        return Finding(False, f"+{one.digits}", found, f"mend number.{one.digits}.phone_number_id")
    if health.status not in ("", "CONNECTED"):
        return Finding(False, f"+{one.digits}", f"{text}, {health.status}", "see WhatsApp Manager")
    return Finding(True, f"+{one.digits}", text)


def _quality(what: str, health: Health) -> Finding:
    text = f"quality {health.quality or 'unknown'}, throughput {health.throughput or 'unknown'}"
    cure = (
        "customers block or report it: send less that they did not ask for" if health.quality == "RED" else ""
    )
    return Finding(health.quality != "RED", what, text, cure)
