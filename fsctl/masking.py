"""What people do to a recording while it grows: mask it, so that a card number is not in it, and unmask it.

The gap is stored before FreeSWITCH is told, and ends after it was told: in between nothing that is heard becomes
text. Both times are the switch's own, as those of the recording. What the dialplan or others mask, FreeSWITCH tells
the controller (``esl.encode.FILTERS``). Called by ``fsctl recording mask|unmask``.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from fsctl.errors import CommandRefused, FsctlError, LinkLost
from fsctl.esl import decode, encode
from fsctl.esl.connection import Connection
from fsctl.esl.messages import Event, JsonFields
from fsctl.store.audit import Audit, Entry
from fsctl.store.keeping import KnownRecording
from fsctl.store.recordings import Recordings

MAX_REASON = 200


class Masking:
    """The growing recordings of all nodes, under the hands of one person."""

    def __init__(
        self,
        recordings: Recordings,
        audit: Audit,
        connect: Callable[[str], AbstractContextManager[Connection]],
        who: str,
    ) -> None:
        """Args: connect: a connection to the node of this name; who: for the audit."""
        self._recordings = recordings
        self._audit = audit
        self._connect = connect
        self._who = who

    def mask(self, call_uuid: str, reason: str) -> str:
        """Have silence written into a call's recording, and nothing read from it.

        Returns:
            What was done, for people.

        Raises:
            FsctlError: nothing of this call is recorded now.
            CommandRefused: FreeSWITCH did not do it; it goes on to be recorded.
            LinkError, DatabaseError: the switch or Postgres is away. After LinkLost or CommandTimeout it may be
                masked all the same, and counts as masked.
        """

        def change(connection: Connection, known: KnownRecording) -> bool:
            at = _now(connection, call_uuid)
            is_new = self._recordings.begin_gap(call_uuid, "mask", reason[:MAX_REASON], at)
            try:
                _tell(connection, encode.MaskRecording(call_uuid, known.path, masked=True))
            except CommandRefused:
                if is_new:
                    self._recordings.forget_gap(call_uuid, at)
                raise
            return is_new

        is_new = self._change("recording.mask", call_uuid, change, reason=reason)
        return f"{call_uuid} {'is' if is_new else 'was'} masked: {reason}"

    def unmask(self, call_uuid: str) -> str:
        """Have the call recorded again.

        Raises:
            FsctlError, LinkError, DatabaseError: see ``mask``.
        """

        def change(connection: Connection, known: KnownRecording) -> bool:
            _tell(connection, encode.MaskRecording(call_uuid, known.path, masked=False))
            return self._recordings.end_gap(call_uuid, "mask", _now(connection, call_uuid))

        was_masked = self._change("recording.unmask", call_uuid, change)
        return f"{call_uuid} is recorded again" if was_masked else f"{call_uuid} was not masked"

    def _change(
        self,
        action: str,
        call_uuid: str,
        change: Callable[[Connection, KnownRecording], bool],
        **detail: object,
    ) -> bool:
        """Do it to each recording of the call that grows, and write it down, refused or not."""
        node, result = None, "done"
        try:
            growing = self._growing(call_uuid)
            node = growing[0].node
            with self._connect(node) as connection:
                changed = [change(connection, known) for known in growing]
                return any(changed)
        except FsctlError as error:
            result = str(error)
            raise
        finally:
            self._audit.append(
                Entry(
                    who=self._who, node=node, action=action, subject=call_uuid, detail=detail, result=result
                )
            )

    def _growing(self, call_uuid: str) -> list[KnownRecording]:
        known = self._recordings.of_call(call_uuid)
        if not known:
            raise FsctlError(f"no recording of call {call_uuid}: `fsctl recording list` shows them")
        growing = [one for one in known if one.state == "growing"]
        if not growing:
            raise FsctlError(
                f"call {call_uuid}: its recording is {known[-1].state}; only one that grows is masked"
            )
        if any(one.source == "websocket" for one in growing):
            raise FsctlError(
                f"call {call_uuid}: it comes by a websocket; pause the fork in FreeSWITCH instead"
            )
        return growing


def _now(connection: Connection, call_uuid: str) -> datetime:
    dump = connection.must(encode.DumpChannel(call_uuid))
    at = decode.moment(Event(JsonFields(dump.encode()), b""))
    if at is None:
        raise LinkLost(f"call {call_uuid}: FreeSWITCH does not say what time it is")
    return at


def _tell(connection: Connection, command: encode.MaskRecording) -> None:
    reply = connection.request(command)
    if not reply.ok:
        raise CommandRefused(f"call {command.channel_uuid}: FreeSWITCH said {reply.text.strip()[:200]!r}")
