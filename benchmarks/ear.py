"""How much speech could be found in noise at best?

The reference of ``vad.py`` has speech that lies far below the noise: soft beginnings, the fading of a room, and of
some recordings their own background. Here an ear is told by an oracle of every 10 ms in which the clean speech is
louder than so many dB below the noise, and of no other. It keeps some room before and behind what it hears, and
closes gaps, both as suits these very recordings best. Nobody who has only the noisy sound hears as much, or knows
the best room; how our utterances do on the same bytes stands beside it.

    python benchmarks/ear.py FOLDER [--snr 10] [--alone S] [--json]

FOLDER, --alone, found and false: see ``vad.py``. The noise is white and pink, steady; its level is that behind the
telephone's filter.
"""

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import noisy
import numpy as np
import vad
from noisy import WIDE, Wave
from vad import Mask, Share

NOISES = ("white", "pink")
BELOW_DB = (-5, 0, 5, 10, 15)
ROOM = (0, 3, 6, 9, 12, 15, 18, 24, 30, 36, 48)
"""Frames of 10 ms to keep beside what is heard."""
GAPS = (0, 30)
FOUND = (95.0, 96.0, 97.0)


@dataclass(frozen=True)
class Leg:
    """A leg in one noise."""

    above_db: Wave
    """The clean speech over the noise, each 10 ms."""
    truth: Mask
    ours: Mask


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="clean speech")
    parser.add_argument("--snr", type=float, default=10, help="speech over noise, dB (default 10)")
    parser.add_argument("--alone", type=vad.silence_s, metavar="S", help="each file a leg, as in vad.py")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    legs = list(heard(noisy.read_legs(options.folder, None, options.alone), options.snr))
    ours = Share()
    for leg in legs:
        ours.add(leg.ours, leg.truth)
    ears = {below: best(legs, below) for below in BELOW_DB}
    if options.json:
        print(json.dumps({"snr": options.snr, "ours": ours.percent, "ears": ears}))
        return
    print(f"found/false in percent at {options.snr:g} dB; ours: {'{:.1f}/{:.1f}'.format(*ours.percent)}")
    print("an ear hears what is" + "".join(f"{f'at least {found:g}':>14}" for found in FOUND))
    for below, shares in ears.items():
        cells = ("{:.1f}/{:.1f}".format(*share) if share else "never" for share in shares)
        print(f"{-below:+4d} dB of the noise " + "".join(f"{cell:>14}" for cell in cells))


def heard(waves: dict[str, Wave], snr: float) -> Iterator[Leg]:
    """Each leg in each noise."""
    rng = np.random.default_rng(0)
    for wave in waves.values():
        clean = noisy.narrow(wave)
        truth = vad.reference(clean)
        for name in NOISES:
            noise = vad.below(wave, truth, noisy.NOISES[name](len(wave), rng), snr)
            pcm = noisy.telephone(wave + noise, WIDE).astype(np.int16)
            level = 10 * np.log10(np.mean(np.square(noisy.narrow(noise))))
            yield Leg(vad.levels(clean) - level, truth, vad.ours(pcm, WIDE))


def best(legs: Sequence[Leg], below_db: float) -> list[tuple[float, float] | None]:
    """Found and false of the ear with the least false that finds so much, for each of FOUND."""
    found = []
    for lead, tail, gap in itertools.product(ROOM, ROOM, GAPS):
        share = Share()
        for leg in legs:
            share.add(vad.closed(wider(leg.above_db > -below_db, lead, tail), gap), leg.truth)
        found.append(share.percent)
    return [
        min((one for one in found if one[0] >= least), key=lambda one: one[1], default=None)
        for least in FOUND
    ]


def wider(mask: Mask, lead: int, tail: int) -> Mask:
    """With so many frames before and behind."""
    counts, at = np.concatenate(([0], np.cumsum(mask))), np.arange(len(mask))
    wide: Mask = counts[np.minimum(at + lead + 1, len(mask))] > counts[np.maximum(at - tail, 0)]
    return wide


if __name__ == "__main__":
    main()
