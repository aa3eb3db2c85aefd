"""Threads for those who read them: people at a terminal and programs.

Knows: forms of a thread (``as_text``, ``as_json``). Refuses to know: SQL, FreeSWITCH, audio.
Called by: ``fsctl thread show``, and later by REST, webhooks and exports.
To add an export: ``crm/as_NAME.py`` with ``render(ThreadView) -> str`` and a line in EXPORTS.
"""

from collections.abc import Callable, Mapping

from fsctl.crm import as_json, as_text
from fsctl.store.items import ThreadView

EXPORTS: Mapping[str, Callable[[ThreadView], str]] = {"text": as_text.render, "json": as_json.render}
