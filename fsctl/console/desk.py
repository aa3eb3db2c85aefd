"""What a line of ``api`` means on our console, for one person: our own command, a completion, or FreeSWITCH's.

Judges a line by the person's role before anything is done, has it done, and writes it down with what came of it.
Knows nothing of sockets or events. Called by verbs.py.
"""

from collections.abc import Callable

from fsctl.console.commands import COMMANDS, House, Who, run
from fsctl.console.commands.completion import Completion
from fsctl.console.counts import Counts, Outcome
from fsctl.console.relay import Commands
from fsctl.console.roles import required, settled
from fsctl.console.scribe import Scribe
from fsctl.errors import ConfigError, FsctlError, LinkError
from fsctl.store.audit import Entry
from fsctl.terminal import escape, escape_lines

MAX_AUDITED = 500
REFUSED = "refused:"
"""Begins the result in the audit of what the role is not enough for."""
MAX_PARTS = 32
"""Commands on one line, parted by ``;;``."""
SWITCHS_OWN = frozenset(
    [
        "api_expansion",
        "calibrate_clock",
        "crash",
        "debug_level",
        "debug_pool",
        "debug_sql",
        "default_dtmf_duration",
        "flush_db_handles",
        "hupall",
        "last_sps",
        "loglevel",
        "max_dtmf_duration",
        "max_sessions",
        "mdns_resolve",
        "min_dtmf_duration",
        "min_idle_cpu",
        "pause",
        "pause_check",
        "ready_check",
        "reclaim_mem",
        "recover",
        "resume",
        "save_history",
        "send_sighup",
        "shutdown",
        "shutdown_check",
        "sps",
        "sps_peak_reset",
        "sql",
        "sync_clock",
        "sync_clock_when_idle",
        "threaded_system_exec",
        "uuid_version",
        "verbose_events",
    ]
)
"""FreeSWITCH has a command ``fsctl`` too, with these words (mod_commands.c, ctl_function); none is one of ours."""
NAMES = ("switchname", "hostname")
"""fs_cli asks for them before its prompt; a node that is away has a name all the same."""


class Refused(FsctlError):
    """The role is not enough for this."""


