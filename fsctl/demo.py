"""The sample calls: their chat before, and whether their transcripts stand in their threads afterwards."""

import json
import secrets
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fsctl.call.events import Alias
from fsctl.config import Archive, Config, Media, Transcribe
from fsctl.crm import as_text
from fsctl.sim.samples import Sample, load_samples
from fsctl.store.db import Database
from fsctl.store.items import CallItem, ThreadView, read_thread
from fsctl.store.threads import NewMessage, Threads
from fsctl.terminal import Printer
from fsctl.transcribe import wer

NODE = "simulated"
PATIENCE_S = 900.0
"""The sample calls last about a minute; the rest is for a slow machine to catch up."""
LEGS = ("caller", "agent")


@dataclass(frozen=True)
class Play:
    """One sample, and the thread in which its call must come to stand."""

    sample: Sample
    thread_id: int


class Demo:
    """The sample calls of one run."""

    def __init__(self, database: Database, plays: Sequence[Play], since: datetime) -> None:
        self._database = database
        self._plays = plays
        self._since = since

    @classmethod
    def begin(cls, database: Database) -> "Demo":
        """Put the chat that leads to each sample call into its thread."""
        now = datetime.now(UTC)
        threads = Threads(database)
        plays = [Play(sample, _chat(threads, sample, now)) for sample in load_samples()]
        return cls(database, plays, now)

    def is_whole(self) -> bool:
        """Whether every sample's call of this run has ended and its transcript is whole."""
        return all(
            (call := self._call(self._view(play))) is not None
            and call.call.ended_at is not None
            and call.progress.is_whole
            for play in self._plays
        )

    def show(self, printer: Printer) -> bool:
        """Print each thread, and the transcript beside what was really said.

        Returns:
            False when a call has no text of one of its legs.
        """
        complete = True
        for play in self._plays:
            view = self._view(play)
            printer.line()
            printer.line(as_text.render(view))
            heard = _by_leg(self._call(view))
            for leg in LEGS:
                said = _reference(play.sample, leg)
                complete = complete and bool(heard[leg])
                _compare(printer, play.sample.name, leg, said, heard[leg])
        return complete

    def _view(self, play: Play) -> ThreadView:
        found = Threads(self._database).find(play.sample.wa_id)
        return read_thread(self._database, next(t for t in found if t.id == play.thread_id))

    def _call(self, view: ThreadView) -> CallItem | None:
        calls = [item for item in view.items if isinstance(item, CallItem) and item.at >= self._since]
        return calls[-1] if calls else None


def write_config(folder: Path, config: Config, address: str, password: str, spool: Path) -> Path:
    """The config of the processes that serve the simulated FreeSWITCH, and of who wants to look after it."""
    host, _, port = address.rpartition(":")
    path, secret = folder / "demo.toml", folder / "demo-password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    samples = load_samples()
    languages: Mapping[str, str] = {sample.business_number: sample.language for sample in samples}
    numbers = "\n".join(
        f"[number.{number}]\nlanguage = {_toml(lang)}\n" for number, lang in languages.items()
    )
    path.write_text(
        "# Written by `fsctl run` for the simulated FreeSWITCH; written again at the next start.\n"
        'data_dir = "."\n\n'
        f"[[node]]\nname = {_toml(NODE)}\nhost = {_toml(host)}\nport = {port}\n"
        f"password_file = {_toml(secret.name)}\nspool = {_toml(str(spool))}\n\n"
        f"{numbers}\n{_table('media', config.media)}\n{_table('archive', config.archive)}\n"
        f"{_table('transcribe', config.transcribe)}"
    )
    return path


def _table(name: str, settings: Archive | Media | Transcribe) -> str:
    pairs = (f"{key} = {_toml(value)}\n" for key, value in asdict(settings).items())
    return f"[{name}]\n{''.join(pairs)}"


def _toml(value: object) -> str:
    """A TOML value: JSON writes strings, numbers, truths and lists as TOML does."""
    return json.dumps(value, ensure_ascii=False)


def _chat(threads: Threads, sample: Sample, now: datetime) -> int:
    messages = [
        NewMessage(
            wamid=f"wamid.SAMPLE{secrets.token_hex(12)}",
            direction=message.direction,
            body=message.text,
            sent_at=now - timedelta(minutes=message.minutes_before_call),
        )
        for message in sample.chat
    ]
    return threads.add_messages(
        [Alias(kind="wa_id", value=sample.wa_id)],
        sample.contact_name,
        sample.language,
        sample.business_number,
        messages,
    )


def _by_leg(call: CallItem | None) -> dict[str, str]:
    said = dict.fromkeys(LEGS, "")
    for item in call.turns if call else ():
        said[item.turn.leg] = f"{said[item.turn.leg]} {item.turn.text}".strip()
    return said


def _reference(sample: Sample, leg: str) -> str:
    return " ".join(turn.text for turn in sample.turns if turn.leg == leg)


def _compare(printer: Printer, name: str, leg: str, said: str, heard: str) -> None:
    errors = wer.compare(said, heard)
    printer.line(
        f"\n  {name}, {leg}: word error rate {errors.rate:.1%} of {errors.words} words "
        f"({errors.substitutions} wrong, {errors.deletions} missed, {errors.insertions} added)"
    )
    for title, words in (("said:  ", said), ("heard: ", heard or "(nothing)")):
        printer.line(textwrap.fill(words, 108, initial_indent=f"    {title}", subsequent_indent=" " * 11))
