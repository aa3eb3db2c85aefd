"""What was said in a thread as cues. Called by: ``as_vtt``, ``as_srt``."""

from collections.abc import Iterator

from fsctl.crm.people import speaker
from fsctl.crm.subtitles import Cue
from fsctl.store.items import CallItem, ThreadView


def cues(view: ThreadView) -> Iterator[Cue]:
    """Every segment of every call, in time from the beginning of the first that has text.

    So those of a call by itself fit its first recording, and those of a thread stand days apart. Before the first
    cue of a call a note says which it is.
    """
    calls = [item for item in view.items if isinstance(item, CallItem) and item.turns]
    zero = min((item.turns[0].began for item in calls), default=None)
    for item in calls:
        assert zero is not None
        began = item.turns[0].began
        shift = round((began - zero).total_seconds() * 1000)
        note = f"call {item.call.uuid}, recorded from {began.isoformat()}"
        for spoken in item.turns:
            voice = speaker(view, item.call, spoken.turn.leg)
            for segment in filter(lambda one: one.text.strip(), spoken.turn.segments):
                yield Cue(segment.start_ms + shift, segment.end_ms + shift, voice, segment.text, note)
                note = ""