class Desk:
    """One person's commands."""

    def __init__(self, who: Who, house: House, scribe: Scribe, origin: str, counts: Counts) -> None:
        """Args: house: its own, since ``use`` changes it; origin: the peer's address, for the audit."""
        self._scribe = scribe
        self._counts = counts
        self.who = who
        self.house = house
        self._origin = origin
        self._commands = Commands()
        self._completion = Completion(who, house)

    def close(self) -> None:
        """End what is open."""
        self._commands.close()

    def api(self, line: str, *, as_console: bool = False) -> str:
        """Do what a line says, and give the answer as the body of an ``api/response``.

        Args:
            as_console: it was typed: several commands are parted by ``;;``, and aliases hold (for admins).

        Raises:
            Refused: nothing of it was done; the audit has it.
        """
        name, _, rest = line.lstrip(" ").partition(" ")
        if name.lower() == "console_complete":
            return self.complete(rest)
        parts = _parts(line) if as_console else [line]
        for part in parts:
            self.judge(part)
        return "".join(self._one(part, as_console=as_console) for part in parts)

    def job(self, line: str) -> str:
        """The same for one command, beside others: on a connection of its own. It was judged before."""
        return self._one(line, own=True)

    def pass_on(self, head: str, headers: tuple[tuple[str, str], ...], body: bytes) -> str:
        """Hand a ``sendevent`` or ``sendmsg`` to the node; the answer is its Reply-Text. Raises Refused."""
        action, subject = head.partition(" ")[0], f"{head} {dict(headers)}"
        if not self.who.may("admin"):
            self._write_down(action, subject, f"{REFUSED} for admins", "")
            raise Refused("permission denied")
        return self._on_node(
            action, subject, lambda node: self._commands.pass_on(node, head, headers, body)
        ).strip()

    def write_down(self, action: str, subject: str, result: str) -> None:
        """Put into the audit what else this person did."""
        self._write_down(action, subject, result, self._chosen())

    def complete(self, line: str) -> str:
        """What FreeSWITCH would answer to ``console_complete``: our words for ours, the node's for the rest."""
        position, line = _cursor(line)
        seen = line[:position] if position is not None else line
        words = seen.lstrip(" ").split(" ")
        if words[0] == "fsctl" and len(words) > 1:
            return completions(words[-1], self._completion.of(seen.lstrip(" ")))
        if any(character < " " for character in line):
            return completions("", [])
        head = f"c={position};{line}" if position is not None else line
        try:
            return self._commands.api(self.house.chosen(), f"console_complete {head}".rstrip("\r\n"))
        except FsctlError:
            return completions(
                words[0], ["fsctl"] if len(words) == 1 and "fsctl".startswith(words[0]) else []
            )

    def judge(self, line: str) -> None:
        """Raises Refused, after the audit has it, when the role is not enough for a line."""
        if is_ours(line):
            return
        role = required(settled(line))
        if not self.who.may(role):
            self._write_down("api", line, f"{REFUSED} for {role}s", self._chosen())
            raise Refused("permission denied")

    def _one(self, line: str, *, as_console: bool = False, own: bool = False) -> str:
        if is_ours(line):
            ours = line.strip(" ").partition(" ")[2]
            result = run(f"fsctl {ours}", self.who, self.house)
            self._count("ok" if result.ok else "error" if self._may(ours) else "refused")
            text = escape_lines(result.text).rstrip("\n") or "+OK"
            return f"{text}\n" if result.ok else f"-ERR {text}\n"
        is_admin = self.who.may("admin")
        sent = line.strip(" \t") if is_admin else settled(line)
        commands = Commands() if own else self._commands
        try:
            answer = self._on_node(
                "api", line, lambda node: commands.api(node, sent, as_console=as_console and is_admin)
            )
        finally:
            if own:
                commands.close()
        return self._named(sent) if answer.startswith("-ERR node ") and sent in NAMES else answer

    def _on_node(self, action: str, subject: str, do: Callable[..., str]) -> str:
        """Do it on the chosen node; a node that is away is an answer too."""
        name = ""
        try:
            node = self.house.chosen()
            name = node.name
            answer = escape_lines(do(node)) or "-ERR no reply\n"
        except (LinkError, ConfigError) as error:
            answer = f"-ERR node {name or '?'}: {escape(str(error))}\n"
        self._write_down(action, subject, answer, name)
        return answer

    def _may(self, ours: str) -> bool:
        """Whether the role is enough for a command of ours, as far as there is one of that name."""
        command = COMMANDS.get(ours.strip(" ").partition(" ")[0])
        return command is None or self.who.may(command.role)

    def _count(self, outcome: Outcome) -> None:
        self._counts.commands[self.who.role, outcome] += 1

    def _named(self, _command: str) -> str:
        return self._chosen() or "fsctl"

    def _chosen(self) -> str:
        try:
            return self.house.chosen().name
        except ConfigError:
            return ""

    def _write_down(self, action: str, subject: str, result: str, node: str) -> None:
        failed = result.startswith(("-ERR", "-USAGE"))
        self._count("refused" if result.startswith(REFUSED) else "error" if failed else "ok")
        entry = Entry(
            who=self.who.user,
            node=node or None,
            action=f"console.{action}",
            subject=subject[:MAX_AUDITED],
            detail={"role": self.who.role, "from": self._origin},
            result=result.strip().split("\n", 1)[0][:MAX_AUDITED],
        )
        self._scribe.write(entry)


def is_ours(line: str) -> bool:
    """Whether a line is a command of fsctl, not of FreeSWITCH, which has a few words under the same name."""
    words = settled(line).split(" ", 2)
    return words[0] == "fsctl" and (len(words) < 2 or words[1] in COMMANDS or words[1] not in SWITCHS_OWN)


def completions(last: str, found: list[str]) -> str:
    """Words as fs_cli expects them: a table, then how many characters are replaced by what.

    switch_console.c, comp_callback and switch_console_complete: four a line, each in brackets; then ``write=`` with
    the length of the last word, and the word that it becomes, or as much as all have in common.
    """
    table = "".join(f"[{word:>20}]\t" + ("\n" if n % 4 == 0 else "") for n, word in enumerate(found, 1))
    text = f"\n\n{table}\n\n"
    if len(found) == 1:
        return f"{text}write={len(last)}:{found[0]} "
    common = _common(found)
    return f"{text}write={len(last)}:{common}" if common else text


def _common(words: list[str]) -> str:
    if not words:
        return ""
    first, last = min(words), max(words)
    same = next((n for n, (a, b) in enumerate(zip(first, last)) if a != b), min(len(first), len(last)))
    return first[:same]


def _cursor(line: str) -> tuple[int | None, str]:
    """``c=POSITION;LINE`` where the cursor is not at the end; else the line."""
    head, semicolon, rest = line.partition(";")
    digits = head.removeprefix("c=")
    if head.startswith("c=") and semicolon and digits.isascii() and digits.isdigit() and len(digits) < 6:
        return int(digits), rest
    return None, line


def _parts(line: str) -> list[str]:
    """What stands between ``;;``, as switch_console_execute parts it; an ``alias`` keeps its own."""
    if line.lstrip(" ").lower().startswith("alias"):
        return [line]
    parts = [part for part in line.split(";;") if part.strip()]
    if len(parts) > MAX_PARTS:
        raise Refused(f"{len(parts)} commands on a line, {MAX_PARTS} at most")
    return parts or [line]
