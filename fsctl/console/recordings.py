"""``fsctl recording``: what is known of recordings, what is wrong with them, and how they look.

A recording is named by its file or by its call's uuid. A file needs no server; what Postgres knows of it is
then left out.
"""

import argparse
import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fsctl.config import Media, Node
from fsctl.errors import AudioError, ConfigError, FsctlError
from fsctl.media import archive, header, picture, proof
from fsctl.media.pipeline import Pipeline
from fsctl.media.proof import Finding, Sound
from fsctl.media.wav import GrowingWav
from fsctl.store.alarms import Alarm, Alarms
from fsctl.store.db import Database
from fsctl.store.keeping import KnownRecording
from fsctl.store.recordings import Recordings
from fsctl.terminal import Printer, escape

VAD_RATES = (8000, 16000, 32000, 48000)
"""What webrtcvad takes."""
STATE_COLOURS = {"archived": "green", "failed": "red", "growing": "cyan"}
SEVERITY_COLOURS = {"fault": "red", "note": "yellow"}


@dataclass(frozen=True)
class Heard:
    """A recording, listened to and judged; ``sound`` None where it cannot be read."""

    path: str
    known: KnownRecording | None
    sound: Sound | None
    findings: Sequence[Finding]
    utterances: Sequence[tuple[str, int, int]] = ()
    """Leg, first sample, one past the last: as stored, or as they would be cut from a file."""

    @property
    def is_well(self) -> bool:
        """Whether nobody need look at it."""
        return all(finding.severity != "fault" for finding in self.findings)


def file_command(options: argparse.Namespace, printer: Printer) -> int:
    """``show``, ``verify`` or ``repair`` of a file by itself; returns the exit code."""
    path = Path(options.who)
    if options.action == "repair":
        printer.line(f"repaired: {escape(str(repair(path, in_place=options.in_place)))}")
        return 0
    if options.action == "list":
        raise ConfigError("`fsctl recording list` takes no file; did you mean show?")
    if options.action in ("mask", "unmask"):
        raise ConfigError(f"`fsctl recording {options.action}` takes a call's uuid, not a file")
    heard = of_file(path)
    _print([heard], options, printer)
    return 0 if heard.is_well else 1


def call_command(
    options: argparse.Namespace, printer: Printer, database: Database, nodes: Sequence[Node]
) -> int:
    """The same of what Postgres knows; without a call, of every recording."""
    recordings = Recordings(database, "")
    spools = {node.name: node.spool for node in nodes}
    known = recordings.of_call(options.who) if options.who else recordings.known()
    if not known:
        raise FsctlError(
            f"no recording of call {options.who}, nor a file of that name"
            if options.who
            else "no recordings yet"
        )
    if options.action == "list":
        if options.json:
            printer.line(json.dumps([_plain(one) for one in known], indent=2, default=str))
        else:
            table(known, printer)
        return 1 if any(one.error or _has_fault(one) for one in known) else 0
    if options.action == "repair":
        return _repair_of_call(known, spools, options, printer)
    alarms = Alarms(database, "").up(options.who) if options.who else []
    heard = [of_call(one, known if options.who else [], spools.get(one.node)) for one in known]
    _print(heard, options, printer, alarms)
    return 0 if all(one.is_well for one in heard) and not alarms else 1


def of_file(path: Path) -> Heard:
    """Listen to a file by itself; a WAV is cut as if an agent had been bridged from its beginning.

    Raises:
        FileNotFoundError, AudioError: it cannot be read.
    """
    sound = proof.listen(path)
    utterances = _cut(path) if sound.header is not None and sound.rate in VAD_RATES else []
    return Heard(str(path), None, sound, proof.judge(sound, None), utterances)


def of_call(known: KnownRecording, siblings: Sequence[KnownRecording], spool: Path | None) -> Heard:
    """Listen to a call's recording, wherever it lies; what hinders it is a finding."""
    where = known.uri or _seen(known.path, spool)
    if known.state == "failed":
        return Heard(where, known, None, [Finding("failed", "fault", known.error or "it failed")])
    try:
        with archive.local_copy(where) as path:
            sound = proof.listen(path)
            findings = [*_of_hash(known, path), *proof.judge(sound, known, siblings)]
    except FileNotFoundError:
        return Heard(where, known, None, [Finding("missing", "fault", f"there is no file {where}")])
    except FsctlError as error:
        return Heard(where, known, None, [Finding("unreadable", "fault", str(error))])
    # What was found when it was archived, and cannot be seen in the repaired file any more.
    now = {finding.code for finding in findings}
    before = [Finding(**one) for one in known.findings if one["code"] not in now]  # type: ignore[arg-type]
    return Heard(where, known, sound, [*findings, *before], known.utterances)


def show(heard: Heard, printer: Printer, alarms: Sequence[Alarm] = (), png: Path | None = None) -> None:
    """Print all that is known of a recording, and its picture."""
    printer.line(printer.style(escape(heard.path), "bold"))
    for name, value in _facts(heard):
        printer.line(f"  {name:12} {escape(value)}")
    for alarm in alarms:
        printer.line(f"  {'alarm':12} {printer.style(escape(f'{alarm.kind}: {alarm.detail}'), 'red')}")
    findings(heard, printer)
    if heard.sound is None:
        return
    width = shutil.get_terminal_size((100, 24)).columns if printer.is_terminal else 100
    gaps = [(gap.start_s, gap.end_s) for gap in heard.known.gaps if gap.kind == "mask"] if heard.known else []
    for line in picture.as_text(heard.sound, heard.utterances, width, gaps):
        printer.line(line)
    if png is not None:
        png.write_bytes(picture.as_png(heard.sound, heard.utterances, gaps))
        printer.line(f"  {'picture':12} {escape(str(png))}")


