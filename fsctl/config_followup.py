"""What ``[queue.….followup]`` may say: of missed calls, what is written, and of the times that can be chosen."""

from collections.abc import Callable, Iterator
from typing import get_args

from fsctl.call.policy import Followup, Missed, Policy
from fsctl.tables import Tables
from fsctl.transcribe.language import ISO_639_1

MAX_BUTTON = 20
"""Characters on a call button (Meta, call button messages)."""
MAX_TEXT = 1024
"""Characters of text above a button (Meta, interactive messages); the sentence that says why is part of it."""
WHY_ROOM = 120
"""Characters that such a sentence may have."""
MAX_KEEP_S = 43_200 * 60
"""How long a call button lives at most (Meta, ttl_minutes)."""
Complaint = tuple[str, str, object]
"""Key, what is expected, and what stands there."""


def require(policy: Policy, tables: Tables) -> None:
    """Everything said of follow-ups can be done.

    Raises:
        ConfigError: with the file, the key, and what is expected.
    """
    for name, queue in policy.queues.items():
        for key, expected, found in complaints(queue.followup):
            raise tables.error(f"queue.{name}.followup.{key}", expected, found)
        if queue.dissuade_after_s is not None and queue.dissuade_after_s < 1:
            raise tables.error(
                f"queue.{name}.dissuade_after_s", "seconds, 1 at least", queue.dissuade_after_s
            )


def complaints(followup: Followup) -> Iterator[Complaint]:
    """What is wrong, if anything."""
    for check in CHECKS:
        yield from check(followup)


def _kinds(followup: Followup) -> Iterator[Complaint]:
    known = get_args(Missed)
    yield from (
        ("kinds", f"some of {', '.join(known)}", kind) for kind in followup.kinds if kind not in known
    )


def _numbers(followup: Followup) -> Iterator[Complaint]:
    bounds = {
        "quiet_s": (0, 7 * 86_400),
        "keep_s": (60, MAX_KEEP_S),
        "slot_s": (300, 7200),
        "slot_days": (1, 14),
        "slot_share": (0, 1),
        "bad_line_mos": (0, 4.5),
    }
    for key, (least, most) in bounds.items():
        if not least <= getattr(followup, key) <= most:
            yield key, f"{least} to {most}", getattr(followup, key)
    if followup.slot_s % 300:
        yield "slot_s", "a multiple of 300", followup.slot_s


def _languages(followup: Followup) -> Iterator[Complaint]:
    for key in ("texts", "links", "button", "template_languages"):
        for language in getattr(followup, key):
            if language not in ISO_639_1:
                yield key, "codes of languages by ISO 639-1, such as en", language


def _lengths(followup: Followup) -> Iterator[Complaint]:
    for language, text in followup.button.items():
        if not 0 < len(text) <= MAX_BUTTON:
            yield f"button.{language}", f"1 to {MAX_BUTTON} characters", text
    for language in followup.texts.keys() | followup.links.keys():
        whole = "\n".join((followup.texts.get(language, ""), *followup.links.get(language, ())))
        if len(whole) > MAX_TEXT - WHY_ROOM:
            yield f"texts.{language}", f"at most {MAX_TEXT - WHY_ROOM} characters with its links", len(whole)


CHECKS: tuple[Callable[[Followup], Iterator[Complaint]], ...] = (_kinds, _numbers, _languages, _lengths)
