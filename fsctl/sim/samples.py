"""Conversations with audio, shipped with the package, and the calls made from them.

A sample is ``samples/NAME.json`` (contact, chat, turns) with ``NAME.caller.opus`` and ``NAME.agent.opus``,
one voice each, of the same length and starting together.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import numpy as np
import soundfile

from fsctl.sim.plan import PLAN_RATE, Audio, CallPlan, Ring

#: Meta's id of the business number that is called.
PHONE_NUMBER_ID = "106540352242922"
#: Country by calling code, for x-wa-meta-country-code; the longest that fits wins.
COUNTRIES = {"1": "US", "34": "ES", "44": "GB", "49": "DE", "52": "MX", "55": "BR", "91": "IN", "972": "IL"}


@dataclass(frozen=True)
class Message:
    """A chat message that came before the call."""

    direction: Literal["inbound", "outbound"]
    minutes_before_call: float
    text: str


@dataclass(frozen=True)
class Turn:
    """Who speaks when: milliseconds from the bridge, and the words."""

    leg: Literal["caller", "agent"]
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, eq=False)
class Sample:
    """One conversation. Audio is mono int16 at 16 kHz."""

    name: str
    language: str
    topic: str
    contact_name: str
    wa_id: str
    business_number: str
    queue: str
    chat: tuple[Message, ...]
    turns: tuple[Turn, ...]
    duration_ms: int
    caller_audio: Audio
    agent_audio: Audio

    def plan(
        self,
        *,
        rings: tuple[Ring, ...] = (Ring(),),
        start_after_s: float = 0.0,
        hangs_up: Literal["caller", "agent", "nobody"] = "caller",
        phone_number_id: str = PHONE_NUMBER_ID,
        extra_headers: tuple[tuple[str, str], ...] = (),
    ) -> CallPlan:
        """The call with Meta's headers (Meta, "Configure SIP"). The switch adds the wacid."""
        code = next(
            (COUNTRIES[self.wa_id[:size]] for size in (3, 2, 1) if self.wa_id[:size] in COUNTRIES), "US"
        )
        headers = (
            ("x-wa-meta-user-name", self.contact_name.lower().replace(" ", ".")),
            ("x-wa-meta-country-code", code),
            ("x-wa-meta-phone-number-id", phone_number_id),
            *extra_headers,
        )
        return CallPlan(
            from_user=f"+{self.wa_id}",
            display_name=self.contact_name,
            to_number=f"+{self.business_number}",
            headers=headers,
            caller_audio=self.caller_audio,
            agent_audio=self.agent_audio,
            talk_s=max(
                self.duration_ms / 1000, len(self.caller_audio) / PLAN_RATE, len(self.agent_audio) / PLAN_RATE
            ),
            rings=rings,
            hangs_up=hangs_up,
            start_after_s=start_after_s,
        )


def load_samples(names: Sequence[str] | None = None) -> list[Sample]:
    """The named samples, or all that have both voices, in name order."""
    folder = files("fsctl.sim") / "samples"
    present = {entry.name for entry in folder.iterdir()}
    if names is None:
        stems = sorted(name.removesuffix(".json") for name in present if name.endswith(".json"))
        names = [stem for stem in stems if {f"{stem}.caller.opus", f"{stem}.agent.opus"} <= present]
    return [_load(folder, name) for name in names]


def _load(folder: Traversable, name: str) -> Sample:
    data: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    chat = tuple(Message(one["direction"], one["minutes_before_call"], one["text"]) for one in data["chat"])
    turns = tuple(Turn(one["leg"], one["start_ms"], one["end_ms"], one["text"]) for one in data["turns"])
    return Sample(
        name=data["name"],
        language=data["language"],
        topic=data["topic"],
        contact_name=data["contact"]["name"],
        wa_id=data["contact"]["wa_id"],
        business_number=data["business_number"],
        queue=data["queue"],
        chat=chat,
        turns=turns,
        duration_ms=data["duration_ms"],
        caller_audio=_read(folder / f"{name}.caller.opus"),
        agent_audio=_read(folder / f"{name}.agent.opus"),
    )


def _read(entry: Traversable) -> Audio:
    """Decode to mono 16 kHz; a file at another rate is brought there linearly."""
    with as_file(entry) as path:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = audio.mean(axis=1)
    if rate != PLAN_RATE:
        length = int(len(mono) * PLAN_RATE / rate)
        mono = np.interp(np.arange(length) * rate / PLAN_RATE, np.arange(len(mono)), _smooth(mono, rate))
    return np.asarray(np.clip(mono, -1.0, 1.0) * 32767, dtype=np.int16)


def _smooth(audio: np.ndarray[Any, Any], rate: int) -> np.ndarray[Any, Any]:
    """A moving average over one output sample, against aliasing when the rate goes down."""
    width = max(rate // PLAN_RATE, 1)
    return np.convolve(audio, np.ones(width) / width, mode="same")