def findings(heard: Heard, printer: Printer) -> None:
    """What is wrong, a line each."""
    for finding in heard.findings:
        word = printer.style(f"{finding.severity:6}", SEVERITY_COLOURS[finding.severity])
        printer.line(f"  {word} {finding.code}: {escape(finding.text)}")


def table(recordings: Sequence[KnownRecording], printer: Printer) -> None:
    """A line for each."""
    printer.line(
        f"{'call':36}  {'began':16}  {'length':>7}  {'state':9} {'format':6} {'bytes':>12}  what is wrong"
    )
    for one in recordings:
        state = printer.style(f"{one.state:9}", STATE_COLOURS.get(one.state, "dim"))
        faults = [found["text"] for found in one.findings if found["severity"] == "fault"]
        wrong = one.error or "; ".join(faults)
        length = "" if one.length_s is None else _clock(one.length_s)
        printer.line(
            f"{escape(one.call_uuid):36}  {one.started_at.astimezone():%Y-%m-%d %H:%M}  {length:>7}  {state} "
            f"{one.format or '':6} {one.bytes or '':>12}  {escape(wrong)}".rstrip()
        )


def repair(path: Path, *, in_place: bool) -> Path:
    """Give a recording of a killed FreeSWITCH a true header, into ``NAME.repaired.wav`` beside it.

    Raises:
        AudioError: there is nothing to repair, or it cannot be.
        FileExistsError: that file is there already.
    """
    if header.read(path).is_right:
        raise AudioError(f"{path}: its header is right; there is nothing to repair")
    if in_place:
        header.repair_in_place(path)
        return path
    to = path.with_suffix(".repaired.wav")
    with to.open("xb") as file:
        try:
            header.write_repaired(path, file)
        except BaseException:
            with contextlib.suppress(OSError):
                to.unlink()
            raise
    return to


def _repair_of_call(
    known: Sequence[KnownRecording],
    spools: dict[str, Path],
    options: argparse.Namespace,
    printer: Printer,
) -> int:
    for one in known:
        if one.state in ("growing", "archived"):
            raise FsctlError(f"{one.path}: it is {one.state}; what was archived has a true header")
        found = repair(Path(_seen(one.path, spools.get(one.node))), in_place=options.in_place)
        printer.line(f"repaired: {escape(str(found))}")
    return 0


def _print(
    heard: Sequence[Heard], options: argparse.Namespace, printer: Printer, alarms: Sequence[Alarm] = ()
) -> None:
    if options.json:
        printer.line(json.dumps([_as_row(one) for one in heard], indent=2, default=str))
    for one in heard if not options.json else ():
        if options.action == "show":
            show(one, printer, alarms, options.png)
        else:
            verdict = printer.style("well", "green") if one.is_well else printer.style("FAULT", "red")
            printer.line(f"{escape(one.path)}: {verdict}")
            findings(one, printer)


def _as_row(heard: Heard) -> dict[str, Any]:
    row = _plain(heard.known) if heard.known else {}
    sound = heard.sound
    if sound is not None:
        row |= {"duration_s": sound.duration_s, "rate": sound.rate, "channels": sound.channels}
    return row | {
        "path": heard.path,
        "well": heard.is_well,
        "findings": [dict(finding.as_row()) for finding in heard.findings],
    }


def _plain(known: KnownRecording) -> dict[str, Any]:
    return asdict(known)


def _has_fault(known: KnownRecording) -> bool:
    return any(found["severity"] == "fault" for found in known.findings)


def _cut(path: Path) -> list[tuple[str, int, int]]:
    reader = Pipeline(GrowingWav(path), Media(), {})
    found: list[tuple[str, int, int]] = []
    while True:
        batch = reader.advance([(0, None)], [], final=True)
        found += [(cut.leg, cut.start_sample, cut.end_sample) for cut in batch.utterances]
        if reader.is_done():
            break
    reader.close()
    return found


def _of_hash(known: KnownRecording, path: Path) -> Iterator[Finding]:
    if known.sha256 is not None:
        with path.open("rb") as file:
            if archive.sha256_of(file) != known.sha256:
                yield Finding("hash", "fault", "the file is not the one that was archived: another hash")


def _facts(heard: Heard) -> Iterator[tuple[str, str]]:
    known, sound = heard.known, heard.sound
    if known is not None:
        yield "call", f"{known.call_uuid} {known.display_name}".strip()
        yield "state", known.state + (f", {known.format}" if known.format else "") + f", by {known.source}"
        yield "began", f"{known.started_at.astimezone():%Y-%m-%d %H:%M:%S}"
        if known.consent:
            yield "consent", known.consent
        if known.sha256:
            yield "sha256", known.sha256
        for start_s, end_s in known.bridges:
            yield "bridged", f"{_clock(start_s)} to {'now' if end_s is None else _clock(end_s)}"
        yield "utterances", ", ".join(_spoken(known))
    if sound is not None:
        yield (
            "audio",
            f"{_clock(sound.duration_s)}, {sound.channels} channels, {sound.rate} Hz, {sound.file_bytes} bytes",
        )


def _spoken(known: KnownRecording) -> Iterator[str]:
    for leg in picture.LEGS:
        lengths = [end - start for one, start, end in known.utterances if one == leg]
        seconds = sum(lengths) / known.rate if known.rate else 0.0
        yield f"{leg} {len(lengths)} ({seconds:.1f} s)"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def _seen(path: str, spool: Path | None) -> str:
    """FreeSWITCH's path, or the same name in the spool where we see it mounted elsewhere."""
    if not Path(path).exists() and spool is not None:
        return str(spool / Path(path).name)
    return path
