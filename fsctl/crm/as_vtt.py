"""What was said in the calls of a thread as WebVTT. Chat has no place in it."""

from fsctl.crm import subtitles
from fsctl.crm.cues import cues
from fsctl.store.items import ThreadView


def render(view: ThreadView) -> str:
    """The calls' text as WebVTT; see ``cues`` for the times of more than one call."""
    return subtitles.vtt(cues(view))
