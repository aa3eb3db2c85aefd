"""A new SIP password for a number: Meta makes it, every FreeSWITCH learns it.

Meta makes a new one when our server was taken away and comes again, and calls nobody in between; FreeSWITCH holds
one password for a user (sofia_reg.c, sofia_reg_parse_auth: the last one counts), so the two cannot be valid
together. What takes the place of an overlap is the order: first the way to every FreeSWITCH is proved with the
present password, then Meta forgets it with calls off, makes the new one, every FreeSWITCH learns it, and only then
calls are on again. So no call meets a wrong password, and none comes for some seconds.
Called by ``fsctl whatsapp rotate-password``. The password is in a file, on the Event Socket and nowhere else.
"""

import hmac
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from fsctl.errors import ConfigError, FsctlError, GraphError
from fsctl.esl import encode
from fsctl.esl.connection import Connection
from fsctl.finding import Finding
from fsctl.whatsapp import password as password_file
from fsctl.whatsapp import settings
from fsctl.whatsapp.number import Number, explained
from fsctl.whatsapp.settings import Settings

DOMAIN = "whatsapp"
"""Of the directory; the profile's force-register-domain."""
PROFILE, GATEWAY = "whatsapp", "meta"
"""By which customers are called; in sofia.conf.xml."""
DONE = "+OK"
"""Stands on the second line of what startgw answers, below how the XML was read (mod_sofia.c, cmd_profile)."""
CALLER = "fsctl_business_number"
"""The number that calls by it; in vars.xml."""
AGAIN = "`fsctl whatsapp rotate-password --current` goes on from here; until then no call may come"


class Rotation:
    """One number, Meta on one side and the nodes on the other."""

    def __init__(
        self,
        number: Number,
        wanted: Settings,
        folder: Path,
        nodes: Sequence[str],
        connect: Callable[[str], AbstractContextManager[Connection]],
    ) -> None:
        """Args: folder: of the password files; connect: a connection to the node of this name."""
        if not nodes:
            raise ConfigError("no [[node]]: which FreeSWITCH shall learn the password?")
        self._number = number
        self._wanted = wanted
        self._folder = folder
        self._nodes = nodes
        self._connect = connect

    def rotate(self) -> str:
        """Have a new one made.

        Returns:
            What was done, for people.

        Raises:
            FsctlError: nothing was changed at Meta, or, where it says so, calls are off until it is gone on with.
        """
        old = self._number.password(self._wanted)
        if not old:
            raise FsctlError(
                f"+{self._number.digits}: Meta has no SIP password for it: first `fsctl whatsapp apply`, "
                "then `fsctl whatsapp rotate-password --current`"
            )
        self.teach(old)
        try:
            self._number.write(settings.no_server_body())
            self._finish(old)
        except FsctlError as error:
            raise FsctlError(f"{error}; {AGAIN}") from error
        return f"+{self._number.digits}: a new SIP password is in use at Meta and on {', '.join(self._nodes)}"

    def current(self) -> str:
        """Have every FreeSWITCH know the password that Meta has now, and go on with what was broken off.

        Raises:
            FsctlError: see ``rotate``.
        """
        self._finish(old="")
        return f"+{self._number.digits}: Meta's SIP password is on {', '.join(self._nodes)}"

    def teach(self, password: str) -> None:
        """Write the password, have every FreeSWITCH read it, and see that it has.

        Raises:
            FsctlError: which FreeSWITCH has not, and what to look at.
            ConfigError: the file cannot be written.
        """
        password_file.write(self._folder, self._number.digits, password)
        for node in self._nodes:
            with self._connect(node) as connection:
                connection.must(encode.ReloadXml())
                if not knows(connection, self._number.digits, password):
                    raise FsctlError(
                        f"{node}: FreeSWITCH does not have the password of {self._folder} after reloadxml: do its "
                        "directory/whatsapp.xml and vars.xml include that folder (fsctl_whatsapp_users), "
                        "and may it read there?"
                    )
                _begin_gateway(connection, node)

    def _finish(self, old: str) -> None:
        """From wherever it is to a server that is called with a password that every FreeSWITCH has."""
        if not self._number.read().servers:
            self._number.write(settings.waiting_body(self._wanted))
        password = self._number.password(self._wanted)
        if password:
            self._teach_new(password, old)
        there = self._number.read()
        left = self._number.apply(_sip_only(there, self._wanted))
        if left:
            raise FsctlError(
                f"+{self._number.digits}: Meta has not taken {', '.join(row.name for row in left)}"
            )
        if not password:
            # Some versions may make it only when SIP is on: a call of these moments is refused.
            password = self._number.password(self._wanted)
            self._teach_new(password, old)
        if not self._number.has_password(self._wanted, password):
            raise FsctlError(f"+{self._number.digits}: Meta has another SIP password now than a moment ago")

    def _teach_new(self, password: str, old: str) -> None:
        if not password:
            raise FsctlError(f"+{self._number.digits}: Meta does not tell the SIP password of our server")
        if old and hmac.compare_digest(old.encode(), password.encode()):
            raise FsctlError(f"+{self._number.digits}: Meta has kept the old SIP password")
        self.teach(password)


def _begin_gateway(connection: Connection, node: str) -> None:
    """A gateway keeps what it began with. One that is not there is no fault: not everybody calls customers."""
    if DONE not in connection.request(encode.ForgetGateway(PROFILE, GATEWAY)).text:
        return
    said = connection.request(encode.StartGateway(PROFILE, GATEWAY)).text
    if DONE not in said:
        raise FsctlError(
            f"{node}: the gateway {GATEWAY} does not begin anew: FreeSWITCH said {said.strip()[:200]!r}"
        )


def knows(connection: Connection, number: str, password: str) -> bool:
    """Whether a FreeSWITCH has this password for calls from Meta and, if the number calls, for calls by Meta."""
    asked: dict[encode.Request, str] = {encode.ReadPassword(f"{number}@{DOMAIN}"): password}
    if connection.request(encode.ReadGlobal(CALLER)).text.strip() == number:
        asked[encode.ReadGlobal(password_file.VARIABLE)] = password_file.in_xml(password)
    said = [(connection.request(question).text.strip(), wanted) for question, wanted in asked.items()]
    return all(hmac.compare_digest(has.encode(), wanted.encode()) for has, wanted in said)


def in_step(
    number: Number,
    wanted: Settings,
    nodes: Sequence[str],
    connect: Callable[[str], AbstractContextManager[Connection]],
) -> Iterator[Finding]:
    """Whether each FreeSWITCH has the SIP password that Meta uses."""
    what = f"+{number.digits}"
    try:
        password = number.password(wanted)
        if not password:
            yield Finding(False, what, "Meta has no SIP password for our server", "`fsctl whatsapp apply`")
            return
        for node in nodes:
            with connect(node) as connection:
                same = knows(connection, number.digits, password)
            cure = "" if same else "`fsctl whatsapp rotate-password --current`"
            text = "has Meta's SIP password" if same else "has not the SIP password that Meta uses"
            yield Finding(same, what, f"{node} {text}", cure)
    except GraphError as error:
        yield Finding(False, what, explained(error))
    except FsctlError as error:
        yield Finding(False, what, str(error))


def _sip_only(there: Settings, wanted: Settings) -> Settings:
    """The SIP server and its encryption as wanted, all else as it is."""
    return replace(
        there,
        status=wanted.status,
        sip=wanted.sip,
        servers=wanted.servers,
        call_webhooks=wanted.call_webhooks,
        srtp=wanted.srtp,
        hours=None,
    )
