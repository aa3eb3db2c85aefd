"""Where somebody speaks in a stretch that is loud, but not plainly a voice.

webrtcvad, asked of what is over the noise, takes the clatter of dishes and a crowd for speech; Silero does not,
but it misses the soft edges of words, and costs twenty times as much. So it is asked only of what stood little
above the noise, or does not sound like vowels (``pitch``). What it hears says that there is a voice, with much room
before and behind it; webrtcvad says where it begins and ends. Each stretch is listened to by itself: the same
samples give the same utterances, whoever reads them again.
Called by: ``pipeline``, once for each stretch; ``transcribe.file``, once for each leg.
"""

from fsctl.media.pitch import is_voiced
from fsctl.media.segmenter import Segmenter
from fsctl.media.silero import WINDOW, chances
from fsctl.media.wav import Samples
from fsctl.media.wave import RATE, to_16k

NOISY_DB = 25.0
"""A stretch whose speech is further above the noise is believed if it is plainly a voice."""
HEARD = 0.15
"""Chance of a voice from which on there may be one. A third of a telephone's speech is below a half."""
BEFORE_MS, AFTER_MS = 500, 700
"""What belongs to a voice that was heard: where it begins it is not believed at once, and words fade."""


def voices(samples: Samples, rate: int, reach_db: float) -> list[tuple[int, int]]:
    """The parts of a stretch in which there may be a voice: all of it where that is plain.

    Args:
        samples: mono int16, of the stretch.
        rate: samples a second.
        reach_db: how far the speech stood above the noise.

    Returns:
        First sample and one past the last of each, in the stretch; they neither overlap nor meet.
    """
    if reach_db >= NOISY_DB and is_voiced(samples, rate):
        return [(0, len(samples))]
    found: list[tuple[int, int]] = []
    for at, chance in enumerate(chances(to_16k(samples, rate)).tolist()):
        if chance < HEARD:
            continue
        begin = max(0, at * WINDOW * rate // RATE - BEFORE_MS * rate // 1000)
        end = min(len(samples), (at + 1) * WINDOW * rate // RATE + AFTER_MS * rate // 1000)
        if found and begin <= found[-1][1]:
            begin, _ = found.pop()
        found.append((begin, end))
    return found


def cut(
    samples: Samples, rate: int, *, vad_mode: int, hangover_ms: int, min_ms: int, max_ms: int
) -> list[tuple[int, int]]:
    """A whole leg at once, as the media reader cuts it.

    Args:
        samples: mono int16.
        rate: samples a second.

    Returns:
        First sample and one past the last of each utterance. The other arguments are those of the segmenter.
    """
    segmenter = Segmenter(rate, 0, vad_mode=vad_mode, hangover_ms=hangover_ms, min_ms=min_ms, max_ms=max_ms)
    return [
        (stretch.start + begin, stretch.start + end)
        for stretch in (*segmenter.feed(samples), *segmenter.finish())
        for begin, end in voices(samples[stretch.start : stretch.end], rate, stretch.reach_db)
    ]
