"""The errors of fsctl, and what each means for the process that meets it.

::

    FsctlError                 the message is for a person: which thing, what was tried, what to do
    ├── ConfigError            a key, type or secret in the config is wrong; exit 2, nothing was started
    ├── DatabaseError          Postgres refused what we asked
    │   ├── DatabaseDown       it cannot be reached now; heals by itself, the caller tries again
    │   └── EmbeddedError      the embedded server cannot be started here
    ├── LinkError              something about the Event Socket
    │   ├── ProtocolError      the peer does not speak it; the link reconnects
    │   ├── LinkLost           the connection is gone; the command may or may not have run
    │   ├── CommandTimeout     no reply within the deadline
    │   ├── CommandRefused     FreeSWITCH said -ERR
    │   ├── AuthRefused        wrong password or an ACL; exit 2 if we never got in, else the link tries again
    │   └── Unencodable        text that cannot stand in an ESL command at all
    ├── AudioError             a recording that cannot be read as the WAV FreeSWITCH writes
    ├── ArchiveError           a recording could not be kept in the archive now; it stays in the spool, again later
    ├── BadInput               what was given to a command is not what it takes
    ├── JournalFull            a webhook cannot be kept on disk now; it is answered 503, and Meta sends it again
    ├── GraphError             Meta did not do what was asked, or nobody knows; three kinds in whatsapp/graph.py
    └── ModelError             speech model missing, damaged or not to be had

The core (``fsctl.call``) raises none of these: what it does not expect, it leaves as it was.
"""


class FsctlError(Exception):
    """Base of all errors whose message is written for a person."""

    exit_code = 1


class ConfigError(FsctlError):
    """A setting is missing or wrong."""

    exit_code = 2


class DatabaseError(FsctlError):
    """Postgres refused what was asked."""


class DatabaseDown(DatabaseError):
    """Postgres cannot be reached now."""


class EmbeddedError(DatabaseError):
    """The embedded Postgres cannot be started."""


class LinkError(FsctlError):
    """The Event Socket failed."""


class ProtocolError(LinkError):
    """The peer sent what the Event Socket does not allow."""


class LinkLost(LinkError):
    """The connection to FreeSWITCH is gone."""


class CommandTimeout(LinkError):
    """FreeSWITCH did not reply within the deadline."""


class CommandRefused(LinkError):
    """FreeSWITCH replied -ERR."""


class AuthRefused(LinkError):
    """FreeSWITCH does not let us in."""

    exit_code = 2


class Unencodable(LinkError):
    """Text that cannot be part of an ESL command."""


class AudioError(FsctlError):
    """A recording cannot be read."""


class ArchiveError(FsctlError):
    """The archive does not take or give a recording now."""


class BadInput(FsctlError):
    """A command was given something that it cannot use."""


class GraphError(FsctlError):
    """Meta's Graph API did not do what was asked, as far as anybody knows."""


class JournalFull(FsctlError):
    """What came cannot be made durable now."""


class ModelError(FsctlError):
    """A speech model is missing or damaged."""
