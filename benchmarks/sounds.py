"""What a telephone line carries when nobody speaks, made by computation: silence, noise, tones, hum, music, breath.

``SOUNDS``: name -> (seconds, seed) -> waveform at 16 kHz, -1 to 1. ``telephone`` and ``wide`` are how such a
waveform reaches a recording: through 300 to 3400 Hz, 8 kHz and mu-law, or through Opus's wide band.
Tones are those of ITU-T E.180 and the North American precise tone plan; DTMF is ITU-T Q.23.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.int16]
Sound = Callable[[float, int], Wave]

RATE, NARROW = 16000, 8000
KEYS = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"))
    for high, key in zip((1209, 1336, 1477, 1633), row)
}


def resample(wave: Wave, rate: int, to: int) -> Wave:
    """By the Fourier transform."""
    count = round(len(wave) * to / rate)
    spectrum = np.zeros(count // 2 + 1, dtype=complex)
    have = np.fft.rfft(wave)[: len(spectrum)]
    spectrum[: len(have)] = have
    return np.fft.irfft(spectrum, count) * (count / max(1, len(wave)))


def telephone(wave: Wave) -> Pcm:
    """As it comes out of a telephone: band-limited, 8 kHz, mu-law, and back at 16 kHz."""
    narrow = resample(wave, RATE, NARROW)
    spectrum = np.fft.rfft(narrow)
    hertz = np.fft.rfftfreq(len(narrow), 1 / NARROW)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return wide(resample(mulaw(np.fft.irfft(spectrum, len(narrow))), NARROW, RATE))


def wide(wave: Wave) -> Pcm:
    """As 16-bit samples."""
    return np.clip(np.rint(wave * 32767), -32768, 32767).astype(np.int16)


def mulaw(wave: Wave) -> Wave:
    """To 8 bits by G.711's mu-law and back, by its continuous curve."""
    pressed = np.sign(wave) * np.log1p(255 * np.abs(np.clip(wave, -1, 1))) / np.log(256)
    steps = np.rint(pressed * 127) / 127
    spread: Wave = np.sign(steps) * np.expm1(np.abs(steps) * np.log(256)) / 255
    return spread


def _time(seconds: float) -> Wave:
    return np.arange(int(seconds * RATE)) / RATE


def _level(wave: Wave, db: float) -> Wave:
    """At so many dB below full scale, in effect."""
    rms = float(np.sqrt(np.mean(wave**2)))
    return wave * (10 ** (db / 20) / rms) if rms else wave


def noise(slope: float, db: float) -> Sound:
    """Noise whose amplitude falls as frequency**slope: 0 white, -0.5 pink, -1 brown."""

    def make(seconds: float, seed: int) -> Wave:
        count = int(seconds * RATE)
        spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, count))
        hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 40)
        return _level(np.fft.irfft(spectrum * hertz**slope, count), db)

    return make


def silence(seconds: float, _seed: int) -> Wave:
    """Digital zero."""
    return np.zeros(int(seconds * RATE))


def idle(seconds: float, seed: int) -> Wave:
    """A mu-law line at rest: its least steps, one up, one down."""
    count = int(seconds * NARROW)
    steps = np.random.default_rng(seed).choice([-8, 0, 0, 0, 8], count) / 32768
    return resample(steps, NARROW, RATE)


def swelling(seconds: float, seed: int) -> Wave:
    """Pink noise that rises and falls as cars pass: what a voice detector takes for speech most easily."""
    rng = np.random.default_rng(seed)
    at = np.arange(0, seconds + 2, 1.2)
    swell = np.interp(_time(seconds), at, rng.normal(0, 0.8, len(at)))
    return _level(noise(-0.5, -30)(seconds, seed) * np.exp(1.3 * swell), -28)


def tone(hertz: Sequence[float], on_s: float, off_s: float, db: float = -18) -> Sound:
    """Tones together, on and off: dial, ringback, busy."""

    def make(seconds: float, _seed: int) -> Wave:
        time = _time(seconds)
        on = (time % (on_s + off_s)) < on_s if off_s else np.ones(len(time), bool)
        tones: Wave = np.sum([np.sin(2 * np.pi * f * time) for f in hertz], axis=0)
        return tones * on * 10 ** (db / 20)

    return make


def dtmf(seconds: float, seed: int) -> Wave:
    """Keys, 90 ms each."""
    rng = np.random.default_rng(seed)
    wave, time = np.zeros(int(seconds * RATE)), _time(0.09)
    at = 0.2
    while at + 0.1 < seconds:
        pair = KEYS[str(rng.choice(list(KEYS)))]
        begin = int(at * RATE)
        wave[begin : begin + len(time)] = 0.15 * sum(np.sin(2 * np.pi * f * time) for f in pair)
        at += float(rng.choice([0.15, 0.2, 0.3, 1.4]))
    return wave


def sit(seconds: float, _seed: int) -> Wave:
    """Special information tones, three rising, every four seconds."""
    time = _time(seconds)
    phase, wave = time % 4.0, np.zeros(len(time))
    for index, hertz in enumerate((950.0, 1400.0, 1800.0)):
        begin = 0.33 * index
        wave += np.sin(2 * np.pi * hertz * time) * ((phase >= begin) & (phase < begin + 0.33))
    return 0.15 * wave


