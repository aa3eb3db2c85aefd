"""The sample calls: their chat before, and whether their transcripts stand in their threads afterwards."""

import json
import secrets
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from fsctl.call.events import Alias
from fsctl.call.state import Disposition
from fsctl.config import Archive, Config, Media, Transcribe
from fsctl.crm import as_text
from fsctl.sim import journey
from fsctl.sim.samples import PHONE_NUMBER_ID, Sample, load_samples
from fsctl.store import outcomes
from fsctl.store.db import Database
from fsctl.store.items import CallItem, ThreadView, read_thread
from fsctl.store.outcomes import Outcome
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
            # The customer who was missed has yet to come back.
            and call.call.disposition is Disposition.ANSWERED
            and call.progress.is_whole
            for play in self._plays
        )

    def show(self, printer: Printer) -> bool:
        """Print each thread, and the transcript beside what was really said.

        Returns:
            False when a call has no text of one of its legs.
        """
        complete = True
        self._sell()
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

    def _sell(self) -> None:
        """What a CRM would say of the call of the customer who came back."""
        play = next(play for play in self._plays if play.sample.name == journey.SAMPLE)
        call = self._call(self._view(play))
        if call is None or call.call.ended_at is None:
            return
        said = Outcome(
            kind="sale", at=call.call.ended_at, who="demo", call_uuid=call.call.uuid, value=Decimal("129.00"),
            currency="EUR", key=f"demo/{call.call.uuid}",
        )  # fmt: skip
        with self._database.transaction("storing the outcome of the demo") as transaction:
            outcomes.add(transaction, said)

    def _view(self, play: Play) -> ThreadView:
        found = Threads(self._database).find(play.sample.wa_id)
        return read_thread(self._database, next(t for t in found if t.id == play.thread_id))

    def _call(self, view: ThreadView) -> CallItem | None:
        calls = [item for item in view.items if isinstance(item, CallItem) and item.at >= self._since]
        return calls[-1] if calls else None


@dataclass(frozen=True)
class World:
    """What the processes of the demo have around them: addresses as HOST:PORT, and secrets made for this run."""

    switch: str
    graph: str
    web: str
    spool: Path
    password: str
    app_secret: str
    access_token: str

    @property
    def webhooks(self) -> str:
        """Where Meta sends its webhooks."""
        return f"http://{self.web}/webhooks/whatsapp"


def write_config(folder: Path, config: Config, world: World) -> Path:
    """The config of the processes that serve the simulated FreeSWITCH, and of who wants to look after it."""
    host, _, port = world.switch.rpartition(":")
    path = folder / "demo.toml"
    found = {
        "demo-password": world.password,
        "demo-app-secret": world.app_secret,
        "demo-access-token": world.access_token,
    }
    for name, value in found.items():
        _keep(folder / name, value)
    if not (folder / "demo-payload-secret").exists():
        # Kept: a button of an earlier run leads here still.
        _keep(folder / "demo-payload-secret", secrets.token_urlsafe(24))
    path.write_text(
        "# Written by `fsctl run` for the simulated FreeSWITCH; written again at the next start.\n"
        'data_dir = "."\n\n'
        f"[[node]]\nname = {_toml(NODE)}\nhost = {_toml(host)}\nport = {port}\n"
        f'password_file = "demo-password"\nspool = {_toml(str(world.spool))}\n\n'
        f"{_numbers()}\n"
        '[queue."support@fsctl".followup]\non = true\nquiet_s = 10\n'
        'links = { en = ["Track your order: https://example.com/track"] }\n\n'
        '[payload]\nsecret_file = "demo-payload-secret"\n\n'
        f"[web]\nlisten = {_toml(world.web)}\npublic_url = {_toml(f'http://{world.web}')}\n\n"
        f"[whatsapp]\ngraph_url = {_toml(f'http://{world.graph}')}\n"
        'access_token_file = "demo-access-token"\napp_secret_file = "demo-app-secret"\n\n'
        f"{_table('media', config.media)}\n{_table('archive', config.archive)}\n"
        f"{_table('transcribe', config.transcribe)}"
    )
    return path


def _keep(path: Path, secret: str) -> None:
    path.touch(mode=0o600)
    path.write_text(secret)


def _numbers() -> str:
    """The tables of the numbers that the samples call; one of them can send."""
    samples = {sample.business_number: sample for sample in load_samples()}
    sender = next(one.business_number for one in samples.values() if one.name == journey.SAMPLE)
    return "\n".join(
        f"[number.{number}]\nlanguage = {_toml(sample.language)}\n"
        + (f"phone_number_id = {_toml(PHONE_NUMBER_ID)}\n" if number == sender else "")
        for number, sample in samples.items()
    )


def _table(name: str, settings: Archive | Media | Transcribe) -> str:
    pairs = (f"{key} = {_toml(value)}\n" for key, value in asdict(settings).items())
    return f"[{name}]\n{''.join(pairs)}"


def _toml(value: object) -> str:
    """A TOML value: JSON writes strings, numbers, truths and lists as TOML does."""
    return json.dumps(value, ensure_ascii=False)


def _chat(threads: Threads, sample: Sample, now: datetime) -> int:
    """What was said before the call. The customer of the journey writes by himself, through Meta's webhooks."""
    messages = [
        NewMessage(
            wamid=f"wamid.SAMPLE{secrets.token_hex(12)}",
            direction=message.direction,
            body=message.text,
            sent_at=now - timedelta(minutes=message.minutes_before_call),
        )
        for message in sample.chat
        if sample.name != journey.SAMPLE or message.direction == "outbound"
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
