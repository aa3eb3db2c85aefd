"""Whether a stretch of sound is a telephone's tones: ringing, busy, fax. They are loud, and nobody's words.

Such a tone is one or two frequencies that stand still, so nearly all power lies in two narrow peaks, and the
higher of them stays where it is, to a hertz. A voice has more harmonics, and its pitch always moves. In doubt it is
a voice: music, tones in noise, keys pressed fast and two frequencies close together (ringing in North America) are
not told apart from it here.
Called by: ``pipeline``, once for each utterance.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fsctl.media.wav import Samples

MOMENT_MS = 64
LOBE = 2
"""Bins on each side of a peak that belong to it, behind a Hann window."""
PURE = 0.9
"""Share of a moment's power in its two peaks."""
CLEAN = 0.98
"""The same for a moment whose peak is compared: in one that holds an edge of the tone the peak moves."""
DRIFT_HZ, JUMP_HZ = 1.5, 40.0
"""Between two moments: a tone stays within the first; by more than the second it is another tone."""
LOUD = 0.03
"""Moments with less than this share of the power of the loudest are the pauses between tones."""
STEADY = 0.85
"""Share of the power in pure moments, and of their successions that do not drift."""
EVEN, EVEN_SHARE = 0.2, 0.6
"""The heights of two loud moments that follow each other differ by no more than this share in so many of them."""
LEAST = 4
"""Successions without drift, a quarter of a second of tone: with fewer nothing is said."""

Moments = npt.NDArray[np.float32]


def is_tone(samples: Samples, rate: int) -> bool:
    """Whether nearly all of it is pure tones.

    Args:
        rate: samples a second; of more than 8000 every second one, or fewer, is enough.
    """
    step = max(1, rate // 8000)
    size = MOMENT_MS * rate // step // 1000
    count = len(samples) // step // size
    if count <= LEAST:
        return False
    heard = samples[: count * size * step : step].reshape(count, size)
    if not _is_even(heard.max(axis=1).tolist()):
        return False  # Nearly every voice is known by this, without a spectrum.
    moments = heard.astype(np.float32)
    powers = np.einsum("ij,ij->i", moments, moments)
    loud = powers > LOUD * powers.max()
    spectra = _spectra(moments)
    purity = _purity(spectra)
    pure = float(powers[loud & (purity >= PURE)].sum()) >= STEADY * float(powers[loud].sum())
    return pure and _is_steady(_peaks(spectra) * rate / step / size, loud & (purity >= CLEAN))


def _is_even(tops: list[int]) -> bool:
    """Whether each loud moment reaches as high as the next: of tones nine in ten do, of speech four."""
    least = LOUD**0.5 * max(tops)
    pairs = [(one, next_) for one, next_ in pairwise(tops) if min(one, next_) > least]
    return sum(abs(one - next_) <= EVEN * max(one, next_) for one, next_ in pairs) >= EVEN_SHARE * len(pairs)


def _is_steady(peaks: npt.NDArray[np.float64], clean: npt.NDArray[np.bool_]) -> bool:
    """Args: peaks: of each moment the highest, in hertz."""
    change = np.abs(np.diff(peaks))[clean[1:] & clean[:-1]]
    still, drifting = int((change < DRIFT_HZ).sum()), int(((change >= DRIFT_HZ) & (change < JUMP_HZ)).sum())
    return still >= LEAST and still >= STEADY * (still + drifting)


@cache
def _window(size: int) -> npt.NDArray[np.float32]:
    return np.hanning(size).astype(np.float32)


def _spectra(moments: Moments) -> Moments:
    """Powers, without what is next to no frequency."""
    spectra = np.square(np.abs(np.fft.rfft(moments * _window(moments.shape[1]), axis=1)))
    spectra[:, : LOBE + 1] = 0.0
    return spectra


def _purity(spectra: Moments) -> npt.NDArray[np.float64]:
    """Of each moment the share of its power in its two highest peaks."""
    total = np.maximum(spectra.sum(axis=1), 1.0)
    rows, around = np.arange(len(spectra))[:, None], np.arange(-LOBE, LOBE + 1)
    rest, inside = spectra.copy(), np.zeros(len(spectra))
    for _ in range(2):
        bins = np.clip(rest.argmax(axis=1)[:, None] + around, 0, rest.shape[1] - 1)
        inside += rest[rows, bins].sum(axis=1)
        rest[rows, bins] = 0.0
    purity: npt.NDArray[np.float64] = inside / total
    return purity


def _peaks(spectra: Moments) -> npt.NDArray[np.float64]:
    """Of each moment where the highest peak is, in bins."""
    rows = np.arange(len(spectra))
    top = np.clip(spectra.argmax(axis=1), LOBE, spectra.shape[1] - 1 - LOBE)
    below, at, above = (np.sqrt(spectra[rows, top + side]) for side in (-1, 0, 1))
    # The peak of a Hann window lies between the two highest bins as their ratio says.
    right = above >= below
    ratio = np.where(right, above, below) / np.maximum(at, 1e-9)
    place: npt.NDArray[np.float64] = top + np.where(right, 1, -1) * (2 * ratio - 1) / (1 + ratio)
    return place
