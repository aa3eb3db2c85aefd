"""How the transcribers keep up, for people and as JSON for programs."""

import dataclasses
from typing import Any

from fsctl.store.transcripts import Load


def as_values(load: Load) -> dict[str, Any]:
    """An object for JSON."""
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in dataclasses.asdict(load).items()
    }


def as_text(load: Load) -> str:
    """A few lines."""
    return "\n".join(
        (
            f"live    {load.depth} waiting ({load.speech_s:.0f} s of speech), the oldest for {load.lag_s:.1f} s"
            f"{_delay(load)}; {load.workers} workers decode",
            f"shed    {load.shed} to be decoded after their calls, {load.swept} of ended calls waiting; "
            f"{load.shed_hour} shed in the last hour",
            f"final   {load.legs} legs waiting ({load.windows} windows), the oldest for {load.legs_lag_s:.0f} s",
            f"1 hour  {load.done_hour} utterances and {load.legs_hour} legs decoded, "
            f"{load.failed_hour} and {load.legs_failed_hour} failed",
        )
    )


def _delay(load: Load) -> str:
    if load.delay_p50_s is None or load.delay_p95_s is None:
        return ""
    return f"; text {load.delay_p50_s:.1f} s after the end of speech, p95 {load.delay_p95_s:.1f} s"
