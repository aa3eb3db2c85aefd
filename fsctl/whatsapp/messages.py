"""The JSON of what we send, as Meta's Cloud API wants it: text, buttons, permission to call, templates.

Pure. Each builder makes a message without its recipient (``addressed`` adds it), and refuses what Meta would
refuse: the lengths are those of Meta, "Send messages", "Call button messages" and "Message templates".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fsctl.errors import BadInput

Message = dict[str, Any]

MAX_TEXT = 4096
MAX_BODY = 1024
"""Of an interactive message."""
MAX_LABEL = 20
"""Of a button."""
MAX_PAYLOAD = 512
"""Of a call button; also of biz_opaque_callback_data."""
MAX_TTL_MINUTES = 43_200
"""Of a call button: 30 days."""


def text(body: str, *, preview_url: bool = False) -> Message:
    """Plain text. Raises BadInput when it is empty or longer than 4096 characters."""
    return {
        "type": "text",
        "text": {"body": _within(body, MAX_TEXT, "the text"), "preview_url": preview_url},
    }


def call_button(
    body: str, *, label: str = "Call Now", ttl_minutes: int | None = None, payload: str = ""
) -> Message:
    """A button that calls us; its payload comes with the call (``x-wa-meta-cta-payload``).

    Args:
        ttl_minutes: 1 to 43200; None: Meta's default, a week.
        payload: at most 512 characters.
    """
    parameters: dict[str, Any] = {"display_text": _within(label, MAX_LABEL, "the button's label")}
    parameters |= _call_parameters(ttl_minutes, payload)
    return _interactive("voice_call", body, {"name": "voice_call", "parameters": parameters})


def permission_request(body: str) -> Message:
    """Asks the user whether we may call. One in 24 hours, two in a week (Meta, "User call permissions")."""
    return _interactive("call_permission_request", body, {"name": "call_permission_request"})


def url_button(body: str, *, label: str, url: str) -> Message:
    """A button that opens a page."""
    parameters = {"display_text": _within(label, MAX_LABEL, "the button's label"), "url": url}
    return _interactive("cta_url", body, {"name": "cta_url", "parameters": parameters})


def template(name: str, language: str, components: Sequence[Mapping[str, Any]] = ()) -> Message:
    """A template that Meta approved; the only thing it takes outside the service window."""
    found: Message = {"name": name, "language": {"code": language}}
    if components:
        found["components"] = [dict(one) for one in components]
    return {"type": "template", "template": found}


def body_texts(*texts: str) -> Mapping[str, Any]:
    """Component of a template: the values of its body's {{1}}, {{2}} and so on."""
    return {"type": "body", "parameters": [{"type": "text", "text": one} for one in texts]}


def template_call_button(
    *, ttl_minutes: int | None = None, payload: str = "", index: int = 0
) -> Mapping[str, Any]:
    """Component of a template: its call button. Args: index: its place among the template's buttons."""
    given = _call_parameters(ttl_minutes, payload)
    parameters = [{"type": key, key: value} for key, value in given.items()]
    return {"type": "button", "sub_type": "voice_call", "index": str(index), "parameters": parameters}


def template_url_button(suffix: str, *, index: int = 0) -> Mapping[str, Any]:
    """Component of a template: what is appended to the address of its button."""
    return {
        "type": "button",
        "sub_type": "url",
        "index": str(index),
        "parameters": [{"type": "text", "text": suffix}],
    }


def template_permission_request() -> Mapping[str, Any]:
    """Component of a template that asks whether we may call."""
    return {"type": "call_permission_request"}


def addressed(message: Message, *, to: str = "", recipient: str = "", key: str = "") -> Message:
    """A whole request.

    Args:
        to: number; wins over ``recipient`` at Meta's, so only one of them is sent.
        recipient: business-scoped user id.
        key: handed back in the webhooks of this message.
    """
    who = {"to": to} if to else {"recipient": recipient}
    head = {"messaging_product": "whatsapp", "recipient_type": "individual", **who}
    return head | message | ({"biz_opaque_callback_data": key} if key else {})


def readable(message: Mapping[str, Any]) -> tuple[str, str]:
    """Type and text of a message as people read it in the thread."""
    kind = str(message.get("type", "unknown"))
    about = message.get(kind)
    if not isinstance(about, Mapping):
        return kind, ""
    if kind == "text":
        return kind, str(about.get("body", ""))
    if kind == "interactive":
        label = _label(about.get("action", {}))
        return kind, f"{about.get('body', {}).get('text', '')}{f' [{label}]' if label else ''}"
    if kind == "template":
        texts = [
            one["text"]
            for component in about.get("components", ())
            if component.get("type") == "body"
            for one in component.get("parameters", ())
            if "text" in one
        ]
        return kind, f"[{': '.join([about.get('name', ''), *([', '.join(texts)] if texts else [])])}]"
    return kind, str(about.get("caption", ""))


def _label(action: Mapping[str, Any]) -> str:
    parameters = action.get("parameters", {})
    return ": ".join(str(parameters[key]) for key in ("display_text", "url") if key in parameters)


def _interactive(kind: str, body: str, action: Mapping[str, Any]) -> Message:
    shown = {"text": _within(body, MAX_BODY, "the text")}
    return {"type": "interactive", "interactive": {"type": kind, "body": shown, "action": dict(action)}}


def _call_parameters(ttl_minutes: int | None, payload: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if ttl_minutes is not None:
        if not 1 <= ttl_minutes <= MAX_TTL_MINUTES:
            raise BadInput(f"a call button lives 1 to {MAX_TTL_MINUTES} minutes, not {ttl_minutes}")
        found["ttl_minutes"] = ttl_minutes
    if payload:
        found["payload"] = _within(payload, MAX_PAYLOAD, "the payload")
    return found


def _within(text: str, most: int, what: str) -> str:
    if not text.strip():
        raise BadInput(f"{what} is empty")
    if len(text) > most:
        raise BadInput(f"{what} has {len(text)} characters; Meta takes {most}")
    return text
