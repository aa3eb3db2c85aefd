"""Plans the final pass of recordings that are wholly cut, and keeps the audio there that it needs.

What is to be planned is read from Postgres, so a planner that was killed goes on where it was. The windows are
rows; their audio is cut from the recording, spool or archive, a bounded number of windows ahead of the
transcribers, and again after a crash of Postgres took it. Called by: ``fsctl media``, in a greenlet of its own.
"""

import logging
import time
from collections.abc import Sequence

import gevent
import numpy as np

from fsctl.config import Node
from fsctl.errors import ArchiveError, AudioError
from fsctl.media import archive, codec, windows
from fsctl.media.fork import CHANNEL, Leg, Window, apart
from fsctl.media.pipeline import all_in_file
from fsctl.media.windows import Bounds, Stretch
from fsctl.patience import Patience
from fsctl.store.transcripts import LostWindow, NewWindow, ToPlan, Transcripts

log = logging.getLogger(__name__)

TICK_S = 1.0
AHEAD = 12
"""Windows with audio, for all transcribers: half an hour of speech, about 60 MB."""
AGAIN_S = 10.0
LEGS: tuple[Leg, ...] = ("caller", "agent")


class Planner:
    """Of one node."""

    def __init__(self, node: Node, transcripts: Transcripts, *, final: bool) -> None:
        """Args: final: whether there is to be a final pass; else what is decoded live is all."""
        self._node = node
        self._transcripts = transcripts
        self._final = final
        self._unread: dict[int, float] = {}
        """Recordings that cannot be read, and when to try again."""
        self._missed: set[int] = set()
        """Recordings that could not be read once: a second time is worth a warning."""

    def run(self) -> None:
        """Plan for ever."""
        patience = Patience(log, "the final pass waits")
        while True:
            with patience:
                self.tick()
                gevent.sleep(TICK_S)

    def tick(self) -> None:
        """One round.

        Raises:
            DatabaseDown: nothing was lost.
        """
        for recording in self._transcripts.to_plan(self._node.name):
            wanted = self._final and not recording.failed and recording.rate is not None
            legs = {one.leg for one in recording.utterances}
            self._transcripts.plan(recording.id, legs, plan(recording) if wanted else [])
            gevent.sleep(0)
        self._transcripts.give_up(self._node.name)
        self._fill_all()

    def _fill_all(self) -> None:
        now = time.monotonic()
        self._unread = {id: again for id, again in self._unread.items() if again > now}
        while lost := self._transcripts.without_audio(self._node.name, AHEAD, self._unread):
            for one in lost:
                if one.recording_id not in self._unread:
                    self._fill(one)
                gevent.sleep(0)

    def _fill(self, lost: LostWindow) -> None:
        channel = CHANNEL["agent" if lost.leg == "agent" else "caller"]
        try:
            with archive.local_copy(self._node.seen(lost.path)) as path:
                pieces = [codec.cut(path, channel, start, end) for start, end in lost.pieces]
        except (FileNotFoundError, AudioError, ArchiveError) as error:
            # The recorder may just have moved it; it is looked for again, and others do not wait for it.
            self._unread[lost.recording_id] = time.monotonic() + AGAIN_S
            level = logging.WARNING if lost.recording_id in self._missed else logging.INFO
            self._missed.add(lost.recording_id)
            log.log(level, "window %s: its audio cannot be cut now: %s", lost.id, error)
            return
        pcm = np.concatenate(pieces).astype("<i2", copy=False).tobytes()
        self._transcripts.restore_audio(lost.id, pcm)


def plan(recording: ToPlan) -> list[NewWindow]:
    """The windows of every leg of a recording."""
    assert recording.rate is not None
    found: list[NewWindow] = []
    for leg in LEGS:
        spoken = [Stretch(one.id, one.start, one.end) for one in recording.utterances if one.leg == leg]
        found += [
            NewWindow(leg=leg, rate=recording.rate, pieces=packed.pieces, utterances=packed.ids)
            for packed in windows.pack(spoken, recording.rate, _bounds(recording, leg, recording.rate))
        ]
    return found


def _bounds(recording: ToPlan, leg: Leg, rate: int) -> Bounds:
    """Where the leg was listened to."""
    whole = all_in_file(recording.bridges_us, recording.pauses_us) if leg == "agent" else [(0, None)]
    gaps = all_in_file([*recording.pauses_us, *recording.masks_us], recording.pauses_us)
    heard = [Window(leg, start, end) for start, end in _in_samples(whole, rate)]
    return [(window.start, window.end) for window in apart(heard, _in_samples(gaps, rate))]


def _in_samples(spans_us: Sequence[tuple[int, int | None]], rate: int) -> list[tuple[int, int | None]]:
    return [
        (max(0, a * rate // 1_000_000), None if b is None else b * rate // 1_000_000) for a, b in spans_us
    ]
