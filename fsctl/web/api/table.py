"""Every operation of the API, and which tokens may have it: the one place where both are said."""

from fsctl.web.api import calls, outcomes, search, threads
from fsctl.web.api.operation import JSON, Operation

ALL = frozenset({"crm", "supervisor", "agent", "ops"})
READERS = frozenset({"crm", "supervisor", "agent"})
WHOLE = frozenset({"crm", "supervisor"})
WRITERS = frozenset({"crm"})

_SAID = {201: "It is stored.", 200: "Its key was known: nothing was stored."}
_MOVED = {308: "It became part of another; that one's address is in `Location`."}
_FORGOTTEN = {410: "What came after that number is no longer kept."}
_SOUND = {200: "The whole.", 206: "The range that was asked for."}

OPERATIONS = (
    Operation("GET", "/v1/threads", threads.threads, READERS),
    Operation("GET", "/v1/threads/{thread_id}", threads.thread, READERS, refusals=_MOVED),
    Operation("GET", "/v1/threads/{thread_id}/items", threads.items, READERS, refusals=_MOVED),
    Operation("POST", "/v1/threads/{thread_id}/outcome", outcomes.say_of_thread, WRITERS, answers=_SAID),
    Operation("GET", "/v1/changes", threads.changes, WHOLE),
    Operation("GET", "/v1/events", threads.events, WHOLE, refusals=_FORGOTTEN),
    Operation("GET", "/v1/contacts/{contact_id}", threads.contact, READERS, refusals=_MOVED),
    Operation("GET", "/v1/calls", calls.calls, ALL),
    Operation("GET", "/v1/calls/{call_uuid}", calls.call, ALL),
    Operation(
        "GET", "/v1/calls/{call_uuid}/transcript", calls.transcript, READERS,
        media=(JSON, *calls.TEXTS.values()),
    ),
    Operation(
        "GET", "/v1/calls/{call_uuid}/recording", calls.recording, WHOLE,
        media=(calls.WAV,), answers=_SOUND, refusals={416: "The range begins behind the end."},
    ),
    Operation("POST", "/v1/calls/{call_uuid}/outcome", outcomes.say_of_call, WRITERS, answers=_SAID),
    Operation("GET", "/v1/search", search.search, WHOLE),
)  # fmt: skip
