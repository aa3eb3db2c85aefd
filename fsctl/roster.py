"""What people do to agents on a switch: status, end of a wrap-up, length of wrap-up.

mod_callcenter says +OK to much, so each command is preceded by a look whether there is such an agent and followed
by a look whether it took effect; each is audited, refused or not.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from fsctl.errors import CommandRefused, FsctlError
from fsctl.esl import encode
from fsctl.esl.callcenter import AVAILABLE, IDLE, LOGGED_OUT, ON_BREAK, ON_DEMAND, WAITING, Agent, Snapshot
from fsctl.esl.connection import Reply
from fsctl.esl.decode import Origin
from fsctl.esl.findings import Ours, wrap_up_of
from fsctl.esl.snapshot import Reader
from fsctl.store.agents import Agents
from fsctl.store.audit import Audit, Entry

STATUSES = {"available": AVAILABLE, "on-demand": ON_DEMAND, "break": ON_BREAK, "out": LOGGED_OUT}
"""As people type them -> mod_callcenter's. On demand: one call, then none until ``ready``."""
MAX_WRAP_UP = timedelta(hours=4)


class Roster:
    """The agents of one node, under the hands of one person."""

    def __init__(
        self,
        request: Callable[[encode.Request], Reply],
        origin: Origin,
        agents: Agents,
        audit: Audit,
        wrap_up_s: Mapping[str, int],
        who: str,
        *,
        act: bool = True,
    ) -> None:
        """
        Args:
            request: sends a command.
            wrap_up_s: by queue, where the config says one.
            who: for the audit.
            act: False only looks; what would be sent is in ``planned``.
        """
        self.planned: list[encode.Request] = []
        self._act = act
        self._request = request
        self._node = origin.node
        self._reader = Reader(request, origin)
        self._agents = agents
        self._audit = audit
        self._wrap_up_s = wrap_up_s
        self._who = who

    def set_status(self, name: str, status: str) -> str:
        """Set an agent's status.

        Args:
            status: a key of STATUSES. ``available`` takes an agent who is Idle back to Waiting: with the status
                alone mod_callcenter would offer no call.

        Returns:
            What was done, for people.

        Raises:
            CommandRefused: no such agent, or FreeSWITCH did not do it.
            LinkError, DatabaseError: the switch or Postgres is away.
        """
        wanted = STATUSES[status]

        def change(agent: Agent, _snapshot: Snapshot) -> list[encode.Request]:
            commands: list[encode.Request] = [encode.SetAgent("status", name, wanted)]
            if agent.state == IDLE and wanted in (AVAILABLE, ON_DEMAND):
                commands.append(encode.SetAgent("state", name, WAITING))
            return commands

        before, _after = self._change("agent.status", name, change, lambda after: after.status == wanted)
        return f"{name} is {wanted}, was {before.status}"

    def ready(self, name: str) -> str:
        """End an agent's wrap-up, or the pause after a missed call, now.

        mod_callcenter counts wrap-up from the end of the last call and has no way to end it, so its length becomes
        zero until the reconciler sets it back, which it does when that has no effect on this wrap-up.

        Raises:
            CommandRefused, LinkError, DatabaseError: see ``set_status``; also for an agent who takes no calls or
                is in one.
        """

        def change(agent: Agent, snapshot: Snapshot) -> list[encode.Request]:
            if not agent.is_staffed:
                raise CommandRefused(f"{name} is {agent.status}: `fsctl agent status {name} available` first")
            if agent.is_busy:
                raise CommandRefused(f"{name} is {agent.state}: there is no wrap-up to end")
            commands: list[encode.Request] = [encode.SetAgent("ready_time", name, "0")]
            if agent.last_bridge_end + agent.wrap_up_s >= snapshot.at:
                self._remember_wrap_up(agent, snapshot)
                commands.append(encode.SetAgent("wrap_up_time", name, "0"))
            if agent.state == IDLE:
                commands.append(encode.SetAgent("state", name, WAITING))
            return commands

        self._change("agent.ready", name, change, lambda after: not after.ready_at)
        return f"{name} can take a call now"

    def _remember_wrap_up(self, agent: Agent, snapshot: Snapshot) -> None:
        """Where nobody else says what it shall be, the reconciler sets it back to what it is."""
        if not self._act:
            return
        kept = next((one for one in self._agents.kept(self._node) if one.name == agent.name), None)
        set_s = kept.wrap_up_set_s if kept else None
        if set_s is None and wrap_up_of(agent.name, snapshot, Ours(wrap_up_s=self._wrap_up_s)) is None:
            self._agents.set_wrap_up(self._node, agent.name, None, back_s=agent.wrap_up_s)

    def set_wrap_up(self, name: str, seconds: int | None) -> str:
        """Set how long an agent's wrap-up lasts, whatever the config says; None leaves it to the config again.

        Raises:
            CommandRefused, LinkError, DatabaseError: see ``set_status``; also for a length out of range.
        """
        if seconds is not None and not 0 <= seconds <= MAX_WRAP_UP.total_seconds():
            raise CommandRefused(f"wrap-up of {seconds} s: expected 0 to {MAX_WRAP_UP.total_seconds():.0f}")
        wanted: list[int] = []

        def change(_agent: Agent, snapshot: Snapshot) -> list[encode.Request]:
            length = (
                wrap_up_of(name, snapshot, Ours(wrap_up_s=self._wrap_up_s)) if seconds is None else seconds
            )
            if self._act:
                self._agents.set_wrap_up(self._node, name, seconds)
            wanted.extend([] if length is None else [length])
            return [encode.SetAgent("wrap_up_time", name, str(one)) for one in wanted]

        _before, after = self._change(
            "agent.wrap-up", name, change, lambda after: not wanted or after.wrap_up_s == wanted[0]
        )
        return f"{name} has {after.wrap_up_s} s of wrap-up"

    def _change(
        self,
        action: str,
        name: str,
        change: Callable[[Agent, Snapshot], list[encode.Request]],
        took_effect: Callable[[Agent], bool],
    ) -> tuple[Agent, Agent]:
        """Look, command, look again, and write it down; or only look."""
        if not self._act:
            snapshot = self._reader.snapshot()
            before = self._find(name, snapshot)
            self.planned += change(before, snapshot)
            return before, before
        detail: dict[str, object] = {}
        sent: list[str] = []
        result = "done"
        try:
            snapshot = self._reader.snapshot()
            before = self._find(name, snapshot)
            detail |= {"before": _values(before), "commands": sent}
            for command in change(before, snapshot):
                sent.append(command.render())
                reply = self._request(command)
                if not reply.ok:
                    raise CommandRefused(f"{name}: FreeSWITCH said {reply.text.strip()[:200]!r}")
            after = self._reader.agent(name)
            if after is None or not took_effect(after):
                raise CommandRefused(f"{name}: FreeSWITCH said +OK and did not do it")
            detail["after"] = _values(after)
        except FsctlError as error:
            result = str(error)
            raise
        finally:
            self._audit.append(
                Entry(
                    who=self._who, node=self._node, action=action, subject=name, detail=detail, result=result
                )
            )
        return before, after

    def _find(self, name: str, snapshot: Snapshot) -> Agent:
        for agent in snapshot.agents:
            if agent.name == name:
                return agent
        known = ", ".join(agent.name for agent in snapshot.agents) or "none at all"
        raise CommandRefused(f"{self._node} has no agent named {name!r} (there is: {known})")


def _values(agent: Agent) -> dict[str, object]:
    return {
        "status": agent.status,
        "state": agent.state,
        "wrap_up_s": agent.wrap_up_s,
        "ready_at": agent.ready_at,
    }
