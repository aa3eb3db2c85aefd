"""A recording as a picture: two channels over time, with the utterances under each.

In a terminal with Unicode's block elements; as a PNG written by hand: one kind of image, no text, is forty
lines of zlib and struct, less than any library would cost those who never look at one.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fsctl.media.proof import Sound

BLOCKS = " ▁▂▃▄▅▆▇█"
GAP = "░"
"""Silence that is on purpose."""
FLOOR_DB = -60.0
"""What is quieter is drawn as silence."""
FULL_SCALE = 32768.0
LEGS = ("caller", "agent")

Spans = Sequence[tuple[str, int, int]]
"""Leg, first sample, one past the last."""
Gaps = Sequence[tuple[float, float | None]]
"""Beginnings and ends in seconds; an open end is None."""
Shares = npt.NDArray[np.float64]

WIDTH, BAND, BAR, EDGE = 1200, 120, 8, 12
"""Of the PNG, in pixels: the whole, a channel's height, the height of its utterances, the space around."""
COLOURS = {"background": (250, 250, 248), "caller": (38, 98, 160), "agent": (30, 130, 90),
           "utterance": (230, 150, 40), "axis": (205, 205, 200),
           "gap": (228, 222, 226)}  # fmt: skip


def as_text(sound: Sound, utterances: Spans, width: int, gaps: Gaps = ()) -> Iterator[str]:
    """Lines for a terminal of this width: each channel, where its utterances are, and what is not recorded."""
    columns = max(10, width - 10)
    hidden = _hidden(sound, gaps, columns)
    for channel in range(sound.channels):
        leg = LEGS[channel]
        shares = _loudness(sound, channel, columns)
        levels = (BLOCKS[round(share * (len(BLOCKS) - 1))] for share in shares)
        bars = "".join(GAP if gap and bar == " " else bar for bar, gap in zip(levels, hidden, strict=True))
        yield f"{leg:>8} {bars}"
        marks = _marks(sound, leg, utterances, columns)
        yield f"{'':8} {''.join('─' if mark else ' ' for mark in marks)}".rstrip()
    yield f"{'':8} {_axis(sound.duration_s, columns)}"


def as_png(sound: Sound, utterances: Spans, gaps: Gaps = ()) -> bytes:
    """The same as an image: amplitude up and down from an axis, utterances as bars below, gaps as shades."""
    height = EDGE + sound.channels * (BAND + BAR + EDGE)
    image = np.full((height, WIDTH, 3), COLOURS["background"], dtype=np.uint8)
    columns = WIDTH - 2 * EDGE
    rows = np.arange(BAND)[:, np.newaxis]
    for channel in range(sound.channels):
        leg, top = LEGS[channel], EDGE + channel * (BAND + BAR + EDGE)
        half = _amplitude(sound, channel, columns) * (BAND / 2)
        area = image[top : top + BAND, EDGE : EDGE + columns]
        area[:, _hidden(sound, gaps, columns)] = COLOURS["gap"]
        area[BAND // 2, :] = COLOURS["axis"]
        area[np.abs(rows - BAND / 2 + 0.5) <= half] = COLOURS[leg]
        bar = image[top + BAND : top + BAND + BAR, EDGE : EDGE + columns]
        bar[:, _marks(sound, leg, utterances, columns)] = COLOURS["utterance"]
    return _png(image)


def _png(image: npt.NDArray[np.uint8]) -> bytes:
    """PNG (RFC 2083): 8-bit RGB, every row unfiltered."""
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + width * 3), dtype=np.uint8)
    rows[:, 1:] = image.reshape(height, -1)
    form = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", form), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    )


def _loudness(sound: Sound, channel: int, columns: int) -> Shares:
    """Level of each column on a scale of decibels, 0 to 1."""
    levels = _spread(sound.rms[channel], columns)
    decibels = 20 * np.log10(np.maximum(levels, 1e-3) / FULL_SCALE)
    return np.clip(1 - decibels / FLOOR_DB, 0.0, 1.0)


def _amplitude(sound: Sound, channel: int, columns: int) -> Shares:
    return np.minimum(_spread(sound.peak[channel], columns) / FULL_SCALE, 1.0)


def _spread(cells: npt.NDArray[np.float32], columns: int) -> Shares:
    """Cells to columns: the highest of those that fall into one, or the one that covers it."""
    if len(cells) == 0:
        return np.zeros(columns)
    edges = np.arange(columns + 1) * len(cells) / columns
    first = np.minimum(edges[:-1].astype(int), len(cells) - 1)
    last = np.maximum(first + 1, np.ceil(edges[1:]).astype(int))
    return np.array([cells[a:b].max() for a, b in zip(first, last)], dtype=np.float64)


def _marks(sound: Sound, leg: str, utterances: Spans, columns: int) -> npt.NDArray[np.bool_]:
    """In which columns somebody speaks."""
    marks = np.zeros(columns, dtype=bool)
    scale = columns / max(1, sound.frames)
    for one, start, end in utterances:
        if one == leg:
            marks[int(start * scale) : max(int(start * scale) + 1, int(end * scale))] = True
    return marks


def _hidden(sound: Sound, gaps: Gaps, columns: int) -> npt.NDArray[np.bool_]:
    """In which columns nothing is recorded on purpose."""
    hidden = np.zeros(columns, dtype=bool)
    scale = columns / max(sound.duration_s, 1e-9)
    for start_s, end_s in gaps:
        hidden[int(start_s * scale) : columns if end_s is None else int(end_s * scale)] = True
    return hidden


def _axis(duration_s: float, columns: int) -> str:
    """Times under the columns, a few."""
    line = [" "] * columns
    for part in range(4):
        seconds = duration_s * part / 4
        text, at = f"{int(seconds) // 60}:{int(seconds) % 60:02d}", columns * part // 4
        line[at : at + len(text)] = text
    end = f"{int(duration_s) // 60}:{int(duration_s) % 60:02d}"
    return ("".join(line)[: columns - len(end)] + end).rstrip()