def sweep(seconds: float, _seed: int) -> Wave:
    """A fax or modem that trains: a tone going up and down, and its answer tone."""
    time = _time(seconds)
    hertz = 1300 + 800 * np.sin(2 * np.pi * 0.7 * time)
    return 0.15 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)


def hum(hertz: float, db: float) -> Sound:
    """Mains with its harmonics."""

    def make(seconds: float, seed: int) -> Wave:
        time = _time(seconds)
        tones = (np.sin(2 * np.pi * hertz * k * time + k) / k**0.7 for k in range(1, 30))
        return _level(sum(tones, 0.1 * np.random.default_rng(seed).normal(0, 1, len(time))), db)

    return make


def _note(hertz: float, seconds: float, bright: float, vibrato: float) -> Wave:
    time = _time(seconds)
    phase = 2 * np.pi * hertz * time + vibrato * np.sin(2 * np.pi * 5.5 * time)
    shape = np.minimum(1, time / 0.02) * np.exp(-1.5 * time / seconds)
    return shape * sum(np.sin(k * phase) * bright**k for k in range(1, 9))


def music(beat_s: float, bright: float, *, drums: bool, voices: int) -> Sound:
    """Music on hold: a tune over chords, with or without drums; bright and with vibrato it is near a voice."""

    def make(seconds: float, seed: int) -> Wave:
        rng = np.random.default_rng(seed)
        wave = np.zeros(int((seconds + 4) * RATE))
        chords = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
        for beat in range(int(seconds / beat_s)):
            begin, chord = int(beat * beat_s * RATE), chords[beat // 4 % 4]
            played = [int(rng.choice(chord)) + 12, *(chord if beat % 4 == 0 else ())][: voices + 1]
            for semitones in played:
                length = beat_s * (1 if semitones == played[0] else 4)
                sound = _note(196 * 2 ** (semitones / 12), length, bright, 0.3 if voices > 2 else 0.0)
                wave[begin : begin + len(sound)] += sound
            if drums:
                hit = rng.normal(0, 0.6, RATE // 10) * np.exp(-np.arange(RATE // 10) / 300)
                wave[begin : begin + len(hit)] += hit
        return _level(wave[: int(seconds * RATE)], -22)

    return make


def _bursts(
    seconds: float, seed: int, *, length_s: float, every_s: float, db: float, low: float, high: float
) -> Wave:
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum *= (hertz > low) & (hertz < high)
    base, wave = np.fft.irfft(spectrum, count), np.zeros(count)
    at = 0.3
    while at + length_s < seconds:
        begin, size = int(at * RATE), int(length_s * rng.uniform(0.7, 1.3) * RATE)
        size = min(size, count - begin)
        wave[begin : begin + size] = base[begin : begin + size] * np.hanning(size)
        at += every_s * rng.uniform(0.8, 1.3)
    return _level(wave, db)


def breath(seconds: float, seed: int) -> Wave:
    """In and out, close to the microphone."""
    return _bursts(seconds, seed, length_s=0.9, every_s=1.7, db=-26, low=300, high=3000)


def clicks(seconds: float, seed: int) -> Wave:
    """Keys, knocks and the rustle of a sleeve."""
    return _bursts(seconds, seed, length_s=0.03, every_s=0.35, db=-30, low=200, high=6000)


def cough(seconds: float, seed: int) -> Wave:
    """Short and loud, two or three in a row."""
    return _bursts(seconds, seed, length_s=0.25, every_s=0.6, db=-20, low=250, high=4000)


def wind(seconds: float, seed: int) -> Wave:
    """Into the microphone: brown noise in gusts."""
    gusts = _bursts(seconds, seed, length_s=2.5, every_s=3.0, db=-20, low=30, high=500)
    return gusts + noise(-1, -45)(seconds, seed)


SOUNDS: Mapping[str, Sound] = {
    "silence": silence,
    "mu-law idle": idle,
    **{f"white {db} dB": noise(0, db) for db in (-60, -45, -30, -20)},
    **{f"pink {db} dB": noise(-0.5, db) for db in (-45, -30, -20)},
    **{f"brown {db} dB": noise(-1, db) for db in (-40, -25)},
    "swelling": swelling,
    "wind": wind,
    "hum 50 Hz": hum(50, -30),
    "hum 60 Hz": hum(60, -20),
    "dial tone": tone((350, 440), 1, 0),
    "ringback US": tone((440, 480), 2, 4),
    "ringback EU": tone((425,), 1, 4),
    "ringing bell": tone((1200, 1400), 0.4, 0.2),
    "busy": tone((480, 620), 0.5, 0.5),
    "congestion": tone((425,), 0.25, 0.25),
    "beep": tone((1000,), 0.3, 2.2),
    "howl": tone((2600,), 1, 0),
    "DTMF": dtmf,
    "SIT": sit,
    "fax": sweep,
    "piano": music(0.4, 0.5, drums=False, voices=1),
    "chords": music(0.5, 0.6, drums=False, voices=3),
    "strings": music(1.0, 0.75, drums=False, voices=3),
    "band": music(0.3, 0.6, drums=True, voices=3),
    "singing tune": music(0.7, 0.85, drums=False, voices=0),
    "breath": breath,
    "clicks": clicks,
    "cough": cough,
}
