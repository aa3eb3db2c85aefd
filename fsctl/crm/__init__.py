"""Threads for those who read them: people at a terminal and programs.

Knows: forms of a thread (``as_NAME``), events for the world outside. Refuses to know: SQL, FreeSWITCH, audio.
Called by: ``fsctl thread show``, ``fsctl export``, the sequencer and the sender of webhooks.
To add an export: ``crm/as_NAME.py`` with ``render(ThreadView) -> str`` and a line in EXPORTS.
"""

from collections.abc import Callable, Mapping

from fsctl.crm import as_json, as_srt, as_text, as_vcon, as_vtt
from fsctl.store.items import ThreadView

EXPORTS: Mapping[str, Callable[[ThreadView], str]] = {
    "json": as_json.render,
    "vtt": as_vtt.render,
    "srt": as_srt.render,
    "txt": as_text.render,
    "vcon": as_vcon.render,
}
"""Name of a format -> how a thread, or a call by itself, is written in it."""
